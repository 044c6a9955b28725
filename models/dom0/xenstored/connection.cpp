#include "models/dom0/xenstored/connection.h"

#include <algorithm>
#include <cstring>

#include "models/dom0/xenstored/wire.h"

namespace xensim::dom0 {

namespace {

std::string message(std::uint32_t type, std::uint32_t req_id, std::uint32_t tx_id, std::string_view payload) {
  const xsd_sockmsg header{type, req_id, tx_id, static_cast<std::uint32_t>(payload.size())};
  std::string bytes(sizeof header, '\0');
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes.append(payload);
}

}  // namespace

StoreConnection::StoreConnection(Store& store, std::unique_ptr<StoreTransport> t, unsigned domid, bool ring)
    : StoreClient(domid, ring), transport(std::move(t)), store_(store) {
  store_.add(*this);
}

StoreConnection::~StoreConnection() {
  clear();
  store_.remove(*this);
}

bool StoreConnection::can_read() { return !ignored && store_.may_request(*this) && transport->can_read(); }

bool StoreConnection::input(std::uint64_t& bytes) {
  const auto take = [&](std::string& into, std::size_t whole) {
    const std::size_t had = into.size();
    into.resize(whole);
    const long n = transport->read({into.data() + had, whole - had});
    into.resize(had + static_cast<std::size_t>(std::max(n, 0L)));
    if (n < 0) ignore(XENSTORE_ERROR_RINGIDX);
    bytes += static_cast<std::uint64_t>(std::max(n, 0L));
    return n >= 0 && into.size() == whole;
  };
  if (in_header_) {
    if (!take(header_, sizeof(xsd_sockmsg))) return false;
    xsd_sockmsg header;
    std::memcpy(&header, header_.data(), sizeof header);
    header_.clear();
    if (header.len > XENSTORE_PAYLOAD_MAX) {
      ignore(XENSTORE_ERROR_PROTO);
      return false;
    }
    in = {header.type, header.req_id, header.tx_id, {}};
    expected_ = header.len;
    in_header_ = false;
  }
  if (!take(in.payload, expected_)) return false;
  in_header_ = true;
  return true;
}

void StoreConnection::output(std::uint64_t& bytes) {
  Outgoing& m = out_.front();
  // Header and payload are two writes.
  const std::size_t end = m.sent < sizeof(xsd_sockmsg) ? sizeof(xsd_sockmsg) : m.bytes.size();
  const long n = transport->write({m.bytes.data() + m.sent, end - m.sent});
  if (n < 0) return ignore(XENSTORE_ERROR_RINGIDX);
  m.sent += static_cast<std::size_t>(n);
  bytes += static_cast<std::uint64_t>(n);
  if (m.sent == sizeof(xsd_sockmsg) && m.sent < m.bytes.size() && is_domain && transport->can_write())
    return output(bytes);
  if (m.sent == m.bytes.size()) drop(out_.begin());
}

void StoreConnection::queue(Outgoing m) {
  store_.add_memory(id, static_cast<std::int64_t>(m.bytes.size()), false);
  out_.push_back(std::move(m));
}

void StoreConnection::drop(const std::deque<Outgoing>::iterator& at) {
  store_.add_memory(id, -static_cast<std::int64_t>(at->bytes.size()), false);
  out_.erase(at);
}

void StoreConnection::clear() {
  while (!out_.empty()) drop(out_.begin());
  header_.clear();
  in = {};
  in_header_ = true;
  request_.reset();
}

std::shared_ptr<StoreRequest> StoreConnection::request() {
  if (!request_ && is_domain) request_ = std::make_shared<StoreRequest>(store_, id);
  return request_;
}

void StoreConnection::reply(std::uint32_t type, std::string payload) {
  if (payload.size() > XENSTORE_PAYLOAD_MAX) {
    type = XS_ERROR;
    payload.assign("E2BIG", 6);
  }
  queue({message(type, in.req_id, in.tx_id, payload), 0, false, 0, request()});
  request_.reset();
  in.payload.clear();
}

void StoreConnection::watch_event(const std::string& path, const std::string& token,
                                  const std::shared_ptr<StoreRequest>& cause) {
  if (ignored) return;
  std::string payload = path;
  payload.push_back('\0');
  payload.append(token).push_back('\0');
  if (payload.size() > XENSTORE_PAYLOAD_MAX) return;
  Outgoing m{message(XS_WATCH_EVENT, 0, 0, payload), 0, true, 0, cause};
  // The same event twice in the line tells nothing more, unless it is a special one.
  if (!path.starts_with('@') && std::any_of(out_.begin(), out_.end(), [&](const Outgoing& o) {
        return o.watch_event && o.bytes == m.bytes;
      }))
    return;
  // An event is lost if the domain has no memory left for it.
  const auto size = static_cast<std::int64_t>(m.bytes.size());
  if (!store_.add_memory(id, size, true)) return;
  store_.add_memory(id, -size, false);
  if (store_.config.watch_event_timeout != 0 && store_.unprivileged(*this))
    m.drop_at_ms = store_.now_ms + store_.config.watch_event_timeout;
  ++events_queued;
  queue(std::move(m));
}

void StoreConnection::ignore(std::uint32_t error) {
  transport->set_error(error);
  ignored = true;
  store_.reset(*this);
  clear();
}

void StoreConnection::reset() {
  store_.reset(*this);
  clear();
  transport->reset();
}

std::uint64_t StoreConnection::drop_old_events() {
  std::uint64_t next = 0;
  for (auto i = out_.begin(); i != out_.end();) {
    if (i->drop_at_ms == 0 || i->sent != 0) {
      ++i;
    } else if (i->drop_at_ms <= store_.now_ms) {
      store_.add_memory(id, -static_cast<std::int64_t>(i->bytes.size()), false);
      i = out_.erase(i);
    } else {
      next = next == 0 ? i->drop_at_ms : std::min(next, i->drop_at_ms);
      ++i;
    }
  }
  return next;
}

}  // namespace xensim::dom0
