// Blocks of four limbs, in which all instructions besides products weigh most. The scheme of kernels/montgomery.h for a modulus that
// ends in 64 one-bits, but a carry is not written to a limb if it can wait. The carry out of a chain at place i goes into a chain that
// begins at place i − 4 one step later, when the window has moved; in the meantime it is a predicate, which costs nothing.
//
// A lane has seven predicates, and a step that adds a product has about twice as many carries. Carries without a chain to go to are
// written to pairs of limbs that are still zero; such a pair also takes a product without carrying out:
//   (2^32 − 1)² + 2^32·h + c < 2^64 for h = 0 or 1 and a few carries c
//
// Values that lanes hand down have two places in shared memory in turn, so that lanes may write to one while others still read the
// other. The quotient of the last pair of rows is read there, too.
#pragma once

#include "montgomery.h"

namespace millrace::kernels {

template <class W, class S>
struct NarrowWindow {
  /// The limb of each place is even + odd; odd[3] and odd[4] hold carries only.
  W even[4];
  W odd[5];
  /// Carries that wait, by the place at which they count.
  W at0[2], at1, at2[2], at3;
  /// The carry out of the value that the lane above has handed down: at place 4, until the window moves.
  W handed;
  /// The quotient of the latest pair of rows: still to be added.
  W quotient[2];
  /// The next place in shared memory, 0 or 1.
  int turn;

  MILLRACE_FN void clear() {
    MILLRACE_UNROLL
    for (int i = 0; i < 4; i++) even[i] = W(0);
    MILLRACE_UNROLL
    for (int i = 0; i < 5; i++) odd[i] = W(0);
    at0[0] = at0[1] = at1 = at2[0] = at2[1] = at3 = handed = W(0);
    turn = 0;
  }
};

/// acc += (x[0], x[2])·y + in; the carry out.
template <class W>
MILLRACE_FN W madRow(W* acc, const W* x, W y, W in) {
  return madThrough(acc + 2, x[2], y, madThrough(acc, x[0], y, in));
}

/// Hands the settled block to the lane below, and tells all lanes the quotient: the lowest lane's upper half.
template <class W, class S, Form F>
MILLRACE_FN void handDown(const Field<W, S, F>& field, W (&settled)[4], W (&quotient)[2], int turn) {
  const W place = W(static_cast<std::uint32_t>(turn == 0 ? S::kDown : S::kDownToo));
  field.post(settled, place);
  syncLanes<W>();
  loadWords(quotient, field.shared, field.area + place + W(2));
  field.fetch(settled, place, field.block + W(1));
}

/// A step that reduces only. Carries are named by the place at which they come out. Products above the block are added last, to the
/// limbs that the lane above has handed down, which then need no addition of their own.
template <class W, class S, Form F>
MILLRACE_FN void reduceStep(const Field<W, S, F>& field, NarrowWindow<W, S>& window) {
  const W none = W(0);
  const W* const p = field.multiple;
  W *const even = window.even, odd[7];
  MILLRACE_UNROLL
  for (int i = 0; i < 7; i++) odd[i] = i < 5 ? window.odd[i] : none;

  const W q[2] = {window.quotient[0], window.quotient[1]};
  const W out4 = madRow(even, p, q[0], window.at0[0]);
  noCarry(madRow(odd + 1, p + 1, q[0], window.at1));
  window.at1 = madRow(odd + 1, p, q[1], none);
  const W first4 = madThrough(even + 2, p[1], q[1], addThrough(even, odd, window.at0[1]));
  const W next[2] = {shuffle<S::kTpi>(even[0], none), shuffle<S::kTpi>(even[1], none)};

  const W then4 = madThrough(even + 2, p[0], next[0], window.at2[0]);
  noCarry(madRow(odd + 3, p + 1, next[0], window.at3));
  window.at3 = madRow(odd + 3, p, next[1], none);
  const W last4 = addThrough(even + 2, odd + 2, window.at2[1]);
  handDown(field, window.even, window.quotient, window.turn);
  window.turn = 1 - window.turn;

  window.at0[0] = out4;
  window.at0[1] = window.handed;
  window.at2[0] = madThrough(even, p[3], q[1], first4);
  window.at2[1] = madThrough(even, p[2], next[0], then4);
  window.handed = madThrough(even + 2, p[3], next[1], madThrough(even, p[1], next[1], last4));
  MILLRACE_UNROLL
  for (int i = 0; i < 5; i++) window.odd[i] = i < 3 ? odd[4 + i] : none;
}

/// A step that adds the product of b and a before it reduces. The value handed down is added by itself: as the start of the limbs above
/// the block it would have more carries than can wait. The first step has no quotient to add.
template <bool kFirst, class W, class S, Form F>
MILLRACE_FN void productStep(const Field<W, S, F>& field, NarrowWindow<W, S>& window, const W (&b)[4], const W (&a)[4]) {
  const W none = W(0);
  const W* const p = field.multiple;
  W even[8], odd[7];
  MILLRACE_UNROLL
  for (int i = 0; i < 8; i++) even[i] = i < 4 ? window.even[i] : none;
  MILLRACE_UNROLL
  for (int i = 0; i < 7; i++) odd[i] = i < 5 ? window.odd[i] : none;
  W* const q = window.quotient;

  const W first4 = madRow(even, a, b[0], window.at0[0]);
  noCarry(madRow(odd + 1, a + 1, b[0], window.at1));
  const W first5 = madRow(odd + 1, a, b[1], none);
  W last4 = none, then5 = none, last5 = none;
  if (!kFirst) {
    last4 = madRow(even, p, q[0], none);
    then5 = madRow(odd + 1, p + 1, q[0], none);
    last5 = madRow(odd + 1, p, q[1], none);
  }
  W merged = addThrough(even, odd, window.at0[1]);
  noCarry(madRow(even + 2, a + 1, b[1], kFirst ? merged : none));
  odd[5] = sumOfCarries(first5, then5, last5);
  odd[6] = kFirst ? none : madRow(even + 2, p + 1, q[1], merged);
  q[0] = shuffle<S::kTpi>(even[0], none);
  q[1] = shuffle<S::kTpi>(even[1], none);

  const W first6 = madRow(even + 2, a, b[2], window.at2[0]);
  noCarry(madRow(odd + 3, a + 1, b[2], window.at3));
  const W first7 = madRow(odd + 3, a, b[3], none);
  noCarry(madRow(even + 4, a + 1, b[3], none));
  const W last6 = madRow(even + 2, p, q[0], none);
  const W then7 = madRow(odd + 3, p + 1, q[0], none);
  const W last7 = madRow(odd + 3, p, q[1], none);
  merged = addThrough(even + 2, odd + 2, window.at2[1]);
  window.odd[3] = sumOfCarries(first7, then7, last7);
  window.odd[4] = madRow(even + 4, p + 1, q[1], merged);

  W settled[4];
  MILLRACE_UNROLL
  for (int i = 0; i < 4; i++) {
    settled[i] = even[i];
    window.even[i] = even[4 + i];
    if (i < 3) window.odd[i] = odd[4 + i];
  }
  handDown(field, settled, window.quotient, window.turn);
  window.turn = 1 - window.turn;
  window.at0[0] = first4;
  window.at0[1] = last4;
  window.at1 = window.at3 = none;
  window.at2[0] = first6;
  window.at2[1] = last6;
  window.handed = addThrough(window.even + 2, settled + 2, addThrough(window.even, settled, window.handed));
}

/// One block: adds `kAdds`, reduces the lowest four limbs and moves the window up.
template <Adds kAdds, bool kFirst = false, class W, class S, Form F>
MILLRACE_FN void blockStep(const Field<W, S, F>& field, NarrowWindow<W, S>& window, const W (&rows)[4], const W (&limbs)[4]) {
  static_assert(kAdds != Adds::kSquare, "a triangle is for longer blocks");
  if constexpr (kAdds == Adds::kProduct) productStep<kFirst>(field, window, rows, limbs);
  else reduceStep(field, window);
}

/// Adds x·bit to the window's lowest block.
template <class W, class S>
MILLRACE_FN void addByBit(NarrowWindow<W, S>& window, const W (&x)[4], W bit) {
  window.handed += madRow(window.even, x, bit, window.at0[0]);
  noCarry(madRow(window.odd + 1, x + 1, bit, window.at1));
  window.at0[0] = window.at1 = W(0);
}

/// The window's lowest block as an element.
template <class W, class S, Form F>
MILLRACE_FN void settleWindow(const Field<W, S, F>& field, NarrowWindow<W, S>& window, Element<W, S>& out) {
  const W none = W(0);
  const W *const p = field.multiple, *const q = window.quotient;
  W* const odd = window.odd;
  W even[7];
  MILLRACE_UNROLL
  for (int i = 0; i < 7; i++) even[i] = i < 4 ? window.even[i] : none;
  odd[3] += window.at3;
  even[4] = window.handed + madRow(even, p, q[0], window.at0[0]);
  W at5 = madRow(odd + 1, p + 1, q[0], window.at1);
  at5 += madRow(odd + 1, p, q[1], none);
  const W merged = addThrough(even, odd, window.at0[1]);
  noCarry(madRow(even + 2, p + 1, q[1], merged));
  const W second[4] = {window.at2[1], none, none, none}, third[4] = {odd[2], odd[3], odd[4], at5};
  even[6] = addThrough(even + 4, second + 2, addThrough(even + 2, second, none));
  even[6] += addThrough(even + 4, third + 2, addThrough(even + 2, third, window.at2[0]));
  const W up[3] = {even[4], even[5], even[6]};
  MILLRACE_UNROLL
  for (int i = 0; i < 4; i++) out.limb[i] = even[i];
  settle(field, out.limb, up);
}

}  // namespace millrace::kernels
