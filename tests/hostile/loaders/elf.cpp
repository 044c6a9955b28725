// Any bytes as an ELF kernel.
#include "models/xen/domain/elf.h"

#include "sim/base/error.h"
#include "tests/hostile/loaders/target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const xensim::xen::ElfImage image = xensim::xen::read_elf("input", {data, size});
    std::uint64_t end = 0;
    for (const auto& s : image.segments) {
      // What the domain builder relies on.
      if (s.file_size > s.memory_size || s.file_offset > size || s.file_size > size - s.file_offset)
        __builtin_trap();
      if (s.physical < end) __builtin_trap();
      end = s.physical + s.memory_size;
      if (end < s.physical || end > image.end) __builtin_trap();
    }
  } catch (const xensim::UserError&) {
  }
  return 0;
}
