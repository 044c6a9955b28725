#include "models/dom0/xenstored/node.h"

#include <cstdlib>

namespace xensim::dom0 {

std::string StorePermission::text() const {
  static constexpr char kLetters[] = {'n', 'r', 'w', 'b'};
  return kLetters[access & 3] + std::to_string(static_cast<std::int32_t>(domid));
}

bool parse_permissions(std::span<const std::string> texts, StorePermissions& out) {
  out.clear();
  for (const std::string& text : texts) {
    StorePermission p;
    switch (text.empty() ? '\0' : text[0]) {
      case 'r':
        p.access = kStoreRead;
        break;
      case 'w':
        p.access = kStoreWrite;
        break;
      case 'b':
        p.access = kStoreRead | kStoreWrite;
        break;
      case 'n':
        break;
      default:
        return false;
    }
    char* end = nullptr;
    p.domid = static_cast<std::uint32_t>(std::strtol(text.c_str() + 1, &end, 0));
    if (*end != '\0' || text.size() == 1) return false;
    out.push_back(p);
  }
  return true;
}

void StoreNode::add_child(std::string_view name) {
  children.append(name);
  children.push_back('\0');
}

void StoreNode::remove_child(std::string_view name) {
  for (std::size_t at = 0; at < children.size();) {
    const std::size_t end = children.find('\0', at);
    if (std::string_view(children).substr(at, end - at) == name) {
      children.erase(at, end + 1 - at);
      return;
    }
    at = end + 1;
  }
}

std::vector<std::string> StoreNode::child_names() const {
  std::vector<std::string> names;
  for (std::size_t at = 0; at < children.size();) {
    const std::size_t end = children.find('\0', at);
    names.push_back(children.substr(at, end - at));
    at = end + 1;
  }
  return names;
}

}  // namespace xensim::dom0
