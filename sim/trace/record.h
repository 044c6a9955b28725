// One trace record, as Xen's trace buffers hold it (xen/trace.h): a header word, a time stamp if the event has
// one, and up to seven words. Header: event number in bits 27:0, number of words in 30:28, "has a time stamp"
// in 31.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "sim/base/types.h"

namespace xensim::trace {

inline constexpr unsigned kMaxWords = 7;
inline constexpr unsigned kMaxRecordWords = 3 + kMaxWords;
inline constexpr std::uint32_t kTimedFlag = std::uint32_t{1} << 31;

constexpr std::uint32_t header_of(std::uint32_t event, unsigned words, bool timed) {
  return event | (words << 28) | (timed ? kTimedFlag : 0);
}
constexpr std::uint32_t event_of(std::uint32_t header) { return header & 0x0fffffff; }
constexpr unsigned words_of(std::uint32_t header) { return (header >> 28) & 7; }
constexpr bool is_timed(std::uint32_t header) { return (header & kTimedFlag) != 0; }
constexpr unsigned size_of(std::uint32_t header) { return 1 + (is_timed(header) ? 2 : 0) + words_of(header); }

struct Record {
  std::uint32_t event = 0;
  bool timed = false;
  // An untimed record has the time of the one before it on its pCPU.
  Cycles tsc = 0;
  std::uint8_t count = 0;
  std::array<std::uint32_t, kMaxWords> words{};

  std::span<const std::uint32_t> payload() const { return {words.data(), count}; }
  // Words i and i + 1 as one number, low word first.
  std::uint64_t quad(unsigned i) const { return words[i] | (static_cast<std::uint64_t>(words[i + 1]) << 32); }
  friend bool operator==(const Record&, const Record&) = default;
};

// Domain and vCPU as trace records carry them.
struct VcpuId {
  std::uint16_t domid = 0;
  std::uint16_t vcpu = 0;
  friend auto operator<=>(VcpuId, VcpuId) = default;
  constexpr std::uint32_t packed() const { return static_cast<std::uint32_t>(domid) << 16 | vcpu; }
  static constexpr VcpuId unpack(std::uint32_t word) {
    return {static_cast<std::uint16_t>(word >> 16), static_cast<std::uint16_t>(word)};
  }
};
// Xen's idle domain; its vCPU n belongs to pCPU n.
inline constexpr std::uint16_t kIdleDomid = 0x7fff;

// Xen's RUNSTATE_* (xen/vcpu.h).
enum class Runstate : std::uint8_t { kRunning, kRunnable, kBlocked, kOffline };

}  // namespace xensim::trace
