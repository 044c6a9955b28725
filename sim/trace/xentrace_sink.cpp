#include "sim/trace/xentrace_sink.h"

#include <algorithm>
#include <vector>

#include "sim/base/file.h"
#include "sim/trace/events.h"

namespace xensim::trace {
namespace {

// Walks a stream's Xen records.
class Cursor {
 public:
  explicit Cursor(const Stream& stream) : reader_(stream) { advance(); }

  bool at_end() const { return head_.empty(); }
  std::span<const std::uint32_t> head() const { return head_; }
  Cycles time() const { return reader_.now(); }
  void advance() {
    do head_ = reader_.next_words();
    while (!head_.empty() && is_internal(event_of(head_[0])));
  }

 private:
  StreamReader reader_;
  std::span<const std::uint32_t> head_;
};

std::vector<Cursor> cursors_of(const std::vector<Stream>& streams) {
  std::vector<Cursor> cursors;
  cursors.reserve(streams.size());
  for (const Stream& s : streams) cursors.emplace_back(s);
  return cursors;
}

using Sizes = std::vector<std::uint64_t>;  // bytes, per pCPU

Sizes sizes_of(const std::vector<Stream>& streams) {
  Sizes sizes;
  for (const Stream& s : streams) {
    std::uint64_t bytes = 0;
    for (Cursor c(s); !c.at_end(); c.advance()) bytes += c.head().size_bytes();
    sizes.push_back(bytes);
  }
  return sizes;
}

// The windows' sizes, such that none has more than limit bytes: goes through the records in order of time, and
// cuts all pCPUs' windows when one of them is nearly full and its next record has a time stamp (an untimed record
// belongs to the one before it).
std::vector<Sizes> cut(const std::vector<Stream>& streams, std::uint64_t limit) {
  std::vector<Cursor> cursors = cursors_of(streams);
  std::vector<Sizes> windows;
  Sizes window(streams.size());
  const std::uint64_t enough = limit - limit / 8;
  for (;;) {
    std::size_t best = cursors.size();
    for (std::size_t p = 0; p < cursors.size(); ++p)
      if (!cursors[p].at_end() && (best == cursors.size() || cursors[p].time() < cursors[best].time())) best = p;
    if (best == cursors.size()) break;
    Cursor& c = cursors[best];
    if (window[best] >= enough && is_timed(c.head()[0])) {
      windows.push_back(window);
      std::fill(window.begin(), window.end(), 0);
    }
    window[best] += c.head().size_bytes();
    c.advance();
  }
  windows.push_back(window);
  return windows;
}

}  // namespace

void XentraceSink::write(const Trace& trace) {
  AtomicFile file(path_);
  std::vector<Sizes> windows = {sizes_of(trace.streams)};
  if (*std::max_element(windows[0].begin(), windows[0].end()) > window_limit_)
    windows = cut(trace.streams, window_limit_);
  std::vector<Cursor> cursors = cursors_of(trace.streams);
  for (const Sizes& window : windows)
    for (std::uint32_t p = 0; p < cursors.size(); ++p) {
      if (window[p] == 0) continue;
      const std::uint32_t change[3] = {header_of(TRC_TRACE_CPU_CHANGE, 2, false), p,
                                       static_cast<std::uint32_t>(window[p])};
      file.write(change, sizeof change);
      for (std::uint64_t written = 0; written < window[p]; cursors[p].advance()) {
        file.write(cursors[p].head().data(), cursors[p].head().size_bytes());
        written += cursors[p].head().size_bytes();
      }
    }
  file.commit();
}

}  // namespace xensim::trace
