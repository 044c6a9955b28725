// The ELF images that Xen's domain builder takes: 32-bit or 64-bit little-endian x86 executables with a
// PHYS32_ENTRY note, which PVH needs; as the firmware of an HVM guest also 32-bit ones without Xen notes, which
// start at the ELF header's entry. Segments are loaded at their physical addresses. Nothing in the file is
// trusted.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace xensim::xen {

struct ElfSegment {
  std::uint64_t physical;  // p_paddr
  std::uint64_t file_offset, file_size;
  std::uint64_t memory_size;  // ≥ file_size; the rest is zero
};

struct ElfImage {
  std::vector<ElfSegment> segments;  // PT_LOAD with memory, ascending by physical address, not overlapping
  std::uint64_t entry = 0;           // 32-bit, physical
  std::uint64_t end = 0;             // one past the last byte of any segment
  bool linux_rsdp_unrestricted = false;
  std::string guest_os;            // XEN_ELFNOTE_GUEST_OS
  bool modules_start_pfn = false;  // XEN_ELFNOTE_MOD_START_PFN
};

enum class ElfUse : std::uint8_t { kKernel, kFirmware };

// Reads and checks an image. name: the file, for messages. Throws UserError that says what is wrong with it.
ElfImage read_elf(const std::string& name, std::span<const std::uint8_t> file, ElfUse use = ElfUse::kKernel);

}  // namespace xensim::xen
