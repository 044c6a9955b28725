// The default CPUID policy, leaf by leaf, and the lookup (SDM 2, CPUID). The policy reports only what models/cpu
// executes; the modelled Xen derives guests' policies from it.
#include "models/cpu/cpuid.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>

#include "models/cpu/xstate.h"

namespace xensim::cpu {
namespace {

constexpr std::uint32_t set_bits(std::initializer_list<unsigned> numbers) {
  std::uint32_t v = 0;
  for (unsigned n : numbers) v |= 1u << n;
  return v;
}

std::uint32_t word(const char* text, unsigned at) {
  std::uint32_t v = 0;
  std::memcpy(&v, text + at, 4);
  return v;
}

constexpr std::uint32_t kMaxBasic = 0x16, kMaxExtended = 0x80000008;

// Family 6, model 0x5e, stepping 3: Skylake's client part. It has no AVX-512 either, which matters: compilers and
// programs (__builtin_cpu_is, target_clones) take the server part's model for AVX-512 without looking further.
constexpr std::uint32_t kSignature = 0x000506e3;

constexpr std::uint32_t k1Ecx = set_bits(
    {0 /* SSE3 */, 1 /* PCLMULQDQ */, 3 /* MONITOR */, 5 /* VMX */, 9 /* SSSE3 */, 12 /* FMA */, 13 /* CX16 */,
     17 /* PCID */, 19 /* SSE4.1 */, 20 /* SSE4.2 */, 21 /* x2APIC */, 22 /* MOVBE */, 23 /* POPCNT */,
     24 /* TSC-deadline */, 25 /* AES */, 26 /* XSAVE */, 28 /* AVX */, 29 /* F16C */, 30 /* RDRAND */});
constexpr std::uint32_t k1Edx = set_bits({0 /* FPU */,    2 /* DE */,
                                          3 /* PSE */,    4 /* TSC */,
                                          5 /* MSR */,    6 /* PAE */,
                                          7 /* MCE */,    8 /* CX8 */,
                                          9 /* APIC */,   11 /* SEP */,
                                          12 /* MTRR */,  13 /* PGE */,
                                          14 /* MCA */,   15 /* CMOV */,
                                          16 /* PAT */,   17 /* PSE-36 */,
                                          19 /* CLFSH */, 23 /* MMX */,
                                          24 /* FXSR */,  25 /* SSE */,
                                          26 /* SSE2 */,  27 /* SS */});
constexpr std::uint32_t k7Ebx =
    set_bits({0 /* FSGSBASE */, 1 /* TSC_ADJUST */, 3 /* BMI1 */, 5 /* AVX2 */, 7 /* SMEP */, 8 /* BMI2 */,
              9 /* ERMS */, 10 /* INVPCID */, 18 /* RDSEED */, 19 /* ADX */, 20 /* SMAP */, 23 /* CLFLUSHOPT */,
              24 /* CLWB */, 29 /* SHA */});
constexpr std::uint32_t k7Ecx = set_bits({2 /* UMIP */, 22 /* RDPID */});
constexpr std::uint32_t k7Edx = set_bits({29 /* ARCH_CAPABILITIES */});
constexpr std::uint32_t kExtEcx = set_bits({0 /* LAHF in 64-bit mode */, 5 /* LZCNT */});
constexpr std::uint32_t kExtEdx =
    set_bits({11 /* SYSCALL */, 20 /* NX */, 26 /* 1 GiB pages */, 27 /* RDTSCP */, 29 /* long mode */});

// Leaf 0xd, subleaf 1.
constexpr std::uint32_t kXsaveFeatures =
    set_bits({0 /* XSAVEOPT */, 1 /* XSAVEC */, 2 /* XGETBV with ECX = 1 */, 3 /* XSAVES */});

constexpr unsigned kLineBytes = 64, kCoresPerPackage = 64;

// A cache in leaf 4: size is ways × line × sets. EAX bit 8: self-initialising; 31:26: cores of the package,
// less 1.
CpuidRegisters leaf_4(const CpuidCache& c) {
  const std::uint64_t sets = c.size / kLineBytes / c.ways;
  return {static_cast<unsigned>(c.type) | c.level << 5 | 1u << 8 | (c.sharing - 1) << 14 |
              (kCoresPerPackage - 1) << 26,
          (c.ways - 1) << 22 | (kLineBytes - 1), static_cast<std::uint32_t>(sets - 1), c.inclusive ? 2u : 0u};
}

// The code of leaf 0x80000006 for an associativity; 15 (full) for what has none.
std::uint32_t associativity_code(unsigned ways) {
  static constexpr std::pair<unsigned, std::uint32_t> kCodes[] = {
      {1, 1}, {2, 2}, {4, 4}, {8, 6}, {16, 8}, {32, 10}, {48, 11}, {64, 12}, {96, 13}, {128, 14}};
  for (const auto& [n, code] : kCodes)
    if (n == ways) return code;
  return 15;
}

}  // namespace

CpuidPolicy CpuidPolicy::default_policy(std::uint64_t tsc_hz, unsigned physical_bits) {
  CpuidPolicy p;
  const char* vendor = "GenuineIntel";
  p.set(0, 0, {kMaxBasic, word(vendor, 0), word(vendor, 8), word(vendor, 4)});
  // EBX: CLFLUSH line of 8 × 8 bytes, processors of the package; the APIC ID is dynamic.
  p.set(1, 0, {kSignature, 8u << 8 | kCoresPerPackage << 16, k1Ecx, k1Edx | 1u << 28 /* HTT */});
  // What Skylake-SP has, whose TLBs the default ones are. 0xff: cache information is in leaf 4.
  p.set(2, 0, {0x76036301, 0x00f0b5ff, 0, 0x00c30000});
  // No caches, until set_caches() says which.
  p.set(4, 0, {});
  // Leaf 5: MONITOR watches lines of 64 bytes; MWAIT may be told to wake for interrupts that are off.
  p.set(5, 0, {64, 64, 3, 0});
  // Leaf 6: ARAT, the APIC timer never stops.
  p.set(6, 0, {1u << 2, 0, 0, 0});
  p.set(7, 0, {0, k7Ebx, k7Ecx, k7Edx});
  // Leaf 0xb: one thread per core, up to 64 cores per package. ECX 15:8 is the level type, EDX the x2APIC ID
  // (dynamic).
  p.set(0xb, 0, {0, 1, 0x100, 0});
  p.set(0xb, 1, {6, kCoresPerPackage, 0x201, 0});
  p.set(0xb, 2, {0, 0, 2, 0});
  xstate::set_cpuid(p, xstate::kUser, kXsaveFeatures);
  // Leaf 0x15: TSC = crystal × EBX / EAX. With a crystal of 1 kHz and a ratio in kHz the product is exact to 1
  // kHz.
  const auto khz = static_cast<std::uint32_t>(tsc_hz / 1000);
  const auto mhz = static_cast<std::uint32_t>(tsc_hz / 1'000'000);
  p.set(0x15, 0, {1, khz, 1000, 0});
  // Leaf 0x16: base and maximum MHz, bus 100 MHz.
  p.set(0x16, 0, {mhz, mhz, 100, 0});

  p.set(0x80000000, 0, {kMaxExtended, 0, 0, 0});
  p.set(0x80000001, 0, {0, 0, kExtEcx, kExtEdx});
  char brand[48] = "xensim x86-64 core";
  for (unsigned i = 0; i < 3; ++i)
    p.set(0x80000002 + i, 0,
          {word(brand, i * 16), word(brand, i * 16 + 4), word(brand, i * 16 + 8), word(brand, i * 16 + 12)});
  p.set(0x80000005, 0, {});
  p.set(0x80000006, 0, {});
  p.set(0x80000007, 0, {0, 0, 0, 1u << 8});  // invariant TSC
  p.set(0x80000008, 0, {physical_bits | 48u << 8, 0, 0, 0});
  return p;
}

void CpuidPolicy::set_caches(std::span<const CpuidCache> caches) {
  std::uint32_t subleaf = 0;
  for (const CpuidCache& c : caches) {
    set(4, subleaf++, leaf_4(c));
    if (c.level == 2)
      set(0x80000006, 0,
          {0, 0,
           static_cast<std::uint32_t>(std::min<std::uint64_t>(c.size >> 10, 0xffff)) << 16 |
               associativity_code(c.ways) << 12 | kLineBytes,
           0});
  }
  set(4, subleaf, {});
}

CpuidRegisters CpuidPolicy::query(std::uint32_t leaf, std::uint32_t subleaf) const {
  // A leaf above the maximum of its range answers as the highest basic leaf.
  const std::uint32_t range = leaf & 0xffff0000;
  const auto maximum = leaves_.find({range, 0});
  if ((range != 0 && range != 0x80000000 && range != 0x40000000) || maximum == leaves_.end() ||
      leaf > maximum->second.eax) {
    const auto basic = leaves_.find({0, 0});
    if (basic == leaves_.end()) return {};
    leaf = basic->second.eax;
  }
  if (const auto it = leaves_.find({leaf, subleaf}); it != leaves_.end()) return it->second;
  // Leaves with subleaves are zero past the last one, but the topology leaves echo the subleaf; others ignore it.
  if (leaf == 0xb || leaf == 0x1f) return {0, 0, subleaf & 0xff, 0};
  if (leaf == 4 || leaf == 7 || leaf == 0xd || leaf == 0x40000003) return {};
  const auto it = leaves_.find({leaf, 0});
  return it != leaves_.end() ? it->second : CpuidRegisters{};
}

bool CpuidPolicy::has_1_ecx(unsigned bit) const { return (query(1, 0).ecx >> bit) & 1; }
bool CpuidPolicy::has_1_edx(unsigned bit) const { return (query(1, 0).edx >> bit) & 1; }
bool CpuidPolicy::has_7_ebx(unsigned bit) const { return (query(7, 0).ebx >> bit) & 1; }
bool CpuidPolicy::has_7_ecx(unsigned bit) const { return (query(7, 0).ecx >> bit) & 1; }
bool CpuidPolicy::has_7_edx(unsigned bit) const { return (query(7, 0).edx >> bit) & 1; }
bool CpuidPolicy::has_80000001_edx(unsigned bit) const { return (query(0x80000001, 0).edx >> bit) & 1; }

}  // namespace xensim::cpu
