// Ports, strings, flags, decimals and what has no effect that one could see, in the three modes, against Unicorn.
#include <catch2/catch.hpp>

#include "tests/differential/system_forms.h"

namespace xensim::differential {

using namespace xensim::cpu;

TEST_CASE("ports, flags and what has no effect give what Unicorn gives") {
  std::vector<SystemForm> f;
  for (const unsigned mode : kModes) {
    const AdjustState port = [](Rng& rng, PrivilegedInstance& i) {
      i.state.gpr[kRdx] = (i.state.gpr[kRdx] & ~0xffffull) | (rng.next() & 0xffff);
    };
    const Code p16 = size_prefix(mode, 16), p32 = mode == 64 ? Code{} : size_prefix(mode, 32);
    f.push_back(fixed("in al, imm8", mode, {0xe4, 0x71}));
    f.push_back(fixed("in ax, imm8", mode, joined({p16, {0xe5, 0x71}})));
    f.push_back(fixed("in eax, imm8", mode, joined({p32, {0xe5, 0x71}})));
    f.push_back(fixed("in al, dx", mode, {0xec}, port));
    f.push_back(fixed("in ax, dx", mode, joined({p16, {0xed}}), port));
    f.push_back(fixed("in eax, dx", mode, joined({p32, {0xed}}), port));
    f.push_back(fixed("out imm8, al", mode, {0xe6, 0x71}));
    f.push_back(fixed("out imm8, ax", mode, joined({p16, {0xe7, 0x71}})));
    f.push_back(fixed("out imm8, eax", mode, joined({p32, {0xe7, 0x71}})));
    f.push_back(fixed("out dx, al", mode, {0xee}, port));
    f.push_back(fixed("out dx, ax", mode, joined({p16, {0xef}}), port));
    f.push_back(fixed("out dx, eax", mode, joined({p32, {0xef}}), port));
    const AdjustState string = [port](Rng& rng, PrivilegedInstance& i) {
      port(rng, i);
      i.state.gpr[kRsi] = offset_of(i.mode) + rng.below(64);
      i.state.gpr[kRdi] = offset_of(i.mode) + 128 + rng.below(64);
      if (rng.below(2)) i.state.rflags |= kDf;
    };
    const std::pair<const char*, std::uint8_t> strings[] = {{"ins", 0x6c},  {"outs", 0x6e}, {"movs", 0xa4},
                                                            {"cmps", 0xa6}, {"stos", 0xaa}, {"lods", 0xac},
                                                            {"scas", 0xae}};
    for (const auto& [name, opcode] : strings) {
      f.push_back(fixed(name + std::string("b"), mode, {opcode}, string));
      f.push_back(
          fixed(name + std::string("w"), mode, joined({p16, {static_cast<std::uint8_t>(opcode + 1)}}), string));
      f.push_back(
          fixed(name + std::string("d"), mode, joined({p32, {static_cast<std::uint8_t>(opcode + 1)}}), string));
    }
    f.push_back(fixed("cli", mode, {0xfa}, [](Rng& rng, PrivilegedInstance& i) {
      if (rng.below(2)) i.state.rflags |= kIf;
    }));
    f.push_back(fixed("sti", mode, {0xfb}, [](Rng& rng, PrivilegedInstance& i) {
      if (rng.below(2)) i.state.rflags |= kIf;
    }));
    f.push_back(fixed("hlt", mode, {0xf4}));
    f.push_back(fixed("wbinvd", mode, {0x0f, 0x09}));
    f.push_back(fixed("invd", mode, {0x0f, 0x08}));
    f.push_back(fixed("invlpg", mode, joined({{0x0f, 0x01}, memory_operand(mode, 7)})));
    f.push_back(fixed("lahf", mode, {0x9f}));
    f.push_back(fixed("sahf", mode, {0x9e}));
    f.push_back(fixed("cld", mode, {0xfc}));
    f.push_back(fixed("std", mode, {0xfd}));
    f.push_back(fixed("clc", mode, {0xf8}));
    f.push_back(fixed("stc", mode, {0xf9}));
    f.push_back(fixed("cmc", mode, {0xf5}));
    f.push_back(fixed("xlat", mode, {0xd7}, [](Rng& rng, PrivilegedInstance& i) {
      i.state.gpr[kRbx] = offset_of(i.mode) + rng.below(64);
    }));
    for (const unsigned opcode : {0xe0u, 0xe1u, 0xe2u, 0xe3u})
      f.push_back(fixed("loop " + hexadecimal(opcode), mode, {static_cast<std::uint8_t>(opcode), 0x0d},
                        [](Rng& rng, PrivilegedInstance& i) {
                          if (rng.below(2)) i.state.gpr[kRcx] = rng.below(3);
                        }));
    for (unsigned cc = 0; cc < 16; ++cc)
      f.push_back(fixed("jcc " + std::to_string(cc), mode, {static_cast<std::uint8_t>(0x70 + cc), 0x0d}));
    if (mode == 64) continue;
    f.push_back(fixed("salc", mode, {0xd6}));
    f.push_back(fixed("into", mode, {0xce}, [](Rng&, PrivilegedInstance& i) { i.state.rflags &= ~kOf; }));
    f.push_back(fixed("inc r", mode, {0x43}));
    f.push_back(fixed("dec r", mode, {0x4b}));
    for (const unsigned opcode : {0x27u, 0x2fu, 0x37u, 0x3fu}) {
      f.push_back(fixed("decimal " + hexadecimal(opcode), mode, {static_cast<std::uint8_t>(opcode)}));
      f.back().undefined_flags = opcode < 0x30 ? kOf : kOf | kSf | kZf | kPf;
    }
    for (const unsigned opcode : {0xd4u, 0xd5u}) {
      f.push_back(fixed("decimal " + hexadecimal(opcode), mode, {static_cast<std::uint8_t>(opcode), 0x0a}));
      f.back().undefined_flags = kOf | kAf | kCf;
    }
    f.push_back(
        fixed("bound", mode, joined({{0x62}, memory_operand(mode, kRbx)}), [](Rng& rng, PrivilegedInstance& i) {
          if (rng.below(2) == 0) return;
          put(i, kPlace, i.mode == 16 ? std::uint64_t{0x7fff8000} : std::uint64_t{0x7fffffff80000000});
        }));
  }
  for (const auto& [name, code] : {std::pair("clac", 0xca), std::pair("stac", 0xcb)})
    f.push_back(
        fixed(name, 64, {0x0f, 0x01, static_cast<std::uint8_t>(code)}, [](Rng& rng, PrivilegedInstance& i) {
          if (rng.below(2)) i.state.rflags |= kAc;
        }));
  run_system_forms(f);
}

}  // namespace xensim::differential
