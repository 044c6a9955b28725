// What is done with grants: GNTTABOP_* for guests (hypercall/grant_table.cpp reads and writes their arguments),
// the same for programs of dom0, and what happens to grants when a domain dies.
//
// Each function does one element of a batch with the checks of Xen 4.17 in Xen's order (common/grant_table.c),
// charges its path and its cache lines to the pCPU that runs it, and writes the element's GNTST_* status.
//
// How a page is mapped. A guest names a guest-physical address; the frame appears there in its p2m, as
// p2m_grant_map_rw or _ro. A model of dom0, which has no page tables, names an address of its own space. The
// entry's record (ActiveEntry) counts the mappings, and each holds a reference to the frame; so a frame outlives
// its domain until the last mapping is gone, and a domain that dies takes its own mappings with it.
#pragma once

#include <span>

#include "models/xen/grant/table.h"

namespace xensim::xen {
class Hypervisor;
struct Domain;
struct Vcpu;
}  // namespace xensim::xen

namespace xensim::xen::grant {

// --- The operations of a batch. `caller` is the vCPU that makes the hypercall, on the pCPU that runs now.
void map(Hypervisor& hv, Vcpu& caller, gnttab_map_grant_ref_t& op);
void unmap(Hypervisor& hv, Vcpu& caller, gnttab_unmap_grant_ref_t& op);
void unmap_and_replace(Hypervisor& hv, Vcpu& caller, gnttab_unmap_and_replace_t& op);
void transfer(Hypervisor& hv, Vcpu& caller, gnttab_transfer_t& op);
void swap(Hypervisor& hv, Vcpu& caller, gnttab_swap_grant_ref_t& op);

// A batch of copies: an entry that several copies in a row use is acquired once, and given back at the end.
class CopyBatch {
 public:
  CopyBatch(Hypervisor& hv, Vcpu& caller) : hv_(hv), caller_(caller) {}
  ~CopyBatch();
  CopyBatch(const CopyBatch&) = delete;
  CopyBatch& operator=(const CopyBatch&) = delete;
  void copy(gnttab_copy_t& op);

 private:
  struct Buffer {
    decltype(gnttab_copy_t::source) at{};  // what it was claimed for
    unsigned length = 0;
    Domain* domain = nullptr;
    Mfn mfn;
    bool has_page = false, has_grant = false, readonly = false;
  };
  std::int16_t copy_one(const gnttab_copy_t& op);
  std::int16_t choose_domain(Buffer& b, domid_t domid, bool by_ref);
  std::int16_t claim(Buffer& b, const gnttab_copy_t& op, bool source);
  void release(Buffer& b);

  Hypervisor& hv_;
  Vcpu& caller_;
  Buffer source_, destination_;
};

// --- Of the table as a whole. Results are those of the hypercall (0 or −errno); a status is in op.status.
long set_version(Hypervisor& hv, Vcpu& caller, gnttab_set_version_t& op);
long get_version(Hypervisor& hv, Vcpu& caller, gnttab_get_version_t& op);
void query_size(Hypervisor& hv, Vcpu& caller, gnttab_query_size_t& op);
// gfns: of the frames that were asked for, where the domain has them (all ones: nowhere).
void setup_table(Hypervisor& hv, Vcpu& caller, gnttab_setup_table_t& op, std::vector<std::uint64_t>& gfns);
// from: where the search for the caller's mapping of the frame begins; where it is to go on, if the result is 1.
long cache_flush(Hypervisor& hv, Vcpu& caller, const gnttab_cache_flush_t& op, grant_ref_t& from);

// --- For memory_op.
// XENMAPSPACE_grant_table: the frame that `index` names (with XENMAPIDX_grant_table_status: a status frame).
long frame_for_physmap(Hypervisor& hv, Domain& d, std::uint64_t index, Mfn& frame);
// XENMEM_resource_grant_table: frames of the table for the toolstack to map; how many, or an error.
long acquire_resource(Hypervisor& hv, Domain& d, unsigned id, std::uint32_t first, std::span<Mfn> frames);

// --- For dom0's model programs: map and unmap with the checks, costs and records of the hypercall.
struct FrameMapping {
  grant_handle_t handle = 0;
  std::uint64_t address = 0;  // in the program's space: its name for unmapping
  Mfn frame;                  // what it reads and writes
};
// A GNTST_* status.
std::int16_t map_frame(Hypervisor& hv, Vcpu& caller, domid_t granter, grant_ref_t ref, bool readonly,
                       FrameMapping& out);
std::int16_t unmap_frame(Hypervisor& hv, Vcpu& caller, const FrameMapping& mapping);
// What the toolstack writes into a domain's table, whose first frame it maps as a resource: entry `ref`, one of
// the reserved ones, lets `domid` use gfn. false: there is no such entry.
bool seed(Hypervisor& hv, Domain& d, grant_ref_t ref, domid_t domid, std::uint64_t gfn);

// --- Life and death.
// The domain dies: its own mappings go. Its grants stay as long as others use them.
void release_mappings(Hypervisor& hv, Domain& d);
// The table of a domain that is gone goes too, when nobody uses its entries any more.
void retire_if_unused(Hypervisor& hv, domid_t domid);
// A domain by its number, those included that are dead but whose frames others still have mapped.
Domain* find_domain(Hypervisor& hv, domid_t domid);

}  // namespace xensim::xen::grant
