#include "models/xen/domain/builder.h"

#include <algorithm>
#include <cstring>

#include "models/xen/domain/acpi.h"
#include "models/xen/hypervisor.h"
#include "models/xen/mm/allocation.h"
#include "sim/base/bits.h"
#include "sim/base/error.h"
#include "sim/base/expects.h"

namespace xensim::xen {

namespace {

constexpr std::uint64_t kMmioHole = 0xfc000000, kFourGib = 0x100000000;
// What libxl lets a domain have beyond its memory (LIBXL_MAXMEM_CONSTANT): the special pages, and a little more.
constexpr std::uint64_t kSlackPages = 256;
constexpr std::uint32_t kE820Ram = 1, kE820Reserved = 2, kE820Acpi = 3;

std::shared_ptr<std::vector<std::uint8_t>> make_bytes(std::size_t n) {
  return std::make_shared<std::vector<std::uint8_t>>(n);
}

void load(BuildPlan& plan, std::uint64_t address, const Bytes& bytes) {
  plan.ranges.push_back({address, bytes, 0, bytes->size(), bytes->size()});
}

}  // namespace

BuildPlan plan_pvh(const BuildRequest& r) {
  BuildPlan plan;
  const ElfImage image = read_elf(r.kernel_name, *r.kernel);
  const std::uint64_t ram = std::max(r.memory_mib, r.max_memory_mib) << 20;
  plan.low_memory_end = std::min(ram, kMmioHole);
  plan.high_memory_end = ram > kMmioHole ? kFourGib + (ram - kMmioHole) : 0;
  plan.pages = ram >> kPageShift;
  plan.target_pages = r.memory_mib << 20 >> kPageShift;
  plan.max_pages = plan.target_pages + kSlackPages;
  plan.entry = image.entry;
  for (const ElfSegment& s : image.segments)
    plan.ranges.push_back({s.physical, r.kernel, s.file_offset, s.file_size, s.memory_size});

  // After the kernel: start info with command line, module list and memory map, then the ramdisk.
  std::uint64_t at = align_up(image.end, kPageSize);
  const std::uint64_t info = at;
  const std::uint64_t command_line_size = align_up(r.command_line.size() + 1, 8);
  AcpiTables acpi =
      make_acpi_tables(r.vcpus, r.max_vcpus, image.guest_os == "linux" && !image.linux_rsdp_unrestricted);
  plan.acpi_pages = acpi.pages();
  // In libxl's order.
  plan.memory_map.push_back({0, plan.low_memory_end, kE820Ram});
  plan.memory_map.push_back({address_of(Gfn(kSpecialPagesBase)).value, kSpecialPages * kPageSize, kE820Reserved});
  const std::uint64_t rsdp_offset = acpi.rsdp_address & kPageMask;
  plan.memory_map.push_back({acpi.rsdp_address - rsdp_offset, acpi.rsdp.size() + rsdp_offset, kE820Acpi});
  plan.memory_map.push_back({kAcpiInfo, acpi.info.size(), kE820Acpi});
  plan.memory_map.push_back({acpi.tables_address(), acpi.tables.size(), kE820Acpi});
  if (plan.high_memory_end != 0) plan.memory_map.push_back({kFourGib, plan.high_memory_end - kFourGib, kE820Ram});

  const std::uint64_t command_line = info + sizeof(hvm_start_info);
  const std::uint64_t modules = command_line + command_line_size;
  const std::uint64_t memory_map = modules + (r.ramdisk ? sizeof(hvm_modlist_entry) : 0);
  const std::uint64_t info_end = memory_map + plan.memory_map.size() * sizeof(hvm_memmap_table_entry);
  const std::uint64_t ramdisk = align_up(info_end, kPageSize);
  const std::uint64_t end = r.ramdisk ? ramdisk + r.ramdisk->size() : info_end;
  // Also of what is populated on demand only as much as it gets is there.
  if (end > std::min(plan.low_memory_end, r.memory_mib << 20))
    throw UserError(r.place,
                    "memory = " + std::to_string(r.memory_mib) +
                        " MiB is too little: kernel, start info and ramdisk end at " +
                        std::to_string((end >> 20) + 1) + " MiB",
                    "raise memory");

  auto bytes = make_bytes(info_end - info);
  const auto put = [&](std::uint64_t address, const void* data, std::size_t n) {
    std::memcpy(bytes->data() + (address - info), data, n);
  };
  hvm_start_info si{};
  si.magic = XEN_HVM_START_MAGIC_VALUE;
  si.version = 1;
  si.nr_modules = r.ramdisk ? 1 : 0;
  si.modlist_paddr = r.ramdisk ? modules : 0;
  si.cmdline_paddr = command_line;
  si.rsdp_paddr = acpi.rsdp_address;
  si.memmap_paddr = memory_map;
  si.memmap_entries = static_cast<std::uint32_t>(plan.memory_map.size());
  put(info, &si, sizeof si);
  put(command_line, r.command_line.c_str(), r.command_line.size() + 1);
  if (r.ramdisk) {
    hvm_modlist_entry m{};
    m.paddr = ramdisk;
    m.size = r.ramdisk->size();
    put(modules, &m, sizeof m);
  }
  for (std::size_t i = 0; i < plan.memory_map.size(); ++i) {
    hvm_memmap_table_entry e{};
    e.addr = plan.memory_map[i].address;
    e.size = plan.memory_map[i].size;
    e.type = plan.memory_map[i].type;
    put(memory_map + i * sizeof e, &e, sizeof e);
  }
  plan.start_info = info;
  load(plan, info, bytes);
  if (r.ramdisk) load(plan, ramdisk, r.ramdisk);
  load(plan, acpi.tables_address(), std::make_shared<std::vector<std::uint8_t>>(std::move(acpi.tables)));
  load(plan, kAcpiInfo, std::make_shared<std::vector<std::uint8_t>>(std::move(acpi.info)));
  load(plan, acpi.rsdp_address, std::make_shared<std::vector<std::uint8_t>>(std::move(acpi.rsdp)));
  return plan;
}

std::vector<Extent> extents_of(const BuildPlan& plan, bool use_1gb, bool use_2mb) {
  std::vector<Extent> out;
  const auto fill = [&](std::uint64_t from, std::uint64_t to) {
    while (from < to) {
      unsigned order = 0;
      for (const unsigned o : {18u, 9u}) {
        if ((o == 18 && !use_1gb) || (o == 9 && !use_2mb)) continue;
        const std::uint64_t n = std::uint64_t{1} << o;
        if (from % n == 0 && to - from >= n) {
          order = o;
          break;
        }
      }
      out.push_back({from, order, plan.on_demand()});
      from += std::uint64_t{1} << order;
    }
  };
  if (plan.hole_end != 0) {
    // In pages below the hole, as libxenguest does.
    for (std::uint64_t gfn = 0; gfn < plan.hole_start; ++gfn) out.push_back({gfn, 0, plan.on_demand()});
    fill(plan.hole_end, plan.low_memory_end >> kPageShift);
  } else {
    fill(0, plan.low_memory_end >> kPageShift);
  }
  if (plan.high_memory_end != 0) fill(kFourGib >> kPageShift, plan.high_memory_end >> kPageShift);
  for (std::uint64_t i = 0; i < kSpecialPages; ++i) out.push_back({kSpecialPagesBase + i, 0, false});
  for (std::uint64_t i = 0; i < plan.ioreq_server_pages; ++i) out.push_back({kIoreqServerPagesBase + i, 0, false});
  for (std::uint64_t i = 0; i < plan.acpi_pages; ++i) out.push_back({(kAcpiInfo >> kPageShift) + i, 0, false});
  return out;
}

long reserve_memory(Hypervisor& hv, Domain& d, const BuildPlan& plan) {
  const std::uint64_t populated = plan.target_pages - (plan.hole_end - plan.hole_start);
  if (hv.frames.claim_of(d.domid) == 0 && hv.frames.totals(d.domid).pages == 0)
    if (const long r = claim_pages(hv, d, populated)) return r;
  return plan.on_demand() ? pod::set_target(hv, d, populated) : 0;
}

bool place_extent(Hypervisor& hv, Domain& d, const Extent& e) {
  hv.cost.charge(*hv.here().pcpu, Path::kPopulatePage);
  if (e.on_demand) return pod::mark(hv, d, e.gfn, e.order) == 0;
  hv.cost.charge_many(*hv.here().pcpu, Path::kPopulateFrame, (std::uint64_t{1} << e.order) - 1);
  return hv.populate(d, Gfn(e.gfn), e.order);
}

void fill_memory(Hypervisor& hv, Domain& d, const BuildPlan& plan) {
  claim_pages(hv, d, 0);
  for (const LoadedRange& range : plan.ranges) {
    std::uint64_t done = 0;
    while (done < range.memory_size) {
      const std::uint64_t gpa = range.address + done;
      const auto frame = hv.ram_frame(d, gpa >> kPageShift);
      expects(frame.has_value());
      const std::uint64_t n = std::min(range.memory_size - done, kPageSize - (gpa & kPageMask));
      const PhysAddr to = address_of(*frame) + (gpa & kPageMask);
      const std::uint64_t from_file = done < range.size ? std::min(n, range.size - done) : 0;
      if (from_file > 0) hv.memory.write_bytes(to, {range.bytes->data() + range.offset + done, from_file});
      if (from_file < n) hv.memory.fill(to + from_file, 0, n - from_file);
      done += n;
    }
  }
  // The identity page table for guests that start with paging but no tables of their own: 4 MiB pages, P RW US A D
  // PS.
  const auto ident = hv.ram_frame(d, special_gfn(kSpecialIdentPt));
  expects(ident.has_value());
  for (std::uint32_t i = 0; i < 1024; ++i)
    hv.memory.write<std::uint32_t>(address_of(*ident) + 4 * i, i << 22 | 0xe7);
  d.memory_map = plan.memory_map;
  d.hvm_params[HVM_PARAM_STORE_PFN] = special_gfn(kSpecialXenstore);
  d.hvm_params[HVM_PARAM_CONSOLE_PFN] = special_gfn(kSpecialConsole);
  d.hvm_params[HVM_PARAM_IOREQ_PFN] = special_gfn(kSpecialIoreq);
  d.hvm_params[HVM_PARAM_BUFIOREQ_PFN] = special_gfn(3);
  d.hvm_params[HVM_PARAM_IDENT_PT] = address_of(Gfn(special_gfn(kSpecialIdentPt))).value;
  d.hvm_params[HVM_PARAM_PAGING_RING_PFN] = special_gfn(0);
  d.hvm_params[HVM_PARAM_MONITOR_RING_PFN] = special_gfn(1);
  d.hvm_params[HVM_PARAM_SHARING_RING_PFN] = special_gfn(2);
  d.hvm_params[HVM_PARAM_TRIPLE_FAULT_REASON] = SHUTDOWN_reboot;
  if (plan.ioreq_server_pages != 0) {
    d.hvm_params[HVM_PARAM_IOREQ_SERVER_PFN] = kIoreqServerPagesBase;
    d.hvm_params[HVM_PARAM_NR_IOREQ_SERVER_PAGES] = plan.ioreq_server_pages;
  }
  // The vLAPIC's page is emulated: it has its tables from the start, so that a full paging pool does not matter.
  expects(d.p2m->set(Gfn(0xfee00), kNoMfn, 0, P2mType::kMmioDm));

  cpu::ArchState st;
  st.cr0 = cpu::kCr0Pe | cpu::kCr0Et;
  st.rip = plan.entry;
  st.gpr[cpu::kRbx] = plan.start_info;
  st.rflags = 2;
  st.seg[cpu::kCs] = {0, 0xffffffff, 0xc09b, 0};
  for (const unsigned s : {cpu::kSs, cpu::kDs, cpu::kEs}) st.seg[s] = {0, 0xffffffff, 0xc093, 0};
  st.seg[cpu::kFs] = st.seg[cpu::kGs] = {0, 0, 0x10000, 0};
  st.tr = {0, 0x67, 0x8b, 0};
  st.ldtr = {0, 0, 0x82, 0};
  st.gdtr = {0, 0};
  st.idtr = {0, 0};
  hv.set_vcpu_state(*d.vcpus[0], st);
  d.vcpus[0]->initialised = true;
  d.vcpus[0]->pause_flags &= ~kPauseDown;
  for (std::size_t i = 1; i < d.vcpus.size(); ++i) d.vcpus[i]->waiting_for_sipi = true;
}

}  // namespace xensim::xen
