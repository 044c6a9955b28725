#include "models/dom0/migration/precopy.h"

namespace xensim::dom0 {

void describe(MigrationConfig& c, config::Visitor& v) {
  v(c.max_iterations, {"max_iterations", "count", "rounds while the domain runs, at most",
                       "xg_sr_save.c of Xen 4.17: SPP_MAX_ITERATIONS", config::between(1, 1000)});
  v(c.dirty_threshold, {"dirty_threshold", "pages", "a round of fewer pages is the last one while the domain runs",
                        "xg_sr_save.c of Xen 4.17: SPP_TARGET_DIRTY_COUNT", config::between(0, 1 << 30)});
  v(c.child_timeout, {"child_timeout", "ns", "how long xl migrate waits for ssh's end after a failure",
                      "xl_migrate.c of Xen 4.17: 2 s", config::between(0, 3'600'000'000'000)});
}

}  // namespace xensim::dom0
