// Constants of a modulus for the kernels, computed once on the host when a group is made: plain C++, no card.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace millrace::kernels {

/// Constants of an odd modulus p of `bits` bits, in 32-bit words: p, R − p, R mod p, R² mod p and (p + 1)/2^64 (for the special form)
/// one after the other, with R = 2^bits. p may have leading zeros.
class ModulusConstants {
 public:
  ModulusConstants(const std::uint8_t* modulus, std::uint32_t bits) : limbs_(bits / 32), words_(5 * limbs_, 0) {
    std::memcpy(words_.data(), modulus, bits / 8);
    std::uint64_t carry = 1;
    for (std::size_t i = 0; i < limbs_; i++) {
      carry += static_cast<std::uint32_t>(~words_[i]);
      words_[limbs_ + i] = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    const std::uint64_t low = words_[0] | static_cast<std::uint64_t>(words_[1]) << 32;
    std::uint64_t inverse = 1;
    for (int i = 0; i < 6; i++) inverse *= 2 - low * inverse;
    inverse_ = 0 - inverse;
    // 1 doubled `bits` times is R, twice as often R².
    std::uint32_t* one = &words_[2 * limbs_];
    one[0] = 1;
    reduce(one, 0);
    for (std::uint32_t i = 0; i < bits; i++) doubleModulo(one);
    std::uint32_t* rSquared = &words_[3 * limbs_];
    std::memcpy(rSquared, one, 4 * limbs_);
    for (std::uint32_t i = 0; i < bits; i++) doubleModulo(rSquared);
    std::uint32_t* shifted = &words_[4 * limbs_];
    carry = 1;
    for (std::size_t i = 2; i < limbs_; i++) {
      carry += words_[i];
      shifted[i - 2] = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    shifted[limbs_ - 2] = static_cast<std::uint32_t>(carry);
  }

  /// All words, for one upload; modulusAt (arithmetic.h) has their offsets.
  const std::vector<std::uint32_t>& words() const { return words_; }
  std::size_t limbs() const { return limbs_; }
  /// −p⁻¹ mod 2^64.
  std::uint64_t inverse() const { return inverse_; }
  /// True if p ends in 64 one-bits, so that the kernels' special form applies.
  bool special() const { return inverse_ == 1; }

 private:
  void doubleModulo(std::uint32_t* x) {
    std::uint32_t top = 0;
    for (std::size_t i = 0; i < limbs_; i++) {
      const std::uint32_t next = x[i] >> 31;
      x[i] = x[i] << 1 | top;
      top = next;
    }
    reduce(x, top);
  }

  /// x + top·R, below 2p, less p if that is not negative.
  void reduce(std::uint32_t* x, std::uint32_t top) {
    std::uint64_t carry = 0;
    std::vector<std::uint32_t> less(limbs_);
    for (std::size_t i = 0; i < limbs_; i++) {
      carry += static_cast<std::uint64_t>(x[i]) + words_[limbs_ + i];
      less[i] = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    if (top + carry != 0) std::memcpy(x, less.data(), 4 * limbs_);
  }

  std::size_t limbs_;
  std::vector<std::uint32_t> words_;
  std::uint64_t inverse_ = 0;
};

}  // namespace millrace::kernels
