// Montgomery arithmetic for eight elements at a time, one per 64-bit lane of an AVX-512 register, in radix 2^52.
//
// Why it is fast. All lanes share the modulus, so it is a broadcast operand and costs no register. A product is scanned by
// columns, eight at a time, so that the sixteen accumulators of a block stay in registers and every load feeds sixteen
// multiply-adds. Carries are lazy: an accumulator takes up to 2·80 products of 52 bits before it is split. With
// R = 2^(52·L) > 4p the result of a product of two numbers below 2p is below 2p again, so nothing is ever subtracted
// between the first and the last product (C. D. Walter, 1999). Squaring has a kernel of its own, at about 0.75 of a product.
//
// The RFC 3526 primes end in 64 one-bits. So −p⁻¹ = 1 modulo 2^52: the Montgomery digit is the column itself, and because
// q·p + q = q·(p + 1) and p + 1 has no lowest limb, one column of the reduction falls away. The general case keeps both.
//
// Constant time: no branch and no address depends on a limb. Needs -mavx512f -mavx512ifma.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace millrace::ifma {

constexpr int kLanes = 8;
constexpr int kLimbBits = 52;
constexpr std::uint64_t kLimbMask = (std::uint64_t{1} << kLimbBits) - 1;
/// Columns of a block: twice as many accumulators fill half of the register file.
constexpr int kBlock = 8;

using Vec = __m512i;

/// The modulus as kernels want it: limbs of p (general) or of p + 1 (special form), padded to L.
template <int L>
struct Modulus {
  alignas(64) std::uint64_t limb[L + kBlock];
  /// −p⁻¹ mod 2^52; not used in the special form.
  std::uint64_t negativeInverse;
};

inline Vec lo(Vec sum, Vec a, Vec b) { return _mm512_madd52lo_epu64(sum, a, b); }
inline Vec hi(Vec sum, Vec a, Vec b) { return _mm512_madd52hi_epu64(sum, a, b); }
inline Vec broadcast(std::uint64_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); }

/// Accumulators of one block: low and high halves of the products whose indices sum to c, for c in the block.
template <int B>
struct Columns {
  Vec low[B];
  Vec high[B];

  inline __attribute__((always_inline)) void clear() {
#pragma GCC unroll 8
    for (int t = 0; t < B; t++) low[t] = high[t] = _mm512_setzero_si512();
  }

  inline __attribute__((always_inline)) void add(int t, Vec x, Vec y) {
    low[t] = lo(low[t], x, y);
    high[t] = hi(high[t], x, y);
  }

  inline __attribute__((always_inline)) void twice() {
#pragma GCC unroll 8
    for (int t = 0; t < B; t++) {
      low[t] = _mm512_add_epi64(low[t], low[t]);
      high[t] = _mm512_add_epi64(high[t], high[t]);
    }
  }
};

/// Second factors read per lane.
struct LaneOperand {
  const Vec* at;
  inline __attribute__((always_inline)) Vec operator[](int i) const { return at[i]; }
};

/// Second factors that all lanes share.
struct SharedOperand {
  const std::uint64_t* at;
  inline __attribute__((always_inline)) Vec operator[](int i) const { return broadcast(at[i]); }
};

/// Adds x_i · y_{c−i} for all i in [from, to) and all c of the block [c0, c0 + B): a rectangle, no edges. The y slide by
/// one per i, so that each is loaded once for its B uses.
template <int B, class Y>
inline __attribute__((always_inline)) void rectangle(Columns<B>& sum, const Vec* x, Y y, int c0, int from, int to) {
  if (from >= to) return;
  int i = from;
  // Before step i + k, slot (t − k) mod B holds y_{c0 + t − i − k}: a step replaces the one that has left the block.
  Vec window[B];
#pragma GCC unroll 8
  for (int t = 1; t < B; t++) window[t] = y[c0 + t - i];
  for (; i + B <= to; i += B) {
#pragma GCC unroll 8
    for (int k = 0; k < B; k++) {
      window[(B - k) % B] = y[c0 - i - k];
      const Vec xi = x[i + k];
#pragma GCC unroll 8
      for (int t = 0; t < B; t++) sum.add(t, xi, window[(t - k + B) % B]);
    }
  }
  for (; i < to; i++) {
    const Vec xi = x[i];
#pragma GCC unroll 8
    for (int t = 0; t < B; t++) sum.add(t, xi, y[c0 + t - i]);
  }
}

/// The triangle at the lower edge: x_{c0+s} · y_{t−s} for 0 < s ≤ t < B.
template <int B, class Y>
inline __attribute__((always_inline)) void lowerTriangle(Columns<B>& sum, const Vec* x, Y y, int c0) {
#pragma GCC unroll 8
  for (int s = 1; s < B; s++) {
    const Vec xi = x[c0 + s];
#pragma GCC unroll 8
    for (int t = s; t < B; t++) sum.add(t, xi, y[t - s]);
  }
}

/// The triangle at the upper edge: x_{c0−L+1+s} · y_{L−1+t−s} for 0 ≤ t ≤ s < B − 1.
template <int L, int B, class Y>
inline __attribute__((always_inline)) void upperTriangle(Columns<B>& sum, const Vec* x, Y y, int c0) {
#pragma GCC unroll 8
  for (int s = 0; s < B - 1; s++) {
    const Vec xi = x[c0 - L + 1 + s];
#pragma GCC unroll 8
    for (int t = 0; t <= s; t++) sum.add(t, xi, y[L - 1 + t - s]);
  }
}

/// All x_i · y_{c−i} of a block whose columns are all below L, or all at least L.
template <int L, int B, class Y>
inline __attribute__((always_inline)) void products(Columns<B>& sum, const Vec* x, Y y, int c0) {
  if (c0 < L) {
    rectangle<B>(sum, x, y, c0, 0, c0 + 1);
    lowerTriangle<B>(sum, x, y, c0);
  } else {
    upperTriangle<L, B>(sum, x, y, c0);
    rectangle<B>(sum, x, y, c0, c0 - L + B, L);
  }
}

/// All x_i · x_{c−i}: each pair once and doubled, then the squares. c0 is even.
template <int L, int B>
inline __attribute__((always_inline)) void squares(Columns<B>& sum, const Vec* x, int c0) {
  const LaneOperand y{x};
  const int half = c0 / 2;
  if (c0 < L) {
    rectangle<B>(sum, x, y, c0, 0, half);
  } else {
    // The upper edge, as far as it lies left of the diagonal.
    const int first = c0 - L + 1;
#pragma GCC unroll 8
    for (int s = 0; s < B - 1; s++) {
      if (first + s >= half) break;
      const Vec xi = x[first + s];
#pragma GCC unroll 8
      for (int t = 0; t <= s; t++) sum.add(t, xi, x[L - 1 + t - s]);
    }
    rectangle<B>(sum, x, y, c0, first + B - 1, half);
  }
  // Along the diagonal: i = half + s pairs with c0 + t − i, left of it where 2s < t.
#pragma GCC unroll 4
  for (int s = 0; 2 * s < B - 1; s++) {
    const Vec xi = x[half + s];
#pragma GCC unroll 8
    for (int t = 2 * s + 1; t < B; t++) {
      if (half + t - s < L && half + s >= c0 + t - L + 1) sum.add(t, xi, x[half + t - s]);
    }
  }
  sum.twice();
#pragma GCC unroll 4
  for (int s = 0; 2 * s < B; s++) {
    if (half + s < L) sum.add(2 * s, x[half + s], x[half + s]);
  }
}

enum class Form { kGeneral, kSpecial };

/// Reduces a block below column L: finds its digits q_c, and leaves the carry into the next column.
template <int B, Form F, int L>
inline __attribute__((always_inline)) void digits(Columns<B>& sum, Vec* q, const Modulus<L>& p, int c0, Vec& carry, Vec& highCarry) {
  const Vec mask = broadcast(kLimbMask);
  const Vec inverse = broadcast(p.negativeInverse);
#pragma GCC unroll 8
  for (int t = 0; t < B; t++) {
    Vec column = _mm512_add_epi64(_mm512_add_epi64(sum.low[t], carry), t == 0 ? highCarry : sum.high[t - 1]);
    Vec digit;
    if constexpr (F == Form::kSpecial) {
      digit = _mm512_and_si512(column, mask);
    } else {
      digit = lo(_mm512_setzero_si512(), column, inverse);
      const Vec p0 = broadcast(p.limb[0]);
      column = lo(column, digit, p0);
      sum.high[t] = hi(sum.high[t], digit, p0);
    }
    carry = _mm512_srli_epi64(column, kLimbBits);
    q[c0 + t] = digit;
#pragma GCC unroll 8
    for (int u = 1; t + u < B; u++) sum.add(t + u, digit, broadcast(p.limb[u]));
  }
  highCarry = sum.high[B - 1];
}

/// Splits a block at or above column L into limbs of the result.
template <int B>
inline __attribute__((always_inline)) void split(const Columns<B>& sum, Vec* out, Vec& carry, Vec& highCarry) {
  const Vec mask = broadcast(kLimbMask);
#pragma GCC unroll 8
  for (int t = 0; t < B; t++) {
    const Vec column = _mm512_add_epi64(_mm512_add_epi64(sum.low[t], carry), t == 0 ? highCarry : sum.high[t - 1]);
    out[t] = _mm512_and_si512(column, mask);
    carry = _mm512_srli_epi64(column, kLimbBits);
  }
  highCarry = sum.high[B - 1];
}

template <int L, int B, Form F, bool Square>
inline __attribute__((always_inline)) void block(const Vec* a, const Vec* b, Vec* q, Vec* out, const Modulus<L>& p, int c0, Vec& carry,
                  Vec& highCarry) {
  Columns<B> sum;
  sum.clear();
  if constexpr (Square) squares<L, B>(sum, a, c0);
  else products<L, B>(sum, a, LaneOperand{b}, c0);
  const SharedOperand n{p.limb};
  if (c0 < L) {
    // Digits of earlier blocks; those of this block join as they are found. Limb 0 only ever meets its own column.
    rectangle<B>(sum, q, n, c0, 0, c0);
    digits<B, F, L>(sum, q, p, c0, carry, highCarry);
  } else {
    upperTriangle<L, B>(sum, q, n, c0);
    rectangle<B>(sum, q, n, c0, c0 - L + B, L);
    split<B>(sum, out + (c0 - L), carry, highCarry);
  }
}

/// out = a·b·R⁻¹ mod p, below 2p for a, b below 2p; limbs below 2^52. L is even. `out` may be a or b: a block writes limbs
/// up to c0 − L + 7 after it has read its own, and the next one reads none below c0 − L + 9.
template <int L, Form F, bool Square>
__attribute__((noinline)) void montgomery(const Vec* a, const Vec* b, Vec* out, const Modulus<L>& p) {
  constexpr int kRest = L % kBlock;
  alignas(64) Vec q[L];
  Vec carry = _mm512_setzero_si512();
  Vec highCarry = carry;
  for (int half = 0; half < 2 * L; half += L) {
    int c0 = half;
    for (; c0 + kBlock <= half + L; c0 += kBlock) block<L, kBlock, F, Square>(a, b, q, out, p, c0, carry, highCarry);
    if constexpr (kRest > 0) block<L, kRest, F, Square>(a, b, q, out, p, c0, carry, highCarry);
  }
}

}  // namespace millrace::ifma
