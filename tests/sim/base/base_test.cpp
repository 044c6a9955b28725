#include <array>
#include <catch2/catch.hpp>

#include "sim/base/digest.h"
#include "sim/base/error.h"
#include "sim/base/file.h"
#include "sim/base/suggest.h"
#include "sim/base/units.h"
#include "tests/sim/temporary_folder.h"

using namespace xensim;

TEST_CASE("Durations, frequencies and sizes are exact integers") {
  CHECK(parse_duration("10ms", "") == 10'000'000);
  CHECK(parse_duration("120us", "") == 120'000);
  CHECK(parse_duration("1s", "") == 1'000'000'000);
  CHECK(parse_duration("500ns", "") == 500);
  CHECK(parse_duration("1.5 us", "") == 1'500);
  CHECK(parse_duration("0", "") == 0);
  CHECK(parse_frequency("2.4GHz", "") == 2'400'000'000);
  CHECK(parse_size("64MiB", "") == 64u << 20);
  CHECK(parse_size("1.5K", "") == 1536);
  CHECK(parse_unsigned("0xffffffffffffffff", "") == ~std::uint64_t{0});
}

TEST_CASE("A quantity that is none is refused with the place and the mend") {
  CHECK_THROWS_WITH(
      parse_duration("10parsecs", "--until"),
      "--until: \"10parsecs\" is not a duration: unknown unit \"parsecs\"; write a number with ns, us, "
      "ms, s, min or h, like \"10ms\"");
  CHECK_THROWS_WITH(
      parse_duration("10", "--until"),
      "--until: \"10\" is not a duration without a unit; write a number with ns, us, ms, s, min or h, "
      "like \"10ms\"");
  CHECK_THROWS_AS(parse_duration("0.3ns", ""), UserError);
  CHECK_THROWS_AS(parse_duration("", ""), UserError);
  CHECK_THROWS_AS(parse_duration("-1s", ""), UserError);
  CHECK_THROWS_AS(parse_duration("99999999999999h", ""), UserError);
  CHECK_THROWS_AS(parse_unsigned("18446744073709551616", ""), UserError);
  CHECK_THROWS_AS(parse_unsigned("0x", ""), UserError);
}

TEST_CASE("What is formatted can be parsed again") {
  CHECK(format_duration(1'500'000) == "1.5ms");
  CHECK(format_duration(0) == "0ns");
  CHECK(format_frequency(2'400'000'000) == "2.4GHz");
  CHECK(format_size(64u << 20) == "64MiB");
  for (std::uint64_t v : {1ull, 999ull, 1001ull, 1'000'001ull, 123'456'789'012ull, ~0ull})
    CHECK(parse_duration(format_duration(v), "") == v);
  for (std::uint64_t v : {1ull, 1025ull, 1536ull, (1ull << 40) + 1}) CHECK(parse_size(format_size(v), "") == v);
}

TEST_CASE("A nanosecond deadline is not before its time in cycles") {
  CHECK(ns_to_cycles(1, 2'400'000'000) == 3);
  CHECK(cycles_to_ns(3, 2'400'000'000) == 1);
  CHECK(cycles_to_ns(2, 2'400'000'000) == 0);
}

TEST_CASE("A mistyped name finds the nearest valid one, a strange name none") {
  std::array<std::string_view, 3> names = {"ways", "size", "line"};
  CHECK(nearest("wayz", names) == "ways");
  CHECK(nearest("szie", names) == "size");
  CHECK(nearest("WAYS", names) == "ways");
  CHECK(nearest("latency", names).empty());
  CHECK(suggestion("wayz", names) == "did you mean \"ways\"?");
  CHECK(suggestion("latency", names) == "valid: ways, size, line");
}

TEST_CASE("A digest depends on the bytes, not on how they were given") {
  Digest a, b, empty;
  a.add("xensim");
  b.add("xen");
  b.add("sim");
  CHECK(a.hex() == b.hex());
  CHECK(empty.hex() == "99aa06d3014798d86001c324468d497f");  // XXH3-128 of nothing
}

TEST_CASE("A file appears whole or not at all, and an old one stays if writing fails") {
  TemporaryFolder folder;
  write_file(folder.path("f"), "old");
  {
    AtomicFile f(folder.path("f"));
    f.write("new");
    CHECK(folder.entries() == 2);
  }
  CHECK(read_file(folder.path("f")) == "old");
  CHECK(folder.entries() == 1);
  write_file(folder.path("f"), "new");
  CHECK(read_file(folder.path("f")) == "new");
}

TEST_CASE("Errors of files name the file and the cause") {
  TemporaryFolder folder;
  CHECK_THROWS_WITH(read_file(folder.path("none")),
                    folder.path("none") + ": no such file; check the name and the folder");
  CHECK_THROWS_WITH(read_file(folder.folder()), folder.folder() + ": is a folder, not a file");
  CHECK_THROWS_WITH(write_file("/dev/full", "x"), Catch::StartsWith("/dev/full: the disk is full"));
  CHECK_THROWS_WITH(AtomicFile(folder.path("no/f")),
                    folder.path("no/f") + ": its folder does not exist; make it first");
  write_file(folder.path("f"), "");
  CHECK_THROWS_AS(make_folder(folder.path("f/g")), UserError);
  make_folder(folder.path("a/b/c"));
  write_file(folder.path("a/b/c/f"), "x");
}
