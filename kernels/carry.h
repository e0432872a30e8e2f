// Carries between the lanes of an instance, and the operations that need them: addition over all limbs, the reduction below R, and the
// canonical form. A lane generates a carry or, if all its bits are ones, passes one on; two ballots collect that as two numbers of one
// bit a lane, whose sum finds every carry at once. The same instructions run with and without carries.
#pragma once

#include "shape.h"

namespace millrace::kernels {

template <class W>
struct Carries {
  /// Into this lane, and out of the number: 0 or 1.
  W in;
  W out;
};

/// All ones if every bit of x is one.
template <class W, int N>
MILLRACE_FN W allOnes(const W (&x)[N]) {
  W bits = x[0];
  MILLRACE_UNROLL
  for (int i = 1; i < N; i++) bits &= x[i];
  return equal(bits, W(~0u));
}

/// Finds all carries at once. In no lane may `generated` (0 or 1) and `passes` (a mask) both be set.
template <class W, class S, Form F>
MILLRACE_FN Carries<W> lookAhead(const Field<W, S, F>& field, W generated, W passes) {
  W g = ballot(generated), p = ballot(passes);
  if (S::kTpi < kWarp) {
    const W first = field.lane - field.block;
    const W all = W((1u << (S::kTpi % kWarp)) - 1);
    g = (g >> first) & all;
    p = (p >> first) & all;
  }
  const W into = ((g << W(1)) + p) ^ p;
  return {(into >> field.block) & W(1), ((g | (p & into)) >> W(S::kBlocks - 1)) & W(1)};
}

/// x += in; `in` is a limb at most, and its carry is known to end inside the lane.
template <class W, int N>
MILLRACE_FN W addSmall(W (&x)[N], W in) {
  W y[N], top = W(0);
  y[0] = in;
  MILLRACE_UNROLL
  for (int i = 1; i < N; i++) y[i] = W(0);
  Sum<N>::add(x, y, top);
  return top;
}

/// x += y + in over the whole number, `in` (0 or 1) counting in its lowest lane; the carry out.
template <class W, class S, Form F>
MILLRACE_FN W addWhole(const Field<W, S, F>& field, W (&x)[S::kLpt], const W (&y)[S::kLpt], W in) {
  W top = W(0);
  Sum<S::kLpt>::addWith(x, y, in & equal(field.block, W(0)), top);
  const Carries<W> carries = lookAhead(field, top, allOnes(x));
  addSmall(x, carries.in);
  return carries.out;
}

/// Makes a number below R of a window's lowest block: x, and `up`, N limbs above it that belong to the lane above. A sum that has
/// overflowed R is below R + p, so p is subtracted once or not at all.
template <int N, class W, class S, Form F>
MILLRACE_FN void settle(const Field<W, S, F>& field, W (&x)[S::kLpt], const W (&up)[N]) {
  const W top = up[0], notLowest = ~equal(field.block, W(0));
  W fromBelow[S::kLpt], generated = W(0);
  MILLRACE_UNROLL
  for (int i = 0; i < S::kLpt; i++) {
    fromBelow[i] = i < N ? shuffle<S::kTpi>(up[i < N ? i : 0], field.block + W(S::kTpi - 1)) & notLowest : W(0);
  }
  Sum<S::kLpt>::add(x, fromBelow, generated);
  const W passes = allOnes(x);
  const Carries<W> carries = lookAhead(field, generated, passes);
  const W overflow = shuffle<S::kTpi>(top, W(S::kBlocks - 1)) + carries.out;
  const W take = W(0) - overflow;
  W minusP[S::kLpt];
  field.load(minusP, field.modulus.complement);
  MILLRACE_UNROLL
  for (int i = 0; i < S::kLpt; i++) minusP[i] &= take;
  W again = W(0);
  Sum<S::kLpt>::addWith(x, minusP, carries.in, again);
  // A lane of all ones that took a carry has passed it on already.
  again &= ~(passes & carries.in);
  addSmall(x, lookAhead(field, again, allOnes(x)).in);
  if (S::kBlocks < S::kTpi) {
    MILLRACE_UNROLL
    for (int i = 0; i < S::kLpt; i++) x[i] &= field.active;
  }
}

/// x < 2p becomes min(x mod p, p − x mod p).
template <class W, class S, Form F>
MILLRACE_FN void canonical(const Field<W, S, F>& field, Element<W, S>& element) {
  constexpr int kLpt = S::kLpt;
  W(&x)[kLpt] = element.limb;
  W less[kLpt], minusP[kLpt];
  field.load(minusP, field.modulus.complement);
  MILLRACE_UNROLL
  for (int i = 0; i < kLpt; i++) less[i] = x[i];
  const W reduced = W(0) - addWhole(field, less, minusP, W(0));
  W other[kLpt], rest[kLpt], negated[kLpt];
  field.load(other, field.modulus.p);
  MILLRACE_UNROLL
  for (int i = 0; i < kLpt; i++) {
    x[i] = (less[i] & reduced) | (x[i] & ~reduced);
    negated[i] = ~x[i];
  }
  addWhole(field, other, negated, W(1));
  MILLRACE_UNROLL
  for (int i = 0; i < kLpt; i++) rest[i] = other[i];
  // (p − x) − x borrows nothing if x is the smaller one.
  const W keep = W(0) - addWhole(field, rest, negated, W(1));
  MILLRACE_UNROLL
  for (int i = 0; i < kLpt; i++) x[i] = (x[i] & keep) | (other[i] & ~keep);
}

}  // namespace millrace::kernels
