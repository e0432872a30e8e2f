// Powers of one base that many exponents share, by a table that stays on the device: row j holds base^(d·2^(j·digitBits)) for
// all digits d, so that a power is one product a row and no squaring. All instances read a row whole, the same one at the same
// time, and keep their entry by mask; so wide digits cost reads, narrow ones products.
//
// A table is filled in two steps: one instance squares its way along the rows, then every row is multiplied out by an
// instance of its own.
#pragma once

#include "table.h"

namespace millrace::kernels {

/// Words of a table.
template <class S>
std::size_t tableWords(std::size_t exponentBytes, std::uint32_t digitBits) {
  return (exponentBytes * 8 + digitBits - 1) / digitBits * (std::size_t{1} << digitBits) * S::kLimbs;
}

/// Entries 0 and 1 of every row: 1 and base^(2^(row·digitBits)). One instance; the others of its warp repeat it.
template <class S, Form F>
struct TableRowsBody {
  using Shape = S;
  Modulus modulus;
  std::uint32_t* table;
  const std::uint32_t* base;
  std::uint32_t rows;
  std::uint32_t digitBits;

  template <class W>
  MILLRACE_FN void run(std::uint32_t, std::uint32_t, std::uint32_t* shared) const {
    const Field<W, S, F> field(modulus, shared);
    const W first = below(field.lane, W(S::kTpi));
    const W each = W(1u << digitBits) * W(S::kLimbs);
    Element<W, S> x, one;
    field.load(x.limb, base);
    field.load(one.limb, modulus.rSquared);
    multiply(field, x, x, one);
    field.load(one.limb, modulus.one);
    MILLRACE_ROLLED
    for (std::uint32_t row = 0; row < rows; row++) {
      field.storeAt(table, W(row) * each, one.limb, first);
      field.storeAt(table, W(row) * each + W(S::kLimbs), x.limb, first);
      if (row + 1 == rows) break;
      MILLRACE_ROLLED
      for (std::uint32_t s = 0; s < digitBits; s++) square(field, x);
    }
  }
};

/// The other entries; one instance for each row.
template <class S, Form F>
struct TableEntriesBody {
  using Shape = S;
  Modulus modulus;
  std::uint32_t* table;
  std::uint32_t rows;
  std::uint32_t digitBits;

  template <class W>
  MILLRACE_FN void run(std::uint32_t group, std::uint32_t, std::uint32_t* shared) const {
    const Field<W, S, F> field(modulus, shared);
    const Slots<W, S> slots(field, group, rows);
    const W row = slots.index * W(1u << digitBits) * W(S::kLimbs);
    Element<W, S> x, factor;
    field.loadAt(factor.limb, table, row + W(S::kLimbs));
    x = factor;
    MILLRACE_ROLLED
    for (std::uint32_t digit = 2; digit < 1u << digitBits; digit++) {
      multiply(field, x, x, factor);
      field.storeAt(table, row + W(digit) * W(S::kLimbs), x.limb, slots.valid);
    }
  }
};

/// out[i] = base^exponents[i].
template <class S, Form F>
struct PowFixedBody {
  using Shape = S;
  Modulus modulus;
  std::uint32_t* out;
  const std::uint32_t* table;
  const std::uint8_t* exponents;
  std::uint32_t exponentBytes;
  std::uint32_t digitBits;
  std::uint32_t count;

  template <class W>
  MILLRACE_FN void run(std::uint32_t group, std::uint32_t, std::uint32_t* shared) const {
    const Field<W, S, F> field(modulus, shared);
    const Slots<W, S> slots(field, group, count);
    const W exponent = slots.index * W(exponentBytes);
    const std::uint32_t rows = digitRows(exponentBytes, digitBits), entries = 1u << digitBits;
    Element<W, S> x, y;
    selectEntry(field, x, table, W(0), entries, digitAt(exponents, exponent, exponentBytes, 0, digitBits));
    MILLRACE_ROLLED
    for (std::uint32_t row = 1; row <= rows; row++) {
      if (row == rows) {
        plainOne(field, y);
      } else {
        const W digit = digitAt(exponents, exponent, exponentBytes, row * digitBits, digitBits);
        selectEntry(field, y, table, W(row) * W(entries) * W(S::kLimbs), entries, digit);
      }
      multiply(field, x, x, y);
    }
    canonical(field, x);
    field.storeAt(out, slots.index * W(S::kLimbs), x.limb, slots.valid);
  }
};

}  // namespace millrace::kernels
