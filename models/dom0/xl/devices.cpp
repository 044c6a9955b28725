// block-list and network-list. Domains have no backends yet, so there is nothing to list but the head.
#include "models/dom0/toolstack.h"
#include "models/dom0/xl/handlers.h"

namespace xensim::dom0::xl {

int block_list(Context& c, const Invocation& i) {
  c.out.print("%-5s %-3s %-6s %-5s %-6s %-8s %-30s\n", "Vdev", "BE", "handle", "state", "evt-ch", "ring-ref",
              "BE-path");
  for (const std::string& a : i.arguments)
    if (!c.toolstack.domid_of(a)) c.out.complain("%s is an invalid domain identifier\n", a.c_str());
  return 0;
}

int network_list(Context& c, const Invocation& i) {
  c.out.print("%-3s %-2s %-17s %-6s %-5s %-6s %5s/%-5s %-30s\n", "Idx", "BE", "Mac Addr.", "handle", "state",
              "evt-ch", "tx-", "rx-ring-ref", "BE-path");
  for (const std::string& a : i.arguments)
    if (find_domain(c, a) < 0) return 1;
  return 0;
}

}  // namespace xensim::dom0::xl
