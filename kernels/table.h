// Tables of powers, read without a secret address: every entry is loaded, and a mask keeps the wanted one. That costs a few percent of
// the multiplications between two reads, because the loads are coalesced and the masks cost one instruction a limb. The places of an
// exponent's digits are public.
#pragma once

#include "launch.h"

namespace millrace::kernels {

/// `bits` (at most 8) bits of a little-endian exponent that begins at byte `at`, from bit `place` on; zero beyond its end.
template <class W>
MILLRACE_FN W digitAt(const std::uint8_t* exponents, W at, std::uint32_t bytes, std::uint32_t place, std::uint32_t bits) {
  const std::uint32_t index = place / 8;
  W word = loadByte(exponents, at + W(index));
  if (index + 1 < bytes) word |= loadByte(exponents, at + W(index + 1)) << W(8);
  return (word >> W(place % 8)) & W((1u << bits) - 1);
}

MILLRACE_BOTH constexpr std::uint32_t digitRows(std::uint32_t exponentBytes, std::uint32_t digitBits) {
  return (exponentBytes * 8 + digitBits - 1) / digitBits;
}

/// x = entry `digit` of the `entries` numbers from word `at` on.
template <class W, class S, Form F>
MILLRACE_FN void selectEntry(const Field<W, S, F>& field, Element<W, S>& x, const std::uint32_t* table, W at,
                             std::uint32_t entries, W digit) {
  MILLRACE_UNROLL
  for (int i = 0; i < S::kLpt; i++) x.limb[i] = W(0);
  MILLRACE_UNROLL_BY(2)
  for (std::uint32_t entry = 0; entry < entries; entry++) {
    W limbs[S::kLpt];
    field.loadAt(limbs, table, at + W(entry * S::kLimbs));
    const W mask = equal(digit, W(entry));
    MILLRACE_UNROLL
    for (int i = 0; i < S::kLpt; i++) x.limb[i] |= limbs[i] & mask;
  }
}

/// Sets entry `digit` to x; every entry is read and written.
template <class W, class S, Form F>
MILLRACE_FN void depositEntry(const Field<W, S, F>& field, const Element<W, S>& x, std::uint32_t* table, W at,
                              std::uint32_t entries, W digit) {
  MILLRACE_UNROLL_BY(2)
  for (std::uint32_t entry = 0; entry < entries; entry++) {
    W limbs[S::kLpt];
    const W place = at + W(entry * S::kLimbs);
    field.loadAt(limbs, table, place);
    const W mask = equal(digit, W(entry));
    MILLRACE_UNROLL
    for (int i = 0; i < S::kLpt; i++) limbs[i] = (x.limb[i] & mask) | (limbs[i] & ~mask);
    field.storeAt(table, place, limbs, W(~0u));
  }
}

/// 1, the number: a product with it takes an element out of Montgomery form.
template <class W, class S, Form F>
MILLRACE_FN void plainOne(const Field<W, S, F>& field, Element<W, S>& x) {
  MILLRACE_UNROLL
  for (int i = 0; i < S::kLpt; i++) x.limb[i] = W(0);
  x.limb[0] = equal(field.block, W(0)) & W(1);
}

}  // namespace millrace::kernels
