// Decimal adjustment, which only exists outside 64-bit mode.
#include <catch2/catch.hpp>

#include "core_fixture.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

namespace {

struct After {
  std::uint64_t ax, flags;
  bool operator==(const After&) const = default;
};

After adjust(std::initializer_list<std::uint8_t> code, std::uint64_t ax, std::uint64_t flags) {
  TestCore t;
  t.protected_mode();
  t.program(code);
  t.reg(kRax) = ax;
  t.core.set_rflags(flags | 2);
  CHECK(t.completed());
  return {t.reg(kRax), t.core.rflags() & kStatusFlags};
}

constexpr std::uint64_t kDecided = kCf | kAf;

}  // namespace

TEST_CASE("DAA corrects a sum of packed digits, and carries") {
  CHECK(adjust({0x27}, 0xae, 0) == After{0x14, kCf | kAf | kPf});
  CHECK(adjust({0x27}, 0x14, kAf) == After{0x1a, kAf});
  CHECK(adjust({0x27}, 0x99, 0) == After{0x99, kSf | kPf});
  CHECK(adjust({0x27}, 0x9a, 0) == After{0x00, kCf | kAf | kZf | kPf});
  CHECK(adjust({0x27}, 0x05, kCf) == After{0x65, kCf | kPf});
}

TEST_CASE("DAS corrects a difference of packed digits, and borrows") {
  CHECK(adjust({0x2f}, 0xee, kCf | kAf) == After{0x88, kCf | kAf | kSf | kPf});
  CHECK(adjust({0x2f}, 0x05, kAf) == After{0xff, kCf | kAf | kSf | kPf});
  CHECK(adjust({0x2f}, 0x12, 0) == After{0x12, kPf});
}

TEST_CASE("AAA and AAS move one digit into AH") {
  After a = adjust({0x37}, 0x010b, 0);
  CHECK(a.ax == 0x0201);
  CHECK((a.flags & kDecided) == kDecided);
  a = adjust({0x37}, 0x0109, kCf);
  CHECK(a.ax == 0x0109);
  CHECK((a.flags & kDecided) == 0);
  a = adjust({0x3f}, 0x0204, kAf);
  CHECK(a.ax == 0x000e);  // AX - 6 borrows from AH, which then loses one more
  CHECK((a.flags & kDecided) == kDecided);
}

TEST_CASE("AAM divides and AAD multiplies by their base") {
  CHECK(adjust({0xd4, 10}, 0xff4f, 0).ax == 0x0709);
  CHECK(adjust({0xd4, 16}, 0x00a5, 0).ax == 0x0a05);
  CHECK(adjust({0xd5, 10}, 0x0709, 0) == After{0x4f, 0});
}

TEST_CASE("AAM by zero is a divide error") {
  TestCore t;
  t.protected_mode();
  t.program({0xd4, 0});
  t.run();
  CHECK(t.exception() == kDe);
}

TEST_CASE("decimal adjustment does not exist in 64-bit mode") {
  TestCore t;
  t.program({0x27});
  t.run();
  CHECK(t.exception() == kUd);
}
