// Keys of xl.cfg(5) of Xen 4.17 that have no effect here.
#pragma once

#include <span>
#include <string_view>

namespace xensim::config {

// In alphabetical order.
std::span<const std::string_view> ignored_keys();

}  // namespace xensim::config
