// The simulated side of the differential tests: a Core in 64-bit mode at CPL 3, with 4-level paging that maps the
// slot and the data area one to one.
#include <bit>
#include <memory>

#include "models/cpu/core.h"
#include "models/memory/physical_memory.h"
#include "tests/differential/harness.h"
#include "tests/differential/surroundings.h"

namespace xensim::differential {
namespace {

using namespace xensim::cpu;

// Every feature that handlers exist for, whatever the default policy offers.
CpuidPolicy all_features() {
  CpuidPolicy p = CpuidPolicy::default_policy(2'400'000'000, 46);
  const auto add = [&p](std::uint32_t leaf, CpuidRegisters more) {
    CpuidRegisters r = p.query(leaf, 0);
    r.eax |= more.eax;
    r.ebx |= more.ebx;
    r.ecx |= more.ecx;
    r.edx |= more.edx;
    p.set(leaf, 0, r);
  };
  add(1, {0, 0, ~0u, 0});
  add(7, {0, ~0u, 0, 0});
  add(0x80000001, {0, 0, 1u | 1u << 5, 0});  // LAHF in 64-bit mode, LZCNT
  return p;
}

constexpr std::uint64_t kMemory = kData + 0x100000;
constexpr std::uint64_t kTables = 0x100000;

class Machine {
 public:
  Machine() : memory_(kMemory), core_(0, CoreConfig{}, memory_, caches_, devices_, all_features()) {
    map_page(kSlot);
    for (std::uint64_t a = 0; a < kDataSize; a += kPageSize) map_page(kData + a);
    ArchState& s = core_.st;
    s.cr0 = kCr0Pe | kCr0Mp | kCr0Et | kCr0Ne | kCr0Wp | kCr0Pg;
    s.cr3 = kTables;
    s.cr4 = kCr4Pae | kCr4Osfxsr | kCr4Osxmmexcpt | kCr4Osxsave;
    s.msr.xcr0 = 7;
    s.efer = kEferSce | kEferLme | kEferLma | kEferNxe;
    for (Segment& g : s.seg) g = {0, ~0u, 0xc0f3, 0x2b};
    s.seg[kCs] = {0, ~0u, 0xa0fb, 0x33};
    // As a process of Linux has them: null selectors but for CS and SS.
    for (const SegReg g : {kEs, kDs, kFs, kGs}) s.seg[g] = {0, 0, 1u << 16, 0};
    core_.set_rflags(0x202);
    core_.update_mode();
    core_.mmu.context_changed();
    core_.mmu.update_view();
  }

  Result run(const Instance& i, const std::vector<std::uint8_t>& data) {
    memory_.write_bytes(PhysAddr(kData), data);
    memory_.fill(PhysAddr(kSlot), 0x90, 128);
    memory_.write_bytes(PhysAddr(kSlot), i.code);
    load(i.state);
    core_.st.rip = kSlot;

    Result r;
    Outcome o = Outcome::kNext;
    const Block* b = core_.blocks.find(o);
    if (b) o = execute(b->ops.front());
    if (o == Outcome::kFault) {
      r.end = Result::End::kException;
      r.vector = core_.fault.vector;
      r.error_code = core_.fault.error_code;
      r.cr2 = core_.fault.cr2;
    } else if (failed(o)) {
      r.end = Result::End::kOther;
    } else if (core_.st.rip == kSlot + i.code.size() + kTakenOffset) {
      r.end = Result::End::kTaken;
    } else if (core_.st.rip != kSlot + i.code.size()) {
      r.end = Result::End::kOther;
    }
    store(r.state);
    r.data.resize(kDataSize);
    memory_.read_bytes(PhysAddr(kData), r.data);
    return r;
  }

 private:
  Outcome execute(const Op& op) {
    Outcome o;
    do {
      core_.st.rip = kSlot + op.length;
      o = op.fn(core_, op);
    } while (o == Outcome::kRepeat);
    return o;
  }

  void map_page(std::uint64_t linear) {
    std::uint64_t table = kTables;
    for (unsigned level = 3; level > 0; --level) {
      const PhysAddr entry(table + ((linear >> (12 + 9 * level)) & 511) * 8);
      auto e = memory_.read<std::uint64_t>(entry);
      if (e == 0) {
        tables_used_ += kPageSize;
        e = (kTables + tables_used_) | 7;
        memory_.write(entry, e);
      }
      table = e & ~kPageMask;
    }
    memory_.write(PhysAddr(table + ((linear >> 12) & 511) * 8), linear | 7);
  }

  void load(const MachineState& s) {
    for (unsigned i = 0; i < 16; ++i) {
      core_.st.gpr[i] = s.gpr[i];
      core_.st.xmm[i].q[0] = s.xmm[i][0];
      core_.st.xmm[i].q[1] = s.xmm[i][1];
      core_.st.xmm[i].q[2] = s.ymm_high[i][0];
      core_.st.xmm[i].q[3] = s.ymm_high[i][1];
    }
    core_.set_rflags(s.rflags);
    core_.st.mxcsr = s.mxcsr;
    core_.st.x87 = s.x87;
  }
  void store(MachineState& s) const {
    for (unsigned i = 0; i < 16; ++i) {
      s.gpr[i] = core_.st.gpr[i];
      s.xmm[i] = {core_.st.xmm[i].q[0], core_.st.xmm[i].q[1]};
      s.ymm_high[i] = {core_.st.xmm[i].q[2], core_.st.xmm[i].q[3]};
    }
    s.rflags = core_.rflags();
    s.mxcsr = core_.st.mxcsr;
    s.x87 = core_.st.x87;
  }

  memory::PhysicalMemory memory_;
  NoCaches caches_;
  NoDevices devices_;
  std::uint64_t tables_used_ = 0;
  Core core_;
};

}  // namespace

Result run_simulated(const Instance& i, const std::vector<std::uint8_t>& data) {
  // On the heap: a core is large.
  static const std::unique_ptr<Machine> machine = std::make_unique<Machine>();
  return machine->run(i, data);
}

}  // namespace xensim::differential
