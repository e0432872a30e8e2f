// Montgomery squaring with about half of a multiplication's products.
//
// The window moves as in a multiplication, one block a step. While it moves, lane v sees block column u = v + s in step s, so a
// column is seen once for every ordered pair of blocks i + j = u; a square needs each unordered pair once, doubled. So only
// every other step multiplies: in step s = 2m lane v adds the pair
//   i = m + c,  j = v + m − c,  c = max(0, v + s − B + 1)/2 rounded down  (of B blocks)
// which runs through all pairs i < j of every column, and through the diagonal of the even columns below B (in lane 0). The
// diagonal of the even columns from B on follows in a last half step without reduction. Operands come from shared memory, where
// every lane reads its own blocks: a, and 2a beside it. The uniform steps hide nothing but cost nothing either: addresses
// depend on lane and step only.
//
// 2a as blocks: the top bit of block j − 1 is the lowest bit of block j, which must not be there where block j − 1 is the
// other factor, because a pair doubles what lies above i only; and the top bit of a itself doubles a in the upper half.
#pragma once

#include "montgomery.h"

namespace millrace::kernels {

/// Adds N rows times all limbs without reducing; the upper half of the window is still empty, so few chains carry out.
template <int N, class W, class S>
MILLRACE_FN void addProduct(Window<W, S>& window, const W (&rows)[N], const W (&limbs)[S::kLpt]) {
  constexpr int L = S::kLpt;
  using Mads = Chain<L / 2>;
  W* const even = window.even;
  W* const odd = window.odd;
  MILLRACE_UNROLL
  for (int r = 0; r < N; r += 2) {
    odd[r + L - 1] = odd[r + L] = even[r + L + 1] = even[r + L + 2] = W(0);
    Mads::madCarry(even + r, limbs, rows[r], even[r + L]);
    Mads::mad(odd + r + 1, limbs + 1, rows[r]);
    Mads::madCarry(odd + r + 1, limbs, rows[r + 1], even[r + L + 1]);
    Mads::mad(even + r + 2, limbs + 1, rows[r + 1]);
  }
}

/// Rows of the last half step: half a block where blocks are large enough for that to pay, else a block.
template <class S>
constexpr int kDiagonalRows = S::kLpt >= 12 ? S::kLpt / 2 : S::kLpt;

/// The diagonal of the even columns above, a_i² in column 2i = B + v for even v, without reduction. By halves, a_i = l + h·Y:
/// lane v adds l·(l + (2h mod Y)·Y), the lane above it h². What 2h mod Y has lost is l where the top bit of h is set, and
/// belongs on top of lane v's window: `lost`.
template <int N, class W, class S, Form F>
MILLRACE_FN void addDiagonal(const Field<W, S, F>& field, Window<W, S>& window, W (&lost)[N]) {
  constexpr int L = S::kLpt;
  const W oddLane = W(0) - (field.block & W(1));
  const W zeros = field.area + W(S::kZeros);
  const W at = field.area + ((W(S::kBlocks) + field.block) >> W(1)) * W(S::kStride);
  W rows[N], limbs[L];
  if constexpr (N == L) {
    loadWords(rows, field.shared, at);
    loadWords(limbs, field.shared, (at & ~oddLane) | (zeros & oddLane));
    MILLRACE_UNROLL
    for (int i = 0; i < N; i++) lost[i] = W(0);
  } else {
    W upper[N], top[1];
    loadWords(rows, field.shared, at + (W(N) & oddLane));
    loadWords(upper, field.shared, ((at + W(S::kDouble + N)) & ~oddLane) | (zeros & oddLane));
    loadWords(top, field.shared, at + W(L - 1));
    const W mask = ~oddLane & (W(0) - (top[0] >> W(31)));
    upper[0] &= ~W(1);
    MILLRACE_UNROLL
    for (int i = 0; i < N; i++) {
      limbs[i] = rows[i];
      limbs[N + i] = upper[i];
      lost[i] = rows[i] & mask;
    }
  }
  addProduct<N>(window, rows, limbs);
}

/// The window after the diagonal: what lies above the lowest block belongs to the lane above. Where `topBit` is set, a was not
/// doubled in the upper half of the square.
template <int N, class W, class S, Form F>
MILLRACE_FN void settleSquare(const Field<W, S, F>& field, const Window<W, S>& window, const W (&lost)[N], W topBit,
                              Element<W, S>& a) {
  constexpr int L = S::kLpt;
  W high[L], highOdd[N], low[L], carry = W(0), top = window.even[L + N];
  const W last = equal(field.block, W(S::kBlocks - 1));
  MILLRACE_UNROLL
  for (int i = 0; i < L; i++) {
    low[i] = window.even[i];
    high[i] = i < N ? window.even[L + i] : W(0);
    if (i < N) highOdd[i] = i < N - 1 ? window.odd[L + i] : W(0);
    a.limb[i] &= topBit & ~last;
  }
  Sum<L>::add(low, window.odd, carry);
  Sum<N>::addWith(high, highOdd, carry, top);
  if (N < L) Sum<N>::add(high, lost, top);
  const W below = field.block + W(S::kTpi - 1);
  const W overflow = high[0] & last;
  MILLRACE_UNROLL
  for (int i = 0; i < N; i++) high[i] = shuffle<S::kTpi>(high[i], below);
  // What came round from the last lane is no more than the overflow of the whole number.
  high[0] &= ~equal(field.block, W(0));
  top = shuffle<S::kTpi>(top, below);
  if constexpr (N < L) {
    high[N] = top;
    top = W(0);
  }
  top += overflow;
  Sum<L>::add(low, a.limb, top);
  MILLRACE_UNROLL
  for (int i = 0; i < L; i++) a.limb[i] = low[i];
  settle(field, a.limb, high, top);
}

template <class W, class S, Form F>
MILLRACE_FN void squareByPairs(const Field<W, S, F>& field, Element<W, S>& a) {
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

  // i = max(m, 2m − k) and j = v + min(m, k) with k = (B − v)/2 rounded down, as places in shared memory that go on by whole
  // strides. Lane 0 is on the diagonal in every step that multiplies: its j is read undoubled.
  const W stride = W(S::kStride);
  const W oddLane = W(0) - (field.block & W(1));
  const W k = ((W(B) - field.block) & field.active) >> W(1);
  const W first = field.area + (W(S::kDouble) & ~lowest) + field.block * stride;
  const W slowEnd = first + k * stride;
  W slow = field.area, fast = field.area - k * stride, second = first;
  // Of neighbouring blocks the lower one's top bit is not in the other: in lane 1, in the last step in every other lane.
  const W keep = ~(equal(field.block, W(1)) & W(1)), keepLast = ~(oddLane & W(1));
  Window<W, S> window;
  window.clear();
  W rows[L], limbs[L];
  MILLRACE_UNROLL_BY(S::kLpt >= 12 ? 1 : 4)
  for (int m = 0; m < B / 2; m++) {
    loadWords(rows, field.shared, largerSigned(slow, fast));
    loadWords(limbs, field.shared, smaller(second, slowEnd));
    slow += stride;
    fast += stride + stride;
    second += stride;
    limbs[0] &= m == B / 2 - 1 ? keepLast : keep;
    blockStep<true>(field, window, rows, limbs);
    blockStep<false>(field, window, rows, limbs);
  }
  W lost[kDiagonalRows<S>];
  addDiagonal(field, window, lost);
  settleSquare(field, window, lost, overflow, a);
}

/// a = a²/R modulo p, below R.
template <class W, class S, Form F>
MILLRACE_FN void square(const Field<W, S, F>& field, Element<W, S>& a) {
  // With two limbs a lane the bookkeeping outweighs the products saved.
  if constexpr (S::kLpt <= 2) multiply(field, a, a, a);
  else squareByPairs(field, a);
}

}  // namespace millrace::kernels
