// The runtime port on CUDA. The library links CUDA's runtime statically and never the driver, which is looked for at the first call. So
// the library loads on any machine and reports what is missing.
#include <cuda_runtime.h>

#include <atomic>

#include "runtime.h"

namespace millrace::library::runtime {
namespace {

/// Warps that a multiprocessor holds at once of any of the kernels: registers are the limit. If there is room for more, the next part
/// of a batch takes it.
constexpr std::uint32_t kWarpsEach = 12;

[[noreturn]] void fail(cudaError_t error, const char* what) {
  const std::int32_t status = error == cudaErrorMemoryAllocation ? MILLRACE_OUT_OF_MEMORY : MILLRACE_DEVICE;
  throw Failure{status, std::string(what) + ": " + cudaGetErrorName(error) + ": " + cudaGetErrorString(error)};
}

void must(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  // An error that does not stick must not be found again by the next launch.
  cudaGetLastError();
  fail(error, what);
}

}  // namespace

std::uint32_t deviceCount(std::string& why) noexcept {
  // Devices that were found once stay: after one is lost, CUDA may refuse to count them.
  static std::atomic<std::uint32_t> found{0};
  if (found > 0) return found;
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return found = static_cast<std::uint32_t>(count);
  cudaGetLastError();
  try {
    why = error == cudaSuccess ? "CUDA finds no device"
                               : std::string(cudaGetErrorName(error)) + ": " + cudaGetErrorString(error);
  } catch (...) {
  }
  return 0;
}

DeviceFacts facts(std::uint32_t device) {
  cudaDeviceProp properties;
  must(cudaGetDeviceProperties(&properties, static_cast<int>(device)), "properties of the device");
  DeviceFacts facts{};
  facts.name = properties.name;
  facts.multiprocessors = static_cast<std::uint32_t>(properties.multiProcessorCount);
  facts.warps = facts.multiprocessors * kWarpsEach;
  facts.memoryBytes = properties.totalGlobalMem;
  facts.major = properties.major;
  facts.minor = properties.minor;
  must(cudaDriverGetVersion(&facts.driver), "version of the driver");
  must(cudaRuntimeGetVersion(&facts.runtime), "version of the runtime");
  return facts;
}

void use(std::uint32_t device) { must(cudaSetDevice(static_cast<int>(device)), "use of the device"); }

bool lost() noexcept {
  // Every later call reports an error from which the context cannot recover; any other error is gone once it was read.
  cudaGetLastError();
  return cudaDeviceSynchronize() != cudaSuccess;
}

void* allocate(std::size_t bytes) {
  void* at = nullptr;
  must(cudaMalloc(&at, bytes), "device memory");
  return at;
}

void clear(void* at, std::size_t bytes) noexcept {
  if (cudaMemset(at, 0, bytes) != cudaSuccess) cudaGetLastError();
}

void release(void* at) noexcept {
  if (cudaFree(at) != cudaSuccess) cudaGetLastError();
}

void* allocatePinned(std::size_t bytes) {
  void* at = nullptr;
  must(cudaHostAlloc(&at, bytes, cudaHostAllocPortable), "pinned memory");
  return at;
}

void releasePinned(void* at) noexcept {
  if (cudaFreeHost(at) != cudaSuccess) cudaGetLastError();
}

struct Stream::Queue {
  cudaStream_t stream = nullptr;
  cudaEvent_t done = nullptr;

  Queue() {
    must(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
    // A thread that waits for the event sleeps: waiting in a loop would take a core from the engines on the CPU.
    const cudaError_t error = cudaEventCreateWithFlags(&done, cudaEventBlockingSync | cudaEventDisableTiming);
    if (error == cudaSuccess) return;
    cudaStreamDestroy(stream);
    must(error, "event");
  }
  ~Queue() {
    cudaEventDestroy(done);
    cudaStreamDestroy(stream);
    cudaGetLastError();
  }
};

Stream::Stream() : queue_(std::make_unique<Queue>()) {}
Stream::~Stream() = default;

void Stream::upload(void* device, const void* host, std::size_t bytes) {
  must(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, queue_->stream), "upload");
}

void Stream::download(void* host, const void* device, std::size_t bytes) {
  must(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, queue_->stream), "download");
}

void Stream::clear(void* device, std::size_t bytes) {
  must(cudaMemsetAsync(device, 0, bytes, queue_->stream), "clear");
}

void Stream::launch(std::uint32_t warps, std::function<void(Target&)> work) {
  Target on;
  on.stream = queue_->stream;
  on.warpsMax = warps;
  work(on);
  must(on.error, "launch");
}

void Stream::finish() {
  must(cudaEventRecord(queue_->done, queue_->stream), "event");
  must(cudaEventSynchronize(queue_->done), "kernel");
}

void Stream::abandon() noexcept {
  if (cudaStreamSynchronize(queue_->stream) != cudaSuccess) cudaGetLastError();
}

}  // namespace millrace::library::runtime
