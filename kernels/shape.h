// Layout of a number on the lanes of a warp, and each lane's part of the modulus. A number of kBits bits is spread over an instance of
// kTpi lanes: lane t has the kLpt 32-bit limbs from t·kLpt on. A warp holds 32/kTpi instances. Few lanes an instance waste the least on
// carries and shuffles, many fill a card with few numbers: the launcher chooses by batch size.
//
// R = 2^kBits for any number of lanes, so that prepared operands and tables serve every shape. Rows are processed in pairs, so kLpt is
// even; 3072 bits on 32 lanes are four limbs on 24 of them, and the others hold zeros.
#pragma once

#include <cstddef>
#include <type_traits>

#include "ptx.h"

namespace millrace::kernels {

/// Tuning that does not change a result. These values ship; kernels/dev/variants.cu times others.
struct Shipped {
  /// Blocks of a multiplication that are unrolled in its loop, beside the first two. Unrolled, the window needs no copies back to the
  /// registers that the loop began with, and carries can wait as predicates, which they cannot from turn to turn; but every kernel has
  /// several multiplications, of 10 KB a block at 16 limbs and 1 KB at four.
  static constexpr int blocksUnrolled(int lpt) { return lpt >= 8 ? 1 : lpt == 4 ? 6 : lpt > 4 ? 2 : 4; }
  /// Pairs of steps of a squaring that are unrolled: all.
  static constexpr int pairsUnrolled(int blocks) { return blocks / 2 - 1; }
  /// True if a squaring adds the diagonal as a triangle. With fewer limbs a lane, or more blocks beside the diagonal's, the products
  /// saved cost less than the bit that the triangle leaves over.
  static constexpr bool triangle(int lpt, int blocks) { return lpt >= 8 && blocks <= 8; }
  /// True if a square takes fewer products than a product. With two limbs a lane the bookkeeping outweighs the saving.
  static constexpr bool squares(int lpt) { return lpt > 2; }
  /// Bits of a power's windows. At 256-bit exponents four take 331 products, five take 338, and each reads a table of twice the size.
  static constexpr int kWindow = 4;
  /// Blocks of four warps that a multiprocessor must hold. Stated so that ptxas takes the registers it needs for that many and does not
  /// spill for the sake of more.
  static constexpr int kBlocksMin = 3;
};

template <int kBits_, int kTpi_, class Tuning_ = Shipped>
struct Shape {
  using Tuning = Tuning_;
  static constexpr int kBits = kBits_;
  static constexpr int kTpi = kTpi_;
  static constexpr int kLimbs = kBits / 32;
  static constexpr int kLpt = ((kLimbs + kTpi - 1) / kTpi + 1) / 2 * 2;
  /// Lanes with limbs of their own.
  static constexpr int kBlocks = kLimbs / kLpt;
  static constexpr int kInstances = kWarp / kTpi;
  static constexpr int kBlocksUnrolled = Tuning::blocksUnrolled(kLpt);
  static constexpr int kPairsUnrolled = Tuning::pairsUnrolled(kBlocks);
  static constexpr std::uint32_t kWindow = Tuning::kWindow;
  static constexpr std::uint32_t kEntries = 1u << kWindow;
  static constexpr bool kTriangle = Tuning::triangle(kLpt, kBlocks);
  static constexpr bool kSquares = Tuning::squares(kLpt);
  /// Distance of blocks in shared memory: eight lanes that read 16 bytes each of neighbouring blocks meet no common bank.
  static constexpr int kStride = kLpt % 8 == 0 ? kLpt + 4 : kLpt;
  /// Words of shared memory of an instance: an operand, its double, the values that lanes hand down, and a block of zeros, which the
  /// highest lane reads as the block above it.
  static constexpr int kDouble = kTpi * kStride;
  static constexpr int kDown = 2 * kTpi * kStride;
  static constexpr int kZeros = 3 * kTpi * kStride;
  /// A second place for the values that lanes hand down, with zeros above it, for narrow blocks: kernels/narrow.h.
  static constexpr int kDownToo = kZeros + kStride;
  static constexpr int kZerosToo = kDownToo + kTpi * kStride;
  static constexpr int kArea = kLpt == 4 ? kZerosToo + kStride : kDownToo;
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
  /// (p + 1)/2^64 of a modulus that ends in 64 one-bits.
  const std::uint32_t* shifted;
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
  /// The block of the number that this lane holds.
  W block;
  /// Beginning of this instance's shared memory.
  W area;
  /// All ones in lanes that hold limbs.
  W active;
  std::uint32_t* shared;
  Modulus modulus;
  /// True if quotients are added late, as multiples of the modulus above its 64 one-bits: kernels/montgomery.h. A lane of two limbs is
  /// too short for the limbs that the last quotient leaves on top.
  static constexpr bool kLate = F == Form::kSpecial && S::kLpt >= 4;
  /// Factor of a quotient: the modulus, or (p + 1)/2^64 if quotients are added late.
  W multiple[S::kLpt];

  MILLRACE_FN Field(const Modulus& m, std::uint32_t* warpShared) : shared(warpShared), modulus(m) {
    lane = laneId<W>();
    block = lane % W(S::kTpi);
    area = (lane / W(S::kTpi)) * W(S::kArea);
    active = below(block, W(S::kBlocks));
    load(multiple, kLate ? m.shifted : m.p);
    W zeros[S::kLpt];
    MILLRACE_UNROLL
    for (int i = 0; i < S::kLpt; i++) zeros[i] = W(0);
    storeWords(shared, area + W(S::kZeros), zeros, W(~0u));
    if (S::kLpt == 4) storeWords(shared, area + W(S::kZerosToo), zeros, W(~0u));
  }

  /// This lane's limbs of a number that all instances share; zeros if the lane has none.
  MILLRACE_FN void load(W (&x)[S::kLpt], const std::uint32_t* number) const { loadAt(x, number, W(0)); }

  /// The same for a number that begins at word `at`.
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

  /// Block `index` of the operand at `from` in shared memory.
  MILLRACE_FN void fetch(W (&x)[S::kLpt], W from, W index) const {
    loadWords(x, shared, area + from + index * W(S::kStride));
  }
  MILLRACE_FN void post(const W (&x)[S::kLpt], W from) const {
    storeWords(shared, area + from + block * W(S::kStride), x, W(~0u));
  }

  /// Replaces x by that of the lane above. If quotients are added late, the lowest lane's x is not zero and must not reach the highest
  /// lane, which reads zeros; and wide accesses of shared memory are fewer instructions than shuffles of four limbs or more.
  MILLRACE_FN void fromAbove(W (&x)[S::kLpt]) const {
    if constexpr (kLate) {
      syncLanes<W>();
      post(x, W(S::kDown));
      syncLanes<W>();
      fetch(x, W(S::kDown), block + W(1));
    } else {
      MILLRACE_UNROLL
      for (int i = 0; i < S::kLpt; i++) x[i] = shuffle<S::kTpi>(x[i], block + W(1));
    }
  }
};

}  // namespace millrace::kernels
