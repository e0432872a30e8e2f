// Data that stays on the device between calls, and the operations with it: the operands of realtime, which need not be transferred when
// messages arrive, and tables of fixed bases.
#include "group.h"

namespace millrace::library {

std::unique_ptr<Resident> Group::makeResidentPrepared(const std::uint8_t* a, std::size_t count) const {
  std::unique_ptr<Resident> resident(new Resident{Resident::Kind::kPrepared, shared_from_this(), count, 0, 0});
  if (count == 0) return resident;
  device_.reserve(resident->memory, count * bytes_);
  const Kernels& k = kernelsFor(count);
  Work work;
  work.items = count;
  work.part = lightPart(k, count, 1, bytes_);
  work.a = elements(a);
  work.compute = [&](Target& on, const Place& at) { k.prepare(on, resident->words() + at.from * limbs(), at.a, at.count); };
  run(device_, work);
  return resident;
}

std::unique_ptr<Resident> Group::makeResidentTable(const std::uint8_t* base, std::size_t exponentBytes, std::uint32_t digitBits) const {
  std::unique_ptr<Resident> resident(new Resident{Resident::Kind::kTable, shared_from_this(), 0, exponentBytes, digitBits});
  device_.reserve(resident->memory, tableBytes(exponentBytes, digitBits));
  // One instance squares its way along the rows: the more lanes, the sooner.
  const Kernels& k = *kernels_.back();
  Work work;
  work.items = 1;
  work.a = elements(base);
  work.compute = [&](Target& on, const Place& at) { k.tableFill(on, resident->words(), at.a, exponentBytes, digitBits); };
  run(device_, work);
  return resident;
}

void Group::mulResident(std::uint8_t* out, const std::uint8_t* a, const Resident& resident, std::size_t first, std::size_t count) const {
  mulGatherResident(out, a, nullptr, resident, first, 1, 0, count);
}

void Group::mulGatherResident(std::uint8_t* out, const std::uint8_t* a, const std::uint32_t* source, const Resident& resident,
                          std::size_t first, std::size_t width, std::size_t from, std::size_t to) const {
  const std::size_t slots = to - from;
  const Kernels& k = kernelsFor(slots * width);
  const std::uint32_t* const b = resident.words() + (first + from * width) * limbs();
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

void Group::powFixedResident(std::uint8_t* out, const Resident& resident, const std::uint8_t* exponents, std::size_t count) const {
  const Kernels& k = kernelsFor(count);
  Work work;
  work.items = count;
  work.part = filling(k);
  work.exponents = {exponents, resident.exponentBytes, Input::Per::kItem, 0, nullptr};
  work.resultEach = bytes_;
  work.out = out;
  work.compute = [&](Target& on, const Place& at) {
    k.powFixed(on, at.result, resident.words(), at.bytes(), resident.exponentBytes, resident.digitBits, at.count);
  };
  run(device_, work);
}

}  // namespace millrace::library
