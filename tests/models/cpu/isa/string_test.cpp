// REP instructions: parts, faults on the way, overlaps, and address sizes.
#include <catch2/catch.hpp>

#include "core_fixture.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

namespace {

constexpr std::uint64_t kFrom = kData, kTo = kData + 0x10000;

void fill(TestCore& t, std::uint64_t at, std::uint64_t n) {
  for (std::uint64_t i = 0; i < n; ++i) t.put<std::uint8_t>(at + i, static_cast<std::uint8_t>(i * 7 + i / 256));
}

bool equal(const TestCore& t, std::uint64_t a, std::uint64_t b, std::uint64_t n) {
  for (std::uint64_t i = 0; i < n; ++i)
    if (t.get<std::uint8_t>(a + i) != t.get<std::uint8_t>(b + i)) return false;
  return true;
}

}  // namespace

TEST_CASE("REP MOVSB copies over many pages at any alignment") {
  TestCore t;
  fill(t, kFrom, 20000);
  t.program({0xf3, 0xa4});
  t.reg(kRsi) = kFrom + 1;
  t.reg(kRdi) = kTo + 77;
  t.reg(kRcx) = 19000;
  CHECK(t.completed());
  CHECK(equal(t, kFrom + 1, kTo + 77, 19000));
  CHECK(t.get<std::uint8_t>(kTo + 76) == 0);
  CHECK(t.get<std::uint8_t>(kTo + 77 + 19000) == 0);
  CHECK(t.reg(kRcx) == 0);
  CHECK(t.reg(kRsi) == kFrom + 1 + 19000);
  CHECK(t.reg(kRdi) == kTo + 77 + 19000);
}

TEST_CASE("REP MOVSQ backwards copies the same bytes") {
  TestCore t;
  fill(t, kFrom, 16384);
  t.program({0xfd, 0xf3, 0x48, 0xa5});
  t.reg(kRsi) = kFrom + 16384 - 8 - 3;
  t.reg(kRdi) = kTo + 16384 - 8;
  t.reg(kRcx) = 2000;
  CHECK(t.completed());
  const std::uint64_t low = 16384 - 16000;
  CHECK(equal(t, kFrom + low - 3, kTo + low, 16000));
  CHECK(t.reg(kRdi) == kTo + low - 8);
}

TEST_CASE("REP MOVSB onto its own next bytes repeats a pattern") {
  TestCore t;
  t.put(kData, {1, 2, 3});
  t.program({0xf3, 0xa4});
  t.reg(kRsi) = kData;
  t.reg(kRdi) = kData + 3;
  t.reg(kRcx) = 9000;
  CHECK(t.completed());
  bool right = true;
  for (std::uint64_t i = 0; i < 9003; ++i) right &= t.get<std::uint8_t>(kData + i) == i % 3 + 1;
  CHECK(right);
}

TEST_CASE("an overlap that only the page tables show is copied element by element too") {
  TestCore t;
  t.map(kTo, kData);  // two linear pages, one frame
  t.put(kData, {9, 0});
  t.program({0xf3, 0xa4});
  t.reg(kRsi) = kData;
  t.reg(kRdi) = kTo + 1;
  t.reg(kRcx) = 100;
  CHECK(t.completed());
  bool right = true;
  for (std::uint64_t i = 0; i <= 100; ++i) right &= t.get<std::uint8_t>(kData + i) == 9;
  CHECK(right);
}

TEST_CASE("a fault in the middle of REP STOSD leaves the registers at the element that failed") {
  TestCore t;
  t.unmap(kData + 2 * kPageSize);
  t.program({0xf3, 0xab});
  t.reg(kRax) = 0x11223344;
  t.reg(kRdi) = kData + 2;
  t.reg(kRcx) = 4096;
  t.run();
  CHECK(t.exception() == kPfVec);
  CHECK(t.faulting_rip(true) == kCode);
  // The last element before the hole would cross into it.
  const std::uint64_t done = (2 * kPageSize - 2) / 4;
  CHECK(t.reg(kRdi) == kData + 2 + 4 * done);
  CHECK(t.reg(kRcx) == 4096 - done);
  CHECK(t.st().cr2 == kData + 2 * kPageSize);
  CHECK(t.get<std::uint16_t>(kData + 2 * kPageSize - 2) == 0);
}

TEST_CASE("a REP instruction that faulted goes on where it was") {
  TestCore t;
  t.unmap(kData + kPageSize);
  t.program({0xf3, 0xaa});
  t.reg(kRax) = 0x5a;
  t.reg(kRdi) = kData;
  t.reg(kRcx) = 5000;
  t.run();
  CHECK(t.exception() == kPfVec);
  CHECK(t.reg(kRcx) == 5000 - kPageSize);
  t.map(kData + kPageSize, kData + kPageSize);
  t.st().rip = kCode;
  t.st().activity = Activity::kActive;
  CHECK(t.completed());
  CHECK(t.get<std::uint8_t>(kData + 4999) == 0x5a);
  CHECK(t.get<std::uint8_t>(kData + 5000) == 0);
}

TEST_CASE("REPE CMPSB stops behind the first difference") {
  TestCore t;
  fill(t, kFrom, 9000);
  fill(t, kTo, 9000);
  t.put<std::uint8_t>(kTo + 7777, 0xee);
  t.program({0xf3, 0xa6});
  t.reg(kRsi) = kFrom;
  t.reg(kRdi) = kTo;
  t.reg(kRcx) = 9000;
  CHECK(t.completed());
  CHECK(t.reg(kRcx) == 9000 - 7778);
  CHECK(t.reg(kRsi) == kFrom + 7778);
  CHECK(!t.core.flags.zf());
}

TEST_CASE("REPNE SCASB finds the end of a string") {
  TestCore t;
  for (std::uint64_t i = 0; i < 6000; ++i) t.put<std::uint8_t>(kData + i, 1);
  t.program({0xf2, 0xae});
  t.reg(kRdi) = kData;
  t.reg(kRcx) = ~std::uint64_t{0};
  CHECK(t.completed());
  CHECK(t.reg(kRdi) == kData + 6001);
  CHECK(~t.reg(kRcx) - 1 == 6000);
  CHECK(t.core.flags.zf());
}

TEST_CASE("a count of zero touches nothing, not even an unmapped page or a flag") {
  TestCore t;
  t.unmap(kData);
  t.program({0xf3, 0xa6});
  t.reg(kRsi) = t.reg(kRdi) = kData;
  t.core.set_rflags(2 | kCf | kSf);
  CHECK(t.completed());
  CHECK((t.core.rflags() & kStatusFlags) == (kCf | kSf));
}

TEST_CASE("16-bit addresses wrap inside their segment") {
  TestCore t;
  t.real_mode();
  t.put(kRealCode, {0xf3, 0xaa, 0xf4});
  t.st().rip = kRealCode;
  t.st().seg[kEs].base = 0x20000;
  t.st().seg[kEs].selector = 0x2000;
  t.reg(kRax) = 0x77;
  t.reg(kRdi) = 0xfff0;
  t.reg(kRcx) = 0x20;
  CHECK(t.run() == StopReason::kHalted);
  CHECK(t.st().rip == kRealCode + 3);
  CHECK(t.reg(kRdi) == 0x10);
  CHECK(t.get<std::uint8_t>(0x2ffff) == 0x77);
  CHECK(t.get<std::uint8_t>(0x20000) == 0x77);
  CHECK(t.get<std::uint8_t>(0x2000f) == 0x77);
  CHECK(t.get<std::uint8_t>(0x20010) == 0);
  CHECK(t.get<std::uint8_t>(0x30000) == 0);
}

TEST_CASE("a segment limit stops a REP at the element that crosses it") {
  TestCore t;
  t.protected_mode();
  t.st().seg[kEs] = {.base = kData, .limit = 0x101, .attr = 0x4093, .selector = 0x10};
  t.core.update_mode();
  t.program({0xf3, 0xab});
  t.reg(kRdi) = 0;
  t.reg(kRcx) = 100;
  t.run();
  CHECK(t.exception() == kGp);
  CHECK(t.reg(kRdi) == 0x100);
  CHECK(t.reg(kRcx) == 36);
}

TEST_CASE("a segment override moves the source only") {
  TestCore t;
  t.put<std::uint8_t>(kData + 0x50, 0x42);
  t.st().seg[kFs].base = 0x50;
  t.program({0x64, 0xa4});  // movsb from fs
  t.reg(kRsi) = kData;
  t.reg(kRdi) = kTo;
  CHECK(t.completed());
  CHECK(t.get<std::uint8_t>(kTo) == 0x42);
}

TEST_CASE("each line that a part touches is logged once, loads and stores alike") {
  TestCore t;
  t.program({0xf3, 0xa4});
  Outcome o = Outcome::kNext;
  const Block* b = t.core.blocks.find(o);
  REQUIRE(b);
  const Op& op = b->ops.front();
  t.core.collect_accesses = true;
  t.reg(kRsi) = kFrom;
  t.reg(kRdi) = kTo;
  t.reg(kRcx) = 1;
  op.fn(t.core, op);  // fills the software TLB
  t.core.access_count = 0;
  t.reg(kRsi) = kFrom + 32;
  t.reg(kRdi) = kTo;
  t.reg(kRcx) = 128;
  CHECK(op.fn(t.core, op) == Outcome::kNext);
  REQUIRE(t.core.access_count == 5);
  CHECK(t.core.accesses[0].physical == kFrom + 32);
  CHECK(t.core.accesses[0].size == 32);
  CHECK(t.core.accesses[2].physical == kFrom + 128);
  CHECK(t.core.accesses[2].size == 32);
  CHECK(!t.core.accesses[2].store);
  CHECK(t.core.accesses[3].physical == kTo);
  CHECK(t.core.accesses[4].size == 64);
  CHECK(t.core.accesses[4].store);
}

TEST_CASE("a part of a timed REP fits the access log") {
  TestCore t;
  t.core.collect_accesses = true;
  fill(t, kFrom, 8192);
  t.program({0xf3, 0xa4});
  Outcome o = Outcome::kNext;
  const Block* b = t.core.blocks.find(o);
  REQUIRE(b);
  const Op& op = b->ops.front();
  t.reg(kRsi) = kFrom + 33;
  t.reg(kRdi) = kTo + 1;
  t.reg(kRcx) = 8000;
  do {
    t.core.access_count = 0;
    o = op.fn(t.core, op);
    CHECK(t.core.access_count <= 30);
  } while (o == Outcome::kRepeat);
  CHECK(o == Outcome::kNext);
  CHECK(equal(t, kFrom + 33, kTo + 1, 8000));
}
