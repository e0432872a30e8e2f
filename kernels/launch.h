// Runs a body over a grid of warps. A body is a struct of arguments with a function `run<W>(group, warp, shared)`: group g is the g-th
// set of numbers that fill a warp; `warp` numbers the warps that run at the same time, and so selects a warp's scratch memory; `shared`
// is the warp's own shared memory. Warps never wait for each other. The card runs bodies in a thin kernel, the host in a loop:
// everything above a body is the same code on both.
#pragma once

#include <algorithm>
#include <vector>

#include "square.h"

namespace millrace::kernels {

/// Warps of a block. They share nothing; a block is only the card's unit of scheduling.
constexpr int kBlockWarps = 4;

/// The numbers of one group of a batch, one for each instance. Instances beyond the end work on the last number again and store
/// nothing.
template <class W, class S>
struct Slots {
  /// This lane's number, in range, and whether to store it.
  W index;
  W valid;

  template <Form F>
  MILLRACE_FN Slots(const Field<W, S, F>& field, std::uint32_t group, std::uint32_t count) {
    const W mine = W(group) * W(S::kInstances) + field.lane / W(S::kTpi);
    valid = below(mine, W(count));
    index = (mine & valid) | (W(count - 1) & ~valid);
  }
};

/// Number of groups for `count` numbers.
template <class S>
std::uint32_t groupsOf(std::size_t count) {
  return static_cast<std::uint32_t>((count + S::kInstances - 1) / S::kInstances);
}

/// Offset of this lane's instance in the scratch memory of its warp, `each` words an instance.
template <class W, class S, Form F>
MILLRACE_FN W scratchAt(const Field<W, S, F>& field, std::uint32_t warp, std::uint32_t each) {
  return (W(warp) * W(S::kInstances) + field.lane / W(S::kTpi)) * W(each);
}

#ifdef __CUDACC__

template <class Body>
__global__ void __launch_bounds__(kBlockWarps* kWarp, Body::Shape::Tuning::kBlocksMin)
    runBody(const Body body, const std::uint32_t groups) {
  extern __shared__ std::uint32_t blockShared[];
  using S = typename Body::Shape;
  const std::uint32_t inBlock = threadIdx.x / kWarp;
  const std::uint32_t warp = blockIdx.x * kBlockWarps + inBlock;
  std::uint32_t* shared = blockShared + inBlock * S::kInstances * S::kArea;
#pragma unroll 1
  for (std::uint32_t group = warp; group < groups; group += gridDim.x * kBlockWarps) body.template run<Word>(group, warp, shared);
}

/// The card: launches on a stream, with at most `warpsMax` warps at a time. Errors stick, and nothing is launched after one.
struct Card {
  /// Moduli of the general form are rare: they have kernels of 16 lanes only, which halves the library.
  static constexpr bool kGeneralOnly16 = true;
  cudaStream_t stream = nullptr;
  std::uint32_t warpsMax = 132 * 16;
  cudaError_t error = cudaSuccess;

  template <class Body>
  void run(const Body& body, std::uint32_t groups) {
    using S = typename Body::Shape;
    if (groups == 0 || error != cudaSuccess) return;
    constexpr int kBytes = kBlockWarps * S::kInstances * S::kArea * 4;
    runBody<Body><<<warpsFor(groups) / kBlockWarps, kBlockWarps * kWarp, kBytes, stream>>>(body, groups);
    error = cudaGetLastError();
  }

  /// Warps that run at the same time: whole blocks.
  std::uint32_t warpsFor(std::uint32_t groups) const {
    return (std::min(groups, warpsMax) + kBlockWarps - 1) / kBlockWarps * kBlockWarps;
  }
};

#else

/// The host: the same warps one after the other, each with memory of exactly its size, so that a sanitizer sees every slip.
template <class W>
struct Host {
  static constexpr bool kGeneralOnly16 = false;
  std::uint32_t warpsMax = 3;

  template <class Body>
  void run(const Body& body, std::uint32_t groups) {
    using S = typename Body::Shape;
    for (std::uint32_t warp = 0; warp < warpsFor(groups); warp++) {
      std::vector<std::uint32_t> shared(S::kInstances * S::kArea, 0xdeadbeef);
      for (std::uint32_t group = warp; group < groups; group += warpsMax) body.template run<W>(group, warp, shared.data());
    }
  }

  std::uint32_t warpsFor(std::uint32_t groups) const { return std::min(groups, warpsMax); }
};

#endif

}  // namespace millrace::kernels
