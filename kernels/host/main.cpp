// Runs kernels on host lanes, one job a line, for tests that know the results. A job is words with blanks between them:
//
//   <fault> <operation> <bits> <tpi> <form> <warps> <modulus> <numbers, comma-separated> <batches …>
//
// and its answer a line: the result. Batches are hexadecimal bytes, little-endian as in memory; `-` is an empty one. `warps` is the
// number of warps that share the work, so that a warp goes round more than once. Faults other than `none` break the lanes on purpose,
// and work for one shape only: 2048 bits, 16 lanes, the special form.
#include <iostream>
#include <sstream>

#include "job.h"

namespace millrace {

void wipe(void* at, std::size_t length) {
  volatile unsigned char* byte = static_cast<unsigned char*>(at);
  for (std::size_t i = 0; i < length; i++) byte[i] = 0;
}

}  // namespace millrace

namespace millrace::kernels {
namespace {

Bytes fromHex(const std::string& text) {
  Bytes bytes;
  if (text == "-") return bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::string toHex(const Words& words) {
  static const char digits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint32_t word : words) {
    for (int shift = 0; shift < 32; shift += 8) {
      text += digits[word >> (shift + 4) & 15];
      text += digits[word >> shift & 15];
    }
  }
  return text;
}

Words runFault(const std::string& fault, Job& job) {
  const ModulusConstants constants(job.modulus.data(), job.bits);
  const Modulus modulus = modulusAt(constants, constants.words().data());
#ifdef MILLRACE_LEAN
  if (fault != "none") throw std::runtime_error("built without broken lanes");
  job.form = Form::kGeneral;
#else
  if (fault != "none") return runBroken(fault, job, constants, modulus);
#endif
  if (job.form == Form::kSpecial && !constants.special()) throw std::runtime_error("not a special modulus");
  auto arithmetic = job.bits == 2048   ? makeArithmeticOf<SoundHost, 2048>(job.tpi, job.form, modulus)
                    : job.bits == 3072 ? makeArithmeticOf<SoundHost, 3072>(job.tpi, job.form, modulus)
                    : job.bits == 4096 ? makeArithmeticOf<SoundHost, 4096>(job.tpi, job.form, modulus)
                                       : nullptr;
  if (!arithmetic) throw std::runtime_error("no kernels of that shape");
  SoundHost on{job.warps};
  const Words out = run<SoundHost>(*arithmetic, on, job, constants);
  if (carriesLost() != 0) throw std::runtime_error("a chain carried out where it must not");
  return out;
}

Words runLine(const std::string& line) {
  std::istringstream in(line);
  std::string fault, form, modulus, numbers, batch;
  Job job;
  in >> fault >> job.operation >> job.bits >> job.tpi >> form >> job.warps >> modulus >> numbers;
  job.form = form == "special" ? Form::kSpecial : Form::kGeneral;
  job.modulus = fromHex(modulus);
  std::istringstream list(numbers);
  for (std::string number; std::getline(list, number, ',');) {
    if (number != "-") job.numbers.push_back(std::stoul(number));
  }
  while (in >> batch) job.batches.push_back(fromHex(batch));
  if (job.modulus.size() * 8 != job.bits || job.warps == 0) throw std::runtime_error("a job that makes no sense");
  return runFault(fault, job);
}

}  // namespace
}  // namespace millrace::kernels

int main() {
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    try {
      std::cout << millrace::kernels::toHex(millrace::kernels::runLine(line)) << '\n';
    } catch (const std::exception& error) {
      std::cout << "error: " << error.what() << '\n';
    }
  }
  return 0;
}
