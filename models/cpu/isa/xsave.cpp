// XSAVE, XSAVEOPT, XSAVEC, XSAVES, XRSTOR, XRSTORS, XGETBV and XSETBV (SDM 1, 13.7–13.12; SDM 2; SDM 3, 25.1.3 for
// the XSS-exiting bitmap). What a component is, and where it lies, is in models/cpu/xstate.h.
//
// The init optimization is done by XSAVEOPT, XSAVEC and XSAVES, as the manual demands of the latter two; the
// modified optimization, which it allows, is not. Everything is checked before the first byte is written or the
// first register loaded. Outside 64-bit mode registers 8 to 15 are neither saved nor loaded.
#include "models/cpu/xstate.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "models/cpu/isa/fxsave.h"
#include "models/cpu/isa/x87_state.h"

namespace xensim::cpu::isa {

namespace {

using namespace xstate;

constexpr unsigned kXcompBv = kHeader + 8, kReserved = kHeader + 16;
constexpr std::uint32_t kInitialMxcsr = 0x1f80;

enum class Save : std::uint8_t { kPlain, kOptimized, kCompact, kSupervisor };

std::uint64_t edx_eax(const ArchState& st) {
  return static_cast<std::uint32_t>(st.gpr[kRax]) | st.gpr[kRdx] << 32;
}
bool enabled(const Core& c) { return c.st.cr4 & kCr4Osxsave; }

// Byte ranges of an area, and its bytes.
class Area {
 public:
  void add(unsigned offset, unsigned bytes) {
    if (count_ > 0 && part_[count_ - 1].end == offset)
      part_[count_ - 1].end += bytes;
    else
      part_[count_++] = {offset, offset + bytes};
  }
  Outcome read(Core& c, std::uint64_t linear) {
    return for_each_piece([&](unsigned at, unsigned bytes) {
      return c.mmu.read(LinearAddr(linear + at), &byte_[at], bytes, c.mmu.current_view());
    });
  }
  Outcome write(Core& c, std::uint64_t linear) const {
    const Outcome probe = for_each_piece([&](unsigned at, unsigned bytes) {
      return c.mmu.probe_write(LinearAddr(linear + at), bytes, c.mmu.current_view());
    });
    if (failed(probe)) return probe;
    return for_each_piece([&](unsigned at, unsigned bytes) {
      return c.mmu.write(LinearAddr(linear + at), &byte_[at], bytes, c.mmu.current_view());
    });
  }
  std::uint8_t* bytes() { return byte_.data(); }
  template <class T>
  T get(unsigned at) const {
    T v;
    std::memcpy(&v, &byte_[at], sizeof v);
    return v;
  }
  template <class T>
  void put(unsigned at, T v) {
    std::memcpy(&byte_[at], &v, sizeof v);
  }

 private:
  // One access per line.
  template <class F>
  Outcome for_each_piece(F f) const {
    Outcome result = Outcome::kNext;
    for (unsigned i = 0; i < count_; ++i)
      for (unsigned at = part_[i].from; at < part_[i].end;) {
        const unsigned to = std::min(part_[i].end, (at | 63) + 1);
        const Outcome o = f(at, to - at);
        if (failed(o)) return o;
        if (o != Outcome::kNext) result = o;
        at = to;
      }
    return result;
  }

  struct Part {
    unsigned from, end;
  };
  std::array<Part, 8> part_{};
  unsigned count_ = 0;
  alignas(64) std::array<std::uint8_t, kMostBytes> byte_{};
};

// Where component 2 begins in a compact area: it is the only one that this processor has.
constexpr unsigned kAvxOffset = kExtended;

void add_avx(Area& area, unsigned registers) { area.add(kAvxOffset, 16 * registers); }
void add_x87(Area& area) {
  area.add(0, kImageMxcsr);
  area.add(kImageStack, kImageXmm - kImageStack);
}

Outcome area_address(Core& c, const Op& op, bool write, std::uint64_t& out) {
  if (!c.linear_address(op, kExtended, write, out)) return Outcome::kFault;
  return out & 63 ? c.raise_gp() : Outcome::kNext;
}

// The checks before memory is looked at. supervisor: XSAVES, XRSTORS.
template <bool kSupervisor>
Outcome check(Core& c, const Op& op, bool save) {
  if (!enabled(c)) return c.raise_ud();
  if constexpr (kSupervisor) {
    if (c.vmx.non_root && !c.vmx.controls.xsaves()) return c.raise_ud();
    if (c.st.cpl() != 0 || c.st.v8086()) return c.raise_gp(0);
    if (Outcome o = c.vmx.on_xsaves(op, save, edx_eax(c.st) & c.st.msr.xss); failed(o)) return o;
  }
  return c.st.cr0 & kCr0Ts ? c.raise(kNm) : Outcome::kNext;
}

// sub: the number of registers of each kind.
template <Save kKind, bool kWide>
Outcome save(Core& c, const Op& op) {
  if (Outcome o = check<kKind == Save::kSupervisor>(c, op, true); failed(o)) return o;
  std::uint64_t a;
  if (Outcome o = area_address(c, op, true, a); failed(o)) return o;
  const ArchState& st = c.st;
  const std::uint64_t requested =
      edx_eax(st) & (kKind == Save::kSupervisor ? st.msr.xcr0 | st.msr.xss : st.msr.xcr0);
  constexpr bool kCompacts = kKind == Save::kCompact || kKind == Save::kSupervisor;
  std::uint64_t used = in_use(st);
  if (kCompacts && st.mxcsr != kInitialMxcsr) used |= kSse;
  const std::uint64_t saved = kKind == Save::kPlain ? requested : requested & used;

  Area area;
  store_fxsave_image(st, kWide, op.sub, area.bytes());
  for (unsigned i = 0; i < op.sub; ++i) std::memcpy(area.bytes() + kAvxOffset + 16 * i, &st.xmm[i].q[2], 16);
  std::uint64_t present = requested & used;
  if constexpr (!kCompacts) {
    std::uint64_t before = 0;
    if (Outcome o = c.read_linear(a + kHeader, before); failed(o)) return o;
    present |= before & ~requested;
  }
  area.put(kHeader, present);
  area.put(kXcompBv, requested | kCompact);

  if (saved & kX87) area.add(0, kImageMxcsr);
  if (kCompacts ? saved & kSse : requested & (kSse | kAvx)) area.add(kImageMxcsr, 8);
  if (saved & kX87) area.add(kImageStack, kImageXmm - kImageStack);
  if (saved & kSse) area.add(kImageXmm, 16u * op.sub);
  area.add(kHeader, kCompacts ? 16 : 8);
  if (saved & kAvx) add_avx(area, op.sub);
  return area.write(c, a);
}

// SDM 1, 13.8.1, 13.8.2 and 13.12: what is wrong with the header of an area.
bool acceptable_header(const Area& area, std::uint64_t allowed, bool must_be_compact) {
  const auto present = area.get<std::uint64_t>(kHeader), format = area.get<std::uint64_t>(kXcompBv);
  if (!(format & kCompact)) {
    if (must_be_compact || format != 0 || area.get<std::uint64_t>(kReserved) != 0) return false;
    return (present & ~allowed) == 0;
  }
  for (unsigned at = kReserved; at < kExtended; at += 8)
    if (area.get<std::uint64_t>(at) != 0) return false;
  return (format & ~kCompact & ~allowed) == 0 && (present & ~format) == 0;
}

template <bool kSupervisor, bool kWide>
Outcome restore(Core& c, const Op& op) {
  if (Outcome o = check<kSupervisor>(c, op, false); failed(o)) return o;
  std::uint64_t a;
  if (Outcome o = area_address(c, op, false, a); failed(o)) return o;
  ArchState& st = c.st;
  const std::uint64_t allowed = kSupervisor ? st.msr.xcr0 | st.msr.xss : st.msr.xcr0;
  const std::uint64_t requested = edx_eax(st) & allowed;

  Area header;
  header.add(kHeader, kHeaderBytes);
  if (Outcome o = header.read(c, a); failed(o)) return o;
  if (!acceptable_header(header, allowed, kSupervisor)) return c.raise_gp();
  const bool compact = header.get<std::uint64_t>(kXcompBv) & kCompact;
  const std::uint64_t loaded = requested & header.get<std::uint64_t>(kHeader), initial = requested & ~loaded;
  const bool mxcsr = compact ? loaded & kSse : requested & (kSse | kAvx);

  Area area;
  if (loaded & kX87) add_x87(area);
  if (mxcsr) area.add(kImageMxcsr, 8);
  if (loaded & kSse) area.add(kImageXmm, 16u * op.sub);
  if (loaded & kAvx) add_avx(area, op.sub);
  if (Outcome o = area.read(c, a); failed(o)) return o;
  if (mxcsr && (mxcsr_of_image(area.bytes()) & ~kMxcsrMask)) return c.raise_gp();

  if (loaded & kX87) load_x87_image(st, kWide, area.bytes());
  if (initial & kX87) initialise_x87(st);
  if (mxcsr) st.mxcsr = mxcsr_of_image(area.bytes());
  if (compact && (initial & kSse)) st.mxcsr = kInitialMxcsr;
  if (loaded & kSse) load_xmm_image(st, op.sub, area.bytes());
  if (initial & kSse) initialise_sse(st, op.sub);
  if (loaded & kAvx)
    for (unsigned i = 0; i < op.sub; ++i) std::memcpy(&st.xmm[i].q[2], area.bytes() + kAvxOffset + 16 * i, 16);
  if (initial & kAvx) initialise_avx(st, op.sub);
  return Outcome::kNext;
}

// ECX 1: the components of XCR0 that are in use.
Outcome xgetbv(Core& c, const Op&) {
  if (!enabled(c)) return c.raise_ud();
  const auto index = static_cast<std::uint32_t>(c.st.gpr[kRcx]);
  const bool has_in_use = c.cpuid.query(0xd, 1).eax & 4;
  if (index > (has_in_use ? 1 : 0)) return c.raise_gp(0);
  std::uint64_t v = c.st.msr.xcr0;
  if (index == 1) v &= in_use(c.st) | (c.st.mxcsr != kInitialMxcsr ? kSse : 0);
  c.st.gpr[kRax] = static_cast<std::uint32_t>(v);
  c.st.gpr[kRdx] = v >> 32;
  return Outcome::kNext;
}

Outcome xsetbv(Core& c, const Op& op) {
  ArchState& st = c.st;
  if (!enabled(c)) return c.raise_ud();
  if (st.cpl() != 0 || st.v8086()) return c.raise_gp(0);
  if (Outcome o = c.vmx.on_xsetbv(op); failed(o)) return o;
  const std::uint64_t v = edx_eax(st);
  if (static_cast<std::uint32_t>(st.gpr[kRcx]) != 0 || !valid_xcr0(v, user_components(c.cpuid)))
    return c.raise_gp(0);
  st.msr.xcr0 = v;
  return Outcome::kEndBlock;
}

template <Handler kHandler>
Handler bind(const DecodedInstruction& d, Op& op) {
  op.sub = d.mode64() ? 16 : 8;
  return kHandler;
}

#define SAVE_ROW(name, kind)                                                                            \
  Form(ZYDIS_MNEMONIC_##name, CostClass::kXsave, BlockShape::kStraight, bind<save<Save::kind, false>>), \
      Form(ZYDIS_MNEMONIC_##name##64, CostClass::kXsave, BlockShape::kStraight, bind<save<Save::kind, true>>)
#define RESTORE_ROW(name, supervisor)                                                                      \
  Form(ZYDIS_MNEMONIC_##name, CostClass::kXsave, BlockShape::kStraight, bind<restore<supervisor, false>>), \
      Form(ZYDIS_MNEMONIC_##name##64, CostClass::kXsave, BlockShape::kStraight, bind<restore<supervisor, true>>)

constexpr Form kForms[] = {
    SAVE_ROW(XSAVE, kPlain),
    SAVE_ROW(XSAVEOPT, kOptimized),
    SAVE_ROW(XSAVEC, kCompact),
    SAVE_ROW(XSAVES, kSupervisor),
    RESTORE_ROW(XRSTOR, false),
    RESTORE_ROW(XRSTORS, true),
    Form(ZYDIS_MNEMONIC_XGETBV, CostClass::kXsave, BlockShape::kStraight, bind<xgetbv>),
    Form(ZYDIS_MNEMONIC_XSETBV, CostClass::kXsave, BlockShape::kEnds, bind<xsetbv>),
};

}  // namespace

std::span<const Form> xsave_forms() { return kForms; }

}  // namespace xensim::cpu::isa
