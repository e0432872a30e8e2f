// Numbered variants of the kernels' core, each compared bit for bit with a reference on host lanes, then timed: for whoever tunes
// the kernels on a card. From the repository's root:
//
//   nvcc -std=c++17 -O2 -arch=native -Xcompiler -Wno-psabi -o build/variants kernels/dev/variants.cu kernels/dev/variantsHost.cpp
//   build/variants [--list] [--only N] [--elements N]
//
// -DMILLRACE_BITS=3072 -DMILLRACE_LANES=16 for another width and number of lanes than 4096 and 8. A rate is printed as a ratio to that
// of variant 0, which is timed again beside each: above 1 is faster. Status 1 where a result differs. A C++ compiler makes
// a program (-x c++) that compares the variants on host lanes, and times nothing.
#include <cstdio>
#include <cstdlib>
#include <random>
#include <stdexcept>

#include "variants.h"

namespace millrace::kernels {
namespace {

constexpr std::size_t kLimbs = MILLRACE_BITS / 32;
/// Few for the reference, which computes on the host; many when timed.
constexpr std::uint32_t kTurnsCompared = 5, kBytesCompared = 4, kTurnsTimed = 200, kBytesTimed = 32;
constexpr int kRuns = 5;

#ifdef __CUDACC__
using Target = Card;
constexpr bool kTimed = true;

void must(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}

/// Memory that both sides see at the same address.
std::uint32_t* allocate(std::size_t words) {
  std::uint32_t* at = nullptr;
  must(cudaMallocManaged(&at, words * 4), "cudaMallocManaged");
  return at;
}
void finish(Target& on) {
  must(on.error, "launch");
  must(cudaDeviceSynchronize(), "kernel");
}
/// Milliseconds of one run.
double timed(const Variant<Target>& variant, Target& on, Kind kind, const Batch& batch) {
  cudaEvent_t from, to;
  must(cudaEventCreate(&from), "event");
  must(cudaEventCreate(&to), "event");
  must(cudaEventRecord(from), "event");
  variant.run(on, kind, batch);
  must(cudaEventRecord(to), "event");
  finish(on);
  float ms = 0;
  must(cudaEventElapsedTime(&ms, from, to), "event");
  cudaEventDestroy(from);
  cudaEventDestroy(to);
  return ms;
}
#else
#ifndef MILLRACE_FAULT
#define MILLRACE_FAULT kNone
#endif
/// Lanes that tests break on purpose (-DMILLRACE_FAULT=kDroppedCarry).
using Target = Host<LaneVector<Fault::MILLRACE_FAULT>>;
constexpr bool kTimed = false;

std::uint32_t* allocate(std::size_t words) { return new std::uint32_t[words]; }
void finish(Target&) {}
double timed(const Variant<Target>&, Target&, Kind, const Batch&) { return 0; }
#endif

/// A batch of random numbers below 2^(bits − 1), and a modulus above them that ends in 64 one-bits. Resident until the program ends.
Batch makeBatch(Target& on, std::uint32_t count) {
  std::mt19937 random(count);
  const auto fill = [&](std::size_t words) {
    std::uint32_t* at = allocate(words);
    for (std::size_t i = 0; i < words; i++) at[i] = random();
    return at;
  };
  std::uint32_t *p = fill(kLimbs), *a = fill(count * kLimbs), *b = fill(count * kLimbs);
  p[0] = p[1] = ~0u;
  p[kLimbs - 1] |= 0x80000000u;
  for (std::size_t i = kLimbs - 1; i < count * kLimbs; i += kLimbs) {
    a[i] &= 0x7fffffff;
    b[i] &= 0x7fffffff;
  }
  const ModulusConstants constants(reinterpret_cast<const std::uint8_t*>(p), MILLRACE_BITS);
  std::uint32_t* words = allocate(constants.words().size());
  std::copy(constants.words().begin(), constants.words().end(), words);
  using S = Shape<MILLRACE_BITS, MILLRACE_LANES>;
  // The reference runs on four warps.
  const std::size_t warps = std::max<std::size_t>(4, on.warpsFor(groupsOf<S>(count)));
  std::uint32_t* scratch = allocate(warps * S::kInstances * kLimbs << kWindowMax);
  const auto* exponents = reinterpret_cast<const std::uint8_t*>(fill(count * kBytesTimed / 4));
  return {modulusAt(constants, words), allocate(count * kLimbs), a, b, exponents, kBytesTimed, kTurnsTimed, count, scratch};
}

bool same(const Variant<Target>& variant, Target& on, Kind kind, Batch batch) {
  batch.turns = kTurnsCompared;
  batch.exponentBytes = kBytesCompared;
  batch.count = std::min(batch.count, 21u);
  const std::size_t words = batch.count * kLimbs;
  computeReference(kind, batch);
  const std::vector<std::uint32_t> expected(batch.out, batch.out + words);
  std::fill_n(batch.out, words, 0);
  variant.run(on, kind, batch);
  finish(on);
  return std::equal(expected.begin(), expected.end(), batch.out);
}

/// The rate of a variant to that of variant 0, the best of some runs of both in turn: a card's clock goes up and down.
double ratio(const Variant<Target>& variant, Target& on, Kind kind, const Batch& batch) {
  double shipped = 1e30, own = 1e30;
  for (int run = 0; run < kRuns; run++) {
    shipped = std::min(shipped, timed(variants<Target>()[0], on, kind, batch));
    own = std::min(own, timed(variant, on, kind, batch));
  }
  return shipped / own;
}

/// Compares and times one variant, a line; whether all of it is right.
bool report(std::size_t number, Target& on, const Batch& batch) {
  const Variant<Target>& variant = variants<Target>()[number];
  bool right = true;
  std::printf("%2zu  %-50s", number, variant.name);
  for (const Kind kind : kKinds) {
    const char* name = kKindNames[static_cast<int>(kind)];
    if (!same(variant, on, kind, batch)) {
      right = false;
      std::printf("  %s WRONG", name);
    } else if (kTimed) {
      std::printf("  %s %.3f", name, ratio(variant, on, kind, batch));
    } else {
      std::printf("  %s same", name);
    }
  }
  std::printf("\n");
  return right;
}

/// A number of at most eight digits.
std::uint32_t numberOf(const std::string& text) {
  if (text.empty() || text.size() > 8 || text.find_first_not_of("0123456789") != std::string::npos) {
    throw std::runtime_error("'" + text + "' is not a number");
  }
  return static_cast<std::uint32_t>(std::stoul(text));
}

int run(const std::vector<std::string>& arguments) {
  const std::size_t all = variants<Target>().size();
  std::size_t from = 0, to = all;
  // Sixteen warps for each of 132 multiprocessors, twice.
  std::uint32_t count = kTimed ? 132 * 16 * 2 * kWarp / MILLRACE_LANES : 21;
  for (std::size_t i = 0; i < arguments.size(); i++) {
    const std::string& argument = arguments[i];
    if (argument == "--list") {
      for (std::size_t n = 0; n < all; n++) std::printf("%2zu  %s\n", n, variants<Target>()[n].name);
      return 0;
    }
    if (i + 1 == arguments.size()) throw std::runtime_error("no argument " + argument + ", or a number is missing");
    const std::uint32_t value = numberOf(arguments[++i]);
    if (argument == "--only") {
      if (value >= all) throw std::runtime_error("no variant " + std::to_string(value) + "; --list names them");
      from = value;
      to = value + 1;
    } else if (argument == "--elements" && value > 0) {
      count = value;
    } else {
      throw std::runtime_error("no argument " + argument + " " + std::to_string(value));
    }
  }
  Target on;
  const Batch batch = makeBatch(on, count);
  std::printf("%d bits, %d lanes, %u elements\n", MILLRACE_BITS, MILLRACE_LANES, count);
  int wrong = 0;
  for (std::size_t n = from; n < to; n++) wrong += report(n, on, batch) ? 0 : 1;
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace millrace::kernels

int main(int argc, char** argv) {
  try {
    return millrace::kernels::run(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "variants: error: %s\n", error.what());
    return 2;
  }
}
