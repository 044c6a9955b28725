// A domain: its vCPUs, its memory, its event channels, its parameters. Plain data with owners; what happens to it
// is in hypervisor.cpp and the folders event/, hypercall/, mm/.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/cpu/cpuid.h"
#include "models/xen/domain/vcpu.h"
#include "models/xen/event/event_channel.h"
#include "models/xen/event/upcall.h"
#include "models/xen/grant/table.h"
#include "models/xen/hvm/viridian.h"
#include "models/xen/mm/log_dirty.h"
#include "models/xen/mm/p2m.h"
#include "models/xen/mm/pod.h"
#include "models/xen/mm/vm_event.h"
#include "models/xen/public.h"
#include "models/xen/sched/policy.h"
#include "models/xen/xsm/role.h"

namespace xensim::xen {

namespace hvm {
class Platform;
}

// kGuest: a binary runs in it (PVH, or HVM). kModel: its vCPU runs model programs, as dom0.
enum class DomainKind : std::uint8_t { kGuest, kModel };

// What ended a domain.
enum class ShutdownReason : std::uint8_t {
  kPoweroff = 0,
  kReboot = 1,
  kSuspend = 2,
  kCrash = 3,
  kWatchdog = 4,
  kSoftReset = 5,
};
std::string_view name_of(ShutdownReason r);

struct E820Entry {
  std::uint64_t address, size;
  std::uint32_t type;
};

// The paging pool that libxl gives a domain (libxl__get_required_paging_memory): 1 MiB per vCPU and a page per MiB
// of RAM.
constexpr std::uint64_t paging_pages(std::uint64_t vcpus, std::uint64_t ram_pages) {
  return 256 * vcpus + (ram_pages + 255) / 256;
}

// What memory management did for a domain.
struct MmStats {
  std::uint64_t ept_syncs = 0, ept_sync_ipis = 0, recalculated_tables = 0;
  std::uint64_t over_maximum = 0, out_of_memory = 0;  // extents that it did not get
};

struct Domain {
  Domain(domid_t domain_id, DomainKind k);
  ~Domain();

  const domid_t domid;
  const DomainKind kind;
  std::string name;
  Role role;

  std::vector<std::unique_ptr<Vcpu>> vcpus;  // index is the vCPU id
  sched::DomainParameters scheduling;

  // Memory.
  std::unique_ptr<P2m> p2m;
  std::unique_ptr<LogDirty> log_dirty;  // where there is a p2m
  std::vector<bool> stale_ept;          // by pCPU: INVEPT before the next VM entry
  MmStats mm_stats;
  bool mem_sharing_enabled = false;
  std::uint64_t shared_pages = 0;  // of its guest frames
  std::uint64_t paged_pages = 0;   // that dom0 paged out
  bool access_required = false;    // a forbidden access without a listener crashes it
  VmEventRings vm_events;
  std::uint64_t max_pages = 0;  // XEN_DOMCTL_max_mem
  pod::State pod;
  std::uint64_t node_affinity = ~std::uint64_t{0};  // NUMA nodes that its memory should come from, a bit each
  unsigned last_node = Heap::kAnyNode;              // where it got its last block
  Mfn shared_info;                                  // a Xen heap page; guests see it after XENMAPSPACE_shared_info
  Mfn msr_bitmap;
  std::vector<E820Entry> memory_map;
  std::vector<Mfn> xen_pages;  // that Xen keeps for the domain: shared_info, VMCSs, bitmaps

  // Guest policy.
  std::uint32_t emulation_flags = 0;  // XEN_X86_EMU_*; all of them: an HVM guest
  bool nested_virt = false;           // VMX is offered to it
  cpu::CpuidPolicy cpuid;
  std::array<std::uint64_t, HVM_NR_PARAMS> hvm_params{};
  bool guest_64bit = true;  // layout of shared_info, latched as HVM guests do

  // Events.
  EventChannels events;
  event::CallbackVia callback;
  std::unique_ptr<hvm::Platform> platform;  // of an HVM guest: the devices that Xen emulates
  hvm::ViridianDomain viridian;
  event::InterruptLines* interrupt_lines = nullptr;  // of its IOAPIC and PIC; nullptr: it has none

  // Grants: its table, and what it has mapped of others'.
  std::unique_ptr<grant::GrantTable> grants;

  // Life.
  bool created_paused = true;
  std::uint32_t pause_count = 0;
  std::uint32_t controller_pause_count = 0;  // of pause_count, what the toolstack asked for
  bool dying = false;
  std::optional<ShutdownReason> shutdown;
  std::string crash_message;  // why Xen crashed it
  bool triple_fault = false;
  Cycles created_at = 0, ended_at = 0;
  std::uint64_t vm_assist = 0;
  std::uint32_t shutdown_code = ~0u;
  std::array<TimerId, 2> watchdogs{};
  std::array<std::uint8_t, 16> uuid{};
  std::uint64_t console_lines = 0;

  // What domctls set and tell.
  bool vcpus_made = true;          // XEN_DOMCTL_max_vcpus; until then nobody sees its vCPUs
  std::uint64_t relinquished = 0;  // pages that a XEN_DOMCTL_destroydomain under way has dealt with
  bool creation_finished = false;  // it has been unpaused once
  bool debugger_attached = false;
  std::uint32_t suspend_port = 0;  // XEN_DOMCTL_subscribe
  std::int64_t time_offset_seconds = 0;
  std::uint32_t tsc_mode = 0, tsc_incarnation = 1;
  bool auto_node_affinity = true;  // node_affinity follows the vCPUs' affinity

  shared_info_t* shared = nullptr;  // host view of shared_info (RAM never moves)
};

}  // namespace xensim::xen
