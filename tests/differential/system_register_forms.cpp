// Control and debug registers, MSRs and segment bases in the three modes, against Unicorn.
#include <catch2/catch.hpp>

#include "tests/differential/system_forms.h"

namespace xensim::differential {

using namespace xensim::cpu;

TEST_CASE("control and debug registers move as in Unicorn") {
  std::vector<SystemForm> f;
  for (const unsigned mode : kModes) {
    for (const unsigned cr : {0u, 2u, 3u, 4u}) {
      if (cr == 0 && mode == 64) continue;  // PG differs
      f.push_back(fixed("mov r, cr" + std::to_string(cr), mode, joined({{0x0f, 0x20}, register_operand(cr, kRbx)}),
                        [](Rng& rng, PrivilegedInstance& i) {
                          i.state.cr2 = interesting(rng) & (i.mode == 64 ? ~0ull : 0xffffffff);
                        }));
      f.push_back(fixed("mov cr" + std::to_string(cr) + ", r", mode,
                        joined({{0x0f, 0x22}, register_operand(cr, kRbx)}), [cr](Rng& rng, PrivilegedInstance& i) {
                          std::uint64_t& v = i.state.gpr[kRbx];
                          // Bits that mean something in both, and leave the mode as it is.
                          if (cr == 0)
                            v = i.state.cr0 ^ (rng.next() & (kCr0Mp | kCr0Em | kCr0Ts | kCr0Ne | kCr0Wp | kCr0Am));
                          if (cr == 0 && i.mode == 64) v |= kCr0Pg;
                          if (cr == 3) v = (rng.next() & 0xfffff) << 12;
                          if (cr == 4)
                            v = i.state.cr4 ^ (rng.next() & (kCr4Tsd | kCr4De | kCr4Pge | kCr4Pce | kCr4Osfxsr |
                                                             kCr4Osxmmexcpt));
                        }));
    }
    for (const unsigned dr : {0u, 1u, 2u, 3u, 6u, 7u}) {
      f.push_back(fixed("mov r, dr" + std::to_string(dr), mode, joined({{0x0f, 0x21}, register_operand(dr, kRbx)}),
                        [](Rng& rng, PrivilegedInstance& i) {
                          for (unsigned n = 0; n < 4; ++n) i.state.dr[n] = rng.next() & 0xffffffff;
                        }));
      f.push_back(fixed("mov dr" + std::to_string(dr) + ", r", mode,
                        joined({{0x0f, 0x23}, register_operand(dr, kRbx)}), [dr](Rng& rng, PrivilegedInstance& i) {
                          std::uint64_t& v = i.state.gpr[kRbx];
                          if (dr == 6) v = 0xffff0ff0 | (rng.next() & 0xe00f);
                          // Enabled breakpoints would be met: lengths and kinds only.
                          if (dr == 7) v = 0x400 | (rng.next() & 0xffff0000 & (i.mode == 64 ? ~0ull : 0xffffffff));
                        }));
    }
    f.push_back(fixed("clts", mode, {0x0f, 0x06}, [](Rng& rng, PrivilegedInstance& i) {
      if (rng.below(2)) i.state.cr0 |= kCr0Ts;
    }));
    const AdjustState status = [mode](Rng& rng, PrivilegedInstance& i) {
      const auto v = static_cast<std::uint16_t>((rng.next() & 0xfffe) | (mode == 16 ? 0 : rng.below(2)));
      i.state.gpr[kRbx] = v;
      put(i, kPlace, v);
    };
    f.push_back(fixed("lmsw r16", mode, joined({{0x0f, 0x01}, register_operand(6, kRbx)}), status));
    f.push_back(fixed("lmsw m16", mode, joined({{0x0f, 0x01}, memory_operand(mode, 6)}), status));
  }
  run_system_forms(f);
}

TEST_CASE("MSRs and SWAPGS give what Unicorn gives") {
  std::vector<SystemForm> f;
  const auto canonical = [](Rng& rng) {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(interesting(rng) << 16) >> 16);
  };
  const AdjustState bases = [canonical](Rng& rng, PrivilegedInstance& i) {
    i.state.fs_base = canonical(rng);
    i.state.gs_base = canonical(rng);
    for (auto& m : i.state.msr) m = canonical(rng);
    i.state.msr[0] &= 0xffff;      // IA32_SYSENTER_CS
    i.state.msr[6] &= 0xffffffff;  // IA32_FMASK
    i.state.msr[8] &= 0xffffffff;  // IA32_TSC_AUX
  };
  for (std::size_t n = 0; n < kMsrs.size() + 2; ++n) {
    const std::uint32_t msr = n < kMsrs.size() ? kMsrs[n] : n == kMsrs.size() ? 0xc0000100 : 0xc0000101;
    const AdjustState choose = [=](Rng& rng, PrivilegedInstance& i) {
      bases(rng, i);
      i.state.gpr[kRcx] = msr;
      std::uint64_t v = canonical(rng);
      if (msr == 0x174) v &= 0xffff;
      if (msr == 0xc0000084 || msr == 0xc0000103) v &= 0xffffffff;
      i.state.gpr[kRax] = v & 0xffffffff;
      i.state.gpr[kRdx] = v >> 32;
    };
    for (const unsigned mode : kModes) {
      if (mode != 64 && n >= kMsrs.size()) continue;  // the bases of FS and GS
      f.push_back(fixed("rdmsr " + hexadecimal(msr), mode, {0x0f, 0x32}, choose));
      f.push_back(fixed("wrmsr " + hexadecimal(msr), mode, {0x0f, 0x30}, choose));
    }
  }
  f.push_back(fixed("swapgs", 64, {0x0f, 0x01, 0xf8}, bases));
  run_system_forms(f);
}

}  // namespace xensim::differential
