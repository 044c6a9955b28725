// Watches: who is told of a change.
#include <utility>

#include "models/dom0/xenstored/path.h"
#include "models/dom0/xenstored/store.h"

namespace xensim::dom0 {

namespace {

std::string event_path(const StoreWatch& w, const std::string& path) {
  std::string out = path.substr(std::min(w.relative, path.size()));
  if (w.relative > 0 && out.starts_with('/')) out.erase(0, 1);
  return out;
}

std::int64_t memory_of(const StoreWatch& w) { return static_cast<std::int64_t>(w.path.size() + w.token.size()); }

}  // namespace

// The node itself, as it is or was, or the one that it is in must be readable for the watcher.
bool Store::may_see(StoreClient& watcher, const std::string& path, const StoreNode* node,
                    const StorePermissions* old) {
  if (old && access_of(watcher, *old) & kStoreRead) return true;
  StoreTransaction* const in_progress = std::exchange(watcher.transaction, nullptr);
  StoreNode read;
  bool seen = node || read_node(&watcher, path, read) == 0;
  if (seen && !(access_of(watcher, node ? node->permissions : read.permissions) & kStoreRead))
    seen = read_node(&watcher, parent_of(path), read) == 0 && (access_of(watcher, read.permissions) & kStoreRead);
  watcher.transaction = in_progress;
  return seen;
}

void Store::fire(StoreClient* c, const std::string& path, const StoreNode* node, bool exact,
                 const StorePermissions* old) {
  if (c && c->transaction) {
    // When it is committed. "Below it, too" overrides "exactly there".
    AccessedNode* a = c->transaction->find(path);
    if (!a) {
      c->transaction->failed = true;
      return;
    }
    a->exact = a->fire ? a->exact && exact : exact;
    a->fire = true;
    return;
  }
  const std::shared_ptr<StoreRequest> cause = c && unprivileged(*c) ? c->request() : nullptr;
  for (StoreClient* i : clients_) {
    if (i->watches.empty()) continue;
    if (is_special(path)) {
      const StorePermissions* p = special_permissions(path);
      if (!p || !(access_of(*i, *p) & kStoreRead)) continue;
    } else if (!may_see(*i, path, node, old)) {
      continue;
    }
    for (const StoreWatch& w : i->watches)
      if (exact ? path == w.path : is_within(path, w.path)) i->watch_event(event_path(w, path), w.token, cause);
  }
}

int Store::watch(StoreClient& c, const std::string& name, const std::string& token) {
  const bool relative = !name.starts_with('/') && !is_special(name);
  const std::string path = canonical(c, name);
  if (is_special(path) ? path.size() > 2048 : !is_valid_path(path, config.path_max)) return EINVAL;
  for (const StoreWatch& w : c.watches)
    if (w.path == path && w.token == token) return EEXIST;
  StoreDomain* d = c.is_domain ? find_domain(c.id) : nullptr;
  if (d && unprivileged(c) && d->watches > config.watches) return E2BIG;
  StoreWatch w{path, token, relative ? domain_path(c.id).size() : 0};
  if (!add_memory(c.id, memory_of(w), true)) return ENOMEM;
  if (d) ++d->watches;
  c.watches.push_back(std::move(w));
  return 0;
}

void Store::fire_first(StoreClient& c) {
  const StoreWatch w = c.watches.back();
  c.watch_event(event_path(w, w.path), w.token, nullptr);
}

int Store::unwatch(StoreClient& c, const std::string& name, const std::string& token) {
  const std::string path = canonical(c, name);
  for (auto w = c.watches.begin(); w != c.watches.end(); ++w) {
    if (w->path != path || w->token != token) continue;
    add_memory(c.id, -memory_of(*w), false);
    c.watches.erase(w);
    if (StoreDomain* d = c.is_domain ? find_domain(c.id) : nullptr; d && d->watches > 0) --d->watches;
    return 0;
  }
  return ENOENT;
}

void Store::reset(StoreClient& c) {
  StoreDomain* d = c.is_domain ? find_domain(c.id) : nullptr;
  for (const StoreWatch& w : c.watches) {
    add_memory(c.id, -memory_of(w), false);
    if (d && d->watches > 0) --d->watches;
  }
  c.watches.clear();
  for (const auto& [id, t] : c.transactions) discard(c, *t);
  c.transactions.clear();
  c.transaction = nullptr;
}

void Store::add(StoreClient& c) { clients_.push_back(&c); }

void Store::remove(StoreClient& c) {
  reset(c);
  std::erase(clients_, &c);
  for (StoreClient* i : clients_)
    if (i->target == &c) i->target = nullptr;
}

}  // namespace xensim::dom0
