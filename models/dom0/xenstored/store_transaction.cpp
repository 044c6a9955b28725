// Transactions: start, end, and what a commit does.
#include "models/dom0/xenstored/store.h"

namespace xensim::dom0 {

int Store::start_transaction(StoreClient& c, std::uint32_t& id) {
  if (c.transaction) return EBUSY;
  if (unprivileged(c) && c.transactions.size() > config.transactions) return ENOSPC;
  auto t = std::make_unique<StoreTransaction>();
  t->generation = ++generation_;
  // 0 means "none", so it is taken always.
  do {
    id = c.next_transaction++;
  } while (id == 0 || c.transactions.contains(id));
  c.transactions.emplace(id, std::move(t));
  ++open_transactions_;
  return 0;
}

StoreTransaction* Store::find_transaction(StoreClient& c, std::uint32_t id, bool& found) {
  found = true;
  if (id == 0) return nullptr;
  const auto it = c.transactions.find(id);
  found = it != c.transactions.end();
  return found ? it->second.get() : nullptr;
}

int Store::end_transaction(StoreClient& c, bool do_commit) {
  if (!c.transaction) return ENOENT;
  auto it = c.transactions.begin();
  while (it->second.get() != c.transaction) ++it;
  const std::unique_ptr<StoreTransaction> t = std::move(it->second);
  c.transactions.erase(it);
  c.transaction = nullptr;
  const int e = do_commit ? commit(c, *t) : 0;
  discard(c, *t);
  return e;
}

int Store::commit(StoreClient& c, StoreTransaction& t) {
  if (t.failed) return ENOMEM;
  if (const int e = check_entries(t, t.node_created && unprivileged(c))) return e;
  for (const auto& a : t.accessed) {
    if (!a->check_generation) continue;
    const auto it = nodes_.find(a->path);
    if ((it == nodes_.end() ? kNoGeneration : it->second.generation) != a->generation) return EAGAIN;
  }
  // The whole transaction is in the tree before the first watcher looks at it; xenstored interleaves the two, but
  // serves nobody in between.
  std::vector<AccessedNode*> changed;
  for (const auto& a : t.accessed)
    if (a->modified) changed.push_back(a.get());
  for (AccessedNode* a : changed) {
    const auto it = nodes_.find(a->path);
    if (a->exists) {
      StoreNode node = a->node;
      node.generation = ++generation_;
      put(it, a->path, std::move(node), false);
    } else if (it != nodes_.end()) {
      add_memory(it->second.owner(), -static_cast<std::int64_t>(it->second.size() + a->path.size()), false);
      nodes_.erase(it);
    }
  }
  for (const auto& [domid, n] : t.entries) find_domain(domid)->entries += n;
  for (const AccessedNode* a : changed)
    if (a->fire) fire(&c, a->path, nullptr, a->exact, a->original.empty() ? nullptr : &a->original);
  if (open_transactions_ > 1 && unprivileged(c))
    if (StoreDomain* d = find_domain(c.id)) rate_.charge(d->credit, now_ms);
  return 0;
}

// Its copies no longer count as the client's memory.
void Store::discard(StoreClient& c, StoreTransaction& t) {
  const auto number = static_cast<std::int64_t>(std::to_string(t.generation).size() + 1);
  for (const auto& a : t.accessed)
    if (a->exists) add_memory(c.id, -(a->node.size() + static_cast<std::int64_t>(a->path.size()) + number), false);
  --open_transactions_;
}

int Store::check_entries(const StoreTransaction& t, bool check_quota) {
  for (const auto& [domid, n] : t.entries) {
    const StoreDomain* d = find_or_add_domain(domid);
    if (!d) return ENOMEM;
    const bool free = domid == 0 || domid == privileged_domid;
    if (check_quota && !free && d->entries + n >= static_cast<std::int64_t>(config.nodes)) return ENOSPC;
  }
  return 0;
}

}  // namespace xensim::dom0
