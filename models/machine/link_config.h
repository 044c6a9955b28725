// A link between two hosts, as a scenario has it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/types.h"
#include "sim/config/param.h"

namespace xensim::machine {

enum class LinkState : std::uint8_t { kDown, kUp };
std::span<const std::string_view> names_of(LinkState);

struct LinkConfig {
  std::vector<std::string> between;  // two hosts
  std::uint64_t bandwidth = 10'000'000'000;
  std::uint64_t latency = 20'000;  // ns
  std::uint32_t mtu = 1500;
  std::uint32_t header = 40;
  std::uint32_t framing = 38;
  std::uint64_t buffer = 256 << 10;
  std::uint64_t timeout = 100'000'000;  // ns
};
void describe(LinkConfig& c, config::Visitor& v);

struct LinkChange {
  Nanoseconds at = 0;
  LinkState state = LinkState::kDown;
};

}  // namespace xensim::machine
