// instruction_set: which instruction forms real software holds, which of them the core executes, and which were
// compared with hardware.
//
//   instruction_set sweep NAME=PATH...    prints occurring.tsv: the forms in each image
//   instruction_set report                prints docs/instruction-set.md, from the tables in
//   tests/differential/data instruction_set check                 ends with status 1 if a form is missing or
//   unproven, and names each
#include <cstdio>
#include <string>
#include <vector>

#include "sim/base/error.h"
#include "tools/instruction_set/report.h"
#include "tools/instruction_set/sweep.h"
#include "tools/instruction_set/tables.h"

namespace xensim::instruction_set {
namespace {

constexpr const char* kUsage =
    "instruction_set - the instruction forms of real software, and what is proven of them\n"
    "\n"
    "  instruction_set sweep NAME=PATH...   print the forms in images: an ELF file, a bzImage, a ramdisk, a "
    "folder\n"
    "  instruction_set report [--data DIR]  print docs/instruction-set.md from DIR (default: "
    "tests/differential/data)\n"
    "  instruction_set check [--data DIR]   name the forms that are missing or unproven; status 1 if there are "
    "any\n";

int sweep(const std::vector<std::string>& images) {
  for (const std::string& image : images) {
    const std::size_t equals = image.find('=');
    if (equals == std::string::npos) throw UserError(image, "no NAME=PATH", "name the image, as in linux=vmlinuz");
    const std::string name = image.substr(0, equals);
    Sweep s;
    sweep_image(image.substr(equals + 1), s);
    std::printf("# %s: %llu files, %llu instructions, %zu forms, %llu bytes that do not decode\n", name.c_str(),
                static_cast<unsigned long long>(s.files), static_cast<unsigned long long>(s.instructions),
                s.forms.size(), static_cast<unsigned long long>(s.undecodable_bytes));
    for (const auto& [form, o] : s.forms)
      std::printf("%s\t%s\t%llu\t%u\t%s\t%s\n", form.first.c_str(), name.c_str(),
                  static_cast<unsigned long long>(o.count), form.second, hex(o.bytes).c_str(), o.where.c_str());
  }
  return 0;
}

int run(std::vector<std::string> arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    std::fputs(kUsage, stdout);
    return arguments.empty() ? 2 : 0;
  }
  const std::string command = arguments[0];
  arguments.erase(arguments.begin());
  if (command == "sweep" && !arguments.empty()) return sweep(arguments);
  std::string data = "tests/differential/data";
  if (arguments.size() == 2 && arguments[0] == "--data") {
    data = arguments[1];
    arguments.clear();
  }
  if (!arguments.empty() || (command != "report" && command != "check"))
    throw UserError("", "no such call", "see instruction_set --help");
  const Report report(data);
  if (command == "check") return report.check();
  report.print();
  return 0;
}

}  // namespace
}  // namespace xensim::instruction_set

int main(int argc, char** argv) {
  try {
    return xensim::instruction_set::run({argv + 1, argv + argc});
  } catch (const xensim::UserError& e) {
    std::fprintf(stderr, "instruction_set: %s\n", e.what());
    return 2;
  }
}
