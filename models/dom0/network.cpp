#include "models/dom0/network.h"

namespace xensim::dom0 {

void describe(NetworkConfig& c, config::Visitor& v) {
  v(c.call_cycles, {"call_cycles", "cycles", "a system call that sends or receives, with ssh's part of it",
                    "uncalibrated", config::between(0, 10'000'000)});
  v(c.cycles_per_kib, {"cycles_per_kib", "cycles", "ssh's cipher, copies and the network stack for 1 KiB",
                       "uncalibrated: two cycles a byte", config::between(0, 10'000'000)});
  v(c.connect_cycles, {"connect_cycles", "cycles", "ssh's key exchange, at either end", "uncalibrated",
                       config::between(0, 10'000'000'000)});
  v(c.connect_round_trips,
    {"connect_round_trips", "count", "from ssh's start to the start of the program at the other host",
     "RFC 9293: 1; RFC 4253, 4252, 4254: versions 1, keys 2, authentication 2, session 1",
     config::between(1, 1000)});
  v(c.call_bytes, {"call_bytes", "bytes", "most bytes in one system call", "OpenSSH: packets of 32 KiB",
                   config::between(512, 1 << 20)});
}

}  // namespace xensim::dom0
