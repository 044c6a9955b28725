#include <catch2/catch.hpp>

#include "sim/base/error.h"
#include "sim/base/file.h"
#include "sim/base/types.h"
#include "sim/config/load.h"
#include "tests/sim/temporary_folder.h"

namespace xensim::config {
namespace {

enum class Replacement { kLru, kRandom };
std::span<const std::string_view> names_of(Replacement) {
  static constexpr std::string_view names[] = {"lru", "random"};
  return names;
}

struct Cache {
  unsigned ways = 8;
  std::uint64_t size = 32 << 10;
  Replacement replacement = Replacement::kLru;
};
void describe(Cache& c, Visitor& v) {
  v(c.ways, {"ways", "count", "associativity", "a manual", power_of_two(1, 64)});
  v(c.size, {"size", "bytes", "capacity", "uncalibrated", multiple_of(4096, 4096, 1 << 30)});
  v(c.replacement, {"replacement", "", "who goes", "design"});
}

struct Machine {
  std::uint64_t hz = 2'400'000'000;
  Nanoseconds slice = 10'000'000;
  bool smt = false;
  std::optional<Cache> l3;
  Cache l1;
  std::vector<Cache> extra;
  std::map<std::string, unsigned> costs;
  std::string name = "lab";
};
void describe(Machine& m, Visitor& v) {
  v(m.hz, {"hz", "Hz", "clock", "design", at_least(1)});
  v(m.slice, {"slice", "ns", "time slice", "Xen 4.17"});
  v(m.smt, {"smt", "", "threads", "design"});
  v(m.l3, {"l3", "", "shared cache", ""});
  v(m.l1, {"l1", "", "first cache", ""});
  v(m.extra, {"extra", "", "more caches", ""});
  v(m.costs, {"costs", "cycles", "per path", "uncalibrated"});
  v(m.name, {"name", "", "what to call it", ""});
}

struct Scenario {
  Machine machine;
};
void describe(Scenario& s, Visitor& v) { v(s.machine, {"machine", "file", "the machine", ""}); }

std::string problems(const std::string& json) {
  Machine m;
  try {
    load(m, Document{parse_json(json, "lab.json"), "lab.json", {}});
  } catch (const UserError& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("A struct loads what its file says and keeps its defaults for the rest") {
  Machine m;
  load(m, Document{parse_json(R"({"hz": "1.5GHz", "slice": "2ms", "l1": {"ways": 4, "size": "64KiB"}, // comment
                                  "l3": {"replacement": "random"}, "extra": [{}, {"ways": 1}], "costs": {"exit": 7}})",
                              "lab.json"),
                   "lab.json",
                   {}});
  CHECK(m.hz == 1'500'000'000);
  CHECK(m.slice == 2'000'000);
  CHECK(m.l1.ways == 4);
  CHECK(m.l1.size == 65536);
  CHECK(m.l3->replacement == Replacement::kRandom);
  CHECK(m.extra.size() == 2);
  CHECK(m.extra[1].ways == 1);
  CHECK(m.costs.at("exit") == 7);
  CHECK(m.name == "lab");
}

TEST_CASE("Each problem has a line with file, place and mend") {
  CHECK(problems(R"({"l1": {"wayz": 4}})") == "lab.json: /l1/wayz: unknown key \"wayz\"; did you mean \"ways\"?");
  CHECK(problems(R"({"l1": {"ways": 12}})") == "lab.json: /l1/ways: 12 is not a power of two; use 8 or 16");
  CHECK(problems(R"({"l1": {"ways": 128}})") == "lab.json: /l1/ways: 128 is too large; use 1 to 64");
  CHECK(problems(R"({"l1": {"ways": -1}})") == "lab.json: /l1/ways: -1 is too small; use 1 to 64");
  CHECK(problems(R"({"l1": {"ways": "many"}})") ==
        "lab.json: /l1/ways: \"many\" is not an integer; write it without quotes");
  CHECK(problems(R"({"l1": {"ways": 1.5}})") == "lab.json: /l1/ways: 1.5 is not an integer");
  CHECK(problems(R"({"l1": {"size": 5000}})").starts_with("lab.json: /l1/size: "));
  CHECK(problems(R"({"l1": {"replacement": "fifo"}})") ==
        "lab.json: /l1/replacement: \"fifo\" is none of the choices; use \"lru\", \"random\"");
  CHECK(problems(R"({"smt": 1})") == "lab.json: /smt: 1 is not a boolean; write true or false");
  CHECK(problems(R"({"name": 1, "l1": []})") ==
        "lab.json: /l1: [] is not an object; write {…}\nlab.json: /name: 1 is not a string; write it in quotes");
  CHECK(problems(R"({"extra": [{"ways": 3}]})") == "lab.json: /extra/0/ways: 3 is not a power of two; use 2 or 4");
  CHECK(problems(R"({"slice": 0})") == "");
  CHECK(problems(R"({"slice": 10})") ==
        "lab.json: /slice: 10 has no unit; write it in quotes with ns, us, ms, s, min or h, like \"10ms\"");
  CHECK(problems(R"({"slice": 10.5})").ends_with(", like \"10ms\""));
  CHECK(problems(R"({"slice": "10"})").starts_with("lab.json: /slice: \"10\" is not a duration without a unit"));
  CHECK(problems(R"({"slice": "10 parsecs"})").starts_with("lab.json: /slice: \"10 parsecs\" is not a duration"));
}

TEST_CASE("Syntax errors have line and column, duplicate keys are refused") {
  CHECK_THROWS_WITH(parse_json("{\n  \"a\": 1,\n  b\n}", "f.json"),
                    Catch::StartsWith("f.json:3:3: no valid JSON: "));
  CHECK_THROWS_WITH(parse_json(R"({"a": 1, "a": 2})", "f.json"),
                    "f.json: the key \"a\" is given twice; remove one");
  CHECK_THROWS_AS(parse_json("", "f.json"), UserError);
  CHECK_THROWS_WITH(parse_json(std::string(100000, '['), "f.json"), "f.json:1:65: nested too deeply");
  CHECK_THROWS_AS(parse_json("{\"\xff\": 1}", "f.json"), UserError);
}

TEST_CASE("The effective configuration loads to the same again") {
  Machine m, n;
  m.hz = 1'234'567'891;
  m.l3 = Cache{16, 8192, Replacement::kRandom};
  m.extra.resize(2);
  m.costs = {{"a/b", 1}};
  Json saved = save(m);
  load(n, Document{saved, "config.json", {}});
  CHECK(save(n) == saved);
  CHECK(saved["slice"] == "10ms");
}

TEST_CASE("A scenario may keep its machine in a file of its own, and overrides come from the command line") {
  TemporaryFolder folder;
  write_file(folder.path("machine.json"), R"({"l1": {"ways": 3}})");
  write_file(folder.path("scenario.json"), R"({"machine": "machine.json"})");
  Document d = Document::from_file(folder.path("scenario.json"));
  d.include("machine");
  Scenario s;
  CHECK_THROWS_WITH(load(s, d), folder.path("machine.json") + ": /l1/ways: 3 is not a power of two; use 2 or 4");
  d.set("/machine/l1/ways=16");
  d.set("/machine/hz=1GHz");
  load(s, d);
  CHECK(s.machine.l1.ways == 16);
  CHECK(s.machine.hz == 1'000'000'000);
  d.set("/machine/l1/wayz=1");
  CHECK_THROWS_WITH(load(s, d), "--set /machine/l1/wayz=1: unknown key \"wayz\"; did you mean \"ways\"?");
  CHECK_THROWS_AS(d.set("machine=1"), UserError);
  CHECK_THROWS_AS(d.set("/machine/hz/x=1"), UserError);
}

TEST_CASE("The list of parameters has every default, unit, range and source") {
  std::string text = to_text(params_of<Scenario>());
  CHECK(
      text.find("/machine/l1/ways = 8 [count] (1 to 64, a power of two)\n    associativity; source: a manual\n") !=
      std::string::npos);
  CHECK(text.find("/machine/hz = 2.4GHz [Hz]") != std::string::npos);
  CHECK(text.find("/machine/costs/NAME") != std::string::npos);
  CHECK(text.find("/machine/extra/*/ways") != std::string::npos);
}

TEST_CASE("The schema accepts what loads, and refuses unknown keys and wrong types") {
  Json schema = schema_of<Scenario>("scenario");
  auto check = [&](const std::string& json) {
    validate(Document{parse_json(json, "s.json"), "s.json", {}}, schema);
  };
  check(R"({"machine": "small.json"})");
  check(
      R"({"machine": {"hz": "1GHz", "l1": {"ways": 4, "replacement": "lru"}, "costs": {"x": 1}, "extra": [{}]}})");
  check(save(Scenario{}).dump());
  CHECK_THROWS_WITH(check(R"({"machin": {}})"), Catch::StartsWith("s.json: "));
  CHECK_THROWS_AS(check(R"({"machine": {"l1": {"wayz": 1}}})"), UserError);
  CHECK_THROWS_AS(check(R"({"machine": {"smt": "yes"}})"), UserError);
  CHECK_THROWS_AS(check(R"({"machine": {"slice": 10}})"), UserError);
}

}  // namespace xensim::config
