// The card's side of kernels/dev/check.cu: memory, time by CUDA's events, what the card is, and how many instructions of the
// kinds that the kernels are made of it issues. checkLanes.h has the same names where there is no card.
#pragma once

#include "check.h"
#include "checkReport.h"

namespace millrace::kernels {

inline void must(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}

struct SideMemory {
  class Buffer {
   public:
    Buffer() = default;
    explicit Buffer(const std::vector<std::uint32_t>& words) : count_(words.size()) {
      if (count_ == 0) return;
      must(cudaMalloc(&at_, count_ * 4), "cudaMalloc");
      upload(words);
    }
    Buffer(Buffer&& other) noexcept { *this = std::move(other); }
    Buffer& operator=(Buffer&& other) noexcept {
      std::swap(at_, other.at_);
      std::swap(count_, other.count_);
      return *this;
    }
    ~Buffer() { cudaFree(at_); }
    std::uint32_t* words() { return at_; }
    void upload(const std::vector<std::uint32_t>& words) {
      must(cudaMemcpy(at_, words.data(), count_ * 4, cudaMemcpyHostToDevice), "upload");
    }
    std::vector<std::uint32_t> download() const {
      std::vector<std::uint32_t> words(count_);
      must(cudaMemcpy(words.data(), at_, count_ * 4, cudaMemcpyDeviceToHost), "download");
      return words;
    }

   private:
    std::uint32_t* at_ = nullptr;
    std::size_t count_ = 0;
  };
};

class Timer {
 public:
  Timer() {
    must(cudaEventCreate(&from_), "event");
    must(cudaEventCreate(&to_), "event");
  }
  ~Timer() {
    cudaEventDestroy(from_);
    cudaEventDestroy(to_);
  }
  void start() { must(cudaEventRecord(from_), "event"); }
  double stopMs() {
    must(cudaEventRecord(to_), "event");
    must(cudaEventSynchronize(to_), "kernel");
    float ms = 0;
    must(cudaEventElapsedTime(&ms, from_, to_), "event");
    return ms;
  }

 private:
  cudaEvent_t from_ = nullptr, to_ = nullptr;
};

/// One kind of instruction, thirty-two a thread and turn, with nothing else in the loop but its end. The first thread counts the
/// clocks that it takes: the clock is what the card really has while it works. All blocks are on the card at the same time, or it would not.
constexpr int kIssueBlocks = 2;
enum class Issued { kWideCarry, kWide, kAddCarry, kShuffle };

template <Issued kKind>
__global__ void __launch_bounds__(256, kIssueBlocks) issue(std::uint32_t* out, unsigned long long* clocks, std::uint32_t turns) {
  Word acc[4][16], limbs[16];
  for (int i = 0; i < 16; i++) {
    // From memory: what the compiler knows, it uses.
    limbs[i] = out[threadIdx.x + i];
    for (int k = 0; k < 4; k++) acc[k][i] = out[threadIdx.x + 16 + 16 * k + i];
  }
  const unsigned long long from = clock64();
#pragma unroll 2
  for (std::uint32_t turn = 0; turn < turns; turn++) {
#pragma unroll
    for (int k = 0; k < 4; k++) {
      if constexpr (kKind == Issued::kWideCarry) Chain<8>::mad(acc[k], limbs, limbs[2 * k + 1]);
#pragma unroll
      for (int i = 0; i < 8; i++) {
        // Nothing here is the same twice, or ptxas would do it once.
        if constexpr (kKind == Issued::kWide) {
          asm volatile("mad.lo.cc.u32 %0, %2, %3, %0; madc.hi.u32 %1, %2, %3, %1;"
                       : "+r"(acc[0][2 * i]), "+r"(acc[0][2 * i + 1])
                       : "r"(limbs[i]), "r"(limbs[(i + k + 1) % 16]));
        }
        if constexpr (kKind == Issued::kShuffle) acc[0][i] = __shfl_sync(~0u, acc[0][i], limbs[i]);
      }
      if constexpr (kKind == Issued::kAddCarry) {
        asm volatile("add.cc.u32 %0, %0, %8; addc.cc.u32 %1, %1, %8; addc.cc.u32 %2, %2, %8; addc.cc.u32 %3, %3, %8;"
                     "addc.cc.u32 %4, %4, %8; addc.cc.u32 %5, %5, %8; addc.cc.u32 %6, %6, %8; addc.u32 %7, %7, %8;"
                     : "+r"(acc[k][0]), "+r"(acc[k][1]), "+r"(acc[k][2]), "+r"(acc[k][3]), "+r"(acc[k][4]), "+r"(acc[k][5]),
                       "+r"(acc[k][6]), "+r"(acc[k][7])
                     : "r"(turn));
      }
    }
  }
  if (blockIdx.x == 0 && threadIdx.x == 0) *clocks = clock64() - from;
  Word sum = 0;
  for (int i = 0; i < 16; i++) {
    for (int k = 0; k < 4; k++) sum ^= acc[k][i];
  }
  out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

class Side {
 public:
  using Target = Card;
  Side() {
    int count = 0;
    must(cudaGetDeviceCount(&count), "no card");
    if (count == 0) throw std::runtime_error("no card: CUDA finds none");
    must(cudaGetDeviceProperties(&card_, 0), "card");
  }

  /// As many warps at once as the library has it.
  Target target() const {
    Card on;
    on.warpsMax = card_.multiProcessorCount * 12;
    return on;
  }
  /// Waits for what is queued. Throws what went wrong.
  static void settle(const Target& on, const char* what) {
    must(on.error, what);
    must(cudaDeviceSynchronize(), what);
  }

  SideFacts facts() const {
    int clockKHz = 0, driver = 0, runtime = 0;
    must(cudaDeviceGetAttribute(&clockKHz, cudaDevAttrClockRate, 0), "clock");
    must(cudaDriverGetVersion(&driver), "version of the driver");
    must(cudaRuntimeGetVersion(&runtime), "version of the runtime");
    return {card_.name, card_.multiProcessorCount, card_.totalGlobalMem, card_.major, card_.minor, driver, runtime, clockKHz / 1e3};
  }

  std::vector<IssueRate> issueRates() const {
    return {rateOf<Issued::kWideCarry>("wide multiply-adds, in chains with carry"), rateOf<Issued::kWide>("wide multiply-adds"),
            rateOf<Issued::kAddCarry>("additions with carry"), rateOf<Issued::kShuffle>("shuffles")};
  }

 private:
  template <Issued kKind>
  IssueRate rateOf(const char* what) const {
    const int blocks = card_.multiProcessorCount * kIssueBlocks, threads = 256;
    const std::uint32_t turns = 50000;
    SideMemory::Buffer out{std::vector<std::uint32_t>(blocks * threads, 0)}, clocks{std::vector<std::uint32_t>(2, 0)};
    Timer timer;
    double best = 1e30, mhz = 0;
    // The first ones bring the card to its clock.
    for (int run = 0; run < 16; run++) {
      timer.start();
      issue<kKind><<<blocks, threads>>>(out.words(), reinterpret_cast<unsigned long long*>(clocks.words()), turns);
      must(cudaGetLastError(), what);
      const double ms = timer.stopMs();
      if (run == 0 || ms >= best) continue;
      best = ms;
      const auto words = clocks.download();
      mhz = (words[0] + words[1] * 4294967296.0) / ms / 1e3;
    }
    const double count = 32.0 * turns * blocks * threads;
    return {what, count / best * 1e3, count / best / 1e3 / mhz / card_.multiProcessorCount, mhz};
  }

  cudaDeviceProp card_;
};

}  // namespace millrace::kernels
