// The architectural state of one logical processor: what the SDM (volume 3, 2.1, and volume 1, 3.4) lists as
// registers. Timing models share this one state, so switching between them converts nothing. Plain data: a
// checkpoint copies it.
#pragma once

#include <array>
#include <cstdint>

namespace xensim::cpu {

// General-purpose registers by their encoding.
enum Gpr : std::uint8_t {
  kRax,
  kRcx,
  kRdx,
  kRbx,
  kRsp,
  kRbp,
  kRsi,
  kRdi,
  kR8,
  kR9,
  kR10,
  kR11,
  kR12,
  kR13,
  kR14,
  kR15
};
// gpr[kZeroReg] is always 0: the base or index of an address that has none.
inline constexpr std::uint8_t kZeroReg = 16;

// Segment registers by their encoding.
enum SegReg : std::uint8_t { kEs, kCs, kSs, kDs, kFs, kGs };

// A segment register with its hidden part. attr has the layout of the VMCS's access-rights field (SDM 3, 24.4.1):
// bits 3:0 type, 4 S, 6:5 DPL, 7 P, 12 AVL, 13 L, 14 D/B, 15 G, 16 unusable. limit is in bytes (G already
// applied).
struct Segment {
  std::uint64_t base = 0;
  std::uint32_t limit = 0;
  std::uint32_t attr = 1u << 16;
  std::uint16_t selector = 0;

  constexpr unsigned type() const { return attr & 0xf; }
  constexpr bool code_or_data() const { return attr & 0x10; }  // S
  constexpr unsigned dpl() const { return (attr >> 5) & 3; }
  constexpr bool present() const { return attr & 0x80; }
  constexpr bool long_mode() const { return attr & 0x2000; }  // L
  constexpr bool big() const { return attr & 0x4000; }        // D/B
  constexpr bool granular() const { return attr & 0x8000; }   // G
  constexpr bool unusable() const { return attr & 0x10000; }
  constexpr bool is_code() const { return (attr & 0x18) == 0x18; }
  constexpr bool writable_data() const { return (attr & 0x1a) == 0x12; }
  constexpr bool expand_down() const { return (attr & 0x1c) == 0x14; }
};

struct DescriptorTable {
  std::uint64_t base = 0;
  std::uint16_t limit = 0xffff;
};

// RFLAGS bits.
inline constexpr std::uint64_t kCf = 1 << 0, kPf = 1 << 2, kAf = 1 << 4, kZf = 1 << 6, kSf = 1 << 7, kTf = 1 << 8,
                               kIf = 1 << 9, kDf = 1 << 10, kOf = 1 << 11, kIopl = 3 << 12, kNt = 1 << 14,
                               kRf = 1 << 16, kVm = 1 << 17, kAc = 1 << 18, kVif = 1 << 19, kVip = 1 << 20,
                               kId = 1 << 21;
inline constexpr std::uint64_t kStatusFlags = kCf | kPf | kAf | kZf | kSf | kOf;

// CR0, CR4 and EFER bits.
inline constexpr std::uint64_t kCr0Pe = 1, kCr0Mp = 2, kCr0Em = 4, kCr0Ts = 8, kCr0Et = 16, kCr0Ne = 32,
                               kCr0Wp = 1 << 16, kCr0Am = 1 << 18, kCr0Nw = 1 << 29, kCr0Cd = 1 << 30,
                               kCr0Pg = 1ull << 31;
inline constexpr std::uint64_t kCr4Vme = 1, kCr4Pvi = 2, kCr4Tsd = 4, kCr4De = 8, kCr4Pse = 16, kCr4Pae = 32,
                               kCr4Mce = 64, kCr4Pge = 128, kCr4Pce = 256, kCr4Osfxsr = 512, kCr4Osxmmexcpt = 1024,
                               kCr4Umip = 1 << 11, kCr4La57 = 1 << 12, kCr4Vmxe = 1 << 13, kCr4Smxe = 1 << 14,
                               kCr4Fsgsbase = 1 << 16, kCr4Pcide = 1 << 17, kCr4Osxsave = 1 << 18,
                               kCr4Smep = 1 << 20, kCr4Smap = 1 << 21, kCr4Pke = 1 << 22;
inline constexpr std::uint64_t kEferSce = 1, kEferLme = 1 << 8, kEferLma = 1 << 10, kEferNxe = 1 << 11;

// x87 state as FXSAVE sees it: value registers by physical number (R0…R7), 80 bits each.
struct X87 {
  struct Register {
    std::uint64_t significand = 0;
    std::uint16_t sign_exponent = 0;
  };
  std::array<Register, 8> r;
  std::uint16_t control = 0x0040;  // power-up value (SDM 3, 9.1); FNINIT sets 0x37f
  std::uint16_t status = 0;
  std::uint8_t tag_valid = 0;  // abridged: bit n = R[n] not empty
  std::uint16_t opcode = 0;
  std::uint64_t instruction_pointer = 0;
  std::uint64_t data_pointer = 0;
};

struct alignas(32) Vector {
  std::array<std::uint64_t, 4> q{};  // q[0] lowest; SSE uses the lower two, AVX all four
};

// MSRs that are plain storage or nearly so.
struct Msrs {
  std::uint64_t star = 0, lstar = 0, cstar = 0, fmask = 0;
  std::uint64_t kernel_gs_base = 0;
  std::uint64_t sysenter_cs = 0, sysenter_esp = 0, sysenter_eip = 0;
  std::uint64_t tsc_aux = 0;
  std::uint64_t pat = 0x0007040600070406;
  std::uint64_t tsc_adjust = 0;
  std::uint64_t debugctl = 0;
  std::uint64_t misc_enable = 1;  // fast strings
  std::uint64_t mcg_status = 0;
  std::uint64_t mtrr_def_type = 0x806;
  std::array<std::uint64_t, 11> mtrr_fixed{};
  std::array<std::uint64_t, 16> mtrr_variable{};
  std::uint64_t feature_control = 0;
  std::uint64_t xcr0 = 1, xss = 0;
};

enum class Activity : std::uint8_t { kActive, kHalted, kShutdown, kWaitForSipi };  // VMCS encoding (SDM 3, 24.4.2)

struct ArchState {
  std::array<std::uint64_t, 17> gpr{};  // [kZeroReg] stays 0
  std::uint64_t rip = 0xfff0;
  std::uint64_t rflags =
      2;  // status flags (kStatusFlags) live in Core::flags while a core runs; see Core::rflags()
  std::array<Segment, 6> seg;
  Segment ldtr, tr;
  DescriptorTable gdtr, idtr;
  std::uint64_t cr0 = kCr0Et | kCr0Nw | kCr0Cd, cr2 = 0, cr3 = 0, cr4 = 0, cr8 = 0, efer = 0;
  std::array<std::uint64_t, 4> pdpte{};  // PAE paging: loaded by MOV CR3 and VM entry
  std::array<std::uint64_t, 8> dr{0, 0, 0, 0, 0, 0, 0xffff0ff0, 0x400};
  std::array<Vector, 16> xmm;
  std::uint32_t mxcsr = 0x1f80;
  X87 x87;
  Msrs msr;
  Activity activity = Activity::kActive;
  bool sti_shadow = false;     // blocking by STI for the next instruction boundary
  bool mov_ss_shadow = false;  // blocking by MOV SS / POP SS
  bool nmi_blocked = false;    // until IRET

  constexpr unsigned cpl() const { return seg[kSs].dpl(); }
  constexpr bool paging() const { return cr0 & kCr0Pg; }
  constexpr bool protected_mode() const { return cr0 & kCr0Pe; }
  constexpr bool v8086() const { return (rflags & kVm) != 0; }
  constexpr bool long_mode_active() const { return efer & kEferLma; }
  constexpr bool code64() const { return long_mode_active() && seg[kCs].long_mode(); }
};

}  // namespace xensim::cpu
