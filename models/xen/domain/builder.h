// The domain builder: what libxl and libxenguest put into a new PVH or HVM guest's memory, and the state in which
// its first vCPU starts. In two steps, so that bad input is found before anything is simulated: a plan reads and
// checks, what follows it cannot fail but for lack of memory. Layout and entry state as libxl 4.17's.
//
// The two kinds differ: an HVM guest starts with its firmware, which builds what a PVH guest finds (ACPI's tables,
// a memory map from 0 on). It has the VGA hole, an HVM info table, pages for device models, and less RAM than
// `memory`: the video card's is part of that.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/cpu/arch_state.h"
#include "models/xen/domain/domain.h"
#include "models/xen/domain/elf.h"
#include "models/xen/domain/kernel_image.h"

namespace xensim::xen {

class Hypervisor;

struct BuildRequest {
  std::string place;  // for messages: the domain file
  std::string kernel_name;
  Bytes kernel;
  Bytes ramdisk;  // null: none
  std::string command_line;
  std::uint64_t memory_mib = 0, max_memory_mib = 0;
  unsigned vcpus = 1, max_vcpus = 1;   // from the start, and at most: for ACPI's tables
  std::uint64_t video_memory_mib = 0;  // HVM: of memory
  bool apic = true;                    // HVM: for the info table
};

struct LoadedRange {
  std::uint64_t address = 0;  // guest-physical
  Bytes bytes;                // source
  std::uint64_t offset = 0, size = 0;
  std::uint64_t memory_size = 0;
};

struct BuildPlan {
  std::vector<LoadedRange> ranges;
  std::vector<E820Entry> memory_map;
  std::uint64_t low_memory_end = 0, high_memory_end = 0;  // RAM is [0, low) and [4 GiB, high) if high is not 0
  std::uint64_t entry = 0, start_info = 0;
  std::uint64_t hole_start = 0, hole_end = 0;  // gfns below low_memory_end without RAM (HVM)
  std::uint64_t ioreq_server_pages = 0;        // below the special pages (HVM)
  std::uint64_t acpi_pages = 0;                // from kAcpiInfo on
  std::uint64_t pages = 0;                     // of RAM in the memory map: maxmem
  std::uint64_t target_pages = 0;              // of RAM that it gets: memory; less than pages: populate-on-demand
  std::uint64_t max_pages = 0;                 // that it may have
  bool on_demand() const { return target_pages < pages; }
};

// Special pages, from gfn 0xfeff8 on.
inline constexpr std::uint64_t kSpecialPagesBase = 0xfeff8, kSpecialPages = 8;
inline constexpr unsigned kSpecialXenstore = 4, kSpecialIoreq = 5, kSpecialIdentPt = 6, kSpecialConsole = 7;
// Of an HVM guest: for device models beside the default one.
inline constexpr std::uint64_t kIoreqServerPagesBase = kSpecialPagesBase - 8;
constexpr std::uint64_t special_gfn(unsigned i) { return kSpecialPagesBase + i; }

// Throw UserError: bad kernel (HVM: firmware), too little memory for it, …
BuildPlan plan_pvh(const BuildRequest& request);
BuildPlan plan_hvm(const BuildRequest& request);

// One extent of RAM to populate: the caller charges time per extent.
struct Extent {
  std::uint64_t gfn;
  unsigned order;
  bool on_demand = false;  // an entry without a frame
};
std::vector<Extent> extents_of(const BuildPlan& plan, bool use_1gb, bool use_2mb);

// What libxenguest does before it populates: claims the memory, and fills the populate-on-demand cache if there is
// to be one. 0; -ENOMEM; -ERESTART: call again.
long reserve_memory(Hypervisor& hypervisor, Domain& domain, const BuildPlan& plan);
// Populates an extent, or marks it. false: there is no such block, or no memory at all.
bool place_extent(Hypervisor& hypervisor, Domain& domain, const Extent& extent);

// Ends the claim, and fills populated memory: segments, start info, special pages, parameters, vCPU 0's state.
void fill_memory(Hypervisor& hypervisor, Domain& domain, const BuildPlan& plan);

}  // namespace xensim::xen
