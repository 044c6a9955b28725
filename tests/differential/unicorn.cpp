// The Unicorn side of the whole-processor comparisons. Built without the library (XENSIM_HAS_UNICORN), it says
// that it is not there.
//
// Not trusted, and therefore not compared: delivery through the IDT (Unicorn hands exceptions to a hook, without
// their error codes), SYSCALL and SYSENTER (a hook instead of the instruction), CPUID, RDTSC, RDPMC and random
// numbers (other values), VMX (not there), the effect of cache and TLB control (none), REP prefixes of ports,
// XSAVE's state, x87's denormal operands and C1.
#include <cstdio>

#include "tests/differential/privileged.h"

#ifdef XENSIM_HAS_UNICORN

#include <unicorn/unicorn.h>

#include <cstring>
#include <memory>

#include "sim/base/expects.h"

namespace xensim::differential {
namespace {

constexpr int kGprs[] = {UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX,
                         UC_X86_REG_RSP, UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI,
                         UC_X86_REG_R8,  UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11,
                         UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15};
constexpr int kGprs32[] = {UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX, UC_X86_REG_EBX,
                           UC_X86_REG_ESP, UC_X86_REG_EBP, UC_X86_REG_ESI, UC_X86_REG_EDI};
constexpr int kSegments[] = {UC_X86_REG_ES, UC_X86_REG_CS, UC_X86_REG_SS,
                             UC_X86_REG_DS, UC_X86_REG_FS, UC_X86_REG_GS};

class Engine {
 public:
  explicit Engine(unsigned mode) : mode_(mode) {
    check(uc_open(UC_ARCH_X86, mode == 64 ? UC_MODE_64 : mode == 32 ? UC_MODE_32 : UC_MODE_16, &uc_));
    check(uc_ctl_set_cpu_model(uc_, UC_CPU_X86_ICELAKE_SERVER));
    check(uc_mem_map(uc_, 0, kSmallMemory, UC_PROT_ALL));
    check(uc_context_alloc(uc_, &reset_));
    check(uc_context_save(uc_, reset_));
    uc_hook hook;
    check(uc_hook_add(uc_, &hook, UC_HOOK_INTR, reinterpret_cast<void*>(&on_interrupt), this, 1, 0));
    check(uc_hook_add(uc_, &hook, UC_HOOK_INSN, reinterpret_cast<void*>(&on_in), this, 1, 0, UC_X86_INS_IN));
    check(uc_hook_add(uc_, &hook, UC_HOOK_INSN, reinterpret_cast<void*>(&on_out), this, 1, 0, UC_X86_INS_OUT));
  }
  ~Engine() {
    uc_context_free(reset_);
    uc_close(uc_);
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  PrivilegedResult run(const PrivilegedInstance& i) {
    check(uc_context_restore(uc_, reset_));
    const std::vector<std::uint8_t> tables = descriptor_tables(mode_),
                                    padding(64, 0xf4);  // HLT ends a block of translated code
    write(kGdt, tables);
    write(kSmallData, i.data);
    write(kSmallSlot, padding);
    write(kSmallSlot, i.code);
    check(uc_ctl_remove_cache(uc_, kSmallSlot, kSmallSlot + 64));
    load(i.state);
    vector_ = -1;
    ports_.clear();
    // Counted, an iteration of a repeated instruction would be an instruction.
    const bool repeats = !i.code.empty() && (i.code[0] == 0xf2 || i.code[0] == 0xf3);
    const uc_err end = uc_emu_start(uc_, kSmallSlot, repeats ? kSmallSlot + i.code.size() : 0, 0, repeats ? 0 : 1);
    PrivilegedResult r;
    if (vector_ >= 0 || end == UC_ERR_INSN_INVALID) {
      r.end = PrivilegedResult::End::kException;
      r.vector = static_cast<std::uint8_t>(end == UC_ERR_INSN_INVALID && vector_ < 0 ? 6 : vector_);
    } else if (end != UC_ERR_OK) {
      r.end = PrivilegedResult::End::kOther;
    } else if (i.code == std::vector<std::uint8_t>{0xf4}) {
      r.end = PrivilegedResult::End::kHalted;
    }
    store(r.state);
    r.data = read(kSmallData, kDataSize);
    r.tables = read(kGdt, kTablesSize);
    r.ports = ports_;
    return r;
  }

 private:
  static void check(uc_err e) {
    if (e != UC_ERR_OK) std::fprintf(stderr, "Unicorn: %s\n", uc_strerror(e));
    expects(e == UC_ERR_OK);
  }
  static void on_interrupt(uc_engine* uc, std::uint32_t number, void* self) {
    static_cast<Engine*>(self)->vector_ = static_cast<int>(number);
    uc_emu_stop(uc);
  }
  static std::uint32_t on_in(uc_engine*, std::uint32_t port, int size, void*) {
    const std::uint32_t v = port_value(static_cast<std::uint16_t>(port));
    return size == 4 ? v : v & ((1u << (8 * size)) - 1);
  }
  static void on_out(uc_engine*, std::uint32_t port, int size, std::uint32_t value, void* self) {
    const std::uint32_t mask = size == 4 ? ~0u : (1u << (8 * size)) - 1;
    static_cast<Engine*>(self)->ports_.push_back(
        {static_cast<std::uint16_t>(port), static_cast<std::uint8_t>(size), value & mask});
  }

  void write(std::uint64_t at, const std::vector<std::uint8_t>& bytes) {
    check(uc_mem_write(uc_, at, bytes.data(), bytes.size()));
  }
  std::vector<std::uint8_t> read(std::uint64_t at, std::uint64_t size) {
    std::vector<std::uint8_t> bytes(size);
    check(uc_mem_read(uc_, at, bytes.data(), size));
    return bytes;
  }
  void set(int reg, std::uint64_t v) { check(uc_reg_write(uc_, reg, &v)); }
  std::uint64_t get(int reg) {
    std::uint64_t v = 0;
    check(uc_reg_read(uc_, reg, &v));
    return v;
  }

  void load(const PrivilegedState& s) {
    set(UC_X86_REG_CR0, s.cr0);
    set(UC_X86_REG_CR2, s.cr2);
    set(UC_X86_REG_CR3, s.cr3);
    set(UC_X86_REG_CR4, s.cr4);
    for (int n = 0; n < 8; ++n)
      if (n != 4 && n != 5) set(UC_X86_REG_DR0 + n, s.dr[static_cast<unsigned>(n)]);
    uc_x86_mmr table{0, s.gdt_base, s.gdt_limit, 0};
    check(uc_reg_write(uc_, UC_X86_REG_GDTR, &table));
    table = {0, s.idt_base, s.idt_limit, 0};
    check(uc_reg_write(uc_, UC_X86_REG_IDTR, &table));
    for (const unsigned n : {1u, 2u, 0u, 3u, 4u, 5u}) set(kSegments[n], s.selector[n]);
    if (mode_ == 64) {
      set(UC_X86_REG_FS_BASE, s.fs_base);
      set(UC_X86_REG_GS_BASE, s.gs_base);
      for (unsigned n = 0; n < 16; ++n) set(kGprs[n], s.gpr[n]);
    } else {
      for (unsigned n = 0; n < 8; ++n) set(kGprs32[n], s.gpr[n]);
    }
    for (std::size_t n = 0; n < kMsrs.size(); ++n) {
      uc_x86_msr msr{kMsrs[n], s.msr[n]};
      check(uc_reg_write(uc_, UC_X86_REG_MSR, &msr));
    }
    set(UC_X86_REG_EFLAGS, s.rflags);
    load_x87(s.x87);
  }

  void load_x87(const cpu::X87& x) {
    set(UC_X86_REG_FPCW, x.control);
    set(UC_X86_REG_FPSW, x.status);
    unsigned tags = 0;
    for (int n = 0; n < 8; ++n) {
      const cpu::X87::Register& r = x.r[static_cast<unsigned>(n)];
      std::uint8_t bytes[10];
      std::memcpy(bytes, &r.significand, 8);
      std::memcpy(bytes + 8, &r.sign_exponent, 2);
      check(uc_reg_write(uc_, UC_X86_REG_FP0 + n, bytes));
      if (!(x.tag_valid >> n & 1)) tags |= 3u << (2 * n);
    }
    set(UC_X86_REG_FPTAG, tags);
  }
  void store_x87(cpu::X87& x) {
    x.control = static_cast<std::uint16_t>(get(UC_X86_REG_FPCW));
    x.status = static_cast<std::uint16_t>(get(UC_X86_REG_FPSW));
    const std::uint64_t tags = get(UC_X86_REG_FPTAG);
    x.tag_valid = 0;
    for (int n = 0; n < 8; ++n) {
      cpu::X87::Register& r = x.r[static_cast<unsigned>(n)];
      std::uint8_t bytes[16];
      check(uc_reg_read(uc_, UC_X86_REG_FP0 + n, bytes));
      std::memcpy(&r.significand, bytes, 8);
      std::memcpy(&r.sign_exponent, bytes + 8, 2);
      if ((tags >> (2 * n) & 3) != 3) x.tag_valid |= static_cast<std::uint8_t>(1u << n);
    }
  }

  void store(PrivilegedState& s) {
    if (mode_ == 64)
      for (unsigned n = 0; n < 16; ++n) s.gpr[n] = get(kGprs[n]);
    else
      for (unsigned n = 0; n < 8; ++n) s.gpr[n] = get(kGprs32[n]) & 0xffffffff;
    s.rip = get(mode_ == 64 ? UC_X86_REG_RIP : UC_X86_REG_EIP);
    // Unicorn counts RIP in real mode from the beginning of memory, unless it stops where it was told.
    if (mode_ == 16 && s.rip > 0xffff) s.rip = s.rip - (get(UC_X86_REG_CS) << 4);
    s.rflags = get(UC_X86_REG_EFLAGS) & 0xffffffff;
    for (unsigned n = 0; n < 6; ++n) s.selector[n] = static_cast<std::uint16_t>(get(kSegments[n]));
    uc_x86_mmr table{};
    check(uc_reg_read(uc_, UC_X86_REG_LDTR, &table));
    s.ldtr = table.selector;
    check(uc_reg_read(uc_, UC_X86_REG_TR, &table));
    s.tr = table.selector;
    check(uc_reg_read(uc_, UC_X86_REG_GDTR, &table));
    s.gdt_base = table.base;
    s.gdt_limit = static_cast<std::uint16_t>(table.limit);
    check(uc_reg_read(uc_, UC_X86_REG_IDTR, &table));
    s.idt_base = table.base;
    s.idt_limit = static_cast<std::uint16_t>(table.limit);
    s.cr0 = get(UC_X86_REG_CR0);
    s.cr2 = get(UC_X86_REG_CR2);
    s.cr3 = get(UC_X86_REG_CR3);
    s.cr4 = get(UC_X86_REG_CR4);
    for (int n = 0; n < 8; ++n) s.dr[static_cast<unsigned>(n)] = n == 4 || n == 5 ? 0 : get(UC_X86_REG_DR0 + n);
    s.fs_base = get(UC_X86_REG_FS_BASE);
    s.gs_base = get(UC_X86_REG_GS_BASE);
    for (std::size_t n = 0; n < kMsrs.size(); ++n) {
      uc_x86_msr msr{kMsrs[n], 0};
      check(uc_reg_read(uc_, UC_X86_REG_MSR, &msr));
      s.msr[n] = msr.value;
    }
    store_x87(s.x87);
  }

  unsigned mode_;
  uc_engine* uc_ = nullptr;
  uc_context* reset_ = nullptr;
  int vector_ = -1;
  std::vector<PortWrite> ports_;
};

}  // namespace

bool unicorn_available() { return true; }

PrivilegedResult run_privileged_on_unicorn(const PrivilegedInstance& i) {
  static std::unique_ptr<Engine> engines[3];
  std::unique_ptr<Engine>& e = engines[i.mode / 32];
  if (!e) e = std::make_unique<Engine>(i.mode);
  return e->run(i);
}

}  // namespace xensim::differential

#else

namespace xensim::differential {

bool unicorn_available() {
  std::puts("skipped: xensim was built without the Unicorn library (Debian: libunicorn-dev)");
  return false;
}

PrivilegedResult run_privileged_on_unicorn(const PrivilegedInstance&) { return {}; }

}  // namespace xensim::differential

#endif
