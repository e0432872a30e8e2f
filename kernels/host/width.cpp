// The kernels of one width (-DMILLRACE_BITS) on host lanes: all lane counts, both forms of modulus. A unit of its own, so that
// the widths compile side by side.
#include "target.h"

namespace millrace::kernels {

template std::unique_ptr<Arithmetic<SoundHost>> makeArithmeticOf<SoundHost, MILLRACE_BITS>(int, Form, const Modulus&);

}  // namespace millrace::kernels
