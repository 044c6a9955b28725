// The receiving side of `xl restore` and `xl migrate`: fills a new, empty domain from libxl's stream, whose bytes
// come piece by piece (StreamReader). Follows libxl_stream_read.c, xg_sr_restore.c and xg_sr_restore_x86_hvm.c of
// Xen 4.17: memory is populated in pages of 4 KiB as they come; the ring of the store is cleared, that of the
// console too; parameters and the vCPUs' state come last. Ports, grants and the store's entries are the
// toolstack's (connect_domain()).
//
// The stream is somebody else's. What is wrong with it ends in kFailed, with libxl's and libxc's messages; what
// was made of the domain so far is for the caller to destroy.
#pragma once

#include <cstdint>
#include <vector>

#include "models/dom0/migration/stream_reader.h"
#include "models/dom0/xl/output.h"
#include "models/xen/hypervisor.h"

namespace xensim::dom0 {

class DomainReceiver {
 public:
  // The domain was created and has neither memory nor run; it exists until the end, or next() fails. in: after
  // xl's header. out: where libxl's complaints go.
  DomainReceiver(xen::Hypervisor& hypervisor, domid_t domid, std::uint32_t copy_bytes_per_cycle, StreamReader& in,
                 xl::Output& out)
      : hypervisor_(hypervisor), domid_(domid), copy_bytes_per_cycle_(copy_bytes_per_cycle), in_(in), out_(out) {}

  enum class State : std::uint8_t {
    kMore,    // took something, call again
    kWaits,   // more bytes are needed
    kDone,    // the domain is whole
    kFailed,  // out says why
  };
  // Takes the next record. cycles: what libxc itself took for it; Xen's part is charged.
  State next(Cycles& cycles);

  // The saved domain's, plus one.
  std::uint32_t tsc_incarnation() const { return tsc_incarnation_; }
  std::uint64_t pages_received() const { return pages_received_; }

 private:
  enum class Step : std::uint8_t { kLibxlHeader, kLibxlRecord, kLibxcHeader, kLibxcRecord, kDone };

  xen::Domain& domain();
  State step(Cycles& cycles);
  void setup(const StreamReader::LibxcHeader& header);
  void record(const StreamReader::LibxcItem& item, Cycles& cycles);
  void page_data(std::span<const std::uint8_t> body, Cycles& cycles);
  void populate(const std::vector<StreamPage>& pages);
  void static_data_end();
  void cpuid_policy();
  void msr_policy();
  void tsc_info(std::span<const std::uint8_t> body);
  void hvm_params(std::span<const std::uint8_t> body);
  void stream_complete();
  void hypercalls(std::uint64_t n, xen::Path path);

  xen::Hypervisor& hypervisor_;
  const domid_t domid_;
  const std::uint32_t copy_bytes_per_cycle_;
  StreamReader& in_;
  xl::Output& out_;
  Step step_ = Step::kLibxlHeader;
  bool in_libxc_ = false, restoring_ = false;
  bool static_data_ended_ = false, verify_ = false;
  std::vector<std::uint8_t> cpuid_, msrs_, context_;
  std::uint32_t tsc_incarnation_ = 1;
  std::uint64_t pages_received_ = 0;
};

}  // namespace xensim::dom0
