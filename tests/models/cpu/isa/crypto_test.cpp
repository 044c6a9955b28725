// AES, carry-less multiplication and SHA against the standards' own examples: these hold on hosts that lack the
// extensions, where the differential tests have nothing to compare with.
#include <catch2/catch.hpp>
#include <cstring>

#include "core_fixture.h"
#include "models/cpu/isa/crypto.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;
using namespace xensim::cpu::isa::crypto;

namespace {

AesBlock add(AesBlock a, const AesBlock& b) {
  for (unsigned n = 0; n < 16; ++n) a[n] ^= b[n];
  return a;
}

// The next round key of AES-128, as software makes it from AESKEYGENASSIST.
AesBlock next_key(const AesBlock& key, std::uint8_t constant) {
  const AesBlock assist = aes_key_generation_assist(key, constant);
  AesBlock next;
  for (unsigned word = 0; word < 4; ++word)
    for (unsigned b = 0; b < 4; ++b)
      next[4 * word + b] =
          static_cast<std::uint8_t>(key[4 * word + b] ^ (word == 0 ? assist[12 + b] : next[4 * word - 4 + b]));
  return next;
}

std::array<AesBlock, 11> schedule(const AesBlock& key) {
  std::array<AesBlock, 11> keys{key};
  constexpr std::uint8_t kConstants[] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36};
  for (unsigned n = 0; n < 10; ++n) keys[n + 1] = next_key(keys[n], kConstants[n]);
  return keys;
}

// FIPS 197, appendix B.
constexpr AesBlock kKey = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                           0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
constexpr AesBlock kPlain = {0x32, 0x43, 0xf6, 0xa8, 0x88, 0x5a, 0x30, 0x8d,
                             0x31, 0x31, 0x98, 0xa2, 0xe0, 0x37, 0x07, 0x34};
constexpr AesBlock kCipher = {0x39, 0x25, 0x84, 0x1d, 0x02, 0xdc, 0x09, 0xfb,
                              0xdc, 0x11, 0x85, 0x97, 0x19, 0x6a, 0x0b, 0x32};

}  // namespace

TEST_CASE("ten rounds of AES encrypt the standard's example, and decrypt it again") {
  const auto keys = schedule(kKey);
  AesBlock s = add(kPlain, keys[0]);
  for (unsigned n = 1; n < 10; ++n) s = aes_encrypt(s, keys[n]);
  s = aes_encrypt_last(s, keys[10]);
  CHECK(s == kCipher);
  s = add(s, keys[10]);
  for (unsigned n = 9; n > 0; --n) s = aes_decrypt(s, aes_inverse_mix_columns(keys[n]));
  CHECK(aes_decrypt_last(s, keys[0]) == kPlain);
}

TEST_CASE("a carry-less product adds without carries and shifts into the high half") {
  CHECK(carryless_multiply(3, 3) == std::array<std::uint64_t, 2>{5, 0});
  CHECK(carryless_multiply(~std::uint64_t{0}, 2) == std::array<std::uint64_t, 2>{~std::uint64_t{1}, 1});
  CHECK(carryless_multiply(std::uint64_t{1} << 63, std::uint64_t{1} << 63) ==
        std::array<std::uint64_t, 2>{0, std::uint64_t{1} << 62});
}

TEST_CASE("SHA-1's rounds and message schedule hash abc as the standard says") {
  // FIPS 180-4: the padded block, big-endian words; vectors hold the first word highest.
  std::array<Words, 4> w{Words{0, 0, 0, 0x61626380}, Words{}, Words{}, Words{0x18, 0, 0, 0}};
  const Words start{0x10325476, 0x98badcfe, 0xefcdab89, 0x67452301};
  Words abcd = start, before = start;
  for (unsigned group = 0; group < 20; ++group) {
    Words message = w[group % 4];
    if (group >= 4) {
      const Words &w0 = w[group % 4], &w4 = w[(group + 1) % 4], &w8 = w[(group + 2) % 4],
                  &w12 = w[(group + 3) % 4];
      Words partial = sha1_message_1(w0, w4);
      for (unsigned n = 0; n < 4; ++n) partial[n] ^= w8[n];
      message = w[group % 4] = sha1_message_2(partial, w12);
    }
    const Words with_e = group == 0 ? Words{message[0], message[1], message[2], message[3] + 0xc3d2e1f0}
                                    : sha1_next_e(before, message);
    before = abcd;
    abcd = sha1_four_rounds(abcd, with_e, group / 5);
  }
  const Words e = sha1_next_e(before, Words{0, 0, 0, 0xc3d2e1f0});
  CHECK(abcd[3] + start[3] == 0xa9993e36);
  CHECK(abcd[2] + start[2] == 0x4706816a);
  CHECK(abcd[1] + start[1] == 0xba3e2571);
  CHECK(abcd[0] + start[0] == 0x7850c26c);
  CHECK(e[3] == 0x9cd0d89d);
}

TEST_CASE("SHA-256's two rounds turn the standard's first state into its second") {
  // FIPS 180-4's example abc: the state before round 0 and after round 1; W0 = 61626380, W1 = 0.
  const Words abef{0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667},
      cdgh{0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372};
  const Words r = sha256_two_rounds(cdgh, abef, {0x61626380u + 0x428a2f98u, 0x71374491, 0, 0});
  CHECK(r == Words{0xfa2a4622, 0x78ce7989, 0x5d6aebcd, 0x5a6ad9ad});
}

TEST_CASE("SHA's memory operands must be aligned") {
  for (const std::uint64_t offset : {0, 8}) {
    TestCore t;
    t.program({0x0f, 0x38, 0xcc, 0x06});  // sha256msg1 xmm0, [rsi]
    t.reg(kRsi) = kData + offset;
    t.run();
    CHECK(t.exception() == (offset == 0 ? -1 : kGp));
  }
}
