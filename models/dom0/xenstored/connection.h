// A connection: messages of io/xs_wire.h over a stream of bytes, a domain's ring or a socket. It collects what
// comes in until a message is whole, and keeps what goes out until the other side takes it. Replies and watch
// events leave in the order in which they were made.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>

#include "models/dom0/xenstored/store.h"

namespace xensim::dom0 {

// The two directions of a stream. A call moves as much as there is, or is room for, in one piece.
class StoreTransport {
 public:
  virtual ~StoreTransport() = default;
  virtual bool can_read() = 0;
  virtual bool can_write() = 0;
  // How many bytes were moved; −1: the other side broke its end, which closes the connection.
  virtual long read(std::span<char> to) = 0;
  virtual long write(std::span<const char> from) = 0;
  // Why a ring is not served any more (XENSTORE_ERROR_*).
  virtual void set_error(std::uint32_t) {}
  // INTRODUCE: the ring is empty, and connected.
  virtual void reset() {}
};

struct StoreMessage {
  std::uint32_t type = 0, req_id = 0, tx_id = 0;
  std::string payload;
};

class StoreConnection final : public StoreClient {
 public:
  // A domain's, or a tool's in dom0 (domid 0, no quotas).
  StoreConnection(Store& store, std::unique_ptr<StoreTransport> transport, unsigned domid, bool ring);
  ~StoreConnection() override;

  // What the other side lets happen at the moment.
  bool can_read();
  bool can_write() { return !ignored && !out_.empty() && transport->can_write(); }
  // Takes what has come in. true: `in` is a whole message. Bytes moved are added to `bytes`.
  bool input(std::uint64_t& bytes);
  // Sends the first message in line, or a part of it.
  void output(std::uint64_t& bytes);

  // The answer to `in`.
  void reply(std::uint32_t type, std::string payload);
  void watch_event(const std::string& path, const std::string& token,
                   const std::shared_ptr<StoreRequest>& cause) override;
  std::shared_ptr<StoreRequest> request() override;

  // Nothing is taken or sent any more; a socket is to be closed.
  void ignore(std::uint32_t error);
  // INTRODUCE again: as if new.
  void reset();
  // Drops watch events that have waited for too long. When the next one will have; 0: none waits.
  std::uint64_t drop_old_events();
  std::size_t waiting() const { return out_.size(); }

  const std::unique_ptr<StoreTransport> transport;
  std::uint64_t serial = 0;  // in order of arrival, never used again
  bool ignored = false;
  StoreMessage in;
  std::uint64_t events_queued = 0;

 private:
  struct Outgoing {
    std::string bytes;  // header and payload
    std::size_t sent = 0;
    bool watch_event = false;
    std::uint64_t drop_at_ms = 0;  // 0: never
    std::shared_ptr<StoreRequest> request;
  };
  void queue(Outgoing message);
  void drop(const std::deque<Outgoing>::iterator& at);
  void clear();

  Store& store_;
  std::deque<Outgoing> out_;
  std::string header_;
  std::uint32_t expected_ = 0;
  bool in_header_ = true;
  std::shared_ptr<StoreRequest> request_;
};

}  // namespace xensim::dom0
