// Writes Xen's trace file format (xentrace's), for xenalyze.
//
// No header: windows, each a CPU-change record {pCPU, bytes} and that many bytes of the pCPU's records. The whole
// trace is one window per pCPU, unless a pCPU has more bytes than a window can count; then all pCPUs' windows are
// cut at the same instants (traces/README.md). xensim's own points are left out.
#pragma once

#include <string>

#include "sim/trace/sink.h"

namespace xensim::trace {

class XentraceSink final : public Sink {
 public:
  // window_limit: bytes, at least 1024.
  explicit XentraceSink(std::string path, std::uint64_t window_limit = std::uint64_t{1} << 31)
      : path_(std::move(path)), window_limit_(window_limit) {}
  std::string_view name() const override { return "xentrace"; }
  void write(const Trace& trace) override;

 private:
  std::string path_;
  std::uint64_t window_limit_;
};

}  // namespace xensim::trace
