// A node of the store, and who may do what with it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace xensim::dom0 {

inline constexpr std::uint8_t kStoreRead = 1, kStoreWrite = 2, kStoreOwner = 4;

// One entry of a node's permissions. The first entry names the owner, who may do everything, and what everybody
// may who has no entry.
struct StorePermission {
  std::uint32_t domid = 0;
  std::uint8_t access = 0;  // kStoreRead | kStoreWrite
  bool ignored = false;     // the domain was gone already when the node was written

  // "r5", "w5", "b5", "n5".
  std::string text() const;
  bool operator==(const StorePermission&) const = default;
};
using StorePermissions = std::vector<StorePermission>;
// false: one of the texts is none.
bool parse_permissions(std::span<const std::string> texts, StorePermissions& out);

inline constexpr std::uint64_t kNoGeneration = ~std::uint64_t{0};

struct StoreNode {
  std::uint64_t generation = 0;  // the store's count when the node was written last
  StorePermissions permissions;  // never empty in the store
  std::string value;
  std::string children;  // their names in order of creation, a NUL after each

  std::uint32_t owner() const { return permissions.front().domid; }
  // What it counts against quotas: xenstored's record (header, permissions, value, children).
  std::uint32_t size() const {
    return static_cast<std::uint32_t>(24 + 8 * permissions.size() + value.size() + children.size());
  }
  void add_child(std::string_view name);
  void remove_child(std::string_view name);
  std::vector<std::string> child_names() const;
};

}  // namespace xensim::dom0
