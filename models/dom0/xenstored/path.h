// Paths of the store: "/local/domain/1/name". Syntax as docs/misc/xenstore.txt of Xen; lengths as io/xs_wire.h.
#pragma once

#include <string>
#include <string_view>

namespace xensim::dom0 {

// Absolute, no empty component, no "/" at the end, legal characters, and not too long: most counts what follows
// "/local/domain/N/".
bool is_valid_path(std::string_view path, std::size_t most);
// "/" for what lies directly below it, and for itself.
std::string parent_of(std::string_view path);
std::string_view base_name(std::string_view path);
std::string child_of(std::string_view parent, std::string_view name);
// path is `top` or lies below it.
bool is_within(std::string_view path, std::string_view top);
inline bool is_special(std::string_view path) { return path.starts_with('@'); }
std::string domain_path(unsigned domid);

}  // namespace xensim::dom0
