#include "models/dom0/migration/migration_report.h"

#include "models/xen/mm/p2m.h"
#include "sim/base/digest.h"

namespace xensim::dom0 {

std::string_view name_of(MigrationReport::Outcome outcome) {
  switch (outcome) {
    case MigrationReport::Outcome::kUnderWay:
      return "under way";
    case MigrationReport::Outcome::kMoved:
      return "moved";
    case MigrationReport::Outcome::kStayed:
      return "stayed";
    case MigrationReport::Outcome::kUndefined:
      return "undefined";
  }
  return "";
}

std::map<std::uint64_t, std::uint64_t> contents_of(const xen::Hypervisor& hv, const xen::Domain& d) {
  std::map<std::uint64_t, std::uint64_t> out;
  d.p2m->for_each([&](Gfn g, Mfn m, unsigned order, xen::P2mType type) {
    if (!xen::is_ram(type) || xen::is_empty(type)) return;
    for (std::uint64_t k = 0; k < std::uint64_t{1} << order; ++k) {
      const Mfn frame(m.value + k);
      if (hv.frames.is_xen_heap(frame)) continue;
      const std::uint64_t gfn = g.value + k;
      if (gfn == d.hvm_params[HVM_PARAM_STORE_PFN] || gfn == d.hvm_params[HVM_PARAM_CONSOLE_PFN]) continue;
      out[gfn] = digest64(hv.memory.host(address_of(frame)), kPageSize);
    }
  });
  return out;
}

void compare_contents(MigrationReport& report, const xen::Hypervisor& hv, const xen::Domain& d) {
  report.equal = report.different = 0;
  const auto here = contents_of(hv, d);
  for (const auto& [gfn, digest] : report.contents) {
    const auto it = here.find(gfn);
    ++(it != here.end() && it->second == digest ? report.equal : report.different);
  }
  for (const auto& [gfn, digest] : here) report.different += !report.contents.contains(gfn);
  report.contents.clear();
}

void add_round_stats(const MigrationReport& report, stats::Group& group) {
  const MigrationReport::Round& r = report.rounds.back();
  stats::Group& g = group.group("round", static_cast<unsigned>(report.rounds.size() - 1));
  g.add("pages", "pages", "sent with their content", &r.pages);
  g.add("bytes", "bytes", "of the stream", &r.bytes);
  g.add("began", "ns", "when it began", &r.began);
  g.add("ended", "ns", "when all of it was written to the connection; 0: it was not", &r.ended);
}

void add_stats(const MigrationReport& r, stats::Group& group) {
  group.add_text("domain", "its name", [&r] { return r.domain; });
  group.add_text("to", "the other host", [&r] { return r.to; });
  group.add_text("outcome", "moved, stayed, or undefined", [&r] { return std::string(name_of(r.outcome)); });
  group.add("rounds", "rounds", "of pages, the last one with the domain suspended",
            [&r] { return std::uint64_t{r.rounds.size()}; });
  group.add("bytes", "bytes", "of the stream", &r.bytes);
  group.add("began", "ns", "when xl started", &r.began);
  group.add("ended", "ns", "when it was over", &r.ended);
  group.add("suspended", "ns", "when the domain stood still; 0: never", &r.suspended);
  group.add("resumed", "ns", "when it ran again, at either host; 0: it did not", &r.resumed);
  group.add("downtime", "ns", "between the two", [&r] { return r.downtime(); });
  group.add("pages_equal", "pages", "whose content at the target was that of the source at hand-over", &r.equal);
  group.add("pages_different", "pages", "whose content was not, or that only one of them had", &r.different);
}

}  // namespace xensim::dom0
