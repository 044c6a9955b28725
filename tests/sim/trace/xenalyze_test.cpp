// Stock xenalyze (Debian's xen-utils-common) reads what XentraceSink writes, and comes to the same sums.
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>

#include "sim/base/file.h"
#include "sim/trace/reader.h"
#include "sim/trace/xentrace_sink.h"
#include "tests/sim/temporary_folder.h"
#include "tests/sim/trace/synthetic.h"

using namespace xensim;
using namespace xensim::trace;

namespace {

struct Run {
  int status;
  std::string out, err;
};

Run xenalyze(const TemporaryFolder& folder, const std::string& options) {
  std::string command = "xenalyze --cpu-hz 1G " + options + " >" + folder.path("out") + " 2>" + folder.path("err");
  int status = std::system(command.c_str());
  return {status, read_file(folder.path("out")), read_file(folder.path("err"))};
}

void write_synthetic(const std::string& path, unsigned periods, std::uint64_t window = std::uint64_t{1} << 31) {
  Tracer t({2, kHz, folder_of(path), 1 << 20});
  t.add_sink(std::make_unique<XentraceSink>(path, window));
  run_synthetic(t, periods);
}

// What xenalyze says when all is well: which CPUs, domains and vCPUs it met.
void check_no_complaint(const std::string& err) {
  for (const char* word : {"FATAL", "Strange", "strange", "skew", "lost", "WARN", "Unexpected", "not processing",
                           "Not processing", "null", "truncated", "Error", "error", "mismatch", "Short"}) {
    INFO(word);
    CHECK(err.find(word) == std::string::npos);
  }
}

// "   running:      50  0.00s  30000 {…": count × mean.
std::uint64_t total(const std::string& summary, std::size_t from, const std::string& label) {
  std::size_t at = summary.find(label + ":", from);
  unsigned count = 0;
  double seconds = 0;
  unsigned long long mean = 0;
  if (at == std::string::npos ||
      std::sscanf(summary.c_str() + at + label.size() + 1, "%u %lfs %llu", &count, &seconds, &mean) != 3)
    return 0;
  return count * mean;
}

}  // namespace

TEST_CASE("xenalyze summarises and dumps a trace without complaint") {
  TemporaryFolder folder;
  write_synthetic(folder.path("trace.xen"), 20);
  for (const char* mode : {"--summary", "--dump-all"}) {
    Run r = xenalyze(folder, std::string(mode) + " " + folder.path("trace.xen"));
    CHECK(r.status == 0);
    CHECK_FALSE(r.out.empty());
    check_no_complaint(r.err);
  }
}

TEST_CASE("xenalyze's runstate times and exit counts are ours") {
  TemporaryFolder folder;
  write_synthetic(folder.path("trace.xen"), 20);
  TraceSummary ours = summarise(read_trace_file(folder.path("trace.xen")));
  Run r = xenalyze(folder, "--summary " + folder.path("trace.xen"));
  for (VcpuId v : {kD1, kD2}) {
    std::size_t domain = r.out.find("|-- Domain " + std::to_string(v.domid) + " --|");
    REQUIRE(domain != std::string::npos);
    std::size_t vcpu = r.out.find("-- v0 --", domain);
    const VcpuSummary& s = ours.vcpus.at(v);
    CHECK(total(r.out, vcpu, "   running") == s.in_runstate[0]);
    // xenalyze does not account what was before the pCPU's first switch from its idle vCPU.
    if (v == kD1) CHECK(total(r.out, vcpu, "  runnable") == s.in_runstate[1] - 10'000);
    CHECK(total(r.out, vcpu, "   blocked") == s.in_runstate[2] - 1'000);
  }
  CHECK(r.out.find(" CPUID                      20 ") != std::string::npos);
  CHECK(r.out.find(" VMCALL                     20 ") != std::string::npos);
  // The last exit has no VM entry: in the trace, but xenalyze counts at the entry.
  CHECK(r.out.find(" HLT                        19 ") != std::string::npos);
}

TEST_CASE("xenalyze reads a trace that is cut into several windows the same way") {
  TemporaryFolder folder;
  write_synthetic(folder.path("one.xen"), 50);
  write_synthetic(folder.path("many.xen"), 50, 4096);
  CHECK(read_file(folder.path("many.xen")).size() > read_file(folder.path("one.xen")).size());
  CHECK(read_trace_file(folder.path("many.xen")).pcpus == read_trace_file(folder.path("one.xen")).pcpus);
  Run one = xenalyze(folder, "--summary " + folder.path("one.xen"));
  Run many = xenalyze(folder, "--summary " + folder.path("many.xen"));
  CHECK(many.status == 0);
  CHECK(many.out == one.out);
  check_no_complaint(many.err);
}

TEST_CASE("xenalyze takes vCPUs that are runnable or running at the end of the run") {
  using enum Runstate;
  TemporaryFolder folder;
  Tracer t({1, kHz, folder.folder(), 1 << 20});
  t.add_sink(std::make_unique<XentraceSink>(folder.path("trace.xen")));
  t.start(0, 0);
  t.runstate_change(0, 50, kD1, kOffline, kBlocked);
  t.runstate_change(0, 50, kD2, kOffline, kBlocked);
  t.runstate_change(0, 100, kD1, kBlocked, kRunnable);
  t.runstate_change(0, 100, kD2, kBlocked, kRunnable);
  t.runstate_change(0, 200, kIdle0, kRunning, kRunnable);
  t.runstate_change(0, 200, kD1, kRunnable, kRunning);
  t.vmentry(0, 210);
  t.close(100'200);
  Run r = xenalyze(folder, "--summary " + folder.path("trace.xen"));
  CHECK(r.status == 0);
  check_no_complaint(r.err);
  std::size_t d1 = r.out.find("-- v0 --", r.out.find("|-- Domain 1 --|"));
  std::size_t d2 = r.out.find("-- v0 --", r.out.find("|-- Domain 2 --|"));
  CHECK(total(r.out, d1, "   running") == 100'000);
  CHECK(total(r.out, d2, "  runnable") == 100'000);
}
