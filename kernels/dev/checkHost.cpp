// The host half of kernels/dev/check.cu: the same kernels on vectors of lanes, operands, and the primes.
#include <random>

#include "check.h"

namespace millrace {

void wipe(void* at, std::size_t length) {
  volatile unsigned char* byte = static_cast<unsigned char*>(at);
  for (std::size_t i = 0; i < length; i++) byte[i] = 0;
}

}  // namespace millrace

namespace millrace::kernels {
namespace {

using Words = std::vector<std::uint32_t>;

/// x /= d, words little-endian; whether anything is left.
bool divide(Words& x, std::uint32_t d) {
  std::uint64_t rest = 0, any = 0;
  for (std::size_t i = x.size(); i-- > 0;) {
    rest = rest << 32 | x[i];
    x[i] = static_cast<std::uint32_t>(rest / d);
    rest %= d;
    any |= x[i];
  }
  return any != 0;
}

/// x += or −= y·factor.
void addScaled(Words& x, const Words& y, std::int64_t factor) {
  __int128 carry = 0;
  for (std::size_t i = 0; i < x.size(); i++) {
    carry += static_cast<__int128>(x[i]) + static_cast<__int128>(factor) * y[i];
    x[i] = static_cast<std::uint32_t>(carry);
    carry >>= 32;
  }
}

/// sum += factor·arctan(1/x), fixed point with the binary point two words from the top.
void addArctan(Words& sum, std::uint32_t x, std::int64_t factor) {
  Words term(sum.size(), 0);
  term[sum.size() - 2] = 1;
  divide(term, x);
  for (std::uint32_t n = 1;; n += 2, factor = -factor) {
    Words part = term;
    if (!divide(part, n)) return;
    addScaled(sum, part, factor);
    divide(term, x * x);
  }
}

}  // namespace

CheckJob jobOf(const std::string& operation, int bits, int tpi, std::size_t count, std::size_t width, std::size_t exponentBytes,
               unsigned seed) {
  std::mt19937 random(seed);
  const bool slots = operation == "mulGather" || operation == "product";
  if (slots) count = (count + width - 1) / width * width;
  CheckJob job{operation, bits, tpi, rfc3526(bits), count, width, exponentBytes, 6, {}, {}, {}, {}, {}};
  const std::size_t n = bits / 32;
  auto fill = [&](Words& words, std::size_t elements) {
    words.resize(elements * n);
    for (auto& word : words) word = random();
    // Below q: the top bit but one is clear.
    for (std::size_t i = 0; i < elements; i++) words[i * n + n - 1] &= 0x3fffffff;
    for (std::size_t i = 0; i < elements; i += 7) std::fill_n(words.begin() + i * n, n - 1, i % 2 ? ~0u : 0u);
    for (std::size_t i = 0; i < elements; i++) words[i * n] |= 1;
  };
  fill(job.a, count);
  fill(job.b, count);
  fill(job.blinding, 1);
  job.exponents.resize((count + 1) * exponentBytes / 4 + 1);
  for (auto& word : job.exponents) word = random();
  job.source.resize(count);
  for (std::size_t i = 0; i < count; i++) job.source[i] = static_cast<std::uint32_t>(i);
  std::shuffle(job.source.begin(), job.source.begin() + count / width, random);
  return job;
}

std::vector<std::uint32_t> computeOnHost(const CheckJob& job) {
  Host<LaneVector<Fault::kNone>> on{4};
  CheckRun<Host<LaneVector<Fault::kNone>>, HostMemory> run(on, job);
  run.compute();
  return run.result();
}

std::vector<std::uint32_t> rfc3526(int bits) {
  // 2^n − 2^(n−64) − 1 + 2^64·(floor(2^(n−130)·π) + k). Machin: π = 16·arctan(1/5) − 4·arctan(1/239).
  const std::size_t n = bits / 32;
  Words pi(n + 4, 0);
  addArctan(pi, 5, 16);
  addArctan(pi, 239, -4);
  // The point stands at word n + 2; π·2^(n−130) begins 130 bits lower than π·2^n, and goes up by 64 again.
  Words p(n, 0);
  for (std::size_t i = 2; i < n; i++) {
    const std::size_t at = i + 4;  // 128 bits down, 64 up: words (n + 2) − n + i + 2
    const std::uint64_t pair = pi[at] | static_cast<std::uint64_t>(at + 1 < pi.size() ? pi[at + 1] : 0) << 32;
    p[i] = static_cast<std::uint32_t>(pair >> 2);
  }
  const std::uint32_t k = bits == 2048 ? 124476 : bits == 3072 ? 1690314 : 240904;
  Words shifted(n, 0), ones(n, 0), one(n, 0);
  shifted[2] = k;
  ones[n - 2] = ones[n - 1] = 0xffffffff;
  one[0] = 1;
  addScaled(p, shifted, 1);
  addScaled(p, ones, 1);
  addScaled(p, one, -1);
  return p;
}

}  // namespace millrace::kernels
