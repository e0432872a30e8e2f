// The portable path: one element at a time in 64-bit words, for any odd modulus and any machine with a 128-bit product.
// Montgomery multiplication by operand scanning, with the final subtraction by mask. It is the second opinion on the vector
// path in tests, under sanitizers too, and what runs where the vector unit is missing.
#include <cstring>

#include "batchGroup.h"

namespace millrace {
namespace {

constexpr std::size_t kWordsMax = 128;
using Wide = unsigned __int128;

class PortableField {
 public:
  static constexpr std::size_t kLanes = 1;
  struct alignas(64) Element {
    std::uint64_t word[kWordsMax];
  };

  PortableField(const std::uint8_t* modulus, std::uint32_t bits) : n_(bits / 64), p_(bits / 64), oneBytes_(bits / 8, 0) {
    std::memcpy(p_.data(), modulus, bits / 8);
    oneBytes_[0] = 1;
    std::uint64_t inverse = 1;
    for (int i = 0; i < 6; i++) inverse *= 2 - p_[0] * inverse;
    negativeInverse_ = 0 - inverse;
    std::memset(&one_, 0, sizeof one_);
    std::memset(&plainOne_, 0, sizeof plainOne_);
    plainOne_.word[0] = 1;
    one_ = plainOne_;
    for (std::size_t i = 0; i < 64 * n_; i++) doubleModulo(one_);
    rSquared_ = one_;
    for (std::size_t i = 0; i < 64 * n_; i++) doubleModulo(rSquared_);
  }

  void mul(const Element& a, const Element& b, Element& out) const {
    std::uint64_t t[kWordsMax + 2] = {};
    multiply(a.word, b.word, p_.data(), t, n_, negativeInverse_);
    reduceOnce(t, t[n_], out);
    wipe(t, sizeof t);
  }
  void square(const Element& a, Element& out) const { mul(a, a, out); }

  const Element& one() const { return one_; }
  const Element& rSquared() const { return rSquared_; }
  const Element& plainOne() const { return plainOne_; }
  const std::uint8_t* oneBytes() const { return oneBytes_.data(); }
  const std::vector<std::uint64_t>& modulusWords() const { return p_; }

  void load(Element& x, const std::uint8_t* const at[kLanes]) const { std::memcpy(x.word, at[0], 8 * n_); }

  void loadPrepared(Element& x, const std::uint8_t* const at[kLanes]) const { load(x, at); }

  void storeCanonical(const Element& y, Element scratch[2], std::uint8_t* const at[kLanes], std::size_t) const {
    // p − y, and by the borrow of (p − y) − y whether that is the smaller one.
    Element& other = scratch[0];
    Element& rest = scratch[1];
    subtract(p_.data(), y.word, other.word);
    const std::uint64_t mask = 0 - subtract(other.word, y.word, rest.word);
    for (std::size_t i = 0; i < n_; i++) other.word[i] = (other.word[i] & mask) | (y.word[i] & ~mask);
    std::memcpy(at[0], other.word, 8 * n_);
  }

  void select(Element& out, const Element* table, std::size_t entries, const std::uint64_t digits[kLanes]) const {
    chooseFrom(out, reinterpret_cast<const std::uint8_t*>(table), sizeof(Element), entries, digits[0]);
  }
  void deposit(Element* table, std::size_t entries, const Element& x, const std::uint64_t digits[kLanes]) const {
    for (std::size_t entry = 0; entry < entries; entry++) {
      const std::uint64_t mask = equalMask(digits[0], entry);
      for (std::size_t i = 0; i < n_; i++) table[entry].word[i] = (x.word[i] & mask) | (table[entry].word[i] & ~mask);
    }
  }
  void pick(Element& out, const Element* table, const std::uint64_t digits[kLanes]) const { out = table[digits[0]]; }
  void rotate(Element& out, const Element& x, std::size_t) const { out = x; }

  static std::size_t entryBytes(std::size_t bits) { return bits / 8; }
  void putEntry(void* entry, const Element& x, std::size_t) const { std::memcpy(entry, x.word, 8 * n_); }
  void getEntries(Element& x, const void* const entries[kLanes]) const { std::memcpy(x.word, entries[0], 8 * n_); }
  void selectShared(Element& out, const std::uint8_t* row, std::size_t entries, const std::uint64_t digits[kLanes]) const {
    chooseFrom(out, row, 8 * n_, entries, digits[0]);
  }

 private:
  /// All ones where a = b, else zero.
  static std::uint64_t equalMask(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t differs = a ^ b;
    return ((differs | (0 - differs)) >> 63) - 1;
  }

  void chooseFrom(Element& out, const std::uint8_t* table, std::size_t stride, std::size_t entries, std::uint64_t digit) const {
    std::uint64_t sum[kWordsMax] = {};
    for (std::size_t entry = 0; entry < entries; entry++) {
      const std::uint64_t mask = equalMask(digit, entry);
      const auto* words = reinterpret_cast<const std::uint64_t*>(table + entry * stride);
      for (std::size_t i = 0; i < n_; i++) sum[i] |= words[i] & mask;
    }
    std::memcpy(out.word, sum, 8 * n_);
    wipe(sum, sizeof sum);
  }

  /// t = ab/2^(64n) modulo p, below 2p. Apart because it has no array of its own: in one function with such an array, which has a canary
  /// on its stack, compilers make these loops a fifth slower.
  [[gnu::noinline]] static void multiply(const std::uint64_t* a, const std::uint64_t* b, const std::uint64_t* p, std::uint64_t* t,
                                         std::size_t n, std::uint64_t negativeInverse) {
    for (std::size_t i = 0; i < n; i++) {
      const std::uint64_t x = a[i];
      Wide carry = 0;
      for (std::size_t j = 0; j < n; j++) {
        carry += static_cast<Wide>(x) * b[j] + t[j];
        t[j] = static_cast<std::uint64_t>(carry);
        carry >>= 64;
      }
      carry += t[n];
      t[n] = static_cast<std::uint64_t>(carry);
      t[n + 1] = static_cast<std::uint64_t>(carry >> 64);
      const std::uint64_t digit = t[0] * negativeInverse;
      carry = (static_cast<Wide>(digit) * p[0] + t[0]) >> 64;
      for (std::size_t j = 1; j < n; j++) {
        carry += static_cast<Wide>(digit) * p[j] + t[j];
        t[j - 1] = static_cast<std::uint64_t>(carry);
        carry >>= 64;
      }
      carry += t[n];
      t[n - 1] = static_cast<std::uint64_t>(carry);
      t[n] = t[n + 1] + static_cast<std::uint64_t>(carry >> 64);
    }
  }

  std::uint64_t subtract(const std::uint64_t* a, const std::uint64_t* b, std::uint64_t* out) const {
    std::uint64_t borrow = 0;
    for (std::size_t i = 0; i < n_; i++) {
      const Wide d = static_cast<Wide>(a[i]) - b[i] - borrow;
      out[i] = static_cast<std::uint64_t>(d);
      borrow = static_cast<std::uint64_t>(d >> 64) & 1;
    }
    return borrow;
  }

  /// out = t mod p for t + top·2^(64n) < 2p.
  void reduceOnce(const std::uint64_t* t, std::uint64_t top, Element& out) const {
    std::uint64_t d[kWordsMax];
    const std::uint64_t borrow = subtract(t, p_.data(), d);
    // Keep t where subtracting was too much and there is no word above.
    const std::uint64_t keep = 0 - (borrow & (top ^ 1));
    for (std::size_t i = 0; i < n_; i++) out.word[i] = (t[i] & keep) | (d[i] & ~keep);
    wipe(d, sizeof d);
  }

  void doubleModulo(Element& x) const {
    const std::uint64_t top = x.word[n_ - 1] >> 63;
    for (std::size_t i = n_; i-- > 1;) x.word[i] = (x.word[i] << 1) | (x.word[i - 1] >> 63);
    x.word[0] <<= 1;
    const Element t = x;
    reduceOnce(t.word, top, x);
  }

  std::size_t n_;
  std::vector<std::uint64_t> p_;
  std::vector<std::uint8_t> oneBytes_;
  std::uint64_t negativeInverse_;
  Element one_, rSquared_, plainOne_;
};

}  // namespace

std::unique_ptr<Group> makePortableGroup(const std::uint8_t* modulus, std::uint32_t bits) {
  return std::make_unique<BatchGroup<PortableField>>(modulus, bits);
}

}  // namespace millrace
