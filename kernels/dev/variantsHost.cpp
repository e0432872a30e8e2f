// The reference of kernels/dev/variants.cu, on host lanes whatever the variants run on.
#include "variants.h"

namespace millrace::kernels {

void computeReference(Kind kind, const Batch& batch) {
  Host<LaneVector<Fault::kNone>> on{4};
  runVariant<SquareAsProduct, Form::kGeneral>(on, kind, batch);
}

}  // namespace millrace::kernels
