// xenstored as a model program, in dom0 or in a stub domain of its own: the main loop of the daemon, on that
// domain's CPU time. In each round it looks at every connection in the order in which they came: takes what has
// come in, serves the request if it is whole, and sends what is waiting. It blocks when a round moved nothing.
//
// Time. A wake costs wake_cycles; what a connection brought costs cycles_per_byte, and a whole request
// request_cycles before it is served; each watch event costs event_cycles. Xen's part, an EVTCHNOP_send after each
// piece that is moved, costs what Xen's path costs.
//
// Tools of dom0 come through a socket: their bytes are put in by socket_*(), at points in simulated time that the
// caller records (models/machine/xenstore_socket.h), and what is sent to them is taken by whoever owns the socket.
// The toolstack of dom0 calls the store directly, as a client with the rights of domain 0; what its requests would
// have cost xenstored is added by account().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "models/dom0/xenstored/protocol.h"
#include "models/xen/domain/model_program.h"
#include "models/xen/hypervisor.h"
#include "sim/stats/stats.h"

namespace xensim::dom0 {

struct XenstoredConfig {
  bool stub_domain = false;
  std::uint64_t stub_memory = 32 << 20;
  std::uint32_t wake_cycles = 5'000;
  std::uint32_t request_cycles = 6'000;
  std::uint32_t event_cycles = 800;
  std::uint32_t cycles_per_byte = 4;
  StoreConfig limits;
};
void describe(XenstoredConfig& c, config::Visitor& v);

class XenstoreDaemon final : public xen::ModelProgram, private StoreHost {
 public:
  // home: the domain whose vCPU runs it. Binds VIRQ_DOM_EXC there.
  XenstoreDaemon(xen::Hypervisor& hypervisor, const XenstoredConfig& config, xen::Domain& home);

  std::string_view name() const override { return "xenstored"; }
  xen::ModelAction next(xen::Vcpu& vcpu, Cycles now) override;

  Store& store() { return server_.store; }
  StoreServer& server() { return server_; }
  domid_t home() const { return home_; }
  const XenstoredConfig& config() const { return config_; }

  // --- The toolstack. Its requests are done; xenstored spends the time for them when it runs next.
  void account(std::uint64_t requests);
  // INTRODUCE: the ring that the toolstack granted, and the port that it left for xenstored. 0 or an errno value.
  int introduce(domid_t domid, std::uint32_t port);

  // --- The socket. Connections are named by the caller, who calls wake() when the daemon is to look at what came.
  void wake();
  void socket_open(std::uint64_t id);
  void socket_data(std::uint64_t id, std::string_view bytes);
  void socket_close(std::uint64_t id);
  // What is to be sent since the last call; closed: xenstored ended the connection.
  struct Output {
    std::uint64_t id;
    std::string bytes;
    bool closed;
  };
  std::vector<Output> take_output();
  // The simulation stands still: serves all that can be served, at no cost.
  void serve_now();

  void add_stats(stats::Group& group);

 private:
  class Socket;

  StoreDomainFacts facts(unsigned domid) override;
  std::unique_ptr<StoreTransport> connect(unsigned domid, std::uint32_t port, int& error) override;
  void rebind(StoreTransport& ring, unsigned domid, std::uint32_t port) override;
  void disconnect(StoreTransport& ring) override;

  bool take_events(xen::Domain& home);
  xen::ModelAction spend(Cycles n) { return xen::ModelAction::spend(n > 0 ? n : 1); }
  xen::ModelAction serve(StoreConnection& c);
  Cycles next_deadline();
  void drop_ended();

  xen::Hypervisor& hypervisor_;
  const XenstoredConfig config_;
  const domid_t home_;
  std::map<std::uint64_t, Socket*> sockets_;  // by the caller's name
  std::vector<Output> output_;
  StoreServer server_;  // after what its sockets refer to
  std::uint32_t dom_exc_port_ = 0, wake_port_ = 0;
  // Where the main loop is.
  std::uint64_t cursor_ = 0;  // the connection whose turn it was last
  bool sending_ = false;      // its input is done, its output is next
  bool serving_ = false;      // its request is whole, and paid for
  bool moved_ = false;        // in this round
  std::uint64_t owed_requests_ = 0, toolstack_requests_ = 0;
  std::uint64_t events_ = 0;
};

}  // namespace xensim::dom0
