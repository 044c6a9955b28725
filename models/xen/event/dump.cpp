// Debug key `e`: the event channels of a domain, as Xen's console shows them (common/event_channel.c).
#include <cstdio>

#include "models/xen/hypervisor.h"

namespace xensim::xen::event {

namespace {

// Xen's own numbers of the states, which are not those of EVTCHNSTAT_*.
unsigned xen_state(PortState s) {
  switch (s) {
    case PortState::kFree:
      return 0;
    case PortState::kReserved:
      return 1;
    case PortState::kUnbound:
      return 2;
    case PortState::kInterdomain:
      return 3;
    case PortState::kPirq:
      return 4;
    case PortState::kVirq:
      return 5;
    case PortState::kIpi:
      return 6;
  }
  return 0;
}

// "{0,2-3}", as Xen prints sets.
std::string polling(const Domain& d) {
  std::string out = "{";
  const auto polls = [&](std::size_t i) {
    return i < d.vcpus.size() && (d.vcpus[i]->pause_flags & kPauseBlockedInPoll);
  };
  for (std::size_t i = 0; i < d.vcpus.size(); ++i) {
    if (!polls(i)) continue;
    std::size_t last = i;
    while (polls(last + 1)) ++last;
    if (out.size() > 1) out += ",";
    out += std::to_string(i);
    if (last > i) out += "-" + std::to_string(last);
    i = last;
  }
  return out + "}";
}

std::string facts(const Port& p) {
  switch (p.state) {
    case PortState::kUnbound:
      return " d=" + std::to_string(p.remote_domid);
    case PortState::kInterdomain:
      return " d=" + std::to_string(p.remote_domid) + " p=" + std::to_string(p.remote_port);
    case PortState::kPirq:
      return " p=" + std::to_string(p.irq) + " i=0";  // no physical interrupt behind it
    case PortState::kVirq:
      return " v=" + std::to_string(p.irq);
    default:
      return "";
  }
}

}  // namespace

std::vector<std::string> dump(const Domain& d) {
  std::vector<std::string> out;
  out.push_back("Event channel information for domain " + std::to_string(d.domid) + ":");
  out.push_back("Polling vCPUs: " + polling(d));
  out.push_back("    port [p/m/s]");
  for (std::uint32_t port = 1; port < d.events.ports.size(); ++port) {
    const Port& p = d.events.ports[port];
    if (p.state == PortState::kFree) continue;
    const bool pending = p.usable() && d.events.abi->pending(port);
    const bool masked = !p.usable() || d.events.abi->masked(port);
    char head[32], tail[48];
    std::snprintf(head, sizeof head, "    %4u [%d/%d/", port, pending, masked);
    std::snprintf(tail, sizeof tail, "]: s=%u n=%u x=%d", xen_state(p.state), p.notify_vcpu, p.consumer ? 1 : 0);
    out.push_back(head + d.events.abi->state_text(port) + tail + facts(p));
  }
  return out;
}

}  // namespace xensim::xen::event
