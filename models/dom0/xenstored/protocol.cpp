#include "models/dom0/xenstored/protocol.h"

#include <xen/xen.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "models/dom0/xenstored/path.h"
#include "models/dom0/xenstored/wire.h"

namespace xensim::dom0 {

namespace {

// The NUL-terminated strings of a payload; what follows the last NUL is not among them.
std::vector<std::string> strings_of(const std::string& payload) {
  std::vector<std::string> out;
  for (std::size_t at = 0;;) {
    const std::size_t end = payload.find('\0', at);
    if (end == std::string::npos) return out;
    out.push_back(payload.substr(at, end - at));
    at = end + 1;
  }
}

// The payload is one string, with its NUL.
std::optional<std::string> only_string(const std::string& payload) {
  if (payload.empty() || payload.find('\0') != payload.size() - 1) return std::nullopt;
  return payload.substr(0, payload.size() - 1);
}

unsigned number_of(const std::string& text) { return static_cast<unsigned>(std::atoi(text.c_str())); }

std::string with_nul(std::string text) {
  text.push_back('\0');
  return text;
}

std::string name_of_error(int error) {
  for (const auto& e : xsd_errors)
    if (e.errnum == error) return e.errstring;
  return "EINVAL";
}

}  // namespace

StoreServer::StoreServer(const StoreConfig& config, StoreHost& host)
    : store(config, [&host](unsigned domid) { return host.facts(domid).exists; }), host_(host) {}

const std::array<StoreServer::Request, 23>& StoreServer::requests() {
  using S = StoreServer;
  static const std::array<Request, 23> kRequests = [] {
    std::array<Request, 23> r{};
    r[XS_CONTROL] = {&S::control, false, true};
    r[XS_DIRECTORY] = {&S::directory};
    r[XS_READ] = {&S::read};
    r[XS_GET_PERMS] = {&S::get_permissions};
    r[XS_WATCH] = {&S::watch, true};
    r[XS_UNWATCH] = {&S::unwatch, true};
    r[XS_TRANSACTION_START] = {&S::transaction_start};
    r[XS_TRANSACTION_END] = {&S::transaction_end};
    r[XS_INTRODUCE] = {&S::introduce, false, true};
    r[XS_RELEASE] = {&S::release, false, true};
    r[XS_GET_DOMAIN_PATH] = {&S::get_domain_path};
    r[XS_WRITE] = {&S::write};
    r[XS_MKDIR] = {&S::make_directory};
    r[XS_RM] = {&S::remove};
    r[XS_SET_PERMS] = {&S::set_permissions};
    r[XS_IS_DOMAIN_INTRODUCED] = {&S::is_domain_introduced, false, true};
    r[XS_RESUME] = {&S::resume, false, true};
    r[XS_SET_TARGET] = {&S::set_target, false, true};
    r[XS_RESET_WATCHES] = {&S::reset_watches};
    r[XS_DIRECTORY_PART] = {&S::directory_part};
    return r;
  }();
  static_assert(XS_TYPE_COUNT == 23);
  return kRequests;
}

StoreConnection& StoreServer::connect(std::unique_ptr<StoreTransport> transport, unsigned domid, bool ring) {
  connections.push_back(std::make_unique<StoreConnection>(store, std::move(transport), domid, ring));
  connections.back()->serial = ++last_serial_;
  return *connections.back();
}

StoreConnection& StoreServer::accept(std::unique_ptr<StoreTransport> transport) {
  return connect(std::move(transport), 0, false);
}

StoreConnection* StoreServer::next_after(std::uint64_t serial) {
  for (const auto& c : connections)
    if (c->serial > serial) return c.get();
  return nullptr;
}

StoreConnection* StoreServer::by_serial(std::uint64_t serial) {
  StoreConnection* c = serial == 0 ? nullptr : next_after(serial - 1);
  return c && c->serial == serial ? c : nullptr;
}

void StoreServer::close(StoreConnection& c) {
  if (c.is_domain) host_.disconnect(*c.transport);
  connections.remove_if([&](const auto& x) { return x.get() == &c; });
}

void StoreServer::connect_dom0() { store.introduce(0); }

StoreConnection* StoreServer::connection_of(unsigned domid) {
  for (const auto& c : connections)
    if (c->is_domain && c->id == domid) return c.get();
  return nullptr;
}

void StoreServer::serve(StoreConnection& c) {
  const std::uint32_t type = c.in.type;
  const Request request = type < XS_TYPE_COUNT ? requests()[type] : Request{};
  ++served[request.handler ? type : served.size() - 1];
  int e = 0;
  bool found = true;
  StoreTransaction* t = nullptr;
  if (!request.handler)
    e = ENOSYS;
  else if (request.privileged && store.unprivileged(c))
    e = EACCES;
  else if (!request.any_transaction && (t = store.find_transaction(c, c.in.tx_id, found), !found))
    e = ENOENT;
  gone_ = false;
  if (e == 0) {
    c.transaction = t;
    e = (this->*request.handler)(c);
  }
  if (gone_) return;
  c.transaction = nullptr;
  if (e == 0) return;
  ++errors;
  c.reply(XS_ERROR, with_nul(name_of_error(e)));
}

namespace {
void acknowledge(StoreConnection& c) { c.reply(c.in.type, with_nul("OK")); }
}  // namespace

// --- Nodes.

int StoreServer::read(StoreConnection& c) {
  const auto path = only_string(c.in.payload);
  std::string value;
  if (!path) return EINVAL;
  if (const int e = store.read(c, *path, value)) return e;
  c.reply(XS_READ, std::move(value));
  return 0;
}

int StoreServer::directory(StoreConnection& c) {
  const auto path = only_string(c.in.payload);
  std::string children;
  std::uint64_t generation = 0;
  if (!path) return EINVAL;
  if (const int e = store.directory(c, *path, children, generation)) return e;
  c.reply(XS_DIRECTORY, std::move(children));
  return 0;
}

// As many names as fit from the offset on; an empty one after the last.
int StoreServer::directory_part(StoreConnection& c) {
  const std::vector<std::string> s = strings_of(c.in.payload);
  if (s.size() != 2) return EINVAL;
  std::string children;
  std::uint64_t generation = 0;
  if (const int e = store.directory(c, s[0], children, generation)) return e;
  std::string out = with_nul(std::to_string(generation));
  const std::size_t offset = number_of(s[1]);
  if (offset >= children.size()) {
    out.push_back('\0');
  } else {
    const std::size_t most = XENSTORE_PAYLOAD_MAX - out.size() - 1;
    std::size_t end = offset;
    while (end < children.size()) {
      const std::size_t next = children.find('\0', end) + 1;
      if (next - offset > most) break;
      end = next;
    }
    out.append(children, offset, end - offset);
    if (end == children.size()) out.push_back('\0');
  }
  c.reply(XS_DIRECTORY_PART, std::move(out));
  return 0;
}

int StoreServer::get_permissions(StoreConnection& c) {
  const auto path = only_string(c.in.payload);
  StorePermissions permissions;
  if (!path) return EINVAL;
  if (const int e = store.get_permissions(c, *path, permissions)) return e;
  std::string out;
  for (const StorePermission& p : permissions) out += with_nul(p.text());
  c.reply(XS_GET_PERMS, std::move(out));
  return 0;
}

int StoreServer::set_permissions(StoreConnection& c) {
  const std::vector<std::string> s = strings_of(c.in.payload);
  if (s.size() < 2) return EINVAL;
  if (store.unprivileged(c) && s.size() - 1 > store.config.permissions) return ENOSPC;
  StorePermissions permissions;
  if (!parse_permissions(std::span(s).subspan(1), permissions)) return EINVAL;
  if (const int e = store.set_permissions(c, s[0], std::move(permissions))) return e;
  acknowledge(c);
  return 0;
}

int StoreServer::write(StoreConnection& c) {
  const std::size_t end = c.in.payload.find('\0');
  if (end == std::string::npos) return EINVAL;
  if (const int e = store.write(c, c.in.payload.substr(0, end), std::string_view(c.in.payload).substr(end + 1)))
    return e;
  acknowledge(c);
  return 0;
}

int StoreServer::make_directory(StoreConnection& c) {
  const auto path = only_string(c.in.payload);
  if (!path) return EINVAL;
  if (const int e = store.make_directory(c, *path)) return e;
  acknowledge(c);
  return 0;
}

int StoreServer::remove(StoreConnection& c) {
  const auto path = only_string(c.in.payload);
  if (!path) return EINVAL;
  if (const int e = store.remove(c, *path)) return e;
  acknowledge(c);
  return 0;
}

// --- Watches and transactions.

int StoreServer::watch(StoreConnection& c) {
  const std::vector<std::string> s = strings_of(c.in.payload);
  if (s.size() != 2) return EINVAL;
  if (const int e = store.watch(c, s[0], s[1])) return e;
  acknowledge(c);
  store.fire_first(c);
  return 0;
}

int StoreServer::unwatch(StoreConnection& c) {
  const std::vector<std::string> s = strings_of(c.in.payload);
  if (s.size() != 2) return EINVAL;
  if (const int e = store.unwatch(c, s[0], s[1])) return e;
  acknowledge(c);
  return 0;
}

int StoreServer::reset_watches(StoreConnection& c) {
  store.reset(c);
  acknowledge(c);
  return 0;
}

int StoreServer::transaction_start(StoreConnection& c) {
  std::uint32_t id = 0;
  if (const int e = store.start_transaction(c, id)) return e;
  c.reply(XS_TRANSACTION_START, with_nul(std::to_string(id)));
  return 0;
}

int StoreServer::transaction_end(StoreConnection& c) {
  const auto arg = only_string(c.in.payload);
  if (!arg || (*arg != "T" && *arg != "F")) return EINVAL;
  if (const int e = store.end_transaction(c, *arg == "T")) return e;
  acknowledge(c);
  return 0;
}

// --- Domains.

int StoreServer::introduce(unsigned domid, std::uint32_t port) {
  StoreDomain* d = store.find_domain(domid);
  StoreConnection* c = connection_of(domid);
  if (d && d->introduced) {
    if (c) host_.rebind(*c->transport, domid, port);
  } else {
    int error = 0;
    auto ring = host_.connect(domid, port, error);
    if (!ring) return error;
    store.introduce(domid);
    c = &connect(std::move(ring), domid, true);
    store.fire_special("@introduceDomain");
  }
  if (c) c->reset();
  return 0;
}

int StoreServer::introduce(StoreConnection& c) {
  const std::vector<std::string> s = strings_of(c.in.payload);
  if (s.size() < 3) return EINVAL;
  const unsigned port = number_of(s[2]);
  if (port == 0) return EINVAL;
  if (const int e = introduce(number_of(s[0]), port)) return e;
  acknowledge(c);
  return 0;
}

int StoreServer::release(unsigned domid) {
  const StoreDomain* d = store.find_domain(domid);
  if (!d || !d->introduced) return ENOENT;
  StoreConnection* const c = connection_of(domid);
  if (!c) return EINVAL;
  close(*c);
  store.forget_domain(domid);
  return 0;
}

int StoreServer::release(StoreConnection& c) {
  const auto arg = only_string(c.in.payload);
  if (!arg || number_of(*arg) == 0) return EINVAL;
  const unsigned domid = number_of(*arg);
  gone_ = c.is_domain && c.id == domid;
  const bool own = gone_;
  if (const int e = release(domid)) {
    gone_ = false;
    return e;
  }
  if (!own) acknowledge(c);
  return 0;
}

int StoreServer::resume(unsigned domid) {
  StoreDomain* d = store.find_domain(domid);
  if (!d || !d->introduced) return ENOENT;
  if (!connection_of(domid)) return EINVAL;
  d->shutdown = false;
  return 0;
}

int StoreServer::resume(StoreConnection& c) {
  const auto arg = only_string(c.in.payload);
  if (!arg || number_of(*arg) == 0) return EINVAL;
  if (const int e = resume(number_of(*arg))) return e;
  acknowledge(c);
  return 0;
}

int StoreServer::set_target(unsigned domid, unsigned target) {
  StoreConnection* who[2];
  for (int i = 0; i < 2; ++i) {
    const StoreDomain* d = store.find_domain(i == 0 ? domid : target);
    if (!d || !d->introduced) return ENOENT;
    who[i] = connection_of(d->domid);
    if (!who[i]) return EINVAL;
  }
  who[0]->target = who[1];
  return 0;
}

int StoreServer::set_target(StoreConnection& c) {
  const std::vector<std::string> s = strings_of(c.in.payload);
  if (s.size() < 2) return EINVAL;
  if (const int e = set_target(number_of(s[0]), number_of(s[1]))) return e;
  acknowledge(c);
  return 0;
}

int StoreServer::get_domain_path(StoreConnection& c) {
  const auto arg = only_string(c.in.payload);
  if (!arg) return EINVAL;
  c.reply(XS_GET_DOMAIN_PATH, with_nul(domain_path(number_of(*arg))));
  return 0;
}

int StoreServer::is_domain_introduced(StoreConnection& c) {
  const auto arg = only_string(c.in.payload);
  if (!arg) return EINVAL;
  const unsigned domid = number_of(*arg);
  const StoreDomain* d = store.find_domain(domid);
  c.reply(XS_IS_DOMAIN_INTRODUCED, with_nul(domid == DOMID_SELF || (d && d->introduced) ? "T" : "F"));
  return 0;
}

void StoreServer::check_domains() {
  bool notify = false;
  std::vector<unsigned> gone;
  for (auto& [domid, d] : store.domains()) {
    const StoreDomainFacts facts = host_.facts(domid);
    if (facts.exists && facts.shutdown && d.introduced && !d.shutdown) {
      d.shutdown = true;
      notify = true;
    }
    if (!facts.exists || (d.introduced && facts.dying)) gone.push_back(domid);
  }
  for (const unsigned domid : gone) {
    // A domain that goes fires @releaseDomain by itself.
    if (StoreConnection* c = connection_of(domid)) {
      close(*c);
      notify = false;
    }
    store.forget_domain(domid);
  }
  if (notify) store.fire_special("@releaseDomain");
}

}  // namespace xensim::dom0
