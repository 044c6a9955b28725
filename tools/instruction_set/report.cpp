#include "tools/instruction_set/report.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "tools/instruction_set/tables.h"

namespace xensim::instruction_set {
namespace {

constexpr const char* kStatusNames[] = {"host",    "Unicorn", "unit tests", "unproven",
                                        "missing", "hidden",  "no code"};
static_assert(std::size(kStatusNames) == static_cast<std::size_t>(Status::kCount));

// The CPUID bit of an extension, by Zydis's name of it. Those that are not here have none, or one of their own
// name.
std::string cpuid_bit(const std::string& extension) {
  static const std::map<std::string, std::string> kBits = {
      {"AVX", "1.ECX[28] AVX"},
      {"AVX2", "7.EBX[5] AVX2"},
      {"AVX2GATHER", "7.EBX[5] AVX2"},
      {"FMA", "1.ECX[12] FMA"},
      {"F16C", "1.ECX[29] F16C"},
      {"AES", "1.ECX[25] AESNI"},
      {"AVXAES", "1.ECX[25] AESNI and 1.ECX[28] AVX"},
      {"PCLMULQDQ", "1.ECX[1] PCLMULQDQ"},
      {"SHA", "7.EBX[29] SHA"},
      {"SSE3", "1.ECX[0] SSE3"},
      {"SSE3X87", "1.ECX[0] SSE3"},
      {"SSSE3", "1.ECX[9] SSSE3"},
      {"SSSE3MMX", "1.ECX[9] SSSE3"},
      {"SSE4", "1.ECX[19] SSE4.1"},
      {"SSE42", "1.ECX[20] SSE4.2"},
      {"MONITOR", "1.ECX[3] MONITOR"},
      {"XSAVE", "1.ECX[26] XSAVE"},
      {"XSAVEOPT", "0xD:1.EAX[0] XSAVEOPT"},
      {"XSAVEC", "0xD:1.EAX[1] XSAVEC"},
      {"XSAVES", "0xD:1.EAX[3] XSAVES"},
      {"ADOX_ADCX", "7.EBX[19] ADX"},
      {"RTM", "7.EBX[11] RTM"},
      {"CET", "7.ECX[7] CET_SS"},
      {"PKU", "7.ECX[3] PKU"},
      {"PCONFIG", "7.EDX[18] PCONFIG"},
      {"ENQCMD", "7.ECX[29] ENQCMD"},
      {"MOVDIR", "7.ECX[28] MOVDIR64B"},
      {"PTWRITE", "0x14.EBX[4] PTWRITE"},
      {"SGX", "7.EBX[2] SGX"},
      {"SMX", "1.ECX[6] SMX"},
      {"SERIALIZE", "7.EDX[14] SERIALIZE"},
      {"HRESET", "7:1.EAX[22] HRESET"},
      {"UINTR", "7.EDX[5] UINTR"},
      {"WAITPKG", "7.ECX[5] WAITPKG"},
      {"AMX_TILE", "7.EDX[24] AMX-TILE"},
      {"VMFUNC", "none: the VM-execution control that enables VM functions is not offered"},
      {"TDX", "none: TDX's root and guest modes"},
      {"SVM", "0x80000001.ECX[2] SVM (AMD)"},
      {"SNP", "0x8000001F.EAX[4] SEV-SNP (AMD)"},
      {"MONITORX", "0x80000001.ECX[29] MONITORX (AMD)"},
      {"CLZERO", "0x80000008.EBX[0] CLZERO (AMD)"},
      {"RDPRU", "0x80000008.EBX[4] RDPRU (AMD)"},
      {"MCOMMIT", "0x80000008.EBX[8] MCOMMIT (AMD)"},
      {"INVLPGB", "0x80000008.EBX[3] INVLPGB (AMD)"},
      {"SSE4A", "0x80000001.ECX[6] SSE4A (AMD)"},
      {"XOP", "0x80000001.ECX[11] XOP (AMD)"},
      {"FMA4", "0x80000001.ECX[16] FMA4 (AMD)"},
      {"TBM", "0x80000001.ECX[21] TBM (AMD)"},
      {"AMD3DNOW", "0x80000001.EDX[31] 3DNow! (AMD)"},
      {"AMD_INVLPGB", "0x80000008.EBX[3] INVLPGB (AMD)"},
      {"PADLOCK_ACE", "0xC0000001.EDX ACE (VIA)"},
      {"PADLOCK_PHE", "0xC0000001.EDX PHE (VIA)"},
      {"PADLOCK_PMM", "0xC0000001.EDX PMM (VIA)"},
      {"PADLOCK_RNG", "0xC0000001.EDX RNG (VIA)"},
  };
  if (const auto it = kBits.find(extension); it != kBits.end()) return it->second;
  if (extension.starts_with("AVX512")) return "7.EBX/ECX/EDX AVX-512 (" + extension + ")";
  return "";
}

constexpr unsigned kModes[] = {16, 32, 64};

unsigned number(const std::string& text) { return static_cast<unsigned>(std::strtoul(text.c_str(), nullptr, 10)); }

bool wanted(Status s) { return s == Status::kUnproven || s == Status::kMissing; }

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

}  // namespace

Report::Report(const std::string& data_folder) {
  const Table occurring = read_table(data_folder + "/occurring.tsv", 6);
  const Table proven = read_table(data_folder + "/proven.tsv", 5);
  image_notes_ = occurring.notes;
  run_notes_ = proven.notes;
  for (const Row& r : proven.rows)
    proofs_[r.cells[0]].cases[r.cells[1]][number(r.cells[2])] += std::strtoull(r.cells[3].c_str(), nullptr, 10);
  for (const Row& r : read_table(data_folder + "/unit.tsv", 3).rows) proofs_[r.cells[0]].unit = true;
  for (const Row& r : read_table(data_folder + "/not-code.tsv", 3).rows)
    not_code_[r.cells[0] + "\t" + r.cells[1]] = r.cells[2];
  std::map<std::pair<std::string, unsigned>, ReportedForm> all;
  for (const Row& r : occurring.rows) {
    const std::string &name = r.cells[0], &image = r.cells[1];
    if (std::ranges::find(images_, image) == images_.end()) images_.push_back(image);
    const unsigned mode = number(r.cells[3]);
    auto [it, fresh] = all.try_emplace({name, mode});
    ReportedForm now = form(name, mode, r.cells[4]);
    if (const auto n = not_code_.find(name + "\t" + image); n != not_code_.end()) {
      now.status = Status::kNotCode;
      now.reason = n->second;
    }
    now.images = it->second.images;
    now.images[image] = std::strtoull(r.cells[2].c_str(), nullptr, 10);
    // One that is code somewhere counts as code.
    if (!fresh && now.status == Status::kNotCode) {
      it->second.images = now.images;
    } else {
      it->second = now;
    }
  }
  for (auto& [key, f] : all) forms_.push_back(std::move(f));
}

ReportedForm Report::form(const std::string& name, unsigned mode, const std::string& bytes) const {
  ReportedForm f;
  f.name = name;
  f.mode = mode;
  const Instruction i = judge(from_hex(bytes), mode);
  f.extension = i.extension;
  if (i.verdict == Verdict::kHidden || (i.verdict == Verdict::kMissing && !cpuid_bit(i.extension).empty())) {
    f.status = Status::kHidden;
    return f;
  }
  if (i.verdict == Verdict::kMissing) {
    f.status = Status::kMissing;
    return f;
  }
  const auto p = proofs_.find(name);
  const auto by = [&](const char* whom) {
    if (p == proofs_.end()) return false;
    const auto w = p->second.cases.find(whom);
    return w != p->second.cases.end() && w->second.contains(mode);
  };
  f.status = by("host")                             ? Status::kHost
             : by("unicorn")                        ? Status::kUnicorn
             : p != proofs_.end() && p->second.unit ? Status::kUnit
                                                    : Status::kUnproven;
  return f;
}

int Report::check() const {
  int status = 0;
  for (const ReportedForm& f : forms_)
    if (wanted(f.status)) {
      std::string where;
      for (const auto& [image, count] : f.images) where += " " + image + " " + std::to_string(count);
      std::printf("%s\t%s\t%u\t%s\t%s\n", kStatusNames[static_cast<unsigned>(f.status)], f.name.c_str(), f.mode,
                  f.extension.c_str(), where.c_str());
      status = 1;
    }
  return status;
}

void Report::print_counts() const {
  std::printf("| image | forms |");
  for (const char* s : kStatusNames) std::printf(" %s |", s);
  std::printf("\n|---|--:|");
  for (std::size_t i = 0; i < std::size(kStatusNames); ++i) std::printf("--:|");
  std::printf("\n");
  std::vector<std::string> rows = images_;
  rows.emplace_back();
  for (const std::string& image : rows)
    for (const unsigned mode : kModes) {
      std::map<Status, unsigned> counts;
      unsigned total = 0;
      for (const ReportedForm& f : forms_)
        if ((image.empty() || f.images.contains(image)) && f.mode == mode) ++counts[f.status], ++total;
      if (total == 0) continue;
      std::printf("| %s, %u-bit code | %u |", image.empty() ? "all" : image.c_str(), mode, total);
      for (unsigned s = 0; s < static_cast<unsigned>(Status::kCount); ++s)
        std::printf(" %u |", counts[static_cast<Status>(s)]);
      std::printf("\n");
    }
}

void Report::print_list(Status status, const char* title, const char* empty) const {
  std::printf("\n## %s\n\n", title);
  bool any = false;
  for (const ReportedForm& f : forms_) {
    if (f.status != status) continue;
    if (!any)
      std::printf("| form | mode | extension | occurs in |%s\n|---|--:|---|---|%s\n",
                  status == Status::kNotCode ? " why |" : "", status == Status::kNotCode ? "---|" : "");
    any = true;
    std::string where;
    for (const auto& [image, count] : f.images)
      where += (where.empty() ? "" : ", ") + image + " " + std::to_string(count);
    std::printf("| `%s` | %u | %s | %s |", escaped(f.name).c_str(), f.mode, f.extension.c_str(), where.c_str());
    if (status == Status::kNotCode) std::printf(" %s |", escaped(f.reason).c_str());
    std::printf("\n");
  }
  if (!any) std::printf("%s\n", empty);
}

void Report::print_hidden() const {
  std::printf(
      "\n## Hidden\n\nForms of extensions that the modelled processor does not offer: software asks CPUID first, "
      "and "
      "whoever does not gets #UD, as on\nhardware without the extension.\n\n| extension | CPUID bit | forms "
      "|\n|---|---|---|\n");
  std::map<std::string, std::vector<std::string>> by_extension;
  for (const ReportedForm& f : forms_)
    if (f.status == Status::kHidden &&
        std::ranges::find(by_extension[f.extension], f.name) == by_extension[f.extension].end())
      by_extension[f.extension].push_back(f.name);
  for (const auto& [extension, names] : by_extension) {
    std::set<std::string> mnemonics;
    for (const std::string& n : names)
      mnemonics.insert(
          n.substr(0, n.find(' ', n.starts_with("lock ") || n.starts_with("rep ") ? n.find(' ') + 1 : 0)));
    std::string list;
    for (const std::string& m : mnemonics) list += (list.empty() ? "" : " ") + m;
    std::printf("| %s | %s | %zu: `%s` |\n", extension.c_str(), cpuid_bit(extension).c_str(), names.size(),
                list.c_str());
  }
}

// Every form that occurs: in which modes, and in which it was compared with whom.
void Report::print_all() const {
  std::printf(
      "\n## All forms\n\nThe modes (bits of the code segment) in which a form occurs in the images, and those in "
      "which it was "
      "compared.\n\n| form | occurs in | host | Unicorn | integers |\n|---|---|---|---|---|\n");
  std::map<std::string, std::set<unsigned>> occurs;
  for (const ReportedForm& f : forms_)
    if (f.status != Status::kHidden) occurs[f.name].insert(f.mode);
  for (const auto& [name, modes] : occurs) {
    std::printf("| `%s` |", escaped(name).c_str());
    for (const unsigned m : modes) std::printf(" %u", m);
    for (const char* whom : {"host", "unicorn", "integers"}) {
      std::printf(" |");
      const auto p = proofs_.find(name);
      if (p == proofs_.end() || !p->second.cases.contains(whom)) continue;
      for (const auto& [mode, cases] : p->second.cases.at(whom)) std::printf(" %u", mode);
    }
    std::printf(" |\n");
  }
}

void Report::print() const {
  std::printf(
      "# The instruction set: known, proven, missing\n"
      "\n"
      "Made by `build/release/bin/instruction_set report` (`tests/documentation_test.py --write`); do not edit.\n"
      "\n"
      "A form is a mnemonic with its prefixes and the kinds of its operands: `lock add m32, r32`. The forms below "
      "are all that\n"
      "occur in the executable sections of real software, decoded from the first byte to the last "
      "(`instruction_set sweep`):\n"
      "\n");
  for (const std::string& n : image_notes_) std::printf("- %s\n", n.c_str());
  std::printf(
      "\n"
      "| status | meaning |\n"
      "|---|---|\n"
      "| host | the core and a real processor executed it in this mode from the same random states and agree in "
      "registers, flags, memory and faults |\n"
      "| Unicorn | the same, with the Unicorn library: system instructions, and 16-bit and 32-bit modes |\n"
      "| unit tests | held by tests that were written from the manual, for what neither can show |\n"
      "| unproven | the core executes it; nothing compares it |\n"
      "| missing | the core does not execute it, though the processor that it models has it |\n"
      "| hidden | of an extension that the modelled processor does not offer |\n"
      "| no code | bytes that a linear sweep takes for this form are data |\n"
      "\n");
  print_counts();
  std::printf(
      "\nUnicorn is not asked where it cannot be trusted: delivery through the IDT (it hands exceptions to a "
      "hook), "
      "SYSCALL and\nSYSENTER (a hook in place of the instruction), CPUID, time stamps, performance counters and "
      "random "
      "numbers (other values), VMX\n(not there), cache and TLB control (no effect), REP prefixes of ports, XSAVE, "
      "x87's denormal operands and C1; nor where it is wrong,\nas a real processor or the manual shows: some of "
      "BMI in "
      "32-bit code, "
      "LOCK NEG's flags, CRC32 in 16-bit code, 16-bit SGDT and\nSIDT, 32-bit SMSW, LTR of a null selector, ENTER "
      "where operand and stack "
      "size "
      "differ, CALL m16:32 in 64-bit code; RDFSBASE and its like are undefined to it.\n"
      "\nx87 instructions are computed in integers, so that a run gives the same bytes on every host. Beside the "
      "host, everything that\nthey change is equal, except:\n\n"
      "- F2XM1, FYL2X, FYL2XP1, FPTAN, FPATAN, FSIN, FCOS and FSINCOS may differ by one unit in the last place "
      "and "
      "in C1: the manual\n  promises no more, and processors differ. Here they are correctly rounded "
      "(`tests/models/cpu/isa/x87_transcendental_test.cpp`,\n  against values of 400 bits), angles by the "
      "manual's π of 66 bits. AMD's processors give the same number in all but about 3 of 1000\n  cases, and call "
      "exact results (2^−1 − 1, y log2 of a power of two) inexact;\n"
      "- FCOMI and its like clear C1, and leave the flags if an unmasked exception stops them, as the manual "
      "says; "
      "AMD's processors\n  do neither;\n"
      "- operands for which the manual defines no result: FYL2XP1 outside its domain, FBLD of other than decimal "
      "digits.\n"
      "\nFMA, F16C, RCPPS and RSQRTPS are computed in software. All other SSE and AVX floating-point instructions "
      "run "
      "as the host's own, in the\nguest's rounding mode, because that is fast and changes nothing: for them the "
      "manual leaves nothing open. Formats, rounding, tininess\n(after rounding), the choice and quieting of NaNs "
      "and the flags are defined to the bit, and Intel's and AMD's processors keep to it. A\ncomparison with a "
      "host "
      "that runs the same instruction says little of the arithmetic, so their SSE forms are compared with "
      "integer\n"
      "arithmetic too (column \"integers\" below): in all rounding modes, with and without DAZ and FTZ; all but "
      "the "
      "conversions of MMX registers\nand dot products, which consist of the same operations. One thing is "
      "approximate: the inexact flag beside an unmasked overflow or\nunderflow is that of the masked result.\n"
      "\nRDRAND and RDSEED draw from a stream of each pCPU's own, seeded by `/machine/seed`: width and flags are "
      "compared "
      "with the host,\nand equal seeds give equal numbers. What a form does at other privilege levels, and its "
      "faults "
      "there, are unit tests' business\n(`tests/models/cpu`).\n"
      "\n`tests/differential/nightly --write` makes the comparisons anew; a failing case names its seed, and "
      "`--seed` "
      "with `--cases 1` repeats it.\nThe comparisons are those of this run:\n\n");
  for (const std::string& n : run_notes_) std::printf("- %s\n", n.c_str());
  std::map<std::string, std::pair<std::size_t, std::uint64_t>> totals;
  for (const auto& [name, p] : proofs_)
    for (const auto& [whom, modes] : p.cases) {
      ++totals[whom].first;
      for (const auto& [mode, cases] : modes) totals[whom].second += cases;
    }
  for (const auto& [whom, t] : totals)
    std::printf("- %s: %zu forms, %llu cases\n", whom.c_str(), t.first, static_cast<unsigned long long>(t.second));
  print_list(Status::kMissing, "Missing", "None.");
  print_list(Status::kUnproven, "Unproven", "None.");
  print_list(Status::kUnit, "Unit tests only", "None.");
  print_hidden();
  print_list(Status::kNotCode, "No code", "None.");
  print_all();
}

}  // namespace xensim::instruction_set
