#include "models/xen/domain/elf.h"

#include <catch2/catch.hpp>

#include "sim/base/error.h"
#include "sim/base/rng.h"
#include "tests/models/xen/elf_image.h"

namespace xensim::xen {
namespace {

void check_error(const std::vector<std::uint8_t>& file, const std::string& part) {
  std::string message;
  try {
    read_elf("kernel", file);
  } catch (const UserError& e) {
    message = e.what();
  }
  INFO(message);
  CHECK(message.find("kernel: ") == 0);
  CHECK(message.find(part) != std::string::npos);
}

TEST_CASE("A good image gives its segments in order, its entry and its end") {
  Image image;
  image.segments = {{0x300000, {1, 2, 3}, 0x2000}, {0x100000, {4}, 1}};
  image.entry = 0x300002;
  const ElfImage e = read_elf("kernel", image.bytes());
  REQUIRE(e.segments.size() == 2);
  CHECK(e.segments[0].physical == 0x100000);
  CHECK(e.segments[1].physical == 0x300000);
  CHECK(e.segments[1].file_size == 3);
  CHECK(e.segments[1].memory_size == 0x2000);
  CHECK(e.entry == 0x300002);
  CHECK(e.end == 0x302000);
}

TEST_CASE("Segments without memory are left out") {
  Image image;
  image.segments.push_back({0x100000, {}, 0});
  CHECK(read_elf("kernel", image.bytes()).segments.size() == 1);
}

TEST_CASE("What is no kernel is refused with the reason") {
  check_error({}, "0 bytes");
  check_error({'M', 'Z'}, "2 bytes");
  check_error(std::vector<std::uint8_t>(100, 'x'), "not an ELF file");
  auto bytes = Image{}.bytes();
  bytes[EI_DATA] = ELFDATA2MSB;
  check_error(bytes, "little-endian");
  bytes = Image{}.bytes();
  bytes[EI_CLASS] = 3;
  check_error(bytes, "ELF class 3");
  Image image;
  image.machine = EM_AARCH64;
  check_error(image.bytes(), "not for x86");
  image = {};
  image.type = ET_REL;
  check_error(image.bytes(), "not an executable");
}

TEST_CASE("A kernel without a PVH note is refused with what to do") {
  Image image;
  image.note = false;
  check_error(image.bytes(), "no Xen PHYS32_ENTRY note");
}

TEST_CASE("Segments that overlap, by one byte, are refused, that touch, are not") {
  Image image;
  image.segments = {{0x100000, {1}, 0x1001}, {0x101000, {2}, 0x1000}};
  check_error(image.bytes(), "segments overlap at physical address 0x101000");
  image.segments[0].memory_size = 0x1000;
  CHECK_NOTHROW(read_elf("kernel", image.bytes()));
}

TEST_CASE("A segment may end at 4 GiB but not a byte above") {
  Image image;
  image.segments = {{0x100000, {1}, 0x1000}, {0xfffff000, {2}, 0x1000}};
  CHECK_NOTHROW(read_elf("kernel", image.bytes()));
  image.segments[1].memory_size = 0x1001;
  check_error(image.bytes(), "above 4 GiB");
  image.segments[1].physical = ~std::uint64_t{0};
  check_error(image.bytes(), "above 4 GiB");
}

TEST_CASE("A segment needs its bytes in the file, and room for them in memory") {
  Image image;
  image.segments[0].memory_size = 8;
  check_error(image.bytes(), "more bytes in the file");
  image.segments[0].memory_size = 4096;
  auto bytes = image.bytes();
  bytes.resize(bytes.size() - 1);
  check_error(bytes, "truncated");
  bytes.resize(100);
  check_error(bytes, "truncated");
  bytes.resize(20);
  check_error(bytes, "truncated");
}

TEST_CASE("The entry must lie in a segment") {
  Image image;
  image.entry = 0x101000;
  check_error(image.bytes(), "lies in no segment");
  image.entry = 0x100fff;
  CHECK_NOTHROW(read_elf("kernel", image.bytes()));
  image.entry = 0xfffff;
  check_error(image.bytes(), "lies in no segment");
}

TEST_CASE("Images with random changes are read or refused, 20,000 times") {
  Image image;
  image.segments.push_back({0x200000, {1, 2, 3, 4}, 0x10000});
  const auto good = image.bytes();
  Rng random(4, "elf");
  unsigned refused = 0;
  for (unsigned n = 0; n < 20'000; ++n) {
    auto bytes = good;
    for (std::uint64_t changes = 1 + random.below(4); changes > 0; --changes) {
      const std::uint64_t at = random.below(bytes.size());
      switch (random.below(4)) {
        case 0:
          bytes[at] = static_cast<std::uint8_t>(random.next());
          break;
        case 1:
          bytes[at] = random.below(2) == 0 ? 0xff : 0;
          break;
        case 2:
          for (std::uint64_t i = at; i < std::min<std::uint64_t>(at + 8, bytes.size()); ++i) bytes[i] = 0xff;
          break;
        default:
          bytes.resize(at + 1);
      }
    }
    try {
      const ElfImage e = read_elf("kernel", bytes);
      REQUIRE(e.entry < 0x100000000);
      for (const ElfSegment& s : e.segments) {
        REQUIRE(s.file_offset + s.file_size <= bytes.size());
        REQUIRE(s.file_size <= s.memory_size);
        REQUIRE(s.physical + s.memory_size <= 0x100000000);
      }
    } catch (const UserError&) {
      ++refused;
    }
  }
  CHECK(refused > 1000);
  CHECK(refused < 20'000);
}

TEST_CASE("Firmware without a Xen note is a 32-bit image") {
  Image image;
  image.note = false;
  CHECK_THROWS_WITH(read_elf("loader", image.bytes(), ElfUse::kFirmware),
                    Catch::Contains("link it as a 32-bit ELF file"));
  image.note = true;
  CHECK(read_elf("loader", image.bytes(), ElfUse::kFirmware).entry == 0x100000);
}

}  // namespace
}  // namespace xensim::xen
