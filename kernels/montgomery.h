// Montgomery multiplication by the lanes of an instance together.
//
// The product is scanned by rows, a block of kLpt rows at a time. In block j every lane adds its limbs of a times the limbs
// b_j, and its limbs of p times the quotient limbs that make the lowest block of the sum zero; then the window of 2·kLpt limbs
// that each lane sees moves up by a block, which hands the lower half of every lane to the lane below. The lowest lane's
// half is zero by then.
//
// A window is two sets of accumulators: `even` holds products whose low limb has an even place, `odd` the others. So a row is
// two chains of multiply-adds on pairs of limbs, each of which is one IMAD.WIDE with carry in and out. The chains of a pair
// of rows are ordered so that a chain ends on a limb that nothing has been added to wherever that can be had; the carry out of
// the others goes to a limb that holds few carries, at one instruction:
//   (2^32 − 1)² + (2^32 − 1) + 1 + 2^32·h < 2^64 for h = 0, and for h = 1 where the low addend is a few carries, too.
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

  MILLRACE_FN void clear() {
    MILLRACE_UNROLL
    for (int i = 0; i <= 2 * S::kLpt; i++) even[i] = W(0);
    MILLRACE_UNROLL
    for (int i = 0; i < 2 * S::kLpt; i++) odd[i] = W(0);
  }
};

/// Two quotient limbs, from the lowest two limbs of the number, which lane 0 has.
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

/// One block: reduces the lowest kLpt limbs, after adding the product of `rows` and `limbs` where kMultiply, and moves the
/// window up.
template <bool kMultiply, class W, class S, Form F>
MILLRACE_FN void blockStep(const Field<W, S, F>& field, Window<W, S>& window, const W (&rows)[S::kLpt],
                           const W (&limbs)[S::kLpt]) {
  constexpr int L = S::kLpt;
  using Mads = Chain<L / 2>;
  W* const even = window.even;
  W* const odd = window.odd;
  const W* const p = field.p;
  const W above = field.block + W(1);
  W arrived[L];
  MILLRACE_UNROLL
  for (int r = 0; r < L; r += 2) {
    odd[r + L - 1] = odd[r + L] = even[r + L + 1] = even[r + L + 2] = W(0);
    if (kMultiply) {
      Mads::madCarry(even + r, limbs, rows[r], even[r + L]);
      Mads::mad(odd + r + 1, limbs + 1, rows[r]);
      Mads::madCarry(odd + r + 1, limbs, rows[r + 1], even[r + L + 1]);
    }
    // The two lowest limbs of the number as they are now; only lane 0's are looked at.
    W low = even[r], high = even[r + 1], q0, q1, none = W(0);
    W lowOdd[2] = {odd[r], odd[r + 1]}, lowEven[2] = {low, high};
    Sum<2>::add(lowEven, lowOdd, none);
    quotient(field, lowEven[0], lowEven[1], q0, q1);
    Mads::madCarry(even + r, p, q0, even[r + L]);
    if (kMultiply) Mads::madCarry(odd + r + 1, p + 1, q0, even[r + L + 1]);
    else Mads::mad(odd + r + 1, p + 1, q0);
    Mads::madCarry(odd + r + 1, p, q1, even[r + L + 1]);
    // Both limbs are final: their two halves become one, and the carry starts the next chain.
    if (kMultiply) {
      Mads::mergeMadCarry(even[r], even[r + 1], odd[r], odd[r + 1], even + r + 2, limbs + 1, rows[r + 1], even[r + L + 2]);
      Mads::madCarry(even + r + 2, p + 1, q1, even[r + L + 2]);
    } else {
      Mads::mergeMad(even[r], even[r + 1], odd[r], odd[r + 1], even + r + 2, p + 1, q1);
    }
    arrived[r] = shuffle<S::kTpi>(even[r], above);
    arrived[r + 1] = shuffle<S::kTpi>(even[r + 1], above);
  }
  MILLRACE_UNROLL
  for (int i = 0; i <= L; i++) even[i] = even[L + i];
  MILLRACE_UNROLL
  for (int i = 0; i <= L - 2; i++) odd[i] = odd[L + i];
  Sum<L>::add(even, arrived, even[L]);
}

/// The window's lowest block as an element.
template <class W, class S, Form F>
MILLRACE_FN void settleWindow(const Field<W, S, F>& field, Window<W, S>& window, Element<W, S>& out) {
  W odd[S::kLpt];
  MILLRACE_UNROLL
  for (int i = 0; i < S::kLpt; i++) {
    out.limb[i] = window.even[i];
    odd[i] = i < S::kLpt - 1 ? window.odd[i] : W(0);
  }
  settle(field, out.limb, odd, window.even[S::kLpt]);
}

/// out = a·b/R modulo p, below R. `out` may be a or b.
template <class W, class S, Form F>
MILLRACE_FN void multiply(const Field<W, S, F>& field, Element<W, S>& out, const Element<W, S>& a, const Element<W, S>& b) {
  syncLanes<W>();
  field.post(b.limb, W(0));
  syncLanes<W>();
  Window<W, S> window;
  window.clear();
  MILLRACE_UNROLL_BY(S::kLpt >= 12 ? 2 : 4)
  for (int j = 0; j < S::kBlocks; j++) {
    W rows[S::kLpt];
    field.fetch(rows, W(0), W(static_cast<std::uint32_t>(j)));
    blockStep<true>(field, window, rows, a.limb);
  }
  settleWindow(field, window, out);
}

}  // namespace millrace::kernels
