#include "tools/xensim/xl_log.h"

#include <cinttypes>

namespace xensim::tool {

std::string stamp(Nanoseconds ns) {
  char text[40];
  std::snprintf(text, sizeof text, "[%" PRIu64 ".%06" PRIu64 " ms] ", ns / 1'000'000, ns % 1'000'000);
  return text;
}

std::string to_text(const dom0::VerbRecord& r) {
  std::string text = stamp(r.began) + "xl " + r.command + "\n" + r.output.text();
  if (!text.ends_with('\n')) text += '\n';
  if (r.ended == 0) return text + "(not ended when the run did)\n";
  return text + stamp(r.ended) + "exit " + std::to_string(r.output.status) + "\n";
}

void XlLog::add(const dom0::VerbRecord& r) {
  if (!r.asked && r.ended != 0 && r.output.status == 0) return;  // a domain of the scenario, as usual
  const std::string text = to_text(r);
  if (!file_) file_ = std::make_unique<AtomicFile>(folder_ + "/xl.log");
  file_->write(text);
  if (!terminal_) return;
  // The terminal gets text only: a guest's console cannot send it control sequences.
  std::string shown = front_;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\r') continue;
    shown += static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' ? '?' : c;
    if (c == '\n' && i + 1 < text.size()) shown += front_;
  }
  std::fputs(shown.c_str(), terminal_);
}

void XlLog::commit() {
  if (file_) file_->commit();
}

}  // namespace xensim::tool
