#include "pipeline.h"

#include <cstring>
#include <system_error>
#include <thread>

namespace millrace::library {
namespace {

/// Lanes of a call: one uploads, one computes, one downloads.
constexpr std::size_t kLanesOfCall = 3;
constexpr std::size_t kPinnedBytesMax = std::size_t{256} << 20;
/// Kernels count words in 32 bits.
constexpr std::size_t kReachBytes = std::size_t{8} << 30;

/// Bytes of a copy for each thread. One thread copies slower than a bus transfers, so copies of at least twice this are shared. Tests
/// make it smaller.
#ifndef MILLRACE_COPY_BYTES
#define MILLRACE_COPY_BYTES (std::size_t{1} << 20)
#endif
constexpr std::size_t kCopyBytes = MILLRACE_COPY_BYTES;
constexpr std::size_t kCopiersMax = 4;

/// Runs `copy(from, to)` over the items 0 to `count`, of `each` bytes, by this thread and as many more as are worth it. Returns when
/// all is copied.
template <class Copy>
void copyShared(std::size_t count, std::size_t each, const Copy& copy) {
  if (count == 0) return;
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  const std::size_t pieces = std::max<std::size_t>(std::min({count * each / kCopyBytes, kCopiersMax, cores, count}), 1);
  const auto edge = [&](std::size_t piece) { return count / pieces * piece + std::min(piece, count % pieces); };
  std::thread helpers[kCopiersMax];
  std::size_t started = 1;
  try {
    for (; started < pieces; started++) {
      helpers[started] = std::thread([&copy, from = edge(started), to = edge(started + 1)] { copy(from, to); });
    }
  } catch (const std::system_error&) {
    // No more threads can be had: this one copies the rest.
  }
  copy(0, edge(1));
  if (started < pieces) copy(edge(started), count);
  for (std::size_t i = 1; i < started; i++) helpers[i].join();
}

std::size_t aligned(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

/// One part on one lane; queued by start, waited for by collect.
class Part {
 public:
  Part(const Work& work, const Layout& layout, std::uint32_t warps, std::size_t size)
      : work_(work), layout_(layout), warps_(warps), size_(size), parts_((work.items + size - 1) / size) {}

  std::size_t parts() const { return parts_; }

  void start(Lane& lane, std::size_t index) const {
    const std::size_t from = index * size_, count = countOf(index);
    std::uint8_t *device = lane.device.at(), *pinned = lane.pinned.at();
    work_.a.stage(pinned, index, from, count);
    work_.b.stage(pinned + layout_.b, index, from, count);
    work_.exponents.stage(pinned + layout_.exponents, index, from, count);
    if (layout_.inputs > 0) lane.stream.upload(device, pinned, layout_.inputs);
    const Place place = layout_.place(lane, from, count);
    lane.stream.launch(warps_, [this, place](Target& on) { work_.compute(on, place); });
    if (layout_.inputs > layout_.exponents) {
      lane.stream.clear(device + layout_.exponents, layout_.inputs - layout_.exponents);
    }
    if (layout_.device > layout_.scratch) lane.stream.clear(device + layout_.scratch, layout_.device - layout_.scratch);
    const std::size_t bytes = work_.resultBytes(count);
    if (bytes > 0) lane.stream.download(pinned + layout_.result, device + layout_.result, bytes);
  }

  void collect(Lane& lane, std::size_t index) const {
    lane.stream.finish();
    const std::size_t bytes = work_.resultBytes(countOf(index));
    std::uint8_t* to = work_.perPart ? work_.perPart->data() + index * bytes : work_.out + index * size_ * work_.resultEach;
    const std::uint8_t* result = lane.pinned.at() + layout_.result;
    copyShared(bytes, 1, [=](std::size_t from, std::size_t end) { std::memcpy(to + from, result + from, end - from); });
    wipe(lane.pinned.at() + layout_.exponents, layout_.inputs - layout_.exponents);
  }

 private:
  std::size_t countOf(std::size_t index) const { return std::min(size_, work_.items - index * size_); }

  const Work& work_;
  const Layout& layout_;
  const std::uint32_t warps_;
  const std::size_t size_, parts_;
};

}  // namespace

void Input::stage(std::uint8_t* to, std::size_t part, std::size_t from, std::size_t count) const {
  if (at == nullptr || each == 0) return;
  if (per != Per::kItem) {
    std::memcpy(to, per == Per::kPart ? at + part * each : at, each);
    return;
  }
  const std::size_t step = stride == 0 ? each : stride;
  copyShared(count, each, [&](std::size_t begin, std::size_t end) {
    if (source == nullptr && step == each) {
      std::memcpy(to + begin * each, at + (from + begin) * each, (end - begin) * each);
      return;
    }
    for (std::size_t k = begin; k < end; k++) {
      std::memcpy(to + k * each, at + (source == nullptr ? from + k : source[from + k]) * step, each);
    }
  });
}

Layout::Layout(const Work& work, const Target& on, std::size_t count) {
  b = aligned(work.a.bytes(count));
  exponents = b + aligned(work.b.bytes(count));
  inputs = exponents + aligned(work.exponents.bytes(count));
  result = inputs;
  pinned = scratch = result + aligned(work.resultBytes(count));
  device = scratch + (work.scratch ? aligned(work.scratch(on, count)) : 0);
}

Place Layout::place(const Lane& lane, std::size_t from, std::size_t count) const {
  const auto words = [&](std::size_t offset) { return reinterpret_cast<std::uint32_t*>(lane.device.at() + offset); };
  return {words(0), words(b), words(exponents), words(result), words(scratch), from, count};
}

Lanes::~Lanes() {
  for (auto& lane : lanes_) {
    if (done_) {
      device_.giveBack(std::move(lane));
    } else {
      lane->stream.abandon();
      device_.destroy(std::move(lane));
    }
  }
}

void Lanes::more(std::size_t count, const Layout& layout) {
  lanes_.reserve(count);
  while (lanes_.size() < count) {
    auto lane = device_.borrow(false);
    if (!lane) return;
    lanes_.push_back(std::move(lane));
    if (reserve(device_, *lanes_.back(), layout)) continue;
    device_.destroy(std::move(lanes_.back()));
    lanes_.pop_back();
    return;
  }
}

Target sizing(const Device& device) {
  Target on;
  on.warpsMax = device.facts().warps;
  return on;
}

bool reserve(Device& device, Lane& lane, const Layout& layout) {
  try {
    device.reserve(lane.device, layout.device);
    device.reserve(lane.pinned, layout.pinned);
    return true;
  } catch (const Failure& failure) {
    if (failure.status != MILLRACE_OUT_OF_MEMORY) throw;
    return false;
  }
}

std::size_t run(Device& device, const Work& work) {
  if (work.items == 0) return 1;
  Lanes lanes(device);
  const Target on = sizing(device);
  std::size_t size = std::min(work.items, std::max<std::size_t>(work.part, 1));
  for (;; size = (size + 1) / 2) {
    const Layout layout(work, on, size);
    const bool last = size == 1 || work.fixed;
    const bool modest = layout.device <= device.laneBytes() && layout.pinned <= kPinnedBytesMax;
    if ((modest || last) && layout.device <= kReachBytes && reserve(device, lanes[0], layout)) break;
    if (last) throw Failure{MILLRACE_OUT_OF_MEMORY, "a part of " + std::to_string(layout.device) + " bytes"};
  }
  const Layout layout(work, on, size);
  const Part part(work, layout, on.warpsMax, size);
  if (work.perPart) work.perPart->assign(part.parts() * work.resultEach, 0);
  lanes.more(std::min(kLanesOfCall, part.parts()), layout);
  for (std::size_t k = 0; k < part.parts() + lanes.size(); k++) {
    if (k >= lanes.size()) part.collect(lanes[k], k - lanes.size());
    if (k < part.parts()) part.start(lanes[k], k);
  }
  lanes.done();
  return size;
}

}  // namespace millrace::library
