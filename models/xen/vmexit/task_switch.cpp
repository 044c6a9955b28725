#include "models/xen/vmexit/task_switch.h"

#include <array>
#include <cstring>
#include <optional>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

using F = cpu::VmcsField;
using cpu::Segment;

namespace {

enum class Source : std::uint8_t { kCall, kIret, kJump, kGate };  // as in the exit qualification

// A 32-bit TSS (SDM 3, figure 7-2), in words of 4 bytes.
constexpr unsigned kWords = 26, kBackLink = 0, kCr3 = 7, kEip = 8, kEflags = 9, kGprs = 10, kSegments = 18,
                   kLdt = 24, kTrace = 25;
using Tss = std::array<std::uint32_t, kWords>;
constexpr std::uint32_t kTssLimit = 4 * kWords - 1;
constexpr std::uint8_t kAvailable = 9, kBusy = 0xb;

constexpr std::uint16_t without_rpl(std::uint16_t selector) { return selector & 0xfffc; }

Segment parse(std::uint16_t selector, std::uint64_t d) {
  Segment s;
  s.selector = selector;
  s.base = (d >> 16 & 0xffffff) | (d >> 56 & 0xff) << 24;
  s.limit = static_cast<std::uint32_t>((d & 0xffff) | (d >> 32 & 0xf0000));
  if (d >> 55 & 1) s.limit = s.limit << 12 | 0xfff;
  s.attr = static_cast<std::uint32_t>(d >> 40 & 0xf0ff);
  return s;
}

class TaskSwitch {
 public:
  TaskSwitch(Hypervisor& hv, Vcpu& v, std::uint16_t selector, Source source, std::optional<std::uint32_t> error)
      : hv_(hv), v_(v), selector_(selector), source_(source), error_(error), st_(hv.vcpu_state(v)) {
    hv.restore_context(v);
  }

  void run(unsigned instruction_length) {
    if (!find_new_task() || !save_old_task(instruction_length) || !read(new_.base, tss_)) return;
    if (!load_segment(st_.ldtr, static_cast<std::uint16_t>(tss_[kLdt]), Kind::kLdt)) return;
    load_registers();
    load_segments();
    mark_tasks();
    if (error_ && !faulted_) push_error();
    commit();
    if ((tss_[kTrace] & 1) && !faulted_) hv_.inject_exception(v_, cpu::kDb);
  }

 private:
  enum class Kind : std::uint8_t { kLdt, kCode, kStack, kData };

  bool fault(std::uint8_t vector, std::uint32_t error) {
    if (!faulted_) pending_ = {vector, error, 0};
    faulted_ = true;
    if (!loaded_) hv_.inject_exception(v_, vector, error);
    return false;
  }
  bool page_fault(std::uint64_t linear, bool write) {
    const std::uint32_t code = write ? 2 : 0;
    if (!faulted_) pending_ = {cpu::kPfVec, code, linear};
    faulted_ = true;
    if (!loaded_) hv_.inject_exception(v_, cpu::kPfVec, code, linear);
    return false;
  }

  template <class T>
  bool read(std::uint64_t linear, T& out) {
    return hv_.copy_from_guest(v_, static_cast<std::uint32_t>(linear), &out, sizeof out) ||
           page_fault(linear, false);
  }
  template <class T>
  bool write(std::uint64_t linear, const T& value) {
    return hv_.copy_to_guest(v_, static_cast<std::uint32_t>(linear), &value, sizeof value) ||
           page_fault(linear, true);
  }

  bool find_new_task() {
    const bool iret = source_ == Source::kIret;
    const std::uint8_t bad = iret ? cpu::kTs : cpu::kGp;
    const std::uint16_t entry = selector_ & 0xfff8;
    if (entry + 7u > st_.gdtr.limit) return fault(bad, entry);
    std::uint64_t d = 0;
    if (!read(st_.gdtr.base + entry, d)) return false;
    new_ = parse(selector_, d);
    if ((new_.attr & 0x1f) != (iret ? kBusy : kAvailable)) return fault(bad, entry);
    if (!new_.present()) return fault(cpu::kNp, entry);
    return new_.limit >= kTssLimit || fault(cpu::kTs, entry);
  }

  bool save_old_task(unsigned instruction_length) {
    Tss old{};
    if (!read(st_.tr.base, old)) return false;
    old[kEip] = static_cast<std::uint32_t>(st_.rip + instruction_length);
    old[kEflags] = static_cast<std::uint32_t>(source_ == Source::kIret ? st_.rflags & ~cpu::kNt : st_.rflags);
    for (unsigned i = 0; i < 8; ++i) old[kGprs + i] = static_cast<std::uint32_t>(st_.gpr[i]);
    for (unsigned i = 0; i < 6; ++i) old[kSegments + i] = st_.seg[i].selector;
    old[kLdt] = st_.ldtr.selector;
    std::array<std::uint32_t, kTrace - kEip> saved;
    std::memcpy(saved.data(), &old[kEip], sizeof saved);
    return write(st_.tr.base + 4 * kEip, saved);
  }

  void load_registers() {
    loaded_ = true;
    old_task_ = st_.tr.selector;
    st_.cr3 = tss_[kCr3];
    st_.rip = tss_[kEip];
    st_.rflags = (tss_[kEflags] & 0x3f7fd5) | 2;
    for (unsigned i = 0; i < 8; ++i) st_.gpr[i] = tss_[kGprs + i];
    // What follows is read by the new task's tables.
    hv_.set_vcpu_state(v_, st_);
    hv_.restore_context(v_);
    cpu::Core& core = hv_.here().pcpu->core;
    core.st.cr3 = st_.cr3;
    core.mmu.invvpid(1, v_.vpid, LinearAddr(0));
  }

  unsigned new_cpl() const { return tss_[kEflags] & cpu::kVm ? 3 : tss_[kSegments + cpu::kCs] & 3; }

  void load_segments() {
    for (const unsigned r : {cpu::kEs, cpu::kCs, cpu::kSs, cpu::kDs, cpu::kFs, cpu::kGs}) {
      const auto selector = static_cast<std::uint16_t>(tss_[kSegments + r]);
      if (tss_[kEflags] & cpu::kVm) {
        st_.seg[r] = {std::uint64_t{selector} << 4, 0xffff, 0xf3, selector};
        continue;
      }
      const Kind kind = r == cpu::kCs ? Kind::kCode : r == cpu::kSs ? Kind::kStack : Kind::kData;
      if (!load_segment(st_.seg[r], selector, kind)) return;
    }
  }

  bool load_segment(Segment& to, std::uint16_t selector, Kind kind) {
    const std::uint16_t code = without_rpl(selector);
    if (code == 0) {
      if (kind == Kind::kCode || kind == Kind::kStack) return fault(cpu::kTs, code);
      to = Segment{};
      to.selector = selector;
      return true;
    }
    const bool local = selector & 4;
    if (kind == Kind::kLdt && local) return fault(cpu::kTs, code);
    if (local && st_.ldtr.unusable()) return fault(cpu::kTs, code);
    const std::uint64_t base = local ? st_.ldtr.base : st_.gdtr.base;
    const std::uint32_t limit = local ? st_.ldtr.limit : st_.gdtr.limit;
    if ((selector & 0xfff8u) + 7 > limit) return fault(cpu::kTs, code);
    std::uint64_t d = 0;
    const std::uint64_t at = base + (selector & 0xfff8u);
    if (!read(at, d)) return false;
    const Segment s = parse(selector, d);
    if (!allowed(s, kind)) return fault(cpu::kTs, code);
    if (!s.present()) return fault(kind == Kind::kStack ? cpu::kSsVec : cpu::kNp, code);
    to = s;
    if (kind == Kind::kLdt || s.attr & 1) return true;
    to.attr |= 1;  // accessed
    return write(at + 5, static_cast<std::uint8_t>(to.attr));
  }

  bool allowed(const Segment& s, Kind kind) const {
    const unsigned rpl = s.selector & 3, cpl = new_cpl();
    if (kind == Kind::kLdt) return (s.attr & 0x1f) == 2;
    if (!s.code_or_data()) return false;
    const bool conforming = s.is_code() && s.type() & 4;
    switch (kind) {
      case Kind::kCode:
        return s.is_code() && (conforming ? s.dpl() <= rpl : s.dpl() == rpl);
      case Kind::kStack:
        return s.writable_data() && s.dpl() == cpl && rpl == cpl;
      default:
        if (s.is_code() && !(s.type() & 2)) return false;
        return conforming || (s.dpl() >= cpl && s.dpl() >= rpl);
    }
  }

  void set_busy(std::uint16_t selector, bool busy) {
    const std::uint64_t at = st_.gdtr.base + (selector & 0xfff8u) + 5;
    std::uint8_t byte = 0;
    if (!hv_.copy_from_guest(v_, static_cast<std::uint32_t>(at), &byte, 1)) return;
    byte = static_cast<std::uint8_t>(busy ? byte | 2u : byte & ~2u);
    hv_.copy_to_guest(v_, static_cast<std::uint32_t>(at), &byte, 1);
  }

  void mark_tasks() {
    if (source_ == Source::kCall || source_ == Source::kGate) {
      st_.rflags |= cpu::kNt;
      write(new_.base + 4 * kBackLink, old_task_);
    }
    st_.tr = new_;
    st_.tr.attr |= 2;
    st_.cr0 |= cpu::kCr0Ts;
    st_.dr[7] &= ~std::uint64_t{0x155};  // local breakpoints
    if (source_ == Source::kIret || source_ == Source::kJump) set_busy(old_task_, false);
    if (source_ != Source::kIret) set_busy(selector_, true);
  }

  void push_error() {
    const bool wide = st_.seg[cpu::kCs].big(), wide_stack = st_.seg[cpu::kSs].big();
    const unsigned size = wide ? 4 : 2;
    std::uint64_t& rsp = st_.gpr[cpu::kRsp];
    rsp = wide_stack ? static_cast<std::uint32_t>(rsp - size)
                     : (rsp & ~std::uint64_t{0xffff}) | ((rsp - size) & 0xffff);
    const std::uint64_t linear = st_.seg[cpu::kSs].base + (wide_stack ? rsp : rsp & 0xffff);
    if (wide)
      write(linear, *error_);
    else
      write(linear, static_cast<std::uint16_t>(*error_));
  }

  void commit() {
    hv_.set_vcpu_state(v_, st_);
    hv_.restore_context(v_);
    if (faulted_) hv_.inject_exception(v_, pending_.vector, pending_.error, pending_.cr2);
  }

  Hypervisor& hv_;
  Vcpu& v_;
  const std::uint16_t selector_;
  const Source source_;
  const std::optional<std::uint32_t> error_;
  cpu::ArchState st_;
  Segment new_;
  Tss tss_{};
  std::uint16_t old_task_ = 0;
  bool loaded_ = false, faulted_ = false;
  struct {
    std::uint8_t vector = 0;
    std::uint32_t error = 0;
    std::uint64_t cr2 = 0;
  } pending_;
};

}  // namespace

void exit_task_switch(Hypervisor& hv, Vcpu& v) {
  cpu::Pcpu& p = *hv.here().pcpu;
  const cpu::VmExitInfo x = p.core.vm_exit;
  hv.cost.charge(p, Path::kEmulate);
  const auto source = static_cast<Source>(x.qualification >> 30 & 3);
  const unsigned event_type = x.idt_vectoring_info >> 8 & 7;
  constexpr unsigned kNmi = 2, kHardwareException = 3;
  // There is an instruction to skip, unless hardware caused the event.
  const bool software = source != Source::kGate || event_type > kHardwareException;
  std::optional<std::uint32_t> error;
  if (source == Source::kGate && x.idt_vectoring_info >> 11 & 1) error = x.idt_vectoring_error;
  TaskSwitch(hv, v, static_cast<std::uint16_t>(x.qualification), source, error)
      .run(software ? x.instruction_length : 0);
  if (v.domain.shutdown) return;
  cpu::Vmx& vmx = p.core.vmx;
  constexpr std::uint64_t kBlockedByNmi = 8;
  if (source == Source::kGate && event_type == kNmi) vmx.write(F::kGuestInterruptibility, kBlockedByNmi);
}

}  // namespace xensim::xen
