// What the library needs of a machine with a device: devices, their memory, pinned memory, streams. A port with two sides, one
// of which is linked: cuda.cpp (CUDA's runtime) and host.cpp (memory and lanes of the host, with faults on demand), so that
// everything above is the same code and is tested where there is no card.
//
// Functions throw Failure. Those that release or ask are noexcept and swallow what a lost device says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "../api.h"

#ifdef __CUDACC__
#include "../arithmetic.h"
#else
#include "../host/target.h"
#endif

namespace millrace {

/// `length` bytes at `at` overwritten with zeros, so that the compiler cannot leave it out.
void wipe(void* at, std::size_t length);

}  // namespace millrace

namespace millrace::kernels {

#ifdef __CUDACC__
extern template std::unique_ptr<Arithmetic<Card>> makeArithmeticOf<Card, 2048>(int, Form, const Modulus&);
extern template std::unique_ptr<Arithmetic<Card>> makeArithmeticOf<Card, 3072>(int, Form, const Modulus&);
extern template std::unique_ptr<Arithmetic<Card>> makeArithmeticOf<Card, 4096>(int, Form, const Modulus&);
#endif

}  // namespace millrace::kernels

namespace millrace::library {

#ifdef __CUDACC__
using Target = kernels::Card;
#else
using Target = kernels::SoundHost;
#endif

/// What ends a call: a millrace_status, and what the device said.
struct Failure {
  std::int32_t status;
  std::string text;
};

struct DeviceFacts {
  std::string name;
  std::uint32_t multiprocessors;
  /// Warps that fill the device: what a part of a batch is cut to.
  std::uint32_t warps;
  std::size_t memoryBytes;
  int major, minor;
  /// As CUDA counts: 13000 is 13.0.
  int driver, runtime;
};

namespace runtime {

/// Devices that are there; `why` is filled where there are none.
std::uint32_t deviceCount(std::string& why) noexcept;
DeviceFacts facts(std::uint32_t device);
/// What this thread does from now on, it does on that device.
void use(std::uint32_t device);
/// Whether the device of this thread is beyond recovery, so that nothing works on it until the process ends.
bool lost() noexcept;

void* allocate(std::size_t bytes);
/// Zeros over device memory; done when it returns, or when memory is released next.
void clear(void* at, std::size_t bytes) noexcept;
void release(void* at) noexcept;
/// Host memory that the device reads and writes by itself while the host goes on.
void* allocatePinned(std::size_t bytes);
void releasePinned(void* at) noexcept;

/// A queue of work for the device of the thread that makes it. Everything is queued and returns at once; nothing may be taken
/// for done, and no host memory touched that is queued, before finish().
class Stream {
 public:
  Stream();
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  /// Host memory is pinned.
  void upload(void* device, const void* host, std::size_t bytes);
  void download(void* host, const void* device, std::size_t bytes);
  void clear(void* device, std::size_t bytes);
  /// Launches that `work` makes, with at most `warps` warps at a time. What it refers to lives until finish().
  void launch(std::uint32_t warps, std::function<void(Target&)> work);
  void finish();
  /// Waits for what is queued, whatever becomes of it.
  void abandon() noexcept;

 private:
  struct Queue;
  std::unique_ptr<Queue> queue_;
};

}  // namespace runtime
}  // namespace millrace::library
