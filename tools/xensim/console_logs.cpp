#include "tools/xensim/console_logs.h"

namespace xensim::tool {

void ConsoleLogs::open(std::uint16_t domid, const std::string& name) {
  // A domain that has another name from now on, and has said nothing under the old one.
  if (const auto old = names_.find(domid); old != names_.end() && old->second != name && logs_[old->second].empty)
    logs_.erase(old->second);
  names_[domid] = name;
  Log& log = logs_[name];
  if (!log.file && !folder_.empty())
    log.file = std::make_unique<AtomicFile>(folder_ + "/console-" + name + ".log");
}

void ConsoleLogs::write(std::uint16_t domid, std::string_view text) {
  const auto name = names_.find(domid);
  if (name == names_.end()) return;
  Log& log = logs_.at(name->second);
  log.empty = false;
  if (log.file) log.file->write(text);
  if (!terminal_) return;
  if (owner_ == domid) {
    std::fwrite(text.data(), 1, text.size(), terminal_);
    std::fflush(terminal_);
    return;
  }
  for (const char c : text) {
    if (c == '\n') {
      show(name->second, log.line);
      log.line.clear();
    } else if (c != '\r') {
      // The terminal gets text only: a guest cannot send it control sequences.
      log.line.push_back(static_cast<unsigned char>(c) < 0x20 && c != '\t' ? '?' : c);
    }
  }
}

void ConsoleLogs::show(const std::string& name, std::string_view line) {
  std::fprintf(terminal_, "%s%s| %.*s\n", front_.c_str(), name.c_str(), static_cast<int>(line.size()),
               line.data());
  std::fflush(terminal_);
}

void ConsoleLogs::commit() {
  for (auto& [name, log] : logs_) {
    if (terminal_ && !log.line.empty()) show(name, log.line);
    log.line.clear();
    if (log.file) log.file->commit();
  }
}

}  // namespace xensim::tool
