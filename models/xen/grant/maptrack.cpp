#include "models/xen/grant/maptrack.h"

#include <algorithm>

namespace xensim::xen::grant {

Maptrack::FreeList& Maptrack::list(unsigned vcpu) {
  if (vcpu >= lists_.size()) lists_.resize(vcpu + 1);
  return lists_[vcpu];
}

std::optional<grant_handle_t> Maptrack::from_list(unsigned vcpu) {
  FreeList& l = list(vcpu);
  if (l.head == kTail) return std::nullopt;
  const grant_handle_t next = mappings_[l.head].ref;
  if (next == kTail) return std::nullopt;
  const grant_handle_t handle = l.head;
  l.head = next;
  return handle;
}

// Xen begins at a random vCPU; here each search begins at the next one.
std::optional<grant_handle_t> Maptrack::steal(unsigned vcpu, unsigned vcpus) {
  const unsigned first = steals_++ % vcpus;
  for (unsigned i = 0; i < vcpus; ++i)
    if (const auto handle = from_list((first + i) % vcpus)) {
      mappings_[*handle].vcpu = vcpu;
      return handle;
    }
  return std::nullopt;
}

std::optional<grant_handle_t> Maptrack::take(unsigned vcpu, unsigned vcpus) {
  if (const auto handle = from_list(vcpu)) return handle;
  const auto page = frames() < max_frames_ ? frames_.allocate_xen() : std::nullopt;
  if (!page) {
    // A vCPU without a list needs one handle for the end of it.
    if (list(vcpu).tail == kTail) {
      const auto end = steal(vcpu, vcpus);
      if (!end) return std::nullopt;
      mappings_[*end].ref = kTail;
      list(vcpu).tail = *end;
      if (list(vcpu).head == kTail) list(vcpu).head = *end;
    }
    return steal(vcpu, vcpus);
  }
  const grant_handle_t first = limit();
  pages_.push_back(*page);
  mappings_.resize(mappings_.size() + kPerFrame);
  for (unsigned i = 0; i < kPerFrame; ++i) {
    mappings_[first + i].ref = first + i + 1;
    mappings_[first + i].vcpu = vcpu;
  }
  FreeList& l = list(vcpu);
  if (l.tail == kTail) l.tail = first + kPerFrame - 1;
  mappings_[first + kPerFrame - 1].ref = l.head;
  l.head = first + 1;
  return first;
}

void Maptrack::put(grant_handle_t handle) {
  mappings_[handle].ref = kTail;
  FreeList& l = list(mappings_[handle].vcpu);
  mappings_[l.tail].ref = handle;
  l.tail = handle;
}

std::uint64_t Maptrack::in_use() const {
  return static_cast<std::uint64_t>(
      std::count_if(mappings_.begin(), mappings_.end(), [](const Mapping& m) { return m.flags != 0; }));
}

void Maptrack::release_all() {
  for (const Mfn m : pages_) frames_.free_xen(m);
  pages_.clear();
  mappings_.clear();
  lists_.clear();
}

}  // namespace xensim::xen::grant
