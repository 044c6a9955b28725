#include "models/dom0/xenstored/path.h"

#include <algorithm>

namespace xensim::dom0 {

namespace {

constexpr std::string_view kDomains = "/local/domain/";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_legal(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '/' || c == '_' ||
         c == '@';
}

// Length of "/local/domain/N/" in front of a path; N has at most five characters. 0: it starts otherwise.
std::size_t domain_prefix(std::string_view path) {
  if (!path.starts_with(kDomains)) return 0;
  std::size_t i = kDomains.size();
  const std::size_t end = std::min(path.size(), i + 5);
  if (i < end && path[i] == '-') ++i;
  const std::size_t digits = i;
  while (i < end && is_digit(path[i])) ++i;
  return i > digits && i < path.size() && path[i] == '/' ? i + 1 : 0;
}

}  // namespace

bool is_valid_path(std::string_view path, std::size_t most) {
  if (!path.starts_with('/')) return false;
  if (path.size() > 1 && path.ends_with('/')) return false;
  if (path.find("//") != std::string_view::npos) return false;
  if (path.size() > domain_prefix(path) + most) return false;
  return std::all_of(path.begin(), path.end(), is_legal);
}

std::string parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string_view::npos ? "/" : std::string(path.substr(0, slash));
}

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string child_of(std::string_view parent, std::string_view name) {
  std::string path(parent);
  if (path != "/") path += '/';
  return path.append(name);
}

bool is_within(std::string_view path, std::string_view top) {
  if (top == "/") return true;
  return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
}

std::string domain_path(unsigned domid) { return std::string(kDomains) + std::to_string(domid); }

}  // namespace xensim::dom0
