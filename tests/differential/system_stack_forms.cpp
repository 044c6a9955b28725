// The stack, near and far transfers in the three modes, against Unicorn.
#include <catch2/catch.hpp>

#include "tests/differential/system_forms.h"

namespace xensim::differential {

using namespace xensim::cpu;

TEST_CASE("stack instructions of all sizes give what Unicorn gives") {
  std::vector<SystemForm> f;
  for (const unsigned mode : kModes)
    for (const unsigned bits : {16u, 32u, 64u}) {
      // 64-bit mode knows no 32-bit pushes.
      if (bits > mode ? mode != 16 || bits != 32 : mode == 64 && bits == 32) continue;
      const Code p = bits == 64 ? Code{} : mode == 64 ? Code{0x66} : size_prefix(mode, bits);
      const std::string n = std::to_string(bits);
      const unsigned bytes = bits / 8;
      f.push_back(fixed("push r" + n, mode, joined({p, {0x53}}), stack));
      f.push_back(fixed("push sp" + n, mode, joined({p, {0x54}}), stack));
      f.push_back(fixed("pop r" + n, mode, joined({p, {0x5b}}), stack));
      f.push_back(fixed("pop sp" + n, mode, joined({p, {0x5c}}), stack));
      f.push_back(fixed("push m" + n, mode, joined({p, {0xff}, memory_operand(mode, 6)}), stack));
      f.push_back(fixed("pop m" + n, mode, joined({p, {0x8f}, memory_operand(mode, 0)}), stack));
      f.push_back(fixed("push imm8 " + n, mode, joined({p, {0x6a, 0x9c}}), stack));
      f.push_back(
          fixed("push imm " + n, mode, joined({p, {0x68}, immediate(0x98765432, bits == 16 ? 2 : 4)}), stack));
      f.push_back(fixed("pushf" + n, mode, joined({p, {0x9c}}), stack));
      f.push_back(fixed("popf" + n, mode, joined({p, {0x9d}}), [](Rng& rng, PrivilegedInstance& i) {
        stack(rng, i);
        put(i, stack_place(i), 2 | (rng.next() & (kStatusFlags | kDf | kIf | kIopl | kNt | kAc | kId)));
      }));
      f.push_back(fixed("leave" + n, mode, joined({p, {0xc9}}), [](Rng& rng, PrivilegedInstance& i) {
        stack(rng, i);
        i.state.gpr[kRbp] = i.state.gpr[kRsp] + rng.below(64);
      }));
      // Where operand and stack size differ, Unicorn writes BP by the stack's.
      if (bits == mode) {
        f.push_back(fixed("enter" + n, mode, joined({p, {0xc8, 0x10, 0x00, 0x00}}), stack));
        f.push_back(fixed("enter " + n + ",2", mode, joined({p, {0xc8, 0x10, 0x00, 0x02}}),
                          [](Rng& rng, PrivilegedInstance& i) {
                            stack(rng, i);
                            i.state.gpr[kRbp] = i.state.gpr[kRsp] + rng.below(64);
                          }));
      }
      if (mode != 64) {
        f.push_back(fixed("pusha" + n, mode, joined({p, {0x60}}), stack));
        f.push_back(fixed("popa" + n, mode, joined({p, {0x61}}), stack));
      }
      // Near transfers. Targets are truncated to the operand size: kept in the code's own 64 KiB in real mode.
      const auto target = [mode](Rng& rng) { return (mode == 16 ? 0x1000 : kSmallSlot) + rng.below(0x800); };
      if (bits == mode || (mode == 16 && bits == 32)) {
        f.push_back(fixed("call rel" + n, mode, joined({p, {0xe8}, immediate(0x123, bits == 16 ? 2 : 4)}), stack));
        const AdjustState to = [=](Rng& rng, PrivilegedInstance& i) {
          stack(rng, i);
          i.state.gpr[kRbx] = target(rng);
          put(i, kPlace, target(rng));
          put(i, stack_place(i), target(rng));
        };
        f.push_back(fixed("call r" + n, mode, joined({p, {0xff}, register_operand(2, kRbx)}), to));
        f.push_back(fixed("jmp r" + n, mode, joined({p, {0xff}, register_operand(4, kRbx)}), to));
        f.push_back(fixed("call m" + n, mode, joined({p, {0xff}, memory_operand(mode, 2)}), to));
        f.push_back(fixed("jmp m" + n, mode, joined({p, {0xff}, memory_operand(mode, 4)}), to));
        f.push_back(fixed("ret" + n, mode, joined({p, {0xc3}}), to));
        f.push_back(fixed("ret imm16 " + n, mode, joined({p, {0xc2, 0x08, 0x00}}), to));
        // Far transfers without a change of level: to the same code segment, or another.
        const AdjustState far = [=](Rng& rng, PrivilegedInstance& i) {
          stack(rng, i);
          std::uint16_t cs = kSelCode;
          if (mode == 16)
            cs = static_cast<std::uint16_t>(0x1000 + rng.below(16));
          else if (rng.below(3) == 0)
            cs = rng.below(2) ? static_cast<std::uint16_t>(kSelConforming) : random_selector(rng);
          // Gates and task switches are another matter; a TSS or LDT descriptor would be one.
          if (mode != 16 && (cs & ~7) >= kSelTss && (cs & ~7) < kSelCode16) cs = kSelCode;
          // In 32-bit code a 16-bit segment and back; in 64-bit code compatibility mode.
          const unsigned operand = bits == 64 ? 4 : bytes;
          for (const std::uint64_t place : {kPlace, stack_place(i)}) {
            const bool on_stack = place != kPlace;
            put(i, place, target(rng));
            put(i, place + (on_stack ? bytes : operand), std::uint64_t{cs});
          }
        };
        if (mode != 64) {
          f.push_back(fixed("call ptr16:" + n, mode,
                            joined({p,
                                    {0x9a},
                                    immediate(mode == 16 ? 0x1200 : 0x11200, bytes),
                                    immediate(mode == 16 ? 0x1000 : kSelCode, 2)}),
                            stack));
          f.push_back(fixed("jmp ptr16:" + n, mode,
                            joined({p,
                                    {0xea},
                                    immediate(mode == 16 ? 0x1200 : 0x11200, bytes),
                                    immediate(mode == 16 ? 0x1000 : kSelCode, 2)}),
                            stack));
        }
        if (mode != 64) {
          f.push_back(fixed("call m16:" + n, mode, joined({p, {0xff}, memory_operand(mode, 3)}), far));
          f.push_back(fixed("jmp m16:" + n, mode, joined({p, {0xff}, memory_operand(mode, 5)}), far));
        }
        const Code wide = bits == 64 ? Code{0x48} : p;
        f.push_back(fixed("ret far " + n, mode, joined({wide, {0xcb}}), far));
        f.push_back(fixed("ret far imm16 " + n, mode, joined({wide, {0xca, 0x08, 0x00}}), far));
        f.push_back(fixed("iret" + n, mode, joined({wide, {0xcf}}), [=](Rng& rng, PrivilegedInstance& i) {
          far(rng, i);
          const std::uint64_t at = stack_place(i);
          put(i, at + 2 * bytes,
              static_cast<std::uint32_t>(2 | (rng.next() & (kStatusFlags | kDf | kIf | kIopl | kAc | kId))));
          if (mode == 64) {
            put(i, at + bytes, std::uint64_t{kSelCode});
            put(i, at + 2 * bytes,
                std::uint64_t{2 | (rng.next() & (kStatusFlags | kDf | kIf | kIopl | kAc | kId))});
            put(i, at + 3 * bytes, offset_of(mode) + rng.below(256));
            put(i, at + 4 * bytes, std::uint64_t{rng.below(2) ? kSelData : kSelNull});
          }
        }));
      }
    }
  for (const unsigned mode : kModes) {
    if (mode == 64) {
      // Not CALL m16:32: Unicorn pushes eight bytes a word, processors four.
      f.push_back(fixed("call m16:64", 64, joined({{0x48, 0xff}, memory_operand(64, 3)}),
                        [](Rng& rng, PrivilegedInstance& i) {
                          stack(rng, i);
                          put(i, kPlace, kSmallSlot + rng.below(0x800));
                          put(i, kPlace + 8, std::uint16_t{kSelCode});
                        }));
      f.push_back(
          fixed("jmp m16:32", 64, joined({{0xff}, memory_operand(64, 5)}), [](Rng& rng, PrivilegedInstance& i) {
            put(i, kPlace, static_cast<std::uint32_t>(kSmallSlot + rng.below(0x800)));
            put(i, kPlace + 4, std::uint16_t{kSelCode});
          }));
    }
  }
  run_system_forms(f);
}

}  // namespace xensim::differential
