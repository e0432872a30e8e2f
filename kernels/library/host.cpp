// The runtime port without a card: the host's memory, lanes that are vectors, and streams that hold queued work back until they are
// finished. So code that reads a result too early, or overwrites data that is still to be uploaded, gets wrong numbers. Number of
// devices: MILLRACE_HOST_DEVICES, by default 2. Faults come on demand: hostFaults.h.
#include "hostFaults.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "runtime.h"

namespace millrace::library::runtime {
namespace {

constexpr std::uint32_t kDevices = 2;
/// Few, so that small batches make parts, and warps go round more than once.
constexpr std::uint32_t kWarps = 4;

const char* const kFaults[] = {"allocate", "pinned", "launch", "lost", "flip"};

/// All devices together, behind one lock.
struct World {
  std::mutex mutex;
  std::map<std::string, std::uint32_t> faults;
  std::map<std::string, std::uint64_t> counts;
  std::map<void*, std::size_t> device, pinned;
  std::size_t memory = std::size_t{1} << 30, used = 0;
  std::vector<bool> lost = std::vector<bool>(64, false);
};

World& world() {
  static World* const one = new World;
  return *one;
}

thread_local std::uint32_t current = 0;

/// True if the fault happens now.
bool strikes(World& w, const char* kind) {
  const auto found = w.faults.find(kind);
  if (found == w.faults.end()) return false;
  if (found->second-- > 0) return false;
  w.faults.erase(found);
  return true;
}

void mustLive(World& w, const char* what) {
  if (w.lost[current]) throw Failure{MILLRACE_DEVICE, std::string(what) + ": the device is lost"};
}

void* take(World& w, std::map<void*, std::size_t>& from, std::size_t bytes) {
  void* at = std::malloc(bytes);
  if (at == nullptr) throw Failure{MILLRACE_OUT_OF_MEMORY, "memory of the host"};
  std::memset(at, 0xa5, bytes);
  from[at] = bytes;
  w.counts["allocations"]++;
  w.counts["liveBytes"] += bytes;
  return at;
}

std::size_t give(std::map<void*, std::size_t>& to, void* at) noexcept {
  World& w = world();
  const auto found = to.find(at);
  if (found == to.end()) std::abort();
  const std::size_t bytes = found->second;
  const auto* byte = static_cast<const std::uint8_t*>(at);
  if (std::any_of(byte, byte + bytes, [](std::uint8_t x) { return x != 0; })) w.counts["unwiped"]++;
  w.counts["liveBytes"] -= bytes;
  to.erase(found);
  std::free(at);
  return bytes;
}

}  // namespace

std::uint32_t deviceCount(std::string& why) noexcept {
  const char* said = std::getenv("MILLRACE_HOST_DEVICES");
  const std::uint32_t count = said ? static_cast<std::uint32_t>(std::min(8L, std::max(0L, std::strtol(said, nullptr, 10)))) : kDevices;
  if (count == 0) why = "MILLRACE_HOST_DEVICES is 0";
  return count;
}

DeviceFacts facts(std::uint32_t device) {
  World& w = world();
  const std::lock_guard<std::mutex> lock(w.mutex);
  return {"host lanes " + std::to_string(device), 1, kWarps, w.memory, 9, 0, 0, 0};
}

void use(std::uint32_t device) { current = device; }

bool lost() noexcept {
  World& w = world();
  const std::lock_guard<std::mutex> lock(w.mutex);
  return w.lost[current];
}

void* allocate(std::size_t bytes) {
  World& w = world();
  const std::lock_guard<std::mutex> lock(w.mutex);
  mustLive(w, "device memory");
  if (strikes(w, "allocate") || bytes > w.memory || w.used > w.memory - bytes) {
    throw Failure{MILLRACE_OUT_OF_MEMORY, "device memory: " + std::to_string(bytes) + " bytes"};
  }
  void* at = take(w, w.device, bytes);
  w.used += bytes;
  return at;
}

void clear(void* at, std::size_t bytes) noexcept { std::memset(at, 0, bytes); }

void release(void* at) noexcept {
  World& w = world();
  const std::lock_guard<std::mutex> lock(w.mutex);
  w.used -= give(w.device, at);
}

void* allocatePinned(std::size_t bytes) {
  World& w = world();
  const std::lock_guard<std::mutex> lock(w.mutex);
  mustLive(w, "pinned memory");
  if (strikes(w, "pinned")) throw Failure{MILLRACE_OUT_OF_MEMORY, "pinned memory: " + std::to_string(bytes) + " bytes"};
  return take(w, w.pinned, bytes);
}

void releasePinned(void* at) noexcept {
  World& w = world();
  const std::lock_guard<std::mutex> lock(w.mutex);
  give(w.pinned, at);
}

struct Stream::Queue {
  std::vector<std::function<void()>> work;
};

Stream::Stream() : queue_(std::make_unique<Queue>()) {
  World& w = world();
  const std::lock_guard<std::mutex> lock(w.mutex);
  mustLive(w, "stream");
  w.counts["streams"]++;
}
Stream::~Stream() {
  // On a card this work would still be under way, in memory that is about to go.
  if (!queue_->work.empty()) std::abort();
}

void Stream::upload(void* device, const void* host, std::size_t bytes) {
  queue_->work.push_back([=] { std::memcpy(device, host, bytes); });
}

void Stream::download(void* host, const void* device, std::size_t bytes) {
  queue_->work.push_back([=] {
    std::memcpy(host, device, bytes);
    World& w = world();
    const std::lock_guard<std::mutex> lock(w.mutex);
    if (bytes > 0 && strikes(w, "flip")) static_cast<std::uint8_t*>(host)[bytes / 2] ^= 4;
  });
}

void Stream::clear(void* device, std::size_t bytes) {
  queue_->work.push_back([=] { std::memset(device, 0, bytes); });
}

void Stream::launch(std::uint32_t warps, std::function<void(Target&)> work) {
  World& w = world();
  {
    const std::lock_guard<std::mutex> lock(w.mutex);
    mustLive(w, "launch");
    w.counts["launches"]++;
    if (strikes(w, "launch")) throw Failure{MILLRACE_DEVICE, "launch: failed on demand"};
    if (strikes(w, "lost")) w.lost[current] = true;
  }
  queue_->work.push_back([warps, work = std::move(work)] {
    Target on;
    on.warpsMax = warps;
    work(on);
  });
}

void Stream::finish() {
  const std::vector<std::function<void()>> work = std::move(queue_->work);
  queue_->work.clear();
  {
    World& w = world();
    const std::lock_guard<std::mutex> lock(w.mutex);
    mustLive(w, "kernel");
  }
  for (const auto& step : work) step();
}

void Stream::abandon() noexcept { queue_->work.clear(); }

}  // namespace millrace::library::runtime

#pragma GCC visibility push(default)
extern "C" {

int32_t millrace_host_fault(const char* kind, uint32_t after) {
  using namespace millrace::library::runtime;
  World& w = world();
  const std::lock_guard<std::mutex> lock(w.mutex);
  if (kind == nullptr) {
    w.faults.clear();
    return 0;
  }
  const bool known = std::any_of(std::begin(kFaults), std::end(kFaults), [&](const char* name) { return std::strcmp(name, kind) == 0; });
  if (!known) return 1;
  w.faults[kind] = after;
  return 0;
}

void millrace_host_memory(size_t bytes) {
  auto& w = millrace::library::runtime::world();
  const std::lock_guard<std::mutex> lock(w.mutex);
  w.memory = bytes;
}

uint64_t millrace_host_count(const char* what) {
  auto& w = millrace::library::runtime::world();
  const std::lock_guard<std::mutex> lock(w.mutex);
  return what == nullptr ? 0 : w.counts[what];
}

int32_t millrace_host_holds(const uint8_t* bytes, size_t length) {
  auto& w = millrace::library::runtime::world();
  const std::lock_guard<std::mutex> lock(w.mutex);
  for (const auto* memory : {&w.device, &w.pinned}) {
    for (const auto& [at, size] : *memory) {
      const auto* from = static_cast<const std::uint8_t*>(at);
      if (std::search(from, from + size, bytes, bytes + length) != from + size) return 1;
    }
  }
  return 0;
}

}  // extern "C"
#pragma GCC visibility pop
