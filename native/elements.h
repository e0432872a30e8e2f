// Operands of the operations of a path: elements in aligned memory of their own, wiped at the end, and the digits of exponents.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "group.h"

namespace millrace {

/// `bits` bits of a little-endian exponent from bit `at` on; zero beyond its end. The bit positions are public.
inline std::uint64_t digitAt(const std::uint8_t* exponent, std::size_t bytes, std::size_t at, unsigned bits) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < 3; i++) {
    const std::size_t index = at / 8 + i;
    if (index < bytes) word |= static_cast<std::uint64_t>(exponent[index]) << (8 * i);
  }
  return (word >> (at % 8)) & ((std::uint64_t{1} << bits) - 1);
}

/// Elements that are aligned, and wiped when they go; and room for two more, for whoever takes one of them apart.
template <class Element>
class Elements {
 public:
  explicit Elements(std::size_t count)
      : count_(count), at_(static_cast<Element*>(::operator new((count + 2) * sizeof(Element), std::align_val_t{64}))) {}
  ~Elements() {
    wipe(at_, (count_ + 2) * sizeof(Element));
    ::operator delete(at_, std::align_val_t{64});
  }
  Elements(const Elements&) = delete;
  Elements& operator=(const Elements&) = delete;
  Element& operator[](std::size_t i) { return at_[i]; }
  Element* data() { return at_; }
  Element* scratch() { return at_ + count_; }

 private:
  std::size_t count_;
  Element* at_;
};

}  // namespace millrace
