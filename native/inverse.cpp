#include "inverse.h"

#include <cstddef>
#include <cstring>

#include "group.h"

namespace millrace {
namespace {

using Words = std::vector<std::uint64_t>;

bool isOne(const Words& x) {
  std::uint64_t rest = x[0] ^ 1;
  for (std::size_t i = 1; i < x.size(); i++) rest |= x[i];
  return rest == 0;
}

bool isZero(const Words& x) {
  std::uint64_t rest = 0;
  for (const std::uint64_t word : x) rest |= word;
  return rest == 0;
}

bool less(const Words& a, const Words& b) {
  for (std::size_t i = a.size(); i-- > 0;) {
    if (a[i] != b[i]) return a[i] < b[i];
  }
  return false;
}

/// a += b; the carry.
std::uint64_t add(Words& a, const Words& b) {
  unsigned __int128 carry = 0;
  for (std::size_t i = 0; i < a.size(); i++) {
    carry += static_cast<unsigned __int128>(a[i]) + b[i];
    a[i] = static_cast<std::uint64_t>(carry);
    carry >>= 64;
  }
  return static_cast<std::uint64_t>(carry);
}

/// a -= b; the borrow.
std::uint64_t subtract(Words& a, const Words& b) {
  std::uint64_t borrow = 0;
  for (std::size_t i = 0; i < a.size(); i++) {
    const unsigned __int128 difference = static_cast<unsigned __int128>(a[i]) - b[i] - borrow;
    a[i] = static_cast<std::uint64_t>(difference);
    borrow = static_cast<std::uint64_t>(difference >> 64) & 1;
  }
  return borrow;
}

void halve(Words& a, std::uint64_t top) {
  for (std::size_t i = 0; i + 1 < a.size(); i++) a[i] = (a[i] >> 1) | (a[i + 1] << 63);
  a.back() = (a.back() >> 1) | (top << 63);
}

/// While x is even: x/2, and its cofactor halved modulo p.
void makeOdd(Words& x, Words& cofactor, const Words& p) {
  while ((x[0] & 1) == 0) {
    halve(x, 0);
    const std::uint64_t carry = (cofactor[0] & 1) != 0 ? add(cofactor, p) : 0;
    halve(cofactor, carry);
  }
}

void subtractModulo(Words& a, const Words& b, const Words& p) {
  if (subtract(a, b) != 0) add(a, p);
}

}  // namespace

bool invertModulo(std::uint8_t* value, const std::vector<std::uint64_t>& p) {
  const std::size_t bytes = p.size() * 8;
  Words u(p.size()), v(p), x(p.size(), 0), y(p.size(), 0);
  std::memcpy(u.data(), value, bytes);
  x[0] = 1;
  while (!isOne(u) && !isOne(v)) {
    if (isZero(u) || isZero(v)) break;
    makeOdd(u, x, p);
    makeOdd(v, y, p);
    if (less(u, v)) {
      subtract(v, u);
      subtractModulo(y, x, p);
    } else {
      subtract(u, v);
      subtractModulo(x, y, p);
    }
  }
  const bool found = isOne(u) || isOne(v);
  if (found) std::memcpy(value, isOne(u) ? x.data() : y.data(), bytes);
  for (Words* words : {&u, &v, &x, &y}) wipe(words->data(), bytes);
  return found;
}

}  // namespace millrace
