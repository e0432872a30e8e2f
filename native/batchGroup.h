// The operations of kernels/api.h, written once for every path: a path gives a Field that computes on kLanes elements at a
// time, this file loads, schedules and stores. Powers use fixed windows of the same length for every exponent; table
// entries are read by masks over the whole table.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "elements.h"
#include "group.h"
#include "inverse.h"

namespace millrace {

/// Digit width of generic powers. Reading a table of 16 entries whole costs half as much as one of 32 (82 KB at 4096 bits and
/// eight lanes), which outweighs the products that wider digits save, for 256-bit exponents and for full ones.
constexpr unsigned kWindow = 4;
constexpr unsigned kEntries = 1u << kWindow;
/// Of multi-exponentiations, where every base has a table of its own, built for about 26 uses.
constexpr unsigned kMultiWindow = 4;
/// Bases that share one squaring chain there, times the lanes: their tables stay in the level-2 cache.
constexpr std::size_t kMultiGroups = 8;

template <class Field>
class BatchGroup final : public Group {
  using Element = typename Field::Element;
  static constexpr std::size_t kLanes = Field::kLanes;

 public:
  BatchGroup(const std::uint8_t* modulus, std::uint32_t bits) : field_(modulus, bits), bytes_(bits / 8) {}

  void prepare(std::uint8_t* out, const std::uint8_t* a, std::size_t count) const override {
    Elements<Element> t(1);
    for (std::size_t i = 0; i < count; i += kLanes) {
      field_.load(t[0], Rows(a, bytes_, i, count).at);
      field_.mul(t[0], field_.rSquared(), t[0]);
      store(t, 0, out, i, count);
    }
  }

  void mul(std::uint8_t* out, const std::uint8_t* a, const std::uint8_t* b, bool prepared, std::size_t count) const override {
    Elements<Element> t(2);
    for (std::size_t i = 0; i < count; i += kLanes) {
      const std::size_t next = i + kLanes < count ? i + kLanes : i;
      const Rows ahead[] = {Rows(a, bytes_, next, count), Rows(b, bytes_, next, count)};
      multiplyRows(t, out, Rows(a, bytes_, i, count), Rows(b, bytes_, i, count), ahead, prepared, i, count);
    }
  }

  void mulChain(std::uint8_t* out, const std::uint8_t* a, const std::uint8_t* b, std::size_t times, std::size_t count) const override {
    const std::size_t groups = (count + kLanes - 1) / kLanes;
    Elements<Element> x(groups), y(groups);
    for (std::size_t g = 0; g < groups; g++) {
      field_.load(x[g], Rows(a, bytes_, g * kLanes, count).at);
      field_.loadPrepared(y[g], Rows(b, bytes_, g * kLanes, count).at);
    }
    for (std::size_t n = 0; n < times; n++) {
      for (std::size_t g = 0; g < groups; g++) field_.mul(x[g], y[g], x[g]);
    }
    for (std::size_t g = 0; g < groups; g++) store(x, g, out, g * kLanes, count);
  }

  void mulGather(std::uint8_t* out, const std::uint8_t* a, const std::uint32_t* source, const std::uint8_t* b, bool prepared,
                 std::size_t width, std::size_t from, std::size_t to) const override {
    Elements<Element> t(2);
    const std::size_t end = to * width;
    const auto gather = [&](std::size_t i) {
      Rows x(a, bytes_, i, end);
      for (std::size_t l = 0; l < kLanes; l++) {
        const std::size_t index = i + l < end ? i + l : i;
        x.at[l] = a + (source[index / width] * width + index % width) * bytes_;
      }
      return x;
    };
    for (std::size_t i = from * width; i < end; i += kLanes) {
      const std::size_t next = i + kLanes < end ? i + kLanes : i;
      const Rows ahead[] = {gather(next), Rows(b, bytes_, next, end)};
      multiplyRows(t, out, gather(i), Rows(b, bytes_, i, end), ahead, prepared, i, end);
    }
  }

  void pow(std::uint8_t* out, const std::uint8_t* bases, const std::uint8_t* exponents, std::size_t exponentBytes,
           std::size_t count) const override {
    Elements<Element> table(kEntries), t(2);
    for (std::size_t i = 0; i < count; i += kLanes) {
      fillWindow(table, t, Rows(bases, bytes_, i, count));
      Rows rows(exponents, exponentBytes, i, count);
      power(table, t, rows, exponentBytes);
      finish(t[0]);
      store(t, 0, out, i, count);
    }
  }

  void powShared(std::uint8_t* out, const std::uint8_t* bases, const std::uint8_t* exponents, std::size_t exponentBytes,
                 std::size_t width, std::size_t count) const override {
    // One exponent: like pow. Several: one squaring chain for all of them, at the price of buckets for each.
    Elements<Element> table(kEntries * width), t(3);
    for (std::size_t i = 0; i < count; i += kLanes) {
      if (width > 1) chain(table, t, Rows(bases, bytes_, i, count), exponents, exponentBytes, width);
      else fillWindow(table, t, Rows(bases, bytes_, i, count));
      for (std::size_t e = 0; e < width; e++) {
        if (width > 1) collect(table.data() + e * kEntries, t);
        else power(table, t, Rows(exponents, exponentBytes, e, e + 1), exponentBytes);
        finish(t[0]);
        std::uint8_t* to[kLanes];
        const std::size_t valid = std::min(kLanes, count - i);
        for (std::size_t l = 0; l < valid; l++) to[l] = out + ((i + l) * width + e) * bytes_;
        field_.storeCanonical(t[0], t.scratch(), to, valid);
      }
    }
  }

  std::size_t tableBytes(std::size_t exponentBytes, std::uint32_t digitBits) const override {
    return rowsOf(exponentBytes, digitBits) * (std::size_t{1} << digitBits) * Field::entryBytes(bytes_ * 8);
  }

  /// Row j holds base^(d·2^(j·digitBits)) for all digits d. Rows are computed kLanes at a time.
  void tableFill(void* table, const std::uint8_t* base, std::size_t exponentBytes, std::uint32_t digitBits) const override {
    const std::size_t rows = rowsOf(exponentBytes, digitBits), entries = std::size_t{1} << digitBits;
    Elements<Element> t(3);
    field_.load(t[0], Rows(base, bytes_, 0, 1).at);
    field_.mul(t[0], field_.rSquared(), t[0]);
    auto entry = [&](std::size_t row, std::size_t digit) {
      return static_cast<std::uint8_t*>(table) + (row * entries + digit) * Field::entryBytes(bytes_ * 8);
    };
    // First entry 1 of each row, by squaring on; then the rest, as many rows at a time as there are lanes.
    for (std::size_t row = 0; row < rows; row++) {
      field_.putEntry(entry(row, 0), field_.one(), 0);
      field_.putEntry(entry(row, 1), t[0], 0);
      for (unsigned s = 0; s < digitBits && row + 1 < rows; s++) field_.square(t[0], t[0]);
    }
    for (std::size_t row = 0; row < rows; row += kLanes) {
      const void* from[kLanes];
      for (std::size_t l = 0; l < kLanes; l++) from[l] = entry(std::min(row + l, rows - 1), 1);
      field_.getEntries(t[0], from);
      t[1] = t[0];
      for (std::size_t digit = 2; digit < entries; digit++) {
        field_.mul(t[1], t[0], t[1]);
        for (std::size_t l = 0; l < kLanes && row + l < rows; l++) field_.putEntry(entry(row + l, digit), t[1], l);
      }
    }
  }

  void powFixed(std::uint8_t* out, const void* table, const std::uint8_t* exponents, std::size_t exponentBytes,
                std::uint32_t digitBits, std::size_t count) const override {
    const std::size_t rows = rowsOf(exponentBytes, digitBits), entries = std::size_t{1} << digitBits;
    const std::size_t rowBytes = entries * Field::entryBytes(bytes_ * 8);
    Elements<Element> t(2);
    for (std::size_t i = 0; i < count; i += kLanes) {
      Rows lanes(exponents, exponentBytes, i, count);
      for (std::size_t row = 0; row < rows; row++) {
        std::uint64_t digits[kLanes];
        for (std::size_t l = 0; l < kLanes; l++) digits[l] = digitAt(lanes.at[l], exponentBytes, row * digitBits, digitBits);
        const std::uint8_t* at = static_cast<const std::uint8_t*>(table) + row * rowBytes;
        field_.selectShared(row == 0 ? t[0] : t[1], at, entries, digits);
        if (row > 0) field_.mul(t[0], t[1], t[0]);
        wipe(digits, sizeof digits);
      }
      finish(t[0]);
      store(t, 0, out, i, count);
    }
  }

  bool invert(std::uint8_t* out, const std::uint8_t* a, const std::uint8_t* blinding, std::size_t count) const override {
    if (count == 0) return true;
    const std::size_t groups = (count + kLanes - 1) / kLanes;
    // prefix[g] is, in each lane, the product of the groups up to g, in Montgomery form.
    Elements<Element> prefix(groups), t(3);
    for (std::size_t g = 0; g < groups; g++) {
      loadOrOne(t[0], a, g * kLanes, count);
      if (g == 0) prefix[0] = t[0];
      else field_.mul(prefix[g - 1], t[0], prefix[g]);
    }
    t[1] = prefix[groups - 1];
    if (!invertLanes(t[1], blinding)) return false;
    for (std::size_t g = groups; g-- > 0;) {
      loadOrOne(t[0], a, g * kLanes, count);
      if (g == 0) t[2] = t[1];
      else field_.mul(t[1], prefix[g - 1], t[2]);
      field_.mul(t[1], t[0], t[1]);
      finish(t[2]);
      store(t, 2, out, g * kLanes, count);
    }
    return true;
  }

  void product(std::uint8_t* out, const std::uint8_t* a, std::size_t width, std::size_t slots) const override {
    Elements<Element> t(2);
    for (std::size_t e = 0; e < width; e++) {
      t[0] = field_.one();
      for (std::size_t i = 0; i < slots; i += kLanes) {
        // Lanes beyond the end multiply by one.
        loadStrided(t[1], a + e * bytes_, width * bytes_, i, slots);
        field_.mul(t[0], t[1], t[0]);
      }
      foldLanes(t[0], t[1]);
      finish(t[0]);
      std::uint8_t* to[kLanes] = {out + e * bytes_};
      field_.storeCanonical(t[0], t.scratch(), to, 1);
    }
  }

  void multiExp(std::uint8_t* out, const std::uint8_t* bases, const std::uint8_t* exponents, std::size_t exponentBytes,
                std::size_t count) const override {
    constexpr std::size_t entries = 1u << kMultiWindow;
    const std::size_t rows = rowsOf(exponentBytes, kMultiWindow);
    Elements<Element> tables(kMultiGroups * entries), t(3);
    t[0] = field_.one();
    for (std::size_t i = 0; i < count; i += kMultiGroups * kLanes) {
      const std::size_t groups = std::min(kMultiGroups, (count - i + kLanes - 1) / kLanes);
      for (std::size_t g = 0; g < groups; g++) {
        Element* table = tables.data() + g * entries;
        loadOrOne(table[1], bases, i + g * kLanes, count);
        table[0] = field_.one();
        for (std::size_t d = 2; d < entries; d++) field_.mul(table[d - 1], table[1], table[d]);
      }
      t[1] = field_.one();
      for (std::size_t row = rows; row-- > 0;) {
        for (unsigned s = 0; s < kMultiWindow && row + 1 < rows; s++) field_.square(t[1], t[1]);
        for (std::size_t g = 0; g < groups; g++) {
          std::uint64_t digits[kLanes];
          for (std::size_t l = 0; l < kLanes; l++) {
            const std::size_t index = i + g * kLanes + l;
            digits[l] = index < count ? digitAt(exponents + index * exponentBytes, exponentBytes, row * kMultiWindow, kMultiWindow) : 0;
          }
          field_.pick(t[2], tables.data() + g * entries, digits);
          field_.mul(t[1], t[2], t[1]);
        }
      }
      field_.mul(t[0], t[1], t[0]);
    }
    foldLanes(t[0], t[1]);
    finish(t[0]);
    std::uint8_t* to[kLanes] = {out};
    field_.storeCanonical(t[0], t.scratch(), to, 1);
  }

 private:
  /// Where the elements i, i + 1, … of a batch stand; lanes beyond the end read element i again.
  struct Rows {
    Rows(const std::uint8_t* base, std::size_t stride, std::size_t i, std::size_t count) {
      for (std::size_t l = 0; l < kLanes; l++) at[l] = base + (i + l < count ? i + l : i) * stride;
    }
    const std::uint8_t* at[kLanes];
  };

  static std::size_t rowsOf(std::size_t exponentBytes, unsigned digitBits) { return (exponentBytes * 8 + digitBits - 1) / digitBits; }

  void store(Elements<Element>& t, std::size_t which, std::uint8_t* out, std::size_t i, std::size_t count) const {
    std::uint8_t* to[kLanes];
    const std::size_t valid = std::min(kLanes, count - i);
    for (std::size_t l = 0; l < valid; l++) to[l] = out + (i + l) * bytes_;
    field_.storeCanonical(t[which], t.scratch(), to, valid);
  }

  /// Out of Montgomery form.
  void finish(Element& x) const { field_.mul(x, field_.plainOne(), x); }

  /// Asks for elements that are needed soon: they come while the processor multiplies. Rows are read side by side, in a pattern
  /// that it does not foresee by itself.
  void fetch(const Rows& rows) const {
    for (std::size_t l = 0; l < kLanes; l++) {
      for (std::size_t byte = 0; byte < bytes_; byte += 64) __builtin_prefetch(rows.at[l] + byte);
    }
  }

  void multiplyRows(Elements<Element>& t, std::uint8_t* out, const Rows& a, const Rows& b, const Rows ahead[2], bool prepared,
                    std::size_t i, std::size_t count) const {
    field_.load(t[0], a.at);
    if (prepared) field_.loadPrepared(t[1], b.at);
    else field_.load(t[1], b.at);
    fetch(ahead[0]);
    fetch(ahead[1]);
    field_.mul(t[0], t[1], t[0]);
    if (!prepared) field_.mul(t[0], field_.rSquared(), t[0]);
    store(t, 0, out, i, count);
  }

  /// table[d] = base^d in Montgomery form.
  void fillWindow(Elements<Element>& table, Elements<Element>& t, const Rows& bases) const {
    field_.load(t[0], bases.at);
    table[0] = field_.one();
    field_.mul(t[0], field_.rSquared(), table[1]);
    for (unsigned d = 2; d < kEntries; d += 2) {
      field_.square(table[d / 2], table[d]);
      field_.mul(table[d], table[1], table[d + 1]);
    }
  }

  /// t[0] = the power that the table's base has with each lane's exponent, in Montgomery form for `finish` or `store`.
  void power(Elements<Element>& table, Elements<Element>& t, const Rows& exponents, std::size_t exponentBytes) const {
    for (std::size_t row = rowsOf(exponentBytes, kWindow); row-- > 0;) {
      std::uint64_t digits[kLanes];
      for (std::size_t l = 0; l < kLanes; l++) digits[l] = digitAt(exponents.at[l], exponentBytes, row * kWindow, kWindow);
      const bool first = row + 1 == rowsOf(exponentBytes, kWindow);
      field_.select(first ? t[0] : t[1], table.data(), kEntries, digits);
      wipe(digits, sizeof digits);
      if (first) continue;
      for (unsigned s = 0; s < kWindow; s++) field_.square(t[0], t[0]);
      field_.mul(t[0], t[1], t[0]);
    }
  }

  /// Yao's method (1976): the chain x = base^(2^(window·row)) runs once, and every exponent multiplies x into the bucket of its
  /// digit of that row. Buckets are read and written by masks; that of digit 0 is never used.
  void chain(Elements<Element>& buckets, Elements<Element>& t, const Rows& bases, const std::uint8_t* exponents,
             std::size_t exponentBytes, std::size_t width) const {
    const std::size_t rows = rowsOf(exponentBytes, kWindow);
    for (std::size_t b = 0; b < kEntries * width; b++) buckets[b] = field_.one();
    field_.load(t[2], bases.at);
    field_.mul(t[2], field_.rSquared(), t[2]);
    for (std::size_t row = 0; row < rows; row++) {
      for (std::size_t e = 0; e < width; e++) {
        std::uint64_t digits[kLanes];
        std::fill(digits, digits + kLanes, digitAt(exponents + e * exponentBytes, exponentBytes, row * kWindow, kWindow));
        field_.select(t[1], buckets.data() + e * kEntries, kEntries, digits);
        field_.mul(t[1], t[2], t[1]);
        field_.deposit(buckets.data() + e * kEntries, kEntries, t[1], digits);
        wipe(digits, sizeof digits);
      }
      for (unsigned s = 0; s < kWindow && row + 1 < rows; s++) field_.square(t[2], t[2]);
    }
  }

  /// t[0] = product of bucket[d]^d, by running products from the top.
  void collect(const Element* buckets, Elements<Element>& t) const {
    t[1] = buckets[kEntries - 1];
    t[0] = t[1];
    for (std::size_t d = kEntries - 2; d > 0; d--) {
      field_.mul(t[1], buckets[d], t[1]);
      field_.mul(t[0], t[1], t[0]);
    }
  }

  void loadOrOne(Element& x, const std::uint8_t* a, std::size_t i, std::size_t count) const {
    loadStrided(x, a, bytes_, i, count);
  }

  /// Elements into Montgomery form; one in lanes beyond the end.
  void loadStrided(Element& x, const std::uint8_t* a, std::size_t stride, std::size_t i, std::size_t count) const {
    Rows rows(a, stride, i, count);
    for (std::size_t l = count - i; l < kLanes; l++) rows.at[l] = field_.oneBytes();
    field_.load(x, rows.at);
    field_.mul(x, field_.rSquared(), x);
  }

  /// Lane 0 of x becomes the product of all lanes.
  void foldLanes(Element& x, Element& scratch) const {
    for (std::size_t step = kLanes / 2; step > 0; step /= 2) {
      field_.rotate(scratch, x, step);
      field_.mul(x, scratch, x);
    }
  }

  /// Each lane of x (Montgomery form) becomes its inverse (Montgomery form): the trick again across lanes.
  bool invertLanes(Element& x, const std::uint8_t* blinding) const {
    std::vector<std::uint8_t> total(bytes_);
    Elements<Element> t(3);
    // t[1]: in each lane the product of all other lanes, by rotations.
    t[0] = x;
    t[1] = field_.one();
    for (std::size_t step = 1; step < kLanes; step++) {
      field_.rotate(t[2], x, step);
      field_.mul(t[1], t[2], t[1]);
    }
    field_.mul(t[0], t[1], t[0]);  // every lane: the product of all lanes
    const std::uint8_t* blind[kLanes];
    for (std::size_t l = 0; l < kLanes; l++) blind[l] = blinding;
    field_.load(t[2], blind);
    field_.mul(t[2], field_.rSquared(), t[2]);
    field_.mul(t[0], t[2], t[0]);
    finish(t[0]);
    std::uint8_t* to[kLanes] = {total.data()};
    field_.storeCanonical(t[0], t.scratch(), to, 1);
    if (!invertModulo(total.data(), field_.modulusWords())) return false;
    const std::uint8_t* from[kLanes];
    for (std::size_t l = 0; l < kLanes; l++) from[l] = total.data();
    field_.load(t[0], from);
    field_.mul(t[0], field_.rSquared(), t[0]);
    field_.mul(t[0], t[2], t[0]);  // the blinding comes off
    field_.mul(t[0], t[1], x);
    wipe(total.data(), total.size());
    return true;
  }

  Field field_;
  std::size_t bytes_;
};

}  // namespace millrace
