// Writes the trace as text: a line per record, xensim's own included, all pCPUs in one order of time. The smallest
// sink: copy it to start another.
#pragma once

#include <string>

#include "sim/trace/sink.h"

namespace xensim::trace {

class TextSink final : public Sink {
 public:
  explicit TextSink(std::string path) : path_(std::move(path)) {}
  std::string_view name() const override { return "text"; }
  void write(const Trace& trace) override;

 private:
  std::string path_;
};

}  // namespace xensim::trace
