// The exported functions of kernels/api.h: they check what a caller in another language can get wrong, choose the path when
// a group is created, and let no exception through.
#include <cstdio>
#include <cstring>
#include <new>

#include "../kernels/status.h"
#include "group.h"

namespace millrace {

bool ifmaSupported() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512ifma") &&
         __builtin_cpu_supports("avx512vbmi");
#else
  return false;
#endif
}

void wipe(void* at, std::size_t length) {
  std::memset(at, 0, length);
  // The compiler must believe that somebody reads what was written.
  __asm__ __volatile__("" : : "r"(at) : "memory");
}

#if defined(__x86_64__)
template <> std::unique_ptr<Group> makeIfmaGroupOf<20>(const std::uint8_t*, std::uint32_t);
template <> std::unique_ptr<Group> makeIfmaGroupOf<40>(const std::uint8_t*, std::uint32_t);
template <> std::unique_ptr<Group> makeIfmaGroupOf<60>(const std::uint8_t*, std::uint32_t);
template <> std::unique_ptr<Group> makeIfmaGroupOf<80>(const std::uint8_t*, std::uint32_t);
template <> std::unique_ptr<Group> makeIfmaGroupOf<160>(const std::uint8_t*, std::uint32_t);
#endif

/// The smallest kernel with R > 4p: two bits more than the modulus. Null where none fits.
static std::unique_ptr<Group> makeIfmaGroup(const std::uint8_t* modulus, std::uint32_t bits) {
#if defined(__x86_64__)
  const std::uint32_t limbs = (bits + 2 + 51) / 52;
  if (limbs <= 20) return makeIfmaGroupOf<20>(modulus, bits);
  if (limbs <= 40) return makeIfmaGroupOf<40>(modulus, bits);
  if (limbs <= 60) return makeIfmaGroupOf<60>(modulus, bits);
  if (limbs <= 80) return makeIfmaGroupOf<80>(modulus, bits);
  if (limbs <= 160) return makeIfmaGroupOf<160>(modulus, bits);
#endif
  (void)modulus;
  (void)bits;
  return nullptr;
}

}  // namespace millrace

struct millrace_group {
  std::unique_ptr<millrace::Group> group;
};

namespace {

constexpr std::uint32_t kBitsMax = 8192;
constexpr std::size_t kExponentBytesMax = 2 * kBitsMax / 8;
constexpr std::uint32_t kDigitBitsMax = 8;

const char* deviceName(std::uint32_t device) {
  if (millrace::ifmaSupported()) return device == 0 ? "ifma" : device == 1 ? "portable" : nullptr;
  return device == 0 ? "portable" : nullptr;
}

bool isExponentLength(std::size_t bytes) { return bytes >= 1 && bytes <= kExponentBytesMax; }

template <class Work>
std::int32_t guarded(const millrace_group* group, bool valid, Work work) {
  if (group == nullptr || !valid) return MILLRACE_INVALID_ARGUMENT;
  try {
    return work(*group->group);
  } catch (const std::bad_alloc&) {
    return MILLRACE_OUT_OF_MEMORY;
  } catch (...) {
    return MILLRACE_DEVICE;
  }
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

uint32_t millrace_abi_version(void) { return MILLRACE_ABI_VERSION; }

const char* millrace_status_message(int32_t status) { return millrace::statusMessage(status); }

uint32_t millrace_device_count(void) { return millrace::ifmaSupported() ? 2 : 1; }

int32_t millrace_device_name(uint32_t device, char* name, size_t length) {
  const char* found = deviceName(device);
  if (found == nullptr || name == nullptr || length == 0) return MILLRACE_INVALID_ARGUMENT;
  std::snprintf(name, length, "%s", found);
  return MILLRACE_OK;
}

int32_t millrace_group_create(uint32_t device, const uint8_t* modulus, uint32_t bits, millrace_group** group) {
  const char* name = deviceName(device);
  if (name == nullptr || modulus == nullptr || group == nullptr) return MILLRACE_INVALID_ARGUMENT;
  if (bits < 64 || bits > kBitsMax || bits % 64 != 0 || (modulus[0] & 1) == 0) return MILLRACE_INVALID_ARGUMENT;
  if ((modulus[bits / 8 - 1] & 0x80) == 0) return MILLRACE_INVALID_ARGUMENT;
  try {
    auto made = std::strcmp(name, "ifma") == 0 ? millrace::makeIfmaGroup(modulus, bits) : millrace::makePortableGroup(modulus, bits);
    if (!made) return MILLRACE_UNSUPPORTED;
    *group = new millrace_group{std::move(made)};
    return MILLRACE_OK;
  } catch (const std::bad_alloc&) {
    return MILLRACE_OUT_OF_MEMORY;
  } catch (...) {
    return MILLRACE_DEVICE;
  }
}

void millrace_group_destroy(millrace_group* group) { delete group; }

int32_t millrace_prepare(const millrace_group* group, uint8_t* out, const uint8_t* a, size_t count) {
  return guarded(group, count == 0 || (out && a), [&](const millrace::Group& g) {
    g.prepare(out, a, count);
    return MILLRACE_OK;
  });
}

int32_t millrace_mul(const millrace_group* group, uint8_t* out, const uint8_t* a, const uint8_t* b, int32_t prepared, size_t count) {
  return guarded(group, count == 0 || (out && a && b), [&](const millrace::Group& g) {
    g.mul(out, a, b, prepared != 0, count);
    return MILLRACE_OK;
  });
}

int32_t millrace_mul_chain(const millrace_group* group, uint8_t* out, const uint8_t* a, const uint8_t* b, size_t times, size_t count) {
  return guarded(group, times > 0 && (count == 0 || (out && a && b)), [&](const millrace::Group& g) {
    if (count > 0) g.mulChain(out, a, b, times, count);
    return MILLRACE_OK;
  });
}

int32_t millrace_mul_gather(const millrace_group* group, uint8_t* out, const uint8_t* a, const uint32_t* source, const uint8_t* b,
                            int32_t prepared, size_t width, size_t from, size_t to) {
  return guarded(group, width > 0 && from <= to && (from == to || (out && a && b && source)), [&](const millrace::Group& g) {
    g.mulGather(out, a, source, b, prepared != 0, width, from, to);
    return MILLRACE_OK;
  });
}

int32_t millrace_pow(const millrace_group* group, uint8_t* out, const uint8_t* bases, const uint8_t* exponents, size_t exponent_bytes,
                     size_t count) {
  return guarded(group, isExponentLength(exponent_bytes) && (count == 0 || (out && bases && exponents)), [&](const millrace::Group& g) {
    g.pow(out, bases, exponents, exponent_bytes, count);
    return MILLRACE_OK;
  });
}

int32_t millrace_pow_shared(const millrace_group* group, uint8_t* out, const uint8_t* bases, const uint8_t* exponents,
                            size_t exponent_bytes, size_t width, size_t count) {
  const bool valid = isExponentLength(exponent_bytes) && (count == 0 || width == 0 || (out && bases && exponents));
  return guarded(group, valid, [&](const millrace::Group& g) {
    // No exponents: nothing is read or written, and the pointers may be null.
    if (width > 0) g.powShared(out, bases, exponents, exponent_bytes, width, count);
    return MILLRACE_OK;
  });
}

size_t millrace_table_bytes(const millrace_group* group, size_t exponent_bytes, uint32_t digit_bits) {
  if (group == nullptr || !isExponentLength(exponent_bytes) || digit_bits < 1 || digit_bits > kDigitBitsMax) return 0;
  return group->group->tableBytes(exponent_bytes, digit_bits);
}

int32_t millrace_table_fill(const millrace_group* group, void* table, const uint8_t* base, size_t exponent_bytes, uint32_t digit_bits) {
  const bool valid = table && base && millrace_table_bytes(group, exponent_bytes, digit_bits) > 0;
  return guarded(group, valid, [&](const millrace::Group& g) {
    g.tableFill(table, base, exponent_bytes, digit_bits);
    return MILLRACE_OK;
  });
}

int32_t millrace_pow_fixed(const millrace_group* group, uint8_t* out, const void* table, const uint8_t* exponents, size_t exponent_bytes,
                           uint32_t digit_bits, size_t count) {
  const bool valid = millrace_table_bytes(group, exponent_bytes, digit_bits) > 0 && (count == 0 || (out && table && exponents));
  return guarded(group, valid, [&](const millrace::Group& g) {
    g.powFixed(out, table, exponents, exponent_bytes, digit_bits, count);
    return MILLRACE_OK;
  });
}

int32_t millrace_invert(const millrace_group* group, uint8_t* out, const uint8_t* a, const uint8_t* blinding, size_t count) {
  return guarded(group, count == 0 || (out && a && blinding), [&](const millrace::Group& g) {
    return g.invert(out, a, blinding, count) ? MILLRACE_OK : MILLRACE_NOT_INVERTIBLE;
  });
}

int32_t millrace_product(const millrace_group* group, uint8_t* out, const uint8_t* a, size_t width, size_t slots) {
  return guarded(group, width == 0 || (out && (a || slots == 0)), [&](const millrace::Group& g) {
    g.product(out, a, width, slots);
    return MILLRACE_OK;
  });
}

int32_t millrace_multi_exp(const millrace_group* group, uint8_t* out, const uint8_t* bases, const uint8_t* exponents,
                           size_t exponent_bytes, size_t count) {
  return guarded(group, out && isExponentLength(exponent_bytes) && (count == 0 || (bases && exponents)), [&](const millrace::Group& g) {
    g.multiExp(out, bases, exponents, exponent_bytes, count);
    return MILLRACE_OK;
  });
}

// Functions for devices with memory of their own. This library computes in host memory: it keeps nothing and reads no argument.

int32_t millrace_device_error(char* text, size_t length) {
  if (text == nullptr || length == 0) return MILLRACE_INVALID_ARGUMENT;
  text[0] = 0;
  return MILLRACE_OK;
}

int32_t millrace_device_facts(uint32_t, char*, size_t) { return MILLRACE_UNSUPPORTED; }

int32_t millrace_keep_prepared(const millrace_group*, const uint8_t*, size_t, millrace_kept**) { return MILLRACE_UNSUPPORTED; }

int32_t millrace_keep_table(const millrace_group*, const uint8_t*, size_t, uint32_t, millrace_kept**) { return MILLRACE_UNSUPPORTED; }

void millrace_kept_release(millrace_kept*) {}

int32_t millrace_mul_kept(const millrace_group*, uint8_t*, const uint8_t*, const millrace_kept*, size_t, size_t) {
  return MILLRACE_UNSUPPORTED;
}

int32_t millrace_mul_gather_kept(const millrace_group*, uint8_t*, const uint8_t*, const uint32_t*, const millrace_kept*, size_t, size_t,
                                 size_t, size_t, size_t) {
  return MILLRACE_UNSUPPORTED;
}

int32_t millrace_pow_fixed_kept(const millrace_group*, uint8_t*, const millrace_kept*, const uint8_t*, size_t) {
  return MILLRACE_UNSUPPORTED;
}

}  // extern "C"
#pragma GCC visibility pop
