// The AVX-512 IFMA path: eight elements at a time on the kernels of ifmaField.h. This file turns batches into lanes and
// back, reads tables by masks, and puts results into canonical form. Compiled with -mavx512f -mavx512ifma; nothing here
// runs before dispatch.cpp has asked the CPU.
#include <algorithm>
#include <cstring>
#include <utility>

#include "batchGroup.h"
#include "ifmaField.h"

namespace millrace {
namespace {

using ifma::broadcast;
using ifma::kLimbBits;
using ifma::kLimbMask;
using ifma::Vec;

/// One word, to be broadcast: from memory, not through a general register.
inline __m128i loadWord(const std::uint64_t* at) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at)); }

/// Transposes eight rows of eight 64-bit words.
inline void transpose(Vec r[8]) {
  Vec t[8], u[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm512_unpacklo_epi64(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi64(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    for (int k = 0; k < 2; k++) {
      u[i + k] = _mm512_shuffle_i64x2(t[i + k], t[i + 2 + k], 0x88);
      u[i + 2 + k] = _mm512_shuffle_i64x2(t[i + k], t[i + 2 + k], 0xdd);
    }
  }
  for (int k = 0; k < 4; k++) {
    r[k] = _mm512_shuffle_i64x2(u[k], u[4 + k], 0x88);
    r[4 + k] = _mm512_shuffle_i64x2(u[k], u[4 + k], 0xdd);
  }
}

/// Little-endian number arithmetic on 64-bit words, for constants only.
std::vector<std::uint64_t> powerOfTwoModulo(const std::vector<std::uint64_t>& p, std::size_t exponent) {
  std::vector<std::uint64_t> x(p.size(), 0);
  x[0] = 1;
  for (std::size_t step = 0; step < exponent; step++) {
    std::uint64_t top = x.back() >> 63;
    for (std::size_t i = p.size(); i-- > 1;) x[i] = (x[i] << 1) | (x[i - 1] >> 63);
    x[0] <<= 1;
    bool atLeast = top != 0;
    if (!atLeast) {
      atLeast = true;
      for (std::size_t i = p.size(); i-- > 0;) {
        if (x[i] != p[i]) {
          atLeast = x[i] > p[i];
          break;
        }
      }
    }
    if (!atLeast) continue;
    std::uint64_t borrow = 0;
    for (std::size_t i = 0; i < p.size(); i++) {
      const unsigned __int128 d = static_cast<unsigned __int128>(x[i]) - p[i] - borrow;
      x[i] = static_cast<std::uint64_t>(d);
      borrow = static_cast<std::uint64_t>(d >> 64) & 1;
    }
  }
  return x;
}

template <int L, ifma::Form F>
class IfmaField {
 public:
  static constexpr std::size_t kLanes = 8;
  struct alignas(64) Element {
    Vec limb[L];
  };

  IfmaField(const std::uint8_t* modulus, std::uint32_t bits) : words_(bits / 64), p_(bits / 64), oneBytes_(bits / 8, 0) {
    std::memcpy(p_.data(), modulus, bits / 8);
    oneBytes_[0] = 1;
    std::memset(&modulus_, 0, sizeof modulus_);
    std::vector<std::uint64_t> n(p_);
    n.push_back(0);
    if (F == ifma::Form::kSpecial) {
      // p + 1: the low word of all ones becomes zero, and the carry ends in the next word that is not
      // all ones, which for 2^bits − 1 is one above the last.
      for (std::uint64_t& word : n) {
        if (++word != 0) break;
      }
    }
    for (int i = 0; i < L; i++) modulus_.limb[i] = limbOf(n, i);
    for (int i = 0; i < L; i++) pLimb_[i] = limbOf(p_, i);
    std::uint64_t inverse = 1;  // Newton: doubles the correct bits
    for (int i = 0; i < 6; i++) inverse *= 2 - p_[0] * inverse;
    modulus_.negativeInverse = (0 - inverse) & kLimbMask;
    setAll(one_, powerOfTwoModulo(p_, kLimbBits * L));
    setAll(rSquared_, powerOfTwoModulo(p_, 2 * kLimbBits * L));
    setAll(plainOne_, std::vector<std::uint64_t>(reinterpret_cast<const std::uint64_t*>(oneBytes_.data()), reinterpret_cast<const std::uint64_t*>(oneBytes_.data()) + words_));
  }

  void mul(const Element& a, const Element& b, Element& out) const {
    ifma::montgomery<L, F, false>(a.limb, b.limb, out.limb, modulus_);
  }
  void square(const Element& a, Element& out) const { ifma::montgomery<L, F, true>(a.limb, a.limb, out.limb, modulus_); }

  const Element& one() const { return one_; }
  const Element& rSquared() const { return rSquared_; }
  const Element& plainOne() const { return plainOne_; }
  const std::uint8_t* oneBytes() const { return oneBytes_.data(); }
  const std::vector<std::uint64_t>& modulusWords() const { return p_; }

  /// Eight elements from where they stand into limbs.
  void load(Element& x, const std::uint8_t* const at[kLanes]) const {
    // Two words of zeros on top: limbs beyond the last word read them.
    alignas(64) Vec word[8 * ((kLimbBits * L + 511) / 512) + 2];
    std::size_t w = 0;
    for (; w < words_; w += 8) {
      const unsigned left = static_cast<unsigned>(std::min<std::size_t>(8, words_ - w));
      const __mmask8 mask = static_cast<__mmask8>((1u << left) - 1);
      Vec rows[8];
      for (std::size_t l = 0; l < kLanes; l++) rows[l] = _mm512_maskz_loadu_epi64(mask, at[l] + 8 * w);
      transpose(rows);
      for (int k = 0; k < 8; k++) word[w + static_cast<std::size_t>(k)] = rows[k];
    }
    for (; w < sizeof word / sizeof word[0]; w++) word[w] = _mm512_setzero_si512();
    const Vec mask = broadcast(kLimbMask);
    unpack(x, word, mask, std::make_index_sequence<L>());
    wipe(word, sizeof word);
  }

  /// min(y mod p, p − y mod p) of each of the first `valid` lanes, for y < 2p with limbs below 2^52.
  void storeCanonical(const Element& y, std::uint8_t* const at[kLanes], std::size_t valid) const {
    // e = p − y, and the borrow of e − y: two chains side by side. y ≤ q where e − y is not negative.
    alignas(64) Vec x[L + 3], e[L];
    const Vec mask = broadcast(kLimbMask);
    Vec beyond = _mm512_setzero_si512(), above = beyond;
#pragma GCC unroll 4
    for (int i = 0; i < L; i++) {
      e[i] = borrowing(broadcast(pLimb_[i]), y.limb[i], mask, beyond);
      borrowing(e[i], y.limb[i], mask, above);
    }
    // Where y > p, e is negative and y − p = −e is wanted: a third chain, for every lane, so that no branch tells.
    const __mmask8 negative = _mm512_test_epi64_mask(beyond, beyond);
    const __mmask8 takeOther = static_cast<__mmask8>(_mm512_test_epi64_mask(above, above) | negative);
    const Vec zero = _mm512_setzero_si512();
    Vec borrow = zero;
#pragma GCC unroll 4
    for (int i = 0; i < L; i++) {
      const Vec other = _mm512_mask_mov_epi64(e[i], negative, borrowing(zero, e[i], mask, borrow));
      x[i] = _mm512_mask_mov_epi64(y.limb[i], takeOther, other);
    }
    for (int i = L; i < L + 3; i++) x[i] = _mm512_setzero_si512();
    storeAll(x, at, valid, std::make_index_sequence<(kLimbBits * L + 511) / 512>());
    wipe(x, sizeof x);
    wipe(e, sizeof e);
  }

  /// Lane by lane table[digit], reading every entry.
  void select(Element& out, const Element* table, std::size_t entries, const std::uint64_t digits[kLanes]) const {
    const Vec digit = _mm512_loadu_si512(digits);
    constexpr int kChunk = 20;
    static_assert(L % kChunk == 0, "limbs are chosen in chunks that fill registers");
    for (int i = 0; i < L; i += kChunk) {
      Vec sum[kChunk];
      for (int k = 0; k < kChunk; k++) sum[k] = table[0].limb[i + k];
      for (std::size_t entry = 1; entry < entries; entry++) {
        const __mmask8 mine = _mm512_cmpeq_epi64_mask(digit, broadcast(entry));
        for (int k = 0; k < kChunk; k++) sum[k] = _mm512_mask_mov_epi64(sum[k], mine, table[entry].limb[i + k]);
      }
      for (int k = 0; k < kChunk; k++) out.limb[i + k] = sum[k];
    }
  }

  /// Lane by lane table[digit] = x, writing every entry.
  void deposit(Element* table, std::size_t entries, const Element& x, const std::uint64_t digits[kLanes]) const {
    const Vec digit = _mm512_loadu_si512(digits);
    for (std::size_t entry = 0; entry < entries; entry++) {
      const __mmask8 mine = _mm512_cmpeq_epi64_mask(digit, broadcast(entry));
      for (int i = 0; i < L; i++) table[entry].limb[i] = _mm512_mask_mov_epi64(table[entry].limb[i], mine, x.limb[i]);
    }
  }

  /// The same as select for public digits: reads only what it takes.
  void pick(Element& out, const Element* table, const std::uint64_t digits[kLanes]) const {
    const auto* base = reinterpret_cast<const long long*>(table);
    long long index[kLanes];
    for (std::size_t l = 0; l < kLanes; l++) index[l] = static_cast<long long>(digits[l] * sizeof(Element) / 8 + l);
    const Vec at = _mm512_loadu_si512(index);
    for (int i = 0; i < L; i++) out.limb[i] = _mm512_i64gather_epi64(at, base + 8 * i, 8);
  }

  void rotate(Element& out, const Element& x, std::size_t by) const {
    long long index[kLanes];
    for (std::size_t l = 0; l < kLanes; l++) index[l] = static_cast<long long>((l + by) % kLanes);
    const Vec order = _mm512_loadu_si512(index);
    for (int i = 0; i < L; i++) out.limb[i] = _mm512_permutexvar_epi64(order, x.limb[i]);
  }

  /// An entry of a shared table: one element's limbs.
  static std::size_t entryBytes(std::size_t) { return L * 8; }

  void putEntry(void* entry, const Element& x, std::size_t lane) const {
    for (int i = 0; i < L; i++) {
      const auto* lanes = reinterpret_cast<const std::uint64_t*>(&x.limb[i]);
      std::memcpy(static_cast<std::uint8_t*>(entry) + 8 * i, lanes + lane, 8);
    }
  }

  void getEntries(Element& x, const void* const entries[kLanes]) const {
    for (int i = 0; i < L; i++) {
      std::uint64_t lanes[kLanes];
      for (std::size_t l = 0; l < kLanes; l++) std::memcpy(&lanes[l], static_cast<const std::uint8_t*>(entries[l]) + 8 * i, 8);
      x.limb[i] = _mm512_loadu_si512(lanes);
    }
  }

  void selectShared(Element& out, const std::uint8_t* row, std::size_t entries, const std::uint64_t digits[kLanes]) const {
    const Vec digit = _mm512_loadu_si512(digits);
    const auto* table = reinterpret_cast<const std::uint64_t*>(row);
    constexpr int kChunk = 20;
    for (int i = 0; i < L; i += kChunk) {
      Vec sum[kChunk];
      for (int k = 0; k < kChunk; k++) sum[k] = broadcast(table[i + k]);
      for (std::size_t entry = 1; entry < entries; entry++) {
        const __mmask8 mine = _mm512_cmpeq_epi64_mask(digit, broadcast(entry));
        const std::uint64_t* at = table + entry * L + i;
        for (int k = 0; k < kChunk; k++) sum[k] = _mm512_mask_broadcastq_epi64(sum[k], mine, loadWord(at + k));
      }
      for (int k = 0; k < kChunk; k++) out.limb[i + k] = sum[k];
    }
  }

 private:
  static std::uint64_t limbOf(const std::vector<std::uint64_t>& n, int i) {
    const std::size_t bit = static_cast<std::size_t>(kLimbBits) * static_cast<std::size_t>(i), k = bit / 64, shift = bit % 64;
    if (k >= n.size()) return 0;
    std::uint64_t limb = n[k] >> shift;
    if (shift > 0 && k + 1 < n.size()) limb |= n[k + 1] << (64 - shift);
    return limb & kLimbMask;
  }

  void setAll(Element& x, const std::vector<std::uint64_t>& n) const {
    for (int i = 0; i < L; i++) x.limb[i] = broadcast(limbOf(n, i));
  }

  /// Limb i: bits 52i to 52i + 51 of the words. Unrolled, so that every shift is an immediate.
  template <std::size_t I>
  static inline __attribute__((always_inline)) Vec unpackLimb(const Vec* word, Vec mask) {
    constexpr unsigned kBit = kLimbBits * I, kWord = kBit / 64, kShift = kBit % 64;
    Vec limb = _mm512_srli_epi64(word[kWord], kShift);
    if constexpr (kShift > 64 - kLimbBits) limb = _mm512_or_si512(limb, _mm512_slli_epi64(word[kWord + 1], 64 - kShift));
    return _mm512_and_si512(limb, mask);
  }
  template <std::size_t... I>
  static void unpack(Element& x, const Vec* word, Vec mask, std::index_sequence<I...>) {
    ((x.limb[I] = unpackLimb<I>(word, mask)), ...);
  }

  /// Word K of the number that the limbs are; limbs beyond L are there and zero.
  template <std::size_t K>
  static inline __attribute__((always_inline)) Vec packWord(const Vec* limb) {
    constexpr unsigned kBit = 64 * K, kFirst = kBit / kLimbBits, kOffset = kBit % kLimbBits;
    if constexpr (kFirst >= L) return _mm512_setzero_si512();
    Vec word = _mm512_or_si512(_mm512_srli_epi64(limb[kFirst], kOffset), _mm512_slli_epi64(limb[kFirst + 1], kLimbBits - kOffset));
    if constexpr (2 * kLimbBits - kOffset < 64) word = _mm512_or_si512(word, _mm512_slli_epi64(limb[kFirst + 2], 2 * kLimbBits - kOffset));
    return word;
  }

  /// One limb of a − b − borrow; borrow is 0 or 1 in each lane.
  static inline __attribute__((always_inline)) Vec borrowing(Vec a, Vec b, Vec mask, Vec& borrow) {
    const Vec x = _mm512_sub_epi64(_mm512_sub_epi64(a, b), borrow);
    borrow = _mm512_srli_epi64(x, 63);
    return _mm512_and_si512(x, mask);
  }

  template <std::size_t W>
  void storeRows(const Vec* limb, std::uint8_t* const at[kLanes], std::size_t valid) const {
    if (8 * W >= words_) return;
    Vec rows[8] = {packWord<8 * W>(limb),     packWord<8 * W + 1>(limb), packWord<8 * W + 2>(limb), packWord<8 * W + 3>(limb),
                   packWord<8 * W + 4>(limb), packWord<8 * W + 5>(limb), packWord<8 * W + 6>(limb), packWord<8 * W + 7>(limb)};
    transpose(rows);
    const unsigned left = static_cast<unsigned>(std::min<std::size_t>(8, words_ - 8 * W));
    const __mmask8 mask = static_cast<__mmask8>((1u << left) - 1);
    for (std::size_t l = 0; l < valid; l++) _mm512_mask_storeu_epi64(at[l] + 64 * W, mask, rows[l]);
  }
  template <std::size_t... W>
  void storeAll(const Vec* limb, std::uint8_t* const at[kLanes], std::size_t valid, std::index_sequence<W...>) const {
    (storeRows<W>(limb, at, valid), ...);
  }

  ifma::Modulus<L> modulus_;
  std::uint64_t pLimb_[L];
  Element one_, rSquared_, plainOne_;
  std::size_t words_;
  std::vector<std::uint64_t> p_;
  std::vector<std::uint8_t> oneBytes_;
};

}  // namespace

// One translation unit per size (scripts/native.mjs): MILLRACE_LIMBS says which.
template <>
std::unique_ptr<Group> makeIfmaGroupOf<MILLRACE_LIMBS>(const std::uint8_t* modulus, std::uint32_t bits) {
  std::uint64_t low = 0;
  std::memcpy(&low, modulus, 8);
  if (low == ~std::uint64_t{0}) return std::make_unique<BatchGroup<IfmaField<MILLRACE_LIMBS, ifma::Form::kSpecial>>>(modulus, bits);
  return std::make_unique<BatchGroup<IfmaField<MILLRACE_LIMBS, ifma::Form::kGeneral>>>(modulus, bits);
}

}  // namespace millrace
