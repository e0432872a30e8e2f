// A job that the card and the host lanes both do, and how it is done on either: the same calls on memory of either kind. For
// kernels/dev/check.cu.
//
// MILLRACE_LINKED: the kernels of the widths are units of their own (kernels/card.cu, kernels/host/width.cpp), compiled side by
// side; without it this program's own two units hold all of them, so that one command builds it.
#pragma once

#include <stdexcept>
#include <string>

#include "../../native/inverse.h"
#if defined(MILLRACE_LINKED) && !defined(__CUDACC__)
#include "../host/target.h"
#else
#include "../arithmetic.h"
#endif

namespace millrace::kernels {

#if defined(MILLRACE_LINKED) && defined(__CUDACC__)
extern template std::unique_ptr<Arithmetic<Card>> makeArithmeticOf<Card, 2048>(int, Form, const Modulus&);
extern template std::unique_ptr<Arithmetic<Card>> makeArithmeticOf<Card, 3072>(int, Form, const Modulus&);
extern template std::unique_ptr<Arithmetic<Card>> makeArithmeticOf<Card, 4096>(int, Form, const Modulus&);
#endif

struct CheckJob {
  std::string operation;
  int bits;
  int tpi;
  std::vector<std::uint32_t> modulus;
  std::size_t count;
  std::size_t width;
  std::size_t exponentBytes;
  std::uint32_t digitBits;
  /// Operands of count·width elements, a blinding, exponents, and a permutation of the slots.
  std::vector<std::uint32_t> a, b, blinding, exponents, source;
};

/// Everything an operation needs, where the target can see it. Memory gives Buffer, which holds words.
template <class Target, class Memory>
class CheckRun {
  using Buffer = typename Memory::Buffer;

 public:
  CheckRun(Target& on, const CheckJob& job)
      : on_(on), job_(job), constants_(reinterpret_cast<const std::uint8_t*>(job.modulus.data()), job.bits),
        modulus_(constants_.words()), a_(job.a), b_(job.b), blinding_(job.blinding), exponents_(job.exponents),
        source_(job.source), small_(job.modulus) {
    const Form form = constants_.special() ? Form::kSpecial : Form::kGeneral;
    const Modulus modulus = modulusAt(constants_, modulus_.words());
    arithmetic_ = job.bits == 2048   ? makeArithmeticOf<Target, 2048>(job.tpi, form, modulus)
                  : job.bits == 3072 ? makeArithmeticOf<Target, 3072>(job.tpi, form, modulus)
                                     : makeArithmeticOf<Target, 4096>(job.tpi, form, modulus);
    if (!arithmetic_) throw std::runtime_error("no kernels of that shape");
    const std::size_t n = job.bits / 32, width = job.operation == "powShared" ? job.width : 1;
    out_ = Buffer(std::vector<std::uint32_t>(job.a.size() * width + n, 0));
    scratch_ = Buffer(std::vector<std::uint32_t>(scratchBytes() / 4 + 4, 0));
    if (job.operation == "powFixed") {
      table_ = Buffer(std::vector<std::uint32_t>(arithmetic_->tableBytes(job.exponentBytes, job.digitBits) / 4, 0));
      arithmetic_->tableFill(on_, table_.words(), a_.words(), job.exponentBytes, job.digitBits);
    }
  }

  /// Queues the operation once.
  void compute() {
    const CheckJob& job = job_;
    const std::size_t slots = job.count / job.width;
    const auto* exponents = reinterpret_cast<const std::uint8_t*>(exponents_.words());
    std::uint32_t *out = out_.words(), *a = a_.words(), *b = b_.words(), *scratch = scratch_.words();
    if (job.operation == "mul") arithmetic_->mul(on_, out, a, b, false, job.count);
    else if (job.operation == "mulPrepared") arithmetic_->mul(on_, out, a, b, true, job.count);
    else if (job.operation == "prepare") arithmetic_->prepare(on_, out, a, job.count);
    else if (job.operation == "mulGather") arithmetic_->mulGather(on_, out, a, source_.words(), b, true, job.width, 0, slots);
    else if (job.operation == "pow") arithmetic_->pow(on_, out, a, exponents, job.exponentBytes, job.count, scratch);
    else if (job.operation == "powShared")
      arithmetic_->powShared(on_, out, a, exponents, job.exponentBytes, job.width, job.count, scratch);
    else if (job.operation == "powFixed")
      arithmetic_->powFixed(on_, out, table_.words(), exponents, job.exponentBytes, job.digitBits, job.count);
    else if (job.operation == "product") arithmetic_->product(on_, out, a, job.width, slots, scratch);
    else if (job.operation == "multiExp") arithmetic_->multiExp(on_, out, a, exponents, job.exponentBytes, job.count, scratch);
    else if (job.operation == "invert") invert();
    else throw std::runtime_error("no operation " + job.operation);
  }

  std::vector<std::uint32_t> result() { return out_.download(); }

 private:
  std::size_t scratchBytes() const {
    const CheckJob& job = job_;
    if (job.operation == "pow") return arithmetic_->powScratch(on_, job.count);
    if (job.operation == "powShared") return arithmetic_->powSharedScratch(on_, job.width, job.count);
    if (job.operation == "product") return arithmetic_->productScratch(job.width, job.count / job.width);
    if (job.operation == "multiExp") return arithmetic_->multiExpScratch(on_, job.count);
    return job.operation == "invert" ? arithmetic_->invertScratch(job.count) : 0;
  }

  void invert() {
    arithmetic_->invertUp(on_, small_.words(), a_.words(), blinding_.words(), job_.count, scratch_.words());
    std::vector<std::uint32_t> hidden = small_.download();
    std::vector<std::uint64_t> p(hidden.size() / 2);
    std::memcpy(p.data(), job_.modulus.data(), hidden.size() * 4);
    if (!invertModulo(reinterpret_cast<std::uint8_t*>(hidden.data()), p)) throw std::runtime_error("not invertible");
    small_.upload(hidden);
    arithmetic_->invertDown(on_, out_.words(), small_.words(), a_.words(), blinding_.words(), job_.count, scratch_.words());
  }

  Target& on_;
  const CheckJob& job_;
  ModulusConstants constants_;
  Buffer modulus_, a_, b_, blinding_, exponents_, source_, small_, out_, scratch_, table_;
  std::unique_ptr<Arithmetic<Target>> arithmetic_;
};

/// Memory of the host behind the same interface as a card's.
struct HostMemory {
  class Buffer {
   public:
    Buffer() = default;
    explicit Buffer(const std::vector<std::uint32_t>& words) : words_(words) {}
    std::uint32_t* words() { return words_.data(); }
    const std::vector<std::uint32_t>& download() const { return words_; }
    void upload(const std::vector<std::uint32_t>& words) { words_ = words; }

   private:
    std::vector<std::uint32_t> words_;
  };
};

/// Operands for an operation, the same for the same seed; the count is rounded up to whole slots.
CheckJob jobOf(const std::string& operation, int bits, int tpi, std::size_t count, std::size_t width, std::size_t exponentBytes,
               unsigned seed);
/// The job on host lanes.
std::vector<std::uint32_t> computeOnHost(const CheckJob& job);
/// The RFC 3526 prime of a width, from its formula.
std::vector<std::uint32_t> rfc3526(int bits);

}  // namespace millrace::kernels
