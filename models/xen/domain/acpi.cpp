// Layouts: ACPI 6.4, chapter 5. Values and the order of allocation: what a guest of Xen 4.17 finds.
#include "models/xen/domain/acpi.h"

#include <cstddef>
#include <cstring>
#include <numeric>
#include <span>
#include <string_view>

#include "models/xen/domain/aml.h"
#include "sim/base/bits.h"
#include "sim/base/expects.h"

namespace xensim::xen {

namespace {

constexpr std::uint64_t kPage = 4096, kRsdpBytes = 64, kLowRsdp = 0x100000 - kRsdpBytes;
constexpr std::uint32_t kLocalApicBase = 0xfee00000;
constexpr unsigned kProcessors = 128;
constexpr std::uint32_t kPmTimer = 0xb008;
// Flags of a FADT: no fixed-hardware buttons.
constexpr std::uint32_t kPowerButton = 1 << 4, kSleepButton = 1 << 5;

#pragma pack(push, 1)

struct Header {
  char signature[4];
  std::uint32_t length;
  std::uint8_t revision, checksum;
  char oem_id[6], oem_table_id[8];
  std::uint32_t oem_revision;
  char creator_id[4];
  std::uint32_t creator_revision;
};
static_assert(sizeof(Header) == 36);

struct GenericAddress {
  std::uint8_t space, bits, offset, access;
  std::uint64_t address;
};

struct Facs {
  char signature[4];
  std::uint32_t length, hardware_signature, waking_vector, global_lock, flags;
  std::uint64_t x_waking_vector;
  std::uint8_t version, reserved[31];
};
static_assert(sizeof(Facs) == 64);

struct FadtRevision1 {
  Header header;
  std::uint32_t firmware_ctrl, dsdt;
  std::uint8_t model, profile;
  std::uint16_t sci_int;
  std::uint32_t smi_cmd;
  std::uint8_t acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
  std::uint32_t pm1a_evt_blk, pm1b_evt_blk, pm1a_cnt_blk, pm1b_cnt_blk, pm2_cnt_blk, pm_tmr_blk, gpe0_blk,
      gpe1_blk;
  std::uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_len, gpe1_len, gpe1_base, cst_cnt;
  std::uint16_t p_lvl2_lat, p_lvl3_lat, flush_size, flush_stride;
  std::uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
  std::uint16_t boot_architecture;
  std::uint8_t reserved;
  std::uint32_t flags;
};
static_assert(sizeof(FadtRevision1) == 116);

struct Fadt {
  FadtRevision1 first;
  GenericAddress reset_reg;
  std::uint8_t reset_value;
  std::uint16_t arm_boot_architecture;
  std::uint8_t minor_version;
  std::uint64_t x_firmware_ctrl, x_dsdt;
  GenericAddress x_pm1a_evt_blk, x_pm1b_evt_blk, x_pm1a_cnt_blk, x_pm1b_cnt_blk, x_pm2_cnt_blk, x_pm_tmr_blk,
      x_gpe0_blk, x_gpe1_blk, sleep_control, sleep_status;
};
static_assert(sizeof(Fadt) == 268);

struct Madt {
  Header header;
  std::uint32_t local_apic_address, flags;
};
struct LocalApic {
  std::uint8_t type, length, processor_id, apic_id;
  std::uint32_t flags;
};

struct Rsdp {
  char signature[8];
  std::uint8_t checksum;
  char oem_id[6];
  std::uint8_t revision;
  std::uint32_t rsdt_address, length;
  std::uint64_t xsdt_address;
  std::uint8_t extended_checksum, reserved[3];
};
static_assert(sizeof(Rsdp) == 36);

// What the DSDT's field BIOS lies over.
struct Info {
  std::uint16_t devices;
  std::uint16_t processors;
  std::uint32_t pci_min, pci_length;
  std::uint32_t madt_checksum, madt_local_apic, vm_generation_id;
  std::uint64_t pci_high_min, pci_high_length;
};
static_assert(sizeof(Info) == 40);

#pragma pack(pop)

template <std::size_t N>
void put_text(char (&to)[N], std::string_view text) {
  expects(text.size() <= N);
  std::memcpy(to, text.data(), text.size());
}

std::uint8_t checksum(std::span<const std::uint8_t> bytes) {
  return static_cast<std::uint8_t>(-std::accumulate(bytes.begin(), bytes.end(), 0u));
}

Header make_header(std::string_view signature, std::size_t length, std::uint8_t revision) {
  Header h{};
  put_text(h.signature, signature);
  h.length = static_cast<std::uint32_t>(length);
  h.revision = revision;
  put_text(h.oem_id, "Xen");
  put_text(h.oem_table_id, "HVM");
  put_text(h.creator_id, "HVML");
  return h;
}

// Guest memory from the page after Info on; tables start at multiples of 16.
class Area {
 public:
  std::uint64_t take(std::size_t size) {
    const std::uint64_t at = align_up(used_, 16);
    // Xen's allocator counts the last byte as free when it aligns the next block.
    used_ = at + size - 1;
    bytes_.resize(align_up(at + size, kPage));
    return base() + at;
  }
  void put(std::uint64_t address, const void* data, std::size_t n) {
    std::memcpy(bytes_.data() + (address - base()), data, n);
  }
  // As put, of a table with a header: its checksum is made right.
  void put_table(std::uint64_t address, const void* data, std::size_t n) {
    put(address, data, n);
    std::uint8_t* table = bytes_.data() + (address - base());
    table[offsetof(Header, checksum)] = 0;
    table[offsetof(Header, checksum)] = checksum({table, n});
  }
  std::vector<std::uint8_t> finish() {
    bytes_.resize(align_up(used_, kPage));
    return std::move(bytes_);
  }
  static std::uint64_t base() { return kAcpiInfo + kPage; }

 private:
  std::uint64_t used_ = 0;
  std::vector<std::uint8_t> bytes_;
};

Fadt make_fadt(std::uint64_t facs, std::uint64_t dsdt) {
  constexpr std::uint8_t kSystemIo = 1;
  constexpr std::uint32_t kPm1Event = 0xb000, kPm1Control = 0xb004, kGpe0 = 0xafe0, kReset = 0xcf9;
  Fadt f{};
  FadtRevision1& one = f.first;
  one.header = make_header("FACP", sizeof f, 5);
  one.firmware_ctrl = static_cast<std::uint32_t>(facs);
  one.dsdt = static_cast<std::uint32_t>(dsdt);
  one.sci_int = 9;
  one.pm1a_evt_blk = kPm1Event;
  one.pm1a_cnt_blk = kPm1Control;
  one.gpe0_blk = kGpe0;
  one.pm1_evt_len = 4;
  one.pm1_cnt_len = 2;
  one.gpe0_len = 4;
  one.p_lvl2_lat = one.p_lvl3_lat = 0x0fff;  // no C2, no C3
  one.boot_architecture = 1 << 2 | 1 << 5;   // no VGA, no CMOS RTC
  // WBINVD, C1, RTC without fixed status, 32-bit timer, reset register, the platform's clock is reliable.
  one.flags = 1u << 0 | 1u << 2 | kPowerButton | kSleepButton | 1u << 6 | 1u << 8 | 1u << 15;
  f.reset_reg = {kSystemIo, 8, 0, 0, kReset};
  f.reset_value = 6;
  f.x_firmware_ctrl = facs;
  f.x_dsdt = dsdt;
  f.x_pm1a_evt_blk = {kSystemIo, 32, 0, 0, kPm1Event};
  f.x_pm1a_cnt_blk = {kSystemIo, 16, 0, 0, kPm1Control};
  return f;
}

// Xen leaves room for an I/O APIC and the overrides of 16 interrupts, which a PVH guest has not.
std::uint64_t put_madt(Area& area, unsigned vcpus, unsigned max_vcpus, Info& info) {
  constexpr std::size_t kIoApicBytes = 12, kOverrideBytes = 10;
  const std::size_t length = sizeof(Madt) + max_vcpus * sizeof(LocalApic);
  const std::uint64_t at = area.take(length + kIoApicBytes + 16 * kOverrideBytes);
  std::vector<std::uint8_t> bytes(length);
  Madt m{make_header("APIC", length, 2), kLocalApicBase, 1 /* there is a PIC, it says */};
  std::memcpy(bytes.data(), &m, sizeof m);
  for (unsigned i = 0; i < max_vcpus; ++i) {
    const LocalApic apic{0, sizeof(LocalApic), static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(2 * i),
                         i < vcpus ? 1u : 0u};
    std::memcpy(bytes.data() + sizeof m + i * sizeof apic, &apic, sizeof apic);
  }
  area.put_table(at, bytes.data(), bytes.size());
  info.madt_checksum = static_cast<std::uint32_t>(at + offsetof(Header, checksum));
  info.madt_local_apic = static_cast<std::uint32_t>(at + sizeof m);
  return at;
}

// RSDT and XSDT; T is their entry.
template <class T>
std::uint64_t put_root(Area& area, std::string_view signature, std::uint64_t fadt, std::uint64_t madt) {
  struct [[gnu::packed]] Root {
    Header header;
    T tables[2];
  };
  const std::uint64_t at = area.take(sizeof(Root));
  const Root root{make_header(signature, sizeof(Root), 1), {static_cast<T>(fadt), static_cast<T>(madt)}};
  area.put_table(at, &root, sizeof root);
  return at;
}

std::vector<std::uint8_t> make_rsdp(std::uint64_t rsdt, std::uint64_t xsdt) {
  constexpr std::size_t kFirstVersionBytes = 20;
  Rsdp r{};
  put_text(r.signature, "RSD PTR ");
  put_text(r.oem_id, "Xen");
  r.revision = 2;
  r.rsdt_address = static_cast<std::uint32_t>(rsdt);
  r.length = sizeof r;
  r.xsdt_address = xsdt;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&r);
  r.checksum = checksum({bytes, kFirstVersionBytes});
  r.extended_checksum = checksum({bytes, sizeof r});
  std::vector<std::uint8_t> out(kRsdpBytes);
  std::memcpy(out.data(), &r, sizeof r);
  return out;
}

std::string processor_name(unsigned i) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  return {'P', 'R', kDigits[i / 16], kDigits[i % 16]};
}

aml::Term processor_object(unsigned i) {
  using namespace aml;
  constexpr std::uint32_t kControlBlock = 0xb010;
  const Term present = when(Term("FLG_"), give_back(integer(0x0f)));
  const Term mat = i == 0 ? to_buffer(Term("MAT_")) : "PMAT" + integer(i) + "MAT_";
  return processor(
      processor_name(i), i, kControlBlock, 6,
      name("_HID", string("ACPI0007")) + name("_UID", integer(i)) +
          operation_region("MATR", Space::kSystemMemory, add(Term("MAPA"), integer(8 * i), integer(0)),
                           integer(8)) +
          field("MATR", {{"MAT_", 64}}) + field("MATR", {{"", 32}, {"FLG_", 1}}) +
          method("_MAT", 0, give_back(mat)) +
          method("_STA", 0,
                 (i == 0 ? present : when(less(integer(i), Term("NCPU")), present)) + give_back(integer(0))) +
          method("_EJ0", 1, sleep(integer(200))));
}

// The hot-plug scan: which processors have come or gone since the last one.
aml::Term processor_scan() {
  using namespace aml;
  const Term one = integer(1), count = "MSU_";
  Term body = store(to_buffer(Term("PRS_")), local(0));
  for (unsigned i = 0; i < kProcessors; ++i) {
    const Term flag = parent(path(processor_name(i), "FLG_"));
    body += i % 8 == 0 ? store(deref_of(index(local(0), integer(i / 8))), local(1))
                       : shift_right(local(1), one, local(1));
    body += bit_and(local(1), one, local(2));
    body += when(not_equal(local(2), flag),
                 store(local(2), flag) +
                     when(equal(local(2), one), notify(processor_name(i), one) + subtract(count, one, count)) +
                     otherwise(notify(processor_name(i), integer(3)) + add(count, one, count)));
  }
  return method("PRSC", 0, body + give_back(one));
}

}  // namespace

std::vector<std::uint8_t> make_dsdt() {
  using namespace aml;
  Term body =
      scope("_SB_", operation_region("BIOS", Space::kSystemMemory, integer(kAcpiInfo), integer(sizeof(Info))) +
                        field("BIOS", {{"UAR1", 1},
                                       {"UAR2", 1},
                                       {"LTP1", 1},
                                       {"HPET", 1},
                                       {"", 12},
                                       {"NCPU", 16},
                                       {"PMIN", 32},
                                       {"PLEN", 32},
                                       {"MSUA", 32},
                                       {"MAPA", 32},
                                       {"VGIA", 32},
                                       {"LMIN", 32},
                                       {"HMIN", 32},
                                       {"LLEN", 32},
                                       {"HLEN", 32}}));
  // A local APIC entry of no processor: type 0, no IDs, not enabled.
  constexpr std::string_view kAbsent("\x00\x08\xff\xff\x00\x00\x00\x00", 8);
  Term processors =
      operation_region("MSUM", Space::kSystemMemory, Term("MSUA"), integer(1)) + field("MSUM", {{"MSU_", 8}}) +
      method("PMAT", 2,
             when(less(argument(0), Term("NCPU")), give_back(to_buffer(argument(1)))) + give_back(bytes(kAbsent)));
  for (unsigned i = 0; i < kProcessors; ++i) processors += processor_object(i);
  processors += operation_region("PRST", Space::kSystemIo, integer(0xaf00), integer(kProcessors / 8)) +
                field("PRST", {{"PRS_", kProcessors}}) + processor_scan();
  body += scope("_SB_", processors);
  body += scope("_GPE", method("_E02", 0, root_path("_SB_", "PRSC")));

  Header h = make_header("DSDT", sizeof(Header) + body.size(), 5);
  put_text(h.creator_id, "INTL");
  h.creator_revision = 0x20200925;
  std::vector<std::uint8_t> out(sizeof h + body.size());
  std::memcpy(out.data(), &h, sizeof h);
  std::memcpy(out.data() + sizeof h, body.data(), body.size());
  out[offsetof(Header, checksum)] = checksum(out);
  return out;
}

std::uint64_t AcpiTables::pages() const {
  return (info.size() + tables.size()) / kPage + (rsdp_address == kLowRsdp ? 0 : 1);
}

AcpiTables make_acpi_tables(unsigned vcpus, unsigned max_vcpus, bool low_rsdp) {
  Area area;
  Info info{};
  info.processors = static_cast<std::uint16_t>(max_vcpus);

  Facs facs{};
  put_text(facs.signature, "FACS");
  facs.length = sizeof facs;
  facs.version = 1;
  const std::uint64_t facs_at = area.take(sizeof facs);
  area.put(facs_at, &facs, sizeof facs);
  const std::vector<std::uint8_t> dsdt = make_dsdt();
  const std::uint64_t dsdt_at = area.take(dsdt.size());
  area.put(dsdt_at, dsdt.data(), dsdt.size());

  // Two FADTs: one of revision 1, which the RSDT knows, and the whole one.
  const Fadt fadt = make_fadt(facs_at, dsdt_at);
  FadtRevision1 first = fadt.first;
  first.header.length = sizeof first;
  first.header.revision = 1;
  // Xen takes its copy before it strikes what a PVH guest has not.
  first.boot_architecture = 0;
  first.pm_tmr_blk = kPmTimer;
  first.pm_tmr_len = 4;
  first.flags &= ~(kPowerButton | kSleepButton);
  const std::uint64_t first_at = area.take(sizeof first);
  area.put_table(first_at, &first, sizeof first);
  const std::uint64_t fadt_at = area.take(sizeof fadt);
  area.put_table(fadt_at, &fadt, sizeof fadt);
  const std::uint64_t madt_at = put_madt(area, vcpus, max_vcpus, info);
  const std::uint64_t xsdt_at = put_root<std::uint64_t>(area, "XSDT", fadt_at, madt_at);
  const std::uint64_t rsdt_at = put_root<std::uint32_t>(area, "RSDT", first_at, madt_at);

  AcpiTables out;
  out.info.resize(kPage);
  std::memcpy(out.info.data(), &info, sizeof info);
  out.tables = area.finish();
  const std::uint64_t after = out.tables_address() + out.tables.size();
  out.rsdp_address = low_rsdp ? kLowRsdp : after;
  out.rsdp = make_rsdp(rsdt_at, xsdt_at);
  return out;
}

}  // namespace xensim::xen
