// Host lanes in place of a card, under the names of checkCard.h: kernels/dev/check.cu compiled as plain C++, so that the program is
// tested where there is no card. Its rates say nothing.
#pragma once

#include <chrono>

#include "check.h"
#include "checkReport.h"

namespace millrace::kernels {

using SideMemory = HostMemory;

class Timer {
  using Clock = std::chrono::steady_clock;

 public:
  void start() { from_ = Clock::now(); }
  double stopMs() const { return std::chrono::duration<double, std::milli>(Clock::now() - from_).count(); }

 private:
  Clock::time_point from_;
};

class Side {
 public:
  using Target = Host<LaneVector<Fault::kNone>>;
  /// Not as many warps as the truth is computed with: warps go round a different number of times.
  Target target() const { return Target{3}; }
  static void settle(const Target&, const char*) {}
  SideFacts facts() const { return {"host lanes", 1, std::size_t{1} << 30, 9, 0, 0, 0, 0}; }

  std::vector<IssueRate> issueRates() const {
    using W = LaneVector<Fault::kNone>;
    constexpr std::uint32_t kTurns = 1000;
    W acc[16], limbs[16];
    for (std::uint32_t i = 0; i < 16; i++) acc[i] = limbs[i] = W(i * 77);
    Timer timer;
    timer.start();
    for (std::uint32_t turn = 0; turn < kTurns; turn++) Chain<8>::run(acc, limbs, W(turn), typename Chains<W>::Wide{});
    const double ms = std::max(timer.stopMs(), 1e-6);
    return {{"wide multiply-adds, in chains with carry", 8.0 * kWarp * kTurns / ms * 1e3, 0, 0}};
  }
};

}  // namespace millrace::kernels
