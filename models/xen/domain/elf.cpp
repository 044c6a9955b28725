#include "models/xen/domain/elf.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "models/xen/public.h"
#include "sim/base/error.h"

namespace xensim::xen {

namespace {

constexpr std::uint32_t kLongestGuestOs = 15;  // that libelf keeps

class Reader {
 public:
  Reader(const std::string& name, std::span<const std::uint8_t> file) : name_(name), file_(file) {}

  template <class T>
  T at(std::uint64_t offset, const char* what) const {
    if (offset > file_.size() || file_.size() - offset < sizeof(T))
      fail(std::string(what) + " at offset " + std::to_string(offset) + " lies outside the file of " +
           std::to_string(file_.size()) + " bytes: the image is truncated");
    T v;
    std::memcpy(&v, file_.data() + offset, sizeof v);
    return v;
  }
  bool inside(std::uint64_t offset, std::uint64_t size) const {
    return offset <= file_.size() && size <= file_.size() - offset;
  }
  [[noreturn]] void fail(const std::string& what, const std::string& mend = "") const {
    throw UserError(name_, what, mend);
  }
  std::span<const std::uint8_t> file() const { return file_; }

 private:
  const std::string& name_;
  std::span<const std::uint8_t> file_;
};

std::string hex(std::uint64_t v) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(v));
  return text;
}

void read_notes(const Reader& in, std::uint64_t offset, std::uint64_t size, ElfImage& image, bool& found) {
  const std::uint64_t end = offset + size;
  while (offset + 12 <= end) {
    const auto name_size = in.at<std::uint32_t>(offset, "a note");
    const auto desc_size = in.at<std::uint32_t>(offset + 4, "a note");
    const auto type = in.at<std::uint32_t>(offset + 8, "a note");
    const std::uint64_t name = offset + 12, desc = name + ((std::uint64_t{name_size} + 3) & ~std::uint64_t{3});
    const std::uint64_t next = desc + ((std::uint64_t{desc_size} + 3) & ~std::uint64_t{3});
    if (desc + desc_size > end || !in.inside(desc, desc_size)) return;
    const bool xen = name_size == 4 && std::memcmp(in.file().data() + name, "Xen", 4) == 0;
    if (xen) {
      const auto value = [&]() -> std::uint64_t {
        if (desc_size == 4) return in.at<std::uint32_t>(desc, "a note");
        if (desc_size == 8) return in.at<std::uint64_t>(desc, "a note");
        in.fail("Xen note " + std::to_string(type) + " has a value of " + std::to_string(desc_size) + " bytes",
                "4 and 8 are valid");
      };
      if (type == XEN_ELFNOTE_PHYS32_ENTRY) {
        image.entry = value();
        found = true;
      } else if (type == XEN_ELFNOTE_GUEST_OS) {
        const auto* text = reinterpret_cast<const char*>(in.file().data() + desc);
        image.guest_os.assign(text, strnlen(text, std::min(desc_size, kLongestGuestOs)));
      } else if (type == XEN_ELFNOTE_MOD_START_PFN) {
        image.modules_start_pfn = true;
      } else if (type == XEN_ELFNOTE_SUPPORTED_FEATURES) {
        image.linux_rsdp_unrestricted = value() >> XENFEAT_linux_rsdp_unrestricted & 1;
      }
    }
    offset = next;
  }
}

template <class Header, class Program, class Section>
void read_class(const Reader& in, ElfUse use, ElfImage& image) {
  const auto h = in.at<Header>(0, "the ELF header");
  if (h.e_type != ET_EXEC && h.e_type != ET_DYN)
    in.fail("not an executable (ELF type " + std::to_string(h.e_type) + ")", "link the kernel statically");
  if (h.e_machine != EM_386 && h.e_machine != EM_X86_64)
    in.fail("built for machine " + std::to_string(h.e_machine) + ", not for x86");
  if (h.e_phnum == 0) in.fail("no program headers: nothing to load");
  if (h.e_phentsize != sizeof(Program))
    in.fail("program headers of " + std::to_string(h.e_phentsize) + " bytes instead of " +
            std::to_string(sizeof(Program)));
  bool note = false;
  for (unsigned i = 0; i < h.e_phnum; ++i) {
    const auto p = in.at<Program>(h.e_phoff + std::uint64_t{i} * sizeof(Program), "a program header");
    if (p.p_type == PT_NOTE && in.inside(p.p_offset, p.p_filesz))
      read_notes(in, p.p_offset, p.p_filesz, image, note);
    if (p.p_type != PT_LOAD || p.p_memsz == 0) continue;
    const std::string which = "segment " + std::to_string(i);
    if (p.p_filesz > p.p_memsz)
      in.fail(which + " has more bytes in the file (" + std::to_string(p.p_filesz) + ") than in memory (" +
              std::to_string(p.p_memsz) + ")");
    if (!in.inside(p.p_offset, p.p_filesz))
      in.fail(which + " needs file bytes " + hex(p.p_offset) + " to " + hex(p.p_offset + p.p_filesz) +
                  ", but the file has " + std::to_string(in.file().size()) + " bytes: the image is truncated",
              "copy it again");
    if (p.p_paddr + p.p_memsz < p.p_paddr || p.p_paddr + p.p_memsz > 0x100000000ull)
      in.fail(which + " ends above 4 GiB (physical " + hex(p.p_paddr) + ", size " + hex(p.p_memsz) + ")");
    image.segments.push_back({p.p_paddr, p.p_offset, p.p_filesz, p.p_memsz});
  }
  if (image.segments.empty()) in.fail("no loadable segment");
  std::stable_sort(image.segments.begin(), image.segments.end(),
                   [](const ElfSegment& a, const ElfSegment& b) { return a.physical < b.physical; });
  for (std::size_t i = 0; i < image.segments.size(); ++i) {
    const ElfSegment& s = image.segments[i];
    if (i > 0 && image.segments[i - 1].physical + image.segments[i - 1].memory_size > s.physical)
      in.fail("segments overlap at physical address " + hex(s.physical), "fix the linker script");
    image.end = std::max(image.end, s.physical + s.memory_size);
  }
  // Notes may also be in sections only.
  if (!note && h.e_shentsize == sizeof(Section))
    for (unsigned i = 0;
         i < h.e_shnum && in.inside(h.e_shoff + std::uint64_t{i} * sizeof(Section), sizeof(Section)); ++i) {
      const auto s = in.at<Section>(h.e_shoff + std::uint64_t{i} * sizeof(Section), "a section header");
      if (s.sh_type == SHT_NOTE && in.inside(s.sh_offset, s.sh_size))
        read_notes(in, s.sh_offset, s.sh_size, image, note);
    }
  const std::string which = note ? "PHYS32_ENTRY " : "the entry point ";
  if (!note) {
    if (use == ElfUse::kKernel)
      in.fail("no Xen PHYS32_ENTRY note: not a PVH kernel",
              "link in an ELF note of owner \"Xen\" and type 18 with the 32-bit entry point");
    if (in.file()[EI_CLASS] != ELFCLASS32)
      in.fail("a 64-bit image without a Xen PHYS32_ENTRY note: no firmware", "link it as a 32-bit ELF file");
    image.entry = h.e_entry;
  }
  if (image.entry >> 32) in.fail(which + hex(image.entry) + " is above 4 GiB");
  const bool inside = std::any_of(image.segments.begin(), image.segments.end(), [&](const ElfSegment& s) {
    return image.entry >= s.physical && image.entry - s.physical < s.memory_size;
  });
  if (!inside) in.fail(which + hex(image.entry) + " lies in no segment");
}

}  // namespace

ElfImage read_elf(const std::string& name, std::span<const std::uint8_t> file, ElfUse use) {
  const Reader in(name, file);
  if (file.size() < EI_NIDENT || std::memcmp(file.data(), ELFMAG, SELFMAG) != 0) {
    if (file.size() < EI_NIDENT) in.fail("a file of " + std::to_string(file.size()) + " bytes is no kernel image");
    in.fail("not an ELF file", "give a kernel with a Xen PHYS32_ENTRY note: ELF, gzipped ELF or bzImage");
  }
  if (file[EI_DATA] != ELFDATA2LSB) in.fail("not a little-endian ELF file");
  ElfImage image;
  if (file[EI_CLASS] == ELFCLASS64)
    read_class<Elf64_Ehdr, Elf64_Phdr, Elf64_Shdr>(in, use, image);
  else if (file[EI_CLASS] == ELFCLASS32)
    read_class<Elf32_Ehdr, Elf32_Phdr, Elf32_Shdr>(in, use, image);
  else
    in.fail("ELF class " + std::to_string(file[EI_CLASS]) + " is neither 32-bit nor 64-bit");
  return image;
}

}  // namespace xensim::xen
