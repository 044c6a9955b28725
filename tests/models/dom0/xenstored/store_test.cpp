#include "models/dom0/xenstored/path.h"
#include "tests/models/dom0/xenstored/bench.h"

namespace xensim::dom0 {

TEST_CASE("A new store has xenstored's three nodes, of domain 0") {
  StoreBench b;
  CHECK(b.ask(*b.tool, XS_DIRECTORY, nul("/")).payload == nul("tool"));
  CHECK(b.ask(*b.tool, XS_DIRECTORY, nul("/tool")).payload == nul("xenstored"));
  CHECK(b.ask(*b.tool, XS_GET_PERMS, nul("/tool/xenstored")).payload == nul("n0"));
  CHECK(b.server.store.check().empty());
}

TEST_CASE("A write makes the nodes above it, with empty values and the permissions of the lowest that was there") {
  StoreBench b;
  CHECK(b.ask(*b.tool, XS_MKDIR, nul("/a")).text() == "OK");
  b.host.domains[3].exists = true;
  CHECK(b.ask(*b.tool, XS_SET_PERMS, nul("/a") + nul("r3") + nul("b0")).text() == "OK");
  CHECK(b.ask(*b.tool, XS_WRITE, nul("/a/b/c") + "value").text() == "OK");
  CHECK(b.ask(*b.tool, XS_READ, nul("/a/b")).payload.empty());
  CHECK(b.ask(*b.tool, XS_READ, nul("/a/b/c")).payload == "value");
  CHECK(b.ask(*b.tool, XS_GET_PERMS, nul("/a/b/c")).payload == nul("r3") + nul("b0"));
}

TEST_CASE("A domain owns what it creates") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  CHECK(b.ask(guest, XS_WRITE, nul("data/x") + "1").text() == "OK");
  CHECK(b.ask(*b.tool, XS_GET_PERMS, nul("/local/domain/1/data/x")).payload == nul("n1"));
}

TEST_CASE("A value is bytes, NULs among them, and may be empty") {
  StoreBench b;
  const std::string value("a\0b", 3);
  CHECK(b.ask(*b.tool, XS_WRITE, nul("/v") + value).text() == "OK");
  CHECK(b.ask(*b.tool, XS_READ, nul("/v")).payload == value);
  CHECK(b.ask(*b.tool, XS_WRITE, nul("/v")).text() == "OK");
  CHECK(b.ask(*b.tool, XS_READ, nul("/v")).payload.empty());
}

TEST_CASE("Children are listed in order of creation") {
  StoreBench b;
  for (const char* name : {"z", "a", "m"}) b.ask(*b.tool, XS_MKDIR, nul(std::string("/dir/") + name));
  CHECK(b.ask(*b.tool, XS_DIRECTORY, nul("/dir")).payload == nul("z") + nul("a") + nul("m"));
  CHECK(b.ask(*b.tool, XS_RM, nul("/dir/a")).text() == "OK");
  CHECK(b.ask(*b.tool, XS_DIRECTORY, nul("/dir")).payload == nul("z") + nul("m"));
}

TEST_CASE("MKDIR of a node that is there leaves its value") {
  StoreBench b;
  b.ask(*b.tool, XS_WRITE, nul("/n") + "kept");
  CHECK(b.ask(*b.tool, XS_MKDIR, nul("/n")).text() == "OK");
  CHECK(b.ask(*b.tool, XS_READ, nul("/n")).payload == "kept");
}

TEST_CASE("RM takes all that is below, what is not there is no error if its parent is") {
  StoreBench b;
  b.ask(*b.tool, XS_WRITE, nul("/top/a/b/c") + "1");
  CHECK(b.ask(*b.tool, XS_RM, nul("/top/a")).text() == "OK");
  CHECK(b.error(*b.tool, XS_READ, nul("/top/a/b/c")) == "ENOENT");
  CHECK(b.ask(*b.tool, XS_RM, nul("/top/a")).text() == "OK");
  CHECK(b.error(*b.tool, XS_RM, nul("/top/none/x")) == "ENOENT");
  CHECK(b.error(*b.tool, XS_RM, nul("/")) == "EINVAL");
  CHECK(b.server.store.check().empty());
}

TEST_CASE("Paths must be absolute or relative to a domain, without empty parts, of legal characters") {
  StoreBench b;
  for (const char* bad : {"/a//b", "/a/", "/a b", "/a.b", "/a:b", "@releaseDomain", "/\xc3\xa9"})
    CHECK(b.error(*b.tool, XS_WRITE, nul(bad) + "1") == "EINVAL");
  CHECK(b.ask(*b.tool, XS_WRITE, nul("/A-z_0@9") + "1").text() == "OK");
  // A tool's relative paths are domain 0's.
  CHECK(b.ask(*b.tool, XS_WRITE, nul("name") + "Domain-0").text() == "OK");
  CHECK(b.ask(*b.tool, XS_READ, nul("/local/domain/0/name")).payload == "Domain-0");
}

TEST_CASE("A path may be 2048 characters long, not counting /local/domain/N/") {
  const std::string longest(2047, 'x');
  CHECK(is_valid_path("/" + longest, 2048));
  CHECK_FALSE(is_valid_path("/x" + longest, 2048));
  CHECK(is_valid_path("/local/domain/12/" + longest + "x", 2048));
  CHECK_FALSE(is_valid_path("/local/domain/12/" + longest + "xx", 2048));
  CHECK_FALSE(is_valid_path("/local/domain/123456/" + longest, 2048));
}

TEST_CASE("Who may not read a node does not learn whether it is there") {
  StoreBench b;
  Pipe& guest = b.domain(1);
  b.ask(*b.tool, XS_WRITE, nul("/secret/there") + "1");
  CHECK(b.error(guest, XS_READ, nul("/secret/there")) == "EACCES");
  CHECK(b.error(guest, XS_READ, nul("/secret/not_there")) == "EACCES");
  CHECK(b.error(guest, XS_READ, nul("not_there")) == "ENOENT");
}

TEST_CASE("The first permission is everybody's, later ones name domains") {
  StoreBench b;
  Pipe& one = b.domain(1);
  Pipe& two = b.domain(2);
  b.ask(*b.tool, XS_WRITE, nul("/shared") + "v");
  b.ask(*b.tool, XS_SET_PERMS, nul("/shared") + nul("r0") + nul("b1"));
  CHECK(b.ask(two, XS_READ, nul("/shared")).payload == "v");
  CHECK(b.error(two, XS_WRITE, nul("/shared") + "2") == "EACCES");
  CHECK(b.ask(one, XS_WRITE, nul("/shared") + "1").text() == "OK");
  b.ask(*b.tool, XS_SET_PERMS, nul("/shared") + nul("w0"));
  CHECK(b.error(two, XS_READ, nul("/shared")) == "EACCES");
  CHECK(b.ask(two, XS_WRITE, nul("/shared") + "2").text() == "OK");
}

TEST_CASE("Only its owner sets a node's permissions, and gives it to nobody else") {
  StoreBench b;
  Pipe& one = b.domain(1);
  Pipe& two = b.domain(2);
  b.ask(one, XS_WRITE, nul("mine") + "v");
  CHECK(b.ask(one, XS_SET_PERMS, nul("mine") + nul("b1") + nul("r2")).text() == "OK");
  CHECK(b.error(two, XS_SET_PERMS, nul("/local/domain/1/mine") + nul("b2")) == "EACCES");
  CHECK(b.error(one, XS_SET_PERMS, nul("mine") + nul("b2")) == "EPERM");
  CHECK(b.error(one, XS_SET_PERMS, nul("mine")) == "EINVAL");
  CHECK(b.error(one, XS_SET_PERMS, nul("mine") + nul("x1")) == "EINVAL");
  CHECK(b.error(one, XS_SET_PERMS, nul("mine") + nul("r")) == "EINVAL");
  CHECK(b.error(one, XS_SET_PERMS, nul("mine") + nul("r1x")) == "EINVAL");
  // An owner that does not exist.
  CHECK(b.error(*b.tool, XS_SET_PERMS, nul("/local/domain/1/mine") + nul("n9")) == "ENOENT");
  CHECK(b.error(one, XS_SET_PERMS,
                nul("mine") + nul("n1") + nul("r0") + nul("r0") + nul("r0") + nul("r0") + nul("r0")) == "ENOSPC");
}

TEST_CASE("A permission of a domain that is gone does not become its successor's") {
  StoreBench b;
  b.domain(1);
  b.ask(*b.tool, XS_WRITE, nul("/for_one") + "v");
  b.ask(*b.tool, XS_SET_PERMS, nul("/for_one") + nul("n0") + nul("r1"));
  b.host.domains.erase(1);
  b.server.check_domains();
  Pipe& second = b.domain(1);
  CHECK(b.error(second, XS_READ, nul("/for_one")) == "EACCES");
  b.ask(*b.tool, XS_SET_PERMS, nul("/for_one") + nul("n0") + nul("r1"));
  CHECK(b.ask(second, XS_READ, nul("/for_one")).payload == "v");
}

TEST_CASE("SET_TARGET gives a domain the rights of another") {
  StoreBench b;
  Pipe& stub = b.domain(2);
  Pipe& guest = b.domain(1);
  b.ask(guest, XS_WRITE, nul("x") + "v");
  CHECK(b.error(stub, XS_READ, nul("/local/domain/1/x")) == "EACCES");
  CHECK(b.error(stub, XS_SET_TARGET, nul("2") + nul("1")) == "EACCES");
  CHECK(b.ask(*b.tool, XS_SET_TARGET, nul("2") + nul("1")).text() == "OK");
  CHECK(b.ask(stub, XS_READ, nul("/local/domain/1/x")).payload == "v");
  CHECK(b.error(*b.tool, XS_SET_TARGET, nul("2") + nul("7")) == "ENOENT");
  CHECK(b.error(*b.tool, XS_SET_TARGET, nul("2")) == "EINVAL");
}

TEST_CASE("A list of children that is too long for a message comes in parts") {
  StoreBench b;
  std::string all;
  for (int i = 0; i < 700; ++i) {
    const std::string name = "child-" + std::to_string(i);
    b.ask(*b.tool, XS_MKDIR, nul("/many/" + name));
    all += nul(name);
  }
  CHECK(b.error(*b.tool, XS_DIRECTORY, nul("/many")) == "E2BIG");
  std::string got, generation;
  for (int parts = 0; parts < 10; ++parts) {
    const Reply r = b.ask(*b.tool, XS_DIRECTORY_PART, nul("/many") + nul(std::to_string(got.size())));
    REQUIRE(r.type == XS_DIRECTORY_PART);
    const std::size_t end = r.payload.find('\0');
    if (generation.empty()) generation = r.payload.substr(0, end);
    CHECK(r.payload.substr(0, end) == generation);
    const std::string names = r.payload.substr(end + 1);
    if (names.ends_with(std::string("\0\0", 2))) {
      got += names.substr(0, names.size() - 1);
      break;
    }
    got += names;
  }
  CHECK(got == all);
  CHECK(b.error(*b.tool, XS_DIRECTORY_PART, nul("/many")) == "EINVAL");
}

}  // namespace xensim::dom0
