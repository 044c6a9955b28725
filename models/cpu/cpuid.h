// CPUID as a table: (leaf, subleaf) → four registers. A machine file gives the processor's; the modelled Xen
// derives each guest's policy from it. Feature questions are asked here, by name, never by mask at the place of
// use.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>

namespace xensim::cpu {

struct CpuidRegisters {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// A cache as leaf 4 describes it. sharing: logical processors that may share it, at most.
struct CpuidCache {
  enum class Type : std::uint8_t { kData = 1, kInstruction = 2, kUnified = 3 } type;
  unsigned level;
  std::uint64_t size;  // bytes, of 64-byte lines
  unsigned ways;
  unsigned sharing = 1;
  bool inclusive = false;  // of the levels below
};

class CpuidPolicy {
 public:
  // The default policy: a GenuineIntel family 6 processor with what models/cpu implements (see cpuid.cpp for each
  // leaf and its source). tsc_hz feeds leaves 0x15 and 0x16; physical_bits leaf 0x80000008.
  static CpuidPolicy default_policy(std::uint64_t tsc_hz, unsigned physical_bits);

  // Leaf 4, a subleaf per cache in this order, and leaf 0x80000006 of the cache of level 2.
  void set_caches(std::span<const CpuidCache> caches);

  // What CPUID returns (SDM 2, CPUID: leaves above the maximum return the highest basic leaf). Dynamic bits
  // (OSXSAVE, APIC, initial APIC ID) are the caller's.
  CpuidRegisters query(std::uint32_t leaf, std::uint32_t subleaf) const;
  void set(std::uint32_t leaf, std::uint32_t subleaf, CpuidRegisters r) { leaves_[{leaf, subleaf}] = r; }
  const std::map<std::pair<std::uint32_t, std::uint32_t>, CpuidRegisters>& leaves() const { return leaves_; }

  // Feature bits that the core's semantics depend on.
  bool has_1_ecx(unsigned bit) const;
  bool has_1_edx(unsigned bit) const;
  bool has_7_ebx(unsigned bit) const;
  bool has_7_ecx(unsigned bit) const;
  bool has_7_edx(unsigned bit) const;
  bool has_80000001_edx(unsigned bit) const;

 private:
  std::map<std::pair<std::uint32_t, std::uint32_t>, CpuidRegisters> leaves_;
};

}  // namespace xensim::cpu
