#include "sim/trace/text_sink.h"

#include "sim/base/file.h"
#include "sim/base/units.h"
#include "sim/trace/catalogue.h"

namespace xensim::trace {

void TextSink::write(const Trace& trace) {
  AtomicFile file(path_);
  file.write("# time stamps are cycles at " + format_frequency(trace.tsc_hz) + "; then the pCPU and the event\n");
  MergedReader reader(trace.streams);
  while (auto item = reader.next()) {
    std::string line = std::to_string(item->record.tsc) + " p" + std::to_string(item->pcpu) +
                       (item->record.timed ? " " : "  ") + describe(item->record) + "\n";
    file.write(line);
  }
  file.commit();
}

}  // namespace xensim::trace
