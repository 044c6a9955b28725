#include "tools/xensim/host_output.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "sim/stats/write.h"
#include "sim/trace/perfetto_sink.h"
#include "sim/trace/text_sink.h"
#include "sim/trace/xentrace_sink.h"

namespace xensim::tool {

namespace {
std::string folder_of_host(const std::string& out, const std::string& host) {
  return out.empty() || host.empty() ? out : out + "/" + host;
}
std::string in_front(const std::string& host) { return host.empty() ? "" : host + "/"; }
}  // namespace

namespace {

bool is_result(std::string name) {
  if (name.ends_with(".part")) name.resize(name.size() - 5);
  static constexpr std::array<std::string_view, 8> kNames{"stats.json", "host.json",         "config.json",
                                                          "xl.log",     "trace.xen",         "trace.pftrace",
                                                          "trace.txt",  "xenstore-input.log"};
  if (std::find(kNames.begin(), kNames.end(), name) != kNames.end() || name.starts_with("core-")) return true;
  return name.ends_with(".log") && (name.starts_with("console-") || name.starts_with("script-"));
}

void remove_results_in(const std::filesystem::path& folder) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    if (entry.is_regular_file(ignored) && is_result(entry.path().filename().string()))
      std::filesystem::remove(entry.path(), ignored);
}

}  // namespace

void remove_results(const std::string& out) {
  std::error_code ignored;
  if (!std::filesystem::exists(out + "/config.json", ignored)) return;
  remove_results_in(out);
  for (const auto& entry : std::filesystem::directory_iterator(out, ignored))
    if (entry.is_directory(ignored) && std::filesystem::exists(entry.path() / "stats.json", ignored)) {
      remove_results_in(entry.path());
      std::filesystem::remove(entry.path(), ignored);  // if nothing else is in it
    }
}

HostOutput::HostOutput(const std::string& out, std::string name, std::FILE* terminal)
    : folder(folder_of_host(out, name)),
      host(std::move(name)),
      consoles_(folder, terminal, in_front(host)),
      xl_log_(folder, terminal, in_front(host)) {}

std::unique_ptr<trace::Tracer> HostOutput::make_tracer(const machine::ScenarioConfig& s) const {
  bool on = false;
  for (const std::string& kind : s.trace) on |= kind != "none";
  if (!on) return std::make_unique<trace::Tracer>();
  trace::TracerConfig c;
  c.pcpus = s.machine.cpu.count;
  c.tsc_hz = s.machine.cpu.frequency;
  c.spill_folder = folder;
  auto tracer = std::make_unique<trace::Tracer>(c);
  for (const std::string& kind : s.trace) {
    if (kind == "xentrace") tracer->add_sink(std::make_unique<trace::XentraceSink>(folder + "/trace.xen"));
    if (kind == "perfetto") tracer->add_sink(std::make_unique<trace::PerfettoSink>(folder + "/trace.pftrace"));
    if (kind == "text") tracer->add_sink(std::make_unique<trace::TextSink>(folder + "/trace.txt"));
  }
  return tracer;
}

dom0::ConsoleSink HostOutput::console_sink() {
  return [this](domid_t domid, std::string_view text) { consoles_.write(domid, text); };
}

void HostOutput::attach(machine::Machine& m) {
  machine_ = &m;
  m.toolstack->on_verb = [this](std::uint64_t, const dom0::VerbRecord& r) { xl_log_.add(r); };
  if (!folder.empty()) m.toolstack->open_core = [this](const std::string& name) { return open_core(name); };
  m.toolstack->on_create = [this](domid_t domid, const std::string& name) { consoles_.open(domid, name); };
}

// A domain that was restarted may crash again: its last core stays.
dom0::CoreSink HostOutput::open_core(const std::string& name) {
  std::unique_ptr<AtomicFile>& file = cores_[name];
  if (file) file->commit();
  file = std::make_unique<AtomicFile>(folder + "/core-" + name);
  return [f = file.get()](std::span<const std::uint8_t> bytes) { f->write(bytes.data(), bytes.size()); };
}

void HostOutput::write() {
  for (const dom0::VerbRecord* r : machine_->toolstack->under_way()) xl_log_.add(*r);
  stats_ = std::make_unique<AtomicFile>(folder + "/stats.json");
  stats_->write(stats::to_json(machine_->stats.snapshot()));
  stats_->flush();
}

void HostOutput::commit() {
  machine_->tracer->close(machine_->now());
  consoles_.commit();
  xl_log_.commit();
  for (auto& [name, file] : cores_) file->commit();
  stats_->commit();
}

}  // namespace xensim::tool
