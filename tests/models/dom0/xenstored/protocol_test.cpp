#include "tests/models/dom0/xenstored/bench.h"

namespace xensim::dom0 {

TEST_CASE("A reply carries the request's type, req_id and tx_id, an error its name") {
  StoreBench b;
  const std::uint32_t t = b.start(*b.tool);
  b.send(*b.tool, bytes_of(XS_READ, nul("/tool"), t, 0xabcd));
  b.send(*b.tool, bytes_of(XS_READ, nul("/none"), t, 0xabce));
  b.run();
  const auto got = messages_of(*b.tool);
  REQUIRE(got.size() == 2);
  CHECK(got[0].type == XS_READ);
  CHECK(got[0].req_id == 0xabcd);
  CHECK(got[0].tx_id == t);
  CHECK(got[1].type == XS_ERROR);
  CHECK(got[1].req_id == 0xabce);
  CHECK(got[1].payload == nul("ENOENT"));
}

TEST_CASE("Types that are no requests get ENOSYS") {
  StoreBench b;
  for (const std::uint32_t type : {XS_WATCH_EVENT + 0u, XS_ERROR + 0u, 20u, 23u, 24u, 0xffffu, 0xffffffffu})
    CHECK(b.error(*b.tool, type, nul("/")) == "ENOSYS");
}

TEST_CASE("Arguments that are not as they should be get EINVAL") {
  StoreBench b;
  for (const std::uint32_t type : {XS_READ, XS_DIRECTORY, XS_GET_PERMS, XS_MKDIR, XS_RM, XS_GET_DOMAIN_PATH,
                                   XS_IS_DOMAIN_INTRODUCED, XS_RELEASE, XS_RESUME, XS_TRANSACTION_END}) {
    CHECK(b.error(*b.tool, type, "") == "EINVAL");
    CHECK(b.error(*b.tool, type, "/tool") == "EINVAL");  // no NUL
    CHECK(b.error(*b.tool, type, nul("/tool") + "x") == "EINVAL");
    CHECK(b.error(*b.tool, type, nul("/tool") + nul("/tool")) == "EINVAL");
  }
  CHECK(b.error(*b.tool, XS_WRITE, "/a") == "EINVAL");
  CHECK(b.error(*b.tool, XS_INTRODUCE, nul("1") + nul("2")) == "EINVAL");
  CHECK(b.error(*b.tool, XS_INTRODUCE, nul("1") + nul("2") + nul("0")) == "EINVAL");
  CHECK(b.error(*b.tool, XS_CONTROL, "") == "EINVAL");
}

TEST_CASE("A message may come byte by byte, and leave as the other side has room") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  b.ask(*b.tool, XS_WRITE, nul("/local/domain/1/long") + std::string(3000, 'v'));
  guest.room = 5;
  std::string out;
  for (const char c : bytes_of(XS_READ, nul("long"))) {
    b.send(guest, std::string(1, c));
    b.run();
  }
  while (!guest.to_client.empty()) {
    out.append(guest.to_client.begin(), guest.to_client.end());
    guest.to_client.clear();
    b.run();
  }
  CHECK(out == bytes_of(XS_READ, std::string(3000, 'v')));
}

TEST_CASE("A payload of 4096 bytes is the longest, more ends the connection") {
  StoreBench b;
  CHECK(b.ask(*b.tool, XS_WRITE, nul("/v") + std::string(4093, 'x')).text() == "OK");
  Pipe& guest = b.domain(1);
  b.send(guest, bytes_of(XS_WRITE, nul("v") + std::string(4096, 'x')));
  b.run();
  CHECK(guest.error == XENSTORE_ERROR_PROTO);
  CHECK(b.server.connection_of(1)->ignored);
  b.send(guest, bytes_of(XS_READ, nul("v")));
  b.run();
  CHECK(guest.to_client.empty());
}

TEST_CASE("A ring with nonsense in its indexes is not served any more, and loses its watches") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  b.ask(guest, XS_WATCH, nul("x") + nul("t"));
  b.start(guest);
  guest.broken = true;
  b.run();
  CHECK(guest.error == XENSTORE_ERROR_RINGIDX);
  CHECK(b.server.connection_of(1)->watches.empty());
  CHECK(b.server.store.open_transactions() == 0);
  CHECK(b.server.store.find_domain(1)->introduced);
}

TEST_CASE("INTRODUCE, IS_DOMAIN_INTRODUCED, RELEASE") {
  StoreBench b;
  CHECK(b.ask(*b.tool, XS_IS_DOMAIN_INTRODUCED, nul("1")).payload == nul("F"));
  CHECK(b.error(*b.tool, XS_INTRODUCE, nul("1") + nul("2") + nul("3")) == "EINVAL");  // no such domain
  Pipe& guest = b.domain(1);
  CHECK(b.ask(*b.tool, XS_IS_DOMAIN_INTRODUCED, nul("1")).payload == nul("T"));
  CHECK(b.ask(*b.tool, XS_IS_DOMAIN_INTRODUCED, nul("32752")).payload == nul("T"));  // DOMID_SELF
  CHECK(b.error(guest, XS_IS_DOMAIN_INTRODUCED, nul("1")) == "EACCES");
  CHECK(b.error(guest, XS_RELEASE, nul("1")) == "EACCES");
  CHECK(b.ask(guest, XS_GET_DOMAIN_PATH, nul("17")).payload == nul("/local/domain/17"));
  b.ask(guest, XS_WRITE, nul("mine") + "1");
  CHECK(b.ask(*b.tool, XS_RELEASE, nul("1")).text() == "OK");
  CHECK(b.ask(*b.tool, XS_IS_DOMAIN_INTRODUCED, nul("1")).payload == nul("F"));
  CHECK(b.error(*b.tool, XS_RELEASE, nul("1")) == "ENOENT");
  CHECK(b.error(*b.tool, XS_READ, nul("/local/domain/1/mine")) == "ENOENT");
}

TEST_CASE("A second INTRODUCE binds the channel anew and starts from an empty ring") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  b.ask(guest, XS_WATCH, nul("x") + nul("t"));
  b.send(guest, "half a mess");
  b.run();
  CHECK(b.ask(*b.tool, XS_INTRODUCE, nul("1") + nul("2") + nul("9")).text() == "OK");
  CHECK(b.host.rebound == std::vector<unsigned>{1});
  CHECK(b.server.connection_of(1)->watches.empty());
  CHECK(b.ask(guest, XS_WRITE, nul("x") + "1").text() == "OK");
}

TEST_CASE("When a domain is destroyed its nodes go, wherever they are") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  b.ask(*b.tool, XS_MKDIR, nul("/shared"));
  b.ask(*b.tool, XS_SET_PERMS, nul("/shared") + nul("b0"));
  b.ask(guest, XS_WRITE, nul("/shared/guests/x") + "1");
  b.ask(*b.tool, XS_WRITE, nul("/shared/tools") + "1");
  b.host.domains.erase(1);
  b.server.check_domains();
  CHECK(b.ask(*b.tool, XS_DIRECTORY, nul("/shared")).payload == nul("tools"));
  CHECK(b.error(*b.tool, XS_READ, nul("/local/domain/1")) == "ENOENT");
  CHECK(b.server.store.find_domain(1) == nullptr);
  CHECK(b.server.store.check().empty());
}

}  // namespace xensim::dom0
