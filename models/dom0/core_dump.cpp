#include "models/dom0/core_dump.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "models/xen/control/domain_control.h"
#include "models/xen/version.h"

namespace xensim::dom0 {

namespace {

// public/elfnote.h and libxc's xg_core.h.
constexpr std::uint32_t kNoteNone = 0x2000000, kNoteHeader = 0x2000001, kNoteXenVersion = 0x2000002,
                        kNoteFormatVersion = 0x2000003;
constexpr std::uint64_t kMagicHvm = 0xf00febee, kFormatVersion = 1, kInvalidPfn = ~std::uint64_t{0};

using Bytes = std::vector<std::uint8_t>;

void append(Bytes& to, const void* data, std::size_t size) {
  const auto* p = static_cast<const std::uint8_t*>(data);
  to.insert(to.end(), p, p + size);
}

void append_note(Bytes& to, std::uint32_t type, const void* data, std::uint32_t size) {
  const std::uint32_t head[] = {4, size, type};
  append(to, head, sizeof head);
  append(to, "Xen", 4);
  append(to, data, size);
}

Bytes notes(std::uint64_t vcpus, std::uint64_t pages) {
  Bytes out;
  append_note(out, kNoteNone, nullptr, 0);
  const std::uint64_t header[] = {kMagicHvm, vcpus, pages, kPageSize};
  append_note(out, kNoteHeader, header, sizeof header);
  Bytes version;
  const std::uint64_t numbers[] = {xen::kVersion >> 16, xen::kVersion & 0xffff};
  append(version, numbers, sizeof numbers);
  append(version, xen::kExtraVersion.data(), xen::kExtraVersion.size());
  append(version, xen::kCompileInfo.data(), xen::kCompileInfo.size());
  append(version, xen::kCapabilities.data(), xen::kCapabilities.size());
  append(version, xen::kChangeset.data(), xen::kChangeset.size());
  const std::uint64_t parameters[] = {xen::kVirtualStart, kPageSize};
  append(version, parameters, sizeof parameters);
  append_note(out, kNoteXenVersion, version.data(), static_cast<std::uint32_t>(version.size()));
  append_note(out, kNoteFormatVersion, &kFormatVersion, sizeof kFormatVersion);
  return out;
}

bool may_be_present(std::uint64_t gfn) {
  return !(gfn >= 0xa0 && gfn < 0xc0) && !(gfn >= 0xf0000 && gfn < 0x100000);
}

struct Page {
  std::uint64_t gfn;
  Mfn frame;
};

std::vector<Page> pages_of(const xen::Domain& d, std::uint64_t most) {
  std::vector<Page> out;
  d.p2m->for_each([&](Gfn g, Mfn m, unsigned order, xen::P2mType t) {
    if (!xen::is_ram(t) || m == xen::kNoMfn) return;
    for (std::uint64_t i = 0; i < std::uint64_t{1} << order && out.size() < most; ++i)
      if (may_be_present(g.value + i)) out.push_back({g.value + i, Mfn(m.value + i)});
  });
  return out;
}

// The sections' headers, with their names in one table.
class Sections {
 public:
  Sections() { add("", SHT_NULL, 0, 0, 0, 0); }
  void add(const char* name, std::uint32_t type, std::uint64_t offset, std::uint64_t size, std::uint64_t alignment,
           std::uint64_t entry) {
    Elf64_Shdr h{};
    h.sh_name = static_cast<Elf64_Word>(names.size());
    h.sh_type = type;
    h.sh_offset = offset;
    h.sh_size = size;
    h.sh_addralign = alignment;
    h.sh_entsize = entry;
    headers.push_back(h);
    names.append(name).push_back('\0');
  }
  std::vector<Elf64_Shdr> headers;
  std::string names;
};

constexpr std::size_t kStringTable = 1;

Elf64_Ehdr elf_header(std::size_t sections) {
  Elf64_Ehdr e{};
  std::memcpy(e.e_ident, ELFMAG, SELFMAG);
  e.e_ident[EI_CLASS] = ELFCLASS64;
  e.e_ident[EI_DATA] = ELFDATA2LSB;
  e.e_ident[EI_VERSION] = EV_CURRENT;
  e.e_ident[EI_OSABI] = ELFOSABI_SYSV;
  e.e_ident[EI_ABIVERSION] = EV_CURRENT;
  e.e_type = ET_CORE;
  e.e_machine = EM_X86_64;
  e.e_version = EV_CURRENT;
  e.e_shoff = sizeof e;
  e.e_ehsize = sizeof e;
  e.e_phentsize = sizeof(Elf64_Phdr);
  e.e_shentsize = sizeof(Elf64_Shdr);
  e.e_shnum = static_cast<Elf64_Half>(sections);
  e.e_shstrndx = kStringTable;
  return e;
}

// Hands bytes on and counts them.
class Writer {
 public:
  explicit Writer(const CoreSink& sink) : sink_(sink) {}
  void put(const void* data, std::size_t size) {
    sink_({static_cast<const std::uint8_t*>(data), size});
    written += size;
  }
  void put_zeros(std::uint64_t size) {
    static constexpr std::array<std::uint8_t, kPageSize> kZeros{};
    for (; size > 0; size -= std::min<std::uint64_t>(size, kPageSize))
      put(kZeros.data(), std::min<std::uint64_t>(size, kPageSize));
  }
  std::uint64_t written = 0;

 private:
  const CoreSink& sink_;
};

}  // namespace

std::uint64_t write_core(xen::Hypervisor& hv, xen::Domain& d, const CoreSink& sink) {
  const std::uint64_t count = hv.frames.totals(d.domid).pages;
  const std::vector<Page> pages = pages_of(d, count);
  std::vector<vcpu_guest_context_t> vcpus;
  for (const auto& v : d.vcpus)
    if (v->initialised) vcpus.push_back(xen::control::guest_context(hv, *v));
  const bool shared = hv.frames.gfn_of(d.shared_info) != xen::kNoGfn;
  const Bytes note = notes(vcpus.size(), count);

  Sections s;
  s.add(".shstrtab", SHT_STRTAB, 0, 0, 0, 0);
  std::uint64_t at = sizeof(Elf64_Ehdr) + (shared ? 7 : 6) * sizeof(Elf64_Shdr);
  const auto section = [&](const char* name, std::uint32_t type, std::uint64_t size, std::uint64_t alignment,
                           std::uint64_t entry) {
    s.add(name, type, at, size, alignment, entry);
    at += size;
  };
  section(".note.Xen", SHT_NOTE, note.size(), 0, 0);
  section(".xen_prstatus", SHT_PROGBITS, vcpus.size() * sizeof vcpus[0], alignof(vcpu_guest_context_t),
          sizeof(vcpu_guest_context_t));
  if (shared) section(".xen_shared_info", SHT_PROGBITS, kPageSize, alignof(shared_info_t), kPageSize);
  const std::uint64_t padding = -at & (kPageSize - 1);
  at += padding;
  section(".xen_pages", SHT_PROGBITS, count * kPageSize, kPageSize, kPageSize);
  section(".xen_pfn", SHT_PROGBITS, count * 8, 8, 8);
  s.headers[kStringTable].sh_offset = at;
  s.headers[kStringTable].sh_size = s.names.size();

  Writer out(sink);
  const Elf64_Ehdr header = elf_header(s.headers.size());
  out.put(&header, sizeof header);
  out.put(s.headers.data(), s.headers.size() * sizeof s.headers[0]);
  out.put(note.data(), note.size());
  out.put(vcpus.data(), vcpus.size() * sizeof vcpus[0]);
  if (shared) out.put(hv.memory.host(address_of(d.shared_info)), kPageSize);
  out.put_zeros(padding);
  for (const Page& p : pages) out.put(hv.memory.host(address_of(p.frame)), kPageSize);
  out.put_zeros((count - pages.size()) * kPageSize);
  std::vector<std::uint64_t> gfns;
  gfns.reserve(count);
  for (const Page& p : pages) gfns.push_back(p.gfn);
  gfns.resize(count, kInvalidPfn);
  out.put(gfns.data(), gfns.size() * 8);
  out.put(s.names.data(), s.names.size());
  return out.written;
}

}  // namespace xensim::dom0
