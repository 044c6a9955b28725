// Segment registers, descriptors and descriptor tables in the three modes, against Unicorn.
#include <catch2/catch.hpp>

#include "tests/differential/system_forms.h"

namespace xensim::differential {

using namespace xensim::cpu;

TEST_CASE("segment registers load and store as in Unicorn") {
  std::vector<SystemForm> f;
  for (const unsigned mode : kModes) {
    for (const unsigned segment : {kEs, kSs, kDs, kFs, kGs}) {
      const std::string name = " segment " + std::to_string(segment);
      const AdjustState choose = [mode, segment](Rng& rng, PrivilegedInstance& i) {
        const std::uint16_t s =
            segment == kSs && mode != 16 ? static_cast<std::uint16_t>(kSelData) : data_selector(rng, mode);
        i.state.gpr[kRax] = (i.state.gpr[kRax] & ~0xffffull) | s;
        put(i, kPlace, s);
      };
      f.push_back(fixed("mov" + name + ", ax", mode, joined({{0x8e}, register_operand(segment, 0)}), choose));
      f.push_back(fixed("mov" + name + ", m16", mode, joined({{0x8e}, memory_operand(mode, segment)}), choose));
    }
    for (unsigned segment = 0; segment < 6; ++segment) {
      const std::string name = " segment " + std::to_string(segment);
      f.push_back(fixed("mov r," + name, mode, joined({{0x8c}, register_operand(segment, 0)})));
      f.push_back(fixed("mov r, prefixed," + name, mode, joined({{0x66, 0x8c}, register_operand(segment, 0)})));
      f.push_back(fixed("mov m16," + name, mode, joined({{0x8c}, memory_operand(mode, segment)})));
    }
    // PUSH and POP of segment registers, of both sizes.
    struct Opcode {
      unsigned segment;
      Code push, pop;
    };
    const Opcode opcodes[] = {{kEs, {0x06}, {0x07}},
                              {kCs, {0x0e}, {}},
                              {kSs, {0x16}, {0x17}},
                              {kDs, {0x1e}, {0x1f}},
                              {kFs, {0x0f, 0xa0}, {0x0f, 0xa1}},
                              {kGs, {0x0f, 0xa8}, {0x0f, 0xa9}}};
    for (const Opcode& o : opcodes) {
      if (mode == 64 && o.segment < kFs) continue;
      for (const Code& prefix : {Code{}, Code{0x66}}) {
        const std::string name =
            std::string(prefix.empty() ? "" : "prefixed ") + "segment " + std::to_string(o.segment);
        // The upper bytes of a pushed selector's place are not written by all processors: 16 bits only.
        if ((mode == 16) == prefix.empty() || mode == 64)
          f.push_back(fixed("push " + name, mode, joined({prefix, o.push}), stack));
        if (o.pop.empty()) continue;
        f.push_back(
            fixed("pop " + name, mode, joined({prefix, o.pop}), [mode, o](Rng& rng, PrivilegedInstance& i) {
              stack(rng, i);
              put(i, stack_place(i),
                  std::uint64_t{o.segment == kSs && mode != 16 ? static_cast<std::uint16_t>(kSelData)
                                                               : data_selector(rng, mode)});
            }));
      }
    }
    // LES, LDS (not in 64-bit mode), LSS, LFS, LGS.
    const std::pair<const char*, Code> far_loads[] = {
        {"les", {0xc4}}, {"lds", {0xc5}}, {"lfs", {0x0f, 0xb4}}, {"lgs", {0x0f, 0xb5}}, {"lss", {0x0f, 0xb2}}};
    for (const auto& [name, opcode] : far_loads) {
      if (mode == 64 && opcode.size() == 1) continue;
      const bool lss = opcode.back() == 0xb2;
      for (const unsigned bits : {16u, 32u})
        f.push_back(fixed(name + std::to_string(bits), mode,
                          joined({size_prefix(mode, bits), opcode, memory_operand(mode, kRbx)}),
                          [mode, bits, lss](Rng& rng, PrivilegedInstance& i) {
                            put(i, kPlace + bits / 8,
                                lss && mode != 16 ? static_cast<std::uint16_t>(kSelData)
                                                  : data_selector(rng, mode));
                          }));
    }
  }
  run_system_forms(f);
}

TEST_CASE("descriptors are inspected as in Unicorn") {
  std::vector<SystemForm> f;
  for (const unsigned mode : {32u, 64u}) {
    const AdjustState choose = [](Rng& rng, PrivilegedInstance& i) {
      const std::uint16_t s = random_selector(rng);
      i.state.gpr[kRcx] = (i.state.gpr[kRcx] & ~0xffffull) | s;
      put(i, kPlace, s);
    };
    for (const auto& [name, opcode] : {std::pair("lar", 0x02), std::pair("lsl", 0x03)})
      for (const unsigned bits : {16u, 32u, 64u}) {
        if (bits > mode) continue;
        const Code head = joined({size_prefix(mode, bits), {0x0f, static_cast<std::uint8_t>(opcode)}});
        f.push_back(
            fixed(name + std::to_string(bits), mode, joined({head, register_operand(kRax, kRcx)}), choose));
        f.push_back(
            fixed(name + std::to_string(bits) + " m16", mode, joined({head, memory_operand(mode, kRax)}), choose));
      }
    for (const auto& [name, reg] : {std::pair("verr", 4u), std::pair("verw", 5u)}) {
      f.push_back(fixed(name, mode, joined({{0x0f, 0x00}, register_operand(reg, kRcx)}), choose));
      f.push_back(
          fixed(name + std::string(" m16"), mode, joined({{0x0f, 0x00}, memory_operand(mode, reg)}), choose));
    }
  }
  f.push_back(fixed("arpl", 32, {0x63, 0xc8}));
  f.push_back(fixed("arpl m16", 32, joined({{0x63}, memory_operand(32, kRcx)})));
  run_system_forms(f);
}

TEST_CASE("descriptor-table registers load and store as in Unicorn") {
  std::vector<SystemForm> f;
  for (const unsigned mode : kModes) {
    const AdjustState table = [mode](Rng& rng, PrivilegedInstance& i) {
      put(i, kPlace, static_cast<std::uint16_t>(rng.next()));
      put(i, kPlace + 2,
          mode == 64 ? static_cast<std::uint64_t>(static_cast<std::int64_t>(rng.next()) >> 17) : rng.next());
      i.state.gdt_limit = static_cast<std::uint16_t>(0xfff + rng.below(0x1000));
      i.state.idt_limit = static_cast<std::uint16_t>(rng.next());
      i.state.idt_base = rng.next() & (mode == 64 ? 0x7fffffffffff : 0xffffffff);
    };
    for (const auto& [name, reg] :
         {std::pair("sgdt", 0u), std::pair("sidt", 1u), std::pair("lgdt", 2u), std::pair("lidt", 3u)})
      for (const Code& prefix : {Code{}, Code{0x66}}) {
        if (mode == 64 && !prefix.empty()) continue;
        // Stores with a 16-bit operand size: Unicorn stores 24 bits of the base, processors 32.
        if (reg < 2 && mode != 64 && (mode == 16) == prefix.empty()) continue;
        f.push_back(fixed(name + std::string(prefix.empty() ? "" : " prefixed"), mode,
                          joined({prefix, {0x0f, 0x01}, memory_operand(mode, reg)}), table));
      }
    for (const Code& prefix : {Code{}, Code{0x66}}) {
      const std::string name = prefix.empty() ? "" : " prefixed";
      // Of 32 bits Unicorn stores 16.
      if ((mode == 16) == prefix.empty())
        f.push_back(fixed("smsw r" + name, mode, joined({prefix, {0x0f, 0x01}, register_operand(4, kRbx)})));
      if (mode == 16) continue;
      f.push_back(fixed("sldt r" + name, mode, joined({prefix, {0x0f, 0x00}, register_operand(0, kRbx)})));
      f.push_back(fixed("str r" + name, mode, joined({prefix, {0x0f, 0x00}, register_operand(1, kRbx)})));
    }
    f.push_back(fixed("smsw m16", mode, joined({{0x0f, 0x01}, memory_operand(mode, 4)})));
    if (mode == 16) continue;
    f.push_back(fixed("sldt m16", mode, joined({{0x0f, 0x00}, memory_operand(mode, 0)})));
    f.push_back(fixed("str m16", mode, joined({{0x0f, 0x00}, memory_operand(mode, 1)})));
    const auto choose = [](std::uint16_t good) {
      return [good](Rng& rng, PrivilegedInstance& i) {
        std::uint16_t s = rng.below(2) ? good : random_selector(rng);
        // Unicorn loads a null selector into TR; the manual has #GP for it.
        if (good == kSelTss && s < 4) s = good;
        i.state.gpr[kRcx] = s;
        put(i, kPlace, s);
      };
    };
    f.push_back(fixed("lldt r16", mode, joined({{0x0f, 0x00}, register_operand(2, kRcx)}), choose(kSelLdt)));
    f.push_back(fixed("lldt m16", mode, joined({{0x0f, 0x00}, memory_operand(mode, 2)}), choose(kSelLdt)));
    f.push_back(fixed("ltr r16", mode, joined({{0x0f, 0x00}, register_operand(3, kRcx)}), choose(kSelTss)));
    f.push_back(fixed("ltr m16", mode, joined({{0x0f, 0x00}, memory_operand(mode, 3)}), choose(kSelTss)));
  }
  run_system_forms(f);
}

}  // namespace xensim::differential
