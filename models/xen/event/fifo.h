// The FIFO event-channel ABI (public/event_channel.h, "FIFO-based event channel ABI"; Xen's common/event_fifo.c).
//
// How it works. An event word per port, in an array of up to 128 pages that the guest adds one by one
// (EVTCHNOP_expand_array): PENDING, MASKED, LINKED, BUSY and, in 17 bits, LINK. Each vCPU has a control block
// (EVTCHNOP_init_control) with 16 queue heads, one per priority, and a word that says which queues have become
// non-empty. A queue is a list of ports through their words' LINK. Xen appends at the tail; the guest takes from
// the head and clears LINKED.
//
// Order rules.
//   - A port is pending first, then linked, then its queue is said ready, then the vCPU is told.
//   - A port that is LINKED stays where it is until the guest has taken it: a new priority or vCPU counts from its
//     next event on. A free port that is still LINKED is not given out again.
//   - An event for a port that has no word yet is kept with the port and raised when its page is added. One for a
//     vCPU without a control block is lost: the guest must not unmask ports of such a vCPU.
//
// What Xen trusts of the guest's words: nothing. It reads the word of the port and that of the tail, which are its
// own numbers; it never follows a LINK. Each is changed in one atomic step, for no guest code runs in between (Xen
// on a real machine tries at most five times, BUSY set after the first). The worst that a guest can do with its
// words is to lose or repeat its own events.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "models/xen/event/abi.h"
#include "models/xen/path_cost.h"
#include "models/xen/public.h"

namespace xensim::xen {
class Hypervisor;
struct Domain;
}  // namespace xensim::xen

namespace xensim::xen::event {

class Fifo final : public Abi {
 public:
  static constexpr std::uint32_t kWordsPerPage = kPageSize / sizeof(event_word_t),
                                 kMaxPages = EVTCHN_FIFO_NR_CHANNELS / kWordsPerPage;

  Fifo(Hypervisor& hypervisor, Domain& domain);
  // Lets go of the guest's pages.
  ~Fifo() override;
  Fifo(const Fifo&) = delete;
  Fifo& operator=(const Fifo&) = delete;

  // EVTCHNOP_init_control and _expand_array, after the checks of their arguments' form.
  long map_control_block(unsigned vcpu, std::uint64_t gfn, std::uint32_t offset);
  long add_page(std::uint64_t gfn);
  // Ports that have words.
  std::uint32_t words() const { return static_cast<std::uint32_t>(pages_.size()) * kWordsPerPage; }

  std::uint32_t max_ports() const override { return EVTCHN_FIFO_NR_CHANNELS; }
  void bound(std::uint32_t port) override;
  void set_pending(Vcpu& v, std::uint32_t port) override;
  void clear_pending(std::uint32_t port) override;
  void unmask(std::uint32_t port) override;
  bool pending(std::uint32_t port) const override;
  bool masked(std::uint32_t port) const override;
  bool busy(std::uint32_t port) const override;
  long set_priority(std::uint32_t port, std::uint32_t priority) override;
  std::string state_text(std::uint32_t port) const override;

 private:
  struct Queue {
    std::uint32_t tail = 0;  // 0: empty
    SpinLock lock;
  };
  struct VcpuQueues {
    std::optional<PhysAddr> control_block;
    std::array<Queue, EVTCHN_FIFO_MAX_QUEUES> queues;
    bool complained = false;
  };

  // A reference to the frame at gfn, if it is RAM of the domain.
  std::optional<Mfn> take_page(std::uint64_t gfn);
  void complain_of_lost_event(const Vcpu& v, VcpuQueues& queues);
  // The port's word; nullopt: the guest has not given a page for it yet.
  std::optional<PhysAddr> word_of(std::uint32_t port) const;
  bool bit(std::uint32_t port, unsigned which, bool without_word) const;
  // Puts the port at the end of the queue; true: the queue was empty.
  bool append(Queue& queue, PhysAddr head, std::uint32_t port);

  Hypervisor& hypervisor_;
  Domain& domain_;
  std::vector<Mfn> pages_;
  std::vector<VcpuQueues> vcpus_;
};

}  // namespace xensim::xen::event
