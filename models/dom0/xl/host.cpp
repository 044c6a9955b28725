// Verbs about the host: info, dmesg, debug-keys.
#include <cinttypes>

#include "models/dom0/toolstack.h"
#include "models/dom0/xl/handlers.h"
#include "models/xen/control/debug_keys.h"
#include "models/xen/control/domain_control.h"

namespace xensim::dom0::xl {

namespace {

struct Line {
  std::string name, value;
};

std::string hw_caps(const cpu::CpuidPolicy& p) {
  const auto basic = p.query(1, 0), extended = p.query(0x80000001, 0), power = p.query(0x80000007, 0),
             xsave = p.query(0xd, 1), structured = p.query(7, 0);
  Output o;
  o.print("%08x:%08x:%08x:%08x:%08x:%08x:%08x:%08x", basic.edx, basic.ecx, extended.edx, extended.ecx, xsave.eax,
          structured.ebx, structured.ecx, power.edx);
  return o.text();
}

std::vector<Line> lines(const Context& c) {
  const xen::Hypervisor& hv = c.toolstack.hypervisor;
  const std::uint64_t khz = hv.tsc_hz / 1000;
  Output mhz;
  mhz.print("%" PRIu64 ".%03" PRIu64, khz / 1000, khz % 1000);
  const std::string cpus = std::to_string(hv.pcpus.size());
  return {{"host", "xensim"},
          {"release", "modelled"},
          {"version", "model programs of xensim"},
          {"machine", "x86_64"},
          {"nr_cpus", cpus},
          {"max_cpu_id", std::to_string(hv.pcpus.size() - 1)},
          {"nr_nodes", "1"},
          {"cores_per_socket", cpus},
          {"threads_per_core", "1"},
          {"cpu_mhz", mhz.text()},
          {"hw_caps", hw_caps(hv.pcpus[0].pcpu->core.cpuid)},
          {"virt_caps", "hvm hap"},
          {"total_memory", std::to_string(hv.memory.size() >> 20)},
          {"free_memory", std::to_string((hv.heap.free_pages() - hv.frames.claimed()) >> 8)},
          {"sharing_freed_memory", "0"},
          {"sharing_used_memory", "0"},
          {"outstanding_claims", std::to_string(hv.frames.claimed() >> 8)},
          {"free_cpus", "0"}};
}

// What XENVER_* tells.
std::vector<Line> version_lines(const Context& c) {
  const xen::Hypervisor& hv = c.toolstack.hypervisor;
  return {{"xen_major", "4"},
          {"xen_minor", "17"},
          {"xen_extra", ".7"},
          {"xen_version", "4.17.7"},
          {"xen_caps", "hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 "},
          {"xen_scheduler", std::string(hv.policy->name())},
          {"xen_pagesize", "4096"},
          {"platform_params", "virt_start=0xffff800000000000"},
          {"xen_changeset", ""},
          {"xen_commandline", xen::command_line(hv.config)},
          {"cc_compiler", "gcc"},
          {"cc_compile_by", "xensim"},
          {"cc_compile_domain", "modelled"},
          {"cc_compile_date", "Thu Jan  1 00:00:00 UTC 2026"},
          {"build_id", ""},
          {"xend_config_format", "4"}};
}

void print_topology(Context& c) {
  const xen::Hypervisor& hv = c.toolstack.hypervisor;
  const auto& topology = hv.config.schedulers.topology;
  c.out.print("cpu_topology           :\ncpu:    core    socket     node\n");
  for (const xen::PcpuState& p : hv.pcpus)
    c.out.print("%3u:    %4u     %4u     %4u\n", p.pcpu->index, topology.core_of(p.pcpu->index),
                topology.socket_of(p.pcpu->index), 0u);
  c.out.print("device topology        :\ndevice           node\nNo device topology data available\n");
  c.out.print("numa_info              :\nnode:    memsize    memfree    distances\n");
  c.out.print("%4d:    %6" PRIu64 "     %6" PRIu64 "      10\n", 0, hv.memory.size() >> 20,
              hv.heap.free_pages() >> 8);
}

}  // namespace

int info(Context& c, const Invocation& i) {
  c.hypercalls += 4;
  const bool numa = i.has('n');
  // One word more picks the lines that begin with it, and leaves only their values.
  const std::string wanted = !numa && !i.arguments.empty() ? i.arguments[0] : "";
  const bool pick = !numa && !i.arguments.empty();
  const auto print = [&](const std::vector<Line>& all) {
    for (const Line& l : all) {
      Output whole;
      whole.print("%-23s: %s\n", l.name.c_str(), l.value.c_str());
      if (!pick)
        c.out.write(false, whole.text());
      else if (whole.text().starts_with(wanted))
        c.out.print("%s\n", l.value.c_str());
    }
  };
  print(lines(c));
  if (numa) print_topology(c);
  print(version_lines(c));
  return 0;
}

int dmesg(Context& c, const Invocation& i) {
  ++c.hypercalls;
  for (const std::string& line : c.toolstack.hypervisor.log) c.out.print("%s\n", line.c_str());
  if (i.has('c')) c.toolstack.hypervisor.log.clear();
  return 0;
}

int debug_keys(Context& c, const Invocation& i) {
  ++c.hypercalls;
  xen::control::debug_keys(c.toolstack.hypervisor, i.arguments[0]);
  return 0;
}

}  // namespace xensim::dom0::xl
