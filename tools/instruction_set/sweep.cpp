#include "tools/instruction_set/sweep.h"

#include <Zydis/Zydis.h>
#include <elf.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "models/cpu/form_name.h"
#include "models/xen/domain/kernel_image.h"
#include "sim/base/error.h"

namespace xensim::instruction_set {
namespace {

using Bytes = std::span<const std::uint8_t>;

// A structure at an offset of a file; zero if the file ends before.
template <class T>
T at(Bytes file, std::uint64_t offset) {
  T v{};
  if (offset <= file.size() && file.size() - offset >= sizeof(T)) std::memcpy(&v, &file[offset], sizeof(T));
  return v;
}

bool is_elf(Bytes file) { return file.size() > EI_NIDENT && std::memcmp(file.data(), ELFMAG, SELFMAG) == 0; }

void sweep_code(Bytes code, unsigned mode, const std::string& section, Sweep& sweep) {
  const ZydisDecoder decoder = cpu::decoder_of_mode(mode);
  for (std::size_t offset = 0; offset < code.size();) {
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, &code[offset], code.size() - offset, &insn, operands))) {
      ++sweep.undecodable_bytes;
      ++offset;
      continue;
    }
    Occurrence& o = sweep.forms[{cpu::form_name(insn, operands), mode}];
    if (o.count++ == 0) {
      o.bytes.assign(&code[offset], &code[offset] + insn.length);
      char text[24];
      std::snprintf(text, sizeof text, "+%#zx", offset);
      o.where = section + text;
    }
    ++sweep.instructions;
    offset += insn.length;
  }
}

template <class Header, class Section>
void sweep_sections(Bytes file, const std::string& name, unsigned mode, Sweep& sweep) {
  const auto header = at<Header>(file, 0);
  const auto names = at<Section>(file, header.e_shoff + std::uint64_t{header.e_shstrndx} * sizeof(Section));
  for (unsigned n = 0; n < header.e_shnum; ++n) {
    const auto s = at<Section>(file, header.e_shoff + std::uint64_t{n} * sizeof(Section));
    if (s.sh_type != SHT_PROGBITS || !(s.sh_flags & SHF_EXECINSTR)) continue;
    if (s.sh_offset > file.size() || file.size() - s.sh_offset < s.sh_size)
      throw UserError(name, "section " + std::to_string(n) + " is not in the file", "give a whole ELF file");
    const std::uint64_t text = std::uint64_t{names.sh_offset} + s.sh_name;
    std::string section;
    for (std::uint64_t c = text; c < file.size() && file[c] != 0; ++c) section += static_cast<char>(file[c]);
    sweep_code(file.subspan(s.sh_offset, s.sh_size), mode, section, sweep);
  }
}

void sweep_elf(Bytes file, const std::string& name, Sweep& sweep) {
  ++sweep.files;
  // x86-64 code may be in a 32-bit file (XTF's).
  const unsigned mode = at<Elf32_Ehdr>(file, 0).e_machine == EM_X86_64 ? 64 : 32;
  if (file[EI_CLASS] == ELFCLASS64)
    sweep_sections<Elf64_Ehdr, Elf64_Shdr>(file, name, mode, sweep);
  else
    sweep_sections<Elf32_Ehdr, Elf32_Shdr>(file, name, mode, sweep);
}

// Linux keeps the code that its secondary processors start with, in real mode, as data: CLI, WBINVD, and a far
// jump to the next instruction, by whose offset the code's place is known; 16-bit code up to where a far jump to a
// selector of 32-bit code leads, which another far jump leaves for 64-bit code.
void sweep_trampoline(Bytes file, Sweep& sweep) {
  constexpr std::uint8_t kStart[] = {0xfa, 0x0f, 0x09, 0xea};
  constexpr std::size_t kLimit = 8192;
  const auto start = std::search(file.begin(), file.end(), std::begin(kStart), std::end(kStart));
  if (file.end() - start < 8) return;
  const Bytes code = file.subspan(static_cast<std::size_t>(start - file.begin()),
                                  std::min<std::size_t>(kLimit, static_cast<std::size_t>(file.end() - start)));
  // The jump leads behind itself, at offset 8.
  const unsigned base = at<std::uint16_t>(code, 4) - 8u;
  const auto jump_after = [&](std::size_t from, std::size_t prefix, std::uint16_t selector) {
    for (std::size_t n = from; n + prefix + 7 <= code.size(); ++n)
      if ((prefix == 0 || code[n] == 0x66) && code[n + prefix] == 0xea &&
          at<std::uint16_t>(code, n + prefix + 5) == selector)
        return n;
    return code.size();
  };
  const std::size_t to_32 = jump_after(8, 1, 0x08);
  if (to_32 == code.size()) return;
  const std::size_t protected_code = at<std::uint32_t>(code, to_32 + 2) - base;
  if (protected_code <= to_32 || protected_code >= code.size()) return;
  sweep_code(code.first(protected_code), 16, "trampoline", sweep);
  const std::size_t to_64 = jump_after(protected_code, 0, 0x10);
  if (to_64 == code.size()) return;
  sweep_code(code.subspan(protected_code, to_64 + 7 - protected_code), 32, "trampoline, 32 bits", sweep);
}

// The ELF files of a cpio archive in the "newc" format: a header of 13 hexadecimal numbers, the name, the data,
// both padded to 4 bytes.
void sweep_cpio(Bytes file, const std::string& name, Sweep& sweep) {
  constexpr std::size_t kHeader = 110;
  const auto number = [&](std::size_t offset) {
    return std::strtoull(std::string(reinterpret_cast<const char*>(&file[offset]), 8).c_str(), nullptr, 16);
  };
  const auto padded = [](std::uint64_t n) { return (n + 3) & ~std::uint64_t{3}; };
  std::uint64_t offset = 0;
  while (offset + kHeader <= file.size() && std::memcmp(&file[offset], "070701", 6) == 0) {
    const std::uint64_t size = number(offset + 54), name_size = number(offset + 94);
    const std::uint64_t data = padded(offset + kHeader + name_size);
    if (data > file.size() || file.size() - data < size)
      throw UserError(name, "the archive ends in the middle of a file", "make it anew");
    if (const Bytes member = file.subspan(data, size); is_elf(member)) sweep_elf(member, name, sweep);
    offset = data + padded(size);
  }
}

std::vector<std::uint8_t> contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw UserError(path, "cannot be read", "give an ELF file, a bzImage, a ramdisk or a folder");
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

void sweep_image(const std::string& path, Sweep& sweep) {
  if (std::filesystem::is_directory(path)) {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
      if (entry.is_regular_file()) files.push_back(entry.path().string());
    std::ranges::sort(files);
    for (const std::string& file : files) {
      const std::vector<std::uint8_t> bytes = contents(file);
      if (is_elf(bytes) && at<Elf32_Ehdr>(bytes, 0).e_type == ET_EXEC) sweep_elf(bytes, file, sweep);
    }
    return;
  }
  const auto file = std::make_shared<const std::vector<std::uint8_t>>(contents(path));
  if (const xen::Bytes kernel = xen::unpack_kernel(path, file); is_elf(*kernel)) {
    sweep_elf(*kernel, path, sweep);
    sweep_trampoline(*kernel, sweep);
  } else {
    sweep_cpio(*xen::unpack_ramdisk(path, file), path, sweep);
  }
  if (sweep.files == 0)
    throw UserError(path, "holds no ELF file", "give an ELF file, a bzImage, a ramdisk or a folder");
}

}  // namespace xensim::instruction_set
