// The way of a batch through a device: in parts, on up to three lanes in turn, so that part k+1 goes up and part k−1 comes down while
// part k computes. The host copies from and to pinned memory, large parts by several threads; that copy also gathers a permuted batch.
#pragma once

#include <algorithm>

#include "device.h"

namespace millrace::library {

/// A batch as the caller gave it, or one operand for all, or one for each part.
struct Input {
  enum class Per { kItem, kPart, kCall };
  const std::uint8_t* at = nullptr;
  /// Bytes of an item (or of what a part or the call has).
  std::size_t each = 0;
  Per per = Per::kItem;
  /// Bytes from one item to the next.
  std::size_t stride = 0;
  /// If set, item k is the caller's item source[k].
  const std::uint32_t* source = nullptr;

  std::size_t bytes(std::size_t items) const { return per == Per::kItem ? items * each : each; }
  void stage(std::uint8_t* to, std::size_t part, std::size_t from, std::size_t count) const;
};

/// A part's memory on the device, 256-byte aligned each.
struct Place {
  std::uint32_t *a, *b, *exponents, *result, *scratch;
  std::size_t from, count;
  const std::uint8_t* bytes() const { return reinterpret_cast<const std::uint8_t*>(exponents); }
};

struct Work {
  std::size_t items = 0;
  /// Items that fill the device: a part, unless memory is short.
  std::size_t part = 1;
  Input a, b;
  /// Exponents, or another input that must be wiped after every part, as scratch is.
  Input exponents;
  /// Bytes of result of each item, written to `out`; or, if `perPart` is set, of each part, one after the other.
  std::size_t resultEach = 0;
  std::uint8_t* out = nullptr;
  std::vector<std::uint8_t>* perPart = nullptr;
  /// Bytes of scratch for a number of items.
  std::function<std::size_t(const Target&, std::size_t)> scratch;
  std::function<void(Target&, const Place&)> compute;
  /// Parts of exactly this size: another batch was cut the same way.
  bool fixed = false;

  std::size_t resultBytes(std::size_t count) const { return perPart ? resultEach : count * resultEach; }
};

/// Offsets in the memory of a lane: the same ones in pinned memory, except for scratch.
struct Layout {
  std::size_t b, exponents, inputs, result, scratch, pinned, device;
  Layout(const Work& work, const Target& on, std::size_t count);
  Place place(const Lane& lane, std::size_t from, std::size_t count) const;
};

/// Lanes that a call has borrowed. If the call fails, work still queued on them ends first.
class Lanes {
 public:
  explicit Lanes(Device& device) : device_(device) {
    lanes_.resize(1);
    lanes_[0] = device.borrow(true);
  }
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;
  Lane& operator[](std::size_t i) { return *lanes_[i % lanes_.size()]; }
  std::size_t size() const { return lanes_.size(); }
  /// Borrows up to `count` lanes in all, as far as lanes and memory are there.
  void more(std::size_t count, const Layout& layout);
  /// The call went well, and nothing is queued any more.
  void done() { done_ = true; }

 private:
  Device& device_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  bool done_ = false;
};

/// A target for computing sizes, not for work.
Target sizing(const Device& device);

/// Reserves memory of a lane; false if there is too little.
bool reserve(Device& device, Lane& lane, const Layout& layout);

/// Does the work and returns, when all of it is done, the size of the parts that it was cut into.
std::size_t run(Device& device, const Work& work);

}  // namespace millrace::library
