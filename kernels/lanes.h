// Lanes. Every kernel is written once, as a template over a word W that stands for "the 32-bit register of each lane of a warp". On the
// card W is std::uint32_t: the hardware runs 32 copies. On the host W is LaneVector, all 32 lanes in one object, on which arithmetic,
// shuffles and votes are plain array operations; so a machine without a card runs the very same statements, in lock step, under
// sanitizers and a debugger.
//
// Conditions are masks (all ones or zero) and never branches: on both sides the same instructions run for all data.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define MILLRACE_FN __device__ __forceinline__
#define MILLRACE_BOTH __host__ __device__
#define MILLRACE_UNROLL _Pragma("unroll")
#define MILLRACE_ROLLED _Pragma("unroll 1")
#define MILLRACE_STRINGS(x) #x
#define MILLRACE_UNROLL_BY(n) _Pragma(MILLRACE_STRINGS(unroll n))
#else
#define MILLRACE_FN inline
#define MILLRACE_BOTH
#define MILLRACE_UNROLL
#define MILLRACE_ROLLED
#define MILLRACE_UNROLL_BY(n)
#endif

namespace millrace::kernels {

constexpr int kWarp = 32;

#ifdef __CUDACC__

using Word = std::uint32_t;

template <class W>
MILLRACE_FN W laneId() {
  return threadIdx.x % kWarp;
}
/// All ones if a = b, else zero.
MILLRACE_FN Word equal(Word a, Word b) { return a == b ? ~Word{0} : 0; }
/// All ones if a < b, else zero.
MILLRACE_FN Word below(Word a, Word b) { return a < b ? ~Word{0} : 0; }
MILLRACE_FN Word smaller(Word a, Word b) { return min(a, b); }
MILLRACE_FN Word largerSigned(Word a, Word b) { return max(static_cast<int>(a), static_cast<int>(b)); }
/// x of the lane `source` (modulo Width) of each group of Width lanes.
template <int Width>
MILLRACE_FN Word shuffle(Word x, Word source) {
  return __shfl_sync(0xffffffffu, x, static_cast<int>(source), Width);
}
/// The same result in every lane: bit i is set if the mask of lane i is set.
MILLRACE_FN Word ballot(Word mask) { return __ballot_sync(0xffffffffu, mask != 0); }
/// Orders shared memory: lanes of this warp read after it what lanes wrote before it.
template <class W>
MILLRACE_FN void syncLanes() {
  __syncwarp();
}

template <int N>
struct alignas(4 * N) Packed {
  Word word[N];
};

/// N consecutive words from `at`, by the widest accesses that their alignment allows.
template <int N>
MILLRACE_FN void loadWords(Word (&out)[N], const std::uint32_t* base, Word at) {
  constexpr int kWide = N % 4 == 0 ? 4 : N % 2 == 0 ? 2 : 1;
  MILLRACE_UNROLL
  for (int i = 0; i < N; i += kWide) {
    const Packed<kWide> part = *reinterpret_cast<const Packed<kWide>*>(base + at + i);
    MILLRACE_UNROLL
    for (int k = 0; k < kWide; k++) out[i + k] = part.word[k];
  }
}

/// Stores N words at `at` in the lanes whose mask is set.
template <int N>
MILLRACE_FN void storeWords(std::uint32_t* base, Word at, const Word (&x)[N], Word mask) {
  constexpr int kWide = N % 4 == 0 ? 4 : N % 2 == 0 ? 2 : 1;
  if (mask == 0) return;
  MILLRACE_UNROLL
  for (int i = 0; i < N; i += kWide) {
    Packed<kWide> part;
    MILLRACE_UNROLL
    for (int k = 0; k < kWide; k++) part.word[k] = x[i + k];
    *reinterpret_cast<Packed<kWide>*>(base + at + i) = part;
  }
}

/// The high half of a product.
MILLRACE_FN Word mulHigh(Word a, Word b) { return __umulhi(a, b); }

MILLRACE_FN Word loadByte(const std::uint8_t* base, Word at) { return base[at]; }

#else

/// Ways to break a lane on purpose, for the test of the tests: each must show as a wrong product.
enum class Fault { kNone, kShuffleOffByOne, kDroppedCarry, kDeafBallot, kLostCarryOut, kStuckLane };

template <Fault F>
struct LaneVector {
  static constexpr Fault kFault = F;
  typedef std::uint32_t Lanes __attribute__((vector_size(4 * kWarp)));
  Lanes v;

  LaneVector() : v{} {}
  LaneVector(std::uint32_t x) : v(Lanes{} + x) {}
  explicit LaneVector(Lanes x) : v(x) {}
  std::uint32_t operator[](int lane) const { return v[lane]; }
  void set(int lane, std::uint32_t x) { v[lane] = x; }

  friend LaneVector operator+(const LaneVector& a, const LaneVector& b) { return LaneVector(a.v + b.v); }
  friend LaneVector operator-(const LaneVector& a, const LaneVector& b) { return LaneVector(a.v - b.v); }
  friend LaneVector operator*(const LaneVector& a, const LaneVector& b) { return LaneVector(a.v * b.v); }
  friend LaneVector operator/(const LaneVector& a, const LaneVector& b) { return LaneVector(a.v / b.v); }
  friend LaneVector operator%(const LaneVector& a, const LaneVector& b) { return LaneVector(a.v % b.v); }
  friend LaneVector operator&(const LaneVector& a, const LaneVector& b) { return LaneVector(a.v & b.v); }
  friend LaneVector operator|(const LaneVector& a, const LaneVector& b) { return LaneVector(a.v | b.v); }
  friend LaneVector operator^(const LaneVector& a, const LaneVector& b) { return LaneVector(a.v ^ b.v); }
  friend LaneVector operator~(const LaneVector& a) { return LaneVector(~a.v); }
  friend LaneVector operator<<(const LaneVector& a, const LaneVector& n) { return LaneVector(a.v << n.v); }
  friend LaneVector operator>>(const LaneVector& a, const LaneVector& n) { return LaneVector(a.v >> n.v); }
  LaneVector& operator+=(const LaneVector& b) { return *this = *this + b; }
  LaneVector& operator|=(const LaneVector& b) { return *this = *this | b; }
  LaneVector& operator&=(const LaneVector& b) { return *this = *this & b; }
};

template <class W>
W laneId() {
  W lane;
  for (int l = 0; l < kWarp; l++) lane.set(l, static_cast<std::uint32_t>(l));
  return lane;
}
template <Fault F>
LaneVector<F> equal(const LaneVector<F>& a, const LaneVector<F>& b) {
  return LaneVector<F>(reinterpret_cast<typename LaneVector<F>::Lanes>(a.v == b.v));
}
template <Fault F>
LaneVector<F> below(const LaneVector<F>& a, const LaneVector<F>& b) {
  return LaneVector<F>(reinterpret_cast<typename LaneVector<F>::Lanes>(a.v < b.v));
}
template <Fault F>
LaneVector<F> equal(const LaneVector<F>& a, std::uint32_t b) { return equal(a, LaneVector<F>(b)); }
template <Fault F>
LaneVector<F> below(const LaneVector<F>& a, std::uint32_t b) { return below(a, LaneVector<F>(b)); }

template <Fault F>
LaneVector<F> smaller(const LaneVector<F>& a, const LaneVector<F>& b) {
  const LaneVector<F> mask = below(a, b);
  return (a & mask) | (b & ~mask);
}
template <Fault F>
LaneVector<F> largerSigned(const LaneVector<F>& a, const LaneVector<F>& b) {
  const LaneVector<F> flip(0x80000000u), mask = below(a ^ flip, b ^ flip);
  return (b & mask) | (a & ~mask);
}

template <int Width, Fault F>
LaneVector<F> shuffle(const LaneVector<F>& x, const LaneVector<F>& source) {
  LaneVector<F> out;
  for (int l = 0; l < kWarp; l++) {
    const std::uint32_t from = F == Fault::kShuffleOffByOne ? source[l] + 1 : source[l];
    out.set(l, x[l / Width * Width + static_cast<int>(from % Width)]);
  }
  if (F == Fault::kStuckLane) out.set(kWarp - 3, x[kWarp - 3]);
  return out;
}
template <int Width, Fault F>
LaneVector<F> shuffle(const LaneVector<F>& x, std::uint32_t source) {
  return shuffle<Width>(x, LaneVector<F>(source));
}
template <Fault F>
LaneVector<F> ballot(const LaneVector<F>& mask) {
  std::uint32_t bits = 0;
  for (int l = 0; l < kWarp; l++) bits |= (mask[l] != 0 ? 1u : 0u) << l;
  return F == Fault::kDeafBallot ? 0 : bits;
}
template <class W>
void syncLanes() {}
template <Fault F>
LaneVector<F> mulHigh(const LaneVector<F>& a, const LaneVector<F>& b) {
  LaneVector<F> out;
  for (int l = 0; l < kWarp; l++) out.set(l, static_cast<std::uint32_t>(static_cast<std::uint64_t>(a[l]) * b[l] >> 32));
  return out;
}

template <int N, Fault F>
void loadWords(LaneVector<F> (&out)[N], const std::uint32_t* base, const LaneVector<F>& at) {
  for (int i = 0; i < N; i++) {
    for (int l = 0; l < kWarp; l++) out[i].set(l, base[at[l] + static_cast<std::uint32_t>(i)]);
  }
}
template <int N, Fault F>
void storeWords(std::uint32_t* base, const LaneVector<F>& at, const LaneVector<F> (&x)[N], const LaneVector<F>& mask) {
  for (int l = 0; l < kWarp; l++) {
    for (int i = 0; i < N; i++) {
      if (mask[l] != 0) base[at[l] + static_cast<std::uint32_t>(i)] = x[i][l];
    }
  }
}
template <Fault F>
LaneVector<F> loadByte(const std::uint8_t* base, const LaneVector<F>& at) {
  LaneVector<F> out;
  for (int l = 0; l < kWarp; l++) out.set(l, base[at[l]]);
  return out;
}

#endif

}  // namespace millrace::kernels
