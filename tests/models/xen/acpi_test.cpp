// Addresses, sizes and the DSDT's digest are what Linux said, and read, as a PVH domU of a real Xen 4.17.5.
#include "models/xen/domain/acpi.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <numeric>

#include "models/xen/domain/aml.h"
#include "sim/base/digest.h"

namespace xensim::xen {
namespace {

std::uint64_t word(const std::vector<std::uint8_t>& bytes, std::uint64_t at, unsigned n) {
  std::uint64_t v = 0;
  std::memcpy(&v, bytes.data() + at, n);
  return v;
}

struct Tables {
  explicit Tables(unsigned vcpus, unsigned max_vcpus, bool low = false)
      : acpi(make_acpi_tables(vcpus, max_vcpus, low)) {}
  std::uint64_t at(std::uint64_t address, unsigned n) const {
    return word(acpi.tables, address - acpi.tables_address(), n);
  }
  std::string signature(std::uint64_t address) const {
    return {reinterpret_cast<const char*>(acpi.tables.data()) + (address - acpi.tables_address()), 4};
  }
  // 0 for a valid table.
  unsigned sum(std::uint64_t address) const {
    const auto* p = acpi.tables.data() + (address - acpi.tables_address());
    return std::accumulate(p, p + at(address + 4, 4), 0u) & 0xff;
  }
  AcpiTables acpi;
};

TEST_CASE("The DSDT is the one that Xen's toolstack has for PVH guests") {
  const std::vector<std::uint8_t> dsdt = make_dsdt();
  CHECK(dsdt.size() == 0x6c9b);
  Digest digest;
  digest.add(dsdt.data(), dsdt.size());
  CHECK(digest.hex() == "ab2c23f703476061cf47512b18a5302f");
}

TEST_CASE("ACPI tables lie where Xen puts them") {
  const Tables one(1, 1), two(2, 2);
  CHECK(one.acpi.rsdp_address == 0xfc008000);
  CHECK(one.acpi.pages() == 9);
  CHECK(word(one.acpi.rsdp, 24, 8) == 0xfc007f50);
  CHECK(word(two.acpi.rsdp, 24, 8) == 0xfc007f60);
  for (const Tables* t : {&one, &two}) {
    const std::uint64_t xsdt = word(t->acpi.rsdp, 24, 8), rsdt = word(t->acpi.rsdp, 16, 4);
    CHECK(t->signature(xsdt) == "XSDT");
    CHECK(t->signature(rsdt) == "RSDT");
    CHECK(t->at(xsdt + 4, 4) == 0x34);
    const std::uint64_t fadt = t->at(xsdt + 36, 8), madt = t->at(xsdt + 44, 8);
    CHECK(fadt == 0xfc007d60);
    CHECK(t->at(fadt + 4, 4) == 0x10c);
    CHECK(madt == 0xfc007e70);
    CHECK(t->at(fadt + 140, 8) == 0xfc001040);
    CHECK(t->signature(0xfc001040) == "DSDT");
    CHECK(t->at(fadt + 132, 8) == 0xfc001000);
    CHECK(t->signature(0xfc001000) == "FACS");
    CHECK(t->at(rsdt + 40, 4) == madt);
    const std::uint64_t first = t->at(rsdt + 36, 4);
    CHECK(t->at(first + 4, 4) == 116);
    for (const std::uint64_t table : {xsdt, rsdt, fadt, first, madt}) CHECK(t->sum(table) == 0);
  }
  CHECK(one.at(0xfc007e74, 4) == 0x34);
  CHECK(two.at(0xfc007e74, 4) == 0x3c);
}

TEST_CASE("The MADT lists every vCPU, and enables those that are there") {
  const Tables t(2, 4);
  const std::uint64_t madt = 0xfc007e70;
  for (unsigned i = 0; i < 4; ++i) {
    const std::uint64_t entry = madt + 44 + 8 * i;
    CHECK(t.at(entry, 2) == 0x0800);
    CHECK(t.at(entry + 2, 1) == i);
    CHECK(t.at(entry + 3, 1) == 2 * i);
    CHECK(t.at(entry + 4, 4) == (i < 2 ? 1 : 0));
  }
  // What the DSDT reads: the number of processors, the first entry and the checksum's place.
  CHECK(word(t.acpi.info, 2, 2) == 4);
  CHECK(word(t.acpi.info, 12, 4) == madt + 9);
  CHECK(word(t.acpi.info, 16, 4) == madt + 44);
}

TEST_CASE("128 vCPUs have tables, and old kernels of Linux an RSDP below 1 MiB") {
  const Tables t(128, 128, true);
  CHECK(t.acpi.rsdp_address == 0xfffc0);
  CHECK(t.acpi.pages() == 1 + t.acpi.tables.size() / 4096);
  CHECK(std::accumulate(t.acpi.rsdp.begin(), t.acpi.rsdp.begin() + 20, 0u) % 256 == 0);
  CHECK(std::accumulate(t.acpi.rsdp.begin(), t.acpi.rsdp.begin() + 36, 0u) % 256 == 0);
  CHECK(t.sum(word(t.acpi.rsdp, 24, 8)) == 0);
}

TEST_CASE("A package's length counts itself, in as few bytes as it needs") {
  const auto length_bytes = [](std::size_t body) {
    return aml::scope("_SB_", std::string(body, 'x')).size() - body - 4 - 1;
  };
  CHECK(length_bytes(63 - 5) == 1);
  CHECK(length_bytes(63 - 4) == 2);
  CHECK(length_bytes(0xfff - 6) == 2);
  CHECK(length_bytes(0xfff - 5) == 3);
  CHECK(aml::scope("_SB_", "") == std::string("\x10\x05_SB_", 6));
}

}  // namespace
}  // namespace xensim::xen
