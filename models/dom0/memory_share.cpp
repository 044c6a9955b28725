#include "models/dom0/memory_share.h"

#include <array>
#include <cstring>

#include "models/xen/mm/sharing.h"

namespace xensim::dom0 {

void describe(MemoryShareConfig& c, config::Visitor& v) {
  v(c.period, {"period", "ns", "memshare: time from one look at all domains to the next; 0: never", "design",
               config::between(0, 1'000'000'000'000)});
  v(c.hash_cycles, {"hash_cycles", "cycles", "memshare: mapping and hashing a page", "uncalibrated",
                    config::between(0, 10'000'000)});
  v(c.compare_cycles,
    {"compare_cycles", "cycles", "memshare: comparing two pages", "uncalibrated", config::between(0, 10'000'000)});
}

namespace {

struct Page {
  xen::Domain* domain;
  Gfn gfn;
};

class Scan {
 public:
  Scan(xen::Hypervisor& hv, const MemoryShareConfig& config) : hv_(hv), config_(config) {}

  MemoryShareResult result;

  // Every page of plain memory, shared already or not.
  void scan(xen::Domain& d) {
    std::vector<Gfn> gfns;
    d.p2m->for_each([&](Gfn g, Mfn, unsigned order, xen::P2mType t) {
      if (!xen::is_changeable(t) && t != xen::P2mType::kRamShared) return;
      for (std::uint64_t i = 0; i < std::uint64_t{1} << order; ++i) gfns.push_back(Gfn(g.value + i));
    });
    for (const Gfn g : gfns) {
      if (result.error != 0) return;
      visit({&d, g});
    }
  }

 private:
  const std::uint8_t* content(const Page& p) const {
    return hv_.memory.host(address_of(p.domain->p2m->get(p.gfn).mfn));
  }

  static std::uint64_t hash(const std::uint8_t* bytes) {
    std::uint64_t h = 0xcbf29ce484222325;
    for (std::size_t i = 0; i < kPageSize; i += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes + i, 8);
      h = (h ^ word) * 0x100000001b3;
      h ^= h >> 29;
    }
    return h;
  }

  void visit(const Page& p) {
    ++result.scanned;
    result.cycles += config_.hash_cycles;
    std::vector<Page>& alike = seen_[hash(content(p))];
    for (const Page& first : alike) {
      result.cycles += config_.compare_cycles;
      if (std::memcmp(content(first), content(p), kPageSize) == 0) {
        merge(first, p);
        return;
      }
    }
    alike.push_back(p);
  }

  void merge(const Page& source, const Page& client) {
    if (source.domain->p2m->get(source.gfn).mfn == client.domain->p2m->get(client.gfn).mfn) return;
    std::uint64_t s = 0, c = 0;
    // Three hypercalls.
    for (unsigned i = 0; i < 3; ++i) hv_.cost.charge(*hv_.here().pcpu, xen::Path::kModelHypercall);
    long r = hv_.sharing->nominate(*source.domain, source.gfn, s);
    if (r == 0) r = hv_.sharing->nominate(*client.domain, client.gfn, c);
    if (r == 0) r = hv_.sharing->share(*source.domain, source.gfn, s, *client.domain, client.gfn, c);
    if (r == 0)
      ++result.shared;
    else if (r == -xen::kEnomem)
      result.error = r,
      result.message = "no memory for EPT tables: raise the domains' memory or vcpus (paging pool)";
    else
      ++result.refused;
  }

  xen::Hypervisor& hv_;
  const MemoryShareConfig& config_;
  std::map<std::uint64_t, std::vector<Page>> seen_;
};

}  // namespace

MemoryShareResult share_memory(xen::Hypervisor& hv, const MemoryShareConfig& config,
                               const std::vector<domid_t>& domids) {
  Scan scan(hv, config);
  if (!hv.config.mem_sharing) {
    scan.result.error = -xen::kEnosys;
    scan.result.message = "this Xen shares no memory: set /xen/mem_sharing to true";
    return scan.result;
  }
  std::map<domid_t, xen::Domain*> domains;
  for (const domid_t domid : domids) {
    xen::Domain* d = hv.find_domain(domid);
    if (!d || !d->p2m || hv.sharing->control(*d, true) != 0) {
      scan.result.error = -xen::kEsrch;
      scan.result.message = "domain " + std::to_string(domid) + " is not there, or has no memory to share";
      return scan.result;
    }
    domains[domid] = d;
  }
  for (auto& [domid, d] : domains) hv.pause_domain(*d);
  for (auto& [domid, d] : domains) scan.scan(*d);
  for (auto& [domid, d] : domains) hv.unpause_domain(*d);
  return scan.result;
}

xen::ModelAction MemoryShareDaemon::next(xen::Vcpu&, Cycles now) {
  if (now < due_) return xen::ModelAction::block(due_);
  const bool first = due_ == 0;
  due_ = hypervisor_.from_now(hypervisor_.cycles(config_.period));
  if (first) return xen::ModelAction::block(due_);
  std::vector<domid_t> domids;
  for (const auto& [domid, d] : hypervisor_.domains)
    if (d->p2m && !d->created_paused && !d->dying && !d->shutdown) domids.push_back(domid);
  return xen::ModelAction::spend(share_memory(hypervisor_, config_, domids).cycles + 1);
}

}  // namespace xensim::dom0
