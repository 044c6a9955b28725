// Reads Xen's trace file format back, window by window, and sums up what schedulers and VM exits did. The file may
// come from xensim or from a real Xen host's xentrace. Everything is bounds-checked; errors are UserErrors with
// the offset.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim/trace/record.h"

namespace xensim::trace {

// All records of each pCPU, in order; index: pCPU.
struct TraceFile {
  std::vector<std::vector<Record>> pcpus;
  // Records that xentrace says were lost.
  std::uint64_t lost = 0;
};

// data: the file's contents; name: for messages.
TraceFile read_trace(std::string_view data, const std::string& name);
TraceFile read_trace_file(const std::string& path);

// The digest that Tracer::digest() gave for the run that wrote this file.
std::string digest_of(const TraceFile& trace);

struct VcpuSummary {
  // Cycles in each runstate, up to the trace's last time stamp.
  std::array<Cycles, 4> in_runstate{};
  std::uint64_t switches = 0;                         // times it became running
  std::map<std::uint32_t, std::uint64_t> exits;       // by reason
  std::map<std::uint32_t, Cycles> exit_cycles;        // VM exit to VM entry, by reason
  std::map<std::uint32_t, std::uint64_t> hypercalls;  // by number
};
struct TraceSummary {
  Cycles first = 0, last = 0;
  std::map<VcpuId, VcpuSummary> vcpus;
};
TraceSummary summarise(const TraceFile& trace);
// A table for people.
std::string to_text(const TraceSummary& summary, std::uint64_t tsc_hz);

}  // namespace xensim::trace
