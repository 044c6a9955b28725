// Links between hosts: when what is sent is there, what a link that is down does to it, and how streams hold back.
#include <catch2/catch.hpp>
#include <numeric>

#include "models/machine/simulation.h"

namespace xensim::machine {
namespace {

constexpr Femtoseconds kUs = 1'000 * kFsPerNs;

// 1 bit takes 1 ns; a packet holds 1000 bytes and has 100 around them.
CheckedLink plain_link(std::vector<LinkChange> changes = {}) {
  CheckedLink l;
  l.name = "a-b";
  l.config.between = {"a", "b"};
  l.config.bandwidth = 1'000'000'000;
  l.config.latency = 50'000;
  l.config.mtu = 1040;
  l.config.header = 40;
  l.config.framing = 60;
  l.config.buffer = 8192;
  l.config.timeout = 1'000'000;
  l.changes = std::move(changes);
  return l;
}

TEST_CASE("a piece is there when its packets have been sent, and a latency later") {
  Link link(plain_link());
  CHECK(link.transmit(0, 0, 1) == (1 + 100) * 8 * kFsPerNs + 50 * kUs);
  Link other(plain_link());
  CHECK(other.transmit(0, 7 * kUs, 2500) == 7 * kUs + (2500 + 3 * 100) * 8 * kFsPerNs + 50 * kUs);
  CHECK(other.directions[0].bytes == 2500);
  CHECK(other.directions[0].packets == 3);
}

TEST_CASE("pieces of one direction go one after the other, and directions do not disturb each other") {
  Link link(plain_link());
  const Femtoseconds wire = 1100 * 8 * kFsPerNs;
  CHECK(link.transmit(0, 0, 1000) == wire + 50 * kUs);
  CHECK(link.transmit(0, 1, 1000) == 2 * wire + 50 * kUs);
  CHECK(link.transmit(1, 0, 1000) == wire + 50 * kUs);
}

TEST_CASE("a piece that is under way when the link goes down is sent again when it is up") {
  const Femtoseconds wire = 1100 * 8 * kFsPerNs;
  Link just(plain_link({{58'800, LinkState::kDown}, {100'000, LinkState::kUp}}));
  CHECK(just.transmit(0, 0, 1000) == wire + 50 * kUs);  // arrives at 58.8 us
  CHECK(just.directions[0].sent_again == 0);
  Link late(plain_link({{58'799, LinkState::kDown}, {100'000, LinkState::kUp}}));
  CHECK(late.transmit(0, 0, 1000) == 100 * kUs + wire + 50 * kUs);
  CHECK(late.directions[0].sent_again == 1);
}

TEST_CASE("over a link that stays down nothing comes") {
  Link link(plain_link({{10'000, LinkState::kDown}}));
  CHECK_FALSE(link.transmit(0, 0, 1000));
  CHECK_FALSE(link.transmit(0, 20 * kUs, 1000));
}

TEST_CASE("a stream breaks once the link was down for the time-out, and not if it is up again by then") {
  CHECK(Link(plain_link()).breaks(0) == std::nullopt);
  CHECK(Link(plain_link({{10'000, LinkState::kDown}})).breaks(0) == 1'010 * kUs);
  CHECK(Link(plain_link({{10'000, LinkState::kDown}})).breaks(40 * kUs) == 1'040 * kUs);
  CHECK(Link(plain_link({{10'000, LinkState::kDown}, {1'010'000, LinkState::kUp}})).breaks(0) == std::nullopt);
  CHECK(Link(plain_link({{10'000, LinkState::kDown}, {1'010'001, LinkState::kUp}})).breaks(0) == 1'010 * kUs);
  CHECK(Link(plain_link({{10'000, LinkState::kDown}, {1'010'001, LinkState::kUp}})).breaks(11 * kUs) ==
        std::nullopt);
}

// Two hosts at 1 GHz, so that a cycle is a nanosecond; nothing runs.
struct Pair {
  explicit Pair(std::vector<LinkChange> changes = {}) {
    ScenarioConfig s;
    for (const char* name : {"a", "b"}) {
      s.hosts[name].machine.cpu.frequency = 1'000'000'000;
      s.hosts[name].machine.memory.size = 512 << 20;
      s.hosts[name].machine.dom0.network.connect_round_trips = 1;
    }
    s.links["a-b"] = plain_link().config;
    CheckedScenario checked = check_scenario(s, "test");
    checked.links[0].changes = std::move(changes);
    simulation = std::make_unique<Simulation>(std::move(checked), [](const CheckedHost&) {
      return Simulation::Surroundings{std::make_unique<trace::Tracer>(), [](domid_t, std::string_view) {}};
    });
    a = simulation->hosts()[0];
    b = simulation->hosts()[1];
    near = a->network->connect(0, "b", "cat", nullptr);
    for (at = 50'000; !incoming; ++at) incoming = b->network->accept(at);
    far = std::move(incoming->connection);
  }
  std::unique_ptr<Simulation> simulation;
  Machine* a = nullptr;
  Machine* b = nullptr;
  std::unique_ptr<dom0::Connection> near, far;
  std::optional<dom0::Incoming> incoming;
  Cycles at = 0;  // when the program at b started
};

std::vector<std::uint8_t> pattern(std::size_t n, std::uint8_t first = 0) {
  std::vector<std::uint8_t> v(n);
  std::iota(v.begin(), v.end(), first);
  return v;
}

TEST_CASE("a program is started at the other host, with its command") {
  Pair p;
  CHECK(p.incoming->command == "cat");
  CHECK(p.at == 50'000 + (3 + 100) * 8 + 1);
  CHECK(p.a->network->reach("b") == dom0::Network::Reach::kReachable);
  CHECK(p.a->network->reach("c") == dom0::Network::Reach::kUnknownHost);
}

TEST_CASE("bytes come in order, and not before their time") {
  Pair p;
  p.near->write(100'000, pattern(1000));
  p.near->write(100'000, pattern(10, 77));
  std::vector<std::uint8_t> got(2000);
  CHECK(p.far->read(158'799, got) == 0);
  CHECK(p.far->read(158'800, got) == 1000);
  CHECK(std::equal(got.begin(), got.begin() + 1000, pattern(1000).begin()));
  CHECK(p.far->read(170'000, std::span(got).first(4)) == 4);
  CHECK(p.far->read(170'000, got) == 6);
  CHECK(got[0] == 81);
}

TEST_CASE("a writer has room for the buffer, and again a latency after the reader has read") {
  Pair p;
  CHECK(p.near->room(100'000) == 8192);
  p.near->write(100'000, pattern(8192));
  CHECK(p.near->room(100'000) == 0);
  std::vector<std::uint8_t> got(3000);
  CHECK(p.far->read(400'000, got) == 3000);
  CHECK(p.near->room(449'999) == 0);
  CHECK(p.near->room(450'000) == 3000);
}

TEST_CASE("the end of a stream comes after its bytes, with the program's status") {
  Pair p;
  p.far->write(200'000, pattern(100));
  p.far->write_message(200'000, "words");
  p.far->close(200'000, 3);
  CHECK(p.near->state(250'000) == dom0::Connection::State::kOpen);
  CHECK(p.near->exit_status(250'000) == std::nullopt);
  CHECK(p.near->read_messages(300'000) == "words");
  CHECK(p.near->exit_status(300'000) == 3);
  CHECK(p.near->state(300'000) == dom0::Connection::State::kOpen);
  std::vector<std::uint8_t> got(200);
  CHECK(p.near->read(300'000, got) == 100);
  CHECK(p.near->state(300'000) == dom0::Connection::State::kEnded);
}

TEST_CASE("both ends see a stream break at the same time") {
  Pair p({{300'000, LinkState::kDown}});
  for (dom0::Connection* end : {p.near.get(), p.far.get()}) {
    CHECK(end->breaks_at() == 1'300'000);
    CHECK(end->state(1'299'999) == dom0::Connection::State::kOpen);
    CHECK(end->state(1'300'000) == dom0::Connection::State::kBroken);
  }
}

TEST_CASE("a host's quantum is at most its links' latency") {
  ScenarioConfig s;
  for (const char* name : {"a", "b", "c"}) s.hosts[name].machine.cpu.frequency = 2'000'000'000;
  s.links["a-b"].between = {"a", "b"};
  s.links["a-b"].latency = 400;
  const std::vector<HostScenario> hosts = hosts_of(s);
  CHECK(hosts[0].scenario.machine.quantum == 800);
  CHECK(hosts[1].scenario.machine.quantum == 800);
  CHECK(hosts[2].scenario.machine.quantum == 2000);
}

}  // namespace
}  // namespace xensim::machine
