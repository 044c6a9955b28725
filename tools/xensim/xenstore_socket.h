// A UNIX socket of the host on which xenstore's clients find the simulated xenstored: XENSTORED_PATH=PATH
// xenstore-ls. Never blocks but in poll().
#pragma once

#include <poll.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "models/machine/xenstore_port.h"

namespace xensim::tool {

class XenstoreSocket final : public machine::StoreSocket {
 public:
  // Listens; a socket that nobody listens on any more is replaced. Throws UserError.
  explicit XenstoreSocket(const std::string& path);
  ~XenstoreSocket() override;
  XenstoreSocket(const XenstoreSocket&) = delete;
  XenstoreSocket& operator=(const XenstoreSocket&) = delete;

  std::vector<machine::StoreInput> poll(std::chrono::milliseconds wait) override;
  void send(std::uint64_t connection, std::string_view bytes) override;
  void close(std::uint64_t connection) override;
  // For an owner that waits for other things besides: poll() has something to do when one of them is ready.
  std::vector<pollfd> descriptors() const;

 private:
  struct Connection {
    int fd = -1;
    std::string out;     // what the client has not taken yet
    bool ended = false;  // nothing more comes from it
  };
  void flush(Connection& c);

  std::string path_;
  int listener_ = -1;
  std::map<std::uint64_t, Connection> connections_;
  std::uint64_t last_ = 0;
};

}  // namespace xensim::tool
