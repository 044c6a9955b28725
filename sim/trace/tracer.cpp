#include "sim/trace/tracer.h"

#include <algorithm>
#include <exception>

#include "sim/base/expects.h"
#include "sim/base/file.h"

namespace xensim::trace {
namespace {

// xenalyze's table of VMX exit reasons ends here; it stops at anything above.
constexpr std::uint32_t kHighestExitReason = 56;

}  // namespace

Tracer::Tracer(const TracerConfig& config)
    : enabled_(true), config_(config), streams_(config.pcpus), digests_(config.pcpus), pcpus_(config.pcpus) {}

Tracer::~Tracer() = default;

void Tracer::set_enabled(bool on) { enabled_ = on && !streams_.empty() && !closed_; }

void Tracer::add_sink(std::unique_ptr<Sink> sink) { sinks_.push_back(std::move(sink)); }

unsigned Tracer::name_counter(std::string_view name, std::string_view unit) {
  names_.counters.push_back({std::string(name), std::string(unit)});
  return static_cast<unsigned>(names_.counters.size() - 1);
}

unsigned Tracer::name_mark(std::string_view name) {
  names_.marks.emplace_back(name);
  return static_cast<unsigned>(names_.marks.size() - 1);
}

unsigned Tracer::name_lock(std::string_view name) {
  names_.locks.emplace_back(name);
  return static_cast<unsigned>(names_.locks.size() - 1);
}

void Tracer::start(PcpuId p, Cycles t) {
  runstate_change(p, t, {kIdleDomid, static_cast<std::uint16_t>(p)}, Runstate::kRunnable, Runstate::kRunning);
}

void Tracer::vmexit(PcpuId p, Cycles t, std::uint32_t reason, std::uint64_t rip) {
  if (reason <= kHighestExitReason)
    timed(p, t, TRC_HVM_VMEXIT64, reason, low(rip), high(rip));
  else
    timed(p, t, kUnlistedExit, reason, low(rip), high(rip));
}

void Tracer::put(PcpuId p, Cycles t, std::uint32_t event, bool timed, std::span<const std::uint32_t> words) {
  words = words.first(std::min<std::size_t>(words.size(), kMaxWords));
  std::uint32_t* out = room(p);
  std::uint32_t header = header_of(event, static_cast<unsigned>(words.size()), timed);
  *out++ = header;
  if (timed) {
    *out++ = low(t);
    *out++ = high(t);
  }
  std::copy(words.begin(), words.end(), out);
  streams_[p].commit(size_of(header));
  ++records_;
}

// Runs over a chunk's records once: the digest takes Xen's, and time must not have gone back.
void Tracer::flush(PcpuId p) {
  std::span<const std::uint32_t> chunk = streams_[p].open_chunk();
  Pcpu& pcpu = pcpus_[p];
  std::size_t from = 0, i = 0;
  while (i < chunk.size()) {
    std::uint32_t header = chunk[i];
    if (is_timed(header)) {
      Cycles t = chunk[i + 1] | static_cast<Cycles>(chunk[i + 2]) << 32;
      expects(t >= pcpu.latest);
      pcpu.latest = t;
    }
    if (is_internal(event_of(header))) {
      digests_[p].add(chunk.subspan(from, i - from));
      from = i + size_of(header);
    }
    i += size_of(header);
  }
  digests_[p].add(chunk.subspan(from, i - from));
  streams_[p].turn();

  std::uint64_t in_memory = 0;
  for (const Stream& s : streams_) in_memory += s.bytes_in_memory();
  if (in_memory <= config_.memory_limit) return;
  for (PcpuId q = 0; q < streams_.size(); ++q)
    streams_[q].spill(join_path(config_.spill_folder, "trace.pcpu" + std::to_string(q) + ".spill"));
}

// Which vCPU is where, from the records themselves, so that the hot path need not keep it.
void Tracer::end_runstates(Cycles now) {
  struct Last {
    PcpuId pcpu;
    Runstate state;
  };
  std::map<VcpuId, Last> last;
  MergedReader reader(streams_);
  while (auto item = reader.next()) {
    const Record& r = item->record;
    if ((r.event & 0xfffff00f) == TRC_SCHED_RUNSTATE_CHANGE)
      last[VcpuId::unpack(r.words[0])] = {item->pcpu, static_cast<Runstate>((r.event >> 4) & 3)};
  }
  for (const auto& [vcpu, l] : last) {
    if (vcpu.domid == kIdleDomid || l.state == Runstate::kOffline) continue;
    Cycles t = std::max(now, pcpus_[l.pcpu].latest);
    runstate_change(l.pcpu, t, vcpu, l.state, Runstate::kOffline);
    if (l.state == Runstate::kRunning) start(l.pcpu, t);
  }
}

void Tracer::close(Cycles now) {
  if (streams_.empty() || closed_) return;
  enabled_ = true;
  for (PcpuId p = 0; p < streams_.size(); ++p) flush(p);
  end_runstates(now);
  for (PcpuId p = 0; p < streams_.size(); ++p) flush(p);
  enabled_ = false;
  closed_ = true;
  // Every sink gets its turn, so that one full disk does not cost the other file.
  std::exception_ptr first;
  Trace trace{config_.tsc_hz, names_, streams_};
  for (const std::unique_ptr<Sink>& sink : sinks_) {
    try {
      sink->write(trace);
    } catch (...) {
      if (!first) first = std::current_exception();
    }
  }
  // The streams' temporary files go away here.
  streams_.clear();
  if (first) std::rethrow_exception(first);
}

std::string Tracer::digest() const {
  Digest all;
  for (const Digest& d : digests_) all.add(d.hex() + "\n");
  return all.hex();
}

}  // namespace xensim::trace
