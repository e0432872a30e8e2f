// Texts of the statuses of the C ABI (api.h): the same ones from every library.
#ifndef MILLRACE_STATUS_H
#define MILLRACE_STATUS_H

#include "api.h"

namespace millrace {

inline const char* statusMessage(int32_t status) {
  switch (status) {
    case MILLRACE_OK: return "ok";
    case MILLRACE_INVALID_ARGUMENT: return "an argument is not valid";
    case MILLRACE_UNSUPPORTED: return "this device or modulus is not supported";
    case MILLRACE_OUT_OF_MEMORY: return "out of memory";
    case MILLRACE_NOT_INVERTIBLE: return "an element has no inverse";
    case MILLRACE_DEVICE: return "the device failed";
    default: return "unknown status";
  }
}

}  // namespace millrace

#endif
