// What is in use at one moment, counted over everybody: what a domain took must be back when it is gone. Two of
// them are in a run's statistics, from before the first domain is created and from the end; between them nothing
// may have been lost that belonged to a domain which ended.
#pragma once

#include <cstdint>

#include "sim/stats/stats.h"

namespace xensim::xen {

class Hypervisor;

struct Census {
  std::uint64_t domains = 0;
  std::uint64_t free_pages = 0;       // in the heap
  std::uint64_t owned_pages = 0;      // domains' own
  std::uint64_t xen_pages = 0;        // Xen's own, and its pages that it shares with guests
  std::uint64_t page_references = 0;  // to any of those
  std::uint64_t event_ports = 0;      // not free, of all domains
  std::uint64_t grant_mappings = 0;   // handles in use, of all domains
  std::uint64_t granted_entries = 0;  // grant entries that somebody uses
  // Of xenstored, which is not Xen's: the machine fills them in.
  std::uint64_t store_nodes = 0, store_watches = 0, store_transactions = 0;
};

Census take_census(const Hypervisor& hv);
void add_stats(const Census& census, stats::Group& group);

}  // namespace xensim::xen
