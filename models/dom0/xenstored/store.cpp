#include "models/dom0/xenstored/store.h"

#include <algorithm>
#include <utility>

#include "models/dom0/xenstored/path.h"

namespace xensim::dom0 {

Store::Store(const StoreConfig& c, std::function<bool(unsigned)> exists)
    : config(c), exists_(std::move(exists)), rate_(config) {
  // xenstored makes these three, owned by domain 0.
  const auto make = [&](const char* path, std::string_view child) {
    StoreNode n;
    n.generation = ++generation_;
    n.permissions.push_back({});
    if (!child.empty()) n.add_child(child);
    nodes_.emplace(path, std::move(n));
  };
  StoreDomain& dom0 = add_domain(0);
  make("/", "tool");
  make("/tool", "xenstored");
  make("/tool/xenstored", "");
  dom0.entries = 3;
  for (const auto& [path, node] : nodes_) dom0.memory += node.size() + static_cast<std::int64_t>(path.size());
}

std::string Store::canonical(const StoreClient& c, const std::string& path) const {
  if (path.starts_with('/') || is_special(path)) return path;
  return domain_path(c.id) + "/" + path;
}

// --- Permissions.

std::uint8_t Store::access_of(const StoreClient& c, const StorePermissions& permissions) const {
  const auto is = [&](const StorePermission& p) {
    return p.domid == c.id || (c.target && p.domid == c.target->id);
  };
  if (!unprivileged(c) || is(permissions.front())) return kStoreRead | kStoreWrite | kStoreOwner;
  for (std::size_t i = 1; i < permissions.size(); ++i)
    if (!permissions[i].ignored && is(permissions[i])) return permissions[i].access;
  return permissions.front().access;
}

// An entry for a domain that appeared after the node was written means an earlier domain of that number.
void Store::ignore_younger(StoreNode& node) const {
  for (std::size_t i = 1; i < node.permissions.size(); ++i) {
    StorePermission& p = node.permissions[i];
    const auto d = domains_.find(p.domid);
    p.ignored |= d == domains_.end() || d->second.generation > node.generation;
  }
}

// Who may not look at a node must not learn from the error whether it is there.
int Store::hidden(StoreClient& c, const std::string& path, int error, std::uint8_t access) {
  std::string at = path;
  StoreNode node;
  do {
    at = parent_of(at);
    const int e = read_node(&c, at, node);
    if (e == 0) return access_of(c, node.permissions) & access ? error : EACCES;
    if (e == ENOSPC) return e;
  } while (at != "/");
  return EACCES;
}

// --- Nodes as a client sees them: in its transaction, if it is in one.

int Store::read_node(StoreClient* c, const std::string& path, StoreNode& out) {
  if (c && c->transaction)
    if (const AccessedNode* a = c->transaction->find(path)) {
      if (!a->exists) return ENOENT;
      out = a->node;
      ignore_younger(out);
      return 0;
    }
  const auto it = nodes_.find(path);
  out = it == nodes_.end() ? StoreNode{kNoGeneration, {}, {}, {}} : it->second;
  if (it != nodes_.end()) ignore_younger(out);
  if (c && c->transaction) {
    AccessedNode* entry = nullptr;
    if (const int e = access(*c, path, out, Access::kRead, entry)) return e;
  }
  return it == nodes_.end() ? ENOENT : 0;
}

int Store::get_node(StoreClient& c, const std::string& path, std::uint8_t access, StoreNode& out) {
  if (!is_valid_path(path, config.path_max)) return EINVAL;
  int error = read_node(&c, path, out);
  if (error == 0 && (access_of(c, out.permissions) & access) != access) error = EACCES;
  if (error == 0 || error == ENOSPC) return error;
  return hidden(c, path, error, access);
}

// Enters a node into the client's transaction. What is written or deleted gets a new generation first.
int Store::access(StoreClient& c, const std::string& path, StoreNode& node, Access type, AccessedNode*& entry) {
  StoreTransaction& t = *c.transaction;
  entry = t.find(path);
  if (!entry) {
    if (t.accessed.size() >= config.transaction_nodes && unprivileged(c)) {
      t.failed = true;
      return ENOSPC;
    }
    auto made = std::make_unique<AccessedNode>();
    entry = made.get();
    entry->path = path;
    if (node.generation != kNoGeneration) entry->original = node.permissions;
    if (type == Access::kRead) {
      entry->generation = node.generation;
      entry->check_generation = true;
      if (node.generation != kNoGeneration) {
        entry->node = node;
        entry->exists = true;
        add_memory(c.id,
                   node.size() + static_cast<std::int64_t>(path.size() + std::to_string(t.generation).size() + 1),
                   false);
      }
    }
    t.by_path.emplace(path, entry);
    t.accessed.push_back(std::move(made));
  }
  if (type != Access::kRead) entry->modified = true;
  return 0;
}

namespace {

std::int64_t copy_size(const StoreTransaction& t, const AccessedNode& a) {
  return a.node.size() + static_cast<std::int64_t>(a.path.size() + std::to_string(t.generation).size() + 1);
}

}  // namespace

int Store::write_node(StoreClient* c, const std::string& path, StoreNode node, bool check_quota) {
  node.generation = ++generation_;
  if (!c || !c->transaction) {
    if (c) charge_write(*c);
    if (check_quota && c && unprivileged(*c) && node.size() >= config.node_size) return ENOSPC;
    return put(nodes_.find(path), path, std::move(node), check_quota) ? 0 : EIO;
  }
  StoreTransaction& t = *c->transaction;
  AccessedNode* entry = nullptr;
  if (const int e = access(*c, path, node, Access::kWrite, entry)) return e;
  if (check_quota && unprivileged(*c) && node.size() >= config.node_size) {
    t.failed = true;
    return ENOSPC;
  }
  const std::int64_t before = entry->exists ? copy_size(t, *entry) : 0;
  StoreNode old = std::move(entry->node);
  entry->node = std::move(node);
  if (!add_memory(c->id, copy_size(t, *entry) - before, check_quota)) {
    entry->node = std::move(old);
    t.failed = true;
    return EIO;
  }
  entry->exists = true;
  return 0;
}

// Puts a node into the tree itself, and its memory on its owner's account.
bool Store::put(std::map<std::string, StoreNode, std::less<>>::iterator at, const std::string& path,
                StoreNode node, bool check_quota) {
  const auto key = static_cast<std::int64_t>(path.size());
  const bool had = at != nodes_.end();
  const unsigned old_owner = had ? at->second.owner() : 0;
  const std::int64_t old = had ? at->second.size() + key : 0;
  if (had) add_memory(old_owner, -old, false);
  if (!add_memory(node.owner(), node.size() + key, check_quota)) {
    if (had) add_memory(old_owner, old, false);
    return false;
  }
  if (had)
    at->second = std::move(node);
  else
    nodes_.emplace(path, std::move(node));
  return true;
}

// Takes a node out of the tree, or of the transaction.
int Store::delete_node(StoreClient* c, const std::string& path, StoreNode& node) {
  ++generation_;
  if (c && c->transaction) {
    AccessedNode* entry = nullptr;
    if (const int e = access(*c, path, node, Access::kDelete, entry)) return e;
    if (entry->exists) add_memory(c->id, -copy_size(*c->transaction, *entry), false);
    entry->exists = false;
    return 0;
  }
  if (c) charge_write(*c);
  const auto it = nodes_.find(path);
  add_memory(it->second.owner(), -static_cast<std::int64_t>(it->second.size() + path.size()), false);
  nodes_.erase(it);
  return 0;
}

// --- Operations.

int Store::read(StoreClient& c, const std::string& path, std::string& value) {
  StoreNode node;
  if (const int e = get_node(c, canonical(c, path), kStoreRead, node)) return e;
  value = std::move(node.value);
  return 0;
}

int Store::directory(StoreClient& c, const std::string& path, std::string& children, std::uint64_t& generation) {
  StoreNode node;
  if (const int e = get_node(c, canonical(c, path), kStoreRead, node)) return e;
  children = std::move(node.children);
  generation = node.generation;
  return 0;
}

int Store::write(StoreClient& c, const std::string& name, std::string_view value) {
  const std::string path = canonical(c, name);
  StoreNode node;
  int e = get_node(c, path, kStoreWrite, node);
  if (e != 0 && e != ENOENT) return e;
  if (e == ENOENT) {
    e = create_node(c, path, value, node);
  } else {
    node.value = value;
    e = write_node(&c, path, node, true);
  }
  if (e == 0) fire(&c, path, &node, false, nullptr);
  return e;
}

int Store::make_directory(StoreClient& c, const std::string& name) {
  const std::string path = canonical(c, name);
  StoreNode node;
  int e = get_node(c, path, kStoreWrite, node);
  if (e != ENOENT) return e;
  e = create_node(c, path, {}, node);
  if (e == 0) fire(&c, path, &node, false, nullptr);
  return e;
}

// Makes a node and those above it that are missing. All are written bottom up; the last to be written is the one
// above them that is there already.
int Store::create_node(StoreClient& c, const std::string& path, std::string_view value, StoreNode& out) {
  std::vector<std::pair<std::string, StoreNode>> chain;  // the new ones, the lowest first; then their parent
  std::string at = path;
  for (;;) {
    chain.emplace_back(at, StoreNode{});
    at = parent_of(at);
    StoreNode parent;
    const int e = read_node(&c, at, parent);
    if (e == 0) {
      chain.emplace_back(at, std::move(parent));
      break;
    }
    if (e != ENOENT || at == "/") return e;
  }
  const std::size_t made = chain.size() - 1;
  for (std::size_t i = made; i-- > 0;) {
    StoreNode& parent = chain[i + 1].second;
    StoreNode& node = chain[i].second;
    parent.add_child(base_name(chain[i].first));
    node.permissions = parent.permissions;
    if (unprivileged(c)) node.permissions.front().domid = c.id;
  }
  if (c.transaction) c.transaction->node_created = true;
  chain[0].second.value = value;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    if (i < made && entries_of(c) >= config.nodes) return undo_create(c, chain, i, ENOSPC);
    if (const int e = write_node(&c, chain[i].first, chain[i].second, true))
      return undo_create(c, chain, std::min(i, made), e);
    if (i < made && !count_entry(&c, chain[i].second.owner())) {
      StoreNode node = chain[i].second;
      delete_node(&c, chain[i].first, node);
      return undo_create(c, chain, i, ENOMEM);
    }
  }
  out = std::move(chain[0].second);
  return 0;
}

int Store::undo_create(StoreClient& c, const std::vector<std::pair<std::string, StoreNode>>& created,
                       std::size_t n, int error) {
  for (std::size_t i = 0; i < n; ++i) {
    StoreNode node = created[i].second;
    delete_node(&c, created[i].first, node);
    uncount_entry(&c, node.owner());
    if (c.transaction) c.transaction->failed = true;
  }
  return error;
}

int Store::remove(StoreClient& c, const std::string& name) {
  const std::string path = canonical(c, name);
  StoreNode node;
  const int e = get_node(c, path, kStoreWrite, node);
  if (e == ENOENT) {
    // No matter, if there is the node that it would be in.
    const int parent = read_node(&c, parent_of(path), node);
    return parent == ENOSPC || parent == 0 ? parent : ENOENT;
  }
  if (e != 0) return e;
  if (path == "/") return EINVAL;
  return remove_node(&c, path);
}

int Store::remove_node(StoreClient* c, const std::string& path) {
  StoreNode parent;
  const std::string above = parent_of(path);
  if (const int e = read_node(c, above, parent)) return e == ENOSPC ? e : EINVAL;
  if (const int e = remove_tree(c, path, path)) return e;
  parent.remove_child(base_name(path));
  return write_node(c, above, std::move(parent), false) ? EIO : 0;
}

// Children first, each with its event: who watches the node itself learns of it; who watches one above learns of
// the top only. A path's length bounds the depth.
int Store::remove_tree(StoreClient* c, const std::string& path, const std::string& top) {
  StoreNode node;
  if (const int e = read_node(c, path, node)) return e == ENOSPC ? e : EIO;
  for (const std::string& name : node.child_names()) {
    if (const int e = remove_tree(c, child_of(path, name), top)) return e;
    ++generation_;  // xenstored takes the child out of its parent's list, which goes next
  }
  const bool exact = path != top;
  if (c && c->transaction) {
    if (const int e = delete_node(c, path, node)) return e;
    fire(c, path, &node, exact, nullptr);
  } else {
    fire(c, path, &node, exact, nullptr);  // while its permissions and its parent's can be seen
    if (const int e = delete_node(c, path, node)) return e;
  }
  uncount_entry(c, node.owner());
  return 0;
}

int Store::get_permissions(StoreClient& c, const std::string& path, StorePermissions& permissions) {
  StoreNode node;
  if (const int e = get_node(c, canonical(c, path), kStoreRead, node)) return e;
  permissions = std::move(node.permissions);
  return 0;
}

int Store::set_permissions(StoreClient& c, const std::string& name, StorePermissions permissions) {
  if (permissions.empty()) return EINVAL;
  if (unprivileged(c) && permissions.size() > config.permissions) return ENOSPC;
  for (StorePermission& p : permissions)
    if (!find_or_add_domain(p.domid)) p.ignored = true;
  if (permissions.front().ignored) return ENOENT;
  if (is_special(name)) return set_special(c, name, permissions);

  const std::string path = canonical(c, name);
  StoreNode node;
  if (const int e = get_node(c, path, kStoreWrite | kStoreOwner, node)) return e;
  if (unprivileged(c) && permissions.front().domid != node.owner()) return EPERM;
  const StorePermissions old = std::exchange(node.permissions, std::move(permissions));
  uncount_entry(&c, old.front().domid);
  count_entry(&c, node.owner());
  if (const int e = write_node(&c, path, node, true)) {
    uncount_entry(&c, node.owner());
    count_entry(&c, old.front().domid);
    return e;
  }
  fire(&c, path, &node, false, &old);
  return 0;
}

StorePermissions* Store::special_permissions(std::string_view name) {
  if (name == "@releaseDomain") return &release_permissions_;
  if (name == "@introduceDomain") return &introduce_permissions_;
  return nullptr;
}

int Store::set_special(StoreClient& c, const std::string& name, const StorePermissions& permissions) {
  StorePermissions* p = special_permissions(name);
  if (!p) return EINVAL;
  constexpr std::uint8_t kNeeded = kStoreWrite | kStoreOwner;
  if ((access_of(c, *p) & kNeeded) != kNeeded) return EACCES;
  *p = permissions;
  return 0;
}

std::size_t Store::deep_nodes() const {
  const auto root = nodes_.find("/");
  if (root == nodes_.end()) return 0;
  const std::string& names = root->second.children;
  return nodes_.size() - 1 - static_cast<std::size_t>(std::count(names.begin(), names.end(), '\0'));
}

std::string Store::check() const {
  std::string wrong;
  const auto complain = [&](const std::string& about, const std::string& what) {
    wrong.append(about).append(": ").append(what).append("\n");
  };
  std::map<unsigned, std::int64_t> owned;
  for (const auto& [path, node] : nodes_) {
    ++owned[node.owner()];
    std::vector<std::string> names = node.child_names();
    for (const std::string& name : names)
      if (!nodes_.contains(child_of(path, name))) complain(path, "no node for child " + name);
    std::sort(names.begin(), names.end());
    if (std::adjacent_find(names.begin(), names.end()) != names.end()) complain(path, "a child twice");
    if (path == "/") continue;
    const auto parent = nodes_.find(parent_of(path));
    const std::vector<std::string> siblings =
        parent == nodes_.end() ? std::vector<std::string>{} : parent->second.child_names();
    if (std::find(siblings.begin(), siblings.end(), base_name(path)) == siblings.end())
      complain(path, "no child of its parent");
  }
  for (const auto& [domid, d] : domains_)
    if (d.entries != owned[domid])
      complain("domain " + std::to_string(domid),
               "owns " + std::to_string(owned[domid]) + " nodes, counted " + std::to_string(d.entries));
  return wrong;
}

}  // namespace xensim::dom0
