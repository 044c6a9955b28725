#include "sim/trace/perfetto_sink.h"

#include <map>
#include <optional>
#include <vector>

#include "sim/base/file.h"
#include "sim/base/units.h"
#include "sim/trace/catalogue.h"
#include "sim/trace/events.h"
#include "sim/trace/protobuf.h"

namespace xensim::trace {
namespace {

// Field numbers of Perfetto's protos (protos/perfetto/trace/…).
namespace field {
constexpr unsigned kTracePacket = 1;  // Trace
// TracePacket
constexpr unsigned kTimestamp = 8, kSequence = 10, kTrackEvent = 11, kInternedData = 12, kSequenceFlags = 13,
                   kTrackDescriptor = 60;
// TrackEvent
constexpr unsigned kDebugAnnotations = 4, kType = 9, kNameIid = 10, kTrackUuid = 11, kCounterValue = 30;
// InternedData.event_names, EventName
constexpr unsigned kEventNames = 2, kIid = 1, kName = 2;
// DebugAnnotation
constexpr unsigned kAnnotationName = 10, kAnnotationUint = 3;
// TrackDescriptor
constexpr unsigned kUuid = 1, kTrackName = 2, kProcess = 3, kThread = 4, kParentUuid = 5, kCounter = 8;
// ProcessDescriptor, ThreadDescriptor, CounterDescriptor
constexpr unsigned kPid = 1, kProcessName = 6, kThreadPid = 1, kThreadTid = 2, kThreadName = 5, kUnitName = 6;
}  // namespace field

enum EventType : std::uint64_t { kSliceBegin = 1, kSliceEnd = 2, kInstant = 3, kCounterType = 4 };
constexpr std::uint64_t kIncrementalStateCleared = 1, kNeedsIncrementalState = 2;

// Track and process numbers. Domain d is process 2 + d; Xen is process 1.
constexpr std::uint64_t kXenPid = 1;
constexpr std::uint64_t pid_of(std::uint16_t domid) { return 2 + std::uint64_t{domid}; }
constexpr std::uint64_t kPcpuTracks = std::uint64_t{1} << 40, kVcpuTracks = std::uint64_t{2} << 40,
                        kRunstateTracks = std::uint64_t{3} << 40, kCounterTracks = std::uint64_t{4} << 40,
                        kProcessTracks = std::uint64_t{5} << 40;

class Writer {
 public:
  Writer(AtomicFile& file, const Trace& trace) : file_(file), trace_(trace) {}

  void run() {
    // All packets are one sequence, so that names are interned once.
    ProtoMessage first;
    first.varint(field::kSequence, 1);
    first.varint(field::kSequenceFlags, kIncrementalStateCleared);
    packet(first);
    process(kProcessTracks + kXenPid, kXenPid, "Xen");
    pcpus_.resize(trace_.streams.size());
    for (std::uint64_t p = 0; p < pcpus_.size(); ++p)
      thread(kPcpuTracks + p, kXenPid, 1 + p, "pCPU " + std::to_string(p));
    for (std::uint64_t c = 0; c < trace_.names.counters.size(); ++c) counter_track(c);

    MergedReader reader(trace_.streams);
    while (auto item = reader.next()) {
      now_ = cycles_to_ns(item->record.tsc, trace_.tsc_hz);
      record(item->pcpu, item->record);
    }
  }

 private:
  struct Pcpu {
    std::optional<VcpuId> current;
  };
  struct Vcpu {
    bool in_runstate = false;
    bool in_exit = false;
    bool in_hypercall = false;
  };
  using Annotations = std::vector<std::pair<std::string_view, std::uint64_t>>;

  // --- Packets.
  void packet(const ProtoMessage& content) {
    ProtoMessage outer;
    outer.message(field::kTracePacket, content);
    file_.write(outer.text());
  }
  void descriptor(const ProtoMessage& track) {
    ProtoMessage p;
    p.varint(field::kSequence, 1);
    p.message(field::kTrackDescriptor, track);
    packet(p);
  }
  void process(std::uint64_t uuid, std::uint64_t pid, const std::string& name) {
    ProtoMessage track, process;
    process.varint(field::kPid, pid);
    process.bytes(field::kProcessName, name);
    track.varint(field::kUuid, uuid);
    track.message(field::kProcess, process);
    descriptor(track);
  }
  void thread(std::uint64_t uuid, std::uint64_t pid, std::uint64_t tid, const std::string& name) {
    ProtoMessage track, thread;
    thread.varint(field::kThreadPid, pid);
    thread.varint(field::kThreadTid, tid);
    thread.bytes(field::kThreadName, name);
    track.varint(field::kUuid, uuid);
    track.message(field::kThread, thread);
    descriptor(track);
  }
  void counter_track(std::uint64_t index) {
    ProtoMessage track, counter;
    counter.bytes(field::kUnitName, trace_.names.counters[index].unit);
    track.varint(field::kUuid, kCounterTracks + index);
    track.bytes(field::kTrackName, trace_.names.counters[index].name);
    track.varint(field::kParentUuid, kProcessTracks + kXenPid);
    track.message(field::kCounter, counter);
    descriptor(track);
  }

  void event(std::uint64_t track, EventType type, const std::string& name = "",
             const Annotations& annotations = {}) {
    ProtoMessage p, e;
    p.varint(field::kTimestamp, now_);
    p.varint(field::kSequence, 1);
    e.varint(field::kType, type);
    e.varint(field::kTrackUuid, track);
    if (!name.empty()) {
      auto [it, added] = names_.try_emplace(name, names_.size() + 1);
      e.varint(field::kNameIid, it->second);
      if (added) {
        ProtoMessage interned, entry;
        entry.varint(field::kIid, it->second);
        entry.bytes(field::kName, name);
        interned.message(field::kEventNames, entry);
        p.message(field::kInternedData, interned);
      }
    }
    for (const auto& [key, value] : annotations) {
      ProtoMessage a;
      a.bytes(field::kAnnotationName, key);
      a.varint(field::kAnnotationUint, value);
      e.message(field::kDebugAnnotations, a);
    }
    p.varint(field::kSequenceFlags, kNeedsIncrementalState);
    p.message(field::kTrackEvent, e);
    packet(p);
  }
  void counter(std::uint64_t index, std::uint64_t value) {
    if (index >= trace_.names.counters.size()) return;
    ProtoMessage p, e;
    p.varint(field::kTimestamp, now_);
    p.varint(field::kSequence, 1);
    e.varint(field::kType, kCounterType);
    e.varint(field::kTrackUuid, kCounterTracks + index);
    e.varint(field::kCounterValue, value);
    p.message(field::kTrackEvent, e);
    packet(p);
  }

  // --- Names and tracks.
  std::string domain_name(std::uint16_t domid) const {
    std::string name = "d" + std::to_string(domid);
    auto it = trace_.names.domains.find(domid);
    return it == trace_.names.domains.end() ? name : name + " " + it->second;
  }
  std::string vcpu_name(VcpuId v) const { return domain_name(v.domid) + " v" + std::to_string(v.vcpu); }
  std::string named(const std::vector<std::string>& names, std::uint32_t index) const {
    return index < names.size() ? names[index] : std::to_string(index);
  }
  std::uint64_t vcpu_track(VcpuId v) const { return kVcpuTracks + v.packed(); }
  Vcpu& vcpu(VcpuId v) {
    auto [it, added] = vcpus_.try_emplace(v);
    if (added) {
      if (auto [d, first] = domains_.try_emplace(v.domid, true); first)
        process(kProcessTracks + pid_of(v.domid), pid_of(v.domid), domain_name(v.domid));
      // Thread numbers are unique in the whole trace; those of pCPUs are below.
      thread(vcpu_track(v), pid_of(v.domid), 0x10000 + (std::uint64_t{v.domid} << 9) + v.vcpu, vcpu_name(v));
      ProtoMessage track;
      track.varint(field::kUuid, kRunstateTracks + v.packed());
      track.bytes(field::kTrackName, vcpu_name(v) + " runstate");
      track.varint(field::kParentUuid, vcpu_track(v));
      descriptor(track);
    }
    return it->second;
  }

  // --- Records.
  void record(unsigned p, const Record& r) {
    if ((r.event & 0xfffff00f) == TRC_SCHED_RUNSTATE_CHANGE && r.count == 1) return runstate(p, r);
    std::uint64_t pcpu = kPcpuTracks + p;
    switch (r.event) {
      case TRC_SCHED_CONTINUE_RUNNING:
      case TRC_SCHED_SWITCH:
      case TRC_SCHED_SWITCH_INFPREV:
      case TRC_SCHED_SWITCH_INFNEXT:
        return;  // the runstates say it
      case TRC_HVM_VMEXIT64:
      case kUnlistedExit:
        return exit(p, r);
      case TRC_HVM_VMENTRY:
        return entry(p);
      case kHypercallEnter: {
        VcpuId v = VcpuId::unpack(r.words[0]);
        if (vcpu(v).in_hypercall) event(vcpu_track(v), kSliceEnd);
        vcpu(v).in_hypercall = true;
        return event(vcpu_track(v), kSliceBegin, std::string(hypercall_name(r.words[1])),
                     {{"op", r.words[1]}, {"first_argument", r.quad(2)}});
      }
      case kHypercallReturn: {
        VcpuId v = VcpuId::unpack(r.words[0]);
        if (vcpu(v).in_hypercall) event(vcpu_track(v), kSliceEnd, "", {{"result", r.quad(2)}});
        vcpu(v).in_hypercall = false;
        return;
      }
      case kCounterValue:
        return counter(r.words[0], r.quad(1));
      case kMark:
        return event(pcpu, kInstant, named(trace_.names.marks, r.words[0]));
      case kLockWait:
        return event(pcpu, kInstant, "lock " + named(trace_.names.locks, r.words[0]), {{"cycles", r.quad(1)}});
      default:
        return instant(p, r);
    }
  }

  void runstate(unsigned p, const Record& r) {
    VcpuId v = VcpuId::unpack(r.words[0]);
    auto from = static_cast<Runstate>((r.event >> 8) & 3), to = static_cast<Runstate>((r.event >> 4) & 3);
    std::uint64_t pcpu = kPcpuTracks + p;
    if (from == Runstate::kRunning && pcpus_[p].current == v) {
      if (v.domid != kIdleDomid) event(pcpu, kSliceEnd);
      pcpus_[p].current.reset();
    }
    if (to == Runstate::kRunning) {
      pcpus_[p].current = v;
      if (v.domid != kIdleDomid) event(pcpu, kSliceBegin, vcpu_name(v));
    }
    if (v.domid == kIdleDomid) return;
    Vcpu& state = vcpu(v);
    std::uint64_t track = kRunstateTracks + v.packed();
    if (state.in_runstate) event(track, kSliceEnd);
    state.in_runstate = to != Runstate::kOffline;
    if (to == Runstate::kRunning)
      event(track, kSliceBegin, "running on pCPU " + std::to_string(p));
    else if (state.in_runstate)
      event(track, kSliceBegin, std::string(runstate_name(static_cast<unsigned>(to))));
  }

  void exit(unsigned p, const Record& r) {
    if (!pcpus_[p].current) return;
    VcpuId v = *pcpus_[p].current;
    entry(p);
    vcpu(v).in_exit = true;
    event(vcpu_track(v), kSliceBegin, "VM exit " + std::string(exit_reason_name(r.words[0])),
          {{"reason", r.words[0]}, {"rip", r.quad(1)}});
  }
  void entry(unsigned p) {
    if (!pcpus_[p].current) return;
    VcpuId v = *pcpus_[p].current;
    Vcpu& state = vcpu(v);
    if (state.in_hypercall) event(vcpu_track(v), kSliceEnd);
    if (state.in_exit) event(vcpu_track(v), kSliceEnd);
    state.in_exit = state.in_hypercall = false;
  }

  // Everything else: an instant with the record's words, on the track of the vCPU that it names, or of the one
  // that runs (handlers of VM exits), or of the pCPU.
  void instant(unsigned p, const Record& r) {
    const EventInfo* info = find_event(r.event);
    std::uint64_t track = kPcpuTracks + p;
    if (info && info->klass == "hvm" && pcpus_[p].current && pcpus_[p].current->domid != kIdleDomid)
      track = (vcpu(*pcpus_[p].current), vcpu_track(*pcpus_[p].current));
    Annotations annotations;
    std::string_view names = info ? info->words : std::string_view();
    for (unsigned i = 0; i < r.count;) {
      std::string_view name = names.substr(0, names.find(' '));
      names.remove_prefix(std::min(names.size(), name.size() + 1));
      if (name.starts_with("q:") && i + 1 < r.count) {
        annotations.emplace_back(name.substr(2), r.quad(i));
        i += 2;
        continue;
      }
      std::uint32_t w = r.words[i++];
      if (name.starts_with("v:")) {
        VcpuId v = VcpuId::unpack(w);
        if (v.domid != kIdleDomid) track = (vcpu(v), vcpu_track(v));
        continue;
      }
      annotations.emplace_back(name.empty() ? "word" : name, w);
    }
    std::string name = info ? std::string(info->name) : "event " + std::to_string(r.event);
    event(track, kInstant, name, annotations);
  }

  AtomicFile& file_;
  const Trace& trace_;
  Nanoseconds now_ = 0;
  std::vector<Pcpu> pcpus_;
  std::map<VcpuId, Vcpu> vcpus_;
  std::map<std::uint16_t, bool> domains_;
  std::map<std::string, std::uint64_t> names_;
};

}  // namespace

void PerfettoSink::write(const Trace& trace) {
  AtomicFile file(path_);
  Writer(file, trace).run();
  file.commit();
}

}  // namespace xensim::trace
