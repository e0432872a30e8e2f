// Lanes that are broken on purpose: the test of the tests. Each fault must turn products into wrong ones.
#include "job.h"

namespace millrace::kernels {
namespace {

template <Fault F>
Words runOn(const Job& job, const ModulusConstants& constants, const Modulus& modulus) {
  using Target = Host<LaneVector<F>>;
  Target on{job.warps};
  return run<Target>(ArithmeticOf<Shape<2048, 16>, Form::kSpecial, Target>(modulus), on, job, constants);
}

}  // namespace

Words runBroken(const std::string& fault, const Job& job, const ModulusConstants& constants, const Modulus& modulus) {
  if (job.bits != 2048 || job.tpi != 16 || !constants.special()) throw std::runtime_error("broken lanes know one shape only");
  if (fault == "shuffleOffByOne") return runOn<Fault::kShuffleOffByOne>(job, constants, modulus);
  if (fault == "droppedCarry") return runOn<Fault::kDroppedCarry>(job, constants, modulus);
  if (fault == "deafBallot") return runOn<Fault::kDeafBallot>(job, constants, modulus);
  if (fault == "lostCarryOut") return runOn<Fault::kLostCarryOut>(job, constants, modulus);
  if (fault == "stuckLane") return runOn<Fault::kStuckLane>(job, constants, modulus);
  throw std::runtime_error("no fault " + fault);
}

}  // namespace millrace::kernels
