// A fixed-versus-random timing test of the native library, by the method of dudect (O. Reparaz, J. Balasch, I. Verbauwhede,
// "Dude, is my code constant time?", DATE 2017). For every sample a coin chooses whether the secret input is a fixed, extreme
// one or a fresh random one; both are written to the same place by the same code; the operation alone is timed. If time does
// not depend on the secret, the two classes have the same mean: Welch's t stays small. Long tails (interrupts, other
// processes) are cropped at percentiles of all samples together, and the largest |t| of all crops counts.
//
// Three operations below leak on purpose: the test is worth something only if it finds them.
//
//   dudect --bits B --samples N --power-samples M --only TEXT      one line of JSON per operation on standard output
#include <x86intrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "../../kernels/api.h"

namespace {

constexpr std::size_t kLanes = 8;
constexpr std::size_t kExponentBytes = 32;
constexpr std::uint32_t kDigitBits = 5;
/// Samples whose inputs are drawn before any of them is timed.
constexpr std::size_t kRun = 64;
/// Where samples are cropped: this share of the fastest ones is kept.
constexpr double kCrops[] = {1.0, 0.99, 0.95, 0.9, 0.75, 0.5};

std::uint64_t state[4];

/// xoshiro256**, seeded from the clock: a new run draws new samples.
std::uint64_t random64() {
  const auto rotate = [](std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); };
  const std::uint64_t result = rotate(state[1] * 5, 7) * 9, t = state[1] << 17;
  state[2] ^= state[0];
  state[3] ^= state[1];
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= t;
  state[3] = rotate(state[3], 45);
  return result;
}

void randomFill(std::uint8_t* at, std::size_t length) {
  for (std::size_t i = 0; i < length; i += 8) {
    const std::uint64_t word = random64();
    std::memcpy(at + i, &word, std::min<std::size_t>(8, length - i));
  }
}

using Bytes = std::vector<std::uint8_t>;

/// Elements at random, in range: below a quarter of 2^bits.
void randomElements(std::uint8_t* at, std::size_t count, std::size_t bytes) {
  randomFill(at, count * bytes);
  for (std::size_t i = 0; i < count; i++) {
    at[i * bytes] |= 1;
    at[i * bytes + bytes - 1] &= 0x3f;
  }
}

struct Target {
  std::string name;
  std::string fixed;
  /// operation, control (leaks on purpose), zeros (an operation on nothing but zeros), processor or null: see run.mjs.
  std::string kind;
  std::size_t samples;
  /// The secret of the fixed class, all lanes alike; `random` draws one of the same length.
  Bytes secret;
  std::function<void(std::uint8_t*)> random;
  /// Before each sample, outside of the time taken.
  std::function<void()> refresh;
  std::function<void(const std::uint8_t*)> operation;
  /// Both classes are random: what the test itself makes of nothing.
  bool null = false;
};

struct Moments {
  double n = 0, mean = 0, squares = 0;
  void add(double x) {
    n++;
    const double delta = x - mean;
    mean += delta / n;
    squares += delta * (x - mean);
  }
};

double welch(const Moments& a, const Moments& b) {
  if (a.n < 2 || b.n < 2) return 0;
  const double spread = a.squares / (a.n - 1) / a.n + b.squares / (b.n - 1) / b.n;
  // Two classes without any spread at all: the same, or as different as can be.
  if (spread == 0) return a.mean == b.mean ? 0 : INFINITY;
  return (a.mean - b.mean) / std::sqrt(spread);
}

struct Sample {
  std::uint64_t cycles;
  bool fixed;
};

std::vector<Sample> measure(const Target& target) {
  const std::size_t length = target.secret.size();
  std::vector<Sample> samples;
  samples.reserve(target.samples);
  Bytes inputs(kRun * length), secret(length), drawn(length);
  bool classes[kRun];
  // The first run warms caches and clocks up, and does not count.
  for (bool counts = false; samples.size() < target.samples; counts = true) {
    for (std::size_t i = 0; i < kRun; i++) {
      // Both inputs are read in either class, and one is kept by a mask: caches and branches know nothing of the coin.
      target.random(drawn.data());
      classes[i] = (random64() >> 63) != 0;
      const auto mask = static_cast<std::uint8_t>(0 - static_cast<unsigned>(classes[i] & !target.null));
      std::uint8_t* input = inputs.data() + i * length;
      for (std::size_t k = 0; k < length; k++) {
        input[k] = static_cast<std::uint8_t>((target.secret[k] & mask) | (drawn[k] & ~mask));
      }
    }
    for (std::size_t i = 0; i < kRun; i++) {
      std::memcpy(secret.data(), inputs.data() + i * length, length);
      if (target.refresh) target.refresh();
      unsigned processor;
      _mm_mfence();
      _mm_lfence();
      const std::uint64_t begun = __rdtsc();
      _mm_lfence();
      target.operation(secret.data());
      const std::uint64_t ended = __rdtscp(&processor);
      _mm_lfence();
      if (counts && samples.size() < target.samples) samples.push_back({ended - begun, classes[i]});
    }
  }
  return samples;
}

void report(const Target& target) {
  const auto samples = measure(target);
  std::vector<std::uint64_t> sorted;
  for (const Sample& sample : samples) sorted.push_back(sample.cycles);
  std::sort(sorted.begin(), sorted.end());
  double worst = 0, crop = 1, difference = 0;
  for (const double share : kCrops) {
    const std::uint64_t limit = sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
    Moments fixed, random;
    for (const Sample& sample : samples) {
      if (sample.cycles <= limit) (sample.fixed ? fixed : random).add(static_cast<double>(sample.cycles));
    }
    const double t = welch(fixed, random);
    if (std::fabs(t) <= std::fabs(worst)) continue;
    worst = t;
    crop = share;
    difference = (fixed.mean - random.mean) / random.mean;
  }
  // JSON has no infinity.
  const double t = std::isinf(worst) ? std::copysign(1e9, worst) : worst;
  std::printf("{\"operation\":\"%s\",\"fixed\":\"%s\",\"kind\":\"%s\",\"samples\":%zu,\"medianCycles\":%llu,\"t\":%.3f,\"crop\":%.2f,"
              "\"difference\":%.3e}\n",
              target.name.c_str(), target.fixed.c_str(), target.kind.c_str(), samples.size(),
              static_cast<unsigned long long>(sorted[sorted.size() / 2]), t, crop, difference);
  std::fflush(stdout);
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "dudect: %s\n", what);
  std::exit(2);
}

/// Everything that operations read and write besides the secret: always at the same place.
struct Workplace {
  std::size_t bytes;
  millrace_group* group = nullptr;
  Bytes out, other, prepared, bases, blinding, table, square;
  /// Public here: what mulGather reads where is not hidden, the elements are.
  const std::uint32_t order[kLanes] = {3, 1, 4, 0, 5, 7, 2, 6};

  explicit Workplace(std::uint32_t bits, const Bytes& p)
      : bytes(bits / 8), out(3 * kLanes * bytes), other(kLanes * bytes), prepared(kLanes * bytes), bases(kLanes * bytes), blinding(bytes),
        square(bytes) {
    if (millrace_group_create(0, p.data(), bits, &group) != MILLRACE_OK) fail("no group");
    randomElements(other.data(), kLanes, bytes);
    randomElements(bases.data(), kLanes, bytes);
    randomElements(blinding.data(), 1, bytes);
    if (millrace_prepare(group, prepared.data(), other.data(), kLanes) != MILLRACE_OK) fail("prepare");
    table.resize(millrace_table_bytes(group, kExponentBytes, kDigitBits));
    if (millrace_table_fill(group, table.data(), bases.data(), kExponentBytes, kDigitBits) != MILLRACE_OK) fail("table");
  }
  ~Workplace() { millrace_group_destroy(group); }
};

/// Thousands of multiply-adds on registers: no branch, no table, no memory that depends on anything. If its time differs
/// between zeros and random numbers, then that is the processor's doing (it slows down where it draws more current).
__attribute__((target("avx512f,avx512ifma"))) void multiplyAdds(std::uint8_t* out, const std::uint8_t* in) {
  __m512i x[8], sum[16];
  for (int i = 0; i < 8; i++) x[i] = _mm512_loadu_si512(in + 64 * i);
  for (int i = 0; i < 16; i++) sum[i] = _mm512_setzero_si512();
  for (int round = 0; round < 300; round++) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) sum[i] = _mm512_madd52lo_epu64(sum[i], x[i % 8], x[(i + 3) % 8]);
    __asm__ __volatile__("" ::: "memory");
  }
  // Every sum has to be computed; where they go does not matter.
  for (int i = 0; i < 16; i++) _mm512_storeu_si512(out + 64 * (i % 2), sum[i]);
}

/// One lane's extreme exponent or element, in all lanes.
Bytes filled(std::size_t length, std::uint8_t byte) { return Bytes(length, byte); }

Bytes elementsOf(std::size_t bytes, std::uint8_t byte) {
  Bytes out(kLanes * bytes, byte);
  for (std::size_t i = 0; i < kLanes; i++) {
    out[i * bytes] |= 1;
    out[i * bytes + bytes - 1] &= 0x3f;
  }
  return out;
}

void addPowers(std::vector<Target>& list, Workplace& w, std::size_t samples) {
  const auto exponents = [](std::size_t count) {
    return [count](std::uint8_t* at) { randomFill(at, count * kExponentBytes); };
  };
  const std::pair<const char*, std::uint8_t> extremes[] = {{"exponent 0", 0}, {"exponent of ones", 0xff}};
  for (const auto& [what, byte] : extremes) {
    list.push_back({"pow", what, "operation", samples, filled(kLanes * kExponentBytes, byte), exponents(kLanes), {}, [&w](const std::uint8_t* secret) {
                      millrace_pow(w.group, w.out.data(), w.bases.data(), secret, kExponentBytes, kLanes);
                    }});
    list.push_back({"powShared", what, "operation", samples, filled(kExponentBytes, byte), exponents(1), {}, [&w](const std::uint8_t* secret) {
                      millrace_pow_shared(w.group, w.out.data(), w.bases.data(), secret, kExponentBytes, 1, kLanes);
                    }});
    list.push_back({"powShared, width 2", what, "operation", samples, filled(2 * kExponentBytes, byte), exponents(2), {}, [&w](const std::uint8_t* secret) {
                      millrace_pow_shared(w.group, w.out.data(), w.bases.data(), secret, kExponentBytes, 2, kLanes);
                    }});
    list.push_back({"powFixed", what, "operation", samples, filled(kLanes * kExponentBytes, byte), exponents(kLanes), {}, [&w](const std::uint8_t* secret) {
                      millrace_pow_fixed(w.group, w.out.data(), w.table.data(), secret, kExponentBytes, kDigitBits, kLanes);
                    }});
  }
}

void addProducts(std::vector<Target>& list, Workplace& w, std::size_t samples, std::size_t inversions) {
  const auto random = [&w](std::uint8_t* at) { randomElements(at, kLanes, w.bytes); };
  list.push_back({"nothing: two random classes", "random", "null", samples, elementsOf(w.bytes, 0), random, {}, [&w](const std::uint8_t* secret) {
                    millrace_prepare(w.group, w.out.data(), secret, kLanes);
                  }, true});
  list.push_back({"nothing but multiply-adds", "zeros", "processor", samples, Bytes(8 * sizeof(__m512i), 0),
                  [](std::uint8_t* at) { randomFill(at, 8 * sizeof(__m512i)); }, {}, [&w](const std::uint8_t* secret) {
                    if (millrace_device_count() > 1) multiplyAdds(w.out.data(), secret);
                  }});
  Bytes arbitrary(kLanes * w.bytes);
  randomElements(arbitrary.data(), kLanes, w.bytes);
  const std::pair<const char*, Bytes> classes[] = {
      {"element 1", elementsOf(w.bytes, 0)}, {"element of ones", elementsOf(w.bytes, 0xff)}, {"arbitrary element", arbitrary}};
  for (const auto& [what, fixed] : classes) {
    const char* kind = &fixed == &classes[0].second ? "zeros" : "operation";
    list.push_back({"mul", what, kind, samples, fixed, random, {}, [&w](const std::uint8_t* secret) {
                      millrace_mul(w.group, w.out.data(), secret, w.other.data(), 0, kLanes);
                    }});
    list.push_back({"mul, second operand", what, kind, samples, fixed, random, {}, [&w](const std::uint8_t* secret) {
                      millrace_mul(w.group, w.out.data(), w.other.data(), secret, 0, kLanes);
                    }});
    list.push_back({"mul, prepared", what, kind, samples, fixed, random, {}, [&w](const std::uint8_t* secret) {
                      millrace_mul(w.group, w.out.data(), secret, w.prepared.data(), 1, kLanes);
                    }});
    list.push_back({"mulGather, prepared", what, kind, samples, fixed, random, {}, [&w](const std::uint8_t* secret) {
                      millrace_mul_gather(w.group, w.out.data(), secret, w.order, w.prepared.data(), 1, 1, 0, kLanes);
                    }});
    list.push_back({"prepare", what, kind, samples, fixed, random, {}, [&w](const std::uint8_t* secret) {
                      millrace_prepare(w.group, w.out.data(), secret, kLanes);
                    }});
    list.push_back({"product", what, kind, samples, fixed, random, {}, [&w](const std::uint8_t* secret) {
                      millrace_product(w.group, w.out.data(), secret, 1, kLanes);
                    }});
    // Its blinding is fresh each time, as the engine draws it.
    list.push_back({"invertBatch", what, kind, inversions, fixed, random, [&w] { randomElements(w.blinding.data(), 1, w.bytes); },
                    [&w](const std::uint8_t* secret) { millrace_invert(w.group, w.out.data(), secret, w.blinding.data(), kLanes); }});
  }
}

/// What leaks on purpose.
void addControls(std::vector<Target>& list, Workplace& w, std::size_t samples, std::size_t powers) {
  const auto exponent = [](std::uint8_t* at) { randomFill(at, kExponentBytes); };
  // Square and multiply with a branch on each bit.
  list.push_back({"control: power with a branch", "exponent 0", "control", powers, filled(kExponentBytes, 0), exponent, {}, [&w](const std::uint8_t* secret) {
                    for (std::size_t bit = 8 * kExponentBytes; bit-- > 0;) {
                      millrace_mul(w.group, w.square.data(), w.square.data(), w.square.data(), 1, 1);
                      if ((secret[bit / 8] >> (bit % 8)) & 1) millrace_mul(w.group, w.square.data(), w.square.data(), w.bases.data(), 1, 1);
                    }
                  }});
  // A comparison that stops at the first difference.
  const Bytes known = elementsOf(w.bytes, 0);
  list.push_back({"control: comparison with an early exit", "the element it knows", "control", samples, known,
                  [&w](std::uint8_t* at) { randomElements(at, kLanes, w.bytes); }, {}, [&w, known](const std::uint8_t* secret) {
                    volatile std::size_t same = 0;
                    for (std::size_t i = 0; i < known.size() && secret[i] == known[i]; i++) same = i;
                    w.out[0] = static_cast<std::uint8_t>(same);
                  }});
  // A table that is read where the digit says, without a mask.
  list.push_back({"control: table read at a secret address", "exponent 0", "control", samples, filled(kExponentBytes, 0), exponent, {},
                  [&w](const std::uint8_t* secret) {
                    std::uint64_t sum = 0;
                    const std::size_t entries = w.table.size() / w.bytes;
                    for (std::size_t i = 0; i < kExponentBytes; i++) {
                      const std::size_t entry = (secret[i] * 257u) % entries;
                      for (std::size_t at = 0; at + 8 <= w.bytes; at += 64) {
                        std::uint64_t word;
                        std::memcpy(&word, w.table.data() + entry * w.bytes + at, 8);
                        sum ^= word;
                      }
                    }
                    std::memcpy(w.out.data(), &sum, 8);
                  }});
}

/// The modulus comes on standard input, in hexadecimal, lowest byte first.
Bytes readModulus(std::size_t bytes) {
  Bytes p(bytes);
  for (auto& byte : p) {
    unsigned value;
    if (std::scanf("%2x", &value) != 1) fail("the modulus is too short");
    byte = static_cast<std::uint8_t>(value);
  }
  return p;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t bits = 4096, samples = 1000000, powers = 10000;
  std::string only;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    const std::size_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (option == "--only") only = argv[i + 1];
    else if (option == "--bits") bits = value;
    else if (option == "--samples") samples = value;
    else if (option == "--power-samples") powers = value;
    else fail("unknown option");
  }
  if (bits < 64 || bits > 8192 || bits % 64 != 0 || samples < 10 || powers < 10) fail("an option is out of range");
  for (auto& word : state) word = __rdtsc() * 0x9e3779b97f4a7c15u + reinterpret_cast<std::uintptr_t>(&word);
  for (int i = 0; i < 32; i++) random64();
  char path[32] = "";
  millrace_device_name(0, path, sizeof path);
  std::printf("{\"path\":\"%s\"}\n", path);
  Workplace workplace(static_cast<std::uint32_t>(bits), readModulus(bits / 8));
  std::vector<Target> list;
  addControls(list, workplace, std::min<std::size_t>(samples, 100000), std::min<std::size_t>(powers, 1000));
  addProducts(list, workplace, samples, powers);
  addPowers(list, workplace, powers);
  for (const Target& target : list) {
    if (target.name.find(only) != std::string::npos) report(target);
  }
  return 0;
}
