#include "tools/xensim/inspect.h"

#include <array>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>

#include "models/cpu/vmx/vmcs.h"

namespace xensim::tool {

namespace {

[[gnu::format(printf, 2, 3)]] void append(std::string& to, const char* format, ...) {
  char text[256];
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  to += text;
}

const char* state_name(trace::Runstate r) {
  static constexpr std::array kNames{"running", "runnable", "blocked", "offline"};
  return kNames[static_cast<unsigned>(r)];
}

// The state as it is in the core, or saved: what the VMCS covers is there unless the guest is executing.
cpu::ArchState guest_state(const xen::Hypervisor& hv, const xen::Vcpu& v) {
  const xen::PcpuState* on = nullptr;
  for (const xen::PcpuState& c : hv.pcpus)
    if (c.loaded == &v) on = &c;
  cpu::ArchState st = on ? on->pcpu->core.st : v.context.st;
  if (on && on->in_guest) {
    st.rflags = on->pcpu->core.rflags();
    return st;
  }
  using F = cpu::VmcsField;
  const cpu::Vmcs vmcs(hv.memory, v.vmcs);
  st.rip = vmcs.read(F::kGuestRip);
  st.gpr[cpu::kRsp] = vmcs.read(F::kGuestRsp);
  st.rflags = vmcs.read(F::kGuestRflags);
  st.cr0 = vmcs.read(F::kGuestCr0);
  st.cr3 = vmcs.read(F::kGuestCr3);
  st.cr4 = vmcs.read(F::kGuestCr4);
  st.seg[cpu::kCs].selector = vmcs.read16(F::kGuestCsSelector);
  st.seg[cpu::kSs].selector = vmcs.read16(F::kGuestSsSelector);
  return st;
}

// As Xen's p2m_type_t names them.
const char* type_name(xen::P2mType t) {
  static constexpr std::array kNames{"ram_rw",       "invalid",        "ram_logdirty", "ram_ro",
                                     "mmio_dm",      "mmio_direct",    "pod",          "grant_map_rw",
                                     "grant_map_ro", "ram_paging_out", "ram_paged",    "ram_paging_in",
                                     "ram_shared",   "ram_broken",     "map_foreign",  "ioreq_server"};
  const auto n = static_cast<std::size_t>(t);
  return n < kNames.size() ? kNames[n] : "other";
}

const char* size_name(unsigned order) { return order == 18 ? "1G" : order == 9 ? "2M" : "4K"; }

}  // namespace

std::string show_registers(const xen::Hypervisor& hv, const xen::Vcpu& v) {
  std::string out;
  append(out, "d%uv%u: %s, pCPU %u", v.domain.domid, v.id, state_name(v.runstate), v.processor);
  if (v.pause_flags & xen::kPauseDown) out += ", down";
  if (v.pause_flags & xen::kPausePaused) out += ", paused";
  if (v.pause_flags & xen::kPauseShutdown) out += ", shut down";
  out += "\n";
  if (v.model) {
    out += "it runs model programs:";
    for (std::size_t i = 0; i < v.model->programs.size(); ++i)
      out += " " + std::string(v.model->programs[i]->name()) +
             (v.model->ended[i]     ? " (ended)"
              : v.model->blocked[i] ? " (waits)"
                                    : "");
    return out + "\n";
  }
  const cpu::ArchState st = guest_state(hv, v);
  static constexpr std::array kNames{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                     "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  for (unsigned i = 0; i < 16; ++i)
    append(out, "%-6s %016" PRIx64 "%s", kNames[i], st.gpr[i], i % 4 == 3 ? "\n" : "  ");
  append(out, "rip    %016" PRIx64 "  rflags %016" PRIx64 "  cs %04x  ss %04x\n", st.rip, st.rflags,
         st.seg[cpu::kCs].selector, st.seg[cpu::kSs].selector);
  append(out, "cr0    %016" PRIx64 "  cr2    %016" PRIx64 "  cr3    %016" PRIx64 "  cr4    %016" PRIx64 "\n",
         st.cr0, st.cr2, st.cr3, st.cr4);
  return out;
}

std::string show_p2m(const xen::Domain& d) {
  std::string out;
  if (!d.p2m) return "the domain has no p2m\n";
  struct RunOf {
    std::uint64_t gfn = 0, mfn = 0, frames = 0;
    unsigned order = 0;
    xen::P2mType type = xen::P2mType::kMmioDm;
  } run;
  const auto flush = [&] {
    if (run.frames == 0) return;
    append(out, "gfn %08" PRIx64 "-%08" PRIx64 "  mfn %08" PRIx64 "-%08" PRIx64 "  %s  %s\n", run.gfn,
           run.gfn + run.frames - 1, run.mfn, run.mfn + run.frames - 1, size_name(run.order), type_name(run.type));
  };
  d.p2m->for_each([&](Gfn g, Mfn m, unsigned order, xen::P2mType t) {
    const std::uint64_t n = std::uint64_t{1} << order;
    if (run.frames != 0 && g.value == run.gfn + run.frames && m.value == run.mfn + run.frames &&
        order == run.order && t == run.type) {
      run.frames += n;
      return;
    }
    flush();
    run = {g.value, m.value, n, order, t};
  });
  flush();
  return out;
}

std::string show_p2m(const xen::Domain& d, std::uint64_t gfn, std::uint64_t count) {
  std::string out;
  if (!d.p2m) return "the domain has no p2m\n";
  for (std::uint64_t g = gfn; g < gfn + count; ++g) {
    const xen::P2mEntry e = d.p2m->get(Gfn(g));
    append(out, "gfn %08" PRIx64 "  ", g);
    if (xen::is_empty(e.type))
      out += "not mapped\n";
    else
      append(out, "mfn %08" PRIx64 "  %s  %s\n", e.mfn.value, size_name(e.order), type_name(e.type));
  }
  return out;
}

std::string show_events(const xen::Hypervisor& hv, const xen::Domain& d) {
  std::string out;
  for (std::uint32_t port = 1; port < d.events.ports.size(); ++port) {
    const xen::Port& p = d.events.ports[port];
    if (p.state == xen::PortState::kFree) continue;
    append(out, "port %4u  ", port);
    switch (p.state) {
      case xen::PortState::kUnbound:
        append(out, "unbound, for d%u", p.remote_domid);
        break;
      case xen::PortState::kInterdomain:
        append(out, "to d%u port %u", p.remote_domid, p.remote_port);
        break;
      case xen::PortState::kVirq:
        append(out, "VIRQ %u", p.irq);
        break;
      case xen::PortState::kIpi:
        out += "IPI";
        break;
      default:
        out += "other";
        break;
    }
    append(out, ", vCPU %u%s%s\n", p.notify_vcpu, hv.port_pending(d, port) ? ", pending" : "",
           hv.port_masked(d, port) ? ", masked" : "");
  }
  return out.empty() ? "no port is in use\n" : out;
}

std::string show_run_queues(const xen::Hypervisor& hv) {
  std::string out;
  for (const xen::PcpuState& c : hv.pcpus) {
    append(out, "pCPU %u at cycle %" PRIu64 ": ", c.pcpu->index, c.pcpu->core.now);
    if (c.current)
      append(out, "d%uv%u\n", c.current->domain.domid, c.current->id);
    else
      out += "idle\n";
  }
  for (const auto& [domid, d] : hv.domains)
    for (const auto& v : d->vcpus)
      if (v->runstate == trace::Runstate::kRunnable) append(out, "d%uv%u waits for a pCPU\n", domid, v->id);
  return out + hv.policy->dump(hv.ns(hv.now()));
}

}  // namespace xensim::tool
