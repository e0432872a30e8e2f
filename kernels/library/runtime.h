// The library's port to a machine with a device: devices, their memory, pinned memory, streams. It has two implementations, one of
// which is linked: cuda.cpp (CUDA's runtime) and host.cpp (memory and lanes of the host, with faults on demand), so that everything
// above is the same code and is tested without a card.
//
// Functions throw Failure. Those that release or ask are noexcept and swallow the errors of a lost device.
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

/// Overwrites `length` bytes at `at` with zeros, so that the compiler cannot leave it out.
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

/// Error that ends a call: a millrace_status, and the device's text.
struct Failure {
  std::int32_t status;
  std::string text;
};

struct DeviceFacts {
  std::string name;
  std::uint32_t multiprocessors;
  /// Warps that fill the device: the size of the parts of a batch.
  std::uint32_t warps;
  std::size_t memoryBytes;
  int major, minor;
  /// As CUDA counts: 13000 is 13.0.
  int driver, runtime;
};

namespace runtime {

/// Number of devices; `why` is filled if there are none.
std::uint32_t deviceCount(std::string& why) noexcept;
DeviceFacts facts(std::uint32_t device);
/// Makes this thread work on that device.
void use(std::uint32_t device);
/// True if the device of this thread is beyond recovery, so that nothing works on it until the process ends.
bool lost() noexcept;

void* allocate(std::size_t bytes);
/// Overwrites device memory with zeros; done when it returns, or when memory is released next.
void clear(void* at, std::size_t bytes) noexcept;
void release(void* at) noexcept;
/// Host memory that the device reads and writes by itself while the host goes on.
void* allocatePinned(std::size_t bytes);
void releasePinned(void* at) noexcept;

/// A queue of work for the device of the thread that makes it. Everything is queued and returns at once. Before finish() nothing counts
/// as done, and queued host memory must not be touched.
class Stream {
 public:
  Stream();
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  /// Host memory must be pinned.
  void upload(void* device, const void* host, std::size_t bytes);
  void download(void* host, const void* device, std::size_t bytes);
  void clear(void* device, std::size_t bytes);
  /// Queues the launches that `work` makes, with at most `warps` warps at a time. All that it refers to must live until finish().
  void launch(std::uint32_t warps, std::function<void(Target&)> work);
  void finish();
  /// Waits for queued work and ignores how it ends.
  void abandon() noexcept;

 private:
  struct Queue;
  std::unique_ptr<Queue> queue_;
};

}  // namespace runtime
}  // namespace millrace::library
