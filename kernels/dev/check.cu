// Every kernel on a card, bit for bit against the same kernels on host lanes, then how fast they are; plain CUDA and C++, for
// machines with a card and no Node.js. From the repository's root:
//
//   nvcc -std=c++17 -O2 -arch=native -Xcompiler -Wno-psabi -o build/check \
//     kernels/dev/check.cu kernels/dev/checkHost.cpp native/inverse.cpp && build/check
//
// Prints the rate of wide multiply-adds first: all other rates are to be read against it. Status 1 where a result differs.
#include <cstdio>
#include <random>

#include "check.h"

namespace millrace::kernels {
namespace {

using Words = std::vector<std::uint32_t>;

void must(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}

struct CardMemory {
  class Buffer {
   public:
    Buffer() = default;
    explicit Buffer(const Words& words) : count_(words.size()) {
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
    void upload(const Words& words) { must(cudaMemcpy(at_, words.data(), count_ * 4, cudaMemcpyHostToDevice), "upload"); }
    Words download() const {
      Words words(count_);
      must(cudaMemcpy(words.data(), at_, count_ * 4, cudaMemcpyDeviceToHost), "download");
      return words;
    }

   private:
    std::uint32_t* at_ = nullptr;
    std::size_t count_ = 0;
  };
};

/// Sixteen independent chains of eight wide multiply-adds a turn.
__global__ void wideMads(std::uint32_t* out, std::uint32_t turns) {
  Word acc[4][16], limbs[16];
  for (int i = 0; i < 16; i++) {
    limbs[i] = threadIdx.x * 77 + i;
    for (int k = 0; k < 4; k++) acc[k][i] = i + k;
  }
#pragma unroll 1
  for (std::uint32_t turn = 0; turn < turns; turn++) {
    for (int k = 0; k < 4; k++) Chain<8>::mad(acc[k], limbs, turn + k);
  }
  Word sum = 0;
  for (int k = 0; k < 4; k++) {
    for (int i = 0; i < 16; i++) sum ^= acc[k][i];
  }
  out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

class Timer {
 public:
  Timer() {
    must(cudaEventCreate(&from_), "event");
    must(cudaEventCreate(&to_), "event");
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
  cudaEvent_t from_, to_;
};

void printIssueRate(const cudaDeviceProp& card) {
  const int blocks = card.multiProcessorCount * 4, threads = 256;
  const std::uint32_t turns = 200000;
  CardMemory::Buffer out{Words(blocks * threads, 0)};
  Timer timer;
  double best = 1e30;
  for (int run = 0; run < 4; run++) {
    timer.start();
    wideMads<<<blocks, threads>>>(out.words(), turns);
    must(cudaGetLastError(), "wideMads");
    best = std::min(best, timer.stopMs());
  }
  int clockKHz = 0;
  must(cudaDeviceGetAttribute(&clockKHz, cudaDevAttrClockRate, 0), "clock");
  const double mads = 32.0 * turns * blocks * threads;
  std::printf("wide multiply-adds: %.1f G/s, %.1f a clock and multiprocessor at %.0f MHz\n", mads / best / 1e6,
              mads / best / clockKHz / card.multiProcessorCount, clockKHz / 1e3);
}

CheckJob jobOf(const std::string& operation, int bits, int tpi, std::size_t count, std::size_t exponentBytes, unsigned seed) {
  std::mt19937 random(seed);
  CheckJob job{operation, bits, tpi, rfc3526(bits), count, 1, exponentBytes, 6, {}, {}, {}, {}, {}};
  const std::size_t n = bits / 32;
  if (operation == "mulGather" || operation == "product" || operation == "powShared") job.width = 2;
  if (operation == "mulGather" || operation == "product") job.count = count = (count + 1) / 2 * 2;
  auto fill = [&](Words& words, std::size_t elements) {
    words.resize(elements * n);
    for (auto& word : words) word = random();
    // Below q: the top bit but one is clear.
    for (std::size_t i = 0; i < elements; i++) words[i * n + n - 1] &= 0x3fffffff;
    for (std::size_t i = 0; i < elements; i += 7) std::fill_n(words.begin() + i * n, n - 1, i % 2 ? ~0u : 0u);
    for (std::size_t i = 0; i < elements; i++) words[i * n] |= 1;
  };
  fill(job.a, count);
  fill(job.b, count);
  fill(job.blinding, 1);
  job.exponents.resize((count + 1) * exponentBytes / 4 + 1);
  for (auto& word : job.exponents) word = random();
  job.source.resize(count);
  for (std::size_t i = 0; i < count; i++) job.source[i] = static_cast<std::uint32_t>(i);
  std::shuffle(job.source.begin(), job.source.begin() + count / job.width, random);
  return job;
}

const char* const kOperations[] = {"mul",      "mulPrepared", "prepare", "mulGather", "pow",
                                   "powShared", "powFixed",    "invert",  "product",   "multiExp"};

/// How many results of the card differ from the host's.
int compareAll() {
  int wrong = 0, done = 0;
  for (const int bits : {2048, 3072, 4096}) {
    for (const int tpi : {8, 16, 32}) {
      for (const char* operation : kOperations) {
        for (const std::size_t count : {1, 33, 1001}) {
          const bool power = std::string(operation).find("ow") != std::string::npos || operation == kOperations[9];
          if (power && count > 100) continue;
          const CheckJob job = jobOf(operation, bits, tpi, count, 4, static_cast<unsigned>(bits + tpi + count));
          Card card;
          CheckRun<Card, CardMemory> run(card, job);
          run.compute();
          must(card.error, operation);
          must(cudaDeviceSynchronize(), operation);
          done++;
          if (run.result() != computeOnHost(job)) {
            wrong++;
            std::printf("WRONG: %s, %d bits, %d lanes, %zu elements\n", operation, bits, tpi, count);
          }
        }
      }
    }
  }
  std::printf("%d comparisons with the host, %d wrong\n", done, wrong);
  return wrong;
}

void printRates() {
  Timer timer;
  for (const int bits : {2048, 3072, 4096}) {
    for (const char* operation : {"mulPrepared", "pow", "powFixed", "powShared", "invert"}) {
      for (const int tpi : {8, 16, 32}) {
        for (const std::size_t count : {32, 1024, 16384, 65536}) {
          const CheckJob job = jobOf(operation, bits, tpi, count, 32, 1);
          Card card;
          CheckRun<Card, CardMemory> run(card, job);
          run.compute();
          must(cudaDeviceSynchronize(), operation);
          double best = 1e30;
          for (int turn = 0; turn < 3; turn++) {
            timer.start();
            run.compute();
            must(card.error, operation);
            best = std::min(best, timer.stopMs());
          }
          const double results = count * (std::string(operation) == "powShared" ? job.width : 1);
          std::printf("%-12s %d bits, %2d lanes, %6zu elements: %9.3f ms, %9.4f M/s\n", operation, bits, tpi, count, best,
                      results / best / 1e3);
        }
      }
    }
  }
}

}  // namespace
}  // namespace millrace::kernels

int main() {
  using namespace millrace::kernels;
  try {
    int count = 0;
    must(cudaGetDeviceCount(&count), "no card");
    cudaDeviceProp card;
    must(cudaGetDeviceProperties(&card, 0), "card");
    std::printf("%s, %d multiprocessors\n", card.name, card.multiProcessorCount);
    printIssueRate(card);
    const int wrong = compareAll();
    printRates();
    return wrong == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "check: error: %s\n", error.what());
    return 2;
  }
}
