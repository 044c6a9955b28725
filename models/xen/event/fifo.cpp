#include "models/xen/event/fifo.h"

#include <algorithm>
#include <utility>

#include "models/xen/event/upcall.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen::event {

namespace {

constexpr std::uint32_t kLinked = 1u << EVTCHN_FIFO_LINKED, kBusy = 1u << EVTCHN_FIFO_BUSY;
constexpr unsigned kReady = offsetof(evtchn_fifo_control_block_t, ready),
                   kHead = offsetof(evtchn_fifo_control_block_t, head);

// Makes `link` the word's LINK if the word is LINKED, and takes BUSY away. false: it is not LINKED (any more).
bool set_link(memory::PhysicalMemory& m, Domain& d, PhysAddr word, std::uint32_t link) {
  const auto old = m.read<std::uint32_t>(word);
  if (!(old & kLinked)) return false;
  m.write<std::uint32_t>(word, (old & ~(kBusy | EVTCHN_FIFO_LINK_MASK)) | link);
  log_dirty::mark_frame(d, mfn_of(word));
  return true;
}

}  // namespace

Fifo::Fifo(Hypervisor& hypervisor, Domain& domain)
    : hypervisor_(hypervisor), domain_(domain), vcpus_(domain.vcpus.size()) {}

Fifo::~Fifo() {
  for (const Mfn m : pages_) hypervisor_.frames.put_page(m);
  for (const VcpuQueues& v : vcpus_)
    if (v.control_block) hypervisor_.frames.put_page(mfn_of(*v.control_block));
}

std::optional<Mfn> Fifo::take_page(std::uint64_t gfn) {
  const auto frame = hypervisor_.ram_frame(domain_, gfn);
  if (!frame || !hypervisor_.frames.get_page(*frame, domain_.domid)) return std::nullopt;
  return frame;
}

long Fifo::map_control_block(unsigned vcpu, std::uint64_t gfn, std::uint32_t offset) {
  if (vcpus_[vcpu].control_block) return -kEinval;
  const auto frame = take_page(gfn);
  if (!frame) return -kEinval;
  vcpus_[vcpu].control_block = address_of(*frame) + offset;
  return 0;
}

long Fifo::add_page(std::uint64_t gfn) {
  if (pages_.size() == kMaxPages) return -kEnospc;
  const auto frame = take_page(gfn);
  if (!frame) return -kEinval;
  pages_.push_back(*frame);
  const auto& ports = domain_.events.ports;
  const auto end = std::min(words(), static_cast<std::uint32_t>(ports.size()));
  // Xen never forgets that a port had an event before its word: what is raised here may be of its last binding.
  for (std::uint32_t port = words() - kWordsPerPage; port < end; ++port)
    if (ports[port].pending) set_pending(*domain_.vcpus[ports[port].notify_vcpu], port);
  return 0;
}

std::optional<PhysAddr> Fifo::word_of(std::uint32_t port) const {
  if (port >= words()) return std::nullopt;
  return address_of(pages_[port / kWordsPerPage]) + port % kWordsPerPage * sizeof(event_word_t);
}

bool Fifo::bit(std::uint32_t port, unsigned which, bool without_word) const {
  const auto word = word_of(port);
  return word ? test_bit(hypervisor_.memory, *word, which) : without_word;
}

bool Fifo::pending(std::uint32_t port) const { return bit(port, EVTCHN_FIFO_PENDING, false); }
bool Fifo::masked(std::uint32_t port) const { return bit(port, EVTCHN_FIFO_MASKED, true); }
bool Fifo::busy(std::uint32_t port) const { return bit(port, EVTCHN_FIFO_LINKED, false); }

void Fifo::bound(std::uint32_t port) { domain_.events.ports[port].priority = EVTCHN_FIFO_PRIORITY_DEFAULT; }

void Fifo::clear_pending(std::uint32_t port) {
  // The guest takes the port off its queue and finds that it is not pending.
  if (const auto word = word_of(port)) clear_bit(hypervisor_, domain_, *word, EVTCHN_FIFO_PENDING);
}

void Fifo::unmask(std::uint32_t port) {
  const auto word = word_of(port);
  if (!word) return;
  clear_bit(hypervisor_, domain_, *word, EVTCHN_FIFO_MASKED);
  if (test_bit(hypervisor_.memory, *word, EVTCHN_FIFO_PENDING))
    set_pending(*domain_.vcpus[domain_.events.ports[port].notify_vcpu], port);
}

long Fifo::set_priority(std::uint32_t port, std::uint32_t priority) {
  if (priority > EVTCHN_FIFO_PRIORITY_MIN) return -kEinval;
  domain_.events.ports[port].priority = static_cast<std::uint8_t>(priority);
  return 0;
}

bool Fifo::append(Queue& queue, PhysAddr head, std::uint32_t port) {
  memory::PhysicalMemory& m = hypervisor_.memory;
  bool linked = false;
  if (queue.tail != 0) {
    const auto tail = word_of(queue.tail);
    linked = tail && set_link(m, domain_, *tail, port);
  }
  if (!linked) {
    m.write<std::uint32_t>(head, port);
    log_dirty::mark_frame(domain_, mfn_of(head));
  }
  queue.tail = port;
  return !linked;
}

void Fifo::complain_of_lost_event(const Vcpu& v, VcpuQueues& queues) {
  if (std::exchange(queues.complained, true)) return;  // a guest can do this as often as it likes
  hypervisor_.log.push_back("(XEN) d" + std::to_string(domain_.domid) + "v" + std::to_string(v.id) +
                            " has no FIFO event channel control block");
}

void Fifo::set_pending(Vcpu& v, std::uint32_t port) {
  memory::PhysicalMemory& m = hypervisor_.memory;
  cpu::Pcpu& p = *hypervisor_.here().pcpu;
  Port& channel = domain_.events.ports[port];
  const auto word = word_of(port);
  if (!word) {
    channel.pending = true;
    return;
  }
  VcpuQueues& own = vcpus_[v.id];
  Queue& queue = own.queues[channel.priority];
  Queue& old = vcpus_[channel.last_vcpu].queues[channel.last_priority];
  queue.lock.acquire(hypervisor_.cost, p);
  if (&old != &queue) old.lock.acquire(hypervisor_.cost, p);
  const auto unlock = [&] {
    if (&old != &queue) old.lock.release(p);
    queue.lock.release(p);
  };
  if (!own.control_block) {
    unlock();
    complain_of_lost_event(v, own);
    return;
  }
  const PhysAddr head = *own.control_block + kHead + channel.priority * sizeof(event_word_t);
  const bool news = !set_bit(hypervisor_, domain_, *word, EVTCHN_FIFO_PENDING);
  bool first = false;
  if (!test_bit(m, *word, EVTCHN_FIFO_MASKED) && !set_bit(hypervisor_, domain_, *word, EVTCHN_FIFO_LINKED)) {
    const PhysAddr written[] = {*word, head, word_of(queue.tail).value_or(*word)};
    hypervisor_.cost.charge(p, Path::kEventFifoDeliver, {}, written);
    // It was taken off the old queue. If it was that queue's tail, the queue is empty.
    if (old.tail == port) old.tail = 0;
    channel.last_vcpu = static_cast<std::uint16_t>(v.id);
    channel.last_priority = channel.priority;
    first = append(queue, head, port);
  }
  unlock();
  if (first && !set_bit(hypervisor_, domain_, *own.control_block + kReady, channel.priority))
    mark_events_pending(hypervisor_, v, port);
  if (news) check_pollers(hypervisor_, domain_, port);
}

std::string Fifo::state_text(std::uint32_t port) const {
  const auto word = word_of(port);
  if (!word) return "?     ";
  const auto w = hypervisor_.memory.read<std::uint32_t>(*word);
  std::string out = w & kBusy ? "B " : "  ";
  out += w & kLinked ? std::to_string(w & EVTCHN_FIFO_LINK_MASK) : "-";
  out.resize(std::max<std::size_t>(out.size(), 6), ' ');
  return out;
}

}  // namespace xensim::xen::event
