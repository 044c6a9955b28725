// The plan for an HVM guest (libxl__build_hvm, and libxenguest's hooks for HVM): the firmware at its physical
// addresses and start info behind it, the HVM info table below the VGA hole, a memory map that starts at 1 MiB.
//
// libxl would name the firmware of the device model (SeaBIOS) as a module in the start info. No device model is
// there, so it names none.
#include <algorithm>
#include <cstring>

#include "models/xen/domain/builder.h"
#include "models/xen/public.h"
#include "sim/base/bits.h"
#include "sim/base/error.h"

#include <xen/hvm/e820.h>
#include <xen/hvm/hvm_info_table.h>

namespace xensim::xen {

namespace {

constexpr std::uint64_t kMmioHole = HVM_BELOW_4G_MMIO_START, kFourGib = 0x100000000, kMapStart = 0x100000;
constexpr std::uint64_t kVgaHoleStart = 0xa0, kVgaHoleEnd = 0xc0;  // gfns
constexpr std::uint64_t kIoreqServerPages = 8;
constexpr std::uint64_t kSlackPages = 256;  // LIBXL_MAXMEM_CONSTANT
constexpr std::uint32_t kE820Ram = 1;

std::shared_ptr<std::vector<std::uint8_t>> bytes_of(const void* data, std::size_t n) {
  const auto* p = static_cast<const std::uint8_t*>(data);
  return std::make_shared<std::vector<std::uint8_t>>(p, p + n);
}

void load(BuildPlan& plan, std::uint64_t address, Bytes bytes) {
  const std::uint64_t n = bytes->size();
  plan.ranges.push_back({address, std::move(bytes), 0, n, n});
}

hvm_info_table info_table(const BuildRequest& r, const BuildPlan& plan) {
  hvm_info_table t{};
  std::memcpy(t.signature, "HVM INFO", sizeof t.signature);
  t.length = sizeof t;
  t.apic_mode = r.apic;
  t.nr_vcpus = r.max_vcpus;
  t.low_mem_pgend = static_cast<std::uint32_t>(plan.low_memory_end >> kPageShift);
  t.high_mem_pgend = static_cast<std::uint32_t>(plan.high_memory_end >> kPageShift);
  t.reserved_mem_pgstart = static_cast<std::uint32_t>(kIoreqServerPagesBase);
  for (unsigned i = 0; i < r.vcpus; ++i)
    t.vcpu_online[i / 8] = static_cast<std::uint8_t>(t.vcpu_online[i / 8] | 1u << (i % 8));
  std::uint8_t sum = 0;
  const auto* p = reinterpret_cast<const std::uint8_t*>(&t);
  for (std::size_t i = 0; i < sizeof t; ++i) sum = static_cast<std::uint8_t>(sum + p[i]);
  t.checksum = static_cast<std::uint8_t>(-sum);
  return t;
}

void load_start_info(BuildPlan& plan) {
  // Room for the modules' list and their command lines is there although there are none.
  constexpr std::uint64_t kModules = 2, kCommandLine = 1024, kPerModule = sizeof(hvm_modlist_entry) + kCommandLine;
  const std::uint64_t map = sizeof(hvm_start_info) + kModules * kPerModule;
  std::vector<std::uint8_t> bytes(map + plan.memory_map.size() * sizeof(hvm_memmap_table_entry));
  hvm_start_info si{};
  si.magic = XEN_HVM_START_MAGIC_VALUE;
  si.version = 1;
  si.memmap_paddr = plan.start_info + map;
  si.memmap_entries = static_cast<std::uint32_t>(plan.memory_map.size());
  std::memcpy(bytes.data(), &si, sizeof si);
  for (std::size_t i = 0; i < plan.memory_map.size(); ++i) {
    hvm_memmap_table_entry e{};
    e.addr = plan.memory_map[i].address;
    e.size = plan.memory_map[i].size;
    e.type = plan.memory_map[i].type;
    std::memcpy(&bytes[map + i * sizeof e], &e, sizeof e);
  }
  load(plan, plan.start_info, bytes_of(bytes.data(), bytes.size()));
}

}  // namespace

BuildPlan plan_hvm(const BuildRequest& r) {
  BuildPlan plan;
  const ElfImage image = read_elf(r.kernel_name, *r.kernel, ElfUse::kFirmware);
  constexpr std::uint64_t kLeastMib = 2;  // beyond the memory map's start
  if (r.memory_mib < r.video_memory_mib + kLeastMib)
    throw UserError(r.place,
                    "memory = " + std::to_string(r.memory_mib) + " MiB is too little: " +
                        std::to_string(r.video_memory_mib) + " MiB of it are the video card's",
                    "raise memory, or write vga = \"none\"");
  const std::uint64_t ram = (std::max(r.memory_mib, r.max_memory_mib) - r.video_memory_mib) << 20;
  plan.low_memory_end = std::min(ram, kMmioHole);
  plan.high_memory_end = ram > kMmioHole ? kFourGib + (ram - kMmioHole) : 0;
  plan.hole_start = kVgaHoleStart;
  plan.hole_end = kVgaHoleEnd;
  plan.ioreq_server_pages = kIoreqServerPages;
  plan.pages = ram >> kPageShift;
  plan.target_pages = (r.memory_mib - r.video_memory_mib) << 20 >> kPageShift;
  plan.max_pages = (r.memory_mib << 20 >> kPageShift) + kSlackPages;
  plan.entry = image.entry;
  for (const ElfSegment& s : image.segments)
    plan.ranges.push_back({s.physical, r.kernel, s.file_offset, s.file_size, s.memory_size});
  plan.memory_map.push_back({kMapStart, plan.low_memory_end - kMapStart, kE820Ram});
  if (plan.high_memory_end != 0) plan.memory_map.push_back({kFourGib, plan.high_memory_end - kFourGib, kE820Ram});
  plan.start_info = align_up(image.end, kPageSize);
  load_start_info(plan);
  const hvm_info_table table = info_table(r, plan);
  load(plan, HVM_INFO_PADDR, bytes_of(&table, sizeof table));

  const auto in_hole = [&](const LoadedRange& range) {
    return range.address < kVgaHoleEnd << kPageShift && range.address + range.memory_size > kVgaHoleStart
                                                                                                << kPageShift;
  };
  if (std::any_of(plan.ranges.begin(), plan.ranges.end(), in_hole))
    throw UserError(r.kernel_name, "a segment lies in the VGA hole, 0xa0000 to 0xbffff", "link it elsewhere");
  const std::uint64_t end = plan.start_info + plan.ranges[plan.ranges.size() - 2].size;
  if (end > std::min(plan.low_memory_end, (r.memory_mib - r.video_memory_mib) << 20))
    throw UserError(r.place,
                    "memory = " + std::to_string(r.memory_mib) +
                        " MiB is too little: firmware and start info end at " + std::to_string((end >> 20) + 1) +
                        " MiB",
                    "raise memory");
  return plan;
}

}  // namespace xensim::xen
