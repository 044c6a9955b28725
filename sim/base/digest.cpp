#include "sim/base/digest.h"

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include <array>

#include "sim/base/expects.h"

namespace xensim {

struct Digest::State {
  alignas(64) XXH3_state_t xxh;
};

Digest::Digest() : state_(std::make_unique<State>()) {
  XXH3_INITSTATE(&state_->xxh);
  expects(XXH3_128bits_reset(&state_->xxh) == XXH_OK);
}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::add(const void* data, std::size_t bytes) {
  if (bytes != 0) expects(XXH3_128bits_update(&state_->xxh, data, bytes) == XXH_OK);
}

std::string Digest::hex() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state_->xxh));
  std::string text;
  for (unsigned char byte : canonical.digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::uint64_t digest64(const void* data, std::size_t bytes) { return XXH3_64bits(data, bytes); }

}  // namespace xensim
