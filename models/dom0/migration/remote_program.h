// A program of dom0 that speaks to one at another host: what it sends waits here until the other end has room,
// what has come waits until it is asked for; each system call costs what /dom0/network says.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/dom0/network.h"
#include "models/dom0/xl/output.h"
#include "models/xen/domain/model_program.h"

namespace xensim::dom0 {

class RemoteProgram {
 public:
  RemoteProgram(const NetworkConfig& config, std::unique_ptr<Connection> connection)
      : config_(config), connection_(std::move(connection)) {}

  void send(std::span<const std::uint8_t> bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void send(std::string_view text) { out_.insert(out_.end(), text.begin(), text.end()); }
  // What is to be done until all was sent: a call, or waiting; none: all was sent, or never will be.
  std::optional<xen::ModelAction> flush(Cycles now);
  // Has it been sent, and can more be?
  bool writable(Cycles now) const;

  // Takes what has come, one call of it. cycles: what it took; none: nothing is there.
  std::optional<Cycles> receive(Cycles now, std::vector<std::uint8_t>& to);
  // Nothing more can come.
  bool over(Cycles now) const { return connection_->state(now) != Connection::State::kOpen; }
  bool broken(Cycles now) const { return connection_->state(now) == Connection::State::kBroken; }
  xen::ModelAction wait() const { return xen::ModelAction::block(connection_->breaks_at()); }

  // A text that is expected, byte by byte.
  enum class Heard : std::uint8_t { kYes, kNotYet, kOther, kOver };
  Heard hear(Cycles now, std::string_view text, Cycles& cycles);
  // One byte.
  Heard hear_byte(Cycles now, std::uint8_t& byte, Cycles& cycles);

  // What `out` has that was not handed on yet goes to the other end's standard error too.
  void forward(Cycles now, const xl::Output& out);
  // What the other end printed.
  std::string messages(Cycles now) { return connection_->read_messages(now); }
  void close(Cycles now, int status) { connection_->close(now, status); }
  // ssh's: the other program's, or 255 if the connection broke; none: it still runs.
  std::optional<int> exit_status(Cycles now);

  std::uint64_t bytes_sent() const { return sent_; }

 private:
  Cycles cost(std::size_t bytes) const { return config_.call_cycles + bytes * config_.cycles_per_kib / 1024; }
  bool fill(Cycles now, std::size_t wanted, Cycles& cycles);

  const NetworkConfig config_;
  std::unique_ptr<Connection> connection_;
  std::vector<std::uint8_t> out_;
  std::size_t next_ = 0;     // of out_
  std::size_t in_call_ = 0;  // bytes that the call under way sends
  std::vector<std::uint8_t> in_;
  std::size_t forwarded_ = 0;
  std::uint64_t sent_ = 0;
};

}  // namespace xensim::dom0
