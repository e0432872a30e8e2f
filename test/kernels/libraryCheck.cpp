// Drives the device library on host lanes under failures, for a build under AddressSanitizer and UBSan
// (test/kernels/libraryCheck.test.ts): missing memory, failing launches, a lost device, a flipped bit, many threads on one group.
// Each call must return a status and a text, the next call must be right again, nothing may leak, and nothing may be freed before
// it is wiped. `check short` gives a buffer that is one byte too short.
#include <atomic>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "../../kernels/api.h"
#include "../../kernels/library/hostFaults.h"

namespace {

constexpr std::uint32_t kBits = 2048;
constexpr std::size_t kBytes = kBits / 8, kCount = 37, kExponent = 2;
using Bytes = std::vector<std::uint8_t>;

std::atomic<int> failures{0};

void expect(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "wrong: %s\n", what.c_str());
  failures++;
}

/// Numbers below 2^(bits − 2), odd; the same for a seed.
Bytes elements(std::size_t count, std::uint64_t seed) {
  Bytes out(count * kBytes);
  for (auto& byte : out) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<std::uint8_t>(seed >> 56);
  }
  for (std::size_t i = 0; i < count; i++) {
    out[i * kBytes] |= 1;
    out[(i + 1) * kBytes - 1] &= 0x3f;
  }
  return out;
}

/// The largest prime below 2^2048: 2^2048 − 1942289.
Bytes modulus() {
  Bytes p(kBytes, 0xff);
  p[0] = 0xef;
  p[1] = 0x5c;
  p[2] = 0xe2;
  return p;
}

std::string deviceError() {
  char text[256];
  expect(millrace_device_error(text, sizeof text) == MILLRACE_OK, "device_error");
  return text;
}

struct Inputs {
  Bytes a = elements(kCount, 1), b = elements(kCount, 2), blinding = elements(1, 3), exponents = elements(kCount, 4);
  std::vector<std::uint32_t> source = std::vector<std::uint32_t>(kCount);
  Inputs() {
    for (std::size_t k = 0; k < kCount; k++) source[k] = static_cast<std::uint32_t>(kCount - 1 - k);
  }
};

struct Operation {
  const char* name;
  std::function<std::int32_t(const millrace_group*, const Inputs&, std::uint8_t* out)> run;
};

std::int32_t withResident(const millrace_group* g, const Inputs& in, std::uint8_t* out) {
  millrace_kept *operand = nullptr, *table = nullptr;
  std::int32_t status = millrace_keep_prepared(g, in.b.data(), kCount, &operand);
  if (status == MILLRACE_OK) status = millrace_mul_gather_kept(g, out, in.a.data(), in.source.data(), operand, 0, 1, kCount, 0, kCount);
  if (status == MILLRACE_OK) status = millrace_keep_table(g, in.a.data(), kExponent, 4, &table);
  if (status == MILLRACE_OK) status = millrace_pow_fixed_kept(g, out, table, in.exponents.data(), 5);
  millrace_kept_release(operand);
  millrace_kept_release(table);
  return status;
}

const std::vector<Operation>& operations() {
  static const std::vector<Operation> all = {
      {"prepare", [](auto g, auto& in, auto out) { return millrace_prepare(g, out, in.a.data(), kCount); }},
      {"mul", [](auto g, auto& in, auto out) { return millrace_mul(g, out, in.a.data(), in.b.data(), 0, kCount); }},
      {"mul_gather",
       [](auto g, auto& in, auto out) {
         return millrace_mul_gather(g, out, in.a.data(), in.source.data(), in.b.data(), 0, 1, 0, kCount);
       }},
      {"pow", [](auto g, auto& in, auto out) { return millrace_pow(g, out, in.a.data(), in.exponents.data(), kExponent, kCount); }},
      {"pow_shared",
       [](auto g, auto& in, auto out) { return millrace_pow_shared(g, out, in.a.data(), in.exponents.data(), kExponent, 2, 18); }},
      {"invert", [](auto g, auto& in, auto out) { return millrace_invert(g, out, in.a.data(), in.blinding.data(), kCount); }},
      {"product", [](auto g, auto& in, auto out) { return millrace_product(g, out, in.a.data(), 1, kCount); }},
      {"multi_exp",
       [](auto g, auto& in, auto out) { return millrace_multi_exp(g, out, in.a.data(), in.exponents.data(), kExponent, kCount); }},
      {"resident", withResident},
  };
  return all;
}

millrace_group* groupOn(std::uint32_t device) {
  millrace_group* g = nullptr;
  const Bytes p = modulus();
  expect(millrace_group_create(device, p.data(), kBits, &g) == MILLRACE_OK, "group_create");
  return g;
}

Bytes resultOf(const millrace_group* g, const Operation& operation, const Inputs& in) {
  Bytes out(kCount * kBytes, 0);
  expect(operation.run(g, in, out.data()) == MILLRACE_OK, operation.name);
  return out;
}

/// Each operation, with the fault in its first event, its second, and so on until it is no longer reached.
void faultsEverywhere(const Inputs& in) {
  const struct {
    const char* kind;
    std::int32_t status;
  } faults[] = {{"launch", MILLRACE_DEVICE}, {"allocate", MILLRACE_OUT_OF_MEMORY}, {"pinned", MILLRACE_OUT_OF_MEMORY}};
  for (const Operation& operation : operations()) {
    millrace_group* g = groupOn(0);
    const Bytes truth = resultOf(g, operation, in);
    millrace_group_destroy(g);
    for (const auto& fault : faults) {
      const bool launch = fault.status == MILLRACE_DEVICE;
      int met = 0;
      for (std::uint32_t after = 0; after < 60; after++) {
        // A group of its own: it has no lane yet, so it must allocate memory.
        g = groupOn(0);
        const std::uint64_t before = millrace_host_count("allocations");
        expect(millrace_host_fault(fault.kind, after) == 0, fault.kind);
        Bytes out(kCount * kBytes, 0);
        const std::int32_t status = operation.run(g, in, out.data());
        millrace_host_fault(nullptr, 0);
        // A single failed allocation is compensated by other memory or smaller parts.
        expect(status == MILLRACE_OK || status == fault.status, std::string(operation.name) + ": " + fault.kind);
        if (status == MILLRACE_OK) expect(out == truth, std::string(operation.name) + " after " + fault.kind);
        else expect(!deviceError().empty(), "text of the failure");
        met += status == fault.status || millrace_host_count("allocations") - before == 0;
        expect(resultOf(g, operation, in) == truth, std::string(operation.name) + " again after " + fault.kind);
        millrace_group_destroy(g);
        if (launch && status == MILLRACE_OK) break;
        if (!launch && after > 6) break;
      }
      if (launch) expect(met > 0, std::string(operation.name) + " launches");
    }
  }
}

void memoryThatStaysAway(const Inputs& in) {
  millrace_group* g = groupOn(0);
  millrace_host_memory(millrace_host_count("liveBytes"));
  for (const Operation& operation : operations()) {
    Bytes out(kCount * kBytes, 0);
    expect(operation.run(g, in, out.data()) == MILLRACE_OUT_OF_MEMORY, std::string(operation.name) + " without memory");
    expect(deviceError().find("bytes") != std::string::npos, "text without memory");
  }
  millrace_host_memory(std::size_t{1} << 30);
  resultOf(g, operations()[0], in);
  millrace_group_destroy(g);
}

/// One bit of a result is flipped, and the library does not detect it: the reason why the engine samples results.
void flippedBit(const Inputs& in) {
  millrace_group* g = groupOn(0);
  const Operation& mul = operations()[1];
  const Bytes truth = resultOf(g, mul, in);
  millrace_host_fault("flip", 1);
  const Bytes flipped = resultOf(g, mul, in);
  int bits = 0;
  for (std::size_t i = 0; i < truth.size(); i++) bits += __builtin_popcount(truth[i] ^ flipped[i]);
  expect(bits == 1, "one bit flipped");
  expect(resultOf(g, mul, in) == truth, "none after that");
  millrace_group_destroy(g);
}

/// A lost device stays lost, with one text, for existing groups and for new ones; the other device continues.
void lostDevice(const Inputs& in) {
  millrace_group *g = groupOn(1), *other = groupOn(0);
  const Bytes truth = resultOf(other, operations()[3], in);
  millrace_kept* resident = nullptr;
  expect(millrace_keep_prepared(g, in.a.data(), kCount, &resident) == MILLRACE_OK, "keep_prepared");
  millrace_host_fault("lost", 2);
  std::string said;
  for (const Operation& operation : operations()) {
    Bytes out(kCount * kBytes, 0);
    const std::uint64_t launches = millrace_host_count("launches");
    expect(operation.run(g, in, out.data()) == MILLRACE_DEVICE || said.empty(), std::string(operation.name) + " on a lost device");
    if (!said.empty()) expect(deviceError() == said && millrace_host_count("launches") == launches, "fails at once with the same text");
    if (said.empty()) said = deviceError();
  }
  expect(said.find("lost") != std::string::npos, "text of the loss: " + said);
  millrace_group* fresh = nullptr;
  const Bytes p = modulus();
  expect(millrace_group_create(1, p.data(), kBits, &fresh) == MILLRACE_DEVICE && fresh == nullptr, "no group on a lost device");
  expect(resultOf(other, operations()[3], in) == truth, "the other device computes");
  millrace_kept_release(resident);
  millrace_group_destroy(g);
  millrace_group_destroy(other);
}

/// More threads than a device has lanes, every operation on one group at the same time; resident operands outlive the group.
void threads(const Inputs& in) {
  millrace_group* g = groupOn(0);
  std::vector<Bytes> truth;
  for (const Operation& operation : operations()) truth.push_back(resultOf(g, operation, in));
  std::vector<std::thread> running;
  for (std::size_t thread = 0; thread < 9; thread++) {
    running.emplace_back([&, thread] {
      for (std::size_t turn = 0; turn < operations().size(); turn++) {
        const std::size_t which = (thread + turn) % operations().size();
        expect(resultOf(g, operations()[which], in) == truth[which], std::string(operations()[which].name) + " beside others");
      }
    });
  }
  for (auto& thread : running) thread.join();
  millrace_kept* resident = nullptr;
  expect(millrace_keep_prepared(g, in.b.data(), kCount, &resident) == MILLRACE_OK, "keep_prepared");
  millrace_group_destroy(g);
  millrace_kept_release(resident);
  millrace_kept_release(nullptr);
}

void shortBuffer(const Inputs& in) {
  millrace_group* g = groupOn(0);
  Bytes out(kCount * kBytes - 1);
  operations()[1].run(g, in, out.data());
  std::puts("nobody noticed");
}

}  // namespace

int main(int argc, char** argv) {
  const Inputs in;
  if (argc > 1 && std::strcmp(argv[1], "short") == 0) {
    shortBuffer(in);
    return 0;
  }
  threads(in);
  faultsEverywhere(in);
  memoryThatStaysAway(in);
  flippedBit(in);
  lostDevice(in);
  expect(millrace_host_fault("no such fault", 0) != 0, "unknown fault");
  expect(millrace_host_count("liveBytes") == 0, "memory is left");
  expect(millrace_host_count("unwiped") == 0, "memory was freed unwiped");
  if (failures > 0) return 1;
  std::printf("ok with %llu launches\n", static_cast<unsigned long long>(millrace_host_count("launches")));
  return 0;
}
