#include "tests/models/dom0/xenstored/bench.h"

namespace xensim::dom0 {

using Events = std::vector<std::string>;

TEST_CASE("A watch fires at once, after its acknowledgement") {
  StoreBench b;
  b.send(*b.tool, bytes_of(XS_WATCH, nul("/tool") + nul("token")));
  b.run();
  const auto got = messages_of(*b.tool);
  REQUIRE(got.size() == 2);
  CHECK(got[0].type == XS_WATCH);
  CHECK(got[1].type == XS_WATCH_EVENT);
  CHECK(got[1].payload == event("/tool", "token"));
  CHECK(got[1].req_id == 0);
}

TEST_CASE("A watch sees what happens at its node and below, not beside it") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  b.ask(guest, XS_WATCH, nul("dir") + nul("t"));
  b.events.clear();
  b.ask(*b.tool, XS_WRITE, nul("/local/domain/1/dir/a") + "1");
  CHECK(b.take_events(guest) == Events{event("dir/a", "t")});
  b.ask(*b.tool, XS_WRITE, nul("/local/domain/1/directory") + "1");
  CHECK(b.take_events(guest).empty());
}

TEST_CASE("Events of a relative watch are relative, those of an absolute one absolute") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  b.ask(guest, XS_WATCH, nul("x") + nul("relative"));
  b.ask(guest, XS_WATCH, nul("/local/domain/1/x") + nul("absolute"));
  b.ask(*b.tool, XS_WRITE, nul("/local/domain/1/x") + "1");
  CHECK(b.take_events(guest) == Events{event("x", "relative"), event("/local/domain/1/x", "absolute")});
}

TEST_CASE("A removal tells a watch above of the top, a watch inside of its own node") {
  StoreBench b;
  b.ask(*b.tool, XS_WRITE, nul("/a/b/c") + "1");
  auto p = std::make_unique<Pipe>();
  Pipe& watcher = *p;
  b.server.accept(std::move(p));
  b.ask(watcher, XS_WATCH, nul("/a") + nul("above"));
  b.ask(watcher, XS_WATCH, nul("/a/b/c") + nul("inside"));
  b.ask(*b.tool, XS_RM, nul("/a/b"));
  CHECK(b.take_events(watcher) == Events{event("/a/b/c", "inside"), event("/a/b", "above")});
}

TEST_CASE("A domain learns of nothing that it may not read") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  b.ask(guest, XS_WATCH, nul("/secret") + nul("t"));
  b.ask(*b.tool, XS_WRITE, nul("/secret/x") + "1");
  CHECK(b.take_events(guest).empty());
  b.ask(*b.tool, XS_SET_PERMS, nul("/secret/x") + nul("r0"));
  CHECK(b.take_events(guest) == Events{event("/secret/x", "t")});
  // Losing the right is news, too.
  b.ask(*b.tool, XS_SET_PERMS, nul("/secret/x") + nul("n0"));
  CHECK(b.take_events(guest) == Events{event("/secret/x", "t")});
  b.ask(*b.tool, XS_WRITE, nul("/secret/x") + "2");
  CHECK(b.take_events(guest).empty());
}

TEST_CASE("The same watch twice is EEXIST, another token is another watch") {
  StoreBench b;
  CHECK(b.ask(*b.tool, XS_WATCH, nul("/a") + nul("t")).text() == "OK");
  CHECK(b.error(*b.tool, XS_WATCH, nul("/a") + nul("t")) == "EEXIST");
  CHECK(b.ask(*b.tool, XS_WATCH, nul("/a") + nul("u")).text() == "OK");
}

TEST_CASE("UNWATCH takes path and token, what is not watched is ENOENT") {
  StoreBench b;
  b.ask(*b.tool, XS_WATCH, nul("/a") + nul("t"));
  CHECK(b.error(*b.tool, XS_UNWATCH, nul("/a") + nul("u")) == "ENOENT");
  CHECK(b.ask(*b.tool, XS_UNWATCH, nul("/a") + nul("t")).text() == "OK");
  b.ask(*b.tool, XS_WRITE, nul("/a") + "1");
  CHECK(b.take_events(*b.tool).empty());
}

TEST_CASE("4.17 knows no depth of a watch") {
  StoreBench b;
  CHECK(b.error(*b.tool, XS_WATCH, nul("/a") + nul("t") + nul("1")) == "EINVAL");
  CHECK(b.error(*b.tool, XS_WATCH, nul("/a")) == "EINVAL");
}

TEST_CASE("An event that waits already is not queued again, a special one is") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  b.ask(guest, XS_WATCH, nul("x") + nul("t"));
  guest.room = 0;
  b.ask(*b.tool, XS_WRITE, nul("/local/domain/1/x") + "1");
  b.ask(*b.tool, XS_WRITE, nul("/local/domain/1/x") + "2");
  b.ask(*b.tool, XS_WRITE, nul("/local/domain/1/x/y") + "3");
  guest.room = 1 << 20;
  CHECK(b.take_events(guest) == Events{event("x", "t"), event("x/y", "t")});
}

TEST_CASE("RESET_WATCHES leaves a domain without watches and transactions") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  b.ask(guest, XS_WATCH, nul("x") + nul("t"));
  const std::uint32_t t = b.start(guest);
  CHECK(b.ask(guest, XS_RESET_WATCHES, nul("")).text() == "OK");
  b.ask(*b.tool, XS_WRITE, nul("/local/domain/1/x") + "1");
  CHECK(b.take_events(guest).empty());
  CHECK(b.error(guest, XS_READ, nul("x"), t) == "ENOENT");
}

TEST_CASE("@introduceDomain and @releaseDomain reach tools, and domains that have been given the right") {
  StoreBench b;
  Pipe& two = b.domain(2);
  b.ask(*b.tool, XS_WATCH, nul("@introduceDomain") + nul("i"));
  b.ask(*b.tool, XS_WATCH, nul("@releaseDomain") + nul("r"));
  b.ask(two, XS_WATCH, nul("@releaseDomain") + nul("guest"));
  b.events.clear();
  b.domain(1);
  CHECK(b.events == Events{event("@introduceDomain", "i")});
  b.host.domains[1].shutdown = true;
  b.server.check_domains();
  CHECK(b.take_events(*b.tool) == Events{event("@releaseDomain", "r")});
  CHECK(b.take_events(two).empty());
  b.server.check_domains();  // not again for the same shutdown
  CHECK(b.take_events(*b.tool).empty());
  CHECK(b.error(two, XS_SET_PERMS, nul("@releaseDomain") + nul("n0") + nul("r2")) == "EACCES");
  CHECK(b.ask(*b.tool, XS_SET_PERMS, nul("@releaseDomain") + nul("n0") + nul("r2")).text() == "OK");
  CHECK(b.error(*b.tool, XS_SET_PERMS, nul("@other") + nul("n0")) == "EINVAL");
  b.host.domains.erase(1);
  b.server.check_domains();
  CHECK(b.take_events(*b.tool) == Events{event("@releaseDomain", "r")});
  CHECK(b.take_events(two) == Events{event("@releaseDomain", "guest")});
}

TEST_CASE("RESUME makes the next shutdown news again") {
  StoreBench b;
  b.domain(1);
  b.ask(*b.tool, XS_WATCH, nul("@releaseDomain") + nul("r"));
  b.host.domains[1].shutdown = true;
  b.server.check_domains();
  CHECK(b.ask(*b.tool, XS_RESUME, nul("1")).text() == "OK");
  CHECK(b.error(*b.tool, XS_RESUME, nul("0")) == "EINVAL");
  CHECK(b.error(*b.tool, XS_RESUME, nul("5")) == "ENOENT");
  b.take_events(*b.tool);
  b.server.check_domains();
  CHECK(b.take_events(*b.tool) == Events{event("@releaseDomain", "r")});
}

}  // namespace xensim::dom0
