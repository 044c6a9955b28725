// Construction, time, and the views of registers. The state that the constructor leaves is that after RESET (SDM
// 3, table 9-1).
#include "models/cpu/core.h"

#include <utility>

#include "models/cpu/timing/timing_concept.h"

namespace xensim::cpu {

static_assert(TimingModel<FunctionalTiming> && TimingModel<InorderTiming>);

namespace {

constexpr std::uint32_t kRealModeCode = 0x9b, kRealModeData = 0x93, kLdtAttr = 0x82, kTssAttr = 0x8b;

bool flat(const Segment& s) { return s.base == 0 && s.limit == 0xffffffff && !s.unusable(); }
bool flat_data(const Segment& s) { return flat(s) && s.present() && s.writable_data() && !s.expand_down(); }

}  // namespace

Core::Core(unsigned core_index, const CoreConfig& core_config, memory::PhysicalMemory& ram,
           memory::Hierarchy& hierarchy, CoreEnvironment& outside, CpuidPolicy policy)
    : index(core_index),
      config(core_config),
      memory(ram),
      caches(hierarchy),
      environment(outside),
      cpuid(std::move(policy)),
      mmu(*this, ram, core_config.tlb),
      vmx(*this, ram),
      blocks(*this, ram),
      functional(*this),
      inorder(*this, core_config.inorder) {
  for (Segment& s : st.seg) s = {.base = 0, .limit = 0xffff, .attr = kRealModeData, .selector = 0};
  st.seg[kCs] = {.base = 0xffff0000, .limit = 0xffff, .attr = kRealModeCode, .selector = 0xf000};
  st.ldtr = {.base = 0, .limit = 0xffff, .attr = kLdtAttr, .selector = 0};
  st.tr = {.base = 0, .limit = 0xffff, .attr = kTssAttr, .selector = 0};
  st.gpr[kRdx] = cpuid.query(1, 0).eax;
  flags.load(st.rflags);
  update_mode();
}

void Core::advance(Cycles n, CpiCategory why) {
  if (timing == TimingKind::kFunctional) functional.settle();
  now += n;
  cpi.add(why, n);
  functional.restart_at(now);
  if (timing == TimingKind::kInorder) inorder.restart_at(now);
}

void Core::set_timing(TimingKind kind) {
  timing = kind;
  functional.restart_at(now);
  if (kind == TimingKind::kInorder) inorder.restart_at(now);
}

std::uint64_t Core::tsc_at(Cycles time) const {
  const std::uint64_t value = time + st.msr.tsc_adjust;
  return vmx.non_root ? vmx.guest_tsc(value) : value;
}

void Core::update_mode() {
  if (st.code64()) {
    mode = kMode64 | kModeCodeFlat;
    return;
  }
  mode = 0;
  if (!st.protected_mode())
    mode |= kModeReal;
  else if (st.v8086())
    mode |= kModeV8086;
  if (st.seg[kCs].big()) mode |= kModeCode32;
  if (st.seg[kSs].big()) mode |= kModeStack32;
  if (flat(st.seg[kCs])) mode |= kModeCodeFlat;
  if (flat_data(st.seg[kDs]) && flat_data(st.seg[kEs]) && flat_data(st.seg[kSs])) mode |= kModeFlat;
}

Outcome Core::raise(std::uint8_t vector) {
  fault = Event{.vector = vector};
  return Outcome::kFault;
}

Outcome Core::raise(std::uint8_t vector, std::uint32_t error_code) {
  fault = Event{.vector = vector, .has_error_code = true, .error_code = error_code};
  return Outcome::kFault;
}

}  // namespace xensim::cpu
