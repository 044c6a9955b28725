// Command lines of xl, with the messages and exit statuses of the real one.
#include "models/dom0/xl/command_line.h"

#include <catch2/catch.hpp>

using namespace xensim::dom0::xl;

namespace {
std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  REQUIRE(split(text, words));
  return words;
}
}  // namespace

TEST_CASE("words are split as a shell splits them") {
  using Words = std::vector<std::string>;
  CHECK(words_of("  pause  web ") == Words{"pause", "web"});
  CHECK(words_of("create a.cfg 'name=\"x y\"'") == Words{"create", "a.cfg", "name=\"x y\""});
  CHECK(words_of("rename web \"\"") == Words{"rename", "web", ""});
  CHECK(words_of("a\\ b \"c\\\"d\" 'e\\f'") == Words{"a b", "c\"d", "e\\f"});
  Words words;
  CHECK_FALSE(split("rename web 'x", words));
}

TEST_CASE("options may stand together, with their value attached, shortened") {
  const Invocation i = parse("sched-credit2 -d web -w512 --cap 50");
  REQUIRE(i.verb);
  CHECK(*i.value('d') == "web");
  CHECK(*i.value('w') == "512");
  CHECK(*i.value('c') == "50");
  const Invocation l = parse("list -vl web");
  CHECK(l.has('v'));
  CHECK(l.has('l'));
  CHECK(l.arguments == std::vector<std::string>{"web"});
  CHECK(parse("list --lo").has('l'));
}

TEST_CASE("options end at the first argument, as the real xl has it, create's file may stand before them") {
  CHECK(parse("vcpu-set web -1").arguments == std::vector<std::string>{"web", "-1"});
  CHECK(parse("vcpu-set -- web -1").arguments == std::vector<std::string>{"web", "-1"});
  const Invocation i = parse("create a.cfg -p memory=3 -q");
  CHECK(i.has('p'));
  CHECK_FALSE(i.has('q'));
  CHECK(i.arguments == std::vector<std::string>{"a.cfg", "memory=3", "-q"});
}

TEST_CASE("an option that the verb lacks is refused with status 2") {
  const Invocation i = parse("vcpu-set -1 web");
  CHECK_FALSE(i.verb);
  CHECK(i.answer.text(true) == "option `1' not supported.\n");
  CHECK(i.answer.status == 2);
  CHECK(parse("sched-credit2 -d").answer.text(true) == "option `d' not supported.\n");
}

TEST_CASE("missing arguments give the usage and status 2") {
  const Invocation i = parse("rename web");
  CHECK_FALSE(i.verb);
  CHECK(i.answer.text(true) == "'xl rename' requires at least 2 arguments.\n\n");
  CHECK(i.answer.text(false) == "Usage: xl [-vtTf] rename <Domain> <NewDomainName>\n\nRename a domain.\n\n");
  CHECK(i.answer.status == 2);
  CHECK(parse("pause").answer.text(true) == "'xl pause' requires at least 1 argument.\n\n");
}

TEST_CASE("help is the same by -h, by --help and by the verb help, with status 0") {
  const std::string text = help(*find_verb("list"));
  CHECK(text.starts_with(
      "Usage: xl [-vtT] list [options] [Domain]\n\n\nList information about all/some domains.\n\nOptions:\n"));
  for (const char* command : {"list -h", "list --help", "help list"}) {
    CHECK(parse(command).answer.text(false) == text);
    CHECK(parse(command).answer.status == 0);
  }
}

TEST_CASE("a verb may be shortened as long as it is clear") {
  CHECK(parse("unp web").verb->name == "unpause");
  CHECK(parse("vcpu-p web 0 1").verb->name == "vcpu-pin");
  CHECK_FALSE(parse("vcpu web").verb);
  CHECK(parse("vcpu web").answer.text(true) == "command not implemented\n");
  CHECK(parse("vcpu web").answer.status == 1);
}

TEST_CASE("without a verb there is the list of verbs and status 1") {
  CHECK(parse("").answer.text(false).starts_with("Usage xl [-vfNtT] <subcommand> [args]\n"));
  CHECK(parse("").answer.status == 1);
  CHECK(parse("help").answer.status == 0);
}

TEST_CASE("sizes are MiB unless they say otherwise") {
  CHECK(parse_size_kib("96") == 96 << 10);
  CHECK(parse_size_kib("96m") == 96 << 10);
  CHECK(parse_size_kib("96K") == 96);
  CHECK(parse_size_kib("1g") == 1 << 20);
  CHECK(parse_size_kib("2t") == std::int64_t{2} << 30);
  CHECK(parse_size_kib("4096b") == 4);
  CHECK(parse_size_kib("10x") == -1);
  CHECK(parse_size_kib("10mb") == -1);
  CHECK(parse_size_kib("x") == -1);
}

TEST_CASE("sets of pCPUs are read as vcpu-pin reads them") {
  using Cpus = std::vector<unsigned>;
  Cpus cpus;
  std::string complaint;
  const auto read = [&](const std::string& text) { return parse_cpus(text, 4, cpus, complaint); };
  REQUIRE(read("0-2,^1"));
  CHECK(cpus == Cpus{0, 2});
  REQUIRE(read("all"));
  CHECK(cpus == Cpus{0, 1, 2, 3});
  REQUIRE(read("9"));  // not there: ignored
  CHECK(cpus.empty());
  REQUIRE(read("nodes:0,^3"));
  CHECK(cpus == Cpus{0, 1, 2});
  CHECK_FALSE(read("2-1"));
  CHECK(complaint == "Invalid pcpu range: 2-1.\n");
  CHECK_FALSE(read("^all"));
  CHECK_FALSE(read("x"));
}

TEST_CASE("every verb has a handler and a summary") {
  for (const Verb& v : verbs()) {
    CHECK((v.act != nullptr) != (v.start != nullptr));
    CHECK_FALSE(v.summary.empty());
    CHECK(find_verb(v.name) == &v);
  }
}

TEST_CASE("what no machine could do is found without one") {
  const auto wrong = [](const std::string& command) {
    const Invocation i = parse(command);
    REQUIRE(i.verb);
    REQUIRE(i.verb->check);
    return i.verb->check(i);
  };
  CHECK(wrong("mem-set web 10x") == "invalid memory size: 10x");
  CHECK(wrong("mem-set web 10").empty());
  CHECK(wrong("vcpu-pin web x 0") == "Error: Invalid argument x as VCPU.");
  CHECK(wrong("vcpu-pin web 0 2-1") == "Invalid pcpu range: 2-1.");
  CHECK(wrong("vcpu-pin -f web all 0") == "Error: --force and 'all' as VCPU not allowed.");
  CHECK(wrong("vcpu-pin web all - 0-3").empty());
  CHECK(wrong("trigger web foo") == "Invalid trigger \"foo\"");
  CHECK(wrong("sysrq web hh") == "Invalid sysrq.");
  CHECK(wrong("sched-credit2 -w 10") == "Must specify a domain.");
  CHECK(wrong("shutdown") == "You must specify -a or a domain id.");
  CHECK(wrong("list web db") == "it takes one domain at most");
}
