// Small kernels that hold one multiplication or one squaring or nothing between load and store, to count issued instructions
// in their machine code: scripts/kernels/model.mjs compiles this and subtracts the empty one. Not part of the library.
#include "../square.h"

namespace millrace::kernels {

enum class Held { kNothing, kMultiply, kSquare };

template <int kBits, int kTpi, Held kHeld>
__global__ void __launch_bounds__(128) hold(Modulus modulus, std::uint32_t* out, const std::uint32_t* a, const std::uint32_t* b) {
  using S = Shape<kBits, kTpi>;
  extern __shared__ std::uint32_t blockShared[];
  const Field<Word, S, Form::kSpecial> field(modulus, blockShared + threadIdx.x / kWarp * S::kInstances * S::kArea);
  const Word at = (blockIdx.x * blockDim.x + threadIdx.x) / kTpi * S::kLimbs;
  Element<Word, S> x, y;
  field.loadAt(x.limb, a, at);
  if (kHeld == Held::kMultiply) {
    field.loadAt(y.limb, b, at);
    multiply(field, x, x, y);
  }
  if (kHeld == Held::kSquare) square(field, x);
  field.storeAt(out, at, x.limb, ~Word{0});
}

#define MILLRACE_HOLD(BITS, TPI)                                                                                         \
  template __global__ void hold<BITS, TPI, Held::kNothing>(Modulus, std::uint32_t*, const std::uint32_t*, const std::uint32_t*);  \
  template __global__ void hold<BITS, TPI, Held::kMultiply>(Modulus, std::uint32_t*, const std::uint32_t*, const std::uint32_t*); \
  template __global__ void hold<BITS, TPI, Held::kSquare>(Modulus, std::uint32_t*, const std::uint32_t*, const std::uint32_t*);
#define MILLRACE_HOLD_WIDTH(BITS) MILLRACE_HOLD(BITS, 8) MILLRACE_HOLD(BITS, 16) MILLRACE_HOLD(BITS, 32)

MILLRACE_HOLD_WIDTH(2048)
MILLRACE_HOLD_WIDTH(3072)
MILLRACE_HOLD_WIDTH(4096)

}  // namespace millrace::kernels
