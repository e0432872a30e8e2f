// How a number lies on the lanes of a warp, and what every lane knows about the modulus. A number of kBits bits is spread over
// an instance of kTpi lanes: lane t has the kLpt 32-bit limbs from t·kLpt on. A warp holds 32/kTpi instances. Few lanes an
// instance waste the least on carries and shuffles, many fill a card with few numbers: the launcher chooses by batch size.
//
// R = 2^kBits whatever the lanes, so that prepared operands and tables serve every shape. Rows are worked off in pairs, so
// kLpt is even; 3072 bits on 32 lanes are four limbs on 24 of them, and the others hold zeros.
#pragma once

#include <cstddef>

#include "ptx.h"

namespace millrace::kernels {

template <int kBits_, int kTpi_>
struct Shape {
  static constexpr int kBits = kBits_;
  static constexpr int kTpi = kTpi_;
  static constexpr int kLimbs = kBits / 32;
  static constexpr int kLpt = ((kLimbs + kTpi - 1) / kTpi + 1) / 2 * 2;
  /// Lanes with limbs of their own.
  static constexpr int kBlocks = kLimbs / kLpt;
  static constexpr int kInstances = kWarp / kTpi;
  /// Distance of blocks in shared memory: eight lanes that read 16 bytes each of neighbouring blocks meet no common bank.
  static constexpr int kStride = kLpt % 8 == 0 ? kLpt + 4 : kLpt;
  /// Words of shared memory of an instance: an operand, its double, and a block of zeros.
  static constexpr int kDouble = kTpi * kStride;
  static constexpr int kZeros = 2 * kTpi * kStride;
  static constexpr int kArea = kZeros + kStride;
  static_assert(kBlocks * kLpt == kLimbs && kBlocks % 2 == 0 && kBlocks <= kTpi, "whole blocks");
};

/// General: any odd modulus. Special: one that ends in 64 one-bits, as those of RFC 3526 do, so that −p⁻¹ = 1 mod 2^64 and
/// two limbs of a sum are their own Montgomery quotient.
enum class Form { kGeneral, kSpecial };

/// The modulus in device memory; words of kLimbs each.
struct Modulus {
  const std::uint32_t* p;
  /// R − p: adding it subtracts p from what has overflowed.
  const std::uint32_t* complement;
  /// R mod p and R² mod p.
  const std::uint32_t* one;
  const std::uint32_t* rSquared;
  /// −p⁻¹ mod 2^64, low limb first.
  std::uint32_t inverse[2];
};

template <class W, class S>
struct Element {
  W limb[S::kLpt];
};

/// A lane's place in its warp, the warp's shared memory, and the lane's limbs of the modulus.
template <class W, class S, Form F>
struct Field {
  using Shape = S;
  static constexpr Form kForm = F;
  W lane;
  /// Which block of the number this lane holds.
  W block;
  /// Where the shared memory of this instance begins.
  W area;
  /// All ones in lanes that hold limbs.
  W active;
  std::uint32_t* shared;
  Modulus modulus;
  W p[S::kLpt];

  MILLRACE_FN Field(const Modulus& m, std::uint32_t* warpShared) : shared(warpShared), modulus(m) {
    lane = laneId<W>();
    block = lane % W(S::kTpi);
    area = (lane / W(S::kTpi)) * W(S::kArea);
    active = below(block, W(S::kBlocks));
    load(p, m.p);
    W zeros[S::kLpt];
    MILLRACE_UNROLL
    for (int i = 0; i < S::kLpt; i++) zeros[i] = W(0);
    storeWords(shared, area + W(S::kZeros), zeros, W(~0u));
  }

  /// This lane's limbs of a number that all instances share; zeros where the lane has none.
  MILLRACE_FN void load(W (&x)[S::kLpt], const std::uint32_t* number) const { loadAt(x, number, W(0)); }

  /// The same of a number that begins at word `at`.
  MILLRACE_FN void loadAt(W (&x)[S::kLpt], const std::uint32_t* base, W at) const {
    loadWords(x, base, at + (block & active) * W(S::kLpt));
    if (S::kBlocks < S::kTpi) {
      MILLRACE_UNROLL
      for (int i = 0; i < S::kLpt; i++) x[i] &= active;
    }
  }

  MILLRACE_FN void storeAt(std::uint32_t* base, W at, const W (&x)[S::kLpt], W mask) const {
    storeWords(base, at + (block & active) * W(S::kLpt), x, mask & active);
  }

  /// Block `index` of the operand that stands at `from` in shared memory.
  MILLRACE_FN void fetch(W (&x)[S::kLpt], W from, W index) const {
    loadWords(x, shared, area + from + index * W(S::kStride));
  }
  MILLRACE_FN void post(const W (&x)[S::kLpt], W from) const {
    storeWords(shared, area + from + block * W(S::kStride), x, W(~0u));
  }
};

}  // namespace millrace::kernels
