// The simulated side of the whole-processor comparisons, and what both sides begin with.
#include <cstring>
#include <memory>

#include "models/cpu/core.h"
#include "models/cpu/isa/msr.h"
#include "models/memory/physical_memory.h"
#include "tests/differential/privileged.h"
#include "tests/differential/surroundings.h"

namespace xensim::differential {
namespace {

using namespace xensim::cpu;

struct Ports final : NoDevices {
  std::uint32_t io_read(std::uint16_t port, unsigned size) override {
    return size == 4 ? port_value(port) : port_value(port) & ((1u << (8 * size)) - 1);
  }
  void io_write(std::uint16_t port, unsigned size, std::uint32_t value) override {
    const std::uint32_t mask = size == 4 ? ~0u : (1u << (8 * size)) - 1;
    written.push_back({port, static_cast<std::uint8_t>(size), value & mask});
  }
  std::vector<PortWrite> written;
};

constexpr std::uint64_t kPml4 = 0x100000, kPdpt = 0x101000, kPd = 0x102000;

class Machine {
 public:
  Machine()
      : memory_(kSmallMemory),
        core_(0, CoreConfig{}, memory_, caches_, ports_, CpuidPolicy::default_policy(2'400'000'000, 46)) {
    memory_.write<std::uint64_t>(PhysAddr(kPml4), kPdpt | 7);
    memory_.write<std::uint64_t>(PhysAddr(kPdpt), kPd | 7);
    for (std::uint64_t n = 0; n < 2; ++n) memory_.write<std::uint64_t>(PhysAddr(kPd + 8 * n), n << 21 | 0x87);
  }

  PrivilegedResult run(const PrivilegedInstance& i) {
    memory_.write_bytes(PhysAddr(kSmallData), i.data);
    memory_.write_bytes(PhysAddr(kGdt), descriptor_tables(i.mode));
    memory_.fill(PhysAddr(kSmallSlot), 0x90, 64);
    memory_.write_bytes(PhysAddr(kSmallSlot), i.code);
    load(i);
    ports_.written.clear();

    PrivilegedResult r;
    Outcome o = Outcome::kNext;
    const Block* b = core_.blocks.find(o);
    if (b) {
      const Op& op = b->ops.front();
      do {
        core_.st.rip = i.state.rip + op.length;
        o = op.fn(core_, op);
      } while (o == Outcome::kRepeat);
    }
    if (o == Outcome::kFault) {
      r.end = PrivilegedResult::End::kException;
      r.vector = core_.fault.vector;
    } else if (o == Outcome::kHalt) {
      r.end = PrivilegedResult::End::kHalted;
    } else if (failed(o)) {
      r.end = PrivilegedResult::End::kOther;
    }
    store(r.state);
    r.data.resize(kDataSize);
    memory_.read_bytes(PhysAddr(kSmallData), r.data);
    r.tables.resize(kTablesSize);
    memory_.read_bytes(PhysAddr(kGdt), r.tables);
    r.ports = ports_.written;
    return r;
  }

 private:
  Segment segment(unsigned mode, unsigned number, std::uint16_t selector) const {
    if (mode == 16) return {std::uint64_t{selector} << 4, 0xffff, number == kCs ? 0x9bu : 0x93u, selector};
    if (selector < 4) return {0, 0, 1u << 16, selector};
    const auto d = memory_.read<std::uint64_t>(PhysAddr(kGdt + (selector & ~7u)));
    const auto attributes = static_cast<std::uint32_t>(d >> 40 & 0xf0ff);
    auto limit = static_cast<std::uint32_t>((d & 0xffff) | (d >> 32 & 0xf0000));
    if (attributes & 0x8000) limit = limit << 12 | 0xfff;
    return {(d >> 16 & 0xffffff) | (d >> 56 << 24), limit, attributes, selector};
  }

  void load(const PrivilegedInstance& i) {
    const PrivilegedState& s = i.state;
    ArchState& st = core_.st;
    st = ArchState{};
    for (unsigned n = 0; n < 16; ++n) st.gpr[n] = s.gpr[n];
    st.rip = s.rip;
    st.cr0 = s.cr0 | (i.mode == 64 ? kCr0Pg : 0);
    st.cr2 = s.cr2;
    st.cr3 = s.cr3;
    st.cr4 = s.cr4;
    st.efer = i.mode == 64 ? kEferSce | kEferLme | kEferLma | kEferNxe : 0;
    st.dr = s.dr;
    for (unsigned n = 0; n < 6; ++n) st.seg[n] = segment(i.mode, n, s.selector[n]);
    st.ldtr = {0, 0, 1u << 16, 0};
    st.tr = {0, 0xffff, 0x8b, 0};
    st.gdtr = {s.gdt_base, s.gdt_limit};
    st.idtr = {s.idt_base, s.idt_limit};
    if (i.mode == 64) {
      st.seg[kFs].base = s.fs_base;
      st.seg[kGs].base = s.gs_base;
    }
    st.x87 = s.x87;
    core_.update_mode();
    core_.set_rflags(s.rflags);
    for (std::size_t n = 0; n < kMsrs.size(); ++n) isa::write_msr(core_, kMsrs[n], s.msr[n]);
    core_.mmu.context_changed();
    core_.mmu.update_view();
  }

  void store(PrivilegedState& s) {
    const ArchState& st = core_.st;
    for (unsigned n = 0; n < 16; ++n) s.gpr[n] = st.gpr[n];
    s.rip = st.rip;
    s.rflags = core_.rflags();
    for (unsigned n = 0; n < 6; ++n) s.selector[n] = st.seg[n].selector;
    s.ldtr = st.ldtr.selector;
    s.tr = st.tr.selector;
    s.gdt_base = st.gdtr.base;
    s.gdt_limit = st.gdtr.limit;
    s.idt_base = st.idtr.base;
    s.idt_limit = st.idtr.limit;
    s.cr0 = st.cr0;
    s.cr2 = st.cr2;
    s.cr3 = st.cr3;
    s.cr4 = st.cr4;
    s.dr = st.dr;
    s.x87 = st.x87;
    s.fs_base = st.seg[kFs].base;
    s.gs_base = st.seg[kGs].base;
    for (std::size_t n = 0; n < kMsrs.size(); ++n) isa::read_msr(core_, kMsrs[n], s.msr[n]);
  }

  memory::PhysicalMemory memory_;
  NoCaches caches_;
  Ports ports_;
  Core core_;
};

}  // namespace

std::vector<std::uint8_t> descriptor_tables(unsigned mode) {
  std::vector<std::uint8_t> page(kTablesSize);
  const auto put = [&](unsigned selector, std::uint64_t descriptor) {
    std::memcpy(&page[selector], &descriptor, 8);
  };
  put(kSelCode, mode == 64 ? 0x00af9b000000ffff : 0x00cf9b000000ffff);
  put(kSelData, 0x00cf93000000ffff);
  put(kSelUserCode, mode == 64 ? 0x00affb000000ffff : 0x00cffb000000ffff);
  put(kSelUserData, 0x00cff3000000ffff);
  put(kSelTss, 0x0000890000000067 | kTss << 16);
  put(kSelLdt, 0x00008200000000ff | kLdt << 16);
  put(kSelCode16, 0x000f9b000000ffff);
  put(kSelReadOnly, 0x00cf91000000ffff);
  put(kSelConforming, mode == 64 ? 0x00af9f000000ffff : 0x00cf9f000000ffff);
  put(kSelAbsent, 0x00cf13000000ffff);
  put(kSelExecuteOnly, 0x00cf99000000ffff);
  put(kSelLimited, 0x0000930000000fff);
  put(kSelSmallCode, 0x000f9b000000ffff);
  return page;
}

PrivilegedState initial_state(unsigned mode) {
  PrivilegedState s;
  s.rip = mode == 16 ? 0x1000 : kSmallSlot;
  s.cr0 = mode == 16 ? kCr0Et : kCr0Pe | kCr0Mp | kCr0Et | kCr0Ne;
  s.cr3 = mode == 64 ? kPml4 : 0;
  s.cr4 = mode == 64 ? kCr4Pae | kCr4Osfxsr | kCr4Fsgsbase : 0;
  s.dr = {0, 0, 0, 0, 0, 0, 0xffff0ff0, 0x400};
  s.selector.fill(mode == 16 ? 0x2000 : kSelData);
  s.selector[kCs] = mode == 16 ? 0x1000 : kSelCode;
  return s;
}

PrivilegedResult run_privileged_simulated(const PrivilegedInstance& i) {
  static const std::unique_ptr<Machine> machine = std::make_unique<Machine>();
  return machine->run(i);
}

}  // namespace xensim::differential
