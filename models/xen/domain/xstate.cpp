#include "models/xen/domain/xstate.h"

#include <algorithm>

#include "models/cpu/isa/fxsave.h"
#include "models/cpu/xstate.h"
#include "models/xen/hypervisor.h"
#include "sim/base/bits.h"

namespace xensim::xen::xstate {

namespace {

namespace cx = cpu::xstate;

constexpr std::uint64_t kFpSse = cx::kX87 | cx::kSse;
constexpr std::uint64_t kLine = 64;
// Areas lie side by side in a page of Xen's, each aligned to a line.
constexpr std::uint64_t kAreaStride = (cx::kMostBytes + kLine - 1) & ~(kLine - 1);
constexpr unsigned kAreasPerPage = static_cast<unsigned>(kPageSize / kAreaStride);
constexpr unsigned kFeatureXsave = 26, kFeatureAvx = 28;
constexpr std::uint32_t kFeatureXsaves = 1 << 3;

// The lines of an area that hold these components. XSAVES leaves out what is not in use.
std::vector<PhysAddr> lines_of(const Vcpu& v, std::uint64_t components) {
  std::vector<PhysAddr> lines;
  if (v.xsave_area == PhysAddr(0)) return lines;
  for (std::uint64_t at = 0; at < cx::compact_bytes(components); at += kLine) lines.push_back(v.xsave_area + at);
  return lines;
}

std::uint64_t components_of(const Hypervisor& hv, const Vcpu& v) {
  const cpu::ArchState* st = &v.context.st;
  for (const PcpuState& c : hv.pcpus)
    if (c.loaded == &v) st = &c.pcpu->core.st;
  return (v.xcr0_accum | kFpSse) & (cx::in_use(*st) | kFpSse);
}

void charge(Hypervisor& hv, PcpuState& c, const Vcpu& v, Path path) {
  const std::vector<PhysAddr> lines = lines_of(v, components_of(hv, v));
  if (path == Path::kXstateSave)
    hv.cost.charge(*c.pcpu, path, {}, lines);
  else
    hv.cost.charge(*c.pcpu, path, lines, {});
}

}  // namespace

std::uint64_t supported(const Hypervisor& hv) {
  return cx::user_components(hv.pcpus.front().pcpu->core.cpuid) & cx::kUser;
}

std::uint64_t loaded_xcr0(const Hypervisor& hv, const Vcpu& v) {
  if (v.xcr0 != 0) return v.xcr0;
  return supported(hv) != 0 ? kFpSse : cx::kX87;
}

void create(Hypervisor& hv, Vcpu& v) {
  if (supported(hv) == 0) return;
  const unsigned place = v.id % kAreasPerPage;
  v.xsave_area =
      place == 0 ? address_of(hv.allocate_xen_page(v.domain)) : v.domain.vcpus[v.id - 1]->xsave_area + kAreaStride;
}

long set_xcr0(PcpuState& c, Vcpu& v, std::uint32_t index, std::uint64_t value) {
  if (index != 0) return -kEopnotsupp;
  if (!cx::valid_xcr0(value, cx::user_components(v.domain.cpuid))) return -kEinval;
  v.xcr0 = value;
  v.xcr0_accum |= value;
  c.pcpu->core.st.msr.xcr0 = value;
  return 0;
}

void charge_switch(Hypervisor& hv, PcpuState& c, Vcpu* next) {
  if (!next || c.xstate_of == next || supported(hv) == 0) return;
  if (c.xstate_of) charge(hv, c, *c.xstate_of, Path::kXstateSave);
  // Still in the registers of a pCPU that has been idle since: that one saves it, and this one waits for it.
  for (PcpuState& other : hv.pcpus)
    if (other.xstate_of == next) {
      charge(hv, c, *next, Path::kXstateSave);
      other.xstate_of = nullptr;
    }
  charge(hv, c, *next, Path::kXstateRestore);
  c.xstate_of = next;
}

std::vector<std::uint8_t> image(Hypervisor& hv, Vcpu& v) {
  std::vector<std::uint8_t> bytes(cx::standard_bytes(v.xcr0_accum));
  cx::store_image(hv.vcpu_state(v), v.xcr0_accum, bytes.data());
  return bytes;
}

long validate(const Hypervisor& hv, const Domain& d, std::uint64_t xcr0, std::uint64_t accumulated,
              std::span<const std::uint8_t> area) {
  const auto word = [&](unsigned at) {
    std::uint64_t v = 0;
    std::copy_n(area.begin() + at, sizeof v, reinterpret_cast<std::uint8_t*>(&v));
    return v;
  };
  const std::uint64_t most = cx::user_components(d.cpuid);
  if ((word(cx::kHeader) & ~accumulated) || (xcr0 & ~accumulated)) return -kEinval;
  if (!cx::valid_xcr0(xcr0, most) || !cx::valid_xcr0(accumulated, most)) return -kEinval;
  if ((accumulated & ~supported(hv)) || word(cx::kHeader + 8) != 0) return -kEopnotsupp;
  for (unsigned at = cx::kHeader + 16; at < cx::kExtended; at += 8)
    if (word(at) != 0) return -kEio;
  return 0;
}

void load(Hypervisor& hv, Vcpu& v, std::uint64_t xcr0, std::uint64_t accumulated,
          std::span<const std::uint8_t> area) {
  v.xcr0 = xcr0;
  v.xcr0_accum = accumulated;
  cpu::ArchState st = hv.vcpu_state(v);
  cx::load_image(st, accumulated, area.data());
  const std::uint32_t info = v.reinject_info, error = v.reinject_error;  // set_vcpu_state() forgets them
  hv.set_vcpu_state(v, st);
  v.reinject_info = info;
  v.reinject_error = error;
}

void recalculate(cpu::CpuidPolicy& policy) {
  const std::uint32_t features = policy.query(0xd, 1).eax;
  if (!policy.has_1_ecx(kFeatureXsave)) {
    for (std::uint32_t s = 0; s < 63; ++s) policy.set(0xd, s, {});
    return;
  }
  // No supervisor state, so that IA32_XSS has no bits whether XSAVES is there or not.
  static_assert(cx::kSupervisor == 0 && kFeatureXsaves != 0);
  cx::set_cpuid(policy, kFpSse | (policy.has_1_ecx(kFeatureAvx) ? cx::kAvx : 0), features);
}

}  // namespace xensim::xen::xstate
