#include "models/machine/link.h"

#include <algorithm>

#include "models/machine/machine.h"
#include "sim/base/expects.h"

namespace xensim::machine {

namespace {
constexpr Femtoseconds kFsPerSecond = 1'000'000'000'000'000;

Femtoseconds fs_of(const Machine& m, Cycles c) { return m.clock().time(c).value(); }
Cycles cycles_of(const Machine& m, Femtoseconds t) { return m.clock().cycles(sc_core::sc_time::from_value(t)); }
}  // namespace

Link::Link(const CheckedLink& link) : name(link.name), config(link.config) {
  bool up = true;
  for (const LinkChange& c : link.changes) {
    if ((c.state == LinkState::kUp) == up) continue;
    up = !up;
    if (up)
      downs_.back().to = c.at * kFsPerNs;
    else
      downs_.push_back({c.at * kFsPerNs, std::nullopt});
  }
}

std::uint64_t Link::packets_of(std::uint64_t n) const {
  const std::uint64_t payload = config.mtu - config.header;
  return std::max<std::uint64_t>(1, (n + payload - 1) / payload);
}

Femtoseconds Link::wire_time(std::uint64_t n) const {
  const std::uint64_t bytes = n + packets_of(n) * (config.header + config.framing);
  return static_cast<Femtoseconds>(static_cast<unsigned __int128>(bytes) * 8 * kFsPerSecond / config.bandwidth);
}

std::optional<Femtoseconds> Link::transmit(unsigned from, Femtoseconds t, std::uint64_t n) {
  Direction& d = directions.at(from);
  const Femtoseconds wire = wire_time(n);
  Femtoseconds begin = std::max(t, d.free_at);
  for (const Down& down : downs_) {
    if (begin + wire + latency() <= down.from) break;
    if (down.to && begin >= *down.to) continue;
    ++d.sent_again;
    if (!down.to) return std::nullopt;
    begin = *down.to;
  }
  d.free_at = begin + wire;
  d.bytes += n;
  d.packets += packets_of(n);
  d.busy_fs += wire;
  return d.free_at + latency();
}

std::optional<Femtoseconds> Link::breaks(Femtoseconds opened) const {
  const Femtoseconds timeout = config.timeout * kFsPerNs;
  for (const Down& down : downs_) {
    const Femtoseconds from = std::max(down.from, opened);
    if (!down.to || (*down.to > from && *down.to - from > timeout)) return from + timeout;
  }
  return std::nullopt;
}

namespace {

// What is on its way to an end, or has come and was not taken yet.
struct Arrival {
  Cycles at = 0;
  std::vector<std::uint8_t> bytes;
  std::size_t taken = 0;
};

// Both ends' state. What one end puts into the other's queues carries the time at which it is there.
struct Stream {
  struct End {
    Machine* machine = nullptr;
    unsigned link_end = 0;
    Cycles breaks_at = kNever;
    std::deque<Arrival> bytes;
    std::deque<std::pair<Cycles, std::string>> messages;
    std::deque<std::pair<Cycles, std::uint64_t>> credits;  // that the other end has read so much
    std::uint64_t outstanding = 0;                         // written here, not known to be read there
    bool closed = false;                                   // this end
    std::optional<std::pair<Cycles, int>> other_closed;    // when it is known here, and the status
  };
  explicit Stream(Link& l) : link(l) {}

  // n bytes go from end e at its time `now`; when they are there, in cycles of the other host.
  std::optional<Cycles> send(unsigned e, Cycles now, std::uint64_t n) {
    const End& from = ends.at(e);
    const Machine& to = *ends.at(1 - e).machine;
    const auto at = link.transmit(from.link_end, fs_of(*from.machine, now), n);
    if (!at) return std::nullopt;
    return cycles_of(to, *at);
  }

  Link& link;
  std::array<End, 2> ends;
};

class StreamEnd final : public dom0::Connection {
 public:
  StreamEnd(std::shared_ptr<Stream> stream, unsigned end)
      : stream_(std::move(stream)), here_(stream_->ends.at(end)), there_(stream_->ends.at(1 - end)), end_(end) {}
  StreamEnd(const StreamEnd&) = delete;
  StreamEnd& operator=(const StreamEnd&) = delete;

  State state(Cycles now) override {
    if (now >= here_.breaks_at) return State::kBroken;
    const bool unread = !here_.bytes.empty() && here_.bytes.front().at <= now;
    return here_.other_closed && here_.other_closed->first <= now && !unread ? State::kEnded : State::kOpen;
  }
  Cycles breaks_at() const override { return here_.breaks_at; }

  std::uint64_t room(Cycles now) override {
    while (!here_.credits.empty() && here_.credits.front().first <= now) {
      here_.outstanding -= here_.credits.front().second;
      here_.credits.pop_front();
    }
    const std::uint64_t most = stream_->link.config.buffer;
    return here_.outstanding < most ? most - here_.outstanding : 0;
  }

  void write(Cycles now, std::span<const std::uint8_t> bytes) override {
    expects(!here_.closed && bytes.size() <= room(now));
    if (bytes.empty()) return;
    here_.outstanding += bytes.size();
    if (const auto at = stream_->send(end_, now, bytes.size())) {
      there_.bytes.push_back({*at, {bytes.begin(), bytes.end()}});
      there_.machine->network_interrupt(*at);
    }
  }

  void write_message(Cycles now, std::string_view text) override {
    expects(!here_.closed);
    if (const auto at = stream_->send(end_, now, text.size())) {
      there_.messages.emplace_back(*at, std::string(text));
      there_.machine->network_interrupt(*at);
    }
  }

  void close(Cycles now, int status) override {
    if (here_.closed) return;
    here_.closed = true;
    if (const auto at = stream_->send(end_, now, 0)) {
      there_.other_closed = {*at, status};
      there_.machine->network_interrupt(*at);
    }
  }

  std::size_t read(Cycles now, std::span<std::uint8_t> to) override {
    std::size_t n = 0;
    while (n < to.size() && !here_.bytes.empty() && here_.bytes.front().at <= now) {
      Arrival& a = here_.bytes.front();
      const std::size_t part = std::min(to.size() - n, a.bytes.size() - a.taken);
      std::copy_n(a.bytes.begin() + static_cast<std::ptrdiff_t>(a.taken), part,
                  to.begin() + static_cast<std::ptrdiff_t>(n));
      a.taken += part;
      n += part;
      if (a.taken == a.bytes.size()) here_.bytes.pop_front();
    }
    if (n == 0) return 0;
    const Femtoseconds known = fs_of(*here_.machine, now) + stream_->link.latency();
    const Cycles at = cycles_of(*there_.machine, known);
    there_.credits.emplace_back(at, n);
    there_.machine->network_interrupt(at);
    return n;
  }

  std::string read_messages(Cycles now) override {
    std::string text;
    for (; !here_.messages.empty() && here_.messages.front().first <= now; here_.messages.pop_front())
      text += here_.messages.front().second;
    return text;
  }

  std::optional<int> exit_status(Cycles now) override {
    if (!here_.other_closed || here_.other_closed->first > now) return std::nullopt;
    return here_.other_closed->second;
  }

 private:
  std::shared_ptr<Stream> stream_;
  Stream::End& here_;
  Stream::End& there_;
  const unsigned end_;
};

}  // namespace

const dom0::NetworkConfig& HostNetwork::config() const { return machine_.scenario.machine.dom0.network; }

HostNetwork::Reach HostNetwork::reach(const std::string& host) const {
  const auto it = hosts.find(host);
  if (it == hosts.end()) return Reach::kUnknownHost;
  return it->second ? Reach::kReachable : Reach::kNoLink;
}

std::unique_ptr<dom0::Connection> HostNetwork::connect(Cycles now, const std::string& host,
                                                       const std::string& command,
                                                       std::shared_ptr<dom0::MigrationReport> report) {
  const LinkEnd& to = hosts.at(host).value();
  auto stream = std::make_shared<Stream>(*to.link);
  const Femtoseconds opened = fs_of(machine_, now);
  const auto breaks = to.link->breaks(opened);
  Machine* const machines[] = {&machine_, to.other};
  for (unsigned e = 0; e < 2; ++e) {
    Stream::End& end = stream->ends.at(e);
    end.machine = machines[e];
    end.link_end = e == 0 ? to.end : 1 - to.end;
    if (breaks) end.breaks_at = cycles_of(*machines[e], *breaks);
  }
  // All round trips but the last half have passed when the program starts there.
  const Femtoseconds trips = 2 * config().connect_round_trips - 1;
  if (const auto at = to.link->transmit(to.end, opened, command.size()))
    to.other->network->enter(cycles_of(*to.other, *at + (trips - 1) * to.link->latency()),
                             {command, std::make_unique<StreamEnd>(stream, 1), std::move(report)});
  return std::make_unique<StreamEnd>(stream, 0);
}

void HostNetwork::enter(Cycles at, dom0::Incoming incoming) {
  const auto place =
      std::upper_bound(waiting_.begin(), waiting_.end(), at, [](Cycles t, const Waiting& w) { return t < w.at; });
  waiting_.insert(place, {at, std::move(incoming)});
  machine_.network_interrupt(at);
}

std::optional<dom0::Incoming> HostNetwork::accept(Cycles now) {
  if (waiting_.empty() || waiting_.front().at > now) return std::nullopt;
  dom0::Incoming incoming = std::move(waiting_.front().incoming);
  waiting_.pop_front();
  return incoming;
}

}  // namespace xensim::machine
