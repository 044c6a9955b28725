#include "sim/trace/reader.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

#include "sim/base/digest.h"
#include "sim/base/error.h"
#include "sim/base/file.h"
#include "sim/base/units.h"
#include "sim/trace/catalogue.h"
#include "sim/trace/events.h"

namespace xensim::trace {
namespace {

constexpr std::uint32_t kMaxPcpus = 4096;

// The words of a file, from any alignment.
class Words {
 public:
  Words(std::string_view data, const std::string& name) : data_(data), name_(name) {}

  std::size_t offset() const { return offset_; }
  bool at_end() const { return offset_ == data_.size(); }
  std::uint32_t next() {
    if (data_.size() - offset_ < sizeof(std::uint32_t)) fail(offset_, "the file ends inside a record");
    std::uint32_t word;
    std::memcpy(&word, data_.data() + offset_, sizeof word);
    offset_ += sizeof word;
    return word;
  }
  Record record() {
    std::uint32_t header = next();
    Record r;
    r.event = event_of(header);
    r.timed = is_timed(header);
    r.count = static_cast<std::uint8_t>(words_of(header));
    if (r.timed) {
      r.tsc = next();
      r.tsc |= static_cast<Cycles>(next()) << 32;
    }
    for (unsigned i = 0; i < r.count; ++i) r.words[i] = next();
    return r;
  }
  [[noreturn]] void fail(std::size_t at, const std::string& what) const {
    throw UserError(name_ + ": offset " + std::to_string(at), what,
                    "the file is damaged, or not written by xensim or xentrace");
  }

 private:
  std::string_view data_;
  const std::string& name_;
  std::size_t offset_ = 0;
};

std::string hex(std::uint32_t v) {
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[(v >> shift) & 15];
  return text;
}

}  // namespace

TraceFile read_trace(std::string_view data, const std::string& name) {
  TraceFile trace;
  Words words(data, name);
  while (!words.at_end()) {
    std::size_t at = words.offset();
    Record change = words.record();
    if (change.event != TRC_TRACE_CPU_CHANGE || change.count != 2)
      words.fail(at, "event " + hex(change.event) + " where a CPU-change record must be");
    if (change.words[0] >= kMaxPcpus) words.fail(at, "no machine has a CPU " + std::to_string(change.words[0]));
    if (trace.pcpus.size() <= change.words[0]) trace.pcpus.resize(change.words[0] + 1);
    std::vector<Record>& records = trace.pcpus[change.words[0]];
    std::size_t end = words.offset() + change.words[1];
    if (end > data.size())
      words.fail(at, "the file ends inside a window of " + std::to_string(change.words[1]) + " bytes");
    while (words.offset() < end) {
      std::size_t start = words.offset();
      Record r = words.record();
      if (words.offset() > end) words.fail(start, "a record goes beyond the end of its window");
      if (!r.timed) r.tsc = records.empty() ? 0 : records.back().tsc;
      if (r.event == TRC_LOST_RECORDS) trace.lost += r.words[0];
      records.push_back(r);
    }
  }
  return trace;
}

TraceFile read_trace_file(const std::string& path) { return read_trace(read_file(path), path); }

std::string digest_of(const TraceFile& trace) {
  Digest all;
  for (const std::vector<Record>& records : trace.pcpus) {
    Digest one;
    for (const Record& r : records) {
      std::array<std::uint32_t, kMaxRecordWords> words;
      std::size_t n = 0;
      words[n++] = header_of(r.event, r.count, r.timed);
      if (r.timed) {
        words[n++] = static_cast<std::uint32_t>(r.tsc);
        words[n++] = static_cast<std::uint32_t>(r.tsc >> 32);
      }
      for (unsigned i = 0; i < r.count; ++i) words[n++] = r.words[i];
      one.add(std::span<const std::uint32_t>(words).first(n));
    }
    all.add(one.hex() + "\n");
  }
  return all.hex();
}

TraceSummary summarise(const TraceFile& trace) {
  TraceSummary summary;
  bool any = false;
  for (const std::vector<Record>& records : trace.pcpus)
    for (const Record& r : records) {
      if (!r.timed) continue;
      summary.first = any ? std::min(summary.first, r.tsc) : r.tsc;
      summary.last = std::max(summary.last, r.tsc);
      any = true;
    }

  // Runstates in one order of time (a vCPU's changes come from several pCPUs), exits pCPU by pCPU.
  struct Change {
    Cycles tsc;
    VcpuId vcpu;
    unsigned from, to;
  };
  std::vector<Change> changes;
  for (const std::vector<Record>& records : trace.pcpus) {
    std::optional<VcpuId> current;
    std::optional<Record> exit;
    for (const Record& r : records) {
      if ((r.event & 0xfffff00f) == TRC_SCHED_RUNSTATE_CHANGE && r.count >= 1) {
        Change c{r.tsc, VcpuId::unpack(r.words[0]), (r.event >> 8) & 3, (r.event >> 4) & 3};
        changes.push_back(c);
        if (c.to == static_cast<unsigned>(Runstate::kRunning)) current = c.vcpu;
      }
      if (!current) continue;
      VcpuSummary& v = summary.vcpus[*current];
      if ((r.event == TRC_HVM_VMEXIT64 || r.event == TRC_HVM_VMEXIT) && r.count >= 1) {
        exit = r;
        ++v.exits[r.words[0]];
      } else if (r.event == TRC_HVM_VMENTRY) {
        if (exit) v.exit_cycles[exit->words[0]] += r.tsc - exit->tsc;
        exit.reset();
      } else if (r.event == TRC_HVM_VMMCALL && r.count >= 1) {
        ++v.hypercalls[r.words[0]];
      }
    }
  }
  std::stable_sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) { return a.tsc < b.tsc; });
  struct Last {
    unsigned state;
    Cycles since;
  };
  std::map<VcpuId, Last> last;
  for (const Change& c : changes) {
    VcpuSummary& v = summary.vcpus[c.vcpu];
    if (auto it = last.find(c.vcpu); it != last.end()) v.in_runstate[it->second.state] += c.tsc - it->second.since;
    if (c.to == static_cast<unsigned>(Runstate::kRunning)) ++v.switches;
    last[c.vcpu] = {c.to, c.tsc};
  }
  for (const auto& [vcpu, l] : last) summary.vcpus[vcpu].in_runstate[l.state] += summary.last - l.since;
  return summary;
}

std::string to_text(const TraceSummary& summary, std::uint64_t tsc_hz) {
  auto time = [&](Cycles c) {
    const Nanoseconds ns = cycles_to_ns(c, tsc_hz);
    return std::to_string(ns / 1'000'000) + "." + std::to_string(1'000'000 + ns % 1'000'000).substr(1) + "ms";
  };
  std::string text = "trace of " + time(summary.last - summary.first) + "\n";
  for (const auto& [id, v] : summary.vcpus) {
    text += id.domid == kIdleDomid ? "idle" : "d" + std::to_string(id.domid);
    text += "v" + std::to_string(id.vcpu) + ": running " + time(v.in_runstate[0]) + ", runnable " +
            time(v.in_runstate[1]) + ", blocked " + time(v.in_runstate[2]) + ", offline " +
            time(v.in_runstate[3]) + "; " + std::to_string(v.switches) + " switches to it\n";
    for (const auto& [reason, count] : v.exits) {
      auto it = v.exit_cycles.find(reason);
      text += "  " + std::to_string(count) + " VM exits " + std::string(exit_reason_name(reason)) + " (" +
              std::to_string(reason) + "), " + std::to_string(it == v.exit_cycles.end() ? 0 : it->second) +
              " cycles\n";
    }
    for (const auto& [op, count] : v.hypercalls)
      text += "  " + std::to_string(count) + " hypercalls " + std::string(hypercall_name(op)) + " (" +
              std::to_string(op) + ")\n";
  }
  return text;
}

}  // namespace xensim::trace
