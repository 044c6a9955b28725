#include "sim/base/expects.h"

#include <cstdio>
#include <cstdlib>

namespace xensim {

void expectation_failed(const std::source_location& where) {
  std::fprintf(stderr, "xensim: internal invariant broken at %s:%u in %s; please report this\n", where.file_name(),
               static_cast<unsigned>(where.line()), where.function_name());
  std::abort();
}

}  // namespace xensim
