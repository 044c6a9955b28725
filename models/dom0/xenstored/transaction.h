// A transaction: copies of the nodes that it touched. It sees and changes only these; what others do meanwhile
// shows at its end, when each node that it read must still have the generation that it had (EAGAIN otherwise).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/dom0/xenstored/node.h"

namespace xensim::dom0 {

struct AccessedNode {
  std::string path;
  std::uint64_t generation = 0;  // when it was read; kNoGeneration: it was not there
  bool check_generation = false;
  bool modified = false;
  bool exists = false;  // in the transaction: `node` is its state
  StoreNode node;
  StorePermissions original;         // before the transaction; empty: it was not there
  bool fire = false, exact = false;  // watches to fire at the end
};

struct StoreTransaction {
  std::uint64_t generation = 0;
  std::vector<std::unique_ptr<AccessedNode>> accessed;  // in order of first access
  std::map<std::string, AccessedNode*, std::less<>> by_path;
  std::map<unsigned, int> entries;  // by how many each domain's count of nodes changes
  bool node_created = false;
  bool failed = false;  // something in it went wrong: it cannot be committed

  AccessedNode* find(std::string_view path) {
    const auto it = by_path.find(path);
    return it == by_path.end() ? nullptr : it->second;
  }
};

}  // namespace xensim::dom0
