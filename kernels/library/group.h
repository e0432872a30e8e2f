// A group on a device: the operations of kernels/api.h on batches of the host's memory, each described as work for the pipeline.
// Arguments have been checked (abi.cpp). One object serves any number of threads.
#pragma once

#include "pipeline.h"

namespace millrace::library {

/// Data that stays on the device by handle, with the group that it belongs to.
struct Resident;

class Group : public std::enable_shared_from_this<Group> {
 public:
  /// Throws Failure MILLRACE_UNSUPPORTED if there are no kernels of that width or for that card.
  Group(Device& device, const std::uint8_t* modulus, std::uint32_t bits);
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  Device& device() const { return device_; }
  std::size_t bytes() const { return bytes_; }

  void prepare(std::uint8_t* out, const std::uint8_t* a, std::size_t count) const;
  void mul(std::uint8_t* out, const std::uint8_t* a, const std::uint8_t* b, bool prepared, std::size_t count) const;
  void mulChain(std::uint8_t* out, const std::uint8_t* a, const std::uint8_t* b, std::size_t times, std::size_t count) const;
  void mulGather(std::uint8_t* out, const std::uint8_t* a, const std::uint32_t* source, const std::uint8_t* b, bool prepared,
                 std::size_t width, std::size_t from, std::size_t to) const;
  void pow(std::uint8_t* out, const std::uint8_t* bases, const std::uint8_t* exponents, std::size_t exponentBytes,
           std::size_t count) const;
  void powShared(std::uint8_t* out, const std::uint8_t* bases, const std::uint8_t* exponents, std::size_t exponentBytes,
                 std::size_t width, std::size_t count) const;
  std::size_t tableBytes(std::size_t exponentBytes, std::uint32_t digitBits) const;
  /// False if the product of the batch has no inverse.
  bool invert(std::uint8_t* out, const std::uint8_t* a, const std::uint8_t* blinding, std::size_t count) const;
  void product(std::uint8_t* out, const std::uint8_t* a, std::size_t width, std::size_t slots) const;
  void multiExp(std::uint8_t* out, const std::uint8_t* bases, const std::uint8_t* exponents, std::size_t exponentBytes,
                std::size_t count) const;

  std::unique_ptr<Resident> makeResidentPrepared(const std::uint8_t* a, std::size_t count) const;
  std::unique_ptr<Resident> makeResidentTable(const std::uint8_t* base, std::size_t exponentBytes, std::uint32_t digitBits) const;
  void mulResident(std::uint8_t* out, const std::uint8_t* a, const Resident& resident, std::size_t first, std::size_t count) const;
  void mulGatherResident(std::uint8_t* out, const std::uint8_t* a, const std::uint32_t* source, const Resident& resident, std::size_t first,
                     std::size_t width, std::size_t from, std::size_t to) const;
  void powFixedResident(std::uint8_t* out, const Resident& resident, const std::uint8_t* exponents, std::size_t count) const;

 private:
  using Kernels = kernels::Arithmetic<Target>;

  std::size_t limbs() const { return bytes_ / 4; }
  const Kernels& kernelsFor(std::size_t numbers) const;
  std::size_t filling(const Kernels& kernels) const;
  /// Items of a part, for a batch whose transfers take longer than its computing.
  std::size_t lightPart(const Kernels& kernels, std::size_t items, std::size_t numbersEach, std::size_t bytesEach) const;
  Input elements(const std::uint8_t* at, std::size_t each = 1) const;
  std::vector<std::uint8_t> ones(std::size_t count) const;

  bool invertWhole(std::uint8_t* out, const std::uint8_t* a, const std::uint8_t* blinding, std::size_t count) const;
  bool invertInParts(std::uint8_t* out, const std::uint8_t* a, const std::uint8_t* blinding, std::size_t count) const;
  bool invertHidden(std::uint8_t* value) const;
  void productOfColumns(std::uint8_t* out, const std::uint8_t* a, std::size_t width, std::size_t first, std::size_t columns,
                        std::size_t slots) const;

  Device& device_;
  const std::size_t bytes_;
  const kernels::ModulusConstants constants_;
  Memory words_{Memory::Kind::kDevice};
  /// The kernels that there are, by lanes an instance, the fewest first.
  std::vector<std::unique_ptr<Kernels>> kernels_;
};

struct Resident {
  enum class Kind { kPrepared, kTable };
  Kind kind;
  std::shared_ptr<const Group> group;
  std::size_t count;
  std::size_t exponentBytes;
  std::uint32_t digitBits;
  Memory memory{Memory::Kind::kDevice};

  std::uint32_t* words() const { return reinterpret_cast<std::uint32_t*>(memory.at()); }
  ~Resident() { group->device().enterAnyway(); }
};

}  // namespace millrace::library
