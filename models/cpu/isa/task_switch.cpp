// The hardware task switch (SDM 3, 7.3). Up to the point where the new task's registers are loaded, a fault
// belongs to the old task and leaves it unchanged; a fault of the new task's segment loads belongs to the new
// task, and is delivered there at once.
#include "models/cpu/isa/task_switch.h"

#include "models/cpu/isa/control_registers.h"
#include "models/cpu/isa/segmentation.h"

namespace xensim::cpu::isa {
namespace {

// Where things are in a TSS of either width (SDM 3, figures 7-2 and 7-10).
struct Layout {
  unsigned width;       // of a register
  unsigned ip;          // then flags, eight general registers, and the segments
  unsigned segments;    // how many: ES CS SS DS (FS GS)
  std::uint32_t limit;  // least
  constexpr unsigned flags() const { return ip + width; }
  constexpr unsigned gpr(unsigned i) const { return ip + (2 + i) * width; }
  constexpr unsigned segment(unsigned i) const { return ip + (10 + i) * width; }
  constexpr unsigned ldt() const { return segment(segments); }
};
constexpr Layout k32{4, 0x20, 6, 0x67};
constexpr Layout k16{2, 0x0e, 4, 0x2b};
constexpr unsigned kCr3At = 0x1c;
constexpr unsigned kTssBytes = 104;

struct Image {
  std::array<std::uint8_t, kTssBytes> bytes{};
  std::uint32_t get(unsigned at, unsigned width) const {
    std::uint32_t v = 0;
    std::memcpy(&v, &bytes[at], width);
    return v;
  }
  void put(unsigned at, unsigned width, std::uint32_t v) { std::memcpy(&bytes[at], &v, width); }
};

// Accesses in pieces that the MMU takes.
template <class F>
Outcome pieces(std::uint64_t from, std::uint64_t to, F f) {
  while (from < to) {
    const unsigned n = static_cast<unsigned>(to - from < 64 ? to - from : 64);
    if (Outcome o = f(from, n); failed(o)) return o;
    from += n;
  }
  return Outcome::kNext;
}

Outcome set_busy(Core& core, Descriptor& d, bool busy) {
  constexpr std::uint64_t kBusy = 1ull << 41;
  d.low = busy ? d.low | kBusy : d.low & ~kBusy;
  return core.write_system(d.address + 5, static_cast<std::uint8_t>(d.low >> 40));
}

Outcome load_ldtr(Core& core, std::uint16_t selector) {
  core.st.ldtr = null_segment(selector);
  if (!(selector & 0xfffc)) return Outcome::kNext;
  if (selector & 4) return raise_selector(core, kTs, selector);
  Descriptor d;
  if (Outcome o = fetch_descriptor(core, selector, kTs, d); failed(o)) return o;
  if (!d.system() || d.type() != kLdtType || !d.present()) return raise_selector(core, kTs, selector);
  core.st.ldtr = parse_segment(selector, d);
  return Outcome::kNext;
}

Outcome load_cs(Core& core, std::uint16_t selector) {
  if (!(selector & 0xfffc)) return raise_selector(core, kTs, selector);
  Descriptor d;
  if (Outcome o = fetch_descriptor(core, selector, kTs, d); failed(o)) return o;
  const unsigned rpl = selector & 3;
  if (!d.code() || (d.conforming() ? d.dpl() > rpl : d.dpl() != rpl)) return raise_selector(core, kTs, selector);
  if (!d.present()) return raise_selector(core, kNp, selector);
  if (Outcome o = set_accessed(core, d); failed(o)) return o;
  core.st.seg[kCs] = parse_segment(selector, d);
  return Outcome::kNext;
}

// The new task's segments. Registers hold selectors and are unusable until their turn comes.
Outcome load_new_task(Core& core, const std::array<std::uint16_t, 6>& selectors, std::uint16_t ldt) {
  ArchState& st = core.st;
  if (Outcome o = load_ldtr(core, ldt); failed(o)) return o;
  if (st.v8086()) {
    for (unsigned r = 0; r < 6; ++r) st.seg[r] = real_mode_segment(core, st.seg[r], selectors[r]);
    return Outcome::kNext;
  }
  const unsigned cpl = selectors[kCs] & 3;
  if (Outcome o = load_cs(core, selectors[kCs]); failed(o)) return o;
  if (!(selectors[kSs] & 0xfffc)) return raise_selector(core, kTs, selectors[kSs]);
  if (Outcome o = check_stack_segment(core, selectors[kSs], cpl, kTs, st.seg[kSs]); failed(o)) return o;
  for (unsigned r : {kEs, kDs, kFs, kGs})
    if (Outcome o = check_data_segment(core, selectors[r], cpl, kTs, st.seg[r]); failed(o)) return o;
  if (st.rip > st.seg[kCs].limit) return core.raise_gp(external_bit(core));
  return Outcome::kNext;
}

}  // namespace

Outcome task_switch(Core& core, std::uint16_t tss_selector, TaskSwitchCause cause, const Op* op,
                    std::uint64_t return_rip, std::optional<std::uint32_t> error_code) {
  ArchState& st = core.st;
  const bool iret = cause == TaskSwitchCause::kIret;
  const bool nested = cause == TaskSwitchCause::kCall || cause == TaskSwitchCause::kGate;
  const std::uint8_t bad = iret ? kTs : kGp;
  if (!(tss_selector & 0xfffc) || (tss_selector & 4)) return raise_selector(core, bad, tss_selector);
  Descriptor d;
  if (Outcome o = fetch_descriptor(core, tss_selector, bad, d); failed(o)) return o;
  if (!d.system() || (d.type() != (iret ? kTss32Busy : kTss32) && d.type() != (iret ? kTss16Busy : kTss16)))
    return raise_selector(core, bad, tss_selector);
  if (!d.present()) return raise_selector(core, kNp, tss_selector);
  const Layout& next = d.type() & 8 ? k32 : k16;
  const Layout& old = st.tr.type() & 8 ? k32 : k16;
  Segment tr = parse_segment(tss_selector, d);
  if (tr.limit < next.limit || st.tr.unusable() || st.tr.limit < old.limit)
    return raise_selector(core, kTs, tr.limit < next.limit ? tss_selector : st.tr.selector);
  if (Outcome o = core.vmx.on_task_switch(op, tss_selector, static_cast<unsigned>(cause)); failed(o)) return o;

  // Read the new TSS whole, and make sure that the old one can be written.
  Image in;
  const std::uint64_t new_base = tr.base, old_base = st.tr.base;
  Outcome o = pieces(0, next.limit + 1, [&](std::uint64_t at, unsigned n) {
    return core.mmu.read(LinearAddr(wrap_linear(core, new_base + at)), &in.bytes[at], n, View::kSupervisor);
  });
  if (failed(o)) return o;
  const unsigned save_end = old.segment(old.segments);
  const auto old_at = [&](std::uint64_t at) { return LinearAddr(wrap_linear(core, old_base + at)); };
  o = pieces(old.ip, save_end,
             [&](std::uint64_t at, unsigned n) { return core.mmu.probe_write(old_at(at), n, View::kSupervisor); });
  if (failed(o)) return o;
  if (nested) {
    o = core.mmu.probe_write(LinearAddr(wrap_linear(core, new_base)), 2, View::kSupervisor);
    if (failed(o)) return o;
  }
  Descriptor old_descriptor;
  if (!nested)
    if (o = fetch_descriptor(core, st.tr.selector & 0xfff8, kTs, old_descriptor); failed(o)) return o;

  // Save the old task.
  Image out;
  out.put(old.ip, old.width, static_cast<std::uint32_t>(return_rip));
  const std::uint64_t old_flags = core.rflags() & ~(iret ? kNt : 0);
  out.put(old.flags(), old.width, static_cast<std::uint32_t>(old_flags));
  for (unsigned i = 0; i < 8; ++i) out.put(old.gpr(i), old.width, static_cast<std::uint32_t>(st.gpr[i]));
  for (unsigned i = 0; i < old.segments; ++i) out.put(old.segment(i), old.width, st.seg[i].selector);
  o = pieces(old.ip, save_end, [&](std::uint64_t at, unsigned n) {
    return core.mmu.write(old_at(at), &out.bytes[at], n, View::kSupervisor);
  });
  if (failed(o)) return o;
  if (!nested)
    if (o = set_busy(core, old_descriptor, false); failed(o)) return o;
  if (nested) {
    const std::uint16_t link = st.tr.selector;
    o = core.write_system(wrap_linear(core, new_base), link);
    if (failed(o)) return o;
  }
  if (!iret)
    if (o = set_busy(core, d, true); failed(o)) return o;

  // Load the new one.
  tr = parse_segment(tss_selector, d);
  tr.attr |= 2;
  st.tr = tr;
  st.cr0 |= kCr0Ts;
  if (next.width == 4 && st.paging()) {
    o = load_task_cr3(core, in.get(kCr3At, 4));
    if (failed(o)) return o == Outcome::kFault ? core.commit_fault() : o;
  }
  st.rip = in.get(next.ip, next.width);
  std::uint64_t flags = in.get(next.flags(), next.width);
  if (next.width == 2) flags &= 0xffff;
  flags = (flags & 0x3f7fd5) | (nested ? kNt : 0);
  core.set_rflags(flags);
  const std::uint32_t upper = next.width == 2 ? 0xffff0000u : 0;
  for (unsigned i = 0; i < 8; ++i) st.gpr[i] = in.get(next.gpr(i), next.width) | upper;
  std::array<std::uint16_t, 6> selectors{};
  for (unsigned i = 0; i < next.segments; ++i)
    selectors[i] = static_cast<std::uint16_t>(in.get(next.segment(i), next.width));
  const unsigned cpl = flags & kVm ? 3 : selectors[kCs] & 3;
  for (unsigned i = 0; i < 6; ++i) st.seg[i] = null_segment(selectors[i], i == kSs ? cpl : 0);
  st.dr[7] &= ~std::uint64_t{0x155};  // local breakpoints
  o = load_new_task(core, selectors, static_cast<std::uint16_t>(in.get(next.ldt(), next.width)));
  execution_context_changed(core);
  if (!failed(o) && error_code) {
    StackFrame frame(core, st.seg[kSs], st.gpr[kRsp], false, cpl == 3 ? View::kUser : View::kSupervisor,
                     external_bit(core));
    frame.push(*error_code, next.width);
    o = frame.write();
    if (!failed(o)) st.gpr[kRsp] = frame.sp();
  }
  if (o == Outcome::kFault) return core.commit_fault();
  return failed(o) ? o : Outcome::kEndBlock;
}

}  // namespace xensim::cpu::isa
