// Inversion of one blinded number modulo p by the binary extended Euclidean algorithm. Not constant-time, which is why its
// callers hide the number behind a random factor.
#pragma once

#include <cstdint>
#include <vector>

namespace millrace {

/// value (little-endian bytes, 1 ≤ value < p) becomes value⁻¹ mod p; false where it has none.
bool invertModulo(std::uint8_t* value, const std::vector<std::uint64_t>& p);

}  // namespace millrace
