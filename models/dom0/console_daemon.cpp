#include "models/dom0/console_daemon.h"

#include <string>
#include <utility>

#include "sim/base/expects.h"

namespace xensim::dom0 {

namespace {
constexpr std::uint64_t kOut = 1024, kOutCons = 3080, kOutProd = 3084;
constexpr std::uint32_t kOutSize = 2048;
}  // namespace

void describe(ConsoleDaemonConfig& c, config::Visitor& v) {
  v(c.wake_cycles,
    {"wake_cycles", "cycles", "one wake of xenconsoled", "uncalibrated", config::between(0, 10'000'000)});
  v(c.cycles_per_byte, {"cycles_per_byte", "cycles", "moving one byte of console output", "uncalibrated",
                        config::between(0, 10'000)});
  v(c.limit, {"limit", "bytes", "output of a domain that is kept until somebody reads it",
              "libxl: console/limit=1048576", config::between(1024, 1 << 30)});
}

void ConsoleDaemon::introduce(domid_t domid, std::uint32_t port) {
  Client client{{}, port};
  const auto status = xen::grant::map_frame(hypervisor_, *hypervisor_.find_domain(0)->vcpus[0], domid,
                                            GNTTAB_RESERVED_CONSOLE, false, client.ring);
  // A domain that has run, and is soft-reset, may have given the page away: it has no console then.
  if (status == GNTST_okay)
    clients_[domid] = client;
  else
    hypervisor_.evtchn_close(*hypervisor_.find_domain(0), port);
}

void ConsoleDaemon::release(domid_t domid) {
  const auto it = clients_.find(domid);
  if (it == clients_.end()) return;
  drain(domid, it->second);
  xen::Domain& dom0 = *hypervisor_.find_domain(0);
  hypervisor_.evtchn_close(dom0, it->second.port);
  expects(xen::grant::unmap_frame(hypervisor_, *dom0.vcpus[0], it->second.ring) == GNTST_okay);
  clients_.erase(it);
}

std::uint64_t ConsoleDaemon::drain(domid_t domid, const Client& client) {
  memory::PhysicalMemory& memory = hypervisor_.memory;
  const PhysAddr ring = address_of(client.ring.frame);
  const auto prod = memory.read<std::uint32_t>(ring + kOutProd);
  auto cons = memory.read<std::uint32_t>(ring + kOutCons);
  const std::uint32_t n = prod - cons;
  if (n == 0) return 0;
  std::string text;
  // More than a ring full is nonsense: xenconsoled takes nothing and resets its index.
  if (n <= kOutSize)
    for (std::uint32_t i = 0; i < n; ++i)
      text.push_back(static_cast<char>(memory.read<std::uint8_t>(ring + kOut + ((cons + i) & (kOutSize - 1)))));
  memory.write<std::uint32_t>(ring + kOutCons, prod);
  if (!text.empty()) {
    sink_(domid, text);
    std::string& unread = unread_[domid];
    unread += text;
    if (unread.size() > config_.limit + config_.limit / 4) unread.erase(0, unread.size() - config_.limit);
  }
  if (xen::Domain* d = hypervisor_.find_domain(domid)) xen::log_dirty::mark_frame(*d, client.ring.frame);
  return text.size();
}

std::string ConsoleDaemon::take_unread(domid_t domid) {
  const auto it = unread_.find(domid);
  return it == unread_.end() ? "" : std::exchange(it->second, {});
}

xen::ModelAction ConsoleDaemon::next(xen::Vcpu& vcpu, Cycles) {
  for (const auto& [domid, client] : clients_) {
    if (!hypervisor_.model_take_event(vcpu.domain, client.port)) continue;
    const std::uint64_t n = drain(domid, client);
    if (n > 0) hypervisor_.evtchn_send(vcpu.domain, client.port);
    return xen::ModelAction::spend(config_.wake_cycles + n * config_.cycles_per_byte);
  }
  return xen::ModelAction::block();
}

}  // namespace xensim::dom0
