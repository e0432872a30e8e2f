// Inversion of a batch by Montgomery's trick, as a tree: groups of kFan numbers are multiplied up, the groups' products in
// groups again, until one number is left; that is inverted alone, and its inverse goes down the same way. Three products an
// element.
//
// No conversion is needed. With a product a·b/R, running products P_i = P_{i−1}·x_i/R begin at P_{−1} = R mod p, and
//   P_i⁻¹·P_{i−1}/R = x_i⁻¹,   P_i⁻¹·x_i/R = P_{i−1}⁻¹
// so plain numbers go up and plain inverses come down. The last number T is hidden: T·β/R is what is inverted elsewhere, and
// (R/(T·β))·β/R = T⁻¹.
#pragma once

#include "launch.h"

namespace millrace::kernels {

constexpr std::uint32_t kFan = 8;

/// prefix[i] = product of the numbers before i in its group; total[g] = product of group g. Numbers beyond the end count as R mod p.
template <class S, Form F>
struct InvertUpBody {
  using Shape = S;
  Modulus modulus;
  std::uint32_t* prefix;
  std::uint32_t* total;
  const std::uint32_t* a;
  std::uint32_t count;

  template <class W>
  MILLRACE_FN void run(std::uint32_t group, std::uint32_t, std::uint32_t* shared) const {
    const Field<W, S, F> field(modulus, shared);
    const Slots<W, S> slots(field, group, (count + kFan - 1) / kFan);
    Element<W, S> x, factor;
    field.load(x.limb, modulus.one);
    MILLRACE_ROLLED
    for (std::uint32_t i = 0; i < kFan; i++) {
      const W index = slots.index * W(kFan) + W(i);
      const W inside = below(index, W(count));
      field.storeAt(prefix, index * W(S::kLimbs), x.limb, slots.valid & inside);
      loadOrOne(field, factor, a, index, inside);
      multiply(field, x, x, factor);
    }
    field.storeAt(total, slots.index * W(S::kLimbs), x.limb, slots.valid);
  }
};

/// Loads number `index` if `inside`, else R mod p, which leaves a product as it is.
template <class W, class S, Form F>
MILLRACE_FN void loadOrOne(const Field<W, S, F>& field, Element<W, S>& x, const std::uint32_t* a, W index, W inside) {
  W one[S::kLpt];
  field.loadAt(x.limb, a, (index & inside) * W(S::kLimbs));
  field.load(one, field.modulus.one);
  MILLRACE_UNROLL
  for (int i = 0; i < S::kLpt; i++) x.limb[i] = (x.limb[i] & inside) | (one[i] & ~inside);
}

/// out[i] = a[i]⁻¹ from the groups' inverses; canonical on the lowest level. `out` may be `prefix`.
template <class S, Form F>
struct InvertDownBody {
  using Shape = S;
  Modulus modulus;
  std::uint32_t* out;
  const std::uint32_t* prefix;
  const std::uint32_t* inverse;
  const std::uint32_t* a;
  std::uint32_t count;
  bool lowest;

  template <class W>
  MILLRACE_FN void run(std::uint32_t group, std::uint32_t, std::uint32_t* shared) const {
    const Field<W, S, F> field(modulus, shared);
    const Slots<W, S> slots(field, group, (count + kFan - 1) / kFan);
    Element<W, S> x, y, factor;
    field.loadAt(x.limb, inverse, slots.index * W(S::kLimbs));
    MILLRACE_ROLLED
    for (std::uint32_t i = kFan; i-- > 0;) {
      const W index = slots.index * W(kFan) + W(i);
      const W inside = below(index, W(count));
      loadOrOne(field, factor, prefix, index, inside);
      multiply(field, y, x, factor);
      if (lowest) canonical(field, y);
      loadOrOne(field, factor, a, index, inside);
      multiply(field, x, x, factor);
      field.storeAt(out, index * W(S::kLimbs), y.limb, slots.valid & inside);
    }
  }
};

}  // namespace millrace::kernels
