// Writes a Perfetto trace (protobuf TrackEvents), for ui.perfetto.dev and trace_processor.
//
// Tracks: a process "Xen" with a thread per pCPU (slices: which vCPU runs; instants: IPIs, tickles, lock waits,
// marks); a process per domain with a thread per vCPU (slices: VM exits by reason and hypercalls in them;
// instants: what the exit's handler and the event channels did) and under it a track of its runstates; a counter
// track per counter. Time is simulated time in nanoseconds. Records of all pCPUs are written in one order of time.
#pragma once

#include <string>

#include "sim/trace/sink.h"

namespace xensim::trace {

class PerfettoSink final : public Sink {
 public:
  explicit PerfettoSink(std::string path) : path_(std::move(path)) {}
  std::string_view name() const override { return "perfetto"; }
  void write(const Trace& trace) override;

 private:
  std::string path_;
};

}  // namespace xensim::trace
