// Operations in which the elements of a batch depend on each other, so that parts of a batch come together at the end: products
// and inversions.
#include <cstring>

#include "../../native/inverse.h"
#include "group.h"

namespace millrace::library {
namespace {

/// Pinned memory for an inversion in one piece, and for a row of a product.
constexpr std::size_t kWholeBytes = std::size_t{128} << 20;

/// Values between the passes of a call, wiped when it ends.
struct Between {
  std::vector<std::uint8_t> bytes;
  Between() = default;
  explicit Between(std::size_t length) : bytes(length) {}
  ~Between() { wipe(bytes.data(), bytes.size()); }
  Between(const Between&) = delete;
  Between& operator=(const Between&) = delete;
};

}  // namespace

void Group::product(std::uint8_t* out, const std::uint8_t* a, std::size_t width, std::size_t slots) const {
  if (slots <= 1) {
    const auto only = slots == 0 ? ones(width) : std::vector<std::uint8_t>(a, a + width * bytes_);
    std::memcpy(out, only.data(), only.size());
    return;
  }
  // Columns at a time, so that a part has two slots at least and every pass leaves fewer.
  const std::size_t room = std::min(kWholeBytes, device_.laneBytes() / 4);
  const std::size_t columns = std::max<std::size_t>(room / bytes_ / 4, 1);
  for (std::size_t first = 0; first < width; first += columns) {
    productOfColumns(out + first * bytes_, a, width, first, std::min(columns, width - first), slots);
  }
}

void Group::productOfColumns(std::uint8_t* out, const std::uint8_t* a, std::size_t width, std::size_t first, std::size_t columns,
                             std::size_t slots) const {
  const Kernels& k = kernelsFor((slots + kernels::kShare - 1) / kernels::kShare * columns);
  Between shares;
  Work work;
  work.items = slots;
  work.part = std::max<std::size_t>(filling(k) * kernels::kShare / columns, 2);
  work.a = elements(a + first * bytes_, columns);
  work.a.stride = width * bytes_;
  work.resultEach = columns * bytes_;
  work.perPart = &shares.bytes;
  work.scratch = [&](const Target&, std::size_t items) { return k.productScratch(columns, items); };
  work.compute = [&](Target& on, const Place& at) { k.product(on, at.result, at.a, columns, at.count, at.scratch); };
  if (run(device_, work) == 1) throw Failure{MILLRACE_OUT_OF_MEMORY, "no memory for two slots of a product"};
  const std::size_t parts = shares.bytes.size() / work.resultEach;
  if (parts == 1) std::memcpy(out, shares.bytes.data(), work.resultEach);
  else product(out, shares.bytes.data(), columns, parts);
}

bool Group::invert(std::uint8_t* out, const std::uint8_t* a, const std::uint8_t* blinding, std::size_t count) const {
  if (count == 0) return true;
  try {
    if (count <= kWholeBytes / (2 * bytes_)) return invertWhole(out, a, blinding, count);
  } catch (const Failure& failure) {
    if (failure.status != MILLRACE_OUT_OF_MEMORY) throw;
  }
  return invertInParts(out, a, blinding, count);
}

/// One piece: up, the host inverts the hidden product, down again; the batch stays on the device in between.
bool Group::invertWhole(std::uint8_t* out, const std::uint8_t* a, const std::uint8_t* blinding, std::size_t count) const {
  const Kernels& k = kernelsFor(count / kernels::kFan);
  const Target sizes = sizing(device_);
  Work work;
  work.items = count;
  work.a = elements(a);
  work.b = {blinding, bytes_, Input::Per::kCall, 0, nullptr};
  // The inverse that the host finds takes the place of exponents.
  work.exponents = {nullptr, bytes_, Input::Per::kCall, 0, nullptr};
  work.resultEach = bytes_;
  work.scratch = [&](const Target&, std::size_t items) { return k.invertScratch(items); };
  const Layout layout(work, sizes, count);
  Lanes lanes(device_);
  Lane& lane = lanes[0];
  if (layout.device > device_.laneBytes() || !reserve(device_, lane, layout)) {
    throw Failure{MILLRACE_OUT_OF_MEMORY, "an inversion of " + std::to_string(layout.device) + " bytes"};
  }
  std::uint8_t *device = lane.device.at(), *pinned = lane.pinned.at();
  const Place at = layout.place(lane, 0, count);
  work.a.stage(pinned, 0, 0, count);
  work.b.stage(pinned + layout.b, 0, 0, count);
  lane.stream.upload(device, pinned, layout.exponents);
  lane.stream.launch(sizes.warpsMax, [&](Target& on) { k.invertUp(on, at.result, at.a, at.b, count, at.scratch); });
  lane.stream.download(pinned + layout.exponents, at.result, bytes_);
  lane.stream.finish();
  const bool invertible = invertHidden(pinned + layout.exponents);
  if (invertible) {
    lane.stream.upload(at.exponents, pinned + layout.exponents, bytes_);
    lane.stream.launch(sizes.warpsMax,
                       [&](Target& on) { k.invertDown(on, at.result, at.exponents, at.a, at.b, count, at.scratch); });
    lane.stream.download(pinned + layout.result, at.result, count * bytes_);
  }
  // Inverse, result and scratch: all of it is as secret as the batch.
  lane.stream.clear(at.exponents, layout.device - layout.exponents);
  lane.stream.finish();
  if (invertible) std::memcpy(out, pinned + layout.result, count * bytes_);
  wipe(pinned + layout.exponents, bytes_);
  lanes.done();
  return invertible;
}

/// For batches that are too large for one piece: the products of the parts are inverted as a batch of their own, blinded, and each part
/// is done again from the inverse of its product. Half as much work again, in batches that hardly occur.
bool Group::invertInParts(std::uint8_t* out, const std::uint8_t* a, const std::uint8_t* blinding, std::size_t count) const {
  const Kernels& k = kernelsFor(count / kernels::kFan);
  // R mod p leaves a product as it is: nothing is hidden until the products themselves are inverted.
  const std::uint32_t* one = reinterpret_cast<const std::uint32_t*>(words_.at()) + 2 * limbs();
  Between products;
  Work up;
  up.items = count;
  up.part = filling(k) * kernels::kFan;
  up.a = elements(a);
  up.resultEach = bytes_;
  up.perPart = &products.bytes;
  // Room for the results, too, so that the way down fits into the same parts.
  up.scratch = [&](const Target&, std::size_t items) { return k.invertScratch(items) + (items + 2) * bytes_; };
  up.compute = [&](Target& on, const Place& at) { k.invertUp(on, at.result, at.a, one, at.count, at.scratch); };
  const std::size_t part = run(device_, up);
  if (part == 1) throw Failure{MILLRACE_OUT_OF_MEMORY, "no memory for two elements of an inversion"};

  Between inverses(products.bytes.size());
  if (!invert(inverses.bytes.data(), products.bytes.data(), blinding, products.bytes.size() / bytes_)) return false;

  Work down;
  down.items = count;
  down.part = part;
  down.fixed = true;
  down.a = elements(a);
  down.exponents = {inverses.bytes.data(), bytes_, Input::Per::kPart, 0, nullptr};
  down.resultEach = bytes_;
  down.out = out;
  down.scratch = [&](const Target&, std::size_t items) { return k.invertScratch(items); };
  down.compute = [&](Target& on, const Place& at) {
    k.invertUp(on, at.result, at.a, one, at.count, at.scratch);
    k.invertDown(on, at.result, at.exponents, at.a, one, at.count, at.scratch);
  };
  run(device_, down);
  return true;
}

bool Group::invertHidden(std::uint8_t* value) const {
  std::vector<std::uint64_t> p(bytes_ / 8);
  std::memcpy(p.data(), constants_.words().data(), bytes_);
  return invertModulo(value, p);
}

}  // namespace millrace::library
