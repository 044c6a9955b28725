// Page sharing: frames with equal content are one frame, read-only in every p2m that maps it, until a guest writes
// (copy-on-write).
//
// A tool nominates a page: its frame then belongs to DOMID_COW, and the page has the type kRamShared and a handle.
// Two nominated pages are shared by their handles: the client's page maps the source's frame, and the client's own
// is freed. Xen does not compare contents; that is the tool's (models/dom0/memory_share.h). A write unshares: the
// last user gets the frame back, any other gets a copy, or -ENOMEM.
//
// Order of checks and error codes: Xen 4.17, arch/x86/mm/mem_sharing.c. For __HYPERVISOR_memory_op: sharing_op()
// is XENMEM_sharing_op. For XEN_DOMCTL_mem_sharing_op: control().
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "models/xen/public.h"
#include "sim/base/types.h"

namespace xensim::xen {

class Hypervisor;
struct Arguments;
struct Domain;
struct Vcpu;

// What FrameTable says of a shared frame's place.
inline constexpr std::uint64_t kSharedGfn = ~std::uint64_t{0} - 1;  // SHARED_M2P_ENTRY

class Sharing {
 public:
  explicit Sharing(Hypervisor& hypervisor) : hypervisor_(hypervisor) {}
  Sharing(const Sharing&) = delete;
  Sharing& operator=(const Sharing&) = delete;

  // XEN_DOMCTL_MEM_SHARING_CONTROL; also what the first operation on a domain does.
  long control(Domain& d, bool enable);
  // Makes a page sharable: 0 and its handle; -EINVAL: not plain memory; -E2BIG: somebody else uses the frame;
  // -ENOMEM.
  long nominate(Domain& d, Gfn gfn, std::uint64_t& handle);
  // The client's page becomes the source's: 0, or XENMEM_SHARING_OP_S_HANDLE_INVALID or _C_.
  long share(Domain& source, Gfn source_gfn, std::uint64_t source_handle, Domain& client, Gfn client_gfn,
             std::uint64_t client_handle);
  // Maps a nominated page where the client has nothing.
  long add_to_physmap(Domain& source, Gfn source_gfn, std::uint64_t source_handle, Domain& client, Gfn client_gfn);
  // Shares equal gfns of two paused domains, [next, last]; next moves on. 1: to be continued.
  long range_share(Domain& source, Domain& client, std::uint64_t& next, std::uint64_t last);
  // How many pages share the frame of this one; -EINVAL if it is not shared.
  long references(Domain& d, Gfn gfn) const;
  // How many inconsistencies there are.
  long audit() const;

  // Gives the page a frame of its own: 0, also if it has one already; -ENOMEM.
  long unshare(Domain& d, Gfn gfn);
  // unshare() for an access of the domain's current vCPU, or of Xen's on its behalf; a failure is reported to the
  // helper in dom0 (mem_sharing_notify_enomem).
  bool unshare_for_access(Domain& d, Gfn gfn);
  // Drops the domain's part of a shared page, which goes from its p2m.
  void drop(Domain& d, Gfn gfn);
  // The domain dies.
  void relinquish(Domain& d);

  // XENMEM_get_sharing_shared_pages and _freed_pages: frames that are shared, and frames that sharing saves.
  std::uint64_t shared_frames() const { return frames_.size(); }
  std::uint64_t saved_frames() const { return saved_; }

  // XENMEM_sharing_op of a guest.
  long sharing_op(Vcpu& v, const Arguments& args);

  struct Stats {
    std::uint64_t nominated = 0, shared = 0, unshared_by_copy = 0, unshared_last = 0, failed = 0;
  };
  const Stats& stats() const { return stats_; }

 private:
  using Place = std::pair<domid_t, std::uint64_t>;
  struct Frame {
    std::uint64_t handle = 0;
    std::set<Place> places;  // who maps it: (domid, gfn)
  };
  Frame* grab(Mfn m);
  bool in_use_by_xen(const Domain& d, Mfn m) const;
  void forget_place(Domain& d, Gfn gfn, Mfn m);
  long execute(Domain& caller, Domain& d, xen_mem_sharing_op& op);
  long execute_pair(Domain& caller, Domain& d, xen_mem_sharing_op& op);
  long execute_range(Domain& caller, Domain& d, xen_mem_sharing_op& op);
  Domain* client_of(Domain& caller, domid_t domid, long& error);

  Hypervisor& hypervisor_;
  std::map<Mfn, Frame> frames_;
  std::uint64_t next_handle_ = 1, saved_ = 0;
  Stats stats_;
};

}  // namespace xensim::xen
