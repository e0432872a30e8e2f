#include "group.h"

#include <cstring>

namespace millrace::library {
namespace {

using kernels::Form;
using Arithmetic = kernels::Arithmetic<Target>;

/// Least bytes that are worth a part of their own: their transfer takes longer than a few launches.
constexpr std::size_t kLightBytes = std::size_t{1} << 20;
/// Least number of parts that a batch of light work is cut into: enough for transfers both ways and computing to overlap.
constexpr std::size_t kLightParts = 6;

std::unique_ptr<Arithmetic> make(std::uint32_t bits, int tpi, Form form, const kernels::Modulus& modulus) {
  if (bits == 2048) return kernels::makeArithmeticOf<Target, 2048>(tpi, form, modulus);
  if (bits == 3072) return kernels::makeArithmeticOf<Target, 3072>(tpi, form, modulus);
  return kernels::makeArithmeticOf<Target, 4096>(tpi, form, modulus);
}

}  // namespace

Group::Group(Device& device, const std::uint8_t* modulus, std::uint32_t bits)
    : device_(device), bytes_(bits / 8), constants_(modulus, bits) {
  const DeviceFacts& facts = device.facts();
  if (bits != 2048 && bits != 3072 && bits != 4096) {
    throw Failure{MILLRACE_UNSUPPORTED, "kernels are for 2048, 3072 and 4096 bits, not for " + std::to_string(bits)};
  }
  if (facts.major * 10 + facts.minor < 75) {
    throw Failure{MILLRACE_UNSUPPORTED, facts.name + " has compute capability " + std::to_string(facts.major) + "." +
                                            std::to_string(facts.minor) + ", kernels need 7.5"};
  }
  const std::size_t size = constants_.words().size() * 4;
  device.reserve(words_, size);
  Memory staging(Memory::Kind::kPinned);
  staging.reserve(size);
  std::memcpy(staging.at(), constants_.words().data(), size);
  runtime::Stream stream;
  stream.upload(words_.at(), staging.at(), size);
  stream.finish();
  const auto at = kernels::modulusAt(constants_, reinterpret_cast<const std::uint32_t*>(words_.at()));
#ifdef MILLRACE_LEAN
  const Form form = Form::kGeneral;
#else
  const Form form = constants_.special() ? Form::kSpecial : Form::kGeneral;
#endif
  for (const int tpi : {8, 16, 32}) {
    auto made = make(bits, tpi, form, at);
    if (made) kernels_.push_back(std::move(made));
  }
  device.groupMade();
}

Group::~Group() {
  device_.enterAnyway();
  device_.groupGone();
}

/// The fewest lanes an instance with which `numbers` fill the device, because they issue the fewest instructions; if none fill it, the
/// most lanes, because they finish first. On 132 multiprocessors of 12 warps: 32 lanes below 3,168 numbers, 16 below 6,336, then 8.
const Group::Kernels& Group::kernelsFor(std::size_t numbers) const {
  for (const auto& kernels : kernels_) {
    if (numbers >= filling(*kernels)) return *kernels;
  }
  return *kernels_.back();
}

std::size_t Group::filling(const Kernels& kernels) const {
  return static_cast<std::size_t>(device_.facts().warps) * (kernels::kWarp / kernels.tpi());
}

std::size_t Group::lightPart(const Kernels& kernels, std::size_t items, std::size_t numbersEach, std::size_t bytesEach) const {
  const std::size_t full = std::max<std::size_t>(filling(kernels) / numbersEach, 1);
  const std::size_t worthIt = kLightBytes / bytesEach + 1;
  return std::min(full, std::max(worthIt, items / kLightParts + 1));
}

Input Group::elements(const std::uint8_t* at, std::size_t each) const { return {at, each * bytes_, Input::Per::kItem, 0, nullptr}; }

std::vector<std::uint8_t> Group::ones(std::size_t count) const {
  std::vector<std::uint8_t> out(count * bytes_, 0);
  for (std::size_t i = 0; i < count; i++) out[i * bytes_] = 1;
  return out;
}

void Group::prepare(std::uint8_t* out, const std::uint8_t* a, std::size_t count) const {
  const Kernels& k = kernelsFor(count);
  Work work;
  work.items = count;
  work.part = lightPart(k, count, 1, bytes_);
  work.a = elements(a);
  work.resultEach = bytes_;
  work.out = out;
  work.compute = [&](Target& on, const Place& at) { k.prepare(on, at.result, at.a, at.count); };
  run(device_, work);
}

void Group::mul(std::uint8_t* out, const std::uint8_t* a, const std::uint8_t* b, bool prepared, std::size_t count) const {
  const Kernels& k = kernelsFor(count);
  Work work;
  work.items = count;
  work.part = lightPart(k, count, 1, 2 * bytes_);
  work.a = elements(a);
  work.b = elements(b);
  work.resultEach = bytes_;
  work.out = out;
  work.compute = [&](Target& on, const Place& at) { k.mul(on, at.result, at.a, at.b, prepared, at.count); };
  run(device_, work);
}

void Group::mulChain(std::uint8_t* out, const std::uint8_t* a, const std::uint8_t* b, std::size_t times, std::size_t count) const {
  const Kernels& k = kernelsFor(count);
  Work work;
  work.items = count;
  work.part = filling(k);
  work.a = elements(a);
  work.b = elements(b);
  work.resultEach = bytes_;
  work.out = out;
  work.compute = [&](Target& on, const Place& at) {
    k.mul(on, at.result, at.a, at.b, true, at.count);
    for (std::size_t n = 1; n < times; n++) k.mul(on, at.result, at.result, at.b, true, at.count);
  };
  run(device_, work);
}

void Group::mulGather(std::uint8_t* out, const std::uint8_t* a, const std::uint32_t* source, const std::uint8_t* b, bool prepared,
                      std::size_t width, std::size_t from, std::size_t to) const {
  const std::size_t slots = to - from;
  const Kernels& k = kernelsFor(slots * width);
  Work work;
  work.items = slots;
  work.part = lightPart(k, slots, width, 2 * width * bytes_);
  // Gathered on the way into pinned memory, which costs no more than any other copy there; so the parts of a batch that is
  // permuted as a whole need no more than their own slots on the device.
  work.a = elements(a, width);
  work.a.source = source + from;
  work.b = elements(b + from * width * bytes_, width);
  work.resultEach = width * bytes_;
  work.out = out + from * width * bytes_;
  work.compute = [&](Target& on, const Place& at) { k.mul(on, at.result, at.a, at.b, prepared, at.count * width); };
  run(device_, work);
}

void Group::pow(std::uint8_t* out, const std::uint8_t* bases, const std::uint8_t* exponents, std::size_t exponentBytes,
                std::size_t count) const {
  const Kernels& k = kernelsFor(count);
  Work work;
  work.items = count;
  work.part = filling(k);
  work.a = elements(bases);
  work.exponents = {exponents, exponentBytes, Input::Per::kItem, 0, nullptr};
  work.resultEach = bytes_;
  work.out = out;
  work.scratch = [&](const Target& on, std::size_t items) { return k.powScratch(on, items); };
  work.compute = [&](Target& on, const Place& at) {
    k.pow(on, at.result, at.a, at.bytes(), exponentBytes, at.count, at.scratch);
  };
  run(device_, work);
}

void Group::powShared(std::uint8_t* out, const std::uint8_t* bases, const std::uint8_t* exponents, std::size_t exponentBytes,
                      std::size_t width, std::size_t count) const {
  const Kernels& k = kernelsFor(count);
  Work work;
  work.items = count;
  work.part = filling(k);
  work.a = elements(bases);
  work.exponents = {exponents, exponentBytes * width, Input::Per::kCall, 0, nullptr};
  work.resultEach = width * bytes_;
  work.out = out;
  work.scratch = [&](const Target& on, std::size_t items) { return k.powSharedScratch(on, width, items); };
  work.compute = [&](Target& on, const Place& at) {
    k.powShared(on, at.result, at.a, at.bytes(), exponentBytes, width, at.count, at.scratch);
  };
  run(device_, work);
}

std::size_t Group::tableBytes(std::size_t exponentBytes, std::uint32_t digitBits) const {
  return kernels_.back()->tableBytes(exponentBytes, digitBits);
}

void Group::multiExp(std::uint8_t* out, const std::uint8_t* bases, const std::uint8_t* exponents, std::size_t exponentBytes,
                     std::size_t count) const {
  if (count == 0) {
    std::memcpy(out, ones(1).data(), bytes_);
    return;
  }
  const Kernels& k = kernelsFor(count / kernels::kBases);
  std::vector<std::uint8_t> shares;
  Work work;
  work.items = count;
  work.part = filling(k) * kernels::kBases;
  work.a = elements(bases);
  work.exponents = {exponents, exponentBytes, Input::Per::kItem, 0, nullptr};
  work.resultEach = bytes_;
  work.perPart = &shares;
  work.scratch = [&](const Target& on, std::size_t items) { return k.multiExpScratch(on, items); };
  work.compute = [&](Target& on, const Place& at) {
    k.multiExp(on, at.result, at.a, at.bytes(), exponentBytes, at.count, at.scratch);
  };
  run(device_, work);
  product(out, shares.data(), 1, shares.size() / bytes_);
}

}  // namespace millrace::library
