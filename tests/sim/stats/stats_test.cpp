#include <catch2/catch.hpp>

#include "sim/base/error.h"
#include "sim/stats/write.h"

using namespace xensim;
using namespace xensim::stats;

namespace {

struct Model {
  Counter hits;
  std::uint64_t cycles = 0;
  Histogram latency;
  void add_to(Group& g) {
    g.add("hits", "count", "accesses served here", &hits);
    g.add("cycles", "cycles", "time in here", &cycles);
    g.add("latency", "cycles", "of an access", &latency);
    g.add_ratio("cycles_per_hit", "cycles", "mean", [this] { return Ratio{cycles, hits.value, 3}; });
    g.add_text("state", "what it does", [] { return std::string("idle"); });
  }
};

}  // namespace

TEST_CASE("A histogram's buckets are the powers of two, both edges") {
  CHECK(Histogram::bucket_of(0) == 0);
  CHECK(Histogram::bucket_of(1) == 1);
  CHECK(Histogram::bucket_of(2) == 2);
  CHECK(Histogram::bucket_of(3) == 2);
  CHECK(Histogram::bucket_of(4) == 3);
  CHECK(Histogram::bucket_of(~std::uint64_t{0}) == 64);
  for (unsigned i = 0; i < Histogram::kBuckets; ++i) {
    CHECK(Histogram::bucket_of(Histogram::lowest_of(i)) == i);
    CHECK(Histogram::bucket_of(Histogram::highest_of(i)) == i);
  }
}

TEST_CASE("A snapshot minus an earlier one is what happened between") {
  Model m;
  Group root;
  m.add_to(root.group("pcpu", 0));
  m.hits += 2;
  m.cycles = 10;
  m.latency.sample(5);
  Snapshot begin = root.snapshot();
  m.hits += 3;
  m.cycles = 25;
  m.latency.sample(100);
  m.latency.sample(101);
  Snapshot d = root.snapshot() - begin;
  CHECK(d.number("pcpu.0.hits") == 3);
  CHECK(std::get<Ratio>(*d.find("pcpu.0.cycles_per_hit")) == Ratio{15, 3, 3});
  const Histogram& h = std::get<Histogram>(*d.find("pcpu.0.latency"));
  CHECK(h.count == 2);
  CHECK(h.sum == 201);
  CHECK(h.min == 64);
  CHECK(h.max == 101);
  CHECK(d.find("pcpu.1.hits") == nullptr);
}

TEST_CASE("Ratios are exact decimals, rounded down") {
  CHECK(to_string(Ratio{1, 3, 3}) == "0.333");
  CHECK(to_string(Ratio{2, 1, 2}) == "2.00");
  CHECK(to_string(Ratio{1999, 1000, 2}) == "1.99");
  CHECK(to_string(Ratio{7, 0, 3}) == "0.000");
  CHECK(to_string(Ratio{~std::uint64_t{0}, 1, 0}) == "18446744073709551615");
}

TEST_CASE("The JSON keeps the order of registration and explains each stat once") {
  Model a, b;
  Group root;
  a.add_to(root.group("pcpu", 0));
  b.add_to(root.group("pcpu", 1));
  a.hits += 4;
  a.cycles = 6;
  a.latency.sample(6);
  std::string json = to_json(root.snapshot());
  CHECK(json.starts_with(R"({
 "format": "xensim-stats",
 "version": 1,
 "stats": {
  "pcpu": {
   "0": {
    "hits": 4,
    "cycles": 6,
    "latency": {
     "count": 1,
     "sum": 6,
     "min": 6,
     "max": 6,
     "buckets": {
      "4": 1
     }
    },
    "cycles_per_hit": "1.500",
    "state": "idle"
   },
   "1": {)"));
  CHECK(json.find(R"("pcpu.*.hits": {
   "unit": "count",
   "doc": "accesses served here"
  })") != std::string::npos);
  CHECK(json.find("pcpu.1.hits") == std::string::npos);
}

TEST_CASE("The difference of two files names what changed, by how much and in percent") {
  Model m;
  Group root;
  m.add_to(root);
  m.hits += 100;
  std::string before = to_json(root.snapshot());
  m.hits += 5;
  m.cycles = 1;
  std::string after = to_json(root.snapshot());
  CHECK(to_text(diff(before, "a", after, "b")) ==
        "hits: 100 -> 105 (+5, +5.00%)\n"
        "cycles: 0 -> 1 (+1)\n"
        "cycles_per_hit: 0.000 -> 0.009\n");
  CHECK(diff(after, "a", after, "b").empty());
  CHECK_THROWS_WITH(diff("{}", "a.json", after, "b"),
                    "a.json: is no xensim statistics file; give the stats.json of a run");
}

TEST_CASE("The text has value, unit and description in a line") {
  Model m;
  Group root;
  m.add_to(root.group("l1d"));
  CHECK(to_text(root.snapshot()).find("accesses served here") != std::string::npos);
}
