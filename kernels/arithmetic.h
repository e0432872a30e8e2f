// The operations of kernels/api.h on device memory, as sequences of launches. The library behind the C ABI calls them, and the tests on
// the host call the same code. One class for each shape, one interface over all shapes.
//
// All pointers are to device memory (host memory on the host), 16-byte aligned; elements are bits/8 bytes, little-endian, exponents
// exponentBytes each. Work is queued on the target's stream in order. `scratch` has at least the bytes that the function of the same
// name with Scratch returns, and belongs to the call until its work is done; it holds secrets.
#pragma once

#include <memory>

#include "modulus.h"
#include "mul.h"
#include "powFixed.h"
#include "product.h"

namespace millrace::kernels {

template <class Target>
class Arithmetic {
 public:
  virtual ~Arithmetic() = default;
  virtual int tpi() const = 0;
  virtual int bits() const = 0;
  virtual void prepare(Target& on, std::uint32_t* out, const std::uint32_t* a, std::size_t count) const = 0;
  virtual void mul(Target& on, std::uint32_t* out, const std::uint32_t* a, const std::uint32_t* b, bool prepared,
                   std::size_t count) const = 0;
  /// Slots from `from` to `to`; pointers are to the beginning of whole batches.
  virtual void mulGather(Target& on, std::uint32_t* out, const std::uint32_t* a, const std::uint32_t* source,
                         const std::uint32_t* b, bool prepared, std::size_t width, std::size_t from, std::size_t to) const = 0;
  virtual void pow(Target& on, std::uint32_t* out, const std::uint32_t* bases, const std::uint8_t* exponents,
                   std::size_t exponentBytes, std::size_t count, std::uint32_t* scratch) const = 0;
  virtual std::size_t powScratch(const Target& on, std::size_t count) const = 0;
  virtual void powShared(Target& on, std::uint32_t* out, const std::uint32_t* bases, const std::uint8_t* exponents,
                         std::size_t exponentBytes, std::size_t width, std::size_t count, std::uint32_t* scratch) const = 0;
  virtual std::size_t powSharedScratch(const Target& on, std::size_t width, std::size_t count) const = 0;
  virtual std::size_t tableBytes(std::size_t exponentBytes, std::uint32_t digitBits) const = 0;
  virtual void tableFill(Target& on, std::uint32_t* table, const std::uint32_t* base, std::size_t exponentBytes,
                         std::uint32_t digitBits) const = 0;
  virtual void powFixed(Target& on, std::uint32_t* out, const std::uint32_t* table, const std::uint8_t* exponents,
                        std::size_t exponentBytes, std::uint32_t digitBits, std::size_t count) const = 0;
  /// First half of an inversion: `hidden` becomes the canonical product of all elements and the blinding, times a power of R
  /// that the second half knows. Its inverse modulo p, found anywhere, goes to invertDown with the same scratch.
  virtual void invertUp(Target& on, std::uint32_t* hidden, const std::uint32_t* a, const std::uint32_t* blinding,
                        std::size_t count, std::uint32_t* scratch) const = 0;
  virtual void invertDown(Target& on, std::uint32_t* out, const std::uint32_t* hiddenInverse, const std::uint32_t* a,
                          const std::uint32_t* blinding, std::size_t count, std::uint32_t* scratch) const = 0;
  virtual std::size_t invertScratch(std::size_t count) const = 0;
  virtual void product(Target& on, std::uint32_t* out, const std::uint32_t* a, std::size_t width, std::size_t slots,
                       std::uint32_t* scratch) const = 0;
  virtual std::size_t productScratch(std::size_t width, std::size_t slots) const = 0;
  virtual void multiExp(Target& on, std::uint32_t* out, const std::uint32_t* bases, const std::uint8_t* exponents,
                        std::size_t exponentBytes, std::size_t count, std::uint32_t* scratch) const = 0;
  virtual std::size_t multiExpScratch(const Target& on, std::size_t count) const = 0;
};

template <class S, Form F, class Target>
class ArithmeticOf final : public Arithmetic<Target> {
  using Words = std::uint32_t*;
  using ConstWords = const std::uint32_t*;
  using Bytes = const std::uint8_t*;

 public:
  explicit ArithmeticOf(const Modulus& modulus) : modulus_(modulus) {}
  int tpi() const override { return S::kTpi; }
  int bits() const override { return S::kBits; }

  void prepare(Target& on, Words out, ConstWords a, std::size_t count) const override {
    on.run(PrepareBody<S, F>{modulus_, out, a, u32(count)}, groupsOf<S>(count));
  }

  void mul(Target& on, Words out, ConstWords a, ConstWords b, bool prepared, std::size_t count) const override {
    on.run(MulBody<S, F>{modulus_, out, a, b, prepared, u32(count)}, groupsOf<S>(count));
  }

  void mulGather(Target& on, Words out, ConstWords a, ConstWords source, ConstWords b, bool prepared, std::size_t width,
                 std::size_t from, std::size_t to) const override {
    const std::size_t count = (to - from) * width;
    on.run(MulGatherBody<S, F>{modulus_, out, a, source, b, prepared, u32(width), u32(from * width), u32(count)},
           groupsOf<S>(count));
  }

  void pow(Target& on, Words out, ConstWords bases, Bytes exponents, std::size_t exponentBytes, std::size_t count,
           Words scratch) const override {
    on.run(PowBody<S, F>{modulus_, out, bases, exponents, u32(exponentBytes), false, u32(count), scratch}, groupsOf<S>(count));
  }
  std::size_t powScratch(const Target& on, std::size_t count) const override {
    return warpBytes(on, groupsOf<S>(count), PowBody<S, F>::kScratch);
  }

  void powShared(Target& on, Words out, ConstWords bases, Bytes exponents, std::size_t exponentBytes, std::size_t width,
                 std::size_t count, Words scratch) const override {
    const std::uint32_t groups = groupsOf<S>(count), bytes = u32(exponentBytes);
    if (width == 1) on.run(PowBody<S, F>{modulus_, out, bases, exponents, bytes, true, u32(count), scratch}, groups);
    else on.run(PowSharedBody<S, F>{modulus_, out, bases, exponents, bytes, u32(width), u32(count), scratch}, groups);
  }
  std::size_t powSharedScratch(const Target& on, std::size_t width, std::size_t count) const override {
    return warpBytes(on, groupsOf<S>(count), PowSharedBody<S, F>::scratchWords(u32(width)));
  }

  std::size_t tableBytes(std::size_t exponentBytes, std::uint32_t digitBits) const override {
    return tableWords<S>(exponentBytes, digitBits) * 4;
  }
  void tableFill(Target& on, Words table, ConstWords base, std::size_t exponentBytes, std::uint32_t digitBits) const override {
    const std::uint32_t rows = digitRows(u32(exponentBytes), digitBits);
    on.run(TableRowsBody<S, F>{modulus_, table, base, rows, digitBits}, 1);
    on.run(TableEntriesBody<S, F>{modulus_, table, rows, digitBits}, groupsOf<S>(rows));
  }
  void powFixed(Target& on, Words out, ConstWords table, Bytes exponents, std::size_t exponentBytes, std::uint32_t digitBits,
                std::size_t count) const override {
    on.run(PowFixedBody<S, F>{modulus_, out, table, exponents, u32(exponentBytes), digitBits, u32(count)},
           groupsOf<S>(count));
  }

  void invertUp(Target& on, Words hidden, ConstWords a, ConstWords blinding, std::size_t count, Words scratch) const override {
    ConstWords level = a;
    std::size_t left = count;
    while (left > 1) {
      const Words prefix = scratch, total = prefix + left * S::kLimbs;
      const std::size_t parts = (left + kFan - 1) / kFan;
      on.run(InvertUpBody<S, F>{modulus_, prefix, total, level, u32(left)}, groupsOf<S>(parts));
      level = total;
      scratch = total + parts * S::kLimbs;
      left = parts;
    }
    on.run(MulBody<S, F>{modulus_, hidden, level, blinding, true, 1}, 1);
  }

  void invertDown(Target& on, Words out, ConstWords hiddenInverse, ConstWords a, ConstWords blinding, std::size_t count,
                  Words scratch) const override {
    struct Level {
      ConstWords numbers;
      Words prefix;
      std::size_t count;
    };
    std::vector<Level> levels;
    ConstWords numbers = a;
    Words at = scratch;
    for (std::size_t left = count; left > 1; left = (left + kFan - 1) / kFan) {
      levels.push_back({numbers, at, left});
      numbers = at + left * S::kLimbs;
      at += (left + (left + kFan - 1) / kFan) * S::kLimbs;
    }
    // The blinding comes off; then each level's inverses overwrite its running products.
    const Words top = levels.empty() ? out : at;
    on.run(MulBody<S, F>{modulus_, top, hiddenInverse, blinding, true, 1}, 1);
    ConstWords inverse = top;
    while (!levels.empty()) {
      const Level level = levels.back();
      levels.pop_back();
      const bool lowest = levels.empty();
      const Words to = lowest ? out : level.prefix;
      on.run(InvertDownBody<S, F>{modulus_, to, level.prefix, inverse, level.numbers, u32(level.count), lowest},
             groupsOf<S>((level.count + kFan - 1) / kFan));
      inverse = to;
    }
  }
  std::size_t invertScratch(std::size_t count) const override {
    std::size_t numbers = 1;
    for (std::size_t left = count; left > 1; left = (left + kFan - 1) / kFan) numbers += left + (left + kFan - 1) / kFan;
    return numbers * S::kLimbs * 4;
  }

  void product(Target& on, Words out, ConstWords a, std::size_t width, std::size_t slots, Words scratch) const override {
    fold(on, out, a, width, slots, true, scratch);
  }
  std::size_t productScratch(std::size_t width, std::size_t slots) const override {
    return foldNumbers(width, slots) * S::kLimbs * 4;
  }

  void multiExp(Target& on, Words out, ConstWords bases, Bytes exponents, std::size_t exponentBytes, std::size_t count,
                Words scratch) const override {
    const std::size_t parts = (count + kBases - 1) / kBases;
    const Words tables = scratch + parts * S::kLimbs + foldNumbers(1, parts) * S::kLimbs;
    on.run(MultiExpBody<S, F>{modulus_, scratch, bases, exponents, u32(exponentBytes), u32(count), tables},
           groupsOf<S>(parts));
    fold(on, out, scratch, 1, parts, false, scratch + parts * S::kLimbs);
  }
  std::size_t multiExpScratch(const Target& on, std::size_t count) const override {
    const std::size_t parts = (count + kBases - 1) / kBases;
    return (parts + foldNumbers(1, parts)) * S::kLimbs * 4 + warpBytes(on, groupsOf<S>(parts), MultiExpBody<S, F>::kScratch);
  }

 private:
  static std::uint32_t u32(std::size_t x) { return static_cast<std::uint32_t>(x); }

  static std::size_t warpBytes(const Target& on, std::uint32_t groups, std::size_t wordsEach) {
    return on.warpsFor(groups) * wordsEach * S::kInstances * 4;
  }

  /// Runs FoldBody until one row is left; no rows at all give 1.
  void fold(Target& on, Words out, ConstWords in, std::size_t width, std::size_t rows, bool plain, Words scratch) const {
    for (;;) {
      const std::size_t outRows = rows <= kShare ? 1 : (rows + kShare - 1) / kShare;
      const bool last = outRows == 1;
      const Words to = last ? out : scratch;
      on.run(FoldBody<S, F>{modulus_, to, in, u32(width), u32(rows), u32(outRows), plain, last}, groupsOf<S>(outRows * width));
      if (last) return;
      in = to;
      scratch += outRows * width * S::kLimbs;
      rows = outRows;
      plain = false;
    }
  }
  static std::size_t foldNumbers(std::size_t width, std::size_t rows) {
    std::size_t numbers = 0;
    while (rows > kShare) {
      rows = (rows + kShare - 1) / kShare;
      numbers += rows * width;
    }
    return numbers;
  }

  Modulus modulus_;
};

/// The modulus in the kernels' form, when its words have been uploaded to `words`.
inline Modulus modulusAt(const ModulusConstants& constants, const std::uint32_t* words) {
  const std::size_t n = constants.limbs();
  const std::uint64_t inverse = constants.inverse();
  return {words, words + n, words + 2 * n, words + 3 * n, words + 4 * n,
          {static_cast<std::uint32_t>(inverse), static_cast<std::uint32_t>(inverse >> 32)}};
}

/// The operations on numbers of kBits bits with `tpi` lanes each; null if there are none. Instantiated in one translation unit for each
/// width. MILLRACE_LEAN is for builds with sanitizers, which take long: every modulus uses the general form, whose code contains that
/// of the special form and more.
template <class Target, int kBits>
std::unique_ptr<Arithmetic<Target>> makeArithmeticOf(int tpi, [[maybe_unused]] Form form,
                                                     const Modulus& modulus) {
  auto make = [&](auto shape) -> std::unique_ptr<Arithmetic<Target>> {
    using S = decltype(shape);
#ifndef MILLRACE_LEAN
    if (form == Form::kSpecial) return std::make_unique<ArithmeticOf<S, Form::kSpecial, Target>>(modulus);
#endif
    if constexpr (Target::kGeneralOnly16 && S::kTpi != 16) return nullptr;
    else return std::make_unique<ArithmeticOf<S, Form::kGeneral, Target>>(modulus);
  };
  if (tpi == 8) return make(Shape<kBits, 8>{});
  if (tpi == 16) return make(Shape<kBits, 16>{});
  if (tpi == 32) return make(Shape<kBits, 32>{});
  return nullptr;
}

}  // namespace millrace::kernels
