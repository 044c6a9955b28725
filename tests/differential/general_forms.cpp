// Data movement, stack, conditions, branches and flag instructions against the host.
#include <catch2/catch.hpp>

#include "tests/differential/operands.h"

namespace xensim::differential {
namespace {

using namespace xensim::cpu;

constexpr std::initializer_list<unsigned> kAll = {8, 16, 32, 64}, kWords = {16, 32, 64};

void set_stack(Rng& rng, Instance& i) { i.state.gpr[kRsp] = kMiddle + rng.below(64); }

// RSP in the data area (and not part of an address, which set it already).
bool with_stack(Rng& rng, Instance& i, const Chosen& c) {
  for (unsigned n = 0; n < c.request.operand_count; ++n) {
    const ZydisEncoderOperand& o = c.request.operands[n];
    if (o.type == ZYDIS_OPERAND_TYPE_MEMORY && o.mem.base != ZYDIS_REGISTER_RIP && gpr_of(o.mem.base) == kRsp)
      return false;
  }
  set_stack(rng, i);
  return true;
}

Form stack_bytes(std::string name, std::vector<std::uint8_t> code,
                 std::function<void(Rng&, Instance&)> more = {}) {
  return bytes_form(std::move(name), std::move(code), 0, [more = std::move(more)](Rng& rng, Instance& i) {
    set_stack(rng, i);
    if (more) more(rng, i);
    return true;
  });
}

}  // namespace

TEST_CASE("moves and exchanges give what the host gives") {
  std::vector<Form> f;
  add_forms(f, ZYDIS_MNEMONIC_MOV, {"rr", "rm", "mr", "ri", "mi"}, kAll);
  add_forms(f, ZYDIS_MNEMONIC_MOVZX, {"ry", "rY"}, kWords);
  add_forms(f, ZYDIS_MNEMONIC_MOVZX, {"rw", "rW"}, {32, 64});
  add_forms(f, ZYDIS_MNEMONIC_MOVSX, {"ry", "rY"}, kWords);
  add_forms(f, ZYDIS_MNEMONIC_MOVSX, {"rw", "rW"}, {32, 64});
  add_forms(f, ZYDIS_MNEMONIC_MOVSXD, {"rd", "rD"}, {64});
  add_forms(f, ZYDIS_MNEMONIC_LEA, {"rm"}, {64});
  add_forms(f, ZYDIS_MNEMONIC_XCHG, {"rr", "mr"}, kAll);
  add_forms(f, ZYDIS_MNEMONIC_BSWAP, {"r"}, {32, 64});
  add_forms(f, ZYDIS_MNEMONIC_MOVBE, {"rm", "mr"}, kWords);
  f.push_back(bytes_form("cbw", {0x66, 0x98}));
  f.push_back(bytes_form("cwde", {0x98}));
  f.push_back(bytes_form("cdqe", {0x48, 0x98}));
  f.push_back(bytes_form("cwd", {0x66, 0x99}));
  f.push_back(bytes_form("cdq", {0x99}));
  f.push_back(bytes_form("cqo", {0x48, 0x99}));
  f.push_back(bytes_form("xlat", {0xd7}, 0, [](Rng& rng, Instance& i) {
    i.state.gpr[kRbx] = kMiddle + rng.below(64);
    return true;
  }));
  f.push_back(bytes_form("lea eax, [ecx+edx*4+8]", {0x67, 0x8d, 0x44, 0x91, 0x08}));
  f.push_back(bytes_form("lea ax, [rcx+rdx*4+8]", {0x66, 0x8d, 0x44, 0x91, 0x08}));
  f.push_back(bytes_form("mov rax, imm64", {0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 0x88}));
  f.push_back(bytes_form("mov rax, moffs64", {0x48, 0xa1, 0x00, 0x18, 0x00, 0x20, 0, 0, 0, 0}));
  f.push_back(bytes_form("mov moffs64, al", {0xa2, 0x00, 0x18, 0x00, 0x20, 0, 0, 0, 0}));
  f.push_back(bytes_form("movzx ax, word [disp32]", {0x66, 0x0f, 0xb7, 0x04, 0x25, 0x00, 0x18, 0x00, 0x20}));
  f.push_back(bytes_form("movsx ax, word [disp32]", {0x66, 0x0f, 0xbf, 0x04, 0x25, 0x00, 0x18, 0x00, 0x20}));
  f.push_back(bytes_form("movzx ax, cx", {0x66, 0x0f, 0xb7, 0xc1}));
  add_forms(f, ZYDIS_MNEMONIC_MOVNTI, {"mr"}, {32, 64});
  run_forms(f);
}

// A Linux process has CS 33, SS 2b, and null selectors in the others; so has the simulated side.
TEST_CASE("segment registers are read, and data segments loaded with null, as on the host") {
  std::vector<Form> f;
  for (unsigned segment = 0; segment < 6; ++segment) {
    const auto modrm = static_cast<std::uint8_t>(0xc0 | segment << 3);
    const std::string name = "segment " + std::to_string(segment);
    f.push_back(bytes_form("mov ax, " + name, {0x66, 0x8c, modrm}));
    f.push_back(bytes_form("mov eax, " + name, {0x8c, modrm}));
    f.push_back(bytes_form("mov rax, " + name, {0x48, 0x8c, modrm}));
    f.push_back(bytes_form("mov word [disp32], " + name,
                           {0x8c, static_cast<std::uint8_t>(0x04 | segment << 3), 0x25, 0x00, 0x18, 0x00, 0x20}));
  }
  const auto null_selector = [](Rng& rng, Instance& i) {
    i.state.gpr[kRax] = (i.state.gpr[kRax] & ~0xffffull) | rng.below(4);
    i.data.push_back({kMiddle, {static_cast<std::uint8_t>(rng.below(4)), 0}});
    return true;
  };
  for (const unsigned segment : {kEs, kDs}) {
    f.push_back(bytes_form("mov segment " + std::to_string(segment) + ", ax",
                           {0x8e, static_cast<std::uint8_t>(0xc0 | segment << 3)}, 0, null_selector));
    f.push_back(bytes_form("mov segment " + std::to_string(segment) + ", [disp32]",
                           {0x8e, static_cast<std::uint8_t>(0x04 | segment << 3), 0x25, 0x00, 0x18, 0x00, 0x20}, 0,
                           null_selector));
  }
  f.push_back(bytes_form("mov segment 1, ax", {0x8e, 0xc8}));  // #UD
  f.back().undefined_is_a_result = true;
  f.push_back(stack_bytes("push fs", {0x0f, 0xa0}));
  f.push_back(stack_bytes("push gs", {0x0f, 0xa8}));
  f.push_back(stack_bytes("push word fs", {0x66, 0x0f, 0xa0}));
  run_forms(f);
}

TEST_CASE("instructions that are undefined by name raise #UD") {
  std::vector<Form> f;
  f.push_back(bytes_form("ud2", {0x0f, 0x0b}));
  f.push_back(bytes_form("ud1 eax, ecx", {0x0f, 0xb9, 0xc1}));
  f.push_back(bytes_form("ud0 eax, ecx", {0x0f, 0xff, 0xc1}));
  for (Form& form : f) form.undefined_is_a_result = true;
  run_forms(f);
}

// The values are the processors' own; width, zero extension and flags are compared.
TEST_CASE("random numbers come as wide as on the host, with CF") {
  std::vector<Form> f;
  const auto compare_width = [](unsigned bits) {
    return [bits](const Instance&, const Result& host, const Result& simulated) {
      std::array<std::uint64_t, 16> h = host.state.gpr, s = simulated.state.gpr;
      if (bits == 16) h[kRax] &= ~0xffffull, s[kRax] &= ~0xffffull;
      if (bits == 32) h[kRax] >>= 32, s[kRax] >>= 32;
      if (bits == 64) h[kRax] = s[kRax] = 0;
      // A processor may run dry: CF clear, and a zero.
      const std::uint64_t flags = host.state.rflags & kCf ? host.state.rflags ^ simulated.state.rflags : 0;
      return std::string(h == s && (flags & kStatusFlags) == 0 ? "" : "  registers or flags differ\n");
    };
  };
  for (const auto& [name, modrm] : {std::pair("rdrand", 0xf0), std::pair("rdseed", 0xf8)})
    for (const unsigned bits : {16u, 32u, 64u}) {
      std::vector<std::uint8_t> code = {0x0f, 0xc7, static_cast<std::uint8_t>(modrm)};
      if (bits != 32) code.insert(code.begin(), bits == 16 ? 0x66 : 0x48);
      f.push_back(bytes_form(name + std::to_string(bits), code));
      f.back().compare = compare_width(bits);
    }
  run_forms(f);
}

TEST_CASE("conditional moves and sets give what the host gives") {
  std::vector<Form> f;
  for (ZydisMnemonic m :
       {ZYDIS_MNEMONIC_CMOVB, ZYDIS_MNEMONIC_CMOVBE, ZYDIS_MNEMONIC_CMOVL, ZYDIS_MNEMONIC_CMOVLE,
        ZYDIS_MNEMONIC_CMOVNB, ZYDIS_MNEMONIC_CMOVNBE, ZYDIS_MNEMONIC_CMOVNL, ZYDIS_MNEMONIC_CMOVNLE,
        ZYDIS_MNEMONIC_CMOVNO, ZYDIS_MNEMONIC_CMOVNP, ZYDIS_MNEMONIC_CMOVNS, ZYDIS_MNEMONIC_CMOVNZ,
        ZYDIS_MNEMONIC_CMOVO, ZYDIS_MNEMONIC_CMOVP, ZYDIS_MNEMONIC_CMOVS, ZYDIS_MNEMONIC_CMOVZ})
    add_forms(f, m, {"rr", "rm"}, kWords);
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_SETB, ZYDIS_MNEMONIC_SETBE, ZYDIS_MNEMONIC_SETL, ZYDIS_MNEMONIC_SETLE,
                          ZYDIS_MNEMONIC_SETNB, ZYDIS_MNEMONIC_SETNBE, ZYDIS_MNEMONIC_SETNL, ZYDIS_MNEMONIC_SETNLE,
                          ZYDIS_MNEMONIC_SETNO, ZYDIS_MNEMONIC_SETNP, ZYDIS_MNEMONIC_SETNS, ZYDIS_MNEMONIC_SETNZ,
                          ZYDIS_MNEMONIC_SETO, ZYDIS_MNEMONIC_SETP, ZYDIS_MNEMONIC_SETS, ZYDIS_MNEMONIC_SETZ})
    add_forms(f, m, {"r", "m"}, {8});
  run_forms(f);
}

TEST_CASE("stack instructions give what the host gives") {
  std::vector<Form> f;
  add_forms(f, ZYDIS_MNEMONIC_PUSH, {"r", "m"}, {16, 64}, 0, with_stack);
  add_forms(f, ZYDIS_MNEMONIC_PUSH, {"i"}, {64}, 0, with_stack);
  add_forms(f, ZYDIS_MNEMONIC_POP, {"r", "m"}, {16, 64}, 0, with_stack);
  f.push_back(stack_bytes("pop [rsp+8]", {0x8f, 0x44, 0x24, 0x08}));
  f.push_back(stack_bytes("push [rsp+8]", {0xff, 0x74, 0x24, 0x08}));
  f.push_back(stack_bytes("push rsp", {0x54}));
  f.push_back(stack_bytes("pop rsp", {0x5c}));
  f.push_back(
      stack_bytes("leave", {0xc9}, [](Rng& rng, Instance& i) { i.state.gpr[kRbp] = kMiddle + rng.below(64); }));
  f.push_back(stack_bytes("enter 16,0", {0xc8, 16, 0, 0}));
  f.push_back(stack_bytes("enter 16,3", {0xc8, 16, 0, 3},
                          [](Rng& rng, Instance& i) { i.state.gpr[kRbp] = kMiddle + 256 + rng.below(64); }));
  // At the edge of what is mapped: nothing may change.
  for (std::vector<std::uint8_t> code : {std::vector<std::uint8_t>{0x50}, {0x58}, {0xc9}})
    f.push_back(bytes_form("stack fault " + std::to_string(code[0]), code, 0, [](Rng& rng, Instance& i) {
      i.state.gpr[kRsp] = rng.below(2) ? kData + rng.below(9) : kData + kDataSize - rng.below(9);
      i.state.gpr[kRbp] = kData + kDataSize - rng.below(9);
      return true;
    }));
  run_forms(f);
}

TEST_CASE("branches go where the host goes") {
  std::vector<Form> f;
  for (unsigned cc = 0; cc < 16; ++cc) {
    f.push_back(bytes_form("jcc short " + std::to_string(cc),
                           {static_cast<std::uint8_t>(0x70 + cc), static_cast<std::uint8_t>(kTakenOffset)}));
    f.push_back(bytes_form("jcc near " + std::to_string(cc), {0x0f, static_cast<std::uint8_t>(0x80 + cc),
                                                              static_cast<std::uint8_t>(kTakenOffset), 0, 0, 0}));
  }
  const auto offset = static_cast<std::uint8_t>(kTakenOffset);
  f.push_back(bytes_form("jmp short", {0xeb, offset}));
  f.push_back(bytes_form("jmp near", {0xe9, offset, 0, 0, 0}));
  const auto small_count = [](Rng& rng, Instance& i) {
    i.state.gpr[kRcx] = (i.state.gpr[kRcx] & 0xffffffff00000000) | rng.below(3);
    if (rng.below(2)) i.state.gpr[kRcx] = rng.below(3);
    return true;
  };
  f.push_back(bytes_form("loopne", {0xe0, offset}, 0, small_count));
  f.push_back(bytes_form("loope", {0xe1, offset}, 0, small_count));
  f.push_back(bytes_form("loop", {0xe2, offset}, 0, small_count));
  f.push_back(bytes_form("jrcxz", {0xe3, offset}, 0, small_count));
  f.push_back(bytes_form("loop ecx", {0x67, 0xe2, offset}, 0, small_count));
  f.push_back(bytes_form("jecxz", {0x67, 0xe3, offset}, 0, small_count));
  f.push_back(stack_bytes("call near", {0xe8, offset, 0, 0, 0}));
  const auto to_target = [offset](unsigned length, unsigned reg) {
    return [=](Rng&, Instance& i) { i.state.gpr[reg] = kSlot + length + offset; };
  };
  f.push_back(stack_bytes("jmp rax", {0xff, 0xe0}, to_target(2, kRax)));
  f.push_back(stack_bytes("call rax", {0xff, 0xd0}, to_target(2, kRax)));
  const auto pushed_target = [offset](unsigned length) {
    return [=](Rng&, Instance& i) {
      const std::uint64_t target = kSlot + length + offset;
      std::vector<std::uint8_t> bytes(8);
      for (unsigned n = 0; n < 8; ++n) bytes[n] = static_cast<std::uint8_t>(target >> (8 * n));
      i.data.emplace_back(i.state.gpr[kRsp], bytes);
    };
  };
  f.push_back(stack_bytes("ret", {0xc3}, pushed_target(1)));
  f.push_back(stack_bytes("ret 16", {0xc2, 16, 0}, pushed_target(3)));
  f.push_back(stack_bytes("jmp [rsp]", {0xff, 0x24, 0x24}, pushed_target(3)));
  f.push_back(stack_bytes("call [rsp]", {0xff, 0x14, 0x24}, pushed_target(3)));
  run_forms(f);
}

TEST_CASE("flag instructions give what the host gives") {
  std::vector<Form> f;
  f.push_back(bytes_form("clc", {0xf8}));
  f.push_back(bytes_form("stc", {0xf9}));
  f.push_back(bytes_form("cmc", {0xf5}));
  f.push_back(bytes_form("cld", {0xfc}));
  f.push_back(bytes_form("std", {0xfd}));
  f.push_back(bytes_form("lahf", {0x9f}));
  f.push_back(bytes_form("sahf", {0x9e}));
  f.push_back(bytes_form("nop", {0x90}));
  f.push_back(bytes_form("nop word [rax]", {0x66, 0x0f, 0x1f, 0x00}));
  f.push_back(bytes_form("pause", {0xf3, 0x90}));
  f.push_back(bytes_form("xchg r8d, eax", {0x41, 0x90}));
  f.push_back(bytes_form("lfence", {0x0f, 0xae, 0xe8}));
  f.push_back(bytes_form("mfence", {0x0f, 0xae, 0xf0}));
  f.push_back(bytes_form("sfence", {0x0f, 0xae, 0xf8}));
  f.push_back(bytes_form("fwait", {0x9b}));
  f.push_back(bytes_form("endbr64", {0xf3, 0x0f, 0x1e, 0xfa}));
  f.push_back(bytes_form("endbr32", {0xf3, 0x0f, 0x1e, 0xfb}));
  f.push_back(bytes_form("rdsspq rax", {0xf3, 0x48, 0x0f, 0x1e, 0xc8}));
  f.push_back(bytes_form("rdsspd eax", {0xf3, 0x0f, 0x1e, 0xc8}));
  f.push_back(bytes_form("nop eax", {0x0f, 0x1f, 0xc0}));
  add_forms(f, ZYDIS_MNEMONIC_NOP, {"mr"}, kWords);
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_PREFETCHT0, ZYDIS_MNEMONIC_PREFETCHT1, ZYDIS_MNEMONIC_PREFETCHT2,
                          ZYDIS_MNEMONIC_PREFETCHNTA, ZYDIS_MNEMONIC_PREFETCHW})
    add_forms(f, m, {"Y"}, {8});
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_CLFLUSH, ZYDIS_MNEMONIC_CLFLUSHOPT, ZYDIS_MNEMONIC_CLWB})
    add_forms(f, m, {"m"}, {512});
  f.push_back(stack_bytes("pushfq", {0x9c}));
  f.push_back(stack_bytes("pushfw", {0x66, 0x9c}));
  // Any status flags and DF; the host must not be made to trap.
  const auto flags_on_stack = [](Rng& rng, Instance& i) {
    const std::uint64_t flags = 0x202 | (rng.next() & (kStatusFlags | kDf));
    std::vector<std::uint8_t> bytes(8);
    for (unsigned n = 0; n < 8; ++n) bytes[n] = static_cast<std::uint8_t>(flags >> (8 * n));
    i.data.emplace_back(i.state.gpr[kRsp], bytes);
  };
  f.push_back(stack_bytes("popfq", {0x9d}, flags_on_stack));
  f.push_back(stack_bytes("popfw", {0x66, 0x9d}, flags_on_stack));
  run_forms(f);
}

}  // namespace xensim::differential
