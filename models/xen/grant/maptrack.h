// The handles of a domain's mappings of other domains' grants (struct grant_mapping of Xen's
// common/grant_table.c).
//
// A page of 256 handles is added when a vCPU has no free one, up to a limit; each vCPU has a list of free handles
// of its own, is given the first and puts handles back at the end. One handle always stays on a list. At the
// limit, a vCPU takes handles from the lists of others.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/xen/mm/frame_table.h"
#include "models/xen/public.h"

namespace xensim::xen::grant {

struct Mapping {
  grant_ref_t ref = 0;      // of a free handle: the next free one
  std::uint16_t flags = 0;  // GNTMAP_*; 0: free
  domid_t domid = 0;        // the granter
  std::uint32_t vcpu = 0;   // on whose list it is when free
};

class Maptrack {
 public:
  static constexpr unsigned kPerFrame = 256;

  Maptrack(FrameTable& frames, unsigned max_frames) : frames_(frames), max_frames_(max_frames) {}
  ~Maptrack() { release_all(); }
  Maptrack(const Maptrack&) = delete;
  Maptrack& operator=(const Maptrack&) = delete;

  // A free handle; nullopt at the limit, or when Xen has no memory.
  std::optional<grant_handle_t> take(unsigned vcpu, unsigned vcpus);
  // Gives a handle back, its flags being 0 already.
  void put(grant_handle_t handle);

  std::uint32_t limit() const { return static_cast<std::uint32_t>(mappings_.size()); }
  Mapping& at(grant_handle_t handle) { return mappings_[handle]; }
  const Mapping& at(grant_handle_t handle) const { return mappings_[handle]; }
  PhysAddr address(grant_handle_t handle) const {
    return address_of(pages_[handle / kPerFrame]) + 16 * (handle % kPerFrame);
  }
  unsigned frames() const { return static_cast<unsigned>(pages_.size()); }
  unsigned max_frames() const { return max_frames_; }
  std::uint64_t in_use() const;
  // Gives all pages back; nothing is mapped any more.
  void release_all();

 private:
  static constexpr grant_handle_t kTail = ~0u;
  struct FreeList {
    grant_handle_t head = kTail, tail = kTail;
  };
  FreeList& list(unsigned vcpu);
  std::optional<grant_handle_t> from_list(unsigned vcpu);
  std::optional<grant_handle_t> steal(unsigned vcpu, unsigned vcpus);

  FrameTable& frames_;
  unsigned max_frames_;
  std::vector<Mapping> mappings_;
  std::vector<Mfn> pages_;  // where Xen has them
  std::vector<FreeList> lists_;
  unsigned steals_ = 0;
};

}  // namespace xensim::xen::grant
