// Makes small ELF images, right or wrong in one field.
#pragma once

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace xensim::xen {

struct ImageSegment {
  std::uint64_t physical = 0x100000;
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(16, 0x90);
  std::uint64_t memory_size = 4096;
};

struct Image {
  std::vector<ImageSegment> segments{{}};
  bool note = true;
  std::uint32_t entry = 0x100000;
  std::uint16_t machine = EM_X86_64, type = ET_EXEC;

  std::vector<std::uint8_t> bytes() const {
    std::vector<std::uint8_t> out(sizeof(Elf64_Ehdr) + (segments.size() + 1) * sizeof(Elf64_Phdr));
    Elf64_Ehdr h{};
    std::memcpy(h.e_ident, ELFMAG, SELFMAG);
    h.e_ident[EI_CLASS] = ELFCLASS64;
    h.e_ident[EI_DATA] = ELFDATA2LSB;
    h.e_ident[EI_VERSION] = 1;
    h.e_type = type;
    h.e_machine = machine;
    h.e_version = 1;
    h.e_phoff = sizeof h;
    h.e_ehsize = sizeof h;
    h.e_phentsize = sizeof(Elf64_Phdr);
    h.e_phnum = static_cast<std::uint16_t>(segments.size() + (note ? 1 : 0));
    std::memcpy(out.data(), &h, sizeof h);
    std::size_t header = sizeof h;
    const auto add = [&](Elf64_Phdr p, const std::vector<std::uint8_t>& content) {
      p.p_offset = out.size();
      p.p_filesz = content.size();
      std::memcpy(out.data() + header, &p, sizeof p);
      header += sizeof p;
      out.insert(out.end(), content.begin(), content.end());
    };
    if (note) {
      std::vector<std::uint8_t> n(20);
      const std::uint32_t words[] = {4, 4, 18};
      std::memcpy(n.data(), words, 12);
      std::memcpy(n.data() + 12, "Xen", 4);
      std::memcpy(n.data() + 16, &entry, 4);
      Elf64_Phdr p{};
      p.p_type = PT_NOTE;
      add(p, n);
    }
    for (const ImageSegment& s : segments) {
      Elf64_Phdr p{};
      p.p_type = PT_LOAD;
      p.p_paddr = p.p_vaddr = s.physical;
      p.p_memsz = s.memory_size;
      add(p, s.bytes);
    }
    return out;
  }
};

}  // namespace xensim::xen
