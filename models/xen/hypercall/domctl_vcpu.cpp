// Domctls on vCPUs: affinity, times, registers (common/domctl.c, arch/x86/domctl.c of Xen 4.17). Domains of model
// programs count as PV domains; their vCPUs have no registers.
#include <algorithm>
#include <cstring>

#include "models/cpu/xstate.h"
#include "models/xen/control/domain_control.h"
#include "models/xen/domain/hvm_context.h"
#include "models/xen/domain/xstate.h"
#include "models/xen/hypercall/control.h"

namespace xensim::xen {

namespace {

constexpr std::uint64_t kMostContextBytes = 1 << 20;

Vcpu* find_vcpu(const Domain& d, std::uint32_t id) {
  return d.vcpus_made && id < d.vcpus.size() ? d.vcpus[id].get() : nullptr;
}

long affinity(const ControlCall& c, Domain& d, xen_domctl_vcpuaffinity& a, bool set) {
  if (a.vcpu >= d.vcpus.size()) return -kEinval;
  Vcpu* v = find_vcpu(d, a.vcpu);
  if (!v) return -kEsrch;
  const bool hard = a.flags & XEN_VCPUAFFINITY_HARD, soft = a.flags & XEN_VCPUAFFINITY_SOFT;
  if (a.flags == 0 || (hard && !a.cpumap_hard.bitmap.p) || (soft && !a.cpumap_soft.bitmap.p)) return -kEinval;
  const std::size_t count = c.hv.pcpus.size();
  const auto old_hard = v->hard_affinity;
  if (hard) {
    Bits wanted(count);
    long r = set ? read_bitmap(c, a.cpumap_hard, wanted) : 0;
    if (set && r == 0) r = control::set_affinity(c.hv, d, a.vcpu, pcpus_of(wanted), std::nullopt);
    if (r == 0) r = write_bitmap(c, a.cpumap_hard, bits_of(v->hard_affinity, count));
    if (r != 0) return r;
  }
  if (soft) {
    Bits wanted(count);
    long r = set ? read_bitmap(c, a.cpumap_soft, wanted) : 0;
    if (set && r == 0) r = control::set_affinity(c.hv, d, a.vcpu, std::nullopt, pcpus_of(wanted));
    if (set && r != 0) {
      if (hard) control::set_affinity(c.hv, d, a.vcpu, old_hard, std::nullopt);
      return r;
    }
    // What is set is told as it takes effect: within the hard affinity.
    Bits told = bits_of(v->soft_affinity, count);
    for (std::size_t i = 0; set && i < count; ++i)
      told[i] =
          told[i] && std::find(v->hard_affinity.begin(), v->hard_affinity.end(), i) != v->hard_affinity.end();
    return write_bitmap(c, a.cpumap_soft, told);
  }
  return 0;
}

long vcpu_info(ControlCall& c, const Domain& d, xen_domctl_getvcpuinfo& info) {
  if (info.vcpu >= d.vcpus.size()) return -kEinval;
  if (!find_vcpu(d, info.vcpu)) return -kEsrch;
  c.write_back = true;
  return control::vcpu_info(c.hv, d, info);
}

long get_context(ControlCall& c, Domain& d, const xen_domctl_vcpucontext& op) {
  Vcpu* v = find_vcpu(d, op.vcpu);
  if (!v || v == &c.vcpu) return -kEinval;
  if (v->model || !v->initialised) return -kEnodata;
  if (!c.hold_still(d)) return 0;
  const vcpu_guest_context_t g = control::guest_context(c.hv, *v);
  c.hv.restore_context(c.vcpu);
  c.write_back = true;
  return c.write(address_in(op.ctxt), g) ? 0 : -kEfault;
}

// A null context resets the vCPU. An HVM vCPU's registers are set by XEN_DOMCTL_sethvmcontext.
long set_context(ControlCall& c, Domain& d, const xen_domctl_vcpucontext& op) {
  Vcpu* v = find_vcpu(d, op.vcpu);
  if (&d == &c.caller() || !v) return -kEinval;
  if (op.ctxt.p || v->model) return -kEopnotsupp;
  if (!c.hold_still(d)) return 0;
  v->pause_flags |= kPauseDown;
  v->initialised = false;
  return 0;
}

// --- The HVM context: a stream of records.

// The body of one; empty: it is not there.
std::span<const std::uint8_t> find_record(std::span<const std::uint8_t> context, unsigned type,
                                          unsigned instance) {
  for (std::size_t at = 0; at + sizeof(hvm_save_descriptor) <= context.size();) {
    hvm_save_descriptor w;
    std::memcpy(&w, &context[at], sizeof w);
    at += sizeof w;
    if (w.length > context.size() - at) break;
    if (w.typecode == type && w.instance == instance) return context.subspan(at, w.length);
    at += w.length;
  }
  return {};
}

// Room for every record that there can be: vCPUs that are down have no CPU record.
std::uint64_t most_context_bytes(const Domain& d, const std::vector<std::uint8_t>& context) {
  std::uint64_t down = 0;
  for (const auto& v : d.vcpus) down += (v->pause_flags & kPauseDown) != 0;
  return context.size() + down * (sizeof(hvm_save_descriptor) + sizeof(hvm_hw_cpu));
}

long get_hvm_context(ControlCall& c, Domain& d, xen_domctl_hvmcontext& op) {
  if (&d == &c.caller() || d.kind != DomainKind::kGuest) return -kEinval;
  if (!c.hold_still(d)) return 0;
  const std::vector<std::uint8_t> context = save_hvm_context(c.hv, d);
  c.hv.restore_context(c.vcpu);
  c.write_back = true;
  const std::uint64_t most = most_context_bytes(d, context);
  const std::uint64_t given = op.size;
  if (!op.buffer.p) {
    op.size = static_cast<std::uint32_t>(most);
    return 0;
  }
  if (given < most) return -kEnospc;
  op.size = static_cast<std::uint32_t>(context.size());
  return c.write(address_in(op.buffer), context.data(), context.size()) ? 0 : -kEfault;
}

long set_hvm_context(ControlCall& c, Domain& d, const xen_domctl_hvmcontext& op) {
  if (&d == &c.caller() || d.kind != DomainKind::kGuest) return -kEinval;
  if (op.size > kMostContextBytes) return -kEnomem;
  std::vector<std::uint8_t> context(op.size);
  if (!context.empty() && !c.read(address_in(op.buffer), context.data(), context.size())) return -kEfault;
  if (!c.hold_still(d)) return 0;
  if (const long r = load_hvm_context(c.hv, d, context)) return r;
  c.hv.restore_context(c.vcpu);
  // Who has no state is down.
  for (const auto& v : d.vcpus)
    if (find_record(context, HVM_SAVE_CODE(CPU), v->id).empty()) v->pause_flags |= kPauseDown;
  return 0;
}

// One record's body. Types that a PVH domain does not have are -EINVAL here as in Xen where no device saves them.
long get_hvm_record(ControlCall& c, Domain& d, xen_domctl_hvmcontext_partial& op) {
  if (&d == &c.caller() || d.kind != DomainKind::kGuest) return -kEinval;
  if (op.type == 0 || op.type > HVM_SAVE_CODE_MAX || op.type == HVM_SAVE_CODE(HEADER)) return -kEinval;
  if (!find_vcpu(d, op.instance)) return -kEnoent;
  if (!c.hold_still(d)) return 0;
  const std::vector<std::uint8_t> context = save_hvm_context(c.hv, d);
  c.hv.restore_context(c.vcpu);
  const std::span<const std::uint8_t> record = find_record(context, op.type, op.instance);
  if (record.empty()) return -kEnodata;
  if (op.buffer.p && op.bufsz < record.size()) return -kEnobufs;
  if (op.buffer.p && !c.write(address_in(op.buffer), record.data(), record.size())) return -kEfault;
  op.bufsz = record.size();
  c.write_back = true;
  return 0;
}

// Extended state: XCR0, XCR0_ACCUM, and the save area in the standard form.
constexpr std::uint64_t kExtendedHeader = 16;

long get_extended_state(ControlCall& c, Domain& d, Vcpu& v, xen_domctl_vcpuextstate& e) {
  const std::uint64_t mask = xstate::supported(c.hv);
  if ((e.size == 0 && e.xfeature_mask == 0) || !e.buffer.p) {
    e.xfeature_mask = mask;
    e.size = kExtendedHeader + cpu::xstate::standard_bytes(mask);
    c.write_back = true;
    return 0;
  }
  if (v.model) return -kEopnotsupp;
  if (!c.hold_still(d)) return 0;
  const std::uint64_t header[2] = {v.xcr0, v.xcr0_accum};
  const std::vector<std::uint8_t> area = xstate::image(c.hv, v);
  c.hv.restore_context(c.vcpu);
  const std::uint64_t given = e.size, mask_given = e.xfeature_mask;
  if (given < kExtendedHeader + area.size() || mask_given != mask) return -kEinval;
  if (!c.write(address_in(e.buffer), header)) return -kEfault;
  if (!c.write(address_in(e.buffer) + kExtendedHeader, area.data(), area.size())) return -kEfault;
  e.size = kExtendedHeader + area.size();
  c.write_back = true;
  return 0;
}

long set_extended_state(ControlCall& c, Domain& d, Vcpu& v, const xen_domctl_vcpuextstate& e) {
  const std::uint64_t size = e.size;
  if (size < kExtendedHeader || size > kExtendedHeader + cpu::xstate::standard_bytes(xstate::supported(c.hv)))
    return -kEinval;
  if (v.model) return -kEopnotsupp;
  std::uint64_t header[2];
  std::vector<std::uint8_t> area(size - kExtendedHeader);
  if (!c.read(address_in(e.buffer), header)) return -kEfault;
  if (!area.empty() && !c.read(address_in(e.buffer) + kExtendedHeader, area.data(), area.size())) return -kEfault;
  const bool whole = area.size() >= cpu::xstate::kExtended;
  if (header[1] == 0 ? header[0] != 0 : !whole) return -kEinval;
  if (header[1] != 0)
    if (const long bad = xstate::validate(c.hv, d, header[0], header[1], area)) return bad;
  if (area.empty()) return 0;
  if (!whole || area.size() != cpu::xstate::standard_bytes(header[1])) return -kEinval;
  if (!c.hold_still(d)) return 0;
  xstate::load(c.hv, v, header[0], header[1], area);
  c.hv.restore_context(c.vcpu);
  return 0;
}

long extended_state(ControlCall& c, Domain& d, xen_domctl_vcpuextstate& e, bool set) {
  Vcpu* v = find_vcpu(d, e.vcpu);
  if (!v) return -kEsrch;
  if (v == &c.vcpu) return -kEinval;
  return set ? set_extended_state(c, d, *v, e) : get_extended_state(c, d, *v, e);
}

long extended_context(ControlCall& c, Domain& d, xen_domctl_ext_vcpucontext& e, bool set) {
  Vcpu* v = find_vcpu(d, e.vcpu);
  if (!v) return -kEsrch;
  if (set) {
    if (&d == &c.caller()) return -kEsrch;
    if (e.size < offsetof(xen_domctl_ext_vcpucontext, vmce)) return -kEinval;
    if ((e.sysenter_callback_cs & ~3) || e.sysenter_callback_eip || (e.syscall32_callback_cs & ~3) ||
        e.syscall32_callback_eip)
      return -kEinval;
    return 0;
  }
  if (v == &c.vcpu) return -kEsrch;
  const std::uint32_t vcpu = e.vcpu;
  e = {};
  e.vcpu = vcpu;
  e.size = sizeof e;
  c.write_back = true;
  return 0;
}

}  // namespace

std::optional<long> domctl_on_vcpu(ControlCall& c, Domain& d, xen_domctl& op) {
  switch (op.cmd) {
    case XEN_DOMCTL_setvcpuaffinity:
    case XEN_DOMCTL_getvcpuaffinity:
      return affinity(c, d, op.u.vcpuaffinity, op.cmd == XEN_DOMCTL_setvcpuaffinity);
    case XEN_DOMCTL_getvcpuinfo:
      return vcpu_info(c, d, op.u.getvcpuinfo);
    case XEN_DOMCTL_getvcpucontext:
      return get_context(c, d, op.u.vcpucontext);
    case XEN_DOMCTL_setvcpucontext:
      return set_context(c, d, op.u.vcpucontext);
    case XEN_DOMCTL_gethvmcontext:
      return get_hvm_context(c, d, op.u.hvmcontext);
    case XEN_DOMCTL_sethvmcontext:
      return set_hvm_context(c, d, op.u.hvmcontext);
    case XEN_DOMCTL_gethvmcontext_partial:
      return get_hvm_record(c, d, op.u.hvmcontext_partial);
    case XEN_DOMCTL_getvcpuextstate:
    case XEN_DOMCTL_setvcpuextstate:
      return extended_state(c, d, op.u.vcpuextstate, op.cmd == XEN_DOMCTL_setvcpuextstate);
    case XEN_DOMCTL_get_ext_vcpucontext:
    case XEN_DOMCTL_set_ext_vcpucontext:
      return extended_context(c, d, op.u.ext_vcpucontext, op.cmd == XEN_DOMCTL_set_ext_vcpucontext);
    case XEN_DOMCTL_get_vcpu_msrs:
    case XEN_DOMCTL_set_vcpu_msrs:
      if (!find_vcpu(d, op.u.vcpu_msrs.vcpu)) return -kEsrch;
      return -kEinval;  // PV domains' alone
    case XEN_DOMCTL_sendtrigger:
      if (!find_vcpu(d, op.u.sendtrigger.vcpu)) return -kEsrch;
      return control::send_trigger(c.hv, d, op.u.sendtrigger.trigger, op.u.sendtrigger.vcpu);
    case XEN_DOMCTL_debug_op: {
      const Vcpu* v = find_vcpu(d, op.u.debug_op.vcpu);
      return !v || v == &c.vcpu || d.kind != DomainKind::kGuest ? -kEinval : -kEnosys;
    }
    case XEN_DOMCTL_get_address_size:
      if (d.kind == DomainKind::kGuest) return -kEopnotsupp;
      op.u.address_size.size = 64;
      c.write_back = true;
      return 0;
    case XEN_DOMCTL_set_address_size:
      if (d.kind == DomainKind::kGuest) return -kEopnotsupp;
      return op.u.address_size.size == 64 ? 0 : -kEinval;
    case XEN_DOMCTL_vmtrace_op:
      return -kEinval;  // no domain has a trace buffer
    default:
      return std::nullopt;
  }
}

}  // namespace xensim::xen
