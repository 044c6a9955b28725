#include "models/xen/domain/builder.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "models/xen/domain/acpi.h"
#include "sim/base/error.h"
#include "tests/models/xen/elf_image.h"
#include "tests/models/xen/fixture.h"

namespace xensim::xen {
namespace {

// Beyond RAM: the special pages, and ACPI's.
constexpr std::uint64_t kOwnPages = kSpecialPages + 9;

BuildRequest request(std::uint64_t memory_mib, std::size_t ramdisk = 0) {
  BuildRequest r;
  r.place = "guest.cfg";
  r.kernel_name = "kernel";
  r.kernel = std::make_shared<const std::vector<std::uint8_t>>(Image{}.bytes());
  if (ramdisk != 0) r.ramdisk = std::make_shared<const std::vector<std::uint8_t>>(ramdisk, std::uint8_t{0xab});
  r.command_line = "root=/dev/xvda quiet";
  r.memory_mib = r.max_memory_mib = memory_mib;
  return r;
}

TEST_CASE("Memory up to the hole is one range, ACPI's tables and the special pages are set apart") {
  const BuildPlan plan = plan_pvh(request(64));
  REQUIRE(plan.memory_map.size() == 5);
  const auto entry = [&](std::size_t i) {
    const E820Entry& e = plan.memory_map[i];
    return std::vector<std::uint64_t>{e.address, e.size, e.type};
  };
  using Entry = std::vector<std::uint64_t>;
  CHECK(entry(0) == Entry{0, 64 << 20, 1});
  CHECK(entry(1) == Entry{0xfeff8000, 0x8000, 2});
  CHECK(entry(2) == Entry{0xfc008000, 64, 3});
  CHECK(entry(3) == Entry{0xfc000000, 0x1000, 3});
  CHECK(entry(4) == Entry{0xfc001000, 0x7000, 3});
  CHECK(plan.acpi_pages == 9);
  CHECK(plan.high_memory_end == 0);
  CHECK(plan.pages == 16384);
}

TEST_CASE("Memory beyond the hole goes on at 4 GiB") {
  const BuildPlan plan = plan_pvh(request(5000));
  CHECK(plan.low_memory_end == 0xfc000000);
  CHECK(plan.high_memory_end == 0x100000000 + (5000ull << 20) - 0xfc000000);
  REQUIRE(plan.memory_map.size() == 6);
  CHECK(plan.memory_map[5].address == 0x100000000);
}

TEST_CASE("Start info, modules and memory map point to each other") {
  Bench b;
  Domain& d = b.guest(1, 1, 64 * 256 + kOwnPages);
  const BuildPlan plan = plan_pvh(request(64, 5000));
  for (const Extent& e : extents_of(plan, true, true)) REQUIRE(b.hv->populate(d, Gfn(e.gfn), e.order));
  fill_memory(*b.hv, d, plan);
  const auto at = [&](std::uint64_t gpa) {
    return b.memory.host(address_of(*b.hv->ram_frame(d, gpa >> kPageShift)) + (gpa & kPageMask));
  };
  hvm_start_info si;
  std::memcpy(&si, at(plan.start_info), sizeof si);
  CHECK(si.magic == 0x336ec578);
  CHECK(si.version == 1);
  CHECK(si.nr_modules == 1);
  CHECK(std::string(reinterpret_cast<const char*>(at(si.cmdline_paddr))) == "root=/dev/xvda quiet");
  hvm_modlist_entry module;
  std::memcpy(&module, at(si.modlist_paddr), sizeof module);
  CHECK(module.size == 5000);
  CHECK(module.paddr % kPageSize == 0);
  CHECK(*at(module.paddr + 4999) == 0xab);
  CHECK(*at(module.paddr + 5000) == 0);
  CHECK(si.rsdp_paddr == 0xfc008000);
  CHECK(std::memcmp(at(si.rsdp_paddr), "RSD PTR ", 8) == 0);
  REQUIRE(si.memmap_entries == 5);
  hvm_memmap_table_entry entry;
  std::memcpy(&entry, at(si.memmap_paddr), sizeof entry);
  CHECK(entry.size == 64 << 20);
  CHECK(*at(0x100000) == 0x90);
  CHECK(*at(0x100010) == 0);  // beyond the file's bytes
  CHECK(d.vcpus[0]->context.st.gpr[cpu::kRbx] == plan.start_info);
}

TEST_CASE("A kernel that does not fit is refused with the size it needs, one that just fits is not") {
  BuildRequest r = request(1);
  CHECK_THROWS_WITH(plan_pvh(r),
                    Catch::Contains("guest.cfg: memory = 1 MiB is too little") && Catch::Contains("raise memory"));
  CHECK_NOTHROW(plan_pvh(request(2)));
  // The kernel and its start info take the pages at 1 MiB; the rest of the 4 MiB is the ramdisk's.
  CHECK_NOTHROW(plan_pvh(request(4, (3 << 20) - 2 * kPageSize)));
  CHECK_THROWS_AS(plan_pvh(request(4, (3 << 20) - 2 * kPageSize + 1)), UserError);
}

TEST_CASE("Extents cover all memory once, in the largest sizes allowed") {
  const BuildPlan plan = plan_pvh(request(1030));
  for (const bool gib : {false, true})
    for (const bool mib : {false, true}) {
      std::uint64_t next = 0, pages = 0;
      unsigned largest = 0;
      for (const Extent& e : extents_of(plan, gib, mib)) {
        if (e.gfn < kAcpiInfo >> kPageShift) {
          REQUIRE(e.gfn == next);
          next = e.gfn + (std::uint64_t{1} << e.order);
        }
        REQUIRE(e.gfn % (std::uint64_t{1} << e.order) == 0);
        pages += std::uint64_t{1} << e.order;
        largest = std::max(largest, e.order);
      }
      CHECK(pages == plan.pages + kSpecialPages + plan.acpi_pages);
      CHECK(largest == (gib ? 18u : mib ? 9u : 0u));
    }
}

TEST_CASE("A destroyed domain leaves every frame free") {
  Bench b;
  const std::uint64_t before = b.hv->heap.free_pages();
  for (domid_t domid = 1; domid < 4; ++domid) {
    Domain& d = b.guest(domid, 2, 64 * 256 + kOwnPages);
    const BuildPlan plan = plan_pvh(request(64));
    for (const Extent& e : extents_of(plan, domid != 2, domid != 3))
      REQUIRE(b.hv->populate(d, Gfn(e.gfn), e.order));
    fill_memory(*b.hv, d, plan);
    b.hv->destroy_domain(domid);
    CHECK(b.hv->heap.free_pages() == before);
  }
}

TEST_CASE("A domain gets no frame above its maximum") {
  Bench b;
  Domain& d = b.guest(1, 1, 600);
  CHECK(b.hv->populate(d, Gfn(0), 9));
  CHECK_FALSE(b.hv->populate(d, Gfn(512), 9));
  for (unsigned i = 0; i < 88; ++i) REQUIRE(b.hv->populate(d, Gfn(512 + i), 0));
  CHECK_FALSE(b.hv->populate(d, Gfn(600), 0));
  CHECK(b.hv->frames.totals(d.domid).pages == 600);
}

BuildRequest hvm_request(std::uint64_t memory_mib, std::uint64_t video_mib) {
  BuildRequest r = request(memory_mib);
  r.video_memory_mib = video_mib;
  return r;
}

TEST_CASE("An HVM guest has less RAM than memory, a hole for VGA, and a memory map from 1 MiB on") {
  const BuildPlan plan = plan_hvm(hvm_request(128, 8));
  CHECK(plan.low_memory_end == 120 << 20);
  CHECK(plan.target_pages == 120 * 256);
  CHECK(plan.max_pages == 129 * 256);
  REQUIRE(plan.memory_map.size() == 1);
  CHECK(plan.memory_map[0].address == 1 << 20);
  CHECK(plan.memory_map[0].size == 119 << 20);
  std::uint64_t pages = 0;
  for (const Extent& e : extents_of(plan, true, true)) {
    const bool in_hole = e.gfn < 0xc0 && e.gfn + (std::uint64_t{1} << e.order) > 0xa0;
    CHECK_FALSE(in_hole);
    pages += std::uint64_t{1} << e.order;
  }
  CHECK(pages == 120 * 256 - 0x20 + kSpecialPages + 8);
}

TEST_CASE("An HVM guest's memory beyond 3.75 GiB goes on at 4 GiB") {
  const BuildPlan plan = plan_hvm(hvm_request(5000, 0));
  CHECK(plan.low_memory_end == 0xf0000000);
  CHECK(plan.high_memory_end == 0x100000000 + (5000ull << 20) - 0xf0000000);
  CHECK(plan.memory_map.size() == 2);
}

TEST_CASE("The HVM info table sums to zero, and the start info says where the memory map is") {
  Bench b;
  CreateParameters c;
  c.name = "hvm";
  c.emulation_flags = XEN_X86_EMU_ALL & ~XEN_X86_EMU_VPCI;
  const BuildPlan plan = plan_hvm(hvm_request(16, 0));
  c.max_pages = plan.max_pages;
  Domain& d = b.hv->create_domain(1, DomainKind::kGuest, c);
  for (const Extent& e : extents_of(plan, true, true)) REQUIRE(place_extent(*b.hv, d, e));
  fill_memory(*b.hv, d, plan);
  const auto at = [&](std::uint64_t gpa) {
    return address_of(*b.hv->ram_frame(d, gpa >> kPageShift)) + (gpa & kPageMask);
  };
  std::uint8_t sum = 0;
  const auto length = b.memory.read<std::uint32_t>(at(0x9f808));
  for (std::uint32_t i = 0; i < length; ++i)
    sum = static_cast<std::uint8_t>(sum + b.memory.read<std::uint8_t>(at(0x9f800 + i)));
  CHECK(sum == 0);
  CHECK(b.memory.read<std::uint64_t>(at(0x9f800)) == 0x4f464e49204d5648);  // HVM INFO
  const auto map = b.memory.read<std::uint64_t>(at(plan.start_info + 40));
  CHECK(map == plan.start_info + 56 + 2 * (32 + 1024));
  CHECK(b.memory.read<std::uint64_t>(at(map)) == 1 << 20);
  CHECK(d.hvm_params[HVM_PARAM_IOREQ_SERVER_PFN] == 0xfeff0);
}

TEST_CASE("Firmware that does not fit, or lies in the VGA hole, is refused") {
  CHECK_THROWS_WITH(plan_hvm(hvm_request(8, 8)), Catch::Contains("the video card's"));
  BuildRequest r = hvm_request(64, 0);
  Image image;
  image.segments[0].physical = image.entry = 0xa0000;
  r.kernel = std::make_shared<const std::vector<std::uint8_t>>(image.bytes());
  CHECK_THROWS_WITH(plan_hvm(r), Catch::Contains("VGA hole"));
}

}  // namespace
}  // namespace xensim::xen
