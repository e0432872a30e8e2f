// Montgomery multiplication: the steps of kernels/montgomery.h, or of kernels/narrow.h if they are fewer instructions, one for each
// block of b. Every lane holds its own limbs of a; b is in shared memory, from which all lanes read the same block.
//
// The first two steps are unrolled, because the first has no quotient to add and the number of the others is even; the others are a
// loop, some of them in each turn (Shipped::blocksUnrolled).
#pragma once

#include "narrow.h"

namespace millrace::kernels {

/// The window that suits a shape.
template <class W, class S, Form F>
using WindowFor = std::conditional_t<S::kLpt == 4 && Field<W, S, F>::kLate, NarrowWindow<W, S>, Window<W, S>>;

/// out = a·b/R modulo p, below R. `out` may be a or b.
template <class W, class S, Form F>
MILLRACE_FN void multiply(const Field<W, S, F>& field, Element<W, S>& out, const Element<W, S>& a, const Element<W, S>& b) {
  syncLanes<W>();
  field.post(b.limb, W(0));
  syncLanes<W>();
  WindowFor<W, S, F> window;
  window.clear();
  const auto step = [&](int j, auto first) {
    W rows[S::kLpt];
    field.fetch(rows, W(0), W(static_cast<std::uint32_t>(j)));
    blockStep<Adds::kProduct, decltype(first)::value>(field, window, rows, a.limb);
  };
  step(0, std::true_type());
  step(1, std::false_type());
  MILLRACE_UNROLL_BY(S::kBlocksUnrolled)
  for (int j = 2; j < S::kBlocks; j++) step(j, std::false_type());
  settleWindow(field, window, out);
}

}  // namespace millrace::kernels
