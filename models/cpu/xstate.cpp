#include "models/cpu/xstate.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "models/cpu/isa/fxsave.h"

namespace xensim::cpu::xstate {

namespace {

constexpr std::array<Component, 1> kComponents{{{2, kAvxBytes, kExtended, false}}};

constexpr std::uint32_t low(std::uint64_t v) { return static_cast<std::uint32_t>(v); }
constexpr std::uint32_t high(std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); }
constexpr std::uint64_t flag(unsigned number) { return std::uint64_t{1} << number; }

constexpr std::uint32_t kXsavec = 1 << 1, kXsaves = 1 << 3;

}  // namespace

std::span<const Component> components() { return kComponents; }

unsigned standard_bytes(std::uint64_t mask) {
  unsigned n = kExtended;
  for (const Component& c : kComponents)
    if (mask & flag(c.number)) n = std::max(n, c.offset + c.bytes);
  return n;
}

unsigned compact_bytes(std::uint64_t mask) {
  unsigned n = kExtended;
  for (const Component& c : kComponents) {
    if (!(mask & flag(c.number))) continue;
    if (c.aligned) n = (n + 63) & ~63u;
    n += c.bytes;
  }
  return n;
}

std::uint64_t in_use(const ArchState& st) {
  const X87& x = st.x87;
  bool x87 = x.control != 0x37f || x.status != 0 || x.tag_valid != 0 || x.opcode != 0 ||
             x.instruction_pointer != 0 || x.data_pointer != 0;
  for (const X87::Register& r : x.r) x87 = x87 || r.significand != 0 || r.sign_exponent != 0;
  std::uint64_t sse = 0, avx = 0;
  for (const Vector& v : st.xmm) {
    sse |= v.q[0] | v.q[1];
    avx |= v.q[2] | v.q[3];
  }
  return (x87 ? kX87 : 0) | (sse ? kSse : 0) | (avx ? kAvx : 0);
}

void initialise_x87(ArchState& st) {
  st.x87 = {};
  st.x87.control = 0x37f;
}
void initialise_sse(ArchState& st, unsigned registers) {
  for (unsigned i = 0; i < registers; ++i) st.xmm[i].q[0] = st.xmm[i].q[1] = 0;
}
void initialise_avx(ArchState& st, unsigned registers) {
  for (unsigned i = 0; i < registers; ++i) st.xmm[i].q[2] = st.xmm[i].q[3] = 0;
}

bool valid_xcr0(std::uint64_t value, std::uint64_t supported) {
  return (value & kX87) && !(value & ~supported) && (!(value & kAvx) || (value & kSse));
}

void set_cpuid(CpuidPolicy& policy, std::uint64_t user, std::uint32_t features) {
  policy.set(0xd, 0, {low(user), standard_bytes(kX87), standard_bytes(user), high(user)});
  policy.set(0xd, 1, {features, 0, low(kSupervisor), high(kSupervisor)});
  for (const Component& c : kComponents)
    policy.set(
        0xd, c.number,
        user & flag(c.number) ? CpuidRegisters{c.bytes, c.offset, c.aligned ? 2u : 0u, 0} : CpuidRegisters{});
}

void update_cpuid(CpuidRegisters& r, std::uint32_t subleaf, const Msrs& msr) {
  if (subleaf == 0 && r.eax != 0) r.ebx = standard_bytes(msr.xcr0);
  if (subleaf == 1 && (r.eax & (kXsavec | kXsaves))) r.ebx = compact_bytes(msr.xcr0 | msr.xss);
}

std::uint64_t user_components(const CpuidPolicy& policy) {
  const CpuidRegisters r = policy.query(0xd, 0);
  return r.eax | std::uint64_t{r.edx} << 32;
}

void store_image(const ArchState& st, std::uint64_t mask, std::uint8_t* image) {
  std::memset(image, 0, standard_bytes(mask));
  isa::store_fxsave_image(st, true, 16, image);
  const std::uint64_t used = mask & in_use(st);
  std::memcpy(image + kHeader, &used, sizeof used);
  if (mask & kAvx)
    for (unsigned i = 0; i < 16; ++i) std::memcpy(image + kExtended + 16 * i, &st.xmm[i].q[2], 16);
}

void load_image(ArchState& st, std::uint64_t mask, const std::uint8_t* image) {
  std::uint64_t used;
  std::memcpy(&used, image + kHeader, sizeof used);
  if (mask & kX87) {
    if (used & kX87)
      isa::load_x87_image(st, true, image);
    else
      initialise_x87(st);
  }
  if (mask & (kSse | kAvx)) st.mxcsr = isa::mxcsr_of_image(image) & isa::kMxcsrMask;
  if (mask & kSse) {
    if (used & kSse)
      isa::load_xmm_image(st, 16, image);
    else
      initialise_sse(st, 16);
  }
  if (mask & kAvx) {
    initialise_avx(st, 16);
    if (used & kAvx)
      for (unsigned i = 0; i < 16; ++i) std::memcpy(&st.xmm[i].q[2], image + kExtended + 16 * i, 16);
  }
}

}  // namespace xensim::cpu::xstate
