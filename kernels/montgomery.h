// Montgomery multiplication by the lanes of an instance together: a step of it, and its end.
//
// The product is scanned by rows, a block of kLpt rows at a time. In block j every lane adds its limbs of a times the limbs
// b_j, and its limbs of p times the quotient limbs that make the lowest block of the sum zero; then the window of 2·kLpt limbs
// that each lane sees moves up by a block, which hands the lower half of every lane to the lane below. The lowest lane's
// half is zero by then.
//
// A window is two sets of accumulators: `even` holds products whose low limb has an even place, `odd` the others. So a row is
// two chains of multiply-adds on pairs of limbs, each of which is one IMAD.WIDE with carry in and out. The chains of a pair
// of rows are ordered so that a chain ends, if that is possible, on a limb that nothing has been added to; the carry out of the
// others goes to a limb that holds few carries, at one instruction:
//   (2^32 − 1)² + (2^32 − 1) + 1 + 2^32·h < 2^64 for h = 0, and for h = 1 where the low addend is a few carries, too.
//
// If p ends in 64 one-bits, the two lowest limbs of the sum are their own quotient q, and to add q·p is to drop them and to
// add q·(p + 1)/2^64 two limbs higher up. That is done late, with the next pair of rows, which begins there: then one chain
// settles a pair of limbs for the quotient and for the lane below alike, and it carries into the next pair's place. The
// first pair has nothing to add, and the last quotient is added when the window has settled, so the products are as many.
//
// Numbers are any below R, not only below p: a·b/R + p < R + p, so that p comes off once if the sum overflows R.
//
// Constant time: no branch and no address depends on a limb.
#pragma once

#include "carry.h"

namespace millrace::kernels {

template <class W, class S>
struct Window {
  /// The limb of each place is even + odd.
  W even[2 * S::kLpt + 1];
  W odd[2 * S::kLpt];
  /// The quotient of the latest pair of rows: still to be added, if that is done late.
  W quotient[2];

  MILLRACE_FN void clear() {
    MILLRACE_UNROLL
    for (int i = 0; i <= 2 * S::kLpt; i++) even[i] = W(0);
    MILLRACE_UNROLL
    for (int i = 0; i < 2 * S::kLpt; i++) odd[i] = W(0);
  }
};

/// Two quotient limbs, from the lowest two limbs of the number, which lane 0 has: the lower half of low + high·2^32 times −p⁻¹.
template <class W, class S, Form F>
MILLRACE_FN void quotient(const Field<W, S, F>& field, W low, W high, W& q0, W& q1) {
  if (F == Form::kGeneral) {
    const W i0 = W(field.modulus.inverse[0]), i1 = W(field.modulus.inverse[1]);
    high = mulHigh(low, i0) + low * i1 + high * i0;
    low = low * i0;
  }
  q0 = shuffle<S::kTpi>(low, W(0));
  q1 = shuffle<S::kTpi>(high, W(0));
}

/// Addend of a step before it reduces: nothing, the product of `rows` and `limbs`, or the square of `rows`, of which `limbs` is the
/// double.
enum class Adds { kNothing, kProduct, kSquare };

/// Chain<n> for n from 0 to N, if n is known after unrolling only.
template <int N, class W>
MILLRACE_FN void madCarryBy(int n, W* acc, const W* a, W b, W& top) {
  if constexpr (N > 0) {
    if (n == N) Chain<N>::madCarry(acc, a, b, top);
    else madCarryBy<N - 1>(n, acc, a, b, top);
  }
}
template <int N, class W>
MILLRACE_FN void madBy(int n, W* acc, const W* a, W b) {
  if constexpr (N > 0) {
    if (n == N) Chain<N>::mad(acc, a, b);
    else madBy<N - 1>(n, acc, a, b);
  }
}

/// One block: adds `kAdds`, reduces the lowest kLpt limbs and moves the window up. A square has its upper triangle only: row r is
/// x_r·(x_r + 2·(limbs above)), which ends where a product's row ends and begins at place 2r instead of r. The limbs above are doubled
/// without the top bit of x. That bit adds x without its highest limb to the block above, which the caller does. The first step of all
/// has no quotient to add late.
template <Adds kAdds, bool kFirst = false, class W, class S, Form F>
MILLRACE_FN void blockStep(const Field<W, S, F>& field, Window<W, S>& window, const W (&rows)[S::kLpt],
                           const W (&limbs)[S::kLpt]) {
  constexpr int L = S::kLpt;
  constexpr bool kMultiply = kAdds == Adds::kProduct;
  constexpr bool kSquare = kAdds == Adds::kSquare;
  constexpr bool kLate = Field<W, S, F>::kLate;
  using Mads = Chain<L / 2>;
  W* const even = window.even;
  W* const odd = window.odd;
  const W* const p = field.multiple;
  W settled[L], factor[L];
  if (kSquare) {
    MILLRACE_UNROLL
    for (int i = 0; i < L; i++) factor[i] = limbs[i];
  }
  MILLRACE_UNROLL
  for (int r = 0; r < L; r += 2) {
    odd[r + L - 1] = odd[r + L] = even[r + L + 1] = even[r + L + 2] = W(0);
    if (kMultiply) {
      Mads::madCarry(even + r, limbs, rows[r], even[r + L]);
      Mads::mad(odd + r + 1, limbs + 1, rows[r]);
      Mads::madCarry(odd + r + 1, limbs, rows[r + 1], even[r + L + 1]);
    }
    if (kSquare) {
      factor[r] = rows[r];
      // The factor's own top bit does not belong to the limbs above it.
      factor[r + 1] &= ~W(1);
      madCarryBy<L / 2>((L - r) / 2, even + 2 * r, factor + r, rows[r], even[r + L]);
      madBy<L / 2>((L - r) / 2, odd + 2 * r + 1, factor + r + 1, rows[r]);
      factor[r + 1] = rows[r + 1];
      if (r + 2 < L) factor[r + 2] &= ~W(1);
      madCarryBy<L / 2 - 1>((L - r) / 2 - 1, odd + 2 * r + 3, factor + r + 2, rows[r + 1], even[r + L + 1]);
    }
    const bool reduces = !(kLate && kFirst && r == 0);
    W &q0 = window.quotient[0], &q1 = window.quotient[1];
    if (!kLate) {
      // The two lowest limbs of the number at this point; only lane 0's are used.
      W none = W(0), low[2] = {even[r], even[r + 1]};
      Sum<2>::add(low, odd + r, none);
      quotient(field, low[0], low[1], q0, q1);
    }
    if (reduces) {
      Mads::madCarry(even + r, p, q0, even[r + L]);
      if (kMultiply || kSquare) Mads::madCarry(odd + r + 1, p + 1, q0, even[r + L + 1]);
      else Mads::mad(odd + r + 1, p + 1, q0);
      Mads::madCarry(odd + r + 1, p, q1, even[r + L + 1]);
    }
    // Both limbs are final: their two halves become one, and the carry starts the next chain.
    if (kMultiply) {
      Mads::mergeMadCarry(even[r], even[r + 1], odd[r], odd[r + 1], even + r + 2, limbs + 1, rows[r + 1], even[r + L + 2]);
      if (reduces) Mads::madCarry(even + r + 2, p + 1, q1, even[r + L + 2]);
    } else if (kSquare) {
      madCarryBy<L / 2>((L - r) / 2, even + 2 * r + 2, factor + r + 1, rows[r + 1], even[r + L + 2]);
      Mads::mergeMadCarry(even[r], even[r + 1], odd[r], odd[r + 1], even + r + 2, p + 1, q1, even[r + L + 2]);
    } else {
      Mads::mergeMad(even[r], even[r + 1], odd[r], odd[r + 1], even + r + 2, p + 1, q1);
    }
    if (kLate) quotient(field, even[r], even[r + 1], q0, q1);
    settled[r] = even[r];
    settled[r + 1] = even[r + 1];
  }
  field.fromAbove(settled);
  MILLRACE_UNROLL
  for (int i = 0; i <= L; i++) even[i] = even[L + i];
  MILLRACE_UNROLL
  for (int i = 0; i <= L - 2; i++) odd[i] = odd[L + i];
  odd[L - 1] = odd[L] = W(0);
  Sum<L>::add(even, settled, even[L]);
}

/// The window's lowest block as an element.
template <class W, class S, Form F>
MILLRACE_FN void settleWindow(const Field<W, S, F>& field, Window<W, S>& window, Element<W, S>& out) {
  constexpr int L = S::kLpt;
  constexpr bool kLate = Field<W, S, F>::kLate;
  using Mads = Chain<L / 2>;
  W* const even = window.even;
  W* const odd = window.odd;
  const W* const p = field.multiple;
  // Limbs above the block belong to the lane above: a few carries, and two limbs more below the last quotient.
  W up[kLate ? 3 : 1], carry = W(0);
  if constexpr (kLate) {
    even[L + 1] = even[L + 2] = W(0);
    Mads::madCarry(even, p, window.quotient[0], even[L]);
    Mads::mad(odd + 1, p + 1, window.quotient[0]);
    Mads::madCarry(odd + 1, p, window.quotient[1], even[L + 1]);
    Mads::madCarry(even + 2, p + 1, window.quotient[1], even[L + 2]);
    Sum<L>::add(even, odd, carry);
    const W rest[2] = {odd[L], W(0)};
    Sum<2>::addWith(even + L, rest, carry, even[L + 2]);
    MILLRACE_UNROLL
    for (int i = 0; i < 3; i++) up[i] = even[L + i];
  } else {
    Sum<L>::add(even, odd, carry);
    up[0] = even[L] + odd[L] + carry;
  }
  MILLRACE_UNROLL
  for (int i = 0; i < L; i++) out.limb[i] = even[i];
  settle(field, out.limb, up);
}

}  // namespace millrace::kernels
