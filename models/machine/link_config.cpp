#include "models/machine/link_config.h"

#include <array>

namespace xensim::machine {

std::span<const std::string_view> names_of(LinkState) {
  static constexpr std::array<std::string_view, 2> kNames{"down", "up"};
  return kNames;
}

void describe(LinkConfig& c, config::Visitor& v) {
  v(c.between, {"between", "", "the two hosts", "design"});
  v(c.bandwidth, {"bandwidth", "bit/s", "in each direction", "design: Ethernet of IEEE 802.3ae",
                  config::between(1'000, 10'000'000'000'000)});
  v(c.latency, {"latency", "ns", "from the last bit sent to the interrupt at the other host",
                "uncalibrated: hosts in one rack", config::between(1, 10'000'000'000)});
  v(c.mtu, {"mtu", "bytes", "most bytes of a packet", "IEEE 802.3", config::between(576, 65536)});
  v(c.header, {"header", "bytes", "headers within a packet", "IPv4 and TCP without options: RFC 791, RFC 9293",
               config::between(0, 512)});
  v(c.framing, {"framing", "bytes", "around a packet: preamble, header, check, gap", "IEEE 802.3: 8 + 14 + 4 + 12",
                config::between(0, 512)});
  v(c.buffer, {"buffer", "bytes", "of a stream and direction: what is written and not yet read at the other end",
               "uncalibrated: between Linux's first and largest receive buffers", config::between(4096, 1 << 30)});
  v(c.timeout, {"timeout", "ns", "how long the link may be down before its streams break",
                "design: Linux gives up after 15 retransmissions, about 15 min, which is long for a simulation",
                config::between(1, 86'400'000'000'000)});
}

}  // namespace xensim::machine
