// memshare: finds pages with equal content in domains and shares them, as a tool on libxc's xc_memshr_* calls
// does. Xen shares whatever it is told to, so the comparing is done here: by a hash, then byte by byte. As a
// program of dom0's it looks at all domains again and again; Xen has no such daemon, and without `period` there is
// none here.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "models/xen/domain/model_program.h"
#include "models/xen/hypervisor.h"

namespace xensim::dom0 {

struct MemoryShareConfig {
  std::uint64_t period = 0;  // ns from one look at all domains to the next; 0: the daemon does not run
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

// Looks at all domains, period after period. What could not be shared for want of memory is tried again.
class MemoryShareDaemon final : public xen::ModelProgram {
 public:
  MemoryShareDaemon(xen::Hypervisor& hypervisor, const MemoryShareConfig& config)
      : hypervisor_(hypervisor), config_(config) {}

  std::string_view name() const override { return "memshare"; }
  xen::ModelAction next(xen::Vcpu& vcpu, Cycles now) override;

 private:
  xen::Hypervisor& hypervisor_;
  const MemoryShareConfig config_;
  Cycles due_ = 0;
};

}  // namespace xensim::dom0
