// Montgomery squaring with about half of a multiplication's products.
//
// The window moves as in a multiplication, one block a step. While it moves, lane v sees block column u = v + s in step s, so a
// column is seen once for every ordered pair of blocks i + j = u; a square needs each unordered pair once, doubled. So only
// every other step multiplies: in step s = 2m lane v adds the pair
//   i = m + c,  j = v + m − c,  c = max(0, v + s − B + 1)/2 rounded down  (of B blocks)
// which runs through all pairs i < j of every column, and through the diagonal of the even columns below B (in lane 0). The
// last step adds the diagonal of the even columns from B on, which the odd lanes hold then. Operands come from shared memory,
// where every lane reads its own blocks: a, and 2a beside it. The uniform steps hide nothing but cost nothing either: addresses
// depend on lane and step only.
//
// 2a as blocks: the top bit of block j − 1 is the lowest bit of block j, which must not be there where block j − 1 is the
// other factor, because a pair doubles what lies above i only; and the top bit of a itself doubles a in the upper half.
#pragma once

#include "multiply.h"

namespace millrace::kernels {

/// The last step: reduces, and adds the diagonal of the even columns above, a_i² in column 2i = B + v − 1 for odd v. A triangle leaves
/// over lost·bit, which belongs on the window's lowest block after it has moved.
template <class AnyWindow, class W, class S, Form F>
MILLRACE_FN void diagonalStep(const Field<W, S, F>& field, AnyWindow& window, W (&lost)[S::kLpt], W& bit) {
  constexpr int L = S::kLpt;
  const W oddLane = W(0) - (field.block & W(1));
  const W at = field.area + ((W(S::kBlocks - 1) + field.block) >> W(1)) * W(S::kStride);
  const W place = (at & oddLane) | ((field.area + W(S::kZeros)) & ~oddLane);
  W limbs[L];
  loadWords(lost, field.shared, place);
  if constexpr (S::kTriangle) {
    loadWords(limbs, field.shared, at + W(S::kDouble));
    blockStep<Adds::kSquare>(field, window, lost, limbs);
    bit = lost[L - 1] >> W(31);
    lost[L - 1] = W(0);
  } else {
    MILLRACE_UNROLL
    for (int i = 0; i < L; i++) limbs[i] = lost[i];
    blockStep<Adds::kProduct>(field, window, lost, limbs);
  }
}

/// Adds x·bit to the window's lowest block: fewer instructions than to mask x and add it.
template <class W, class S>
MILLRACE_FN void addByBit(Window<W, S>& window, const W (&x)[S::kLpt], W bit) {
  constexpr int L = S::kLpt;
  Chain<L / 2>::madCarry(window.even, x, bit, window.even[L]);
  Chain<L / 2>::mad(window.odd + 1, x + 1, bit);
}

template <class W, class S, Form F>
MILLRACE_FN void squareByPairs(const Field<W, S, F>& field, Element<W, S>& a) {
  constexpr int L = S::kLpt;
  constexpr int B = S::kBlocks;
  const W lowest = equal(field.block, W(0));
  W twice[L];
  const W fromBelow = shuffle<S::kTpi>(a.limb[L - 1] >> W(31), field.block + W(S::kTpi - 1)) & ~lowest;
  // The highest block is below none, so there is nothing in it to double.
  const W overflow = shuffle<S::kTpi>(a.limb[L - 1] >> W(31), W(B - 1)) & ~equal(field.block, W(B - 1));
  twice[0] = (a.limb[0] << W(1)) | fromBelow;
  MILLRACE_UNROLL
  for (int i = 1; i < L; i++) twice[i] = (a.limb[i] << W(1)) | (a.limb[i - 1] >> W(31));
  if (B < S::kTpi) twice[0] &= field.active;
  syncLanes<W>();
  field.post(a.limb, W(0));
  field.post(twice, W(S::kDouble));
  syncLanes<W>();

  // i = m + max(0, m − k) and j = v + min(m, k) with k = (B − v)/2 rounded down, as places in shared memory. Written out, m is
  // known, so that an address is one instruction. Lane 0 is on the diagonal in every step that multiplies: its j is read undoubled.
  const W stride = W(S::kStride);
  const W oddLane = W(0) - (field.block & W(1));
  const W k = ((W(B) - field.block) & field.active) >> W(1);
  const W first = field.area + (W(S::kDouble) & ~lowest) + field.block * stride;
  const W last = first + k * stride, behind = field.area - k * stride;
  // Of neighbouring blocks the lower one's top bit is not in the other: in lane 1, with the last pair in every other lane.
  const W keep = ~(equal(field.block, W(1)) & W(1)), keepLast = ~(oddLane & W(1));
  WindowFor<W, S, F> window;
  window.clear();
  W rows[L], limbs[L];
  const auto addPairs = [&](int m, W mask, auto isFirst) {
    const W ahead = W(static_cast<std::uint32_t>(m * S::kStride));
    loadWords(rows, field.shared, largerSigned(field.area, behind + ahead) + ahead);
    loadWords(limbs, field.shared, smaller(first + ahead, last));
    limbs[0] &= mask;
    blockStep<Adds::kProduct, decltype(isFirst)::value>(field, window, rows, limbs);
  };
  addPairs(0, keep, std::true_type());
  MILLRACE_UNROLL_BY(S::kPairsUnrolled)
  for (int m = 1; m < B / 2; m++) {
    blockStep<Adds::kNothing>(field, window, rows, limbs);
    addPairs(m, m == B / 2 - 1 ? keepLast : keep, std::false_type());
  }
  W lost[L], bit;
  diagonalStep(field, window, lost, bit);
  if (S::kTriangle) addByBit(window, lost, bit);
  addByBit(window, a.limb, overflow);
  settleWindow(field, window, a);
}

/// a = a²/R modulo p, below R.
template <class W, class S, Form F>
MILLRACE_FN void square(const Field<W, S, F>& field, Element<W, S>& a) {
  if constexpr (S::kSquares) squareByPairs(field, a);
  else multiply(field, a, a, a);
}

}  // namespace millrace::kernels
