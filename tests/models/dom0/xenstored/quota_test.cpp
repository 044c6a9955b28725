#include "tests/models/dom0/xenstored/bench.h"

namespace xensim::dom0 {

TEST_CASE("A domain may own 1000 nodes, domain 0 as many as it likes") {
  StoreBench b;
  Pipe& guest = b.domain(1);  // owns its own directory already
  std::string answer = "OK";
  for (int i = 0; answer == "OK"; ++i)
    answer = b.ask(guest, XS_MKDIR, nul("d" + std::to_string(i / 50) + "/n" + std::to_string(i))).text();
  CHECK(answer == "ENOSPC");
  CHECK(b.error(guest, XS_MKDIR, nul("one_more")) == "ENOSPC");
  CHECK(b.server.store.find_domain(1)->entries == 1000);
  CHECK(b.ask(*b.tool, XS_MKDIR, nul("/of/domain/0")).text() == "OK");
  CHECK(b.ask(guest, XS_RM, nul("d0/n1")).text() == "OK");
  CHECK(b.ask(guest, XS_MKDIR, nul("one_more")).text() == "OK");
  CHECK(b.server.store.check().empty());
}

TEST_CASE("A node that cannot be made whole is not made at all") {
  StoreConfig config;
  config.nodes = 3;
  StoreBench b(config);
  Pipe& guest = b.domain(1);
  CHECK(b.error(guest, XS_WRITE, nul("a/b/c") + "1") == "ENOSPC");
  CHECK(b.error(guest, XS_READ, nul("a")) == "ENOENT");
  CHECK(b.ask(guest, XS_WRITE, nul("a/b") + "1").text() == "OK");
  CHECK(b.server.store.check().empty());
}

TEST_CASE("A domain's node, header and permissions included, is below 2048 bytes") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  CHECK(b.ask(guest, XS_WRITE, nul("big") + std::string(2047 - 24 - 8, 'x')).text() == "OK");
  CHECK(b.error(guest, XS_WRITE, nul("big") + std::string(2048 - 24 - 8, 'x')) == "ENOSPC");
  CHECK(b.ask(*b.tool, XS_WRITE, nul("/big") + std::string(4000, 'x')).text() == "OK");
}

TEST_CASE("A domain may have 129 watches") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  for (int i = 0; i < 129; ++i)
    REQUIRE(b.ask(guest, XS_WATCH, nul("w" + std::to_string(i)) + nul("t")).text() == "OK");
  CHECK(b.error(guest, XS_WATCH, nul("more") + nul("t")) == "E2BIG");
  CHECK(b.ask(guest, XS_UNWATCH, nul("w0") + nul("t")).text() == "OK");
  CHECK(b.ask(guest, XS_WATCH, nul("more") + nul("t")).text() == "OK");
}

TEST_CASE("A domain that does not take its replies is not served after 20 of them") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  guest.room = 0;
  for (int i = 0; i < 30; ++i)
    b.send(guest, bytes_of(XS_GET_DOMAIN_PATH, nul("1"), 0, static_cast<std::uint32_t>(i)));
  b.run();
  CHECK(b.server.store.find_domain(1)->outstanding == 20);
  guest.room = 1 << 20;
  b.run();
  const auto got = messages_of(guest);
  REQUIRE(got.size() == 30);
  for (std::uint32_t i = 0; i < 30; ++i) CHECK(got[i].req_id == i);
  CHECK(b.server.store.find_domain(1)->outstanding == 0);
}

TEST_CASE("A request counts as outstanding until others have taken the events that it caused") {
  StoreBench b;
  Pipe& one = b.domain(1);
  Pipe& two = b.domain(2);
  b.ask(*b.tool, XS_MKDIR, nul("/shared"));
  b.ask(*b.tool, XS_SET_PERMS, nul("/shared") + nul("b0"));
  b.ask(two, XS_WATCH, nul("/shared") + nul("t"));
  two.room = 0;
  CHECK(b.ask(one, XS_WRITE, nul("/shared") + "1").text() == "OK");
  CHECK(b.server.store.find_domain(1)->outstanding == 1);
  two.room = 1 << 20;
  b.run();
  CHECK(b.server.store.find_domain(1)->outstanding == 0);
}

TEST_CASE("A domain above its memory quota is not served until it is below again") {
  StoreConfig config;
  config.memory = 10'000;
  StoreBench b(config);
  Pipe& guest = b.domain(1);
  for (int i = 0; i < 20; ++i) b.ask(guest, XS_WRITE, nul("n" + std::to_string(i)) + std::string(1000, 'x'));
  CHECK(b.server.store.find_domain(1)->memory < 10'000);
  CHECK(b.server.store.check().empty());
}

TEST_CASE("Writes while others have transactions open are limited: 10 at once, then 200 a second for all") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  b.ask(guest, XS_WRITE, nul("n"));
  b.start(*b.tool);
  for (std::uint32_t i = 0; i < 40; ++i) b.send(guest, bytes_of(XS_WRITE, nul("n") + "x", 0, i));
  b.run();
  const std::size_t at_once = messages_of(guest).size();
  CHECK(at_once == 11);
  // Two domains share the rate: 10 more in 100 ms.
  b.server.store.now_ms += 100;
  b.run();
  CHECK(messages_of(guest).size() == 10);
}

TEST_CASE("A watch event that a domain does not take is dropped after 20 seconds") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  b.ask(guest, XS_WATCH, nul("x") + nul("t"));
  guest.room = 0;
  b.ask(*b.tool, XS_WRITE, nul("/local/domain/1/x") + "1");
  StoreConnection& c = *b.server.connection_of(1);
  b.server.store.now_ms += 19'999;
  CHECK(c.drop_old_events() == b.server.store.now_ms + 1);
  CHECK(c.waiting() == 1);
  b.server.store.now_ms += 1;
  CHECK(c.drop_old_events() == 0);
  CHECK(c.waiting() == 0);
}

TEST_CASE("CONTROL quota shows and sets what the quotas are") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  CHECK(b.error(guest, XS_CONTROL, nul("quota")) == "EACCES");
  CHECK(b.ask(*b.tool, XS_CONTROL, nul("quota")).text().find("nodes            :     1000 Nodes per domain\n") !=
        std::string::npos);
  CHECK(b.ask(*b.tool, XS_CONTROL, nul("quota") + nul("set") + nul("nodes") + nul("2")).text() == "OK");
  CHECK(b.error(*b.tool, XS_CONTROL, nul("quota") + nul("set") + nul("none") + nul("2")) == "EINVAL");
  CHECK(b.ask(guest, XS_MKDIR, nul("a")).text() == "OK");
  CHECK(b.error(guest, XS_MKDIR, nul("b")) == "ENOSPC");
  CHECK(b.ask(*b.tool, XS_CONTROL, nul("quota") + nul("1")).text().find("nodes           :        2\n") !=
        std::string::npos);
  CHECK(b.error(*b.tool, XS_CONTROL, nul("nonsense")) == "EINVAL");
}

}  // namespace xensim::dom0
