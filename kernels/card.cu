// The kernels of one width (-DMILLRACE_BITS) for the card. A unit of its own, so that the widths compile side by side.
#include "arithmetic.h"

namespace millrace::kernels {

template std::unique_ptr<Arithmetic<Card>> makeArithmeticOf<Card, MILLRACE_BITS>(int, Form, const Modulus&);

}  // namespace millrace::kernels
