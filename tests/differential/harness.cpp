// Runs forms on both sides, compares, and tells what was proven.
#include "tests/differential/harness.h"

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>

#include "models/cpu/form_name.h"

namespace xensim::differential {
namespace {

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* v = std::getenv(name);
  return v ? std::strtoull(v, nullptr, 0) : otherwise;
}

std::string hex(std::uint64_t v) {
  char s[32];
  std::snprintf(s, sizeof s, "%#llx", static_cast<unsigned long long>(v));
  return s;
}

constexpr const char* kNames[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                    "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

std::string flag_names(std::uint64_t f) {
  std::string s;
  const auto name = [&](std::uint64_t bit, const char* n) {
    if (f & bit) s += s.empty() ? n : std::string(" ") + n;
  };
  name(cpu::kCf, "CF");
  name(cpu::kPf, "PF");
  name(cpu::kAf, "AF");
  name(cpu::kZf, "ZF");
  name(cpu::kSf, "SF");
  name(cpu::kOf, "OF");
  name(cpu::kDf, "DF");
  return s;
}

std::string end_of(const Result& r) {
  switch (r.end) {
    case Result::End::kNext:
      return "next";
    case Result::End::kTaken:
      return "taken";
    case Result::End::kException:
      return "exception " + std::to_string(r.vector) +
             (r.vector == 14 ? " error " + hex(r.error_code) + " cr2 " + hex(r.cr2) : "");
    default:
      return "something else";
  }
}

// The flags that instructions of user mode can change: status, DF.
constexpr std::uint64_t kCompared = cpu::kStatusFlags | cpu::kDf;

void compare_vectors(const Result& host, const Result& simulated, std::ostringstream& out) {
  for (unsigned i = 0; i < 16; ++i)
    if (host.state.xmm[i] != simulated.state.xmm[i])
      out << "  xmm" << i << ": host " << hex(host.state.xmm[i][1]) << ":" << hex(host.state.xmm[i][0])
          << ", simulated " << hex(simulated.state.xmm[i][1]) << ":" << hex(simulated.state.xmm[i][0]) << "\n";
  for (unsigned i = 0; i < 16; ++i)
    if (host.state.ymm_high[i] != simulated.state.ymm_high[i])
      out << "  ymm" << i << ", upper half: host " << hex(host.state.ymm_high[i][1]) << ":"
          << hex(host.state.ymm_high[i][0]) << ", simulated " << hex(simulated.state.ymm_high[i][1]) << ":"
          << hex(simulated.state.ymm_high[i][0]) << "\n";
  if (host.state.mxcsr != simulated.state.mxcsr)
    out << "  mxcsr: host " << hex(host.state.mxcsr) << ", simulated " << hex(simulated.state.mxcsr) << "\n";
  const cpu::X87 &h = host.state.x87, &s = simulated.state.x87;
  if (h.control != s.control) out << "  fcw: host " << hex(h.control) << ", simulated " << hex(s.control) << "\n";
  if (h.status != s.status) out << "  fsw: host " << hex(h.status) << ", simulated " << hex(s.status) << "\n";
  if (h.tag_valid != s.tag_valid)
    out << "  ftw: host " << hex(h.tag_valid) << ", simulated " << hex(s.tag_valid) << "\n";
  for (unsigned i = 0; i < 8; ++i)
    if (h.r[i].significand != s.r[i].significand || h.r[i].sign_exponent != s.r[i].sign_exponent)
      out << "  R" << i << ": host " << hex(h.r[i].sign_exponent) << ":" << hex(h.r[i].significand)
          << ", simulated " << hex(s.r[i].sign_exponent) << ":" << hex(s.r[i].significand) << "\n";
}

std::string compare(const Form& form, const Instance& i, const Result& host, const Result& simulated) {
  std::ostringstream out;
  if (end_of(host) != end_of(simulated))
    out << "  end: host " << end_of(host) << ", simulated " << end_of(simulated) << "\n";
  const bool both_next = host.end == Result::End::kNext && simulated.end == Result::End::kNext;
  if (form.compare && both_next) {
    out << form.compare(i, host, simulated);
    return out.str();
  }
  for (unsigned r = 0; r < 16; ++r)
    if (host.state.gpr[r] != simulated.state.gpr[r])
      out << "  " << kNames[r] << ": host " << hex(host.state.gpr[r]) << ", simulated "
          << hex(simulated.state.gpr[r]) << "\n";
  const std::uint64_t mask = kCompared & ~(host.end == Result::End::kException ? 0 : form.undefined_flags);
  if (const std::uint64_t d = (host.state.rflags ^ simulated.state.rflags) & mask; d != 0)
    out << "  flags: " << flag_names(d) << " differ; host has " << flag_names(host.state.rflags) << "\n";
  if (host.data != simulated.data)
    for (std::uint64_t a = 0, shown = 0; a < kDataSize && shown < 4; ++a)
      if (host.data[a] != simulated.data[a]) {
        out << "  [" << hex(kData + a) << "]: host " << hex(host.data[a]) << ", simulated "
            << hex(simulated.data[a]) << "\n";
        ++shown;
      }
  if (form.vector_state) compare_vectors(host, simulated, out);
  return out.str();
}

std::string describe(const Instance& i) {
  std::ostringstream out;
  out << "  code:";
  for (const std::uint8_t b : i.code) {
    char s[8];
    std::snprintf(s, sizeof s, " %02x", b);
    out << s;
  }
  out << "\n  before:";
  for (unsigned r = 0; r < 16; ++r) out << " " << kNames[r] << "=" << hex(i.state.gpr[r]);
  out << " flags=" << flag_names(i.state.rflags) << "\n";
  return out.str();
}

// What was compared, by the name of the instruction's form, with whom and in which mode: cases, and the bytes of
// one. Written to the file that XENSIM_DIFF_EVIDENCE names when the program ends, for the coverage report
// (tools/instruction_set/tables.h).
class Evidence {
 public:
  static Evidence& instance() {
    static Evidence e;
    return e;
  }
  void note(const std::vector<std::uint8_t>& code, unsigned mode, const char* with) {
    if (!path_) return;
    const ZydisDecoder decoder = cpu::decoder_of_mode(mode);
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &insn, operands))) return;
    Entry& e = entries_[cpu::form_name(insn, operands) + "\t" + with + "\t" + std::to_string(mode)];
    if (e.cases++ == 0) e.code = code;
  }

 private:
  struct Entry {
    std::uint64_t cases = 0;
    std::vector<std::uint8_t> code;
  };
  Evidence() : path_(std::getenv("XENSIM_DIFF_EVIDENCE")) {}
  ~Evidence() {
    std::FILE* out = path_ ? std::fopen(path_, "a") : nullptr;
    if (!out) return;
    for (const auto& [name, e] : entries_) {
      std::fprintf(out, "%s\t%llu\t", name.c_str(), static_cast<unsigned long long>(e.cases));
      for (const std::uint8_t b : e.code) std::fprintf(out, "%02x", b);
      std::fprintf(out, "\n");
    }
    std::fclose(out);
  }

  const char* path_;
  std::map<std::string, Entry> entries_;
};

struct Tally {
  unsigned run = 0, host_lacks = 0, faults = 0;
  std::uint64_t undefined_differ = 0;
  std::string failure;
};

Tally run_form(const Form& form, std::uint64_t seed, std::uint64_t cases) {
  Tally t;
  for (std::uint64_t n = 0; n < cases && t.failure.empty(); ++n) {
    // A stream per instance, so that a failure can be repeated alone.
    Rng rng(seed + n, form.name);
    Instance i;
    bool made = false;
    for (unsigned tries = 0; tries < 1000 && !made; ++tries) {
      i = {};
      i.state = random_state(rng);
      made = form.make(rng, i);
    }
    if (!made) {
      t.failure = "  no instance could be made\n";
      break;
    }
    std::vector<std::uint8_t> data(kDataSize);
    for (std::uint64_t a = 0; a < kDataSize; a += 8) {
      const std::uint64_t v = rng.next();
      std::memcpy(&data[a], &v, 8);
    }
    for (const auto& [address, bytes] : i.data) std::memcpy(&data[address - kData], bytes.data(), bytes.size());
    const bool on_host = form.mode == 64;
    const Result host = on_host ? run_on_host(i, data) : run_on_unicorn(form.mode, i, data);
    if (host.end == Result::End::kException && host.vector == 6 && !form.undefined_is_a_result) {
      ++t.host_lacks;
      continue;
    }
    const Result simulated = on_host ? run_simulated(i, data) : run_simulated_small(form.mode, i, data);
    ++t.run;
    if (host.end == Result::End::kException) {
      ++t.faults;
    } else {
      t.undefined_differ |= (host.state.rflags ^ simulated.state.rflags) & form.undefined_flags;
    }
    if (const std::string d = compare(form, i, host, simulated); !d.empty())
      t.failure = "  seed " + std::to_string(seed + n) + "\n" + describe(i) + d;
    else
      Evidence::instance().note(i.code, form.mode, on_host ? "host" : "unicorn");
  }
  return t;
}

}  // namespace

void note_evidence(const std::vector<std::uint8_t>& code, unsigned mode, const char* with) {
  Evidence::instance().note(code, mode, with);
}

std::uint64_t interesting(Rng& rng) {
  switch (rng.below(8)) {
    case 0:
      return rng.below(4);
    case 1:
      return rng.below(256);
    case 2:
      return std::uint64_t{1} << rng.below(64);
    case 3:
      return (std::uint64_t{1} << rng.below(64)) - 1;
    case 4:
      return ~std::uint64_t{0} << rng.below(64);
    case 5: {
      constexpr unsigned kSigns[] = {7, 15, 31, 63};
      return (std::uint64_t{1} << kSigns[rng.below(4)]) + rng.below(3) - 1;
    }
    case 6:
      return rng.next() & rng.next() & rng.next();
    default:
      return rng.next();
  }
}

MachineState random_state(Rng& rng) {
  MachineState s;
  for (auto& r : s.gpr) r = interesting(rng);
  s.rflags = 0x202 | (rng.next() & cpu::kStatusFlags);
  for (auto& x : s.xmm)
    for (auto& q : x) q = interesting(rng);
  if (host_has_avx())
    for (auto& x : s.ymm_high)
      for (auto& q : x) q = interesting(rng);
  s.x87.control = 0x37f;
  return s;
}

std::uint64_t case_seed() { return setting("XENSIM_DIFF_SEED", 1); }
std::uint64_t case_count() { return setting("XENSIM_DIFF_CASES", 50); }
std::uint64_t unicorn_case_count() { return case_count() <= 50 ? case_count() / 5 : case_count(); }
bool is_chosen(const std::string& form) {
  const char* only = std::getenv("XENSIM_DIFF_FORM");
  return !only || form.find(only) != std::string::npos;
}

void run_forms(const std::vector<Form>& forms) {
  const std::uint64_t seed = case_seed(), cases = case_count();
  const bool report = setting("XENSIM_DIFF_REPORT", 0) != 0;
  if (report)
    std::printf("%-34s %6s %6s %6s  %-9s %s\n", "form", "cases", "faults", "lacks", "result",
                "undefined flags that differ");
  for (const Form& f : forms) {
    if (!is_chosen(f.name)) continue;
    const Tally t = run_form(f, seed, f.mode == 64 ? cases : unicorn_case_count());
    if (report)
      std::printf("%-34s %6u %6u %6u  %-9s %s\n", f.name.c_str(), t.run, t.faults, t.host_lacks,
                  !t.failure.empty() ? "FAILED"
                  : t.run == 0       ? "host lacks"
                                     : "proven",
                  flag_names(t.undefined_differ).c_str());
    INFO(f.name << "\n" << t.failure);
    CHECK(t.failure.empty());
  }
}

}  // namespace xensim::differential
