#include "models/dom0/console_daemon.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include <xen/io/console.h>

#include "sim/base/expects.h"

namespace xensim::dom0 {

namespace {
using Ring = xencons_interface;
constexpr std::uint32_t kInSize = sizeof(Ring::in), kOutSize = sizeof(Ring::out);
constexpr Nanoseconds kAttention = 10'000'000;
}  // namespace

void describe(ConsoleDaemonConfig& c, config::Visitor& v) {
  v(c.wake_cycles,
    {"wake_cycles", "cycles", "one wake of xenconsoled", "uncalibrated", config::between(0, 10'000'000)});
  v(c.cycles_per_byte, {"cycles_per_byte", "cycles", "moving one byte of console output or input", "uncalibrated",
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
  if (ConsoleScript* script = script_of(domid, it->second)) script->disconnect();
  xen::Domain& dom0 = *hypervisor_.find_domain(0);
  hypervisor_.evtchn_close(dom0, it->second.port);
  expects(xen::grant::unmap_frame(hypervisor_, *dom0.vcpus[0], it->second.ring) == GNTST_okay);
  clients_.erase(it);
}

std::uint64_t ConsoleDaemon::drain(domid_t domid, const Client& client) {
  memory::PhysicalMemory& memory = hypervisor_.memory;
  const PhysAddr ring = address_of(client.ring.frame);
  const auto prod = memory.read<std::uint32_t>(ring + offsetof(Ring, out_prod));
  auto cons = memory.read<std::uint32_t>(ring + offsetof(Ring, out_cons));
  const std::uint32_t n = prod - cons;
  if (n == 0) return 0;
  std::string text;
  // More than a ring full is nonsense: xenconsoled takes nothing and resets its index.
  if (n <= kOutSize)
    for (std::uint32_t i = 0; i < n; ++i)
      text.push_back(static_cast<char>(
          memory.read<std::uint8_t>(ring + offsetof(Ring, out) + ((cons + i) & (kOutSize - 1)))));
  memory.write<std::uint32_t>(ring + offsetof(Ring, out_cons), prod);
  if (!text.empty()) {
    sink_(domid, text);
    if (ConsoleScript* script = script_of(domid, client)) script->output(text);
    std::string& unread = unread_[domid];
    unread += text;
    if (unread.size() > config_.limit + config_.limit / 4) unread.erase(0, unread.size() - config_.limit);
  }
  mark_ring_dirty(domid, client);
  return text.size();
}

// As much as there is room for; the rest when the guest has taken some and says so. A guest whose indices are
// nonsense gets nothing.
std::uint64_t ConsoleDaemon::type(domid_t domid, Client& client) {
  ConsoleScript* script = script_of(domid, client);
  const bool by_hand = !client.keys.empty();
  const std::string_view input = by_hand ? client.keys : script ? script->input() : std::string_view{};
  if (input.empty()) return 0;
  memory::PhysicalMemory& memory = hypervisor_.memory;
  const PhysAddr ring = address_of(client.ring.frame);
  const auto prod = memory.read<std::uint32_t>(ring + offsetof(Ring, in_prod));
  const auto cons = memory.read<std::uint32_t>(ring + offsetof(Ring, in_cons));
  const std::uint32_t waiting = prod - cons;
  if (waiting >= kInSize) return 0;
  const std::string text(input.substr(0, kInSize - waiting));
  for (std::uint32_t i = 0; i < text.size(); ++i)
    memory.write(ring + offsetof(Ring, in) + ((prod + i) & (kInSize - 1)), static_cast<std::uint8_t>(text[i]));
  memory.write(ring + offsetof(Ring, in_prod), prod + static_cast<std::uint32_t>(text.size()));
  mark_ring_dirty(domid, client);
  if (by_hand)
    client.keys.erase(0, text.size());
  else
    script->typed(text.size(), hypervisor_.ns(hypervisor_.now()));
  return text.size();
}

void ConsoleDaemon::mark_ring_dirty(domid_t domid, const Client& client) {
  if (xen::Domain* d = hypervisor_.find_domain(domid)) xen::log_dirty::mark_frame(*d, client.ring.frame);
}

void ConsoleDaemon::connect(domid_t domid, ConsoleScript& script) {
  const auto it = clients_.find(domid);
  if (it == clients_.end()) return;
  it->second.script = &script;
  if (std::find(scripts_.begin(), scripts_.end(), &script) == scripts_.end()) scripts_.push_back(&script);
  script.connect(*this, domid, hypervisor_.ns(hypervisor_.now()));
  hypervisor_.event_set_pending(*hypervisor_.find_domain(0), it->second.port);  // as for a key that was pressed
}

bool ConsoleDaemon::press(domid_t domid, std::string_view keys) {
  const auto it = clients_.find(domid);
  if (it == clients_.end() || keys.size() > kMostKeys - it->second.keys.size()) return false;
  it->second.keys += keys;
  hypervisor_.event_set_pending(*hypervisor_.find_domain(0), it->second.port);
  return true;
}

ConsoleScript* ConsoleDaemon::script_of(domid_t domid, const Client& client) const {
  return client.script && client.script->is_at(*this, domid) ? client.script : nullptr;
}

std::string ConsoleDaemon::take_unread(domid_t domid) {
  const auto it = unread_.find(domid);
  return it == unread_.end() ? "" : std::exchange(it->second, {});
}

xen::ModelAction ConsoleDaemon::next(xen::Vcpu& vcpu, Cycles now) {
  for (const auto& [domid, client] : clients_) {
    if (!hypervisor_.model_take_event(vcpu.domain, client.port)) continue;
    const std::uint64_t n = drain(domid, client);
    if (n > 0) hypervisor_.evtchn_send(vcpu.domain, client.port);
    return xen::ModelAction::spend(config_.wake_cycles + n * config_.cycles_per_byte);
  }
  Cycles deadline = attended_ ? now + hypervisor_.cycles(kAttention) : kNever;
  advance_scripts(now, deadline);
  for (auto& [domid, client] : clients_) {
    const std::uint64_t n = type(domid, client);
    if (n == 0) continue;
    hypervisor_.evtchn_send(vcpu.domain, client.port);
    return xen::ModelAction::spend(config_.wake_cycles + n * config_.cycles_per_byte);
  }
  return xen::ModelAction::block(deadline);
}

void ConsoleDaemon::advance_scripts(Cycles now, Cycles& deadline) {
  for (ConsoleScript* script : scripts_) {
    if (!script->is_at(*this)) continue;
    script->advance(hypervisor_.ns(now));
    if (const auto command = script->take_command()) run_xl(*command, *script, script->step());
    if (script->deadline() != ConsoleScript::kNoDeadline)
      deadline = std::min(deadline, hypervisor_.cycles(script->deadline()));
  }
}

}  // namespace xensim::dom0
