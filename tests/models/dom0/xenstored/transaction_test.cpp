#include <random>

#include "tests/models/dom0/xenstored/bench.h"

namespace xensim::dom0 {

TEST_CASE("What a transaction writes is seen inside it only, until it is committed") {
  StoreBench b;
  const std::uint32_t t = b.start(*b.tool);
  CHECK(b.ask(*b.tool, XS_WRITE, nul("/a/b") + "new", t).text() == "OK");
  CHECK(b.ask(*b.tool, XS_READ, nul("/a/b"), t).payload == "new");
  CHECK(b.error(*b.tool, XS_READ, nul("/a/b")) == "ENOENT");
  CHECK(b.ask(*b.tool, XS_TRANSACTION_END, nul("T"), t).text() == "OK");
  CHECK(b.ask(*b.tool, XS_READ, nul("/a/b")).payload == "new");
  CHECK(b.server.store.check().empty());
}

TEST_CASE("An aborted transaction leaves nothing") {
  StoreBench b;
  const std::uint32_t t = b.start(*b.tool);
  b.ask(*b.tool, XS_WRITE, nul("/a/b") + "new", t);
  b.ask(*b.tool, XS_RM, nul("/tool"), t);
  CHECK(b.ask(*b.tool, XS_TRANSACTION_END, nul("F"), t).text() == "OK");
  CHECK(b.ask(*b.tool, XS_DIRECTORY, nul("/")).payload == nul("tool"));
  CHECK(b.server.store.check().empty());
  CHECK(b.server.store.open_transactions() == 0);
}

TEST_CASE("A node that was read and then changed by somebody else makes the commit fail") {
  StoreBench b;
  b.ask(*b.tool, XS_WRITE, nul("/a") + "1");
  const std::uint32_t t = b.start(*b.tool);
  CHECK(b.ask(*b.tool, XS_READ, nul("/a"), t).payload == "1");
  b.ask(*b.tool, XS_WRITE, nul("/a") + "2");
  CHECK(b.ask(*b.tool, XS_READ, nul("/a"), t).payload == "1");
  b.ask(*b.tool, XS_WRITE, nul("/c") + "x", t);
  CHECK(b.error(*b.tool, XS_TRANSACTION_END, nul("T"), t) == "EAGAIN");
  CHECK(b.error(*b.tool, XS_READ, nul("/c")) == "ENOENT");
  CHECK(b.ask(*b.tool, XS_READ, nul("/a")).payload == "2");
}

TEST_CASE("A node that was not there when it was read, and is now, makes the commit fail") {
  StoreBench b;
  b.ask(*b.tool, XS_MKDIR, nul("/dir"));
  const std::uint32_t t = b.start(*b.tool);
  CHECK(b.error(*b.tool, XS_READ, nul("/dir/x"), t) == "ENOENT");
  b.ask(*b.tool, XS_WRITE, nul("/dir/x") + "1");
  CHECK(b.error(*b.tool, XS_TRANSACTION_END, nul("T"), t) == "EAGAIN");
}

TEST_CASE("A change of what the transaction did not touch does no harm") {
  StoreBench b;
  b.ask(*b.tool, XS_WRITE, nul("/a") + "1");
  b.ask(*b.tool, XS_WRITE, nul("/b") + "1");
  const std::uint32_t t = b.start(*b.tool);
  b.ask(*b.tool, XS_WRITE, nul("/a") + "2", t);
  b.ask(*b.tool, XS_WRITE, nul("/b") + "2");
  CHECK(b.ask(*b.tool, XS_TRANSACTION_END, nul("T"), t).text() == "OK");
}

TEST_CASE("Two transactions that read what the other writes: the second to end fails") {
  StoreBench b;
  b.ask(*b.tool, XS_WRITE, nul("/a") + "1");
  b.ask(*b.tool, XS_WRITE, nul("/b") + "1");
  const std::uint32_t one = b.start(*b.tool), two = b.start(*b.tool);
  CHECK(one != two);
  b.ask(*b.tool, XS_READ, nul("/a"), one);
  b.ask(*b.tool, XS_READ, nul("/b"), two);
  b.ask(*b.tool, XS_WRITE, nul("/b") + "one", one);
  b.ask(*b.tool, XS_WRITE, nul("/a") + "two", two);
  CHECK(b.ask(*b.tool, XS_TRANSACTION_END, nul("T"), one).text() == "OK");
  CHECK(b.error(*b.tool, XS_TRANSACTION_END, nul("T"), two) == "EAGAIN");
  CHECK(b.ask(*b.tool, XS_READ, nul("/a")).payload == "1");
}

TEST_CASE("Transactions are their connection's, ids that are none get ENOENT") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  const std::uint32_t t = b.start(*b.tool);
  CHECK(b.error(guest, XS_READ, nul("name"), t) == "ENOENT");
  CHECK(b.error(*b.tool, XS_TRANSACTION_END, nul("T")) == "ENOENT");
  CHECK(b.error(*b.tool, XS_TRANSACTION_END, nul("x"), t) == "EINVAL");
  CHECK(b.error(*b.tool, XS_TRANSACTION_START, nul(""), t) == "EBUSY");
  CHECK(b.ask(*b.tool, XS_TRANSACTION_END, nul("F"), t).text() == "OK");
  CHECK(b.error(*b.tool, XS_TRANSACTION_END, nul("F"), t) == "ENOENT");
}

TEST_CASE("A domain may have eleven transactions open") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  for (int i = 0; i < 11; ++i) b.start(guest);
  CHECK(b.error(guest, XS_TRANSACTION_START, nul("")) == "ENOSPC");
  CHECK(b.ask(guest, XS_RESET_WATCHES, nul("")).text() == "OK");
  b.start(guest);
}

TEST_CASE("Watches fire when a transaction is committed, in the order in which it touched the nodes") {
  StoreBench b;
  auto p = std::make_unique<Pipe>();
  Pipe& watcher = *p;
  b.server.accept(std::move(p));
  b.ask(watcher, XS_WATCH, nul("/w") + nul("t"));
  b.events.clear();
  const std::uint32_t t = b.start(*b.tool);
  b.ask(*b.tool, XS_WRITE, nul("/w/b") + "1", t);
  b.ask(*b.tool, XS_WRITE, nul("/w/a") + "1", t);
  CHECK(b.take_events(watcher).empty());
  b.ask(*b.tool, XS_TRANSACTION_END, nul("T"), t);
  CHECK(b.take_events(watcher) == std::vector<std::string>{event("/w/b", "t"), event("/w/a", "t")});
}

TEST_CASE("A domain's transaction that touches too many nodes cannot be committed") {
  StoreConfig config;
  config.transaction_nodes = 8;
  StoreBench b(config);
  Pipe& guest = b.domain(1);
  for (int i = 0; i < 12; ++i) b.ask(guest, XS_WRITE, nul("n" + std::to_string(i)) + "1");
  const std::uint32_t t = b.start(guest);
  std::string error;
  for (int i = 0; i < 12 && error.empty(); ++i) {
    const Reply r = b.ask(guest, XS_READ, nul("n" + std::to_string(i)), t);
    if (r.type == XS_ERROR) error = r.text();
  }
  CHECK(error == "ENOSPC");
  CHECK(b.error(guest, XS_TRANSACTION_END, nul("T"), t) == "ENOMEM");
}

// Random requests of five clients, transactions among them, against a second store that does committed
// transactions at once: what can be read at the end is the same, and no account is off.
TEST_CASE("Random requests leave the tree whole and the accounts right") {
  std::mt19937 random(5);
  for (int round = 0; round < 20; ++round) {
    StoreBench b;
    std::vector<Pipe*> who{b.tool, &b.domain(1), &b.domain(2), &b.domain(3)};
    std::vector<std::uint32_t> open(who.size(), 0);
    for (int i = 0; i < 400; ++i) {
      const std::size_t w = random() % who.size();
      const std::uint32_t tx = random() % 2 ? open[w] : 0;
      std::string path = "/local/domain/" + std::to_string(random() % 4);
      for (auto depth = random() % 3; depth-- > 0;)
        path += "/" + std::string(1, static_cast<char>('a' + random() % 3));
      switch (random() % 8) {
        case 0:
          b.ask(*who[w], XS_RM, nul(path), tx);
          break;
        case 1:
          if (open[w] == 0) open[w] = b.start(*who[w]);
          break;
        case 2:
          if (open[w] != 0) b.ask(*who[w], XS_TRANSACTION_END, nul(random() % 4 ? "T" : "F"), open[w]);
          open[w] = 0;
          break;
        case 3:
          b.ask(*who[w], XS_SET_PERMS, nul(path) + nul("b" + std::to_string(random() % 4)) + nul("r1"), tx);
          break;
        case 4:
          b.ask(*who[w], XS_DIRECTORY, nul(path), tx);
          break;
        default:
          b.ask(*who[w], XS_WRITE, nul(path) + std::string(random() % 50, 'v'), tx);
      }
      REQUIRE(b.server.store.check() == "");
      b.server.store.now_ms += 50;
    }
    for (unsigned domid = 1; domid < 4; ++domid) b.host.domains.erase(domid);
    b.server.check_domains();
    REQUIRE(b.server.store.check() == "");
    CHECK(b.server.store.domains().size() == 1);
  }
}

}  // namespace xensim::dom0
