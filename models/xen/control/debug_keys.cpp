#include "models/xen/control/debug_keys.h"

#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <string>

#include "models/xen/mm/sharing.h"
#include "models/xen/sched/pcpu_set.h"

namespace xensim::xen::control {

namespace {

// Lines of Xen's console.
class Console {
 public:
  explicit Console(Hypervisor& hv) : hv_(hv) {}
  [[gnu::format(printf, 2, 3)]] void line(const char* format, ...) {
    char text[512];
    std::va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    hv_.log.push_back(std::string("(XEN) ") + text);
  }

 private:
  Hypervisor& hv_;
};

std::uint32_t xen_flags(const Vcpu& v) {
  // _VPF_blocked 0, _VPF_down 1, _VPF_blocked_in_xen 2, …: as Xen numbers what is a flag there.
  return (v.pause_flags & (kPauseBlocked | kPauseBlockedInPoll) ? 1u : 0u) |
         (v.pause_flags & kPauseDown ? 2u : 0u);
}

void dump_vcpu(Console& out, const Hypervisor& hv, const Vcpu& v) {
  out.line("  UNIT%u affinities: hard={%s} soft={%s}", v.id, sched::PcpuSet(v.hard_affinity).text().c_str(),
           sched::PcpuSet(v.soft_affinity).text().c_str());
  const std::uint8_t pending = hv.memory.read<std::uint8_t>(v.vcpu_info),
                     mask = v.model ? 0 : hv.memory.read<std::uint8_t>(v.vcpu_info + 1);
  out.line("    VCPU%u: CPU%u [has=%c] poll=%u upcall_pend=%02x upcall_mask=%02x ", v.id, v.processor,
           v.runstate == Runstate::kRunning ? 'T' : 'F', v.poll_port, pending, mask);
  out.line("    pause_count=%u pause_flags=%x",
           (v.pause_flags & kPausePaused ? v.domain.pause_count : 0) + (v.pause_flags & kPauseShutdown ? 1u : 0u),
           xen_flags(v));
  if (!v.model) out.line("    paging assistance: hap, 4 levels");
  if (v.periodic_period == 0)
    out.line("No periodic timer");
  else
    out.line("%" PRIu64 " Hz periodic timer (period %" PRIu64 " ms)", 1'000'000'000 / v.periodic_period,
             v.periodic_period / 1'000'000);
}

void dump_domains(Hypervisor& hv) {
  Console out(hv);
  out.line("'q' pressed -> dumping domain info (now = %" PRIu64 ")", hv.ns(hv.now()));
  std::vector<sched::PcpuId> dirty;
  for (const auto& [domid, d] : hv.domains) {
    dirty.clear();
    for (const auto& v : d->vcpus)
      if (v->runstate == Runstate::kRunning) dirty.push_back(v->processor);
    out.line("General information for domain %u:", domid);
    out.line("    dying=%d pause_count=%u", d->dying, d->pause_count + (d->shutdown ? 1u : 0u));
    out.line("    nr_pages=%" PRIu64 " xenheap_pages=%zu dirty_cpus={%s} max_pages=%" PRIu64,
             hv.frames.totals(domid).pages, d->xen_pages.size(), sched::PcpuSet(dirty).text().c_str(),
             d->max_pages);
    std::string handle;
    for (std::size_t i = 0; i < d->uuid.size(); ++i) {
      char digits[3];
      std::snprintf(digits, sizeof digits, "%02x", d->uuid[i]);
      handle += (i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "") + std::string(digits);
    }
    out.line("    handle=%s vm_assist=%08" PRIx64, handle.c_str(), d->vm_assist);
    for (std::size_t i = 0; i < d->watchdogs.size(); ++i)
      if (d->watchdogs[i].pending()) out.line("    watchdog %zu is running", i);
    if (d->p2m) out.line("    paging assistance: hap refcounts translate external ");
    out.line("NODE affinity for domain %u: [0]", domid);
    out.line("VCPU information and callbacks for domain %u:", domid);
    for (const auto& v : d->vcpus) dump_vcpu(out, hv, *v);
  }
  for (const auto& [domid, d] : hv.domains)
    for (const auto& v : d->vcpus) {
      out.line("Notifying guest %u:%u (virq %u, port %u)", domid, v->id, VIRQ_DEBUG, v->virq_port[VIRQ_DEBUG]);
      hv.send_vcpu_virq(*v, VIRQ_DEBUG);
    }
  out.line("Shared frames %" PRIu64 " -- Saved frames %" PRIu64, hv.sharing->shared_frames(),
           hv.sharing->saved_frames());
}

void dump_events(Hypervisor& hv) {
  Console out(hv);
  out.line("'e' pressed -> dumping event-channel info");
  for (const auto& [domid, d] : hv.domains)
    for (const std::string& line : event::dump(*d)) out.line("%s", line.c_str());
}

void dump_grant_table(Console& out, const Hypervisor& hv, grant::GrantTable& table) {
  out.line("      -------- active --------       -------- shared --------");
  out.line("[ref] localdom mfn      pin          localdom gmfn     flags");
  out.line("grant-table for remote d%d (v%u)", table.domid, table.version());
  out.line("  %u frames (%u max), %u maptrack frames (%u max)", table.frames(), table.limits.max_frames,
           table.maptrack.frames(), table.limits.max_maptrack_frames);
  bool any = false;
  for (std::uint64_t ref = 0; ref < table.entries(); ++ref) {
    const auto r = static_cast<grant_ref_t>(ref);
    const grant::ActiveEntry& active = table.active(r);
    if (active.pin == 0) continue;
    any = true;
    const PhysAddr entry = table.entry(r);
    const auto flags = hv.memory.read<std::uint16_t>(table.version() == 1 ? entry : table.status(r));
    const auto domid = hv.memory.read<domid_t>(entry + 2);
    const std::uint64_t frame =
        table.version() == 1 ? hv.memory.read<std::uint32_t>(entry + 4) : hv.memory.read<std::uint64_t>(entry + 8);
    out.line("[0x%03x]  %5d 0x%05" PRIx64 " 0x%08x      %5d 0x%06" PRIx64 " 0x%02x", r, active.domid,
             active.mfn.value, active.pin, domid, frame, flags);
  }
  if (!any) out.line("no active grant table entries");
}

void dump_grants(Hypervisor& hv) {
  Console out(hv);
  out.line("gnttab_usage_print_all [ key 'g' pressed");
  for (const auto& [domid, d] : hv.domains) dump_grant_table(out, hv, *d->grants);
  out.line("gnttab_usage_print_all ] done");
}

void dump_run_queues(Hypervisor& hv) {
  Console out(hv);
  out.line("Scheduler: %s (%s)", std::string(hv.policy->full_name()).c_str(),
           std::string(hv.policy->name()).c_str());
  const std::string text = hv.policy->dump(hv.ns(hv.now()));
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out.line("%s", text.substr(at, end - at).c_str());
    at = end + 1;
  }
}

}  // namespace

void debug_keys(Hypervisor& hv, std::string_view keys) {
  for (const char key : keys) {
    if (key == 'q') dump_domains(hv);
    if (key == 'e') dump_events(hv);
    if (key == 'g') dump_grants(hv);
    if (key == 'r') dump_run_queues(hv);
  }
}

}  // namespace xensim::xen::control
