// AES-NI, PCLMULQDQ and the SHA extensions as instructions; what they compute is in crypto.cpp.
#include <bit>

#include "models/cpu/isa/crypto.h"
#include "models/cpu/isa/vex_operands.h"

namespace xensim::cpu::isa {

using namespace sse;

namespace {

template <class T>
T words_of(__m128i v) {
  T out;
  static_assert(sizeof out == sizeof v);
  std::memcpy(&out, &v, sizeof out);
  return out;
}
template <class T>
__m128i vector_of(const T& words) {
  __m128i v;
  static_assert(sizeof words == sizeof v);
  std::memcpy(&v, &words, sizeof v);
  return v;
}

// (destination, source) as an operation on vectors.
template <class T, auto kF>
constexpr auto kOnVectors = [](__m128i a, __m128i b) { return vector_of(kF(words_of<T>(a), words_of<T>(b))); };
template <class T, auto kF>
constexpr auto kOnSource = [](__m128i, __m128i b) { return vector_of(kF(words_of<T>(b))); };

constexpr auto kKeyGenerationAssist = [](__m128i, __m128i b, unsigned imm) {
  return vector_of(
      crypto::aes_key_generation_assist(words_of<crypto::AesBlock>(b), static_cast<std::uint8_t>(imm)));
};
// Bits 0 and 4 of the immediate choose the halves.
constexpr auto kCarrylessMultiply = [](__m128i a, __m128i b, unsigned imm) {
  return vector_of(
      crypto::carryless_multiply(imm & 1 ? high_of(a) : low_of(a), imm & 0x10 ? high_of(b) : low_of(b)));
};
constexpr auto kSha1FourRounds = [](__m128i a, __m128i b, unsigned imm) {
  return vector_of(crypto::sha1_four_rounds(words_of<crypto::Words>(a), words_of<crypto::Words>(b), imm & 3));
};

// XMM0 is a third source.
template <bool kMemory>
Outcome sha256_two_rounds(Core& c, const Op& op) {
  if (!usable(c)) return unusable(c);
  __m128i b{};
  if (Outcome o = source<kMemory, 16>(c, op, b); failed(o)) return o;
  set_xmm(c, op.reg,
          vector_of(crypto::sha256_two_rounds(words_of<crypto::Words>(xmm(c, op.reg)), words_of<crypto::Words>(b),
                                              words_of<crypto::Words>(xmm(c, 0)))));
  return Outcome::kNext;
}
Handler bind_sha256_two_rounds(const DecodedInstruction& d, Op&) {
  return d.is_mem(1) ? sha256_two_rounds<true> : sha256_two_rounds<false>;
}

using crypto::AesBlock;
using crypto::Words;

#define ROW(name, ...) Form(ZYDIS_MNEMONIC_##name, CostClass::kCrypto, kStraight, __VA_ARGS__)
#define BOTH(name, ...) \
  ROW(name, bind_xmm<__VA_ARGS__>), XENSIM_VEX_ROW(name, kCrypto, vex::bind_narrow<__VA_ARGS__>)

constexpr Form kForms[] = {
    BOTH(AESENC, kOnVectors<AesBlock, crypto::aes_encrypt>),
    BOTH(AESENCLAST, kOnVectors<AesBlock, crypto::aes_encrypt_last>),
    BOTH(AESDEC, kOnVectors<AesBlock, crypto::aes_decrypt>),
    BOTH(AESDECLAST, kOnVectors<AesBlock, crypto::aes_decrypt_last>),
    BOTH(AESIMC, kOnSource<AesBlock, crypto::aes_inverse_mix_columns>),
    BOTH(AESKEYGENASSIST, kKeyGenerationAssist),
    BOTH(PCLMULQDQ, kCarrylessMultiply),
    ROW(SHA1RNDS4, bind_xmm<kSha1FourRounds>),
    ROW(SHA1NEXTE, bind_xmm<kOnVectors<Words, crypto::sha1_next_e>>),
    ROW(SHA1MSG1, bind_xmm<kOnVectors<Words, crypto::sha1_message_1>>),
    ROW(SHA1MSG2, bind_xmm<kOnVectors<Words, crypto::sha1_message_2>>),
    ROW(SHA256RNDS2, bind_sha256_two_rounds),
    ROW(SHA256MSG1, bind_xmm<kOnVectors<Words, crypto::sha256_message_1>>),
    ROW(SHA256MSG2, bind_xmm<kOnVectors<Words, crypto::sha256_message_2>>),
};

}  // namespace

std::span<const Form> sse_crypto_forms() { return kForms; }

}  // namespace xensim::cpu::isa
