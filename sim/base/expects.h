// expects(condition): an invariant of xensim itself. Checked in every build, on cold paths. Never for what a guest
// or a user can cause: guests get faults and error codes, users get UserError.
#pragma once

#include <source_location>

namespace xensim {

// Prints file, line and function to stderr and aborts.
[[noreturn]] void expectation_failed(const std::source_location& where);

inline void expects(bool condition, const std::source_location where = std::source_location::current()) {
  if (!condition) [[unlikely]]
    expectation_failed(where);
}

}  // namespace xensim
