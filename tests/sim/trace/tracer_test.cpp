#include <catch2/catch.hpp>

#include "sim/base/error.h"
#include "sim/base/file.h"
#include "sim/base/rng.h"
#include "sim/trace/catalogue.h"
#include "sim/trace/reader.h"
#include "sim/trace/text_sink.h"
#include "sim/trace/xentrace_sink.h"
#include "tests/sim/temporary_folder.h"
#include "tests/sim/trace/synthetic.h"

using namespace xensim;
using namespace xensim::trace;

namespace {

TraceFile traced(const std::string& path, unsigned periods, std::string& digest, std::uint64_t memory = 1 << 20) {
  Tracer t({2, kHz, folder_of(path), memory});
  t.add_sink(std::make_unique<XentraceSink>(path));
  run_synthetic(t, periods);
  digest = t.digest();
  return read_trace_file(path);
}

}  // namespace

TEST_CASE("A tracer that is off records nothing") {
  Tracer t;
  CHECK_FALSE(t.enabled());
  run_synthetic(t, 1);
  CHECK(t.records() == 0);
  t.set_enabled(true);
  CHECK_FALSE(t.enabled());
}

TEST_CASE("Records come back from xentrace's format as they were told, without xensim's own") {
  TemporaryFolder folder;
  std::string digest;
  TraceFile file = traced(folder.path("trace.xen"), 1, digest);
  REQUIRE(file.pcpus.size() == 2);
  const std::vector<Record>& p0 = file.pcpus[0];
  CHECK(p0[0].event == 0x00021101);  // idle: runnable to running
  CHECK(p0[2].event == 0x00028004);  // wake
  CHECK(p0[2].tsc == 1'000);
  CHECK(p0[2].words[0] == 1);
  for (const Record& r : p0) CHECK_FALSE(is_internal(r.event));
  auto cpuid = std::find_if(p0.begin(), p0.end(), [](const Record& r) { return r.event == 0x0008200e; });
  REQUIRE(cpuid != p0.end());
  CHECK_FALSE(cpuid->timed);
  CHECK(cpuid->tsc == 16'000);
  CHECK(cpuid->count == 6);
  CHECK(cpuid->words[0] == 0x40000000);
  CHECK(std::prev(cpuid)->event == 0x00081102);
  CHECK(std::prev(cpuid)->quad(1) == 0x1000);
}

TEST_CASE("The digest is the same for the same records, differs for others, and comes out of the file again") {
  TemporaryFolder folder;
  std::string a, b, c, none;
  TraceFile file = traced(folder.path("a.xen"), 3, a);
  traced(folder.path("b.xen"), 3, b);
  traced(folder.path("c.xen"), 4, c);
  Tracer t({2, kHz, folder.folder(), 1 << 20});
  run_synthetic(t, 3);
  CHECK(a == b);
  CHECK(a != c);
  CHECK(t.digest() == a);
  CHECK(digest_of(file) == a);
  CHECK(a.size() == 32);
}

TEST_CASE("A trace that does not fit its memory goes through files beside the target, and nothing is lost") {
  TemporaryFolder folder;
  std::string small, large;
  TraceFile spilled = traced(folder.path("small.xen"), 400, small, 0);
  TraceFile kept = traced(folder.path("large.xen"), 400, large, 1 << 30);
  CHECK(small == large);
  CHECK(spilled.pcpus == kept.pcpus);
  CHECK(read_file(folder.path("small.xen")) == read_file(folder.path("large.xen")));
  CHECK(folder.entries() == 2);
}

TEST_CASE("A full disk is reported with the file's name") {
  Tracer t({2, kHz, ".", 1 << 20});
  t.add_sink(std::make_unique<XentraceSink>("/dev/full"));
  CHECK_THROWS_WITH(run_synthetic(t, 100), Catch::StartsWith("/dev/full: the disk is full"));
}

TEST_CASE("One sink's failure does not cost another sink's file") {
  TemporaryFolder folder;
  Tracer t({2, kHz, folder.folder(), 1 << 20});
  t.add_sink(std::make_unique<XentraceSink>(folder.path("no/such/folder/trace.xen")));
  t.add_sink(std::make_unique<TextSink>(folder.path("trace.txt")));
  CHECK_THROWS_AS(run_synthetic(t, 1), UserError);
  CHECK(folder.entries() == 1);
  CHECK(read_file(folder.path("trace.txt")).find("1000 p0 wake domid=0x1 vcpu=0x0\n") != std::string::npos);
}

TEST_CASE("The text trace merges the pCPUs in order of time, xensim's own points included") {
  TemporaryFolder folder;
  Tracer t({2, kHz, folder.folder(), 1 << 20});
  t.add_sink(std::make_unique<TextSink>(folder.path("trace.txt")));
  run_synthetic(t, 1);
  std::string text = read_file(folder.path("trace.txt"));
  CHECK(text.starts_with("# time stamps are cycles at "));
  std::size_t start = text.find("21000 p0 vmexit");
  CHECK(text.substr(start, text.find("23000 p0", start) - start) ==
        "21000 p0 vmexit reason=VMCALL rip=0xffffffff81000000\n"
        "21000 p0  vmcall hypercall=event_channel_op\n"
        "21100 p0 hypercall_enter d1v0 op=event_channel_op first_argument=0x4\n"
        "21200 p0 evtchn_send d1v0 port=0x3 remote_domid=0x2 remote_port=0x4\n"
        "21900 p0 hypercall_return d1v0 op=event_channel_op result=0x0\n");
}

TEST_CASE("Events of credit2 have their names in the text") {
  Record r;
  r.event = TRC_SCHED_CLASS_EVT(CSCHED2, 19);
  r.count = 2;
  r.words[0] = 1;
  CHECK(describe(r) == "csched2:picked_cpu a=0x1 b=0x0");
  r.event = TRC_SCHED_CLASS_EVT(CSCHED2, 18);
  CHECK(describe(r) == "scheduler 1:18 a=0x1 b=0x0");
}

TEST_CASE("Runstate times and exits are summed per vCPU up to the end of the run") {
  TemporaryFolder folder;
  std::string digest;
  TraceSummary s = summarise(traced(folder.path("trace.xen"), 5, digest));
  const VcpuSummary& d1 = s.vcpus.at(kD1);
  CHECK(d1.in_runstate == std::array<Cycles, 4>{5 * 30'000, 5 * 10'000, 5 * 60'000 + 1'000, 0});
  CHECK(d1.switches == 5);
  CHECK(d1.exits == std::map<std::uint32_t, std::uint64_t>{{10, 5}, {12, 5}, {18, 5}});
  CHECK(d1.exit_cycles.at(10) == 5 * 1'000);
  CHECK(d1.hypercalls == std::map<std::uint32_t, std::uint64_t>{{32, 5}});
  CHECK(s.vcpus.at(kD2).in_runstate == std::array<Cycles, 4>{5 * 50'000, 0, 5 * 50'000 + 1'000, 0});
}

TEST_CASE("A VM exit whose reason xenalyze refuses stays out of Xen's format") {
  TemporaryFolder folder;
  Tracer t({1, kHz, folder.folder(), 1 << 20});
  t.add_sink(std::make_unique<XentraceSink>(folder.path("trace.xen")));
  t.start(0, 0);
  t.vmexit(0, 10, 56, 0);
  t.vmexit(0, 20, 57, 0);
  t.close(30);
  TraceFile file = read_trace_file(folder.path("trace.xen"));
  CHECK(file.pcpus.at(0).size() == 2);
  CHECK(t.records() == 3);
}

TEST_CASE("Every event of the catalogue has a number of its own, and words that fit a record") {
  std::map<std::uint32_t, std::string> seen;
  for (const EventInfo& e : catalogue()) {
    CHECK(seen.emplace(e.event, e.name).second);
    CHECK(find_event(e.event) != nullptr);
    std::size_t words = 0;
    for (std::string_view rest = e.words; !rest.empty();) {
      std::string_view word = rest.substr(0, rest.find(' '));
      words += word.starts_with("q:") ? 2 : 1;
      rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    }
    CHECK(words <= kMaxWords);
  }
}

TEST_CASE("A damaged trace is refused with the offset of the damage") {
  TemporaryFolder folder;
  std::string digest;
  traced(folder.path("trace.xen"), 1, digest);
  std::string good = read_file(folder.path("trace.xen"));
  CHECK_THROWS_WITH(read_trace(good.substr(0, good.size() - 2), "t"),
                    Catch::Contains("t: offset ") && Catch::Contains("the file ends inside a window"));
  CHECK_THROWS_WITH(read_trace("xensim", "t"), Catch::StartsWith("t: offset "));
  CHECK_THROWS_WITH(read_trace(good.substr(12), "t"),
                    "t: offset 0: event 0x00021101 where a CPU-change record must be; the file is damaged, or not "
                    "written by xensim or xentrace");
  CHECK(read_trace("", "t").pcpus.empty());
}

TEST_CASE("No bytes whatsoever bring the reader down") {
  Rng rng(1, "trace");
  TemporaryFolder folder;
  std::string digest;
  traced(folder.path("trace.xen"), 2, digest);
  const std::string good = read_file(folder.path("trace.xen"));
  for (unsigned i = 0; i < 2000; ++i) {
    std::string bytes = good.substr(0, rng.below(good.size()));
    for (unsigned n = 0; n < 4 && !bytes.empty(); ++n)
      bytes[rng.below(bytes.size())] = static_cast<char>(rng.next());
    try {
      TraceFile file = read_trace(bytes, "t");
      summarise(file);
      for (const auto& records : file.pcpus)
        for (const Record& r : records) describe(r);
    } catch (const UserError&) {
    }
  }
}
