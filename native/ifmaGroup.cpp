// The AVX-512 IFMA path: eight elements at a time on the kernels of ifmaField.h. This file turns batches into lanes and
// back, reads tables by masks, and puts results into canonical form. Compiled with -mavx512{f,bw,ifma,vbmi}; nothing here
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

/// Bytes of a row that go to the words of its eight limbs: from byte ⌊52·j/8⌋ on for limb j.
struct Spread {
  std::uint8_t byte[64];
  constexpr Spread() : byte() {
    for (int j = 0; j < 8; j++) {
      for (int m = 0; m < 8; m++) byte[8 * j + m] = static_cast<std::uint8_t>(kLimbBits * j / 8 + m);
    }
  }
};
constexpr Spread kSpreadBytes;

/// One word, to be broadcast: from memory, not through a general register.
inline __m128i loadWord(const std::uint64_t* at) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at)); }

/// Transposes eight rows of eight 64-bit words.
inline __attribute__((always_inline)) void transpose(Vec r[8]) {
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

/// k·p.
std::vector<std::uint64_t> multiple(const std::vector<std::uint64_t>& p, std::uint64_t k) {
  std::vector<std::uint64_t> out(p.size() + 1);
  unsigned __int128 carry = 0;
  for (std::size_t i = 0; i < p.size(); i++) {
    carry += static_cast<unsigned __int128>(p[i]) * k;
    out[i] = static_cast<std::uint64_t>(carry);
    carry >>= 64;
  }
  out[p.size()] = static_cast<std::uint64_t>(carry);
  return out;
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
    const std::vector<std::uint64_t> disguise = multiple(p_, disguiseFactor(bits));
    for (int i = 0; i < L; i++) disguise_[i] = limbOf(disguise, i);
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

  /// Eight operands of products from where they stand into limbs, as they are: bits above the 52 of a limb are the next limb's,
  /// and the multiply-adds do not look at them.
  void loadPrepared(Element& x, const std::uint8_t* const at[kLanes]) const {
    spread(x, at, std::make_index_sequence<(L + 7) / 8>());
  }

  /// Eight elements from where they stand into limbs, each with the same multiple of p added, which the next product takes away
  /// again. A processor draws less current, and runs a little faster, where numbers are nearly all zeros: the element 1 told
  /// itself that way. With the multiple, every element is as dense as a random one. For operands of products only: that of
  /// two loaded ones is below 2p, as (k + 1)²·p ≤ R.
  void load(Element& x, const std::uint8_t* const at[kLanes]) const {
    loadPrepared(x, at);
    const Vec mask = broadcast(kLimbMask);
    Vec carry = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int i = 0; i < L; i++) {
      const Vec sum = _mm512_add_epi64(_mm512_add_epi64(_mm512_and_si512(x.limb[i], mask), broadcast(disguise_[i])), carry);
      carry = _mm512_srli_epi64(sum, kLimbBits);
      x.limb[i] = _mm512_and_si512(sum, mask);
    }
  }

  /// min(y mod p, p − y mod p) of each of the first `valid` lanes, for y < 2p with limbs below 2^52.
  void storeCanonical(const Element& y, Element scratch[2], std::uint8_t* const at[kLanes], std::size_t valid) const {
    // e = p − y, f = y − p and the sign of p − 2y, three chains side by side: which of y, e and f is wanted is known at the end.
    Element& e = scratch[0];
    Element& f = scratch[1];
    const Vec mask = broadcast(kLimbMask);
    Vec ofE = _mm512_setzero_si512(), ofF = ofE, ofSign = ofE;
#pragma GCC unroll 4
    for (int i = 0; i < L; i++) {
      const Vec rest = _mm512_sub_epi64(broadcast(pLimb_[i]), y.limb[i]);
      e.limb[i] = signedCarry(_mm512_add_epi64(ofE, rest), mask, ofE);
      f.limb[i] = signedCarry(_mm512_sub_epi64(ofF, rest), mask, ofF);
      signedCarry(_mm512_add_epi64(ofSign, _mm512_sub_epi64(rest, y.limb[i])), mask, ofSign);
    }
    // Where y > p, e is negative and f is wanted; where q < y ≤ p, e is. No branch tells.
    const __mmask8 beyond = _mm512_test_epi64_mask(ofE, ofE);
    const __mmask8 above = _mm512_test_epi64_mask(ofSign, ofSign);
    storeAll(Choice{y.limb, e.limb, f.limb, above, beyond}, at, valid, std::make_index_sequence<(kLimbBits * L + 511) / 512>());
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

  /// An odd number without a pattern, with (k + 1)² ≤ 2^(52·L − bits): see load.
  static std::uint64_t disguiseFactor(std::uint32_t bits) {
    const unsigned room = std::min(64u, (kLimbBits * L - bits) / 2);
    return room < 2 ? 0 : (0x9e3779b97f4a7c15u >> (64 - (room - 1))) | 1;
  }

  void setAll(Element& x, const std::vector<std::uint64_t>& n) const {
    for (int i = 0; i < L; i++) x.limb[i] = broadcast(limbOf(n, i));
  }

  /// Eight limbs are 52 bytes of a row. Byte 52·K of each row is where limbs 8K to 8K + 7 begin: a permutation of bytes brings
  /// each to a word of its own, every other one four bits too high.
  template <std::size_t K>
  inline __attribute__((always_inline)) void spreadBlock(Element& x, const std::uint8_t* const at[kLanes]) const {
    constexpr int kValid = K * 8 + 8 <= L ? 8 : L - K * 8;
    const Vec order = _mm512_loadu_si512(kSpreadBytes.byte);
    const Vec shift = _mm512_set_epi64(4, 0, 4, 0, 4, 0, 4, 0);
    const std::size_t bytes = 8 * words_, left = 52 * K < bytes ? bytes - 52 * K : 0;
    const __mmask64 inside = left >= 64 ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
    Vec rows[8];
    for (std::size_t l = 0; l < kLanes; l++) {
      rows[l] = _mm512_srlv_epi64(_mm512_permutexvar_epi8(order, _mm512_maskz_loadu_epi8(inside, at[l] + 52 * K)), shift);
    }
    transpose(rows);
    for (int i = 0; i < kValid; i++) x.limb[8 * K + static_cast<std::size_t>(i)] = rows[i];
  }
  template <std::size_t... K>
  void spread(Element& x, const std::uint8_t* const at[kLanes], std::index_sequence<K...>) const {
    (spreadBlock<K>(x, at), ...);
  }

  /// One limb of a sum of limbs and their negatives; carry is what is above it, or below zero.
  static inline __attribute__((always_inline)) Vec signedCarry(Vec sum, Vec mask, Vec& carry) {
    carry = _mm512_srai_epi64(sum, kLimbBits);
    return _mm512_and_si512(sum, mask);
  }

  /// y, p − y or y − p, lane by lane.
  struct Choice {
    const Vec* y;
    const Vec* e;
    const Vec* f;
    __mmask8 above;
    __mmask8 beyond;

    inline __attribute__((always_inline)) Vec operator[](unsigned i) const {
      return _mm512_mask_mov_epi64(_mm512_mask_mov_epi64(y[i], above, e[i]), beyond, f[i]);
    }
  };

  /// Words 8·W to 8·W + 7 of the numbers that the limbs are.
  template <std::size_t W>
  void storeRows(const Choice& choice, std::uint8_t* const at[kLanes], std::size_t valid) const {
    if (8 * W >= words_) return;
    constexpr unsigned kFirst = 512 * W / kLimbBits;
    Vec limb[12];
    for (unsigned i = 0; i < 12; i++) limb[i] = kFirst + i < L ? choice[kFirst + i] : _mm512_setzero_si512();
    Vec rows[8];
#pragma GCC unroll 8
    for (unsigned k = 0; k < 8; k++) {
      const unsigned bit = 64 * (8 * W + k), first = bit / kLimbBits - kFirst, offset = bit % kLimbBits;
      rows[k] = _mm512_or_si512(_mm512_srli_epi64(limb[first], offset), _mm512_slli_epi64(limb[first + 1], kLimbBits - offset));
      if (2 * kLimbBits - offset < 64) rows[k] = _mm512_or_si512(rows[k], _mm512_slli_epi64(limb[first + 2], 2 * kLimbBits - offset));
    }
    transpose(rows);
    const unsigned left = static_cast<unsigned>(std::min<std::size_t>(8, words_ - 8 * W));
    const __mmask8 mask = static_cast<__mmask8>((1u << left) - 1);
    for (std::size_t l = 0; l < valid; l++) _mm512_mask_storeu_epi64(at[l] + 64 * W, mask, rows[l]);
  }
  template <std::size_t... W>
  void storeAll(const Choice& choice, std::uint8_t* const at[kLanes], std::size_t valid, std::index_sequence<W...>) const {
    (storeRows<W>(choice, at, valid), ...);
  }

  ifma::Modulus<L> modulus_;
  std::uint64_t pLimb_[L];
  std::uint64_t disguise_[L];
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
