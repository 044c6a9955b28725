// CONTROL: what `xenstore-control` sends. A simulation keeps no log file of xenstored's, so log, logfile and print
// are accepted and write nothing, memreport fails as without a trace file, and there is no other binary for
// live-update.

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "models/dom0/xenstored/protocol.h"
#include "models/dom0/xenstored/wire.h"

namespace xensim::dom0 {

namespace {

struct Quota {
  const char* name;
  std::uint32_t StoreConfig::*value;
  const char* what;
};
constexpr std::array<Quota, 9> kQuotas{{
    {"nodes", &StoreConfig::nodes, "Nodes per domain"},
    {"watches", &StoreConfig::watches, "Watches per domain"},
    {"transactions", &StoreConfig::transactions, "Transactions per domain"},
    {"outstanding", &StoreConfig::outstanding, "Outstanding requests per domain"},
    {"transaction-nodes", &StoreConfig::transaction_nodes, "Max. number of accessed nodes per transaction"},
    {"memory", &StoreConfig::memory, "Total Xenstore memory per domain (error level)"},
    {"node-size", &StoreConfig::node_size, "Max. size of a node"},
    {"path-max", &StoreConfig::path_max, "Max. length of a node path"},
    {"permissions", &StoreConfig::permissions, "Max. number of permissions per node"},
}};
constexpr std::array<Quota, 1> kSoftQuotas{{
    {"memory", &StoreConfig::memory_soft, "Total Xenstore memory per domain (warning level)"},
}};

std::string table_of(const StoreConfig& config, std::span<const Quota> quotas) {
  std::string out = "Quota settings:\n";
  char line[128];
  for (const Quota& q : quotas) {
    std::snprintf(line, sizeof line, "%-17s: %8d %s\n", q.name, static_cast<int>(config.*q.value), q.what);
    out += line;
  }
  out.push_back('\0');
  return out;
}

int set_quota(StoreConfig& config, std::span<const Quota> quotas, const std::vector<std::string>& arguments) {
  if (arguments.size() != 3) return EINVAL;
  const int value = std::atoi(arguments[2].c_str());
  if (value < 1) return EINVAL;
  for (const Quota& q : quotas) {
    if (arguments[1] != q.name) continue;
    config.*q.value = static_cast<std::uint32_t>(value);
    return 0;
  }
  return EINVAL;
}

constexpr std::string_view kHelp =
    "check\t\n"
    "log\ton|off\n"
    "logfile\t<file>\n"
    "memreport\t[<file>]\n"
    "print\t<string>\n"
    "quota\t[set <name> <val>|<domid>]\n"
    "quota-soft\t[set <name> <val>]\n"
    "help\t\n";

}  // namespace

int StoreServer::control_quota(StoreConnection& c, const std::vector<std::string>& a) {
  if (a.empty()) {
    c.reply(XS_CONTROL, table_of(store.config, kQuotas));
    return 0;
  }
  if (a[0] == "set") {
    if (const int e = set_quota(store.config, kQuotas, a)) return e;
    c.reply(XS_CONTROL, std::string("OK\0", 3));
    return 0;
  }
  if (a.size() != 1) return EINVAL;
  const auto domid = static_cast<unsigned>(std::atoi(a[0].c_str()));
  const StoreDomain* d = store.find_domain(domid);
  if (!d) return ENOENT;
  const StoreConnection* connection = connection_of(domid);
  char text[256];
  const int n =
      std::snprintf(text, sizeof text, "Domain %u:\n%-16s: %8d\n%-16s: %8d\n%-16s: %8d\n%-16s: %8d\n%-16s: %8d\n",
                    domid, "nodes", static_cast<int>(d->entries), "watches", static_cast<int>(d->watches),
                    "transactions", connection ? static_cast<int>(connection->transactions.size()) : 0,
                    "outstanding", static_cast<int>(d->outstanding), "memory", static_cast<int>(d->memory));
  c.reply(XS_CONTROL, std::string(text, static_cast<std::size_t>(n) + 1));
  return 0;
}

int StoreServer::control_quota_soft(StoreConnection& c, const std::vector<std::string>& a) {
  if (a.empty()) {
    c.reply(XS_CONTROL, table_of(store.config, kSoftQuotas));
    return 0;
  }
  if (a[0] != "set") return EINVAL;
  if (const int e = set_quota(store.config, kSoftQuotas, a)) return e;
  c.reply(XS_CONTROL, std::string("OK\0", 3));
  return 0;
}

int StoreServer::control(StoreConnection& c) {
  std::vector<std::string> a;
  for (std::size_t at = 0;;) {
    const std::size_t end = c.in.payload.find('\0', at);
    if (end == std::string::npos) break;
    a.push_back(c.in.payload.substr(at, end - at));
    at = end + 1;
  }
  if (a.empty()) return EINVAL;
  const std::string command = a.front();
  a.erase(a.begin());
  std::string answer("OK\0", 3);
  if (command == "quota") return control_quota(c, a);
  if (command == "quota-soft") return control_quota_soft(c, a);
  if (command == "check" || command == "help") {
    if (!a.empty()) return EINVAL;
    if (command == "help") answer = std::string(kHelp) + '\0';
  } else if (command == "log") {
    if (a.size() != 1 || (a[0] != "on" && a[0] != "off")) return EINVAL;
  } else if (command == "logfile" || command == "print") {
    if (a.size() != 1) return EINVAL;
  } else {
    return EINVAL;
  }
  c.reply(XS_CONTROL, std::move(answer));
  return 0;
}

}  // namespace xensim::dom0
