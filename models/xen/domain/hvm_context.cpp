#include "models/xen/domain/hvm_context.h"

#include <algorithm>
#include <cstring>

#include "models/cpu/isa/fxsave.h"
#include "models/cpu/xstate.h"
#include "models/xen/domain/xstate.h"
#include "models/xen/hypervisor.h"
#include "models/xen/public.h"

namespace xensim::xen {

namespace {

using Bytes = std::vector<std::uint8_t>;

// Records by their codes in public/arch-x86/hvm/save.h.
constexpr std::uint16_t kEnd = HVM_SAVE_CODE(END), kHeader = HVM_SAVE_CODE(HEADER), kCpu = HVM_SAVE_CODE(CPU),
                        kLapic = HVM_SAVE_CODE(LAPIC), kLapicRegs = HVM_SAVE_CODE(LAPIC_REGS),
                        kPciIrq = HVM_SAVE_CODE(PCI_IRQ), kIsaIrq = HVM_SAVE_CODE(ISA_IRQ),
                        kPciLink = HVM_SAVE_CODE(PCI_LINK), kMtrr = HVM_SAVE_CODE(MTRR), kXsave = CPU_XSAVE_CODE,
                        kVmce = HVM_SAVE_CODE(VMCE_VCPU), kTscAdjust = HVM_SAVE_CODE(TSC_ADJUST);

constexpr std::uint64_t kMachineCheckBanks = 2;                        // of IA32_MCG_CAP, as Xen offers them
constexpr std::uint32_t kSoftwareDisabled = 1, kHardwareDisabled = 2;  // hvm_hw_lapic.disabled

void append_record(Bytes& to, std::uint16_t type, unsigned instance, std::span<const std::uint8_t> body) {
  const hvm_save_descriptor d{type, static_cast<std::uint16_t>(instance), static_cast<std::uint32_t>(body.size())};
  const auto* p = reinterpret_cast<const std::uint8_t*>(&d);
  to.insert(to.end(), p, p + sizeof d);
  to.insert(to.end(), body.begin(), body.end());
}

template <class T>
void append_record(Bytes& to, std::uint16_t type, unsigned instance, const T& body) {
  append_record(to, type, instance, std::span(reinterpret_cast<const std::uint8_t*>(&body), sizeof body));
}

// --- Segments. Access rights as Xen packs them: the VMCS's without the four bits that are always zero.

constexpr std::uint32_t packed(const cpu::Segment& s) {
  const std::uint32_t rights = (s.attr & 0xff) | (s.attr >> 4 & 0xf00);
  return s.unusable() ? rights & ~0x80u : rights;
}

constexpr std::uint32_t unpacked(std::uint32_t rights) {
  return (rights & 0xff) | (rights & 0xf00) << 4 | (rights & 0x80 ? 0 : 1u << 16);
}

// Calls f(segment, selector, limit, base, rights) for each segment register of a record.
template <class State, class Record, class F>
void for_each_segment(State& st, Record& r, F f) {
  f(st.seg[cpu::kCs], r.cs_sel, r.cs_limit, r.cs_base, r.cs_arbytes);
  f(st.seg[cpu::kDs], r.ds_sel, r.ds_limit, r.ds_base, r.ds_arbytes);
  f(st.seg[cpu::kEs], r.es_sel, r.es_limit, r.es_base, r.es_arbytes);
  f(st.seg[cpu::kFs], r.fs_sel, r.fs_limit, r.fs_base, r.fs_arbytes);
  f(st.seg[cpu::kGs], r.gs_sel, r.gs_limit, r.gs_base, r.gs_arbytes);
  f(st.seg[cpu::kSs], r.ss_sel, r.ss_limit, r.ss_base, r.ss_arbytes);
  f(st.tr, r.tr_sel, r.tr_limit, r.tr_base, r.tr_arbytes);
  f(st.ldtr, r.ldtr_sel, r.ldtr_limit, r.ldtr_base, r.ldtr_arbytes);
}

// Calls f(register, field) for each register that is copied as it is.
template <class State, class Record, class F>
void for_each_register(State& st, Record& r, F f) {
  f(st.gpr[cpu::kRax], r.rax);
  f(st.gpr[cpu::kRbx], r.rbx);
  f(st.gpr[cpu::kRcx], r.rcx);
  f(st.gpr[cpu::kRdx], r.rdx);
  f(st.gpr[cpu::kRbp], r.rbp);
  f(st.gpr[cpu::kRsi], r.rsi);
  f(st.gpr[cpu::kRdi], r.rdi);
  f(st.gpr[cpu::kRsp], r.rsp);
  f(st.gpr[cpu::kR8], r.r8);
  f(st.gpr[cpu::kR9], r.r9);
  f(st.gpr[cpu::kR10], r.r10);
  f(st.gpr[cpu::kR11], r.r11);
  f(st.gpr[cpu::kR12], r.r12);
  f(st.gpr[cpu::kR13], r.r13);
  f(st.gpr[cpu::kR14], r.r14);
  f(st.gpr[cpu::kR15], r.r15);
  f(st.rip, r.rip);
  f(st.rflags, r.rflags);
  f(st.cr0, r.cr0);
  f(st.cr2, r.cr2);
  f(st.cr3, r.cr3);
  f(st.cr4, r.cr4);
  f(st.dr[0], r.dr0);
  f(st.dr[1], r.dr1);
  f(st.dr[2], r.dr2);
  f(st.dr[3], r.dr3);
  f(st.dr[6], r.dr6);
  f(st.dr[7], r.dr7);
  f(st.idtr.base, r.idtr_base);
  f(st.gdtr.base, r.gdtr_base);
  f(st.msr.sysenter_cs, r.sysenter_cs);
  f(st.msr.sysenter_esp, r.sysenter_esp);
  f(st.msr.sysenter_eip, r.sysenter_eip);
  f(st.msr.kernel_gs_base, r.shadow_gs);
  f(st.msr.lstar, r.msr_lstar);
  f(st.msr.star, r.msr_star);
  f(st.msr.cstar, r.msr_cstar);
  f(st.msr.fmask, r.msr_syscall_mask);
  f(st.efer, r.msr_efer);
  f(st.msr.tsc_aux, r.msr_tsc_aux);
}

hvm_hw_cpu cpu_record(Hypervisor& hv, Vcpu& v) {
  const cpu::ArchState st = hv.vcpu_state(v);
  hvm_hw_cpu r{};
  cpu::isa::store_fxsave_image(st, true, 16, r.fpu_regs);
  for_each_register(st, r, [](const auto& reg, auto& field) { field = reg; });
  for_each_segment(st, r, [](const cpu::Segment& s, auto& selector, auto& limit, auto& base, auto& rights) {
    selector = s.selector;
    limit = s.limit;
    base = s.base;
    rights = packed(s);
  });
  r.idtr_limit = st.idtr.limit;
  r.gdtr_limit = st.gdtr.limit;
  r.tsc = hv.guest_tsc(v, hv.now());
  r.pending_event = v.reinject_info;
  r.error_code = v.reinject_error;
  r.flags = XEN_X86_FPU_INITIALISED;
  return r;
}

// What a vCPU may be loaded with: the checks of hvm_load_cpu_ctxt.
bool acceptable(const Hypervisor& hv, const Vcpu& v, const hvm_hw_cpu& r) {
  using namespace cpu;
  const bool pg = r.cr0 & kCr0Pg, lme = r.msr_efer & kEferLme, lma = r.msr_efer & kEferLma;
  if (r.cr0 >> 32 || (pg && !(r.cr0 & kCr0Pe)) || ((r.cr0 & kCr0Nw) && !(r.cr0 & kCr0Cd))) return false;
  if (r.cr4 & ~hv.cr4_guest_bits(v.domain)) return false;
  if (r.msr_efer & ~(kEferSce | kEferLme | kEferLma | kEferNxe)) return false;
  if (lma != (lme && pg) || (lma && !(r.cr4 & kCr4Pae))) return false;
  if (r.flags & ~XEN_X86_FPU_INITIALISED) return false;
  const bool canonical = static_cast<std::int64_t>(r.rip << 16) >> 16 == static_cast<std::int64_t>(r.rip);
  return canonical && (r.rflags & 2) && r.pad0 == 0;
}

void load_cpu(Hypervisor& hv, Vcpu& v, const hvm_hw_cpu& r) {
  cpu::ArchState st;
  st.msr = v.context.st.msr;  // MTRRs come in a record of their own
  for_each_register(st, r, [](auto& reg, const auto& field) { reg = field; });
  for_each_segment(st, r, [](cpu::Segment& s, auto selector, auto limit, auto base, auto rights) {
    s = {base, limit, unpacked(rights), static_cast<std::uint16_t>(selector)};
  });
  st.idtr.limit = static_cast<std::uint16_t>(r.idtr_limit);
  st.gdtr.limit = static_cast<std::uint16_t>(r.gdtr_limit);
  if (r.flags & XEN_X86_FPU_INITIALISED) cpu::isa::load_fxsave_image(st, true, 16, r.fpu_regs);
  hv.set_vcpu_state(v, st);
  hv.set_guest_tsc(v, r.tsc);
  v.reinject_info = r.pending_event;
  v.reinject_error = r.error_code;
  v.initialised = true;
  v.waiting_for_sipi = false;
  v.pause_flags &= ~kPauseDown;
}

// --- Local APIC. Registers lie at their offsets of the xAPIC page.

enum ApicOffset : std::size_t {
  kId = 0x20,
  kVersion = 0x30,
  kTpr = 0x80,
  kPpr = 0xa0,
  kLdr = 0xd0,
  kDfr = 0xe0,
  kSvr = 0xf0,
  kIsr = 0x100,
  kTmr = 0x180,
  kIrr = 0x200,
  kEsr = 0x280,
  kLvtCmci = 0x2f0,
  kIcr = 0x300,
  kIcr2 = 0x310,
  kLvt = 0x320,
  kInitialCount = 0x380,
  kCurrentCount = 0x390,
  kDivide = 0x3e0,
};
constexpr std::uint32_t kX2apicMsrs = 0x800;

void put(hvm_hw_lapic_regs& r, std::size_t offset, std::uint32_t value) {
  std::memcpy(r.data + offset, &value, sizeof value);
}
std::uint32_t get(const hvm_hw_lapic_regs& r, std::size_t offset) {
  std::uint32_t value = 0;
  std::memcpy(&value, r.data + offset, sizeof value);
  return value;
}

// A register by its own interface, whatever the mode; 0 while the APIC is off.
std::uint32_t apic_register(cpu::LocalApic& a, std::size_t offset, Cycles now) {
  if (a.x2apic()) {
    std::uint64_t value = 0;
    a.msr_read(kX2apicMsrs + static_cast<std::uint32_t>(offset >> 4), now, value);
    return static_cast<std::uint32_t>(value);
  }
  std::uint32_t value = 0;
  a.mmio_read(static_cast<std::uint32_t>(offset), 4, now, value);
  return value;
}

hvm_hw_lapic lapic_record(const Vcpu& v) {
  const cpu::LocalApic::State& s = v.vlapic.state();
  hvm_hw_lapic r{};
  r.apic_base_msr = s.base_msr;
  r.disabled = (v.vlapic.enabled() ? 0 : kHardwareDisabled) | (s.svr & 0x100 ? 0 : kSoftwareDisabled);
  static constexpr std::uint32_t kDivisors[] = {2, 4, 8, 16, 32, 64, 128, 1};
  r.timer_divisor = kDivisors[(s.divide & 3) | (s.divide >> 1 & 4)];
  r.tdt_msr = s.tsc_deadline;
  return r;
}

hvm_hw_lapic_regs lapic_registers(Hypervisor& hv, Vcpu& v) {
  const cpu::LocalApic::State& s = v.vlapic.state();
  const Cycles now = hv.guest_tsc(v, hv.now());
  hvm_hw_lapic_regs r{};
  put(r, kId, v.vlapic.x2apic() ? v.vlapic.id() : v.vlapic.id() << 24);
  put(r, kVersion, apic_register(v.vlapic, kVersion, now));
  put(r, kTpr, s.tpr);
  put(r, kPpr, v.vlapic.ppr());
  put(r, kLdr, s.ldr);
  put(r, kDfr, s.dfr);
  put(r, kSvr, s.svr);
  for (unsigned i = 0; i < 8; ++i) {
    const auto half = [&](const std::array<std::uint64_t, 4>& bits) {
      return static_cast<std::uint32_t>(bits[i / 2] >> 32 * (i % 2));
    };
    put(r, kIsr + 16 * i, half(s.isr));
    put(r, kTmr + 16 * i, half(s.tmr));
    put(r, kIrr + 16 * i, half(s.irr));
  }
  put(r, kEsr, s.esr);
  put(r, kIcr, static_cast<std::uint32_t>(s.icr));
  put(r, kIcr2, static_cast<std::uint32_t>(s.icr >> 32));
  for (unsigned i = cpu::LocalApic::kTimer; i <= cpu::LocalApic::kError; ++i) put(r, kLvt + 16 * i, s.lvt[i]);
  put(r, kLvtCmci, s.lvt[cpu::LocalApic::kCmci]);
  put(r, kInitialCount, s.initial);
  put(r, kCurrentCount, apic_register(v.vlapic, kCurrentCount, now));
  put(r, kDivide, s.divide);
  return r;
}

void load_lapic(Vcpu& v, const hvm_hw_lapic& r) {
  cpu::LocalApic::State s = v.vlapic.state();
  s.base_msr = r.apic_base_msr;
  s.tsc_deadline = r.tdt_msr;
  v.vlapic.restore(s);
}

// After load_lapic(): the mode and the deadline are known.
void load_lapic_registers(Hypervisor& hv, Vcpu& v, const hvm_hw_lapic_regs& r) {
  cpu::LocalApic::State s = v.vlapic.state();
  s.tpr = static_cast<std::uint8_t>(get(r, kTpr));
  s.ldr = get(r, kLdr);
  s.dfr = get(r, kDfr);
  s.svr = get(r, kSvr);
  for (unsigned i = 0; i < 4; ++i) {
    const auto whole = [&](std::size_t at) {
      return get(r, at + 32 * i) | std::uint64_t{get(r, at + 32 * i + 16)} << 32;
    };
    s.isr[i] = whole(kIsr);
    s.tmr[i] = whole(kTmr);
    s.irr[i] = whole(kIrr);
  }
  s.esr = get(r, kEsr);
  s.icr = get(r, kIcr) | std::uint64_t{get(r, kIcr2)} << 32;
  for (unsigned i = cpu::LocalApic::kTimer; i <= cpu::LocalApic::kError; ++i) s.lvt[i] = get(r, kLvt + 16 * i);
  s.lvt[cpu::LocalApic::kCmci] = get(r, kLvtCmci);
  s.divide = get(r, kDivide) & 0xb;
  s.initial = 0;
  s.count = 0;
  s.timer_deadline = kNever;
  v.vlapic.restore(s);
  if (!v.vlapic.enabled()) return;
  // The timer goes on from the count that was left: the APIC itself works out when that ends.
  const Cycles now = hv.guest_tsc(v, hv.now());
  if (const std::uint32_t left = get(r, kCurrentCount); left != 0) {
    if (v.vlapic.x2apic())
      v.vlapic.msr_write(kX2apicMsrs + (kInitialCount >> 4), left, now);
    else
      v.vlapic.mmio_write(kInitialCount, 4, left, now);
    s = v.vlapic.state();
    if (s.initial != 0) s.initial = get(r, kInitialCount);
    v.vlapic.restore(s);
  } else if (const std::uint64_t deadline = s.tsc_deadline; deadline != 0) {
    constexpr std::uint32_t kTscDeadlineMsr = 0x6e0;
    v.vlapic.msr_write(kTscDeadlineMsr, deadline, now);
  }
  hv.arm_vlapic_timer(v);
}

// --- MTRRs.

hvm_hw_mtrr mtrr_record(Hypervisor& hv, Vcpu& v) {
  const cpu::ArchState st = hv.vcpu_state(v);
  hvm_hw_mtrr r{};
  r.msr_pat_cr = st.msr.pat;
  std::copy(st.msr.mtrr_variable.begin(), st.msr.mtrr_variable.end(), r.msr_mtrr_var);
  std::copy(st.msr.mtrr_fixed.begin(), st.msr.mtrr_fixed.end(), r.msr_mtrr_fixed);
  r.msr_mtrr_cap = kMtrrCap;
  r.msr_mtrr_def_type = st.msr.mtrr_def_type;
  return r;
}

void load_mtrr(Hypervisor& hv, Vcpu& v, const hvm_hw_mtrr& r) {
  cpu::ArchState st = hv.vcpu_state(v);
  st.msr.pat = r.msr_pat_cr;
  std::copy(r.msr_mtrr_var, r.msr_mtrr_var + st.msr.mtrr_variable.size(), st.msr.mtrr_variable.begin());
  std::copy(r.msr_mtrr_fixed, r.msr_mtrr_fixed + st.msr.mtrr_fixed.size(), st.msr.mtrr_fixed.begin());
  st.msr.mtrr_def_type = r.msr_mtrr_def_type;
  const std::uint32_t info = v.reinject_info, error = v.reinject_error;  // set_vcpu_state() forgets them
  hv.set_vcpu_state(v, st);
  v.reinject_info = info;
  v.reinject_error = error;
}

// --- Extended state: three words and a save area in the standard form. A vCPU that has never set XCR0 has none.

constexpr std::size_t kAreaOffset = offsetof(hvm_hw_cpu_xsave, save_area);

Bytes xsave_record(Hypervisor& hv, Vcpu& v) {
  const std::uint64_t words[] = {xstate::supported(hv), v.xcr0, v.xcr0_accum};
  static_assert(sizeof words == kAreaOffset);
  const Bytes area = xstate::image(hv, v);
  Bytes r(sizeof words + area.size());
  std::memcpy(r.data(), words, sizeof words);
  std::copy(area.begin(), area.end(), r.begin() + sizeof words);
  return r;
}

// What follows the area may be zeros, as old senders left them.
long check_xsave(const Hypervisor& hv, const Domain& d, std::span<const std::uint8_t> body) {
  if (body.size() < sizeof(hvm_hw_cpu_xsave)) return -kEinval;
  hvm_hw_cpu_xsave r;
  std::memcpy(&r, body.data(), sizeof r);
  const std::span area = body.subspan(kAreaOffset);
  if (const long bad = xstate::validate(hv, d, r.xcr0, r.xcr0_accum, area)) return bad;
  const std::size_t bytes = cpu::xstate::standard_bytes(r.xcr0_accum);
  if (area.size() < bytes) return -kEinval;
  return std::any_of(area.begin() + static_cast<std::ptrdiff_t>(bytes), area.end(), [](auto b) { return b != 0; })
             ? -kEopnotsupp
             : 0;
}

void load_xsave(Hypervisor& hv, Vcpu& v, std::span<const std::uint8_t> body) {
  hvm_hw_cpu_xsave r;
  std::memcpy(&r, body.data(), sizeof r);
  xstate::load(hv, v, r.xcr0, r.xcr0_accum, body.subspan(kAreaOffset));
}

// --- The records of a context, checked.

struct Item {
  hvm_save_descriptor what;
  std::span<const std::uint8_t> body;
};

std::size_t size_of(std::uint16_t type) {
  switch (type) {
    case kHeader:
      return sizeof(hvm_save_header);
    case kCpu:
      return sizeof(hvm_hw_cpu);
    case kLapic:
      return sizeof(hvm_hw_lapic);
    case kLapicRegs:
      return sizeof(hvm_hw_lapic_regs);
    case kPciIrq:
      return sizeof(hvm_hw_pci_irqs);
    case kIsaIrq:
      return sizeof(hvm_hw_isa_irqs);
    case kPciLink:
      return sizeof(hvm_hw_pci_link);
    case kMtrr:
      return sizeof(hvm_hw_mtrr);
    case kVmce:
      return sizeof(hvm_vmce_vcpu);
    case kTscAdjust:
      return sizeof(hvm_tsc_adjust);
    default:
      return ~std::size_t{0};
  }
}

template <class T>
T body_as(const Item& item) {
  T value;
  std::memcpy(&value, item.body.data(), sizeof value);
  return value;
}

long read_items(const Hypervisor& hv, const Domain& d, std::span<const std::uint8_t> context,
                std::vector<Item>& out) {
  for (std::size_t at = 0;;) {
    hvm_save_descriptor w;
    if (context.size() - at < sizeof w) return -kEnodata;
    std::memcpy(&w, context.data() + at, sizeof w);
    at += sizeof w;
    if (w.typecode == kEnd) break;
    if (w.length > context.size() - at) return -kEnodata;
    if (w.typecode != kXsave && w.length != size_of(w.typecode)) return -kEinval;
    if (out.empty() != (w.typecode == kHeader)) return -kEinval;  // the header comes first, and once
    if (w.typecode != kHeader && w.instance >= d.vcpus.size()) return -kEinval;
    out.push_back({w, context.subspan(at, w.length)});
    at += w.length;
  }
  if (out.empty()) return -kEinval;
  const auto header = body_as<hvm_save_header>(out.front());
  if (header.magic != HVM_FILE_MAGIC || header.version != HVM_FILE_VERSION) return -kEinval;
  for (const Item& item : out) {
    if (item.what.typecode == kXsave)
      if (const long r = check_xsave(hv, d, item.body)) return r;
    if (item.what.typecode == kCpu && !acceptable(hv, *d.vcpus[item.what.instance], body_as<hvm_hw_cpu>(item)))
      return -kEinval;
  }
  return 0;
}

}  // namespace

std::vector<std::uint8_t> save_hvm_context(Hypervisor& hv, Domain& d) {
  Bytes out;
  hvm_save_header header{};
  header.magic = HVM_FILE_MAGIC;
  header.version = HVM_FILE_VERSION;
  header.changeset = ~std::uint64_t{0};  // as Debian's Xen, which was not built from a repository
  header.cpuid = d.cpuid.query(1, 0).eax;
  header.gtsc_khz = static_cast<std::uint32_t>(hv.tsc_hz / 1000);
  append_record(out, kHeader, 0, header);
  for (auto& v : d.vcpus)
    if (!(v->pause_flags & kPauseDown)) append_record(out, kCpu, v->id, cpu_record(hv, *v));
  for (auto& v : d.vcpus) append_record(out, kLapic, v->id, lapic_record(*v));
  for (auto& v : d.vcpus) append_record(out, kLapicRegs, v->id, lapic_registers(hv, *v));
  // Lines that no device of a PVH domain drives, and machine checks that never come; Xen has records of them.
  append_record(out, kPciIrq, 0, hvm_hw_pci_irqs{});
  append_record(out, kIsaIrq, 0, hvm_hw_isa_irqs{});
  append_record(out, kPciLink, 0, hvm_hw_pci_link{});
  for (auto& v : d.vcpus) append_record(out, kMtrr, v->id, mtrr_record(hv, *v));
  for (auto& v : d.vcpus)
    if (v->xcr0_accum != 0) append_record(out, kXsave, v->id, std::span<const std::uint8_t>(xsave_record(hv, *v)));
  for (auto& v : d.vcpus) append_record(out, kVmce, v->id, hvm_vmce_vcpu{kMachineCheckBanks, 0, 0, 0});
  for (auto& v : d.vcpus) append_record(out, kTscAdjust, v->id, hvm_tsc_adjust{v->tsc_adjust});
  append_record(out, kEnd, 0, std::span<const std::uint8_t>{});
  return out;
}

long load_hvm_context(Hypervisor& hv, Domain& d, std::span<const std::uint8_t> context) {
  std::vector<Item> items;
  if (const long r = read_items(hv, d, context, items); r != 0) return r;
  for (const Item& item : items) {
    if (item.what.typecode == kHeader) continue;
    Vcpu& v = *d.vcpus[item.what.instance];
    switch (item.what.typecode) {
      case kCpu:
        load_cpu(hv, v, body_as<hvm_hw_cpu>(item));
        break;
      case kLapic:
        load_lapic(v, body_as<hvm_hw_lapic>(item));
        break;
      case kLapicRegs:
        load_lapic_registers(hv, v, body_as<hvm_hw_lapic_regs>(item));
        break;
      case kMtrr:
        load_mtrr(hv, v, body_as<hvm_hw_mtrr>(item));
        break;
      case kXsave:
        load_xsave(hv, v, item.body);
        break;
      case kTscAdjust:
        v.tsc_adjust = body_as<hvm_tsc_adjust>(item).tsc_adjust;
        break;
      default:
        break;
    }
  }
  return 0;
}

}  // namespace xensim::xen
