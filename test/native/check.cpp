// Drives every function of kernels/api.h on every path of the library, for a build under AddressSanitizer and UBSan
// (test/native/sanitizers.test.ts). Every buffer is malloc'ed to the byte, so that an access of one byte too many is detected;
// paths must agree byte for byte; bad arguments must return a status. `check short` gives one operation a buffer that is one
// byte too short: the sanitizer must end the process, to show that this program can fail.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "../../kernels/api.h"

namespace {

std::uint64_t state = 1;

/// SplitMix64: the same numbers in every run.
std::uint64_t random64() {
  std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

int failures = 0;

void expect(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "wrong: %s\n", what.c_str());
  failures++;
}

/// Memory of exactly this many bytes.
class Bytes {
 public:
  explicit Bytes(std::size_t length) : length_(length), at_(static_cast<std::uint8_t*>(std::malloc(length))) {
    if (length > 0) std::memset(at_, 0xa5, length);
  }
  Bytes(Bytes&& other) noexcept : length_(other.length_), at_(std::exchange(other.at_, nullptr)) {}
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  ~Bytes() { std::free(at_); }
  std::uint8_t* at() { return at_; }
  bool operator==(const Bytes& other) const {
    return length_ == other.length_ && (length_ == 0 || std::memcmp(at_, other.at_, length_) == 0);
  }

 private:
  std::size_t length_;
  std::uint8_t* at_;
};

Bytes randomBytes(std::size_t length) {
  Bytes out(length);
  for (std::size_t i = 0; i < length; i++) out.at()[i] = static_cast<std::uint8_t>(random64());
  return out;
}

/// Elements below 2^(bits − 2), so in range for every modulus; the first ones are 1 and all-ones.
Bytes elements(std::size_t count, std::size_t bytes) {
  Bytes out = randomBytes(count * bytes);
  for (std::size_t i = 0; i < count; i++) {
    std::uint8_t* element = out.at() + i * bytes;
    if (i % 7 == 1) std::memset(element, 0xff, bytes);
    if (i % 7 == 3) std::memset(element, 0, bytes);
    element[0] |= 1;
    element[bytes - 1] &= 0x3f;
  }
  return out;
}

/// An odd modulus: of the special form (lowest word of ones) or not.
std::vector<std::uint8_t> modulusOf(std::uint32_t bits, bool special) {
  std::vector<std::uint8_t> p(bits / 8);
  for (auto& byte : p) byte = static_cast<std::uint8_t>(random64());
  p.back() |= 0x80;
  if (special && bits > 64) std::memset(p.data(), 0xff, 8);
  else p[0] = static_cast<std::uint8_t>((p[0] | 1) & 0xfd);
  return p;
}

struct Inputs {
  std::size_t count, width, exponentBytes;
  std::uint32_t digitBits;
};

/// The results of every operation on one path.
std::vector<Bytes> runAll(millrace_group* g, std::size_t bytes, const Inputs& in) {
  const auto [count, width, exponentBytes, digitBits] = in;
  const std::size_t all = count * width;
  Bytes a = elements(all, bytes), b = elements(all, bytes), exponents = randomBytes(all * exponentBytes);
  if (all > 1) std::memset(exponents.at() + exponentBytes, 0, exponentBytes);
  std::vector<Bytes> out;
  const auto result = [&](std::size_t elementCount) -> std::uint8_t* {
    out.emplace_back(elementCount * bytes);
    return out.back().at();
  };
  const auto ok = [&](std::int32_t status, const char* what) { expect(status == MILLRACE_OK, what); };

  std::uint8_t* prepared = result(all);
  ok(millrace_prepare(g, prepared, b.at(), all), "prepare");
  ok(millrace_mul(g, result(all), a.at(), b.at(), 0, all), "mul");
  ok(millrace_mul(g, result(all), a.at(), prepared, 1, all), "mul, prepared");
  expect(out[1] == out[2], "plain and prepared products agree");
  ok(millrace_mul_chain(g, result(all), a.at(), prepared, 3, all), "mul_chain");
  ok(millrace_mul_chain(g, result(all), a.at(), prepared, 1, all), "mul_chain, one");
  expect(out[1] == out[4], "a chain of one product is that product");

  // A gather of the middle slots only, in reverse; the rest of the result is not changed.
  Bytes order(count * sizeof(std::uint32_t));
  for (std::size_t k = 0; k < count; k++) {
    const auto source = static_cast<std::uint32_t>(count - 1 - k);
    std::memcpy(order.at() + k * sizeof source, &source, sizeof source);
  }
  const auto* source = reinterpret_cast<const std::uint32_t*>(order.at());
  ok(millrace_mul_gather(g, result(all), a.at(), source, prepared, 1, width, count / 3, count - count / 4), "mul_gather");
  ok(millrace_mul_gather(g, result(all), a.at(), source, b.at(), 0, width, 0, count), "mul_gather, plain");

  ok(millrace_pow(g, result(all), a.at(), exponents.at(), exponentBytes, all), "pow");
  Bytes shared = randomBytes(width * exponentBytes);
  ok(millrace_pow_shared(g, result(all), a.at(), shared.at(), exponentBytes, width, count), "pow_shared");

  Bytes base = elements(1, bytes);
  base.at()[0] ^= 2;
  const std::size_t tableBytes = millrace_table_bytes(g, exponentBytes, digitBits);
  expect(tableBytes > 0, "table_bytes");
  Bytes table(tableBytes);
  ok(millrace_table_fill(g, table.at(), base.at(), exponentBytes, digitBits), "table_fill");
  ok(millrace_pow_fixed(g, result(all), table.at(), exponents.at(), exponentBytes, digitBits, all), "pow_fixed");

  // Moduli here are not prime: an element without an inverse is reported, by every path alike.
  Bytes blinding = elements(1, bytes);
  std::uint8_t* inverses = result(all);
  const std::int32_t inverted = millrace_invert(g, inverses, a.at(), blinding.at(), all);
  expect(inverted == MILLRACE_OK || inverted == MILLRACE_NOT_INVERTIBLE, "invert");
  if (inverted == MILLRACE_OK && all > 0) {
    Bytes ones(all * bytes), one(bytes);
    std::memset(one.at(), 0, bytes);
    one.at()[0] = 1;
    ok(millrace_mul(g, ones.at(), a.at(), inverses, 0, all), "mul of inverses");
    for (std::size_t i = 0; i < all; i++) expect(std::memcmp(ones.at() + i * bytes, one.at(), bytes) == 0, "a · a⁻¹ = 1");
  }
  ok(millrace_product(g, result(width), a.at(), width, count), "product");
  ok(millrace_multi_exp(g, result(1), a.at(), exponents.at(), exponentBytes, all), "multi_exp");
  return out;
}

void comparePaths(std::uint32_t bits, bool special, const std::vector<Inputs>& list) {
  const auto p = modulusOf(bits, special);
  std::vector<millrace_group*> groups(millrace_device_count(), nullptr);
  for (std::uint32_t device = 0; device < groups.size(); device++) {
    Bytes modulus(p.size());
    std::memcpy(modulus.at(), p.data(), p.size());
    expect(millrace_group_create(device, modulus.at(), bits, &groups[device]) == MILLRACE_OK, "group_create");
  }
  for (const Inputs& in : list) {
    const std::uint64_t seed = random64();
    state = seed;
    const auto truth = runAll(groups[0], p.size(), in);
    for (std::size_t device = 1; device < groups.size(); device++) {
      state = seed;
      const auto other = runAll(groups[device], p.size(), in);
      // Result 0 is the prepared form, which is each path's own.
      for (std::size_t i = 1; i < truth.size(); i++) {
        if (truth[i] == other[i]) continue;
        expect(false, "paths differ: result " + std::to_string(i) + " at " + std::to_string(bits) + " bits, count " +
                          std::to_string(in.count) + ", width " + std::to_string(in.width));
      }
    }
  }
  for (millrace_group* group : groups) millrace_group_destroy(group);
}

void badArguments() {
  const auto p = modulusOf(512, false);
  const auto refused = [](std::int32_t status, const char* what) { expect(status == MILLRACE_INVALID_ARGUMENT, what); };
  for (std::uint32_t device = 0; device < millrace_device_count(); device++) {
    millrace_group* g = nullptr;
    auto even = p, small = p;
    even[0] &= 0xfe;
    small.back() &= 0x7f;
    refused(millrace_group_create(device, nullptr, 512, &g), "no modulus");
    refused(millrace_group_create(device, p.data(), 512, nullptr), "no result");
    for (const std::uint32_t bits : {0u, 1u, 63u, 65u, 8256u, ~0u}) refused(millrace_group_create(device, p.data(), bits, &g), "bits");
    refused(millrace_group_create(device, even.data(), 512, &g), "even modulus");
    refused(millrace_group_create(device, small.data(), 512, &g), "short modulus");
    refused(millrace_group_create(99, p.data(), 512, &g), "device");
    expect(g == nullptr, "no group is made of bad arguments");
    expect(millrace_group_create(device, p.data(), 512, &g) == MILLRACE_OK, "group_create");
    Bytes x = elements(8, 64);
    std::uint8_t* at = x.at();
    refused(millrace_prepare(nullptr, at, at, 1), "prepare without a group");
    refused(millrace_prepare(g, nullptr, at, 1), "prepare");
    refused(millrace_mul(g, at, at, nullptr, 0, 1), "mul");
    refused(millrace_mul_gather(g, at, at, nullptr, at, 0, 1, 0, 1), "mul_gather without indices");
    refused(millrace_mul_gather(g, at, at, nullptr, at, 0, 0, 0, 0), "mul_gather of width 0");
    refused(millrace_mul_gather(g, at, at, nullptr, at, 0, 1, 1, 0), "mul_gather backwards");
    for (const std::size_t length : {std::size_t{0}, std::size_t{2049}}) {
      refused(millrace_pow(g, at, at, at, length, 1), "pow: exponent length");
      refused(millrace_pow_shared(g, at, at, at, length, 1, 1), "pow_shared: exponent length");
      refused(millrace_table_fill(g, at, at, length, 4), "table_fill: exponent length");
      refused(millrace_multi_exp(g, at, at, at, length, 1), "multi_exp: exponent length");
      expect(millrace_table_bytes(g, length, 4) == 0, "table_bytes: exponent length");
    }
    refused(millrace_pow_shared(g, nullptr, nullptr, nullptr, 1, 1, 1), "pow_shared");
    expect(millrace_pow_shared(g, nullptr, nullptr, nullptr, 1, 0, 5) == MILLRACE_OK, "pow_shared of no exponents");
    for (const std::uint32_t digit : {0u, 9u, ~0u}) {
      expect(millrace_table_bytes(g, 8, digit) == 0, "table_bytes: digit");
      refused(millrace_table_fill(g, at, at, 8, digit), "table_fill: digit");
      refused(millrace_pow_fixed(g, at, at, at, 8, digit, 1), "pow_fixed: digit");
    }
    refused(millrace_table_fill(g, nullptr, at, 8, 4), "table_fill without a table");
    refused(millrace_pow_fixed(g, at, nullptr, at, 8, 4, 1), "pow_fixed without a table");
    refused(millrace_invert(g, at, at, nullptr, 1), "invert without blinding");
    refused(millrace_product(g, nullptr, at, 1, 1), "product");
    refused(millrace_multi_exp(g, nullptr, nullptr, nullptr, 1, 0), "multi_exp");
    Bytes zero(64);
    std::memset(zero.at(), 0, 64);
    expect(millrace_invert(g, at, zero.at(), at, 1) == MILLRACE_NOT_INVERTIBLE, "zero has no inverse");
    millrace_group_destroy(g);
  }
  Bytes name(3);
  expect(millrace_device_name(0, reinterpret_cast<char*>(name.at()), 3) == MILLRACE_OK && name.at()[2] == 0, "short name");
  refused(millrace_device_name(99, reinterpret_cast<char*>(name.at()), 3), "name of no device");
  refused(millrace_device_name(0, reinterpret_cast<char*>(name.at()), 0), "name without room");
  for (std::int32_t status = -1; status < 9; status++) expect(millrace_status_message(status) != nullptr, "message");
  millrace_group_destroy(nullptr);
}

/// One byte less than 9 elements need: the sanitizer ends the process.
void shortBuffer() {
  const auto p = modulusOf(512, false);
  const std::uint32_t device = millrace_device_count() - 1;
  millrace_group* g = nullptr;
  millrace_group_create(device, p.data(), 512, &g);
  Bytes a = elements(9, 64), out(9 * 64 - 1);
  millrace_mul(g, out.at(), a.at(), a.at(), 0, 9);
  millrace_group_destroy(g);
  std::puts("nobody noticed");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "short") == 0) {
    shortBuffer();
    return 0;
  }
  expect(millrace_abi_version() == MILLRACE_ABI_VERSION, "abi_version");
  badArguments();
  std::vector<Inputs> every;
  for (std::size_t count = 0; count <= 20; count++) {
    every.push_back({count, 1 + count % 3, 1 + count % 9, static_cast<std::uint32_t>(1 + count % 8)});
  }
  for (const std::uint32_t bits : {64u, 192u, 512u, 1024u}) {
    for (const bool special : {false, true}) comparePaths(bits, special, every);
  }
  // 70 bases: more than one block of a multi-exponentiation.
  comparePaths(512, true, {{70, 1, 16, 5}, {33, 2, 33, 4}});
  const std::vector<Inputs> few = {{0, 1, 1, 1}, {1, 1, 33, 8}, {5, 2, 3, 5}, {9, 1, 8, 4}};
  for (const std::uint32_t bits : {1088u, 2048u, 3072u, 4096u, 4160u}) {
    for (const bool special : {false, true}) comparePaths(bits, special, few);
  }
  for (const bool special : {false, true}) comparePaths(8192, special, {{3, 1, 2, 3}});
  if (failures > 0) return 1;
  std::printf("ok on %u paths\n", millrace_device_count());
  return 0;
}
