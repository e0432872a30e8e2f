// A device while the library is loaded: its facts, its state, and the lanes that calls borrow. A lane is a stream with memory on both
// sides, kept for the next call: in the steady state nothing is allocated.
//
// Times of wiping. Exponents, and scratch memory (tables and buckets that depend on them), on both sides: as soon as the part of a
// batch that they belong to is done. Elements that are staged: when memory grows, when a call fails, when memory is needed elsewhere,
// and when the last group of the device goes; until then the next batches overwrite them. Memory kept by handle: when it is released.
// All memory is overwritten before it is freed.
#pragma once

#include <condition_variable>
#include <mutex>
#include <vector>

#include "runtime.h"

namespace millrace::library {

/// Memory of a device, or pinned memory of the host, that only grows. Growing loses the contents.
class Memory {
 public:
  enum class Kind { kDevice, kPinned };
  explicit Memory(Kind kind) : kind_(kind) {}
  ~Memory() { release(); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  void reserve(std::size_t bytes);
  void release() noexcept;
  std::uint8_t* at() const { return at_; }

 private:
  Kind kind_;
  std::uint8_t* at_ = nullptr;
  std::size_t bytes_ = 0;
};

struct Lane {
  runtime::Stream stream;
  Memory device{Memory::Kind::kDevice};
  Memory pinned{Memory::Kind::kPinned};
};

class Device {
 public:
  explicit Device(std::uint32_t index) : index_(index), facts_(runtime::facts(index)) {}

  const DeviceFacts& facts() const { return facts_; }
  /// Most device memory that a lane may take, so that a few calls and resident data find room beside each other.
  std::size_t laneBytes() const;

  /// Makes this thread work on the device. Throws the error that the device died of, if it has.
  void enter();
  /// The same for cleaning up, which goes on even if the device is lost.
  void enterAnyway() noexcept;
  /// Marks the device as lost, if it is.
  void examine(const std::string& text) noexcept;

  /// Reserves memory; lanes that nobody uses make room for it.
  void reserve(Memory& memory, std::size_t bytes);

  void groupMade();
  void groupGone() noexcept;

  /// Gives an idle lane, or a new one. If all are out: with `wait`, one that comes back, else null.
  std::unique_ptr<Lane> borrow(bool wait);
  void giveBack(std::unique_ptr<Lane> lane) noexcept;
  /// Destroys a lane whose call failed: nobody needs the contents of its memory.
  void destroy(std::unique_ptr<Lane> lane) noexcept;

 private:
  void releaseIdle() noexcept;

  const std::uint32_t index_;
  const DeviceFacts facts_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Lane>> idle_;
  std::size_t made_ = 0;
  std::size_t groups_ = 0;
  std::string diedOf_;
};

/// Devices live until the process ends: what CUDA holds must not be freed while the process is torn down. Null if there is none.
Device* deviceAt(std::uint32_t index);

}  // namespace millrace::library
