#include "models/dom0/xenstore_daemon.h"

#include <algorithm>

#include "models/dom0/xenstore_ring.h"
#include "models/xen/event/event_channel.h"
#include "sim/base/expects.h"

namespace xensim::dom0 {

using xen::ModelAction;

void describe(XenstoredConfig& c, config::Visitor& v) {
  v(c.stub_domain, {"stub_domain", "", "runs in a domain of its own, which is made before all others", "design"});
  v(c.stub_memory,
    {"stub_memory", "bytes", "RAM of that domain", "design", config::multiple_of(4096, 1 << 20, 1ull << 32)});
  const auto cost = [&](std::uint32_t& value, std::string_view name, std::string_view doc) {
    v(value, {name, "cycles", doc, "uncalibrated", config::between(0, 10'000'000)});
  };
  cost(c.wake_cycles, "wake_cycles", "one return from poll(), with its system calls");
  cost(c.request_cycles, "request_cycles", "one request, without what its bytes cost");
  cost(c.event_cycles, "event_cycles", "one watch event");
  cost(c.cycles_per_byte, "cycles_per_byte", "moving and scanning one byte of a message");
  v(c.limits, {"limits", "", "quotas and the write rate limit", ""});
}

// A tool's connection: bytes that the socket's owner put in, and bytes for it.
class XenstoreDaemon::Socket final : public StoreTransport {
 public:
  Socket(XenstoreDaemon& daemon, std::uint64_t id) : daemon_(daemon), id_(id) {}
  ~Socket() override {
    daemon_.sockets_.erase(id_);
    daemon_.output_.push_back({id_, {}, true});
  }
  bool can_read() override { return !in_.empty() || ended; }
  bool can_write() override { return true; }
  long read(std::span<char> to) override {
    const std::size_t n = std::min(to.size(), in_.size());
    if (n == 0 && !to.empty()) return ended ? -1 : 0;
    in_.copy(to.data(), n);
    in_.erase(0, n);
    return static_cast<long>(n);
  }
  long write(std::span<const char> from) override {
    daemon_.output_.push_back({id_, std::string(from.data(), from.size()), false});
    return static_cast<long>(from.size());
  }
  void put(std::string_view bytes) { in_.append(bytes); }

  bool ended = false;

 private:
  XenstoreDaemon& daemon_;
  const std::uint64_t id_;
  std::string in_;
};

XenstoreDaemon::XenstoreDaemon(xen::Hypervisor& hypervisor, const XenstoredConfig& config, xen::Domain& home)
    : hypervisor_(hypervisor), config_(config), home_(home.domid), server_(config.limits, *this) {
  if (home_ != 0) expects(xen::event::set_global_virq_handler(hypervisor_, home, VIRQ_DOM_EXC) == 0);
  expects(hypervisor_.evtchn_bind_virq(home, VIRQ_DOM_EXC, 0, dom_exc_port_) == 0);
  // What other programs and the socket wake it by: a port that is bound to itself.
  std::uint32_t other = 0;
  expects(hypervisor_.evtchn_alloc_unbound(home, home_, wake_port_) == 0);
  expects(hypervisor_.evtchn_bind_interdomain(home, home_, wake_port_, other) == 0);
  server_.store.privileged_domid = 0;
  server_.connect_dom0();
}

// --- What the store asks of Xen.

StoreDomainFacts XenstoreDaemon::facts(unsigned domid) {
  if (domid >= DOMID_FIRST_RESERVED) return {};
  const auto it = hypervisor_.domains.find(static_cast<domid_t>(domid));
  if (it == hypervisor_.domains.end()) return {};
  return {true, it->second->shutdown.has_value(), it->second->dying};
}

std::unique_ptr<StoreTransport> XenstoreDaemon::connect(unsigned domid, std::uint32_t port, int& error) {
  error = EINVAL;
  if (!facts(domid).exists) return nullptr;
  xen::Domain& home = *hypervisor_.find_domain(home_);
  const auto d = static_cast<domid_t>(domid);
  xen::grant::FrameMapping page;
  if (xen::grant::map_frame(hypervisor_, *home.vcpus[0], d, GNTTAB_RESERVED_XENSTORE, false, page) != GNTST_okay)
    return nullptr;
  std::uint32_t local = 0;
  if (hypervisor_.evtchn_bind_interdomain(home, d, port, local) != 0) {
    xen::grant::unmap_frame(hypervisor_, *home.vcpus[0], page);
    return nullptr;
  }
  error = 0;
  return std::make_unique<XenstoreRing>(hypervisor_, home_, d, page, local);
}

void XenstoreDaemon::rebind(StoreTransport& ring, unsigned domid, std::uint32_t port) {
  auto& r = dynamic_cast<XenstoreRing&>(ring);
  xen::Domain& home = *hypervisor_.find_domain(home_);
  if (r.port() != 0) hypervisor_.evtchn_close(home, r.port());
  std::uint32_t local = 0;
  if (hypervisor_.evtchn_bind_interdomain(home, static_cast<domid_t>(domid), port, local) != 0) local = 0;
  r.bind(local);
}

void XenstoreDaemon::disconnect(StoreTransport& ring) {
  auto& r = dynamic_cast<XenstoreRing&>(ring);
  xen::Domain& home = *hypervisor_.find_domain(home_);
  if (r.port() != 0) hypervisor_.evtchn_close(home, r.port());
  r.bind(0);
  expects(xen::grant::unmap_frame(hypervisor_, *home.vcpus[0], r.page()) == GNTST_okay);
}

// --- What others ask of it.

void XenstoreDaemon::wake() {
  if (xen::Domain* home = hypervisor_.find_domain(home_)) hypervisor_.event_set_pending(*home, wake_port_);
}

void XenstoreDaemon::account(std::uint64_t requests) {
  owed_requests_ += requests;
  toolstack_requests_ += requests;
  wake();
}

int XenstoreDaemon::introduce(domid_t domid, std::uint32_t port) {
  const int e = server_.introduce(domid, port);
  account(1);
  return e;
}

void XenstoreDaemon::socket_open(std::uint64_t id) {
  auto socket = std::make_unique<Socket>(*this, id);
  sockets_[id] = socket.get();
  server_.accept(std::move(socket));
}

void XenstoreDaemon::socket_data(std::uint64_t id, std::string_view bytes) {
  const auto it = sockets_.find(id);
  if (it == sockets_.end()) return;  // xenstored closed it meanwhile
  it->second->put(bytes);
}

void XenstoreDaemon::socket_close(std::uint64_t id) {
  const auto it = sockets_.find(id);
  if (it == sockets_.end()) return;
  it->second->ended = true;
}

std::vector<XenstoreDaemon::Output> XenstoreDaemon::take_output() { return std::exchange(output_, {}); }

// --- The main loop.

// A socket whose other side is gone, or that broke the protocol, is closed.
void XenstoreDaemon::drop_ended() {
  for (auto i = server_.connections.begin(); i != server_.connections.end();) {
    StoreConnection& c = **i++;
    if (!c.is_domain && c.ignored) server_.close(c);
  }
}

bool XenstoreDaemon::take_events(xen::Domain& home) {
  bool any = hypervisor_.model_take_event(home, wake_port_);
  if (hypervisor_.model_take_event(home, dom_exc_port_)) {
    server_.check_domains();
    any = true;
  }
  for (const auto& c : server_.connections)
    if (c->is_domain) any |= hypervisor_.model_take_event(home, dynamic_cast<XenstoreRing&>(*c->transport).port());
  return any;
}

ModelAction XenstoreDaemon::serve(StoreConnection& c) {
  serving_ = false;
  std::uint64_t before = 0, after = 0;
  for (const auto& i : server_.connections) before += i->events_queued;
  server_.serve(c);
  for (const auto& i : server_.connections) after += i->events_queued;
  const std::uint64_t events = after > before ? after - before : 0;
  events_ += events;
  return spend(events * config_.event_cycles);
}

ModelAction XenstoreDaemon::next(xen::Vcpu& vcpu, Cycles now) {
  server_.store.now_ms = hypervisor_.ns(now) / 1'000'000;
  StoreConnection* c = server_.by_serial(cursor_);
  if (serving_) {
    serving_ = false;
    if (c) return serve(*c);
  }
  if (take_events(vcpu.domain)) {
    moved_ = true;
    return spend(config_.wake_cycles);
  }
  if (owed_requests_ > 0) return spend(std::exchange(owed_requests_, 0) * config_.request_cycles);
  for (;;) {
    if (c && sending_) {
      sending_ = false;
      if (c->can_write()) {
        std::uint64_t bytes = 0;
        c->output(bytes);
        moved_ = true;
        return spend(bytes * config_.cycles_per_byte);
      }
    }
    c = server_.next_after(cursor_);
    if (!c) {  // the round is over
      drop_ended();
      cursor_ = 0;
      if (std::exchange(moved_, false)) continue;
      return ModelAction::block(next_deadline());
    }
    cursor_ = c->serial;
    sending_ = true;
    if (!c->can_read()) continue;
    std::uint64_t bytes = 0;
    serving_ = c->input(bytes);
    moved_ = true;
    ModelAction action = spend(bytes * config_.cycles_per_byte + (serving_ ? config_.request_cycles : 0));
    if (c->is_domain) action.touches.push_back(dynamic_cast<XenstoreRing&>(*c->transport).indexes());
    return action;
  }
}

// Watch events that will have waited for too long, and domains that the write rate limit holds back.
Cycles XenstoreDaemon::next_deadline() {
  Cycles deadline = kNever;
  const auto at_ms = [&](std::uint64_t ms) {
    deadline = std::min(deadline, hypervisor_.cycles(Nanoseconds{ms * 1'000'000}));
  };
  for (const auto& c : server_.connections) {
    if (const std::uint64_t ms = c->drop_old_events()) at_ms(ms);
    if (!c->ignored && c->transport->can_read())
      if (const auto ms = server_.store.held_until(*c)) at_ms(*ms);
  }
  return deadline;
}

void XenstoreDaemon::serve_now() {
  if (StoreConnection* c = server_.by_serial(cursor_); c && serving_ && !c->is_domain) {
    serving_ = false;
    server_.serve(*c);
  }
  for (bool moved = true; moved;) {
    moved = false;
    for (std::uint64_t at = 0; StoreConnection* c = server_.next_after(at);) {
      at = c->serial;
      if (c->is_domain) continue;
      std::uint64_t bytes = 0;
      if (c->can_read()) {
        if (c->input(bytes)) server_.serve(*c);
        moved = true;
      }
      c = server_.by_serial(at);
      while (c && c->can_write()) c->output(bytes);
    }
    drop_ended();
  }
}

void XenstoreDaemon::add_stats(stats::Group& g) {
  g.add("requests", "count", "requests served, of rings and the socket", [this] {
    std::uint64_t n = 0;
    for (const std::uint64_t i : server_.served) n += i;
    return n;
  });
  g.add("errors", "count", "requests that got an error", [this] { return server_.errors; });
  g.add("toolstack_requests", "count", "requests of the toolstack", [this] { return toolstack_requests_; });
  g.add("watch_events", "count", "watch events that requests caused", [this] { return events_; });
  g.add("nodes", "count", "nodes in the store", [this] { return std::uint64_t{server_.store.nodes()}; });
  g.add("watches", "count", "watches of all connections", [this] {
    std::uint64_t n = 0;
    for (const auto& c : server_.connections) n += c->watches.size();
    return n;
  });
}

}  // namespace xensim::dom0
