#include "tools/xensim/report.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "sim/base/file.h"
#include "sim/base/units.h"
#include "sim/trace/catalogue.h"

namespace xensim::tool {

namespace {

struct Row {
  domid_t domid = 0;
  std::string name, state;
  std::uint64_t instructions = 0, guest_cycles = 0, run = 0, steal = 0, exits = 0;
  std::array<std::uint64_t, 65> by_reason{};
};

std::string milliseconds(const xen::Hypervisor& hv, Cycles c) {
  char text[32];
  const Nanoseconds ns = hv.ns(c);
  std::snprintf(text, sizeof text, "%" PRIu64 ".%03" PRIu64, ns / 1'000'000, ns / 1'000 % 1'000);
  return text;
}

Row row_of(const xen::Hypervisor& hv, const xen::Domain& d) {
  Row r;
  r.domid = d.domid;
  r.name = d.name;
  if (!d.shutdown)
    r.state = "running";
  else
    r.state = d.triple_fault ? "triple fault" : std::string(xen::name_of(*d.shutdown));
  for (const auto& v : d.vcpus) {
    r.instructions += v->stats.instructions;
    r.guest_cycles += v->stats.guest_cycles;
    const auto times = hv.reported_times(*v);
    r.run += times[0];
    r.steal += times[1];
    r.exits += v->stats.vm_exits;
    for (std::size_t i = 0; i < r.by_reason.size(); ++i) r.by_reason[i] += v->stats.exits_by_reason[i];
  }
  return r;
}

// The usual ones in the words of the processor's manual, the others as the trace has them.
std::string short_name(std::size_t reason) {
  switch (reason) {
    case 0:
      return "exception";
    case 1:
      return "interrupt";
    case 2:
      return "triple fault";
    case 7:
      return "interrupt window";
    case 9:
      return "task switch";
    case 28:
      return "CR access";
    case 29:
      return "MOV DR";
    case 30:
      return "I/O";
    case 48:
      return "EPT violation";
    case 49:
      return "EPT misconfiguration";
    case 62:
      return "PML full";
    default:
      break;
  }
  const std::string name(trace::exit_reason_name(static_cast<std::uint32_t>(reason)));
  return name == "UNKNOWN" ? "reason " + std::to_string(reason) : name;
}

// How many rows have this name: domains of one name, as a restart leaves them, are told apart by their numbers.
std::ptrdiff_t of_name(const std::vector<Row>& rows, const std::string& name) {
  return std::count_if(rows.begin(), rows.end(), [&](const Row& r) { return r.name == name; });
}

const char* reason_of(machine::RunEnd end) {
  switch (end) {
    case machine::RunEnd::kAllDomainsEnded:
      return "every domain has ended";
    case machine::RunEnd::kTimeLimit:
      return "the time limit was reached";
    case machine::RunEnd::kInstructionLimit:
      return "the instruction limit was reached";
    case machine::RunEnd::kScriptFailed:
      return "the script of a console failed";
    case machine::RunEnd::kStuck:
      return "nothing can happen any more";
  }
  return "";
}

std::uint64_t instructions_of(std::span<machine::Machine* const> hosts) {
  std::uint64_t n = 0;
  for (const machine::Machine* m : hosts) n += m->instructions();
  return n;
}

// What a balloon driver or populate-on-demand did not get.
void print_want_of_memory(const xen::Domain& d) {
  if (d.mm_stats.over_maximum + d.mm_stats.out_of_memory > 0)
    std::printf("\nMemory that %s asked for in vain: %" PRIu64 " extents above its maximum, %" PRIu64
                " when none was free\n",
                d.name.c_str(), d.mm_stats.over_maximum, d.mm_stats.out_of_memory);
  if (d.pod.sweeps > 0)
    std::printf("\n%s has less memory than it uses: %" PRIu64 " searches for zero pages, %" PRIu64
                " pages taken back, %" PRIu64 " populated\n",
                d.name.c_str(), d.pod.sweeps, d.pod.zero_reclaimed, d.pod.populated);
}

void print_host(const machine::Machine& m) {
  const xen::Hypervisor& hv = *m.hypervisor;
  std::vector<Row> rows;
  std::map<domid_t, const xen::Domain*> all;
  for (const auto& d : hv.graveyard) all[d->domid] = d.get();
  for (const auto& [domid, d] : hv.domains) all[domid] = d.get();
  for (const auto& [domid, d] : all) rows.push_back(row_of(hv, *d));
  const bool numbers =
      std::any_of(rows.begin(), rows.end(), [&](const Row& r) { return of_name(rows, r.name) > 1; });
  int width = 16;
  for (const Row& r : rows) width = std::max(width, static_cast<int>(r.name.size()));

  if (!m.host.empty()) std::printf("\nHost %s:", m.host.c_str());
  std::printf("\n%-*s %-12s %14s %7s %10s %10s %9s%s\n", width, "domain", "state", "instructions", "CPI", "run ms",
              "steal ms", "VM exits", numbers ? "  domid" : "");
  for (const Row& r : rows) {
    const std::string cpi =
        r.instructions == 0 ? "-" : stats::to_string(stats::Ratio{r.guest_cycles, r.instructions, 2});
    std::printf("%-*s %-12s %14" PRIu64 " %7s %10s %10s %9" PRIu64, width, r.name.c_str(), r.state.c_str(),
                r.instructions, cpi.c_str(), milliseconds(hv, r.run).c_str(), milliseconds(hv, r.steal).c_str(),
                r.exits);
    if (numbers) std::printf("%7u", r.domid);
    std::printf("\n");
  }
  for (const Row& r : rows) {
    if (r.exits == 0) continue;
    const std::string number = of_name(rows, r.name) > 1 ? " (" + std::to_string(r.domid) + ")" : "";
    std::printf("\nVM exits of %s%s:", r.name.c_str(), number.c_str());
    for (std::size_t i = 0; i < r.by_reason.size(); ++i) {
      if (r.by_reason[i] == 0) continue;
      std::printf(" %s %" PRIu64, short_name(i).c_str(), r.by_reason[i]);
    }
    std::printf("\n");
  }
  for (const auto& [domid, d] : all) print_want_of_memory(*d);
  for (const auto& [domid, d] : all)
    if (!d->crash_message.empty())
      std::printf("\nXen crashed %s: %s\n", d->name.c_str(), d->crash_message.c_str());
}

void print_migration(const dom0::MigrationReport& r) {
  const auto ms = [](Nanoseconds ns) {
    char text[32];
    std::snprintf(text, sizeof text, "%" PRIu64 ".%03" PRIu64 " ms", ns / 1'000'000, ns / 1'000 % 1'000);
    return std::string(text);
  };
  std::printf("\nMigration of %s from %s to %s: %s, %s", r.domain.c_str(), r.from.c_str(), r.to.c_str(),
              std::string(dom0::name_of(r.outcome)).c_str(),
              ms(r.ended > r.began ? r.ended - r.began : 0).c_str());
  if (r.suspended != 0) std::printf(", downtime %s", r.resumed != 0 ? ms(r.downtime()).c_str() : "without end");
  if (r.equal + r.different != 0)
    std::printf(", pages at hand-over: %" PRIu64 " equal, %" PRIu64 " different", r.equal, r.different);
  std::printf("\n");
  for (std::size_t i = 0; i < r.rounds.size(); ++i) {
    const auto& round = r.rounds[i];
    std::printf("  round %zu: %7" PRIu64 " pages, %10" PRIu64 " bytes, %s\n", i, round.pages, round.bytes,
                round.ended != 0 ? ms(round.ended - round.began).c_str() : "not completed");
  }
}

// What only some runs write.
void print_more_files(const machine::Machine& m, const std::string& out) {
  const std::string front = m.host.empty() ? "" : m.host + "/";
  if (file_exists(out + "/" + front + "xl.log")) std::printf(", %sxl.log", front.c_str());
  std::set<std::string> names;
  for (const auto& d : m.hypervisor->graveyard) names.insert(d->name);
  for (const auto& [domid, d] : m.hypervisor->domains) names.insert(d->name);
  for (const std::string& name : names)
    if (const std::string core = front + "core-" + name; file_exists(out + "/" + core))
      std::printf(", %s", core.c_str());
}

}  // namespace

void print_report(std::span<machine::Machine* const> hosts, machine::RunEnd end, const std::string& out,
                  double host_seconds) {
  for (const machine::Machine* m : hosts) print_host(*m);
  for (const machine::Machine* m : hosts)
    for (const auto& migration : m->toolstack->migrations) print_migration(*migration);
  const double mips = host_seconds > 0 ? static_cast<double>(instructions_of(hosts)) / host_seconds / 1e6 : 0;
  const machine::Machine& first = *hosts.front();
  std::printf("\nSimulated %s ms: %s. Host: %.2f s, %.1f MIPS.\n",
              milliseconds(*first.hypervisor, first.now()).c_str(), reason_of(end), host_seconds, mips);
  for (const machine::Machine* m : hosts)
    if (m->tracer->records() > 0)
      std::printf("Trace digest%s: %s (%" PRIu64 " records)\n", m->host.empty() ? "" : (" of " + m->host).c_str(),
                  m->tracer->digest().c_str(), m->tracer->records());
  if (hosts.size() == 1 && first.host.empty())
    std::printf("Written to %s: consoles, stats.json, host.json, config.json", out.c_str());
  else
    std::printf("Written to %s: host.json, config.json, and for each host: consoles, stats.json", out.c_str());
  for (const std::string& kind : first.scenario.trace) {
    if (kind == "xentrace") std::printf(", trace.xen");
    if (kind == "perfetto") std::printf(", trace.pftrace");
    if (kind == "text") std::printf(", trace.txt");
  }
  for (const auto& [name, script] : *first.toolstack->scripts) std::printf(", script-%s.log", name.c_str());
  for (const machine::Machine* m : hosts) print_more_files(*m, out);
  std::printf("\n");
}

std::string host_json(std::span<machine::Machine* const> hosts, double host_seconds) {
  nlohmann::ordered_json j;
  j["seconds"] = host_seconds;
  j["mips"] = host_seconds > 0 ? static_cast<double>(instructions_of(hosts)) / host_seconds / 1e6 : 0;
  return j.dump(2) + "\n";
}

}  // namespace xensim::tool
