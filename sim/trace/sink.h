// trace::Sink: how a finished trace becomes a file. A sink sees the whole trace at once, as one stream of records
// per pCPU, and writes it in its format. text_sink.cpp is the smallest example.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/types.h"
#include "sim/trace/stream.h"

namespace xensim::trace {

// What numbers in records stand for.
struct Names {
  std::map<std::uint16_t, std::string> domains;
  struct Counter {
    std::string name, unit;
  };
  std::vector<Counter> counters;
  std::vector<std::string> marks;
  std::vector<std::string> locks;
};

// A finished trace.
struct Trace {
  std::uint64_t tsc_hz;
  const Names& names;
  std::vector<Stream>& streams;  // index: pCPU; read through StreamReader or MergedReader (stream.h)
};

class Sink {
 public:
  virtual ~Sink() = default;
  // As on the command line: "xentrace", "perfetto", "text".
  virtual std::string_view name() const = 0;
  // Writes the file, whole or not at all (AtomicFile). Throws UserError if that fails.
  virtual void write(const Trace& trace) = 0;
};

}  // namespace xensim::trace
