// Writes protocol buffers' wire format: what a trace needs, no more
// (https://protobuf.dev/programming-guides/encoding).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace xensim::trace {

class ProtoMessage {
 public:
  void varint(unsigned field, std::uint64_t v) {
    raw(field << 3);
    raw(v);
  }
  void signed_varint(unsigned field, std::int64_t v) { varint(field, static_cast<std::uint64_t>(v)); }
  void bytes(unsigned field, std::string_view v) {
    raw(field << 3 | 2);
    raw(v.size());
    out_ += v;
  }
  void message(unsigned field, const ProtoMessage& m) { bytes(field, m.out_); }

  const std::string& text() const { return out_; }
  void clear() { out_.clear(); }

 private:
  void raw(std::uint64_t v) {
    while (v >= 0x80) {
      out_ += static_cast<char>(v | 0x80);
      v >>= 7;
    }
    out_ += static_cast<char>(v);
  }
  std::string out_;
};

}  // namespace xensim::trace
