#include "models/xen/hvm/i8259.h"

#include <catch2/catch.hpp>

namespace xensim::xen::hvm {
namespace {

I8259Pair programmed() {
  I8259Pair p;
  for (const bool second : {false, true}) {
    const std::uint16_t base = second ? 0xa0 : 0x20, data = second ? 0xa1 : 0x21;
    p.write(base, 0x11);
    p.write(data, second ? 0x28 : 0x20);
    p.write(data, second ? 2 : 4);
    p.write(data, 1);
  }
  return p;
}

TEST_CASE("A line that rises is a request, and in service once it is acknowledged") {
  I8259Pair p = programmed();
  p.set_line(3, true);
  REQUIRE(p.output());
  CHECK(p.read(0x20) == 8);
  CHECK(p.acknowledge() == 0x23);
  CHECK_FALSE(p.output());
  CHECK(p.read(0x20) == 0);
  p.write(0x20, 0x0b);
  CHECK(p.read(0x20) == 8);
  p.write(0x20, 0x20);
  CHECK(p.read(0x20) == 0);
}

TEST_CASE("What is in service blocks lower priorities, not higher ones") {
  I8259Pair p = programmed();
  p.set_line(3, true);
  p.acknowledge();
  p.set_line(4, true);
  CHECK_FALSE(p.output());
  p.set_line(1, true);
  CHECK(p.output());
  CHECK(p.acknowledge() == 0x21);
  p.write(0x20, 0x20);
  p.write(0x20, 0x20);
  CHECK(p.acknowledge() == 0x24);
}

TEST_CASE("The second controller's requests come through line 2 of the first") {
  I8259Pair p = programmed();
  p.set_line(12, true);
  REQUIRE(p.output());
  CHECK(p.acknowledge() == 0x2c);
  CHECK_FALSE(p.output());
}

TEST_CASE("A masked line waits") {
  I8259Pair p = programmed();
  p.write(0x21, 0x08);
  p.set_line(3, true);
  CHECK_FALSE(p.output());
  p.write(0x21, 0);
  CHECK(p.output());
}

TEST_CASE("A request that is gone gives the spurious vector") {
  I8259Pair p = programmed();
  p.set_line(3, true);
  p.set_line(3, false);
  CHECK_FALSE(p.output());
  CHECK(p.acknowledge() == 0x27);
}

TEST_CASE("A level-triggered line asks again after the end of interrupt") {
  I8259Pair p = programmed();
  p.write(0x4d0, 1u << 5);
  CHECK(p.read(0x4d0) == 1u << 5);
  p.set_line(5, true);
  CHECK(p.acknowledge() == 0x25);
  CHECK_FALSE(p.output());
  p.write(0x20, 0x20);
  CHECK(p.output());
}

}  // namespace
}  // namespace xensim::xen::hvm
