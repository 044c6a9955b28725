// A virtual-machine control structure (SDM 3, chapter 24) in its 4 KiB region of simulated memory.
//
// The region begins as the manual says: revision identifier at 0, VMX-abort indicator at 4. The rest is this
// processor's own: the launch state at 8, and from kFieldBase on one 8-byte slot per field that exists, in the
// order of kFieldRanges. kFieldOffset maps the parts of an encoding (width, type, index) to a slot in one look-up;
// offsets of fields known at compile time are constants.
//
// The region is ordinary memory that software might scribble on, so that nothing read here is trusted to be in the
// field's range: reads truncate to the field's width, and entry checks what it loads.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "models/cpu/vmx/vmcs_fields.h"
#include "models/memory/physical_memory.h"
#include "sim/base/types.h"

namespace xensim::cpu {

enum class FieldType : std::uint8_t { kControl, kReadOnly, kGuest, kHost };
enum class FieldWidth : std::uint8_t { k16, k64, k32, kNatural };

constexpr FieldType type_of(std::uint32_t encoding) { return static_cast<FieldType>((encoding >> 10) & 3); }
constexpr FieldWidth width_of(std::uint32_t encoding) { return static_cast<FieldWidth>((encoding >> 13) & 3); }
// Is it an encoding of the high half of a 64-bit field?
constexpr bool is_high_half(std::uint32_t encoding) { return encoding & 1; }

namespace vmcs_layout {

// Fields with consecutive indices, from the first one's encoding. A field exists if the control that it belongs to
// can be 1 on this processor (capabilities.h).
struct FieldRange {
  std::uint16_t first;
  std::uint16_t count;
};
inline constexpr std::array kFieldRanges = {
    FieldRange{0x0000, 1},   // VPID
    FieldRange{0x0800, 8},   // guest selectors
    FieldRange{0x0812, 1},   // page-modification log index
    FieldRange{0x0c00, 7},   // host selectors
    FieldRange{0x2000, 7},   // bitmaps, MSR areas, executive-VMCS pointer
    FieldRange{0x200e, 1},   // page-modification log address
    FieldRange{0x2010, 3},   // TSC offset, virtual-APIC and APIC-access pages
    FieldRange{0x201a, 1},   // EPT pointer
    FieldRange{0x202c, 1},   // XSS-exiting bitmap
    FieldRange{0x2032, 1},   // TSC multiplier
    FieldRange{0x2400, 1},   // guest-physical address
    FieldRange{0x2800, 4},   // VMCS link pointer, DEBUGCTL, PAT, EFER
    FieldRange{0x280a, 4},   // PDPTEs
    FieldRange{0x2c00, 2},   // host PAT, EFER
    FieldRange{0x4000, 18},  // 32-bit controls
    FieldRange{0x4400, 8},   // 32-bit exit information
    FieldRange{0x4800, 22},  // limits, access rights, interruptibility, activity, SMBASE, SYSENTER_CS
    FieldRange{0x482e, 1},   // preemption timer
    FieldRange{0x4c00, 1},   // host SYSENTER_CS
    FieldRange{0x6000, 8},   // masks, shadows, CR3 targets
    FieldRange{0x6400, 6},   // qualification, I/O registers, linear address
    FieldRange{0x6800, 20},  // guest control registers, bases, RSP, RIP, RFLAGS, SYSENTER
    FieldRange{0x6c00, 12},  // host control registers, bases, RSP, RIP
};

inline constexpr std::uint16_t kFieldBase = 64;

constexpr unsigned key(std::uint32_t encoding) {
  return ((encoding >> 13) & 3) << 7 | ((encoding >> 10) & 3) << 5 | ((encoding >> 1) & 0x1f);
}

// Offset in the region by key; 0: no such field.
inline constexpr std::array<std::uint16_t, 512> kFieldOffset = [] {
  std::array<std::uint16_t, 512> table{};
  unsigned offset = kFieldBase;
  for (const FieldRange& r : kFieldRanges)
    for (unsigned i = 0; i < r.count; ++i) {
      table[key(r.first + 2 * i)] = static_cast<std::uint16_t>(offset);
      offset += 8;
    }
  return table;
}();

// The highest index that an encoding uses (IA32_VMX_VMCS_ENUM bits 9:1).
inline constexpr unsigned kHighestIndex = [] {
  unsigned highest = 0;
  for (const FieldRange& r : kFieldRanges) {
    const unsigned last = ((r.first >> 1) & 0x1ffu) + r.count - 1;
    if (last > highest) highest = last;
  }
  return highest;
}();

}  // namespace vmcs_layout

// Where a field is in the region; 0 if this processor has no field of that encoding. All 32 bits of the encoding
// count: reserved bits set mean no field, and only 64-bit fields have a high half.
constexpr unsigned field_offset(std::uint32_t encoding) {
  if (encoding & ~0x6c3fu) return 0;  // index bits above 5 and reserved bits
  if (is_high_half(encoding) && width_of(encoding) != FieldWidth::k64) return 0;
  return vmcs_layout::kFieldOffset[vmcs_layout::key(encoding)];
}

inline constexpr std::uint32_t kVmcsRevision = 0x10;

// A view of one region. Copyable; whoever makes one has made sure that the region is RAM.
class Vmcs {
 public:
  Vmcs() = default;
  Vmcs(memory::PhysicalMemory& memory, PhysAddr region) : region_(memory.host(region)) {}

  bool valid() const { return region_ != nullptr; }
  std::uint32_t revision() const { return load<std::uint32_t>(0); }
  void set_abort(std::uint32_t indicator) { store(4, indicator); }
  bool launched() const { return load<std::uint32_t>(8) == 1; }
  void set_launched(bool launched) { store<std::uint32_t>(8, launched); }

  // field must exist.
  std::uint64_t read(VmcsField field) const {
    const auto e = static_cast<std::uint32_t>(field);
    return truncate(e, load<std::uint64_t>(field_offset(e)));
  }
  void write(VmcsField field, std::uint64_t value) {
    const auto e = static_cast<std::uint32_t>(field);
    store(field_offset(e), truncate(e, value));
  }
  std::uint32_t read32(VmcsField field) const { return static_cast<std::uint32_t>(read(field)); }
  std::uint16_t read16(VmcsField field) const { return static_cast<std::uint16_t>(read(field)); }

  // As VMREAD and VMWRITE see it: high halves included. The encoding must exist.
  std::uint64_t read_encoding(std::uint32_t encoding) const;
  void write_encoding(std::uint32_t encoding, std::uint64_t value);

 private:
  static constexpr std::uint64_t truncate(std::uint32_t encoding, std::uint64_t value) {
    switch (width_of(encoding)) {
      case FieldWidth::k16:
        return static_cast<std::uint16_t>(value);
      case FieldWidth::k32:
        return static_cast<std::uint32_t>(value);
      default:
        return value;
    }
  }
  template <class T>
  T load(unsigned offset) const {
    T v;
    std::memcpy(&v, region_ + offset, sizeof v);
    return v;
  }
  template <class T>
  void store(unsigned offset, T v) {
    std::memcpy(region_ + offset, &v, sizeof v);
  }

  std::uint8_t* region_ = nullptr;
};

}  // namespace xensim::cpu
