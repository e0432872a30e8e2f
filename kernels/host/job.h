// A job for the kernels on host lanes, and functions that run it on any target, with memory of exactly the sizes that the operation
// asks for, so that a sanitizer sees every slip.
#pragma once

#include <stdexcept>
#include <string>

#include "../../native/inverse.h"
#include "target.h"

namespace millrace::kernels {

using Bytes = std::vector<std::uint8_t>;
using Words = std::vector<std::uint32_t>;

inline Words toWords(const Bytes& bytes) {
  Words words((bytes.size() + 3) / 4, 0);
  if (!bytes.empty()) std::memcpy(words.data(), bytes.data(), bytes.size());
  return words;
}

struct Job {
  std::string operation;
  std::uint32_t bits;
  int tpi;
  Form form;
  std::uint32_t warps;
  Bytes modulus;
  std::vector<std::size_t> numbers;
  std::vector<Bytes> batches;

  std::size_t number(std::size_t i) const { return numbers.at(i); }
  Words words(std::size_t i) const { return toWords(batches.at(i)); }
  const std::uint8_t* bytes(std::size_t i) const { return batches.at(i).data(); }
  std::size_t count(std::size_t i) const { return batches.at(i).size() / (bits / 8); }
};

/// The inverse of the hidden product, as the library finds it.
inline Words inverted(const Words& hidden, const ModulusConstants& constants) {
  Bytes value(hidden.size() * 4);
  std::memcpy(value.data(), hidden.data(), value.size());
  std::vector<std::uint64_t> p(hidden.size() / 2);
  std::memcpy(p.data(), constants.words().data(), value.size());
  if (!invertModulo(value.data(), p)) throw std::runtime_error("not invertible");
  return toWords(value);
}

template <class Target>
Words runInvert(const Arithmetic<Target>& arithmetic, Target& on, const Job& job, const ModulusConstants& constants) {
  const Words a = job.words(0), blinding = job.words(1);
  Words hidden(blinding.size()), out(a.size()), scratch(arithmetic.invertScratch(job.count(0)) / 4);
  arithmetic.invertUp(on, hidden.data(), a.data(), blinding.data(), job.count(0), scratch.data());
  const Words inverse = inverted(hidden, constants);
  arithmetic.invertDown(on, out.data(), inverse.data(), a.data(), blinding.data(), job.count(0), scratch.data());
  return out;
}

template <class Target>
Words runPower(const Arithmetic<Target>& arithmetic, Target& on, const Job& job) {
  const Words a = job.words(0);
  const std::size_t n = job.bits / 32, bytes = job.number(0);
  if (job.operation == "pow") {
    Words out(a.size()), scratch(arithmetic.powScratch(on, job.count(0)) / 4);
    arithmetic.pow(on, out.data(), a.data(), job.bytes(1), bytes, job.count(0), scratch.data());
    return out;
  }
  if (job.operation == "powShared") {
    const std::size_t width = job.number(1);
    Words out(a.size() * width), scratch(arithmetic.powSharedScratch(on, width, job.count(0)) / 4);
    arithmetic.powShared(on, out.data(), a.data(), job.bytes(1), bytes, width, job.count(0), scratch.data());
    return out;
  }
  if (job.operation == "powFixed") {
    const std::uint32_t digitBits = static_cast<std::uint32_t>(job.number(1));
    const std::size_t count = job.batches.at(1).size() / bytes;
    Words out(count * n), table(arithmetic.tableBytes(bytes, digitBits) / 4);
    arithmetic.tableFill(on, table.data(), a.data(), bytes, digitBits);
    arithmetic.powFixed(on, out.data(), table.data(), job.bytes(1), bytes, digitBits, count);
    return out;
  }
  if (job.operation != "multiExp") throw std::runtime_error("no operation " + job.operation);
  Words out(n), scratch(arithmetic.multiExpScratch(on, job.count(0)) / 4);
  arithmetic.multiExp(on, out.data(), a.data(), job.bytes(1), bytes, job.count(0), scratch.data());
  return out;
}

template <class Target>
Words run(const Arithmetic<Target>& arithmetic, Target& on, const Job& job, const ModulusConstants& constants) {
  if (job.operation == "invert") return runInvert(arithmetic, on, job, constants);
  const std::size_t n = job.bits / 32;
  const Words a = job.words(0);
  Words out(a.size());
  if (job.operation == "prepare") {
    arithmetic.prepare(on, out.data(), a.data(), job.count(0));
  } else if (job.operation == "mul") {
    const Words b = job.words(1);
    arithmetic.mul(on, out.data(), a.data(), b.data(), job.number(0) != 0, job.count(0));
  } else if (job.operation == "mulGather") {
    // Numbers: prepared, width, from, to. Outside of from … to the result stays zero.
    const Words b = job.words(1), source = job.words(2);
    arithmetic.mulGather(on, out.data(), a.data(), source.data(), b.data(), job.number(0) != 0, job.number(1), job.number(2),
                         job.number(3));
  } else if (job.operation == "product") {
    const std::size_t width = job.number(0), slots = job.count(0) / width;
    out.assign(width * n, 0);
    Words scratch(arithmetic.productScratch(width, slots) / 4);
    arithmetic.product(on, out.data(), a.data(), width, slots, scratch.data());
  } else {
    return runPower(arithmetic, on, job);
  }
  return out;
}

/// Runs a job on lanes that a fault breaks; 2048 bits, 16 lanes, the special form only.
Words runBroken(const std::string& fault, const Job& job, const ModulusConstants& constants, const Modulus& modulus);

}  // namespace millrace::kernels
