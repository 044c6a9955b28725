#include "models/dom0/migration/remote_program.h"

#include <algorithm>

namespace xensim::dom0 {

using xen::ModelAction;

bool RemoteProgram::writable(Cycles now) const {
  return connection_->state(now) == Connection::State::kOpen && !connection_->exit_status(now);
}

// The call's time passes first, and at its end the bytes are on their way.
std::optional<ModelAction> RemoteProgram::flush(Cycles now) {
  if (!writable(now)) {
    out_.clear();
    next_ = in_call_ = 0;
    return std::nullopt;
  }
  if (in_call_ > 0) {
    connection_->write(now, std::span(out_).subspan(next_, in_call_));
    sent_ += in_call_;
    next_ += in_call_;
    in_call_ = 0;
  }
  if (next_ == out_.size()) {
    out_.clear();
    next_ = 0;
    return std::nullopt;
  }
  const auto n = std::min<std::uint64_t>({config_.call_bytes, out_.size() - next_, connection_->room(now)});
  if (n == 0) return wait();
  in_call_ = static_cast<std::size_t>(n);
  return ModelAction::spend(cost(in_call_));
}

std::optional<Cycles> RemoteProgram::receive(Cycles now, std::vector<std::uint8_t>& to) {
  to.resize(config_.call_bytes);
  if (connection_->state(now) == Connection::State::kBroken)
    to.clear();
  else
    to.resize(connection_->read(now, to));
  if (to.empty()) return std::nullopt;
  return cost(to.size());
}

bool RemoteProgram::fill(Cycles now, std::size_t wanted, Cycles& cycles) {
  cycles = 0;
  while (in_.size() < wanted) {
    std::vector<std::uint8_t> piece(wanted - in_.size());
    if (!broken(now)) piece.resize(connection_->read(now, piece));
    if (piece.empty() || broken(now)) return false;
    in_.insert(in_.end(), piece.begin(), piece.end());
    cycles += cost(piece.size());
  }
  return true;
}

RemoteProgram::Heard RemoteProgram::hear(Cycles now, std::string_view text, Cycles& cycles) {
  if (!fill(now, text.size(), cycles)) return over(now) ? Heard::kOver : Heard::kNotYet;
  const bool same = std::equal(text.begin(), text.end(), in_.begin(),
                               [](char c, std::uint8_t b) { return static_cast<std::uint8_t>(c) == b; });
  in_.clear();
  return same ? Heard::kYes : Heard::kOther;
}

RemoteProgram::Heard RemoteProgram::hear_byte(Cycles now, std::uint8_t& byte, Cycles& cycles) {
  if (!fill(now, 1, cycles)) return over(now) ? Heard::kOver : Heard::kNotYet;
  byte = in_[0];
  in_.clear();
  return Heard::kYes;
}

void RemoteProgram::forward(Cycles now, const xl::Output& out) {
  const std::string text = out.text(true);
  if (text.size() > forwarded_ && writable(now)) connection_->write_message(now, text.substr(forwarded_));
  forwarded_ = text.size();
}

std::optional<int> RemoteProgram::exit_status(Cycles now) {
  if (broken(now)) return 255;
  return connection_->exit_status(now);
}

}  // namespace xensim::dom0
