// What stays on the device between calls, and the operations with it: the operands of realtime, which need not be transferred
// when messages arrive, and tables of fixed bases.
#include "group.h"

namespace millrace::library {

std::unique_ptr<Kept> Group::keepPrepared(const std::uint8_t* a, std::size_t count) const {
  std::unique_ptr<Kept> kept(new Kept{Kept::Kind::kPrepared, shared_from_this(), count, 0, 0});
  if (count == 0) return kept;
  device_.reserve(kept->memory, count * bytes_);
  const Kernels& k = kernelsFor(count);
  Work work;
  work.items = count;
  work.part = lightPart(k, count, 1, bytes_);
  work.a = elements(a);
  work.compute = [&](Target& on, const Place& at) { k.prepare(on, kept->words() + at.from * limbs(), at.a, at.count); };
  run(device_, work);
  return kept;
}

std::unique_ptr<Kept> Group::keepTable(const std::uint8_t* base, std::size_t exponentBytes, std::uint32_t digitBits) const {
  std::unique_ptr<Kept> kept(new Kept{Kept::Kind::kTable, shared_from_this(), 0, exponentBytes, digitBits});
  device_.reserve(kept->memory, tableBytes(exponentBytes, digitBits));
  // One instance squares its way along the rows: the more lanes, the sooner.
  const Kernels& k = *kernels_.back();
  Work work;
  work.items = 1;
  work.a = elements(base);
  work.compute = [&](Target& on, const Place& at) { k.tableFill(on, kept->words(), at.a, exponentBytes, digitBits); };
  run(device_, work);
  return kept;
}

void Group::mulKept(std::uint8_t* out, const std::uint8_t* a, const Kept& kept, std::size_t first, std::size_t count) const {
  mulGatherKept(out, a, nullptr, kept, first, 1, 0, count);
}

void Group::mulGatherKept(std::uint8_t* out, const std::uint8_t* a, const std::uint32_t* source, const Kept& kept,
                          std::size_t first, std::size_t width, std::size_t from, std::size_t to) const {
  const std::size_t slots = to - from;
  const Kernels& k = kernelsFor(slots * width);
  const std::uint32_t* const b = kept.words() + (first + from * width) * limbs();
  Work work;
  work.items = slots;
  work.part = lightPart(k, slots, width, width * bytes_);
  work.a = elements(source == nullptr ? a + from * width * bytes_ : a, width);
  work.a.source = source == nullptr ? nullptr : source + from;
  work.resultEach = width * bytes_;
  work.out = out + from * width * bytes_;
  work.compute = [&](Target& on, const Place& at) {
    k.mul(on, at.result, at.a, b + at.from * width * limbs(), true, at.count * width);
  };
  run(device_, work);
}

void Group::powFixedKept(std::uint8_t* out, const Kept& kept, const std::uint8_t* exponents, std::size_t count) const {
  const Kernels& k = kernelsFor(count);
  Work work;
  work.items = count;
  work.part = filling(k);
  work.exponents = {exponents, kept.exponentBytes, Input::Per::kItem, 0, nullptr};
  work.resultEach = bytes_;
  work.out = out;
  work.compute = [&](Target& on, const Place& at) {
    k.powFixed(on, at.result, kept.words(), at.bytes(), kept.exponentBytes, kept.digitBits, at.count);
  };
  run(device_, work);
}

}  // namespace millrace::library
