// Products of two batches, and of a permuted batch with another: every phase of a round is made of these.
//
// With one operand prepared (b·R), out = a·b is exactly one Montgomery product and the canonical form. Otherwise the first product
// leaves a·b/R, and a second one with R² mod p corrects that. `prepare` is that second product alone.
#pragma once

#include "launch.h"

namespace millrace::kernels {

/// out[i] = a[i]·b[i].
template <class S, Form F>
struct MulBody {
  using Shape = S;
  Modulus modulus;
  std::uint32_t* out;
  const std::uint32_t* a;
  const std::uint32_t* b;
  bool prepared;
  std::uint32_t count;

  template <class W>
  MILLRACE_FN void run(std::uint32_t group, std::uint32_t, std::uint32_t* shared) const {
    const Field<W, S, F> field(modulus, shared);
    const Slots<W, S> slots(field, group, count);
    const W at = slots.index * W(S::kLimbs);
    Element<W, S> x, y;
    field.loadAt(x.limb, a, at);
    field.loadAt(y.limb, b, at);
    multiplyPrepared(field, x, y, prepared);
    field.storeAt(out, at, x.limb, slots.valid);
  }
};

/// x = x·y, canonical, y prepared or not.
template <class W, class S, Form F>
MILLRACE_FN void multiplyPrepared(const Field<W, S, F>& field, Element<W, S>& x, Element<W, S>& y, bool prepared) {
  MILLRACE_ROLLED
  for (int pass = prepared ? 1 : 0; pass < 2; pass++) {
    multiply(field, x, x, y);
    field.load(y.limb, field.modulus.rSquared);
  }
  canonical(field, x);
}

/// out[i] = a[i]·R.
template <class S, Form F>
struct PrepareBody {
  using Shape = S;
  Modulus modulus;
  std::uint32_t* out;
  const std::uint32_t* a;
  std::uint32_t count;

  template <class W>
  MILLRACE_FN void run(std::uint32_t group, std::uint32_t, std::uint32_t* shared) const {
    const Field<W, S, F> field(modulus, shared);
    const Slots<W, S> slots(field, group, count);
    const W at = slots.index * W(S::kLimbs);
    Element<W, S> x, y;
    field.loadAt(x.limb, a, at);
    field.load(y.limb, modulus.rSquared);
    multiply(field, x, x, y);
    canonical(field, x);
    field.storeAt(out, at, x.limb, slots.valid);
  }
};

/// out[k] = a[source[k]]·b[k] for whole slots of `width` elements, those from element `from` on; pointers are to whole
/// batches. The order of reads is not hidden.
template <class S, Form F>
struct MulGatherBody {
  using Shape = S;
  Modulus modulus;
  std::uint32_t* out;
  const std::uint32_t* a;
  const std::uint32_t* source;
  const std::uint32_t* b;
  bool prepared;
  std::uint32_t width;
  std::uint32_t from;
  std::uint32_t count;

  template <class W>
  MILLRACE_FN void run(std::uint32_t group, std::uint32_t, std::uint32_t* shared) const {
    const Field<W, S, F> field(modulus, shared);
    const Slots<W, S> slots(field, group, count);
    const W index = slots.index + W(from);
    const W slot = index / W(width);
    W from_[1];
    loadWords(from_, source, slot);
    Element<W, S> x, y;
    field.loadAt(x.limb, a, (from_[0] * W(width) + index - slot * W(width)) * W(S::kLimbs));
    field.loadAt(y.limb, b, index * W(S::kLimbs));
    multiplyPrepared(field, x, y, prepared);
    field.storeAt(out, index * W(S::kLimbs), x.limb, slots.valid);
  }
};

}  // namespace millrace::kernels
