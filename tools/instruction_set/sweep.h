// The instruction forms that occur in program images: every executable section, decoded from its first byte to its
// last.
//
// A linear sweep also decodes what lies between functions and is no code (tables, padding). Bytes that do not
// decode are counted; forms that come of such bytes are told apart later, by hand
// (tests/differential/data/not-code.tsv).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace xensim::instruction_set {

struct Occurrence {
  std::vector<std::uint8_t> bytes;  // of the first one
  std::string where;                // likewise: section + offset
  std::uint64_t count = 0;
};

// What a sweep found: by form and mode (16, 32 or 64 bits).
struct Sweep {
  std::map<std::pair<std::string, unsigned>, Occurrence> forms;
  std::uint64_t instructions = 0, undecodable_bytes = 0, files = 0;
};

// Adds an image: an ELF file; a Linux bzImage (its payload, and the trampoline of secondary processors in it); a
// ramdisk (cpio, packed or not; its ELF files); a folder (the ELF files in it). Throws UserError.
void sweep_image(const std::string& path, Sweep& sweep);

}  // namespace xensim::instruction_set
