// Stock xenalyze (Debian's xen-utils-common) understands credit2's own trace records.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "models/xen/sched/credit2.h"
#include "sim/base/file.h"
#include "sim/trace/tracer.h"
#include "sim/trace/xentrace_sink.h"
#include "tests/models/xen/sched/host.h"
#include "tests/sim/temporary_folder.h"

using namespace xensim;
using namespace xensim::xen::sched;
using namespace xensim::xen::sched::test;

TEST_CASE("xenalyze names every kind of record that credit2 writes, with the values that were meant") {
  TemporaryFolder folder;
  {
    trace::Tracer tracer({2, 1'000'000'000, folder.path("."), 1 << 20});
    tracer.add_sink(std::make_unique<trace::XentraceSink>(folder.path("trace.xen")));
    for (PcpuId p = 0; p < 2; ++p) tracer.start(p, 0);
    PoliciesConfig config;
    config.credit2.runqueue = RunQueueKind::kCpu;
    Host h(2, "credit2", config);
    h.on_trace = [&](PcpuId p, unsigned event, std::span<const std::uint32_t> words) {
      tracer.sched_class(p, h.now, h.policy->trace_id(), event, words);
    };
    h.domain(7, 512, 60);
    h.domain(8, 256);
    std::vector<UnitId> late;
    for (unsigned i = 0; i < 2; ++i) h.hog(7), h.hog(8, {i}), late.push_back(h.add(8));
    h.sleeper(8, 100 * kUs, 4 * kMs);
    h.run_for(1000 * kMs);
    for (const UnitId u : late) h.wake(u);
    h.run_for(1000 * kMs);
    for (const UnitId u : late) h.set_affinity(u, {0});
    h.run_for(2000 * kMs);
    tracer.close(h.now);
  }
  const std::string command = "xenalyze --cpu-hz 1G --dump-all " + folder.path("trace.xen") + " >" +
                              folder.path("out") + " 2>" + folder.path("err");
  REQUIRE(std::system(command.c_str()) == 0);
  const std::string out = read_file(folder.path("out")), err = read_file(folder.path("err"));
  for (const char* word : {"FATAL", "Strange", "strange", "Unexpected", "error", "Error"})
    CHECK(err.find(word) == std::string::npos);
  for (const char* text : {"csched2:runq_insert d7v0, position 0",
                           "csched2:burn_credits d8v0, credit = ",
                           "csched2:tickle_check d",
                           "csched2:runq_tickle cpu 1",
                           "csched2:reset_credits d7v0, credit_start = ",
                           "csched2:update_load",
                           "csched2:runq_assign d8v0 on rq# ",
                           "csched2:update_vcpu_load d7v0, vcpu_load = 50.000% (131072)",
                           "csched2:update_rq_load rq# 1, load = ",
                           "csched2:runq_tickle_new d7v0, processor = 0, credit = 10000000",
                           "csched2:update_max_weight rq# 0, max_weight = 512",
                           "csched2:migrate d8v1 rq# ",
                           "csched2:load_balance_check lrq# ",
                           "csched2:load_balance_begin lrq# ",
                           "csched2:picked_cpu d8v0, rq# 0, cpu 0",
                           "csched2:runq_candidate d7v0, credit = 10000000, cpu 0 was tickled",
                           "csched2:schedule cpu 0, rq# 0, ",
                           "csched2:ratelimit, d",
                           "csched2:runq_cand_check d7v0",
                           ", budget = "}) {
    INFO(text);
    CHECK(out.find(text) != std::string::npos);
  }
}
