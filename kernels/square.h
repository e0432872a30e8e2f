// Montgomery squaring with about half of a multiplication's products.
//
// The window moves as in a multiplication, one block a step. While it moves, lane v sees block column u = v + s in step s, so a
// column is seen once for every ordered pair of blocks i + j = u; a square needs each unordered pair once, doubled. So only
// every other step multiplies: in step s = 2m lane v adds the pair
//   i = m + c,  j = v + m − c,  c = max(0, v + s − B + 1)/2 rounded down  (B blocks)
// which runs through all pairs i < j of every column, and through the diagonal of the even columns below B (in lane 0). The
// diagonal of the even columns above B follows in a last half step without reduction. Operands come from shared memory, where
// every lane reads its own blocks: a, and 2a beside it. The uniform steps hide nothing but cost nothing either: addresses
// depend on lane and step only.
//
// 2a as blocks: the top bit of block j − 1 is the lowest bit of block j, which must not be there where block j − 1 is the
// other factor, because a pair doubles what lies above i only; and the top bit of a itself doubles a in the upper half.
#pragma once

#include "montgomery.h"

namespace millrace::kernels {

/// Adds rows·limbs without reducing; the upper half of the window is still empty, so few chains carry out.
template <class W, class S>
MILLRACE_FN void addProduct(Window<W, S>& window, const W (&rows)[S::kLpt], const W (&limbs)[S::kLpt]) {
  constexpr int L = S::kLpt;
  using Mads = Chain<L / 2>;
  W* const even = window.even;
  W* const odd = window.odd;
  MILLRACE_UNROLL
  for (int r = 0; r < L; r += 2) {
    odd[r + L - 1] = odd[r + L] = even[r + L + 1] = even[r + L + 2] = W(0);
    Mads::madCarry(even + r, limbs, rows[r], even[r + L]);
    Mads::mad(odd + r + 1, limbs + 1, rows[r]);
    Mads::madCarry(odd + r + 1, limbs, rows[r + 1], even[r + L + 1]);
    Mads::mad(even + r + 2, limbs + 1, rows[r + 1]);
  }
}

/// The window after the diagonal: its upper half belongs to the lane above, and where a's top bit is set, a was not doubled
/// in the upper half of the square.
template <class W, class S, Form F>
MILLRACE_FN void settleSquare(const Field<W, S, F>& field, const Window<W, S>& window, Element<W, S>& out,
                              const Element<W, S>& a, W topBit) {
  constexpr int L = S::kLpt;
  W high[L], highOdd[L], low[L], missing[L], carry = W(0), top = window.even[2 * L];
  const W last = equal(field.block, W(S::kBlocks - 1));
  MILLRACE_UNROLL
  for (int i = 0; i < L; i++) {
    low[i] = window.even[i];
    high[i] = window.even[L + i];
    highOdd[i] = i < L - 1 ? window.odd[L + i] : W(0);
    missing[i] = a.limb[i] & topBit & ~last;
  }
  Sum<L>::add(low, window.odd, carry);
  Sum<L>::addWith(high, highOdd, carry, top);
  const W below = field.block + W(S::kTpi - 1);
  const W overflow = high[0] & last;
  MILLRACE_UNROLL
  for (int i = 0; i < L; i++) high[i] = shuffle<S::kTpi>(high[i], below);
  // What came round from the last lane is no more than the overflow of the whole number.
  high[0] &= ~equal(field.block, W(0));
  top = shuffle<S::kTpi>(top, below) + overflow;
  Sum<L>::add(low, missing, top);
  MILLRACE_UNROLL
  for (int i = 0; i < L; i++) out.limb[i] = low[i];
  settle(field, out.limb, high, top);
}

/// out = a²/R modulo p, below R. `out` may be a.
template <class W, class S, Form F>
MILLRACE_FN void square(const Field<W, S, F>& field, Element<W, S>& out, const Element<W, S>& a) {
  constexpr int L = S::kLpt;
  constexpr int B = S::kBlocks;
  const W lowest = equal(field.block, W(0));
  W twice[L];
  const W fromBelow = shuffle<S::kTpi>(a.limb[L - 1] >> W(31), field.block + W(S::kTpi - 1)) & ~lowest;
  const W overflow = W(0) - shuffle<S::kTpi>(a.limb[L - 1] >> W(31), W(B - 1));
  twice[0] = (a.limb[0] << W(1)) | fromBelow;
  MILLRACE_UNROLL
  for (int i = 1; i < L; i++) twice[i] = (a.limb[i] << W(1)) | (a.limb[i - 1] >> W(31));
  if (B < S::kTpi) twice[0] &= field.active;
  syncLanes<W>();
  field.post(a.limb, W(0));
  field.post(twice, W(S::kDouble));
  syncLanes<W>();

  // Lane 0 is on the diagonal in every step that multiplies: not doubled.
  const W from = W(S::kDouble) & ~lowest;
  const W oddLane = W(0) - (field.block & W(1));
  Window<W, S> window;
  window.clear();
  W rows[L], limbs[L];
  MILLRACE_ROLLED
  for (int m = 0; m < B / 2; m++) {
    const W at = W(static_cast<std::uint32_t>(m));
    const W beyond = field.block + at + at - W(B - 1);
    // Negative differences have their top bit set.
    const W c = (beyond & ~(W(0) - (beyond >> W(31)))) >> W(1);
    field.fetch(rows, W(0), at + c);
    field.fetch(limbs, from, field.block + at - c);
    // Neighbouring blocks: lane 1 always, and in the last step every other lane.
    const W neighbours = m == B / 2 - 1 ? oddLane : equal(field.block, W(1));
    limbs[0] &= ~(neighbours & W(1));
    blockStep<true>(field, window, rows, limbs);
    blockStep<false>(field, window, rows, limbs);
  }
  // The diagonal of column B + v, v even.
  field.fetch(rows, W(0), (W(B) + field.block) >> W(1));
  const W index = (W(B) + field.block) >> W(1);
  loadWords(limbs, field.shared,
            field.area + (((index * W(S::kStride)) & ~oddLane) | (W(S::kZeros) & oddLane)));
  addProduct(window, rows, limbs);
  settleSquare(field, window, out, a, overflow);
}

}  // namespace millrace::kernels
