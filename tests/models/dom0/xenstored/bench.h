// A xenstored without a machine: domains exist when a test says so, rings are queues of bytes.
#pragma once

#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "models/dom0/xenstored/protocol.h"
#include "models/dom0/xenstored/wire.h"

namespace xensim::dom0 {

// Both directions of a connection; `room` limits what fits towards the client.
struct Pipe final : StoreTransport {
  std::deque<char> to_server, to_client;
  std::size_t room = 1 << 20;
  std::uint32_t error = 0;
  bool broken = false;

  bool can_read() override { return broken || !to_server.empty(); }
  bool can_write() override { return broken || to_client.size() < room; }
  long read(std::span<char> to) override {
    if (broken) return -1;
    const std::size_t n = std::min(to.size(), to_server.size());
    std::copy_n(to_server.begin(), n, to.begin());
    to_server.erase(to_server.begin(), to_server.begin() + static_cast<long>(n));
    return static_cast<long>(n);
  }
  long write(std::span<const char> from) override {
    if (broken) return -1;
    const std::size_t n = std::min(from.size(), room - to_client.size());
    to_client.insert(to_client.end(), from.begin(), from.begin() + static_cast<long>(n));
    return static_cast<long>(n);
  }
  void set_error(std::uint32_t e) override { error = e; }
  void reset() override {
    to_server.clear();
    to_client.clear();
  }
};

struct FakeHost final : StoreHost {
  std::map<unsigned, StoreDomainFacts> domains;
  std::map<unsigned, Pipe*> rings;
  std::vector<unsigned> rebound;

  StoreDomainFacts facts(unsigned domid) override {
    const auto it = domains.find(domid);
    return it == domains.end() ? StoreDomainFacts{} : it->second;
  }
  std::unique_ptr<StoreTransport> connect(unsigned domid, std::uint32_t, int& error) override {
    if (!facts(domid).exists) {
      error = EINVAL;
      return nullptr;
    }
    auto p = std::make_unique<Pipe>();
    rings[domid] = p.get();
    return p;
  }
  void rebind(StoreTransport&, unsigned domid, std::uint32_t) override { rebound.push_back(domid); }
};

struct Reply {
  std::uint32_t type = 0, req_id = 0, tx_id = 0;
  std::string payload;
  // Without the NUL at the end.
  std::string text() const { return payload.substr(0, payload.find_last_not_of('\0') + 1); }
};

inline std::string nul(const std::string& s) { return s + '\0'; }

inline std::string bytes_of(std::uint32_t type, const std::string& payload, std::uint32_t tx = 0,
                            std::uint32_t req = 7) {
  const xsd_sockmsg h{type, req, tx, static_cast<std::uint32_t>(payload.size())};
  return std::string(reinterpret_cast<const char*>(&h), sizeof h) + payload;
}

inline std::vector<Reply> messages_of(Pipe& p) {
  std::vector<Reply> out;
  while (p.to_client.size() >= sizeof(xsd_sockmsg)) {
    xsd_sockmsg h;
    std::copy_n(p.to_client.begin(), sizeof h, reinterpret_cast<char*>(&h));
    if (p.to_client.size() < sizeof h + h.len) break;
    Reply r{h.type, h.req_id, h.tx_id, {}};
    r.payload.assign(p.to_client.begin() + sizeof h, p.to_client.begin() + static_cast<long>(sizeof h + h.len));
    p.to_client.erase(p.to_client.begin(), p.to_client.begin() + static_cast<long>(sizeof h + h.len));
    out.push_back(r);
  }
  return out;
}

struct StoreBench {
  explicit StoreBench(const StoreConfig& config = {}) : server(config, host) {
    host.domains[0] = {true, false, false};
    server.connect_dom0();
    auto p = std::make_unique<Pipe>();
    tool = p.get();
    server.accept(std::move(p));
  }

  // A domain with its base directory, as libxl makes it, readable for it; introduced.
  Pipe& domain(unsigned domid) {
    host.domains[domid] = {true, false, false};
    const std::string base = "/local/domain/" + std::to_string(domid);
    REQUIRE(ask(*tool, XS_MKDIR, nul(base)).text() == "OK");
    REQUIRE(ask(*tool, XS_SET_PERMS, nul(base) + nul("n" + std::to_string(domid))).text() == "OK");
    REQUIRE(ask(*tool, XS_INTRODUCE, nul(std::to_string(domid)) + nul("1044476") + nul("1")).text() == "OK");
    return *host.rings.at(domid);
  }

  // Serves until nothing moves any more.
  void run() {
    for (bool moved = true; moved;) {
      moved = false;
      std::vector<StoreConnection*> now;
      for (const auto& c : server.connections) now.push_back(c.get());
      for (StoreConnection* c : now) {
        const auto alive = [&] {
          return std::any_of(server.connections.begin(), server.connections.end(),
                             [&](const auto& x) { return x.get() == c; });
        };
        std::uint64_t bytes = 0;
        if (alive() && c->can_read()) {
          if (c->input(bytes)) server.serve(*c);
          moved = true;
        }
        if (alive() && c->can_write()) {
          c->output(bytes);
          moved = true;
        }
      }
    }
  }

  void send(Pipe& p, const std::string& bytes) {
    p.to_server.insert(p.to_server.end(), bytes.begin(), bytes.end());
  }

  // Sends a request and returns its reply; watch events that come with it are kept in `events`.
  Reply ask(Pipe& p, std::uint32_t type, const std::string& payload, std::uint32_t tx = 0) {
    send(p, bytes_of(type, payload, tx));
    run();
    Reply reply;
    for (Reply& r : messages_of(p)) {
      if (r.type == XS_WATCH_EVENT)
        events.push_back(r.payload);
      else
        reply = r;
    }
    return reply;
  }
  std::string error(Pipe& p, std::uint32_t type, const std::string& payload, std::uint32_t tx = 0) {
    const Reply r = ask(p, type, payload, tx);
    return r.type == XS_ERROR ? r.text() : "no error";
  }
  std::uint32_t start(Pipe& p) {
    return static_cast<std::uint32_t>(std::stoul(ask(p, XS_TRANSACTION_START, nul("")).text()));
  }
  // Watch events that have come since.
  std::vector<std::string> take_events(Pipe& p) {
    run();
    std::vector<std::string> out;
    for (const Reply& r : messages_of(p))
      if (r.type == XS_WATCH_EVENT) out.push_back(r.payload);
    return out;
  }

  FakeHost host;
  StoreServer server;
  Pipe* tool;
  std::vector<std::string> events;
};

inline std::string event(const std::string& path, const std::string& token) { return nul(path) + nul(token); }

}  // namespace xensim::dom0
