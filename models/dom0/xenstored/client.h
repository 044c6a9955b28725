// Somebody who uses the store: a domain through its ring, a program of dom0 through the socket, or the toolstack
// in the same process. Identity, watches and transactions; how messages come and go is StoreConnection's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/dom0/xenstored/transaction.h"

namespace xensim::dom0 {

// A request whose reply and watch events its client has not taken all; counted against `outstanding`.
struct StoreRequest;

struct StoreWatch {
  std::string path;  // absolute, or special
  std::string token;
  std::size_t relative;  // characters of the path that events leave out
};

class StoreClient {
 public:
  // domid: whose rights it has. ring: it is that domain itself, to which quotas apply; otherwise a tool in dom0.
  StoreClient(unsigned domid, bool ring) : id(domid), is_domain(ring) {}
  virtual ~StoreClient() = default;
  StoreClient(const StoreClient&) = delete;
  StoreClient& operator=(const StoreClient&) = delete;

  // cause: the request that changed the node, if it counts.
  virtual void watch_event(const std::string& path, const std::string& token,
                           const std::shared_ptr<StoreRequest>& cause) = 0;
  // The request in progress, if it counts against a quota.
  virtual std::shared_ptr<StoreRequest> request() { return nullptr; }

  const unsigned id;
  const bool is_domain;
  StoreClient* target = nullptr;  // SET_TARGET: whose rights it has besides
  std::vector<StoreWatch> watches;
  std::map<std::uint32_t, std::unique_ptr<StoreTransaction>> transactions;
  std::uint32_t next_transaction = 0;
  StoreTransaction* transaction = nullptr;  // that the request in progress belongs to
};

}  // namespace xensim::dom0
