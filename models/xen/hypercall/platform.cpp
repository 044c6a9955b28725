// __HYPERVISOR_platform_op: what a hardware domain's kernel tells Xen of the platform, and asks
// (arch/x86/platform_hypercall.c of Xen 4.17). Checks: the structure (-EFAULT), its version (-EACCES), the
// privilege (-EPERM), the command. Here: the wall clock, and what there is to say of processors.
// The machine was not started by EFI, has no disks that a BIOS told of,
// no microcode and no ACPI.
#include <algorithm>
#include <array>
#include <cstring>

#include "models/xen/hypercall/control.h"
#include "models/xen/hypercall/handlers.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen {

namespace {

// do_settime: from now on, so much passed since 1970 when the system time was `system_time`.
long set_time(Hypervisor& hv, std::uint64_t seconds, std::uint64_t nanoseconds, std::uint64_t system_time) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  const std::uint64_t at_zero = seconds * kSecond + nanoseconds - system_time;
  hv.wallclock_seconds = static_cast<std::uint32_t>(at_zero / kSecond);
  hv.wallclock_nanoseconds = static_cast<std::uint32_t>(at_zero % kSecond);
  for (const auto& [domid, d] : hv.domains) hv.init_wallclock(*d);
  return 0;
}

long firmware_info(ControlCall& c, xenpf_firmware_info& op) {
  switch (op.type) {
    case XEN_FW_DISK_INFO:
    case XEN_FW_DISK_MBR_SIGNATURE:
    case XEN_FW_VBEDDC_INFO:
      return -kEsrch;
    case XEN_FW_EFI_INFO:
      return -kEnosys;
    case XEN_FW_KBD_SHIFT_FLAGS:
      if (op.index != 0) return -kEsrch;
      op.u.kbd_shift_flags = 0;
      c.write_back = true;
      return 0;
    default:
      return -kEinval;
  }
}

long cpu_info(ControlCall& c, xenpf_pcpuinfo& op) {
  const auto count = static_cast<std::uint32_t>(c.hv.pcpus.size());
  if (op.xen_cpuid >= count) {
    op.flags = XEN_PCPU_FLAGS_INVALID;
  } else {
    op.apic_id = op.acpi_id = op.xen_cpuid;
    op.flags = XEN_PCPU_FLAGS_ONLINE;
  }
  op.max_present = count - 1;
  c.write_back = true;
  return 0;
}

// Family, model and stepping as CPUID's signature has them (SDM 2, CPUID leaf 1).
long cpu_version(ControlCall& c, xenpf_pcpu_version& op) {
  const auto count = static_cast<std::uint32_t>(c.hv.pcpus.size());
  const bool there = op.xen_cpuid < count;
  const cpu::CpuidPolicy& policy = c.hv.pcpus.front().pcpu->core.cpuid;
  const cpu::CpuidRegisters vendor = there ? policy.query(0, 0) : cpu::CpuidRegisters{};
  const std::uint32_t signature = there ? policy.query(1, 0).eax : 0;
  const std::uint32_t words[3] = {vendor.ebx, vendor.edx, vendor.ecx};
  std::memcpy(op.vendor_id, words, sizeof op.vendor_id);
  op.family = signature >> 8 & 0xf;
  op.model = signature >> 4 & 0xf;
  if (op.family == 6 || op.family == 15) op.model |= signature >> 12 & 0xf0;
  if (op.family == 15) op.family += signature >> 20 & 0xff;
  op.stepping = signature & 0xf;
  op.max_present = count - 1;
  c.write_back = true;
  return 0;
}

// A few MSRs of a processor. The TSC alone may be read, as a time in ns.
long resource_op(const ControlCall& c, const xenpf_resource_op& op, bool wide) {
  constexpr std::uint32_t kMost = 3;  // RESOURCE_ACCESS_MAX_ENTRIES
  constexpr std::uint64_t kMsrTsc = 0x10;
  if (op.nr_entries == 0) return 0;
  if (op.nr_entries > kMost) return -kEinval;
  const std::uint64_t at = wide ? address_in(op.entries) : address_in(op.entries) & 0xffffffff;
  std::array<xenpf_resource_entry, kMost> entries{};
  const std::uint64_t bytes = op.nr_entries * sizeof entries[0];
  if (!c.read(at, entries.data(), bytes)) return -kEfault;
  std::uint32_t done = 0;
  for (; done < op.nr_entries; ++done) {
    xenpf_resource_entry& e = entries[done];
    long r = 0;
    if (e.rsvd || ((e.u.cmd == XEN_RESOURCE_OP_MSR_READ || e.u.cmd == XEN_RESOURCE_OP_MSR_WRITE) && e.idx >> 32))
      r = -kEinval;
    else if (e.u.cmd != XEN_RESOURCE_OP_MSR_READ && e.u.cmd != XEN_RESOURCE_OP_MSR_WRITE)
      r = -kEopnotsupp;
    else if (e.u.cmd == XEN_RESOURCE_OP_MSR_WRITE || e.idx != kMsrTsc)
      r = -kEperm;
    if (r != 0) {
      e.u.ret = static_cast<std::int32_t>(r);
      break;
    }
  }
  if (done > 0 && op.cpu >= c.hv.pcpus.size()) return -kEnodev;
  for (std::uint32_t i = 0; i < done; ++i) entries[i].val = c.hv.ns(c.hv.now());
  return c.write(at, entries.data(), bytes) ? static_cast<long>(done) : -kEfault;
}

long operate(ControlCall& c, xen_platform_op& op, bool wide) {
  const std::size_t count = c.hv.pcpus.size();
  switch (op.cmd) {
    case XENPF_settime32:
      return set_time(c.hv, op.u.settime32.secs, op.u.settime32.nsecs, op.u.settime32.system_time);
    case XENPF_settime64:
      if (op.u.settime64.mbz) return -kEinval;
      return set_time(c.hv, op.u.settime64.secs, op.u.settime64.nsecs, op.u.settime64.system_time);
    case XENPF_read_memtype:
      if (op.u.read_memtype.reg >= (kMtrrCap & 0xff)) return -kEinval;
      op.u.read_memtype.mfn = op.u.read_memtype.nr_mfns = 0;
      op.u.read_memtype.type = 0;
      c.write_back = true;
      return 0;
    case XENPF_del_memtype:
    case XENPF_microcode_update:
      return -kEinval;
    case XENPF_platform_quirk:
      return op.u.platform_quirk.quirk_id >= QUIRK_NOIRQBALANCING &&
                     op.u.platform_quirk.quirk_id <= QUIRK_IOAPIC_GOOD_REGSEL
                 ? 0
                 : -kEinval;
    case XENPF_firmware_info:
      return firmware_info(c, op.u.firmware_info);
    case XENPF_enter_acpi_sleep:
      return op.u.enter_acpi_sleep.flags & ~std::uint32_t{XENPF_ACPI_SLEEP_EXTENDED} ? -kEinval : -kEopnotsupp;
    case XENPF_set_processor_pminfo:
      return -kEinval;  // of a processor that ACPI knows
    case XENPF_get_cpuinfo:
      return cpu_info(c, op.u.pcpu_info);
    case XENPF_get_cpu_version:
      return cpu_version(c, op.u.pcpu_version);
    case XENPF_cpu_online:
      return op.u.cpu_ol.cpuid < count ? 0 : -kEinval;
    case XENPF_cpu_offline:
      return op.u.cpu_ol.cpuid == 0 || op.u.cpu_ol.cpuid < count ? -kEopnotsupp : -kEinval;
    case XENPF_cpu_hotadd:
    case XENPF_mem_hotadd:
      return -kEinval;
    case XENPF_core_parking:
      if (op.u.core_parking.type == XEN_CORE_PARKING_SET) return op.u.core_parking.idle_nums ? -kEopnotsupp : 0;
      if (op.u.core_parking.type != XEN_CORE_PARKING_GET) return -kEinval;
      op.u.core_parking.idle_nums = 0;
      c.write_back = true;
      return 0;
    case XENPF_resource_op:
      return resource_op(c, op.u.resource_op, wide);
    case XENPF_get_symbol:  // there are none
      if (op.u.symdata.symnum > 0) return -kErange;
      op.u.symdata.namelen = 1;
      c.write_back = wide;
      return 0;
    default:  // change_freq and getidletime too, as Xen itself governs the processors' speed; efi_runtime_call
      return -kEnosys;
  }
}

}  // namespace

long do_platform_op(Hypervisor& hv, Vcpu& v, const Arguments& args) {
  xen_platform_op_t op;
  if (!hv.copy_from_guest(v, args.a[0], &op, sizeof op)) return -kEfault;
  if (op.interface_version != XENPF_INTERFACE_VERSION) return -kEacces;
  if (const long refused = xsm::check(xsm::Action::kPriv, v.domain, nullptr)) return refused;
  ControlCall c{hv, v};
  const long result = operate(c, op, args.wide);
  if (c.write_back && !hv.copy_to_guest(v, args.a[0], &op, sizeof op)) return -kEfault;
  return result;
}

}  // namespace xensim::xen
