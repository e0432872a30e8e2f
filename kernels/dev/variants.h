// The variants that kernels/dev/variants.cu compares: the core of the kernels, compiled with other choices than those that ship. A variant
// is a tuning (kernels/shape.h) and a form of modulus; none has code of its own, so none can be right where the others are wrong.
#pragma once

#include <array>
#include <string>

#include "../arithmetic.h"

#ifndef MILLRACE_BITS
#define MILLRACE_BITS 4096
#endif
#ifndef MILLRACE_LANES
#define MILLRACE_LANES 8
#endif

namespace millrace::kernels {

struct SquareAsProduct : Shipped {
  static constexpr bool squares(int) { return false; }
};
struct NoTriangle : Shipped {
  static constexpr bool triangle(int, int) { return false; }
};
template <int kPairs>
struct PairsUnrolled : Shipped {
  static constexpr int pairsUnrolled(int) { return kPairs; }
};
template <int kBlocks>
struct BlocksUnrolled : Shipped {
  static constexpr int blocksUnrolled(int) { return kBlocks; }
};
template <int kBits>
struct WindowOf : Shipped {
  static constexpr int kWindow = kBits;
};
template <int kBlocks>
struct BlocksMin : Shipped {
  static constexpr int kBlocksMin = kBlocks;
};

/// The timed work: products and squarings one after the other in registers, and powers as the library computes them.
enum class Kind { kProducts, kSquarings, kPowers };
constexpr std::array<Kind, 3> kKinds = {Kind::kProducts, Kind::kSquarings, Kind::kPowers};
constexpr const char* kKindNames[] = {"products", "squarings", "powers"};
/// Windows of variants have at most this many bits: so long are their tables.
constexpr int kWindowMax = 6;

/// out[i] = a[i]·b[i]^turns, or a[i]^(2^turns), up to powers of R: a long chain, for which loading and storing is nothing.
template <class S, Form F, bool kSquare>
struct RepeatBody {
  using Shape = S;
  Modulus modulus;
  std::uint32_t* out;
  const std::uint32_t* a;
  const std::uint32_t* b;
  std::uint32_t turns;
  std::uint32_t count;

  template <class W>
  MILLRACE_FN void run(std::uint32_t group, std::uint32_t, std::uint32_t* shared) const {
    const Field<W, S, F> field(modulus, shared);
    const Slots<W, S> slots(field, group, count);
    const W at = slots.index * W(S::kLimbs);
    Element<W, S> x, y;
    field.loadAt(x.limb, a, at);
    field.loadAt(y.limb, b, at);
    MILLRACE_ROLLED
    for (std::uint32_t turn = 0; turn < turns; turn++) {
      if (kSquare) square(field, x);
      else multiply(field, x, x, y);
    }
    canonical(field, x);
    field.storeAt(out, at, x.limb, slots.valid);
  }
};

/// Where the target of a variant finds its batch: numbers of MILLRACE_BITS bits, an exponent for each, and scratch memory for
/// tables of kWindowMax bits.
struct Batch {
  Modulus modulus;
  std::uint32_t* out;
  const std::uint32_t *a, *b;
  const std::uint8_t* exponents;
  std::uint32_t exponentBytes, turns, count;
  std::uint32_t* scratch;
};

template <class Tuning, Form F, class Target>
void runVariant(Target& on, Kind kind, const Batch& batch) {
  using S = Shape<MILLRACE_BITS, MILLRACE_LANES, Tuning>;
  static_assert(S::kWindow <= kWindowMax, "the scratch memory holds the table");
  const auto& [modulus, out, a, b, exponents, bytes, turns, count, scratch] = batch;
  const std::uint32_t groups = groupsOf<S>(count);
  if (kind == Kind::kProducts) on.run(RepeatBody<S, F, false>{modulus, out, a, b, turns, count}, groups);
  if (kind == Kind::kSquarings) on.run(RepeatBody<S, F, true>{modulus, out, a, b, turns, count}, groups);
  if (kind == Kind::kPowers) on.run(PowBody<S, F>{modulus, out, a, exponents, bytes, false, count, scratch}, groups);
}

template <class Target>
struct Variant {
  const char* name;
  void (*run)(Target& on, Kind kind, const Batch& batch);
};

/// All variants; their place is their number, and number 0 is what ships.
template <class Target>
const std::vector<Variant<Target>>& variants() {
  constexpr Form special = Form::kSpecial;
  static const std::vector<Variant<Target>> all = {
      {"what ships", runVariant<Shipped, special>},
      {"a squaring is a product", runVariant<SquareAsProduct, special>},
      {"squaring: one pair of steps a turn", runVariant<PairsUnrolled<1>, special>},
      {"squaring: the diagonal whole, not as a triangle", runVariant<NoTriangle, special>},
      {"product: one block a turn", runVariant<BlocksUnrolled<1>, special>},
      {"product: two blocks a turn", runVariant<BlocksUnrolled<2>, special>},
      {"product: three blocks a turn", runVariant<BlocksUnrolled<3>, special>},
      {"product: six blocks a turn", runVariant<BlocksUnrolled<6>, special>},
      {"powers: windows of three bits", runVariant<WindowOf<3>, special>},
      {"powers: windows of five bits", runVariant<WindowOf<5>, special>},
      {"registers for eight warps a multiprocessor", runVariant<BlocksMin<2>, special>},
      {"registers for sixteen warps a multiprocessor", runVariant<BlocksMin<4>, special>},
      {"the general form of modulus", runVariant<Shipped, Form::kGeneral>},
  };
  return all;
}

/// The words of `out` as the host's lanes have them, in the general form and without squarings: as little as possible of what the
/// variants have in common.
void computeReference(Kind kind, const Batch& batch);

}  // namespace millrace::kernels
