// What Xen makes of an entry that the guest may change between Xen's reading and writing it.
#include "models/xen/grant/entry_status.h"

#include <catch2/catch.hpp>
#include <functional>

namespace xensim::xen::grant {
namespace {

constexpr PhysAddr kEntry(0x1000), kStatus(0x2000);

// A guest that gets its word in after each of Xen's reads.
struct Racing final : EntryMemory {
  explicit Racing(memory::PhysicalMemory& m) : EntryMemory(m) {}
  std::function<void()> after_load, before_exchange;
  unsigned exchanges = 0;
  std::uint32_t load(PhysAddr a) override {
    const auto v = EntryMemory::load(a);
    if (after_load) after_load();
    return v;
  }
  std::uint32_t compare_exchange(PhysAddr a, std::uint32_t e, std::uint32_t d) override {
    ++exchanges;
    if (before_exchange) before_exchange();
    return EntryMemory::compare_exchange(a, e, d);
  }
};

struct Fixture {
  memory::PhysicalMemory memory{1 << 20};
  Racing words{memory};
  void set(unsigned flags, domid_t domid) {
    memory.write<std::uint16_t>(kEntry, static_cast<std::uint16_t>(flags));
    memory.write<std::uint16_t>(kEntry + 2, domid);
  }
  unsigned flags() const { return memory.read<std::uint16_t>(kEntry); }
  unsigned status() const { return memory.read<std::uint16_t>(kStatus); }
};

constexpr Access kWriteMap{7, false, true, false}, kReadMap{7, true, true, false},
    kReadCopy{7, true, false, false};

TEST_CASE_METHOD(Fixture, "Version 1 marks the entry itself, and only for the domain and the access it permits") {
  set(GTF_permit_access, 7);
  CHECK(set_status_v1(words, kEntry, kReadMap) == GNTST_okay);
  CHECK(flags() == (GTF_permit_access | GTF_reading));
  CHECK(set_status_v1(words, kEntry, kWriteMap) == GNTST_okay);
  CHECK(flags() == (GTF_permit_access | GTF_reading | GTF_writing));
  for (const auto& [f, domid] : {std::pair(GTF_permit_access, 8),
                                 {GTF_invalid, 7},
                                 {GTF_accept_transfer, 7},
                                 {GTF_transitive, 7},
                                 {GTF_permit_access | GTF_sub_page, 7},
                                 {GTF_permit_access | GTF_readonly, 7}}) {
    set(static_cast<unsigned>(f), static_cast<domid_t>(domid));
    CHECK(set_status_v1(words, kEntry, kWriteMap) == GNTST_general_error);
    CHECK(flags() == static_cast<unsigned>(f));
  }
}

TEST_CASE_METHOD(Fixture, "Version 1 tries an entry that changes five times, and no more") {
  set(GTF_permit_access, 7);
  unsigned changes = 0;
  words.before_exchange = [&] {
    if (++changes <= 4) set(GTF_permit_access | (changes % 2 ? GTF_PWT : 0), 7);
  };
  CHECK(set_status_v1(words, kEntry, kWriteMap) == GNTST_okay);
  CHECK(words.exchanges == 5);
  changes = 0;
  words.exchanges = 0;
  words.before_exchange = [&] { set(GTF_permit_access | (++changes % 2 ? GTF_PWT : 0), 7); };
  CHECK(set_status_v1(words, kEntry, kWriteMap) == GNTST_general_error);
  CHECK(words.exchanges == 5);
  CHECK((flags() & (GTF_reading | GTF_writing)) == 0);
}

TEST_CASE_METHOD(Fixture, "Version 1 refuses an entry that is taken back under Xen's hands") {
  set(GTF_permit_access, 7);
  words.before_exchange = [&] { set(GTF_permit_access, 8); };
  CHECK(set_status_v1(words, kEntry, kWriteMap) == GNTST_general_error);
  CHECK(flags() == GTF_permit_access);
}

TEST_CASE_METHOD(Fixture, "Version 2 marks the status word and leaves the entry alone") {
  set(GTF_permit_access, 7);
  CHECK(set_status_v2(words, kEntry, kStatus, kWriteMap) == GNTST_okay);
  CHECK(flags() == GTF_permit_access);
  CHECK(status() == (GTF_reading | GTF_writing));
}

TEST_CASE_METHOD(Fixture, "Version 2 lets copies use sub-page and transitive entries, and mappings not") {
  for (const unsigned f : {unsigned{GTF_permit_access | GTF_sub_page}, unsigned{GTF_transitive}}) {
    set(f, 7);
    CHECK(set_status_v2(words, kEntry, kStatus, kReadCopy) == GNTST_okay);
    memory.write<std::uint16_t>(kStatus, 0);
    CHECK(set_status_v2(words, kEntry, kStatus, kReadMap) == GNTST_general_error);
    CHECK(status() == 0);
  }
}

TEST_CASE_METHOD(Fixture, "Version 2 looks again after it has marked the status, and takes the marks back") {
  for (const unsigned later : {unsigned{GTF_invalid}, unsigned{GTF_permit_access | GTF_readonly}}) {
    set(GTF_permit_access, 7);
    memory.write<std::uint16_t>(kStatus, 0);
    words.after_load = [&] { set(later, 7); };
    CHECK(set_status_v2(words, kEntry, kStatus, kWriteMap) == GNTST_general_error);
    CHECK(status() == 0);
  }
}

TEST_CASE_METHOD(Fixture, "Version 2 keeps a reader's mark when a writer comes too late") {
  set(GTF_permit_access, 7);
  REQUIRE(set_status_v2(words, kEntry, kStatus, kReadMap) == GNTST_okay);
  words.after_load = [&] { set(GTF_permit_access | GTF_readonly, 7); };
  CHECK(set_status_v2(words, kEntry, kStatus, Access{7, false, true, true}) == GNTST_general_error);
  CHECK(status() == GTF_reading);
}

TEST_CASE_METHOD(Fixture,
                 "Marks go when the pins do: writing with the last writer, reading with the last of all") {
  memory.write<std::uint16_t>(kStatus, GTF_reading | GTF_writing);
  reduce_status(words, kStatus, 0x00000101, false);
  CHECK(status() == (GTF_reading | GTF_writing));
  reduce_status(words, kStatus, 0x00000100, false);
  CHECK(status() == GTF_reading);
  reduce_status(words, kStatus, 0, true);
  CHECK(status() == 0);
}

}  // namespace
}  // namespace xensim::xen::grant
