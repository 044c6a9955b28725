// The store: a tree of nodes with permissions, watches, transactions and quotas, as C xenstored of Xen 4.17 keeps
// it. Pure data and operations: no message format (protocol.h), no ring, no hypervisor. Deterministic: children
// and clients have the order in which they came, all else is ordered by key.
//
// Operations return 0 or an errno value, in the order of checks of xenstored. A client's `transaction` says
// whether an operation belongs to one.
//
// Conflicts. Every write of a node, and every start of a transaction, takes the next number of one count, the
// generation. A transaction remembers the generation of each node that it reads; at its end all of them must be
// what they were. Nodes that it only wrote need not be unchanged.
#pragma once

#include <cerrno>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/dom0/xenstored/client.h"
#include "models/dom0/xenstored/config.h"
#include "models/dom0/xenstored/node.h"
#include "models/dom0/xenstored/rate_limit.h"

namespace xensim::dom0 {

// What the store keeps per domain that owns a node, is named in permissions, or was introduced.
struct StoreDomain {
  unsigned domid = 0;
  std::uint64_t generation = 0;  // of the store when the domain became known: older nodes do not mean it
  bool introduced = false;
  bool shutdown = false;  // @releaseDomain has been sent for its shutdown
  std::int64_t entries = 0, memory = 0;
  std::uint32_t watches = 0, outstanding = 0;
  WriteCredit credit;
};

struct StoreRequest {
  StoreRequest(class Store& s, unsigned d);
  ~StoreRequest();
  StoreRequest(const StoreRequest&) = delete;
  StoreRequest& operator=(const StoreRequest&) = delete;
  Store& store;
  const unsigned domid;
};

class Store {
 public:
  // exists: whether Xen knows a domain.
  Store(const StoreConfig& config, std::function<bool(unsigned domid)> exists);

  StoreConfig config;  // quotas can be changed at run time
  std::uint64_t now_ms = 0;
  unsigned privileged_domid = 0;  // besides domain 0

  // --- Clients, in order of arrival. A client that goes takes watches and transactions with it.
  void add(StoreClient& c);
  void remove(StoreClient& c);
  void reset(StoreClient& c);  // RESET_WATCHES: watches and transactions
  bool unprivileged(const StoreClient& c) const { return c.is_domain && c.id != 0 && c.id != privileged_domid; }

  // --- Nodes. Relative paths are below the client's /local/domain/N.
  int read(StoreClient& c, const std::string& path, std::string& value);
  int directory(StoreClient& c, const std::string& path, std::string& children, std::uint64_t& generation);
  int write(StoreClient& c, const std::string& path, std::string_view value);
  int make_directory(StoreClient& c, const std::string& path);
  int remove(StoreClient& c, const std::string& path);
  int get_permissions(StoreClient& c, const std::string& path, StorePermissions& permissions);
  int set_permissions(StoreClient& c, const std::string& path, StorePermissions permissions);

  // --- Watches.
  int watch(StoreClient& c, const std::string& path, const std::string& token);
  // The event that a new watch gets at once.
  void fire_first(StoreClient& c);
  int unwatch(StoreClient& c, const std::string& path, const std::string& token);

  // --- Transactions.
  int start_transaction(StoreClient& c, std::uint32_t& id);
  // nullptr and found false: no such transaction of this client. id 0: none meant.
  StoreTransaction* find_transaction(StoreClient& c, std::uint32_t id, bool& found);
  // Ends c.transaction.
  int end_transaction(StoreClient& c, bool commit);

  // --- Domains.
  StoreDomain* find_domain(unsigned domid);
  StoreDomain& introduce(unsigned domid);
  // The domain is gone for the store: its nodes are removed, and @releaseDomain fires if it was introduced. Its
  // client must have been removed.
  void forget_domain(unsigned domid);
  std::map<unsigned, StoreDomain>& domains() { return domains_; }
  void fire_special(const std::string& name) { fire(nullptr, name, nullptr, true, nullptr); }
  // false: the domain's memory quota would be exceeded, and nothing was added.
  bool add_memory(unsigned domid, std::int64_t bytes, bool check);
  // The domain may send requests: it is within its quotas and the write rate.
  bool may_request(const StoreClient& c);
  // When a domain that the write rate limit holds back may go on, in ms; nullopt: it is not held back by that.
  std::optional<std::uint64_t> held_until(const StoreClient& c);

  std::size_t nodes() const { return nodes_.size(); }
  // Without the root and its children: the toolstack leaves /vm and /libxl behind, once they are there.
  std::size_t deep_nodes() const;
  std::size_t open_transactions() const { return open_transactions_; }
  std::uint64_t generation() const { return generation_; }
  // Invariants, for tests and CONTROL check: each child has a node, each node is its parent's child, counts agree.
  std::string check() const;

 private:
  enum class Access : std::uint8_t { kRead, kWrite, kDelete };

  std::string canonical(const StoreClient& c, const std::string& path) const;
  int read_node(StoreClient* c, const std::string& path, StoreNode& out);
  int get_node(StoreClient& c, const std::string& path, std::uint8_t access, StoreNode& out);
  int access(StoreClient& c, const std::string& path, StoreNode& node, Access type, AccessedNode*& entry);
  int write_node(StoreClient* c, const std::string& path, StoreNode node, bool check_quota);
  bool put(std::map<std::string, StoreNode, std::less<>>::iterator at, const std::string& path, StoreNode node,
           bool check_quota);
  int create_node(StoreClient& c, const std::string& path, std::string_view value, StoreNode& out);
  int undo_create(StoreClient& c, const std::vector<std::pair<std::string, StoreNode>>& created, std::size_t n,
                  int error);
  int remove_node(StoreClient* c, const std::string& path);
  int remove_tree(StoreClient* c, const std::string& path, const std::string& top);
  int delete_node(StoreClient* c, const std::string& path, StoreNode& node);
  void remove_owned(const std::string& path, StoreDomain& d);
  int hidden(StoreClient& c, const std::string& path, int error, std::uint8_t access);
  std::uint8_t access_of(const StoreClient& c, const StorePermissions& permissions) const;
  void ignore_younger(StoreNode& node) const;

  void fire(StoreClient* c, const std::string& path, const StoreNode* node, bool exact,
            const StorePermissions* old);
  bool may_see(StoreClient& watcher, const std::string& path, const StoreNode* node, const StorePermissions* old);
  StorePermissions* special_permissions(std::string_view name);
  int set_special(StoreClient& c, const std::string& name, const StorePermissions& permissions);

  int commit(StoreClient& c, StoreTransaction& t);
  void discard(StoreClient& c, StoreTransaction& t);
  int check_entries(const StoreTransaction& t, bool check_quota);

  StoreDomain* find_or_add_domain(unsigned domid);
  StoreDomain& add_domain(unsigned domid);
  bool count_entry(StoreClient* c, unsigned owner);
  void uncount_entry(StoreClient* c, unsigned owner);
  std::int64_t entries_of(const StoreClient& c);
  void charge_write(const StoreClient& c);

  std::function<bool(unsigned)> exists_;
  std::map<std::string, StoreNode, std::less<>> nodes_;
  std::map<unsigned, StoreDomain> domains_;
  std::vector<StoreClient*> clients_;
  StorePermissions release_permissions_{{}}, introduce_permissions_{{}};
  std::uint64_t generation_ = 0;
  std::size_t open_transactions_ = 0;
  WriteRate rate_;
};

}  // namespace xensim::dom0
