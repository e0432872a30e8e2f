// Products over a batch, and products of powers (multi-exponentiation) for the verification of proofs: many instances each
// work on a share, then the shares are multiplied together, a factor kShare fewer in each pass.
#pragma once

#include "invert.h"
#include "pow.h"

namespace millrace::kernels {

/// Rows that one instance multiplies together in a pass.
constexpr std::uint32_t kShare = 8;
/// Bases that share a chain of squarings.
constexpr std::uint32_t kBases = 8;

/// For rows of `width` numbers: out[k·width + e] = product of in[row·width + e] over the rows k, k + outRows, … If `plain`, plain
/// numbers come in (each goes into Montgomery form); if `last`, canonical ones go out.
template <class S, Form F>
struct FoldBody {
  using Shape = S;
  Modulus modulus;
  std::uint32_t* out;
  const std::uint32_t* in;
  std::uint32_t width;
  std::uint32_t rows;
  std::uint32_t outRows;
  bool plain;
  bool last;

  template <class W>
  MILLRACE_FN void run(std::uint32_t group, std::uint32_t, std::uint32_t* shared) const {
    const Field<W, S, F> field(modulus, shared);
    const Slots<W, S> slots(field, group, outRows * width);
    const W row = slots.index / W(width), column = slots.index - row * W(width);
    Element<W, S> x, factor, conversion;
    field.load(x.limb, modulus.one);
    field.load(conversion.limb, modulus.rSquared);
    const std::uint32_t turns = (rows + outRows - 1) / outRows;
    MILLRACE_ROLLED
    for (std::uint32_t turn = 0; turn < turns; turn++) {
      const W from = row + W(turn * outRows);
      const W inside = below(from, W(rows));
      loadOrOne(field, factor, in, from * W(width) + column, inside);
      multiply(field, x, x, factor);
      if (plain) {
        // The stand-in for a missing row is in Montgomery form already.
        Element<W, S> y;
        W one[S::kLpt];
        field.load(one, modulus.one);
        MILLRACE_UNROLL
        for (int i = 0; i < S::kLpt; i++) y.limb[i] = (conversion.limb[i] & inside) | (one[i] & ~inside);
        multiply(field, x, x, y);
      }
    }
    if (last) {
      plainOne(field, factor);
      multiply(field, x, x, factor);
      canonical(field, x);
    }
    field.storeAt(out, slots.index * W(S::kLimbs), x.limb, slots.valid);
  }
};

/// out[k] = product of bases[i]^exponents[i] over the kBases numbers from k·kBases on, in Montgomery form. For public exponents: the
/// digits are addresses in the tables. NOT constant-time.
template <class S, Form F>
struct MultiExpBody {
  using Shape = S;
  static constexpr std::uint32_t kScratch = kBases * S::kEntries * S::kLimbs;
  Modulus modulus;
  std::uint32_t* out;
  const std::uint32_t* bases;
  const std::uint8_t* exponents;
  std::uint32_t exponentBytes;
  std::uint32_t count;
  std::uint32_t* scratch;

  template <class W>
  MILLRACE_FN void run(std::uint32_t group, std::uint32_t warp, std::uint32_t* shared) const {
    const Field<W, S, F> field(modulus, shared);
    const Slots<W, S> slots(field, group, (count + kBases - 1) / kBases);
    const W tables = scratchAt(field, warp, kScratch);
    Element<W, S> x, factor;
    MILLRACE_ROLLED
    for (std::uint32_t b = 0; b < kBases; b++) {
      const W index = slots.index * W(kBases) + W(b);
      field.loadAt(x.limb, bases, (index & below(index, W(count))) * W(S::kLimbs));
      fillWindow(field, x, scratch, tables + W(b * S::kEntries * S::kLimbs));
    }
    field.load(x.limb, modulus.one);
    MILLRACE_ROLLED
    for (std::uint32_t row = digitRows(exponentBytes, S::kWindow); row-- > 0;) {
      MILLRACE_ROLLED
      for (std::uint32_t s = 0; s < S::kWindow; s++) square(field, x);
      MILLRACE_ROLLED
      for (std::uint32_t b = 0; b < kBases; b++) {
        const W index = slots.index * W(kBases) + W(b);
        const W inside = below(index, W(count));
        const W at = (index & inside) * W(exponentBytes);
        // Digit 0 for bases beyond the end: a factor of one.
        const W digit = digitAt(exponents, at, exponentBytes, row * S::kWindow, S::kWindow) & inside;
        field.loadAt(factor.limb, scratch, tables + (W(b * S::kEntries) + digit) * W(S::kLimbs));
        multiply(field, x, x, factor);
      }
    }
    field.storeAt(out, slots.index * W(S::kLimbs), x.limb, slots.valid);
  }
};

}  // namespace millrace::kernels
