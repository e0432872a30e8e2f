#include "checkReport.h"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace millrace::kernels {
namespace {

constexpr std::size_t kBatchMax = 65536;

std::vector<std::size_t> listOf(const std::string& option, const std::string& text, std::size_t most) {
  std::vector<std::size_t> numbers;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string number = text.substr(at, end - at);
    const bool digits = !number.empty() && number.size() < 9 && number.find_first_not_of("0123456789") == std::string::npos;
    if (!digits || std::stoul(number) == 0 || std::stoul(number) > most) {
      throw std::invalid_argument(option + " " + text + ": numbers from 1 to " + std::to_string(most) + " with commas between");
    }
    numbers.push_back(std::stoul(number));
    at = end + 1;
  }
  return numbers;
}

double minutesOf(const std::string& text) {
  char* end = nullptr;
  const double minutes = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(minutes > 0 && minutes <= 600)) {
    throw std::invalid_argument("--minutes " + text + ": a number up to 600");
  }
  return minutes;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ') continue;
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.7g", value);
  return text;
}

std::string version(int number) { return '"' + std::to_string(number / 1000) + '.' + std::to_string(number % 1000 / 10) + '"'; }

template <class T, class Text>
std::string joined(const std::vector<T>& all, Text text) {
  std::string out;
  for (const T& one : all) out += (out.empty() ? "" : ",") + text(one);
  return '[' + out + ']';
}

std::string factsOf(const SideFacts& facts) {
  return "{\"name\":" + quoted(facts.name) + ",\"multiprocessors\":" + std::to_string(facts.multiprocessors) +
         ",\"memoryBytes\":" + std::to_string(facts.memoryBytes) + ",\"computeCapability\":\"" + std::to_string(facts.major) + '.' +
         std::to_string(facts.minor) + "\",\"driver\":" + version(facts.driver) + ",\"runtime\":" + version(facts.runtime) +
         ",\"clockMHz\":" + number(facts.clockMHz) + '}';
}

std::string figureOf(const Figure& figure) {
  const std::string shape = "\"op\":" + quoted(figure.op) + ",\"bits\":" + std::to_string(figure.bits) +
                            ",\"lanes\":" + std::to_string(figure.lanes) + ",\"batch\":" + std::to_string(figure.batch) +
                            ",\"exponentBits\":" + std::to_string(figure.exponentBits);
  if (!figure.skipped.empty()) return '{' + shape + ",\"why\":" + quoted(figure.skipped) + '}';
  const auto [least, most] = std::minmax_element(figure.ms.begin(), figure.ms.end());
  return '{' + shape + ",\"repeats\":" + std::to_string(figure.ms.size()) + ",\"ms\":{\"min\":" + number(*least) +
         ",\"median\":" + number(figure.medianMs()) + ",\"max\":" + number(*most) + "}}";
}

}  // namespace

CheckOptions parseOptions(int count, char** arguments, bool& help) {
  CheckOptions options;
  bool given = false;
  for (int i = 1; i < count; i++) {
    const std::string option = arguments[i];
    if (option == "--help") {
      help = true;
      return options;
    }
    if (option == "--quick") {
      options.quick = true;
      continue;
    }
    if (option != "--json" && option != "--minutes" && option != "--bits" && option != "--batches") {
      throw std::invalid_argument("no option " + option);
    }
    if (++i == count) throw std::invalid_argument(option + " needs a value");
    const std::string value = arguments[i];
    if (option == "--json") options.json = value;
    if (option == "--minutes") options.minutes = minutesOf(value);
    if (option == "--bits") options.bits = listOf(option, value, 4096);
    if (option == "--batches") {
      options.batches = listOf(option, value, kBatchMax);
      given = true;
    }
  }
  for (const std::size_t bits : options.bits) {
    if (bits != 2048 && bits != 3072 && bits != 4096) throw std::invalid_argument("--bits: 2048, 3072 or 4096");
  }
  if (options.quick && !given) options.batches = {32, 1024, 16384};
  return options;
}

std::string usage() {
  return "check [--json FILE] [--quick] [--minutes M] [--bits 4096,3072,2048] [--batches 32,…,65536]\n"
         "Rates of instructions, every kernel against host lanes bit for bit, then the time of operations on data that is on the\n"
         "card already. Status 1 where a result differs, 2 where it cannot run.\n";
}

std::string jsonOf(const CheckReport& report) {
  std::vector<Figure> measured, skipped;
  for (const Figure& figure : report.figures) (figure.skipped.empty() ? measured : skipped).push_back(figure);
  const std::string issue = joined(report.issue, [](const IssueRate& rate) {
    return "{\"what\":" + quoted(rate.what) + ",\"perSecond\":" + number(rate.perSecond) + ",\"perClock\":" + number(rate.perClock) +
           ",\"clockMHz\":" + number(rate.clockMHz) + '}';
  });
  return "{\"card\":" + factsOf(report.facts) + ",\n\"issue\":" + issue + ",\n\"comparisons\":" + std::to_string(report.comparisons) +
         ",\n\"wrong\":" + joined(report.wrong, quoted) + ",\n\"figures\":" + joined(measured, figureOf) +
         ",\n\"skipped\":" + joined(skipped, figureOf) + ",\n\"error\":" + quoted(report.error) + "}\n";
}

std::string lineOf(const Figure& figure) {
  char shape[96], rest[96];
  std::snprintf(shape, sizeof shape, "%-9s %4zu bits, %4zu-bit exponents, %2d lanes, %5zu at once: ", figure.op.c_str(), figure.bits,
                figure.exponentBits, figure.lanes, figure.batch);
  if (!figure.skipped.empty()) return shape + ("skipped, " + figure.skipped);
  const double ms = figure.medianMs();
  std::snprintf(rest, sizeof rest, "%10.3f ms, %10.4f M/s", ms, figure.batch / ms / 1e3);
  return std::string(shape) + rest;
}

void writeWhole(const std::string& file, const std::string& text) {
  const std::string fresh = file + ".new";
  std::FILE* to = std::fopen(fresh.c_str(), "w");
  const bool written = to != nullptr && std::fwrite(text.data(), 1, text.size(), to) == text.size();
  const bool closed = to != nullptr && std::fclose(to) == 0;
  if (!written || !closed || std::rename(fresh.c_str(), file.c_str()) != 0) throw std::runtime_error(file + " cannot be written");
}

}  // namespace millrace::kernels
