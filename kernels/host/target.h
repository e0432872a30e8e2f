// The target of the kernels without a card: vectors of lanes. broken.cpp has lanes that are broken on purpose.
#pragma once

#include "../arithmetic.h"

namespace millrace::kernels {

using SoundHost = Host<LaneVector<Fault::kNone>>;

extern template std::unique_ptr<Arithmetic<SoundHost>> makeArithmeticOf<SoundHost, 2048>(int, Form, const Modulus&);
extern template std::unique_ptr<Arithmetic<SoundHost>> makeArithmeticOf<SoundHost, 3072>(int, Form, const Modulus&);
extern template std::unique_ptr<Arithmetic<SoundHost>> makeArithmeticOf<SoundHost, 4096>(int, Form, const Modulus&);

}  // namespace millrace::kernels
