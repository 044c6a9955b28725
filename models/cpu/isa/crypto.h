// What AES-NI, PCLMULQDQ and the SHA extensions compute (SDM 2, under the instructions' names; FIPS 197 and
// 180-4), in plain C++: no host needs the extensions, and none of these functions looks at a register of the core.
// Blocks are 16 bytes, byte 0 lowest, as a vector register holds them.
#pragma once

#include <array>
#include <cstdint>

namespace xensim::cpu::isa::crypto {

using AesBlock = std::array<std::uint8_t, 16>;
using Words = std::array<std::uint32_t, 4>;  // [0] lowest

// One round of the cipher; of the equivalent inverse cipher for decryption.
AesBlock aes_encrypt(const AesBlock& state, const AesBlock& round_key);
AesBlock aes_encrypt_last(const AesBlock& state, const AesBlock& round_key);
AesBlock aes_decrypt(const AesBlock& state, const AesBlock& round_key);
AesBlock aes_decrypt_last(const AesBlock& state, const AesBlock& round_key);
AesBlock aes_inverse_mix_columns(const AesBlock& round_key);
AesBlock aes_key_generation_assist(const AesBlock& key, std::uint8_t round_constant);

// The product of two polynomials over GF(2): {low, high}.
std::array<std::uint64_t, 2> carryless_multiply(std::uint64_t a, std::uint64_t b);

Words sha1_four_rounds(const Words& state, const Words& message, unsigned function);
Words sha1_next_e(const Words& state, const Words& message);
Words sha1_message_1(const Words& a, const Words& b);
Words sha1_message_2(const Words& a, const Words& b);
// message_and_key: W + K of both rounds, in its two low words.
Words sha256_two_rounds(const Words& cdgh, const Words& abef, const Words& message_and_key);
Words sha256_message_1(const Words& a, const Words& b);
Words sha256_message_2(const Words& a, const Words& b);

}  // namespace xensim::cpu::isa::crypto
