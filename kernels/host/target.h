// What the kernels run on when there is no card: vectors of lanes, sound ones and ones that are broken on purpose.
#pragma once

#include "../arithmetic.h"

namespace millrace::kernels {

using SoundHost = Host<LaneVector<Fault::kNone>>;

extern template std::unique_ptr<Arithmetic<SoundHost>> makeArithmeticOf<SoundHost, 2048>(int, Form, const Modulus&);
extern template std::unique_ptr<Arithmetic<SoundHost>> makeArithmeticOf<SoundHost, 3072>(int, Form, const Modulus&);
extern template std::unique_ptr<Arithmetic<SoundHost>> makeArithmeticOf<SoundHost, 4096>(int, Form, const Modulus&);

}  // namespace millrace::kernels
