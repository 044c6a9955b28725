// The ACPI tables that Xen's toolstack (libxl with libacpi, 4.17) puts into a PVH guest's memory: FACS, DSDT,
// FADT, MADT, XSDT and RSDT from 0xfc001000 on, the page that the DSDT reads at 0xfc000000, and the RSDP. The same
// bytes at the same places as Xen's.
#pragma once

#include <cstdint>
#include <vector>

namespace xensim::xen {

inline constexpr std::uint64_t kAcpiInfo = 0xfc000000;

struct AcpiTables {
  std::vector<std::uint8_t> info;    // a page, at kAcpiInfo
  std::vector<std::uint8_t> tables;  // whole pages, at the page after it
  std::vector<std::uint8_t> rsdp;    // at rsdp_address
  std::uint64_t rsdp_address = 0;

  std::uint64_t tables_address() const { return kAcpiInfo + info.size(); }
  // Of memory that they need from kAcpiInfo on.
  std::uint64_t pages() const;
};

// vcpus of the max_vcpus processors are there from the start. low_rsdp: where a BIOS would have it, below 1 MiB,
// for kernels of Linux that look nowhere else.
AcpiTables make_acpi_tables(unsigned vcpus, unsigned max_vcpus, bool low_rsdp);

// The DSDT alone: processor objects for 128 vCPUs, whose presence is in the MADT.
std::vector<std::uint8_t> make_dsdt();

}  // namespace xensim::xen
