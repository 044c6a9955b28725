#include "models/xen/mm/mem_access.h"

#include "models/xen/public.h"

#include <xen/vm_event.h>

#include <array>

#include "models/xen/hypercall/arguments.h"
#include "models/xen/hypervisor.h"
#include "models/xen/mm/ept_sync.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen::mem_access {

namespace {

constexpr std::uint64_t kRead = 1, kWrite = 2, kFetch = 4, kLinearValid = 1 << 7, kFinal = 1 << 8;

bool translate(const Domain& d, unsigned access, P2mAccess& out) {
  if (access == XENMEM_access_default) {
    out = d.p2m->default_access;
    return true;
  }
  if (access > XENMEM_access_n2rwx) return false;
  out = static_cast<P2mAccess>(access);  // the numbers are the same
  return true;
}

// Rights of one page, in an entry of its own.
bool set_one(Domain& d, Gfn gfn, P2mAccess access) {
  const P2mEntry e = d.p2m->get(gfn);
  return d.p2m->set(gfn, e.mfn, 0, e.type, access);
}

void fill_registers(Hypervisor& hv, vm_event_request_t& request) {
  const cpu::Core& core = hv.here().pcpu->core;
  auto& r = request.data.regs.x86;
  const auto& g = core.st.gpr;
  r.rax = g[cpu::kRax], r.rcx = g[cpu::kRcx], r.rdx = g[cpu::kRdx], r.rbx = g[cpu::kRbx];
  r.rsp = core.vmx.read(cpu::VmcsField::kGuestRsp);
  r.rbp = g[cpu::kRbp], r.rsi = g[cpu::kRsi], r.rdi = g[cpu::kRdi];
  r.r8 = g[cpu::kR8], r.r9 = g[cpu::kR9], r.r10 = g[cpu::kR10], r.r11 = g[cpu::kR11];
  r.r12 = g[cpu::kR12], r.r13 = g[cpu::kR13], r.r14 = g[cpu::kR14], r.r15 = g[cpu::kR15];
  r.rip = core.vmx.read(cpu::VmcsField::kGuestRip);
  r.rflags = core.vmx.read(cpu::VmcsField::kGuestRflags);
  r.cr0 = core.vmx.read(cpu::VmcsField::kGuestCr0);
  r.cr3 = core.vmx.read(cpu::VmcsField::kGuestCr3);
  r.cr4 = core.vmx.read(cpu::VmcsField::kGuestCr4);
}

void tell(Hypervisor& hv, Vcpu& v, VmEventRing& ring, Gfn gfn, const cpu::VmExitInfo& x, bool hold) {
  vm_event_request_t request{};
  request.reason = VM_EVENT_REASON_MEM_ACCESS;
  request.vcpu_id = v.id;
  request.u.mem_access.gfn = gfn.value;
  request.u.mem_access.offset = x.guest_physical & kPageMask;
  std::uint32_t flags = 0;
  if (x.qualification & kLinearValid) {
    flags |= MEM_ACCESS_GLA_VALID;
    request.u.mem_access.gla = x.guest_linear;
    flags |= x.qualification & kFinal ? MEM_ACCESS_FAULT_WITH_GLA : MEM_ACCESS_FAULT_IN_GPT;
  }
  if (x.qualification & kRead) flags |= MEM_ACCESS_R;
  if (x.qualification & kWrite) flags |= MEM_ACCESS_W;
  if (x.qualification & kFetch) flags |= MEM_ACCESS_X;
  request.u.mem_access.flags = flags;
  fill_registers(hv, request);
  // Xen waits for room; the vCPU makes the access again instead, and finds the ring as it is then.
  if (ring.claim(false) != 0) return;
  if (hold) {
    request.flags |= VM_EVENT_FLAG_VCPU_PAUSED;
    vm_event::pause(hv, v);
  }
  ring.put(hv, v.domain, &v, request);
}

}  // namespace

bool violates(P2mAccess access, std::uint64_t q) {
  switch (access) {
    case P2mAccess::kN:
    case P2mAccess::kN2Rwx:
      return q & (kRead | kWrite | kFetch);
    case P2mAccess::kR:
      return q & (kWrite | kFetch);
    case P2mAccess::kW:
      return q & (kRead | kFetch);
    case P2mAccess::kX:
      return q & (kRead | kWrite);
    case P2mAccess::kRx:
    case P2mAccess::kRx2Rw:
      return q & kWrite;
    case P2mAccess::kWx:
      return q & kRead;
    case P2mAccess::kRw:
      return q & kFetch;
    case P2mAccess::kRwx:
      break;
  }
  return false;
}

bool check(Hypervisor& hv, Vcpu& v, Gfn gfn, const P2mEntry& e, const cpu::VmExitInfo& x) {
  Domain& d = v.domain;
  hv.cost.charge(*hv.here().pcpu, Path::kMemAccess);
  const auto widen = [&](P2mAccess to) {
    if (!set_one(d, gfn, to)) {
      hv.crash_domain(d, "no page for an EPT table to widen access to a page");
      return false;
    }
    ept_sync::sync_domain(hv, d);
    return true;
  };
  if ((x.qualification & kWrite) && e.access == P2mAccess::kRx2Rw) return widen(P2mAccess::kRw);
  const bool once = e.access == P2mAccess::kN2Rwx;
  if (once && !widen(P2mAccess::kRwx)) return false;
  VmEventRing* ring = d.vm_events.get(VmEventKind::kMonitor);
  if (!ring) {
    if (d.access_required) {
      hv.crash_domain(d, "memory access that a monitor forbids, and no monitor");
      return false;
    }
    return once || widen(P2mAccess::kRwx);
  }
  tell(hv, v, *ring, gfn, x, !once);
  return !once;
}

long set(Hypervisor& hv, Domain& d, std::uint64_t first, std::uint32_t nr, std::uint32_t& start, unsigned access) {
  constexpr std::uint32_t kPagesPerStretch = 1024;  // a multiple of 64: start goes into a command's upper bits
  P2mAccess to{};
  if (!translate(d, access, to)) return -kEinval;
  long r = 0;
  const std::uint32_t begin = start;
  while (start < nr) {
    if (start - begin == kPagesPerStretch) {
      r = 1;
      break;
    }
    if (!set_one(d, Gfn(first + start), to)) {
      r = -kEnomem;
      break;
    }
    ++start;
  }
  hv.cost.charge_many(*hv.here().pcpu, Path::kMemAccess, start - begin);
  ept_sync::sync_domain(hv, d);
  return r;
}

long set_default(Domain& d, unsigned access) {
  P2mAccess to{};
  if (!translate(d, access, to)) return -kEinval;
  d.p2m->default_access = to;
  return 0;
}

long get(Domain& d, std::uint64_t gfn, unsigned& access) {
  const P2mEntry e = d.p2m->get(Gfn(gfn));
  if (e.mfn == kNoMfn) return -kEsrch;
  access = static_cast<unsigned>(e.access);
  return 0;
}

long get_default(const Domain& d, unsigned& access) {
  access = static_cast<unsigned>(d.p2m->default_access);
  return 0;
}

namespace {

long set_of_guest(Hypervisor& hv, Domain& d, const xen_mem_access_op& op, std::uint32_t& start) {
  constexpr std::uint64_t kAll = ~std::uint64_t{0};
  if (op.pfn == kAll) return set_default(d, op.access);
  if (op.nr < start || op.pfn + op.nr - 1 < op.pfn || op.pfn + op.nr - 1 > d.p2m->max_mapped_gfn())
    return -kEinval;
  return set(hv, d, op.pfn, op.nr, start, op.access);
}

long get_of_guest(Domain& d, xen_mem_access_op& op) {
  constexpr std::uint64_t kAll = ~std::uint64_t{0};
  unsigned access = 0;
  if (op.pfn > d.p2m->max_mapped_gfn() && op.pfn != kAll) return -kEinval;
  const long r = op.pfn == kAll ? get_default(d, access) : get(d, op.pfn, access);
  op.access = static_cast<std::uint8_t>(access);
  return r;
}

}  // namespace

long access_op(Hypervisor& hv, Vcpu& v, const Arguments& args) {
  xen_mem_access_op op{};
  if (!hv.copy_from_guest(v, args.a[1], &op, sizeof op)) return -kEfault;
  const DomainLookup target = lookup_remote_domain(hv, v.domain, op.domid);
  if (!target) return target.error;
  Domain& d = *target.domain;
  if (!d.p2m) return -kEinval;
  if (const long r = xsm::check(xsm::Action::kDmPriv, v.domain, &d); r != 0) return r;
  if (!d.vm_events.get(VmEventKind::kMonitor)) return -kEnodev;
  auto start = static_cast<std::uint32_t>(args.a[0] >> 6 << 6);
  switch (op.op) {
    case XENMEM_access_op_set_access: {
      const long r = set_of_guest(hv, d, op, start);
      if (r != 1) return r;
      hv.continue_hypercall(args.wide, XENMEM_access_op | start);
      return 0;
    }
    case XENMEM_access_op_get_access: {
      if (start != 0) return -kEnosys;
      const long r = get_of_guest(d, op);
      if (r != 0) return r;
      return hv.copy_to_guest(v, args.a[1], &op, sizeof op) ? 0 : -kEfault;
    }
    default:  // set_access_multi: not modelled
      return -kEnosys;
  }
}

}  // namespace xensim::xen::mem_access
