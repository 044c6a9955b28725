// A 128-bit digest of a stream of bytes, the same on every host: XXH3 (xxHash, 128 bits). Not for secrets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace xensim {

class Digest {
 public:
  Digest();
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  void add(const void* data, std::size_t bytes);
  void add(std::string_view text) { add(text.data(), text.size()); }
  void add(std::span<const std::uint32_t> words) { add(words.data(), words.size_bytes()); }
  // 32 hexadecimal digits of what was added so far.
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The same for a few bytes at once, in 64 bits.
std::uint64_t digest64(const void* data, std::size_t bytes);

}  // namespace xensim
