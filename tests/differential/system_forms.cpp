// See system_forms.h.
#include "tests/differential/system_forms.h"

#include <catch2/catch.hpp>
#include <sstream>

namespace xensim::differential {
namespace {

using namespace xensim::cpu;

// What differs between two results, a line for each.
class Difference {
 public:
  void value(const std::string& name, std::uint64_t unicorn, std::uint64_t simulated) {
    if (unicorn != simulated)
      out_ << "  " << name << ": Unicorn " << hexadecimal(unicorn) << ", simulated " << hexadecimal(simulated)
           << "\n";
  }
  void bytes(const char* name, const std::vector<std::uint8_t>& unicorn,
             const std::vector<std::uint8_t>& simulated) {
    if (unicorn == simulated) return;
    for (std::size_t n = 0; n < unicorn.size(); ++n)
      if (unicorn[n] != simulated[n]) {
        value(name + std::string("+") + hexadecimal(n), unicorn[n], simulated[n]);
        return;
      }
  }
  std::string text() const { return out_.str(); }

 private:
  std::ostringstream out_;
};

std::string compare(const SystemForm& form, const PrivilegedResult& u, const PrivilegedResult& s) {
  Difference d;
  d.value("end", static_cast<unsigned>(u.end), static_cast<unsigned>(s.end));
  d.value("vector", u.vector, s.vector);
  if (!d.text().empty()) return d.text();
  const PrivilegedState &a = u.state, &b = s.state;
  const bool fault = u.end == PrivilegedResult::End::kException;
  for (unsigned n = 0; n < (form.mode == 64 ? 16u : 8u); ++n)
    d.value("gpr" + std::to_string(n), a.gpr[n], b.gpr[n]);
  const std::uint64_t flags = ~(fault ? kRf : form.undefined_flags | kRf);
  d.value("rflags", a.rflags & flags, b.rflags & flags);
  if (!fault && u.end != PrivilegedResult::End::kHalted) d.value("rip", a.rip, b.rip);
  for (unsigned n = 0; n < 6; ++n) d.value("segment " + std::to_string(n), a.selector[n], b.selector[n]);
  d.value("ldtr", a.ldtr, b.ldtr);
  d.value("tr", a.tr, b.tr);
  d.value("gdtr", a.gdt_base, b.gdt_base);
  d.value("gdtr limit", a.gdt_limit, b.gdt_limit);
  d.value("idtr", a.idt_base, b.idt_base);
  d.value("idtr limit", a.idt_limit, b.idt_limit);
  d.value("cr0", a.cr0 & ~kCr0Pg, b.cr0 & ~kCr0Pg);
  d.value("cr2", a.cr2, b.cr2);
  d.value("cr3", a.cr3, b.cr3);
  d.value("cr4", a.cr4, b.cr4);
  for (const unsigned n : {0u, 1u, 2u, 3u, 6u, 7u}) d.value("dr" + std::to_string(n), a.dr[n], b.dr[n]);
  if (form.mode == 64) {
    d.value("fs base", a.fs_base, b.fs_base);
    d.value("gs base", a.gs_base, b.gs_base);
  }
  for (std::size_t n = 0; n < kMsrs.size(); ++n) d.value("msr " + hexadecimal(kMsrs[n]), a.msr[n], b.msr[n]);
  d.bytes("data", u.data, s.data);
  d.bytes("gdt", u.tables, s.tables);
  d.value("port writes", u.ports.size(), s.ports.size());
  if (u.ports.size() == s.ports.size())
    for (std::size_t n = 0; n < u.ports.size(); ++n) {
      d.value("port", u.ports[n].port, s.ports[n].port);
      d.value("port value", u.ports[n].value, s.ports[n].value);
    }
  return d.text();
}

PrivilegedInstance instance(const SystemForm& form, std::uint64_t seed) {
  Rng rng(seed, form.name + std::to_string(form.mode));
  PrivilegedInstance i;
  i.mode = form.mode;
  i.state = initial_state(form.mode);
  const std::uint64_t mask = form.mode == 64 ? ~std::uint64_t{0} : 0xffffffff;
  for (unsigned n = 0; n < (form.mode == 64 ? 16u : 8u); ++n) i.state.gpr[n] = interesting(rng) & mask;
  i.state.rflags = 2 | (rng.next() & kStatusFlags);
  i.data.resize(kDataSize);
  for (std::uint64_t n = 0; n < kDataSize; n += 8) {
    const std::uint64_t v = rng.next();
    std::memcpy(&i.data[n], &v, 8);
  }
  form.make(rng, i);
  return i;
}

}  // namespace

std::string hexadecimal(std::uint64_t v) {
  std::ostringstream s;
  s << std::hex << "0x" << v;
  return s.str();
}

void run_system_forms(const std::vector<SystemForm>& forms) {
  if (!unicorn_available()) return;
  const std::uint64_t seed = case_seed(), cases = unicorn_case_count();
  for (const SystemForm& f : forms) {
    if (!is_chosen(f.name)) continue;
    std::string failure;
    for (std::uint64_t n = 0; n < cases && failure.empty(); ++n) {
      const PrivilegedInstance i = instance(f, seed + n);
      const std::string d = compare(f, run_privileged_on_unicorn(i), run_privileged_simulated(i));
      if (d.empty()) {
        note_evidence(i.code, f.mode, "unicorn");
        continue;
      }
      failure = "  seed " + std::to_string(seed + n) + ", code";
      for (const std::uint8_t b : i.code) failure += " " + hexadecimal(b);
      for (unsigned r = 0; r < 8; ++r) failure += (r == 0 ? "\n  gpr " : " ") + hexadecimal(i.state.gpr[r]);
      failure += "\n" + d;
    }
    INFO(f.name << " in mode " << f.mode << "\n" << failure);
    CHECK(failure.empty());
  }
}

// i.data.
std::uint64_t offset_of(unsigned mode) { return (mode == 16 ? 0x1000 : kSmallData) + kPlace; }

Code memory_operand(unsigned mode, unsigned reg) {
  const auto a = static_cast<std::uint32_t>(offset_of(mode));
  const auto byte = [a](unsigned n) { return static_cast<std::uint8_t>(a >> (8 * n)); };
  const auto modrm = static_cast<std::uint8_t>(reg << 3);
  if (mode == 16) return {static_cast<std::uint8_t>(modrm | 6), byte(0), byte(1)};
  if (mode == 32) return {static_cast<std::uint8_t>(modrm | 5), byte(0), byte(1), byte(2), byte(3)};
  return {static_cast<std::uint8_t>(modrm | 4), 0x25, byte(0), byte(1), byte(2), byte(3)};
}
Code register_operand(unsigned reg, unsigned rm) { return {static_cast<std::uint8_t>(0xc0 | reg << 3 | rm)}; }

Code joined(std::initializer_list<Code> parts) {
  Code all;
  for (const Code& p : parts) all.insert(all.end(), p.begin(), p.end());
  return all;
}
Code immediate(std::uint64_t v, unsigned bytes) {
  Code c;
  for (unsigned n = 0; n < bytes; ++n) c.push_back(static_cast<std::uint8_t>(v >> (8 * n)));
  return c;
}
Code size_prefix(unsigned mode, unsigned bits) {
  if (bits == 64) return {0x48};
  return (mode == 16) == (bits == 16) ? Code{} : Code{0x66};
}

std::uint16_t random_selector(Rng& rng) {
  return static_cast<std::uint16_t>(rng.below(12) == 0 ? rng.next() : rng.below(kSelEnd / 8) * 8 | rng.below(8));
}
std::uint16_t data_selector(Rng& rng, unsigned mode) {
  constexpr std::uint16_t kGood[] = {kSelData, kSelUserData, kSelReadOnly, kSelLimited, kSelCode, kSelConforming};
  if (mode == 16) return static_cast<std::uint16_t>(rng.next());
  return rng.below(4) == 0 ? random_selector(rng) : kGood[rng.below(std::size(kGood))];
}
void stack(Rng& rng, PrivilegedInstance& i) {
  i.state.gpr[kRsp] = offset_of(i.mode) + 64 + rng.below(64);
  if (i.mode != 64 && rng.below(2)) i.state.gpr[kRsp] &= ~3ull;
}
std::uint64_t stack_place(const PrivilegedInstance& i) { return i.state.gpr[kRsp] - offset_of(i.mode) + kPlace; }

SystemForm fixed(std::string name, unsigned mode, Code code, AdjustState adjust) {
  return {std::move(name), mode,
          [code = std::move(code), adjust = std::move(adjust)](Rng& rng, PrivilegedInstance& i) {
            i.code = code;
            if (adjust) adjust(rng, i);
          },
          0};
}

}  // namespace xensim::differential
