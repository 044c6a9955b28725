// memshare: finds pages with equal content in some domains and shares them, as a tool on libxc's xc_memshr_* calls
// does. Xen shares whatever it is told to, so the comparing is done here: by a hash, then byte by byte.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "models/xen/hypervisor.h"

namespace xensim::dom0 {

struct MemoryShareConfig {
  // Time of dom0's own code; what its hypercalls cost is Xen's.
  std::uint32_t hash_cycles = 1500;
  std::uint32_t compare_cycles = 700;
};
void describe(MemoryShareConfig& c, config::Visitor& v);

struct MemoryShareResult {
  std::uint64_t scanned = 0;  // pages that were hashed
  std::uint64_t shared = 0;   // pages that map another's frame now
  std::uint64_t refused = 0;  // pages that Xen would not share (in use by others)
  std::uint64_t cycles = 0;   // of dom0's own code; the caller spends them
  long error = 0;             // 0; -ENOSYS: sharing is off (/xen/mem_sharing); -ESRCH: no such domain; -ENOMEM
  std::string message;        // of the error: what, where, mend
};

// Pauses the domains, compares their memory, shares what is equal, and lets them go on.
MemoryShareResult share_memory(xen::Hypervisor& hypervisor, const MemoryShareConfig& config,
                               const std::vector<domid_t>& domids);

}  // namespace xensim::dom0
