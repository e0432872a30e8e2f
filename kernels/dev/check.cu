// Every kernel on a card, bit for bit against the same kernels on host lanes, then how fast they are; plain CUDA and C++, for
// machines with a card and no Node.js. From the repository's root, with directory build/:
//
//   nvcc -std=c++17 -O2 -arch=native -Xcompiler -Wno-psabi -o build/check kernels/dev/check*.c* native/inverse.cpp
//   build/check
//
// The rates of instructions come first: all other rates are to be read against them. Status 1 where a result differs, 2 where it
// cannot run. Compiled as plain C++, host lanes are the card: for tests (checkLanes.h).
#include <chrono>
#include <cstdio>
#include <map>

#ifdef __CUDACC__
#include "checkCard.h"
#else
#include "checkLanes.h"
#endif

namespace millrace::kernels {
namespace {

using Run = CheckRun<Side::Target, SideMemory>;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kShortBits = 256;
const char* const kCompared[] = {"mul",      "mulPrepared", "prepare", "mulGather", "pow",
                                 "powShared", "powFixed",    "invert",  "product",   "multiExp"};

/// An operation of the engines' catalogue, by the name that CheckRun has for it, and how many numbers an instance takes.
struct Timed {
  const char* name;
  const char* operation;
  std::size_t each;
  bool powers;
};
constexpr Timed kTimed[] = {{"pow", "pow", 1, true},
                            {"powShared", "powShared", 1, true},
                            {"powFixed", "powFixed", 1, true},
                            {"mul", "mulPrepared", 1, false},
                            {"mulGather", "mulGather", 1, false},
                            {"invertBatch", "invert", kFan, false},
                            {"product", "product", kShare, false},
                            {"multiExp", "multiExp", kBases, true}};

bool isPower(const std::string& operation) { return operation.find("ow") != std::string::npos || operation == "multiExp"; }

class Check {
 public:
  explicit Check(const CheckOptions& options)
      : options_(options), end_(Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                   std::chrono::duration<double>(options.minutes * 60))) {}

  /// Everything. What fails ends it; what was found until then is reported.
  const CheckReport& all() {
    try {
      run();
    } catch (const std::exception& error) {
      report_.error = error.what();
    }
    return report_;
  }

 private:
  void run() {
    report_.facts = side_.facts();
    std::printf("%s, %d multiprocessors\n", report_.facts.name.c_str(), report_.facts.multiprocessors);
    report_.issue = side_.issueRates();
    for (const IssueRate& rate : report_.issue) {
      std::printf("%s: %.1f G/s, %.1f a clock and multiprocessor at %.0f MHz\n", rate.what.c_str(), rate.perSecond / 1e9, rate.perClock,
                  rate.clockMHz);
    }
    for (const std::size_t bits : options_.bits) compare(static_cast<int>(bits));
    std::printf("%zu comparisons with the host, %zu wrong\n", report_.comparisons, report_.wrong.size());
    // The most important first: if time runs out, the rest is skipped.
    for (const std::size_t bits : options_.bits) time(bits, kShortBits, true);
    for (const std::size_t bits : options_.bits) time(bits, bits, true);
    if (!options_.quick) {
      for (const std::size_t bits : options_.bits) time(bits, kShortBits, false);
    }
  }

  void compare(int bits) {
    for (const int tpi : {8, 16, 32}) {
      for (const char* operation : kCompared) {
        for (const std::size_t count : {1, 33, 1001}) {
          if (count > 100 && (isPower(operation) || options_.quick)) continue;
          const bool pairs = std::string(operation) == "mulGather" || std::string(operation) == "product" ||
                             std::string(operation) == "powShared";
          const CheckJob job = jobOf(operation, bits, tpi, count, pairs ? 2 : 1, 4, static_cast<unsigned>(bits + tpi + count));
          Side::Target on = side_.target();
          Run run(on, job);
          run.compute();
          Side::settle(on, operation);
          report_.comparisons++;
          if (run.result() == computeOnHost(job)) continue;
          char text[96];
          std::snprintf(text, sizeof text, "%s, %d bits, %d lanes, %zu elements", operation, bits, tpi, count);
          std::printf("WRONG: %s\n", text);
          report_.wrong.push_back(text);
        }
      }
    }
  }

  /// The lanes an instance that the library takes for so many: the fewest that fill the card, else the most.
  int lanesFor(std::size_t instances) const {
    for (const std::size_t tpi : {8, 16}) {
      if (instances >= side_.target().warpsMax * (kWarp / tpi)) return static_cast<int>(tpi);
    }
    return kWarp;
  }

  /// With the lanes that the library takes, or with the others; short exponents bring along what has none.
  void time(std::size_t bits, std::size_t exponentBits, bool chosen) {
    for (const Timed& timed : kTimed) {
      if (!timed.powers && exponentBits != kShortBits) continue;
      // Of the others, those that the targets are about.
      if (!chosen && timed.powers && std::string(timed.name) != "pow" && std::string(timed.name) != "powFixed") continue;
      for (const std::size_t batch : options_.batches) {
        const int own = lanesFor((batch + timed.each - 1) / timed.each);
        for (const int lanes : {8, 16, 32}) {
          if ((lanes == own) == chosen) report_.figures.push_back(timeOne(timed, bits, timed.powers ? exponentBits : 0, lanes, batch));
          else continue;
          std::printf("%s\n", lineOf(report_.figures.back()).c_str());
        }
      }
    }
    std::fflush(stdout);
  }

  double secondsLeft() const { return std::chrono::duration<double>(end_ - Clock::now()).count(); }

  Figure timeOne(const Timed& timed, std::size_t bits, std::size_t exponentBits, int lanes, std::size_t batch) {
    Figure figure{timed.name, bits, lanes, batch, exponentBits, {}, {}};
    // A number takes no longer in a larger batch, nor a bit in a longer exponent.
    const auto known = msEach_.find({timed.name, bits});
    const double expectedMs = known == msEach_.end() ? 0 : known->second * batch * std::max<std::size_t>(exponentBits, 1);
    const double left = secondsLeft();
    if (left <= 0 || 3 * expectedMs > left * 1e3) {
      char text[64];
      std::snprintf(text, sizeof text, "a run may take %.1f s, %.0f s are left", expectedMs / 1e3, std::max(left, 0.0));
      figure.skipped = text;
      return figure;
    }
    const CheckJob job = jobOf(timed.operation, static_cast<int>(bits), lanes, batch, 1, exponentBits == 0 ? 4 : exponentBits / 8, 1);
    Side::Target on = side_.target();
    Run run(on, job);
    run.compute();
    Side::settle(on, timed.name);
    // Short ones are disturbed the most, and cost the least to repeat.
    const int repeats = options_.quick ? 3 : 7;
    double spentMs = 0;
    for (int turn = 0; turn < repeats && (turn == 0 || spentMs < 1000); turn++) {
      Timer timer;
      timer.start();
      run.compute();
      figure.ms.push_back(timer.stopMs());
      Side::settle(on, timed.name);
      spentMs += figure.ms.back();
    }
    msEach_[{timed.name, bits}] = figure.medianMs() / batch / std::max<std::size_t>(exponentBits, 1);
    return figure;
  }

  const CheckOptions options_;
  const Clock::time_point end_;
  Side side_;
  CheckReport report_;
  std::map<std::pair<std::string, std::size_t>, double> msEach_;
};

}  // namespace
}  // namespace millrace::kernels

int main(int count, char** arguments) {
  using namespace millrace::kernels;
  try {
    bool help = false;
    const CheckOptions options = parseOptions(count, arguments, help);
    if (help) {
      std::printf("%s", usage().c_str());
      return 0;
    }
    Check check(options);
    const CheckReport& report = check.all();
    if (!options.json.empty()) writeWhole(options.json, jsonOf(report));
    if (!report.error.empty()) throw std::runtime_error(report.error);
    return report.wrong.empty() ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "check: error: %s\n", error.what());
    return 2;
  }
}
