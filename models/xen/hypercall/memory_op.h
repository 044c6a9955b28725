// __HYPERVISOR_memory_op, by groups of sub-operations; hypercall/memory.cpp chooses. Each returns what the guest
// gets. The order of checks is Xen's (common/memory.c, arch/x86/mm.c, and their compat parts for 32-bit callers):
// a guest can tell.
#pragma once

#include <cstdint>

#include "models/xen/hypercall/arguments.h"

namespace xensim::xen {
class Hypervisor;
struct Vcpu;
struct Domain;
}  // namespace xensim::xen

namespace xensim::xen::memory_op {

// The extents that are done go into the command's upper bits when a call is continued.
inline constexpr unsigned kExtentShift = 6;
inline constexpr std::uint32_t kMostExtents = 0xffffffffu >> kExtentShift;
// Frames that one call handles before it lets the guest in again, however idle the machine is.
inline constexpr std::uint64_t kPagesPerStretch = 4096;

struct Call {
  Hypervisor& hv;
  Vcpu& v;
  Domain& caller;
  bool wide;            // a 64-bit caller
  unsigned op;          // XENMEM_*
  std::uint64_t start;  // extents done by earlier stretches
  std::uint64_t arg;    // linear address of the argument

  unsigned word() const { return wide ? 8 : 4; }
  bool read(std::uint64_t address, void* out, std::uint64_t size) const;
  bool write(std::uint64_t address, const void* in, std::uint64_t size) const;
  // An unsigned long, pfn or handle of the guest's.
  bool read_word(std::uint64_t address, std::uint64_t& out) const;
  bool write_word(std::uint64_t address, std::uint64_t value) const;
  // A number that stands for "no frame" to a caller of this width.
  std::uint64_t no_frame() const { return wide ? ~std::uint64_t{0} : 0xffffffff; }
  bool preempted() const;
  // The guest calls again, to go on from there.
  long continue_from(std::uint64_t extent) const;
};

// memory_reservation.cpp: increase_reservation, decrease_reservation, populate_physmap.
long reservation(const Call& c);
// memory_exchange.cpp
long exchange(const Call& c);
// memory_physmap.cpp
long add_to_physmap(const Call& c);
long add_to_physmap_batch(const Call& c);
long remove_from_physmap(const Call& c);
long acquire_resource(const Call& c);
// memory_numbers.cpp: what only says or sets a number or a table.
long domain_numbers(const Call& c);  // current_reservation, maximum_reservation, maximum_gpfn
long maximum_ram_page(const Call& c);
long claim(const Call& c);
long memory_map(const Call& c);
long set_memory_map(const Call& c);
long pod_target(const Call& c);  // set_pod_target, get_pod_target
long machphys_frames(const Call& c);
long vnuma_info(const Call& c);
long reserved_device_memory(const Call& c);

}  // namespace xensim::xen::memory_op
