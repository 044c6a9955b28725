// The requests of io/xs_wire.h: reads the arguments, calls the store, makes the reply. Also what only xenstored as
// a whole knows: which domains are connected, and what becomes of them.
#pragma once

#include <array>
#include <list>
#include <memory>

#include "models/dom0/xenstored/connection.h"
#include "models/dom0/xenstored/store.h"

namespace xensim::dom0 {

struct StoreDomainFacts {
  bool exists = false, shutdown = false, dying = false;
};

// What xenstored asks of the hypervisor.
class StoreHost {
 public:
  virtual ~StoreHost() = default;
  virtual StoreDomainFacts facts(unsigned domid) = 0;
  // Maps the domain's ring and binds its event channel; null and an errno value: it cannot.
  virtual std::unique_ptr<StoreTransport> connect(unsigned domid, std::uint32_t port, int& error) = 0;
  // Binds the channel anew.
  virtual void rebind(StoreTransport& ring, unsigned domid, std::uint32_t port) = 0;
  // Its connection ends: the channel is closed and the page unmapped.
  virtual void disconnect(StoreTransport&) {}
};

class StoreServer {
 public:
  StoreServer(const StoreConfig& config, StoreHost& host);

  Store store;
  std::list<std::unique_ptr<StoreConnection>> connections;  // in order of arrival

  // A tool's connection.
  StoreConnection& accept(std::unique_ptr<StoreTransport> transport);
  void close(StoreConnection& c);
  // The domain that owns the machine (0) is connected from the start; its kernel's ring is optional.
  void connect_dom0();
  // Serves the whole message in c.in. May remove connections, c among them.
  void serve(StoreConnection& c);
  // VIRQ_DOM_EXC: looks at all domains.
  void check_domains();
  StoreConnection* connection_of(unsigned domid);
  // The first that came after the one with this number; null: none did.
  StoreConnection* next_after(std::uint64_t serial);
  StoreConnection* by_serial(std::uint64_t serial);

  // INTRODUCE and RELEASE, also for the toolstack in the same process.
  int introduce(unsigned domid, std::uint32_t port);
  int release(unsigned domid);
  int resume(unsigned domid);
  // The first has the rights of the second besides its own.
  int set_target(unsigned domid, unsigned target);

  // Requests served, by type; unknown types are counted in the last.
  std::array<std::uint64_t, 24> served{};
  std::uint64_t errors = 0;

 private:
  using Handler = int (StoreServer::*)(StoreConnection&);
  struct Request {
    Handler handler = nullptr;
    bool any_transaction = false;  // its transaction is not looked at
    bool privileged = false;
  };
  static const std::array<Request, 23>& requests();

  int read(StoreConnection& c);
  int directory(StoreConnection& c);
  int directory_part(StoreConnection& c);
  int get_permissions(StoreConnection& c);
  int set_permissions(StoreConnection& c);
  int write(StoreConnection& c);
  int make_directory(StoreConnection& c);
  int remove(StoreConnection& c);
  int watch(StoreConnection& c);
  int unwatch(StoreConnection& c);
  int reset_watches(StoreConnection& c);
  int transaction_start(StoreConnection& c);
  int transaction_end(StoreConnection& c);
  int introduce(StoreConnection& c);
  int release(StoreConnection& c);
  int resume(StoreConnection& c);
  int set_target(StoreConnection& c);
  int get_domain_path(StoreConnection& c);
  int is_domain_introduced(StoreConnection& c);
  int control(StoreConnection& c);
  int control_quota(StoreConnection& c, const std::vector<std::string>& arguments);
  int control_quota_soft(StoreConnection& c, const std::vector<std::string>& arguments);

  StoreConnection& connect(std::unique_ptr<StoreTransport> transport, unsigned domid, bool ring);

  StoreHost& host_;
  std::uint64_t last_serial_ = 0;
  bool gone_ = false;  // the connection that is served was removed
};

}  // namespace xensim::dom0
