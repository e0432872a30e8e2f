// The exported functions of kernels/api.h for devices with memory of their own. They check all that a caller in another language can
// get wrong before anything is allocated, let no exception through, and remember the device's error text.
#include <cstdio>
#include <cstring>
#include <new>

#include "../status.h"
#include "group.h"

using millrace::library::Device;
using millrace::library::Failure;
using millrace::library::Group;
using millrace::library::Resident;

struct millrace_group {
  std::shared_ptr<Group> group;
};

struct millrace_kept {
  std::unique_ptr<Resident> resident;
};

namespace {

constexpr std::uint32_t kBitsMax = 8192;
constexpr std::size_t kExponentBytesMax = 2 * kBitsMax / 8;
constexpr std::uint32_t kDigitBitsMax = 8;

/// Error text of the last failed call of this thread.
thread_local std::string lastError;

std::int32_t failed(const Failure& failure) noexcept {
  try {
    lastError = failure.text;
  } catch (...) {
    lastError.clear();
  }
  return failure.status;
}

template <class Work>
std::int32_t guarded(Device* device, Work work) noexcept {
  try {
    device->enter();
    return work();
  } catch (const Failure& failure) {
    if (failure.status == MILLRACE_DEVICE) device->examine(failure.text);
    return failed(failure);
  } catch (const std::bad_alloc&) {
    // Texts this short need no memory.
    return failed({MILLRACE_OUT_OF_MEMORY, "host memory"});
  } catch (...) {
    return failed({MILLRACE_DEVICE, "unexpected"});
  }
}

template <class Work>
std::int32_t onGroup(const millrace_group* group, Work work) noexcept {
  return guarded(&group->group->device(), [&] {
    work(*group->group);
    return MILLRACE_OK;
  });
}

bool isExponentLength(std::size_t bytes) { return bytes >= 1 && bytes <= kExponentBytesMax; }
bool isDigit(std::uint32_t bits) { return bits >= 1 && bits <= kDigitBitsMax; }

/// True if a batch of x·y items of `each` bytes can be anywhere in memory.
bool exists(std::size_t x, std::size_t y, std::size_t each) {
  std::size_t items, bytes;
  return !__builtin_mul_overflow(x, y, &items) && !__builtin_mul_overflow(items, each, &bytes) && bytes <= SIZE_MAX / 4;
}

/// The same for x·y elements of a group, which must not be null.
bool batches(const millrace_group* group, std::size_t x, std::size_t y = 1) {
  return group != nullptr && exists(x, y, group->group->bytes());
}

/// True if all pointers are given; they are needed only if there is `any` work.
template <class... Pointers>
bool given(bool any, Pointers... pointers) {
  return !any || ((pointers != nullptr) && ...);
}

bool isOf(const millrace_group* group, const millrace_kept* resident, Resident::Kind kind) {
  return resident != nullptr && resident->resident->kind == kind && resident->resident->group == group->group;
}

/// True if `count` elements from `first` on are resident.
bool holds(const millrace_kept* resident, std::size_t first, std::size_t count) {
  return first <= resident->resident->count && count <= resident->resident->count - first;
}

std::int32_t writeText(const std::string& text, char* to, std::size_t length) {
  if (to == nullptr || length == 0) return MILLRACE_INVALID_ARGUMENT;
  std::snprintf(to, length, "%s", text.c_str());
  return MILLRACE_OK;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ') continue;
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string factsOf(const millrace::library::DeviceFacts& facts) {
  const auto version = [](int number) { return '"' + std::to_string(number / 1000) + '.' + std::to_string(number % 1000 / 10) + '"'; };
  return "{\"name\":" + quoted(facts.name) + ",\"multiprocessors\":" + std::to_string(facts.multiprocessors) +
         ",\"memoryBytes\":" + std::to_string(facts.memoryBytes) + ",\"computeCapability\":\"" + std::to_string(facts.major) + '.' +
         std::to_string(facts.minor) + "\",\"driver\":" + version(facts.driver) + ",\"runtime\":" + version(facts.runtime) + '}';
}

/// The device of an index, null if there is none or opening it fails; the error goes to `status`.
Device* find(std::uint32_t index, std::int32_t& status) noexcept {
  status = MILLRACE_INVALID_ARGUMENT;
  try {
    return millrace::library::deviceAt(index);
  } catch (const Failure& failure) {
    status = failed(failure);
  } catch (...) {
    status = MILLRACE_OUT_OF_MEMORY;
  }
  return nullptr;
}

std::int32_t keep(const millrace_group* group, millrace_kept** resident, const std::function<std::unique_ptr<Resident>(const Group&)>& make) {
  return onGroup(group, [&](const Group& g) {
    auto handle = std::make_unique<millrace_kept>();
    handle->resident = make(g);
    *resident = handle.release();
  });
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

uint32_t millrace_abi_version(void) { return MILLRACE_ABI_VERSION; }

const char* millrace_status_message(int32_t status) { return millrace::statusMessage(status); }

uint32_t millrace_device_count(void) {
  std::string why;
  return millrace::library::runtime::deviceCount(why);
}

int32_t millrace_device_name(uint32_t device, char* name, size_t length) {
  std::int32_t status;
  Device* found = find(device, status);
  return found == nullptr ? status : writeText(found->facts().name, name, length);
}

int32_t millrace_device_facts(uint32_t device, char* text, size_t length) {
  std::int32_t status;
  Device* found = find(device, status);
  if (found == nullptr) return status;
  return guarded(found, [&] {
    const std::string facts = factsOf(found->facts());
    return facts.size() < length ? writeText(facts, text, length) : MILLRACE_INVALID_ARGUMENT;
  });
}

int32_t millrace_device_error(char* text, size_t length) {
  std::string why;
  const bool none = millrace::library::runtime::deviceCount(why) == 0;
  return writeText(none ? why : lastError, text, length);
}

int32_t millrace_group_create(uint32_t device, const uint8_t* modulus, uint32_t bits, millrace_group** group) {
  if (modulus == nullptr || group == nullptr) return MILLRACE_INVALID_ARGUMENT;
  if (bits < 64 || bits > kBitsMax || bits % 64 != 0 || (modulus[0] & 1) == 0) return MILLRACE_INVALID_ARGUMENT;
  if ((modulus[bits / 8 - 1] & 0x80) == 0) return MILLRACE_INVALID_ARGUMENT;
  std::int32_t status;
  Device* found = find(device, status);
  if (found == nullptr) return status;
  return guarded(found, [&] {
    auto made = std::make_unique<millrace_group>();
    made->group = std::make_shared<Group>(*found, modulus, bits);
    *group = made.release();
    return MILLRACE_OK;
  });
}

void millrace_group_destroy(millrace_group* group) { delete group; }

int32_t millrace_prepare(const millrace_group* group, uint8_t* out, const uint8_t* a, size_t count) {
  if (!batches(group, count) || !given(count > 0, out, a)) return MILLRACE_INVALID_ARGUMENT;
  return onGroup(group, [&](const Group& g) { g.prepare(out, a, count); });
}

int32_t millrace_mul(const millrace_group* group, uint8_t* out, const uint8_t* a, const uint8_t* b, int32_t prepared, size_t count) {
  if (!batches(group, count) || !given(count > 0, out, a, b)) return MILLRACE_INVALID_ARGUMENT;
  return onGroup(group, [&](const Group& g) { g.mul(out, a, b, prepared != 0, count); });
}

int32_t millrace_mul_chain(const millrace_group* group, uint8_t* out, const uint8_t* a, const uint8_t* b, size_t times, size_t count) {
  if (times == 0 || !batches(group, count) || !given(count > 0, out, a, b)) return MILLRACE_INVALID_ARGUMENT;
  return onGroup(group, [&](const Group& g) { g.mulChain(out, a, b, times, count); });
}

int32_t millrace_mul_gather(const millrace_group* group, uint8_t* out, const uint8_t* a, const uint32_t* source, const uint8_t* b,
                            int32_t prepared, size_t width, size_t from, size_t to) {
  if (width == 0 || from > to || !batches(group, width, to) || !given(from < to, out, a, source, b)) return MILLRACE_INVALID_ARGUMENT;
  return onGroup(group, [&](const Group& g) { g.mulGather(out, a, source, b, prepared != 0, width, from, to); });
}

int32_t millrace_pow(const millrace_group* group, uint8_t* out, const uint8_t* bases, const uint8_t* exponents, size_t exponent_bytes,
                     size_t count) {
  if (!isExponentLength(exponent_bytes) || !batches(group, count) || !exists(count, 1, exponent_bytes)) return MILLRACE_INVALID_ARGUMENT;
  if (!given(count > 0, out, bases, exponents)) return MILLRACE_INVALID_ARGUMENT;
  return onGroup(group, [&](const Group& g) { g.pow(out, bases, exponents, exponent_bytes, count); });
}

int32_t millrace_pow_shared(const millrace_group* group, uint8_t* out, const uint8_t* bases, const uint8_t* exponents,
                            size_t exponent_bytes, size_t width, size_t count) {
  if (!isExponentLength(exponent_bytes) || !batches(group, count, width) || !exists(width, 1, exponent_bytes)) {
    return MILLRACE_INVALID_ARGUMENT;
  }
  const bool any = width > 0 && count > 0;
  if (!given(any, out, bases, exponents)) return MILLRACE_INVALID_ARGUMENT;
  return onGroup(group, [&](const Group& g) {
    if (any) g.powShared(out, bases, exponents, exponent_bytes, width, count);
  });
}

size_t millrace_table_bytes(const millrace_group* group, size_t exponent_bytes, uint32_t digit_bits) {
  if (group == nullptr || !isExponentLength(exponent_bytes) || !isDigit(digit_bits)) return 0;
  return group->group->tableBytes(exponent_bytes, digit_bits);
}

int32_t millrace_table_fill(const millrace_group* group, void*, const uint8_t*, size_t, uint32_t) {
  return group == nullptr ? MILLRACE_INVALID_ARGUMENT : MILLRACE_UNSUPPORTED;
}

int32_t millrace_pow_fixed(const millrace_group* group, uint8_t*, const void*, const uint8_t*, size_t, uint32_t, size_t) {
  return group == nullptr ? MILLRACE_INVALID_ARGUMENT : MILLRACE_UNSUPPORTED;
}

int32_t millrace_invert(const millrace_group* group, uint8_t* out, const uint8_t* a, const uint8_t* blinding, size_t count) {
  if (!batches(group, count) || !given(count > 0, out, a, blinding)) return MILLRACE_INVALID_ARGUMENT;
  return guarded(&group->group->device(),
                 [&] { return group->group->invert(out, a, blinding, count) ? MILLRACE_OK : MILLRACE_NOT_INVERTIBLE; });
}

int32_t millrace_product(const millrace_group* group, uint8_t* out, const uint8_t* a, size_t width, size_t slots) {
  if (!batches(group, width) || !batches(group, width, slots)) return MILLRACE_INVALID_ARGUMENT;
  if (!given(width > 0, out) || !given(width > 0 && slots > 0, a)) return MILLRACE_INVALID_ARGUMENT;
  return onGroup(group, [&](const Group& g) {
    if (width > 0) g.product(out, a, width, slots);
  });
}

int32_t millrace_multi_exp(const millrace_group* group, uint8_t* out, const uint8_t* bases, const uint8_t* exponents,
                           size_t exponent_bytes, size_t count) {
  if (out == nullptr || !isExponentLength(exponent_bytes) || !batches(group, count)) return MILLRACE_INVALID_ARGUMENT;
  if (!exists(count, 1, exponent_bytes) || !given(count > 0, bases, exponents)) return MILLRACE_INVALID_ARGUMENT;
  return onGroup(group, [&](const Group& g) { g.multiExp(out, bases, exponents, exponent_bytes, count); });
}

int32_t millrace_keep_prepared(const millrace_group* group, const uint8_t* a, size_t count, millrace_kept** resident) {
  if (resident == nullptr || !batches(group, count) || !given(count > 0, a)) return MILLRACE_INVALID_ARGUMENT;
  return keep(group, resident, [&](const Group& g) { return g.makeResidentPrepared(a, count); });
}

int32_t millrace_keep_table(const millrace_group* group, const uint8_t* base, size_t exponent_bytes, uint32_t digit_bits,
                            millrace_kept** resident) {
  const bool valid = group && base && resident && isExponentLength(exponent_bytes) && isDigit(digit_bits);
  if (!valid) return MILLRACE_INVALID_ARGUMENT;
  return keep(group, resident, [&](const Group& g) { return g.makeResidentTable(base, exponent_bytes, digit_bits); });
}

void millrace_kept_release(millrace_kept* resident) { delete resident; }

int32_t millrace_mul_kept(const millrace_group* group, uint8_t* out, const uint8_t* a, const millrace_kept* resident, size_t first,
                          size_t count) {
  if (!batches(group, count) || !isOf(group, resident, Resident::Kind::kPrepared) || !holds(resident, first, count)) return MILLRACE_INVALID_ARGUMENT;
  if (!given(count > 0, out, a)) return MILLRACE_INVALID_ARGUMENT;
  return onGroup(group, [&](const Group& g) { g.mulResident(out, a, *resident->resident, first, count); });
}

int32_t millrace_mul_gather_kept(const millrace_group* group, uint8_t* out, const uint8_t* a, const uint32_t* source,
                                 const millrace_kept* resident, size_t first, size_t width, size_t slots, size_t from, size_t to) {
  if (width == 0 || from > to || to > slots || !batches(group, width, slots)) return MILLRACE_INVALID_ARGUMENT;
  if (!isOf(group, resident, Resident::Kind::kPrepared) || !holds(resident, first, width * to)) return MILLRACE_INVALID_ARGUMENT;
  if (!given(from < to, out, a, source)) return MILLRACE_INVALID_ARGUMENT;
  for (std::size_t k = from; k < to; k++) {
    if (source[k] >= slots) return MILLRACE_INVALID_ARGUMENT;
  }
  return onGroup(group, [&](const Group& g) { g.mulGatherResident(out, a, source, *resident->resident, first, width, from, to); });
}

int32_t millrace_pow_fixed_kept(const millrace_group* group, uint8_t* out, const millrace_kept* resident, const uint8_t* exponents,
                                size_t count) {
  if (!batches(group, count) || !isOf(group, resident, Resident::Kind::kTable)) return MILLRACE_INVALID_ARGUMENT;
  if (!exists(count, 1, resident->resident->exponentBytes) || !given(count > 0, out, exponents)) return MILLRACE_INVALID_ARGUMENT;
  return onGroup(group, [&](const Group& g) { g.powFixedResident(out, *resident->resident, exponents, count); });
}

}  // extern "C"
#pragma GCC visibility pop
