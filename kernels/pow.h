// Powers of many bases: one exponent each, or one exponent for all. Fixed windows of kWindow bits: the same squarings,
// products and table reads for every exponent of a length. Each instance keeps its table of 16 powers in scratch memory,
// which stays in the level-2 cache, and reads it whole at every digit.
#pragma once

#include "table.h"

namespace millrace::kernels {

/// table[d] = base^d in Montgomery form, d < kEntries, from word `at` on.
template <class W, class S, Form F>
MILLRACE_FN void fillWindow(const Field<W, S, F>& field, const Element<W, S>& base, std::uint32_t* table, W at) {
  Element<W, S> power, factor;
  field.load(factor.limb, field.modulus.one);
  field.storeAt(table, at, factor.limb, W(~0u));
  field.load(factor.limb, field.modulus.rSquared);
  power = base;
  MILLRACE_ROLLED
  for (std::uint32_t d = 1; d < S::kEntries; d++) {
    multiply(field, power, power, factor);
    field.storeAt(table, at + W(d * S::kLimbs), power.limb, W(~0u));
    if (d == 1) factor = power;
  }
}

/// out[i] = bases[i]^exponents[i], or ^exponents[0] for all if `sharedExponent`.
template <class S, Form F>
struct PowBody {
  using Shape = S;
  /// Words of scratch memory an instance.
  static constexpr std::uint32_t kScratch = S::kEntries * S::kLimbs;
  Modulus modulus;
  std::uint32_t* out;
  const std::uint32_t* bases;
  const std::uint8_t* exponents;
  std::uint32_t exponentBytes;
  bool sharedExponent;
  std::uint32_t count;
  std::uint32_t* scratch;

  template <class W>
  MILLRACE_FN void run(std::uint32_t group, std::uint32_t warp, std::uint32_t* shared) const {
    const Field<W, S, F> field(modulus, shared);
    const Slots<W, S> slots(field, group, count);
    const W table = scratchAt(field, warp, kScratch);
    Element<W, S> x, y;
    field.loadAt(x.limb, bases, slots.index * W(S::kLimbs));
    fillWindow(field, x, scratch, table);
    const W exponent = sharedExponent ? W(0) : slots.index * W(exponentBytes);
    std::uint32_t row = digitRows(exponentBytes, S::kWindow) - 1;
    selectEntry(field, x, scratch, table, S::kEntries, digitAt(exponents, exponent, exponentBytes, row * S::kWindow, S::kWindow));
    bool done = false;
    // The last product, with 1, is one more turn of the loop, so that there is one copy of the product's code.
    MILLRACE_ROLLED
    while (!done) {
      if (row == 0) {
        plainOne(field, y);
        done = true;
      } else {
        row--;
        MILLRACE_ROLLED
        for (std::uint32_t s = 0; s < S::kWindow; s++) square(field, x);
        selectEntry(field, y, scratch, table, S::kEntries, digitAt(exponents, exponent, exponentBytes, row * S::kWindow, S::kWindow));
      }
      multiply(field, x, x, y);
    }
    canonical(field, x);
    field.storeAt(out, slots.index * W(S::kLimbs), x.limb, slots.valid);
  }
};

/// out[i·width + e] = bases[i]^exponents[e] by Yao's method (1976): the chain x = base^(2^(window·row)) runs once, and every
/// exponent multiplies x into the bucket of its digit of that row; the product of bucket[d]^d is the power. Buckets are read
/// and written by masks; that of digit 0 is never used. Pays from two exponents on: their squarings are done once.
template <class S, Form F>
struct PowSharedBody {
  using Shape = S;
  Modulus modulus;
  std::uint32_t* out;
  const std::uint32_t* bases;
  const std::uint8_t* exponents;
  std::uint32_t exponentBytes;
  std::uint32_t width;
  std::uint32_t count;
  std::uint32_t* scratch;

  static std::uint32_t scratchWords(std::uint32_t width) { return width * S::kEntries * S::kLimbs; }

  template <class W>
  MILLRACE_FN void run(std::uint32_t group, std::uint32_t warp, std::uint32_t* shared) const {
    const Field<W, S, F> field(modulus, shared);
    const Slots<W, S> slots(field, group, count);
    const W buckets = scratchAt(field, warp, width * S::kEntries * S::kLimbs);
    fillBuckets(field, slots, buckets);
    Element<W, S> sum, running, factor;
    MILLRACE_ROLLED
    for (std::uint32_t e = 0; e < width; e++) {
      const W at = buckets + W(e * S::kEntries * S::kLimbs);
      field.loadAt(running.limb, scratch, at + W((S::kEntries - 1) * S::kLimbs));
      sum = running;
      // running = product of the buckets from the top; sum = product of all runnings. Two products a turn, by the same code; the last
      // turn takes the sum out of Montgomery form.
      MILLRACE_ROLLED
      for (std::uint32_t turn = 0; turn < 2 * (S::kEntries - 2) + 1; turn++) {
        if (turn == 2 * (S::kEntries - 2)) {
          plainOne(field, factor);
          multiply(field, sum, sum, factor);
        } else if (turn % 2 == 0) {
          field.loadAt(factor.limb, scratch, at + W((S::kEntries - 2 - turn / 2) * S::kLimbs));
          multiply(field, running, running, factor);
        } else {
          multiply(field, sum, sum, running);
        }
      }
      canonical(field, sum);
      field.storeAt(out, (slots.index * W(width) + W(e)) * W(S::kLimbs), sum.limb, slots.valid);
    }
  }

  template <class W>
  MILLRACE_FN void fillBuckets(const Field<W, S, F>& field, const Slots<W, S>& slots, W buckets) const {
    Element<W, S> x, bucket;
    field.load(bucket.limb, modulus.one);
    for (std::uint32_t b = 0; b < width * S::kEntries; b++) field.storeAt(scratch, buckets + W(b * S::kLimbs), bucket.limb, W(~0u));
    field.loadAt(x.limb, bases, slots.index * W(S::kLimbs));
    field.load(bucket.limb, modulus.rSquared);
    multiply(field, x, x, bucket);
    const std::uint32_t rows = digitRows(exponentBytes, S::kWindow);
    MILLRACE_ROLLED
    for (std::uint32_t row = 0; row < rows; row++) {
      MILLRACE_ROLLED
      for (std::uint32_t e = 0; e < width; e++) {
        const W digit = digitAt(exponents, W(e * exponentBytes), exponentBytes, row * S::kWindow, S::kWindow);
        const W at = buckets + W(e * S::kEntries * S::kLimbs);
        selectEntry(field, bucket, scratch, at, S::kEntries, digit);
        multiply(field, bucket, x, bucket);
        depositEntry(field, bucket, scratch, at, S::kEntries, digit);
      }
      if (row + 1 == rows) break;
      MILLRACE_ROLLED
      for (std::uint32_t s = 0; s < S::kWindow; s++) square(field, x);
    }
  }
};

}  // namespace millrace::kernels
