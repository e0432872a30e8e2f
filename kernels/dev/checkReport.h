// Options of kernels/dev/check.cu, and its figures as lines and as JSON.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace millrace::kernels {

struct CheckOptions {
  bool quick = false;
  /// For everything; what takes too long is skipped and named.
  double minutes = 4;
  /// Where the figures go; empty: nowhere.
  std::string json;
  /// The widest first: if time runs out, the others are skipped.
  std::vector<std::size_t> bits = {4096, 3072, 2048};
  std::vector<std::size_t> batches = {32, 256, 1024, 4096, 16384, 65536};
};

struct SideFacts {
  std::string name;
  int multiprocessors;
  std::size_t memoryBytes;
  int major, minor;
  /// As CUDA counts: 13000 is 13.0.
  int driver, runtime;
  /// What the card says that it can have; 0 where it does not.
  double clockMHz;
};

struct IssueRate {
  std::string what;
  double perSecond;
  /// A clock and multiprocessor, at the clock that was measured meanwhile.
  double perClock;
  double clockMHz;
};

/// One operation on data that is on the card already.
struct Figure {
  std::string op;
  std::size_t bits;
  int lanes;
  std::size_t batch;
  /// 0 where there is no exponent.
  std::size_t exponentBits;
  /// One entry a run.
  std::vector<double> ms;
  /// Why it was not measured; empty where it was.
  std::string skipped;

  double medianMs() const {
    std::vector<double> sorted = ms;
    std::sort(sorted.begin(), sorted.end());
    const std::size_t half = sorted.size() / 2;
    return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }
};

struct CheckReport {
  SideFacts facts;
  std::vector<IssueRate> issue;
  std::size_t comparisons = 0;
  /// What differed from the host, in words.
  std::vector<std::string> wrong;
  std::vector<Figure> figures;
  /// What ended it before its time; empty where nothing did.
  std::string error;
};

/// Throws std::invalid_argument, what() being what is wrong. Sets `help` where that was asked for.
CheckOptions parseOptions(int count, char** arguments, bool& help);
std::string usage();
std::string jsonOf(const CheckReport& report);
std::string lineOf(const Figure& figure);
/// Written beside and put in place. Throws std::runtime_error.
void writeWhole(const std::string& file, const std::string& text);

}  // namespace millrace::kernels
