// The decimal adjustments against the host, over all values of AL and all carries: in a 32-bit code segment, which
// a 64-bit Linux process reaches by a far call.
#include <sys/mman.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "tests/differential/harness.h"
#include "tests/models/cpu/isa/core_fixture.h"

namespace xensim::differential {
namespace {

using namespace xensim::cpu;

struct Decimal {
  std::uint64_t ax, flags;
  bool operator==(const Decimal&) const = default;
};

// Linux's selectors for user code (asm/segment.h); the same on every x86-64 kernel.
constexpr std::uint16_t kUser32Code = 0x23;

// A page below 2 GiB: code for both segments, a stack, and the far pointer.
class Host {
 public:
  Host() {
    void* p =
        mmap(nullptr, kSize, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    REQUIRE(p != MAP_FAILED);
    page_ = static_cast<std::uint8_t*>(p);
    const auto base = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(p));
    std::vector<std::uint8_t> c = {0x49, 0x89, 0xe0, 0xbc};  // mov r8, rsp; mov esp, imm32
    word(c, base + kSize - 64);
    c.insert(c.end(),
             {0x89, 0xf8, 0x56, 0x9d, 0xff, 0x1c, 0x25});  // mov eax, edi; push rsi; popfq; call far [abs]
    word(c, base + kPointer);
    // pushfq; pop rdx; shl rdx, 32; mov eax, eax; or rax, rdx; mov rsp, r8; ret
    c.insert(c.end(), {0x9c, 0x5a, 0x48, 0xc1, 0xe2, 32, 0x89, 0xc0, 0x48, 0x09, 0xd0, 0x4c, 0x89, 0xc4, 0xc3});
    std::memcpy(page_, c.data(), c.size());
    const std::uint32_t target = base + kCode32;
    std::memcpy(page_ + kPointer, &target, 4);
    std::memcpy(page_ + kPointer + 4, &kUser32Code, 2);
  }
  ~Host() { munmap(page_, kSize); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  void set(const std::vector<std::uint8_t>& instruction) {
    std::memcpy(page_ + kCode32, instruction.data(), instruction.size());
    page_[kCode32 + instruction.size()] = 0xcb;  // far return
  }
  Decimal run(std::uint64_t ax, std::uint64_t flags) const {
    const auto f = reinterpret_cast<std::uint64_t (*)(std::uint64_t, std::uint64_t)>(page_);
    const std::uint64_t r = f(ax, flags | 0x202);
    return {r & 0xffffffff, (r >> 32) & kStatusFlags};
  }

 private:
  static constexpr std::uint32_t kCode32 = 0x100, kPointer = 0x180, kSize = 0x1000;
  static void word(std::vector<std::uint8_t>& c, std::uint32_t v) {
    for (unsigned i = 0; i < 4; ++i) c.push_back(static_cast<std::uint8_t>(v >> (8 * i)));
  }
  std::uint8_t* page_;
};

void compare(const std::vector<std::uint8_t>& code, std::uint64_t undefined) {
  static Host host;
  host.set(code);
  cpu::test::TestCore t;
  t.protected_mode();
  for (std::size_t i = 0; i < code.size(); ++i) t.put<std::uint8_t>(cpu::test::kCode + i, code[i]);
  t.st().rip = cpu::test::kCode;
  Outcome o = Outcome::kNext;
  const Block* b = t.core.blocks.find(o);
  REQUIRE(b);
  unsigned differ = 0;
  for (std::uint64_t n = 0; n < 0x10000; n += 1)
    for (const std::uint64_t flags : {std::uint64_t{0}, kCf, kAf, kCf | kAf}) {
      // All of AL with a few of AH.
      if (((n >> 8) & 0x3f) > 1 && (n >> 8) != 0xff) continue;
      const Decimal h = host.run(n, flags);
      t.reg(kRax) = n;
      t.core.set_rflags(flags | 2);
      b->ops.front().fn(t.core, b->ops.front());
      const Decimal s{t.reg(kRax), t.core.rflags() & kStatusFlags};
      if (h.ax == s.ax && ((h.flags ^ s.flags) & ~undefined) == 0) continue;
      if (++differ > 4) return;
      INFO(std::hex << "ax " << n << " flags " << flags << ": host " << h.ax << " " << h.flags << ", simulated "
                    << s.ax << " " << s.flags);
      CHECK(false);
    }
  CHECK(differ == 0);
  if (differ == 0) note_evidence(code, 32, "host");
}

}  // namespace

TEST_CASE("decimal adjustments give what the host gives in 32-bit code") {
  compare({0x27}, kOf);
  compare({0x2f}, kOf);
  compare({0x37}, kOf | kSf | kZf | kPf);
  compare({0x3f}, kOf | kSf | kZf | kPf);
  for (const std::uint8_t base : std::vector<std::uint8_t>{10, 1, 7, 16, 255}) {
    compare({0xd4, base}, kOf | kAf | kCf);
    compare({0xd5, base}, kOf | kAf | kCf);
  }
}

}  // namespace xensim::differential
