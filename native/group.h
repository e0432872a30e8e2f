// Interface of every path: the operations of kernels/api.h on one group. A path is a class behind this interface;
// dispatch.cpp chooses it once, when the group is created.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "../kernels/api.h"

namespace millrace {

class Group {
 public:
  virtual ~Group() = default;
  virtual void prepare(std::uint8_t* out, const std::uint8_t* a, std::size_t count) const = 0;
  virtual void mul(std::uint8_t* out, const std::uint8_t* a, const std::uint8_t* b, bool prepared, std::size_t count) const = 0;
  virtual void mulChain(std::uint8_t* out, const std::uint8_t* a, const std::uint8_t* b, std::size_t times,
                        std::size_t count) const = 0;
  virtual void mulGather(std::uint8_t* out, const std::uint8_t* a, const std::uint32_t* source, const std::uint8_t* b,
                         bool prepared, std::size_t width, std::size_t from, std::size_t to) const = 0;
  virtual void pow(std::uint8_t* out, const std::uint8_t* bases, const std::uint8_t* exponents, std::size_t exponentBytes,
                   std::size_t count) const = 0;
  virtual void powShared(std::uint8_t* out, const std::uint8_t* bases, const std::uint8_t* exponents,
                         std::size_t exponentBytes, std::size_t width, std::size_t count) const = 0;
  virtual std::size_t tableBytes(std::size_t exponentBytes, std::uint32_t digitBits) const = 0;
  virtual void tableFill(void* table, const std::uint8_t* base, std::size_t exponentBytes, std::uint32_t digitBits) const = 0;
  virtual void powFixed(std::uint8_t* out, const void* table, const std::uint8_t* exponents, std::size_t exponentBytes,
                        std::uint32_t digitBits, std::size_t count) const = 0;
  virtual bool invert(std::uint8_t* out, const std::uint8_t* a, const std::uint8_t* blinding, std::size_t count) const = 0;
  virtual void product(std::uint8_t* out, const std::uint8_t* a, std::size_t width, std::size_t slots) const = 0;
  virtual void multiExp(std::uint8_t* out, const std::uint8_t* bases, const std::uint8_t* exponents,
                        std::size_t exponentBytes, std::size_t count) const = 0;
};

/// A group on the AVX-512 IFMA path, of a modulus of at most 52·L − 2 bits. Call only where ifmaSupported().
template <int L>
std::unique_ptr<Group> makeIfmaGroupOf(const std::uint8_t* modulus, std::uint32_t bits);
/// A group on the portable path: any odd modulus.
std::unique_ptr<Group> makePortableGroup(const std::uint8_t* modulus, std::uint32_t bits);
bool ifmaSupported();

/// `length` bytes at `at` overwritten with zeros, so that the compiler cannot leave it out.
void wipe(void* at, std::size_t length);

}  // namespace millrace
