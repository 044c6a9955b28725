#include "models/cpu/isa/crypto.h"

#include <bit>

namespace xensim::cpu::isa::crypto {
namespace {

// Multiplication in GF(2⁸) modulo x⁸ + x⁴ + x³ + x + 1.
constexpr std::uint8_t multiply(std::uint8_t a, std::uint8_t b) {
  unsigned product = 0, shifted = a;
  for (unsigned bit = 0; bit < 8; ++bit) {
    if (b >> bit & 1) product ^= shifted;
    shifted = shifted << 1 ^ (shifted & 0x80 ? 0x11b : 0);
  }
  return static_cast<std::uint8_t>(product);
}

using Table = std::array<std::uint8_t, 256>;

// The inverse in the field (a²⁵⁴), then an affine map.
constexpr Table make_s_box() {
  Table box{};
  for (unsigned n = 0; n < 256; ++n) {
    const auto a = static_cast<std::uint8_t>(n);
    std::uint8_t inverse = 1, power = a;
    for (unsigned exponent = 254; exponent != 0; exponent >>= 1, power = multiply(power, power))
      if (exponent & 1) inverse = multiply(inverse, power);
    const std::uint8_t i = n == 0 ? std::uint8_t{0} : inverse;
    box[n] = static_cast<std::uint8_t>(i ^ std::rotl(i, 1) ^ std::rotl(i, 2) ^ std::rotl(i, 3) ^ std::rotl(i, 4) ^
                                       0x63);
  }
  return box;
}
constexpr Table make_inverse(const Table& box) {
  Table inverse{};
  for (unsigned n = 0; n < 256; ++n) inverse[box[n]] = static_cast<std::uint8_t>(n);
  return inverse;
}
constexpr Table kSBox = make_s_box(), kInverseSBox = make_inverse(kSBox);
static_assert(kSBox[0x00] == 0x63 && kSBox[0x53] == 0xed && kInverseSBox[0xed] == 0x53);  // FIPS 197, 5.1.1

constexpr Table times(std::uint8_t factor) {
  Table t{};
  for (unsigned n = 0; n < 256; ++n) t[n] = multiply(static_cast<std::uint8_t>(n), factor);
  return t;
}
constexpr Table kTimes2 = times(2), kTimes3 = times(3), kTimes9 = times(9), kTimes11 = times(11),
                kTimes13 = times(13), kTimes14 = times(14);

// Row r of the state (bytes r, r + 4, …) turns by r columns, to the left or (inverse) to the right; then the
// S-box.
template <bool kInverse>
AesBlock shift_and_substitute(const AesBlock& s) {
  AesBlock out;
  for (unsigned column = 0; column < 4; ++column)
    for (unsigned row = 0; row < 4; ++row) {
      const unsigned from = (kInverse ? column - row : column + row) & 3;
      out[4 * column + row] = (kInverse ? kInverseSBox : kSBox)[s[4 * from + row]];
    }
  return out;
}

AesBlock mix_columns(const AesBlock& s) {
  AesBlock out;
  for (unsigned c = 0; c < 16; c += 4)
    for (unsigned r = 0; r < 4; ++r)
      out[c + r] = static_cast<std::uint8_t>(kTimes2[s[c + r]] ^ kTimes3[s[c + (r + 1) % 4]] ^ s[c + (r + 2) % 4] ^
                                             s[c + (r + 3) % 4]);
  return out;
}

AesBlock add(AesBlock a, const AesBlock& b) {
  for (unsigned n = 0; n < 16; ++n) a[n] ^= b[n];
  return a;
}

std::uint32_t choose(std::uint32_t x, std::uint32_t y, std::uint32_t z) { return (x & y) ^ (~x & z); }
std::uint32_t majority(std::uint32_t x, std::uint32_t y, std::uint32_t z) { return (x & y) ^ (x & z) ^ (y & z); }
std::uint32_t parity(std::uint32_t x, std::uint32_t y, std::uint32_t z) { return x ^ y ^ z; }

std::uint32_t small_sigma_0(std::uint32_t x) { return std::rotr(x, 7) ^ std::rotr(x, 18) ^ x >> 3; }
std::uint32_t small_sigma_1(std::uint32_t x) { return std::rotr(x, 17) ^ std::rotr(x, 19) ^ x >> 10; }
std::uint32_t big_sigma_0(std::uint32_t x) { return std::rotr(x, 2) ^ std::rotr(x, 13) ^ std::rotr(x, 22); }
std::uint32_t big_sigma_1(std::uint32_t x) { return std::rotr(x, 6) ^ std::rotr(x, 11) ^ std::rotr(x, 25); }

}  // namespace

AesBlock aes_encrypt(const AesBlock& state, const AesBlock& round_key) {
  return add(mix_columns(shift_and_substitute<false>(state)), round_key);
}
AesBlock aes_encrypt_last(const AesBlock& state, const AesBlock& round_key) {
  return add(shift_and_substitute<false>(state), round_key);
}
AesBlock aes_decrypt(const AesBlock& state, const AesBlock& round_key) {
  return add(aes_inverse_mix_columns(shift_and_substitute<true>(state)), round_key);
}
AesBlock aes_decrypt_last(const AesBlock& state, const AesBlock& round_key) {
  return add(shift_and_substitute<true>(state), round_key);
}

AesBlock aes_inverse_mix_columns(const AesBlock& s) {
  AesBlock out;
  for (unsigned c = 0; c < 16; c += 4)
    for (unsigned r = 0; r < 4; ++r)
      out[c + r] = static_cast<std::uint8_t>(kTimes14[s[c + r]] ^ kTimes11[s[c + (r + 1) % 4]] ^
                                             kTimes13[s[c + (r + 2) % 4]] ^ kTimes9[s[c + (r + 3) % 4]]);
  return out;
}

// Of the second and the fourth word: the S-box of each byte, and that turned by a byte and mixed with the
// constant.
AesBlock aes_key_generation_assist(const AesBlock& key, std::uint8_t round_constant) {
  AesBlock out;
  for (unsigned half = 0; half < 16; half += 8)
    for (unsigned n = 0; n < 4; ++n) {
      out[half + n] = kSBox[key[half + 4 + n]];
      out[half + 4 + n] = kSBox[key[half + 4 + (n + 1) % 4]];
    }
  out[4] ^= round_constant;
  out[12] ^= round_constant;
  return out;
}

std::array<std::uint64_t, 2> carryless_multiply(std::uint64_t a, std::uint64_t b) {
  std::uint64_t low = 0, high = 0;
  for (unsigned bit = 0; bit < 64; ++bit) {
    if (!(b >> bit & 1)) continue;
    low ^= a << bit;
    if (bit != 0) high ^= a >> (64 - bit);
  }
  return {low, high};
}

Words sha1_four_rounds(const Words& state, const Words& message, unsigned function) {
  static constexpr std::uint32_t kConstants[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
  std::uint32_t a = state[3], b = state[2], c = state[1], d = state[0], e = 0;
  for (unsigned round = 0; round < 4; ++round) {
    // The first message word holds E as well (SHA1NEXTE).
    const std::uint32_t f = function == 0 ? choose(b, c, d) : function == 2 ? majority(b, c, d) : parity(b, c, d);
    const std::uint32_t next = f + std::rotl(a, 5) + message[3 - round] + e + kConstants[function];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  return {d, c, b, a};
}

Words sha1_next_e(const Words& state, const Words& message) {
  return {message[0], message[1], message[2], message[3] + std::rotl(state[3], 30)};
}

Words sha1_message_1(const Words& a, const Words& b) {
  return {b[2] ^ a[0], b[3] ^ a[1], a[0] ^ a[2], a[1] ^ a[3]};
}

Words sha1_message_2(const Words& a, const Words& b) {
  Words w;
  w[3] = std::rotl(a[3] ^ b[2], 1);
  w[2] = std::rotl(a[2] ^ b[1], 1);
  w[1] = std::rotl(a[1] ^ b[0], 1);
  w[0] = std::rotl(a[0] ^ w[3], 1);
  return w;
}

Words sha256_two_rounds(const Words& cdgh, const Words& abef, const Words& message_and_key) {
  std::uint32_t a = abef[3], b = abef[2], c = cdgh[3], d = cdgh[2], e = abef[1], f = abef[0], g = cdgh[1],
                h = cdgh[0];
  for (unsigned round = 0; round < 2; ++round) {
    const std::uint32_t t = choose(e, f, g) + big_sigma_1(e) + message_and_key[round] + h;
    const std::uint32_t next = t + majority(a, b, c) + big_sigma_0(a);
    h = g;
    g = f;
    f = e;
    e = t + d;
    d = c;
    c = b;
    b = a;
    a = next;
  }
  return {f, e, b, a};
}

Words sha256_message_1(const Words& a, const Words& b) {
  return {a[0] + small_sigma_0(a[1]), a[1] + small_sigma_0(a[2]), a[2] + small_sigma_0(a[3]),
          a[3] + small_sigma_0(b[0])};
}

Words sha256_message_2(const Words& a, const Words& b) {
  Words w;
  w[0] = a[0] + small_sigma_1(b[2]);
  w[1] = a[1] + small_sigma_1(b[3]);
  w[2] = a[2] + small_sigma_1(w[0]);
  w[3] = a[3] + small_sigma_1(w[1]);
  return w;
}

}  // namespace xensim::cpu::isa::crypto
