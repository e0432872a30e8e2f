#include "device.h"

#include <algorithm>
#include <cstring>

namespace millrace {

void wipe(void* at, std::size_t length) {
  if (length > 0) std::memset(at, 0, length);
  // The compiler must assume that the zeros are read.
  __asm__ __volatile__("" : : "r"(at) : "memory");
}

}  // namespace millrace

namespace millrace::library {
namespace {

/// Two calls of three lanes each at a time. More threads than that wait for a lane.
constexpr std::size_t kLanesMax = 6;
constexpr std::size_t kLaneBytesMax = std::size_t{1} << 30;
/// Memory comes in multiples of this, so that batches of nearly the same size do not make it grow again and again.
constexpr std::size_t kGranule = std::size_t{1} << 16;

}  // namespace

void Memory::reserve(std::size_t bytes) {
  if (bytes <= bytes_) return;
  release();
  const std::size_t rounded = (bytes + kGranule - 1) / kGranule * kGranule;
  at_ = static_cast<std::uint8_t*>(kind_ == Kind::kDevice ? runtime::allocate(rounded) : runtime::allocatePinned(rounded));
  bytes_ = rounded;
}

void Memory::release() noexcept {
  if (at_ == nullptr) return;
  if (kind_ == Kind::kDevice) {
    runtime::clear(at_, bytes_);
    runtime::release(at_);
  } else {
    wipe(at_, bytes_);
    runtime::releasePinned(at_);
  }
  at_ = nullptr;
  bytes_ = 0;
}

std::size_t Device::laneBytes() const { return std::min(kLaneBytesMax, facts_.memoryBytes / 16); }

void Device::enter() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!diedOf_.empty()) throw Failure{MILLRACE_DEVICE, diedOf_};
  }
  runtime::use(index_);
}

void Device::enterAnyway() noexcept {
  try {
    runtime::use(index_);
  } catch (...) {
    // A device that is lost frees nothing; the process goes on without it.
  }
}

void Device::examine(const std::string& text) noexcept {
  enterAnyway();
  if (!runtime::lost()) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  try {
    if (diedOf_.empty()) diedOf_ = text.empty() ? "the device is lost" : text;
  } catch (...) {
    // If there is no memory for the text, the next call finds out by itself.
  }
}

void Device::reserve(Memory& memory, std::size_t bytes) {
  try {
    memory.reserve(bytes);
  } catch (const Failure& failure) {
    if (failure.status != MILLRACE_OUT_OF_MEMORY) throw;
    releaseIdle();
    memory.reserve(bytes);
  }
}

void Device::groupMade() {
  const std::lock_guard<std::mutex> lock(mutex_);
  groups_++;
}

void Device::groupGone() noexcept {
  bool last;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    last = --groups_ == 0;
  }
  if (last) releaseIdle();
}

std::unique_ptr<Lane> Device::borrow(bool wait) {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    if (wait) returned_.wait(lock, [&] { return !idle_.empty() || made_ < kLanesMax; });
    if (!idle_.empty()) {
      auto lane = std::move(idle_.back());
      idle_.pop_back();
      return lane;
    }
    if (made_ >= kLanesMax) return nullptr;
    // Reserved here, so that giving back never allocates.
    idle_.reserve(kLanesMax);
    made_++;
  }
  try {
    return std::make_unique<Lane>();
  } catch (...) {
    destroy(nullptr);
    throw;
  }
}

void Device::giveBack(std::unique_ptr<Lane> lane) noexcept {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(std::move(lane));
  }
  returned_.notify_one();
}

void Device::destroy(std::unique_ptr<Lane> lane) noexcept {
  lane.reset();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    made_--;
  }
  returned_.notify_one();
}

void Device::releaseIdle() noexcept {
  std::unique_ptr<Lane> gone[kLanesMax];
  std::size_t count = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    // Lane by lane: idle_ keeps its room, so that giving back never allocates.
    for (auto& lane : idle_) gone[count++] = std::move(lane);
    idle_.clear();
    made_ -= count;
  }
  for (auto& lane : gone) lane.reset();
  returned_.notify_all();
}

Device* deviceAt(std::uint32_t index) {
  static std::mutex mutex;
  static std::vector<Device*>* const devices = new std::vector<Device*>;
  const std::lock_guard<std::mutex> lock(mutex);
  std::string why;
  if (index >= runtime::deviceCount(why)) return nullptr;
  if (devices->size() <= index) devices->resize(index + 1, nullptr);
  if ((*devices)[index] == nullptr) (*devices)[index] = new Device(index);
  return (*devices)[index];
}

}  // namespace millrace::library
