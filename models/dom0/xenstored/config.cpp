#include "models/dom0/xenstored/config.h"

namespace xensim::dom0 {

void describe(StoreConfig& c, config::Visitor& v) {
  const auto quota = [&](std::uint32_t& value, std::string_view name, std::string_view unit, std::string_view doc,
                         std::uint64_t most = 1u << 30) {
    v(value, {name, unit, doc, "xenstored 4.17", config::between(1, most)});
  };
  quota(c.nodes, "nodes", "count", "nodes that a domain may own (-E)");
  quota(c.watches, "watches", "count", "watches of a domain (-W)");
  quota(c.transactions, "transactions", "count", "transactions that a domain may have open, less one (-t)");
  quota(c.outstanding, "outstanding", "count", "requests of a domain whose replies and events it has not taken");
  quota(c.transaction_nodes, "transaction_nodes", "count", "nodes that a domain's transaction may touch");
  quota(c.memory, "memory", "bytes", "memory for a domain's nodes, watches and messages; above, it is not served");
  quota(c.memory_soft, "memory_soft", "bytes", "the same, above which xenstored logs a warning");
  quota(c.node_size, "node_size", "bytes",
        "size of a node with its header, permissions and list of children (-S)");
  quota(c.permissions, "permissions", "count", "entries in a node's permissions (-A)");
  quota(c.path_max, "path_max", "count", "characters of a path, /local/domain/N/ not counted (-M)", 2048);
  v(c.watch_event_timeout,
    {"watch_event_timeout", "count",
     "milliseconds after which a watch event that the domain did not take is dropped; 0: never", "xenstored 4.17",
     config::between(0, 1'000'000'000)});
  quota(c.write_rate, "write_rate", "count",
        "writes per second that all domains together may do while others have transactions open", 1'000'000);
  quota(c.write_burst, "write_burst", "count", "such writes that a domain may save up", 1'000'000);
  quota(c.write_reserve, "write_reserve", "count", "such writes that all domains together may save up", 1'000'000);
}

}  // namespace xensim::dom0
