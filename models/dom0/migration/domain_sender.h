// The sending side of `xl save` and `xl migrate`: turns a domain into libxl's stream (records.h), a step at a
// time, for a file as for a link. What the order of the steps is, is the caller's affair:
//
//   save:     begin(), suspend the domain, send_all(), send_batch() until round_over(), finish()
//   migrate:  begin(), enable_log_dirty(), send_all(), batches; then send_dirty() and batches, round by round;
//             suspend, send_dirty() and batches once more, finish()
//
// After a failure, abort() and nothing else. Follows xg_sr_save.c and xg_sr_save_x86_hvm.c of Xen 4.17: a round of
// all pages has every frame number up to the highest that was ever mapped, holes as pages without content;
// populate-on-demand frames are populated by it.
//
// Time. Each step charges what Xen's part costs (domctls, look-ups, mappings) to the pCPU that runs the toolstack,
// and returns what libxc itself takes, in cycles, which the caller spends.
#pragma once

#include <cstdint>
#include <vector>

#include "models/dom0/migration/stream_writer.h"
#include "models/xen/hypervisor.h"

namespace xensim::dom0 {

class DomainSender {
 public:
  struct Config {
    std::uint32_t copy_bytes_per_cycle = 4;  // from the domain's pages into the stream
    std::uint32_t tsc_incarnation = 1;       // how often the domain was created and restored
  };
  // The domain exists until finish() or abort(). sink: takes the bytes; what it throws goes through the step.
  DomainSender(xen::Hypervisor& hypervisor, domid_t domid, const Config& config, StreamWriter::Sink sink);

  // libxc has room for its bitmaps; not, if the guest has mapped something very high.
  bool fits() const;
  // Headers of libxl and libxc, CPUID and MSR policy, end of static data.
  Cycles begin();

  // --- Rounds.
  // The next round has all pages.
  void send_all();
  // 0, or a negated errno value.
  long enable_log_dirty();
  // The next round has what was written since log-dirty began, or since the last call. 0, or a negated errno
  // value.
  long send_dirty();
  // One record of PAGE_DATA.
  Cycles send_batch();
  bool round_over() const { return next_ >= frames_; }

  // What the round is about, and how far it is: as libxc's progress messages count.
  std::uint64_t entries() const { return entries_; }
  std::uint64_t written() const { return written_; }
  // Frames that a round of all pages has: one more than the highest that was ever mapped.
  std::uint64_t frames() const { return frames_; }

  // TSC_INFO, HVM_CONTEXT, HVM_PARAMS, END, and libxl's END. The domain has suspended, and the last round is over.
  Cycles finish();
  // Ends log-dirty mode. Also part of finish().
  void abort();

  // Of all rounds.
  std::uint64_t bytes() const { return writer_.bytes(); }
  std::uint64_t pages_sent() const { return pages_sent_; }

 private:
  xen::Domain& domain();
  bool in_round(std::uint64_t pfn) const { return all_ || (dirty_[pfn / 8] >> pfn % 8 & 1); }
  void add_page(std::uint64_t pfn, std::vector<StreamPage>& batch);
  void hypercalls(unsigned n, xen::Path path);
  void cpu_policy();
  void hvm_params();

  xen::Hypervisor& hypervisor_;
  const domid_t domid_;
  const Config config_;
  StreamWriter writer_;
  std::uint64_t frames_ = 0;
  bool all_ = false;
  std::vector<std::uint8_t> dirty_;  // a bit per frame
  std::uint64_t next_ = 0, entries_ = 0, written_ = 0, pages_sent_ = 0;
  std::uint64_t hole_until_ = 0;  // frames from next_ on that are known to be a hole
};

}  // namespace xensim::dom0
