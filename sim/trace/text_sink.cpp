#include "sim/trace/text_sink.h"

#include "sim/base/file.h"
#include "sim/trace/catalogue.h"

namespace xensim::trace {

void TextSink::write(const Trace& trace) {
  AtomicFile file(path_);
  MergedReader reader(trace.streams);
  while (auto item = reader.next()) {
    std::string line = std::to_string(item->record.tsc) + " p" + std::to_string(item->pcpu) +
                       (item->record.timed ? " " : "  ") + describe(item->record) + "\n";
    file.write(line);
  }
  file.commit();
}

}  // namespace xensim::trace
