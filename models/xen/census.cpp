#include "models/xen/census.h"

#include "models/xen/hypervisor.h"

namespace xensim::xen {

Census take_census(const Hypervisor& hv) {
  Census c;
  c.free_pages = hv.heap.free_pages();
  for (const auto& [owner, totals] : hv.frames.census()) {
    (owner == DOMID_XEN ? c.xen_pages : c.owned_pages) += totals.pages;
    c.xen_pages += totals.xen_pages;
    c.page_references += totals.references;
  }
  c.domains = hv.domains.size();
  for (const auto& [domid, d] : hv.domains) {
    for (const Port& p : d->events.ports)
      c.event_ports += p.state != PortState::kFree && p.state != PortState::kReserved;
    if (!d->grants) continue;
    c.grant_mappings += d->grants->maptrack.in_use();
    c.granted_entries += d->grants->pinned();
  }
  return c;
}

void add_stats(const Census& c, stats::Group& g) {
  g.add("domains", "domains", "that exist, dom0 included", &c.domains);
  g.add("free_pages", "pages", "in Xen's heap", &c.free_pages);
  g.add("owned_pages", "pages", "of domains", &c.owned_pages);
  g.add("xen_pages", "pages", "of Xen, and those that it shares with guests", &c.xen_pages);
  g.add("page_references", "references", "to pages of domains and shared ones", &c.page_references);
  g.add("event_ports", "ports", "event channels that are not free, of all domains", &c.event_ports);
  g.add("grant_mappings", "handles", "of mapped grants, of all domains", &c.grant_mappings);
  g.add("granted_entries", "entries", "of grant tables that somebody uses", &c.granted_entries);
  g.add("store_nodes", "nodes", "in xenstore, below the top level", &c.store_nodes);
  g.add("store_watches", "watches", "of domains on xenstore", &c.store_watches);
  g.add("store_transactions", "transactions", "open in xenstore", &c.store_transactions);
}

}  // namespace xensim::xen
