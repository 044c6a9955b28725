// What the store knows of domains: their accounts, and what happens to their nodes when they go.
#include <algorithm>

#include "models/dom0/xenstored/path.h"
#include "models/dom0/xenstored/store.h"

namespace xensim::dom0 {

StoreRequest::StoreRequest(Store& s, unsigned d) : store(s), domid(d) {
  if (StoreDomain* domain = store.find_domain(domid)) ++domain->outstanding;
}

StoreRequest::~StoreRequest() {
  if (StoreDomain* domain = store.find_domain(domid); domain && domain->outstanding > 0) --domain->outstanding;
}

StoreDomain* Store::find_domain(unsigned domid) {
  const auto it = domains_.find(domid);
  return it == domains_.end() ? nullptr : &it->second;
}

StoreDomain& Store::add_domain(unsigned domid) {
  StoreDomain& d = domains_[domid];
  d.domid = domid;
  d.generation = generation_;
  return d;
}

StoreDomain* Store::find_or_add_domain(unsigned domid) {
  if (StoreDomain* d = find_domain(domid)) return d;
  return exists_(domid) ? &add_domain(domid) : nullptr;
}

StoreDomain& Store::introduce(unsigned domid) {
  StoreDomain* d = find_domain(domid);
  if (!d) d = &add_domain(domid);
  d->introduced = true;
  d->shutdown = false;
  rate_.add(d->credit, now_ms);
  return *d;
}

void Store::forget_domain(unsigned domid) {
  StoreDomain* d = find_domain(domid);
  if (!d) return;
  if (d->entries > 0) remove_owned("/", *d);
  for (StorePermissions* p : {&release_permissions_, &introduce_permissions_}) {
    if (p->front().domid == domid) p->front().domid = privileged_domid;
    p->erase(std::remove_if(p->begin() + 1, p->end(), [&](const StorePermission& x) { return x.domid == domid; }),
             p->end());
  }
  const bool introduced = d->introduced;
  if (introduced) rate_.remove(d->credit);
  domains_.erase(domid);
  if (introduced) fire_special("@releaseDomain");
}

// Whatever the domain owns, with all below it.
void Store::remove_owned(const std::string& path, StoreDomain& d) {
  if (d.entries <= 0) return;
  const auto it = nodes_.find(path);
  if (it == nodes_.end()) return;
  if (it->second.owner() == d.domid) {
    remove_node(nullptr, path);
    return;
  }
  for (const std::string& name : it->second.child_names()) remove_owned(child_of(path, name), d);
}

bool Store::add_memory(unsigned domid, std::int64_t bytes, bool check) {
  StoreDomain* d = find_domain(domid);
  if (!d) return true;
  const bool free = domid == 0 || domid == privileged_domid;
  if (check && !free && d->memory + bytes >= static_cast<std::int64_t>(config.memory)) return false;
  d->memory += bytes;
  return true;
}

bool Store::count_entry(StoreClient* c, unsigned owner) {
  if (c && c->transaction) {
    ++c->transaction->entries[owner];
    return true;
  }
  StoreDomain* d = find_or_add_domain(owner);
  if (d) ++d->entries;
  return d != nullptr;
}

void Store::uncount_entry(StoreClient* c, unsigned owner) {
  if (c && c->transaction)
    --c->transaction->entries[owner];
  else if (StoreDomain* d = find_domain(owner))
    --d->entries;
}

std::int64_t Store::entries_of(const StoreClient& c) {
  const StoreDomain* d = unprivileged(c) ? find_domain(c.id) : nullptr;
  return d ? d->entries : 0;
}

void Store::charge_write(const StoreClient& c) {
  if (c.transaction || open_transactions_ == 0 || !unprivileged(c)) return;
  if (StoreDomain* d = find_domain(c.id)) rate_.charge(d->credit, now_ms);
}

bool Store::may_request(const StoreClient& c) {
  StoreDomain* d = unprivileged(c) ? find_domain(c.id) : nullptr;
  if (!d) return true;
  if (d->credit.credit < 0) rate_.update(d->credit, now_ms);
  return d->credit.credit >= 0 && d->outstanding < config.outstanding &&
         d->memory < static_cast<std::int64_t>(config.memory);
}

std::optional<std::uint64_t> Store::held_until(const StoreClient& c) {
  const StoreDomain* d = unprivileged(c) ? find_domain(c.id) : nullptr;
  if (!d || d->credit.credit >= 0) return std::nullopt;
  return now_ms + rate_.wait_ms(d->credit);
}

}  // namespace xensim::dom0
