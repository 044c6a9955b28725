// The stream of a saved domain: what is written is read again, and nothing that is broken gets through.
#include <catch2/catch.hpp>
#include <cstring>

#include "models/dom0/migration/stream_reader.h"
#include "models/dom0/migration/stream_writer.h"
#include "sim/base/error.h"

namespace xensim::dom0 {

namespace {

using Bytes = std::vector<std::uint8_t>;

struct Stream {
  Bytes bytes;
  StreamWriter writer{[this](std::span<const std::uint8_t> b) { bytes.insert(bytes.end(), b.begin(), b.end()); }};
  StreamReader reader() const { return {"saved", bytes}; }
};

Bytes page_of(std::uint8_t value) { return Bytes(4096, value); }

// What went wrong, and where.
std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const UserError& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("xl's header carries the configuration") {
  Stream s;
  s.writer.xl_header("{\"name\": \"web\"}");
  CHECK(s.bytes.size() == 32 + 16 + 4 + 15);
  CHECK(std::memcmp(s.bytes.data(), "Xen saved domain, xl format\n \0 \r", 32) == 0);
  StreamReader r = s.reader();
  CHECK(r.xl_header() == "{\"name\": \"web\"}");
  CHECK(r.at_end());
}

TEST_CASE("headers of the streams are big-endian, records little-endian") {
  Stream s;
  s.writer.libxl_header();
  s.writer.libxl_record(LibxlRecord::kLibxcContext);
  s.writer.libxc_header();
  s.writer.libxc_record(LibxcRecord::kEnd);
  const Bytes wanted = {
      'L', 'i', 'b', 'x', 'l', 'F', 'm', 't', 0,   0,   0,   2,   0,  0, 0, 0,  // libxl
      1,   0,   0,   0,   0,   0,   0,   0,                                     // LIBXC_CONTEXT
      255, 255, 255, 255, 255, 255, 255, 255, 'X', 'E', 'N', 'F', 0,  0, 0, 3,  // image
      0,   0,   0,   0,   0,   0,   0,   0,                                     //
      2,   0,   0,   0,   12,  0,   0,   0,   4,   0,   0,   0,   17, 0, 0, 0,  // domain
      0,   0,   0,   0,   0,   0,   0,   0,                                     // END
  };
  CHECK(s.bytes == wanted);
  StreamReader r = s.reader();
  r.libxl_header();
  CHECK(r.libxl_record().type == LibxlRecord::kLibxcContext);
  r.libxc_header();
  CHECK(r.libxc_record().type == LibxcRecord::kEnd);
}

TEST_CASE("records are padded with zeros to eight bytes, and say how long they are without") {
  Stream s;
  const std::uint8_t body[] = {1, 2, 3};
  s.writer.libxc_record(LibxcRecord::kHvmContext, body);
  CHECK(s.bytes.size() == 16);
  StreamReader r = s.reader();
  const auto item = r.libxc_record();
  CHECK(item.type == LibxcRecord::kHvmContext);
  CHECK(item.body.size() == 3);
  CHECK(item.offset == 8);
}

TEST_CASE("pages come back with their numbers and contents, those without content have none") {
  Stream s;
  const Bytes a = page_of(0xaa), b = page_of(0xbb);
  const StreamPage pages[] = {{5, PageKind::kPlain, a}, {6, PageKind::kNone, {}}, {0xfefff, PageKind::kPlain, b}};
  s.writer.pages(pages);
  StreamReader r = s.reader();
  const auto got = r.pages(r.libxc_record());
  REQUIRE(got.size() == 3);
  CHECK(got[0].pfn == 5);
  CHECK(got[0].content[4095] == 0xaa);
  CHECK(got[1].kind == PageKind::kNone);
  CHECK(got[1].content.empty());
  CHECK(got[2].pfn == 0xfefff);
  CHECK(got[2].content[0] == 0xbb);
}

TEST_CASE("TSC and parameters come back") {
  Stream s;
  s.writer.tsc_info({2, 2'400'000, 77, 3});
  const StreamParameter parameters[] = {{1, 0xfeffc}, {17, 0xfefff}};
  s.writer.hvm_params(parameters);
  StreamReader r = s.reader();
  const StreamTsc t = r.tsc_info(r.libxc_record());
  CHECK(t.khz == 2'400'000);
  CHECK(t.elapsed_ns == 77);
  CHECK(t.incarnation == 3);
  const auto p = r.hvm_params(r.libxc_record());
  REQUIRE(p.size() == 2);
  CHECK(p[1].index == 17);
  CHECK(p[1].value == 0xfefff);
}

TEST_CASE("an optional record that is not known is passed over, another one is not") {
  for (const bool optional : {true, false}) {
    Stream s;
    s.writer.libxc_record(static_cast<LibxcRecord>(0x55 | (optional ? kOptionalRecord : 0)));
    s.writer.libxc_record(LibxcRecord::kEnd);
    StreamReader r = s.reader();
    if (optional)
      CHECK(r.libxc_record().type == LibxcRecord::kEnd);
    else
      CHECK(error_of([&] { r.libxc_record(); }).find("offset 0: libxc record of type 85") != std::string::npos);
  }
}

TEST_CASE("a stream that ends too early is refused at every length") {
  Stream s;
  s.writer.xl_header("{}");
  s.writer.libxl_header();
  s.writer.libxl_record(LibxlRecord::kLibxcContext);
  s.writer.libxc_header();
  const Bytes a = page_of(1);
  const StreamPage pages[] = {{5, PageKind::kPlain, a}};
  s.writer.pages(pages);
  s.writer.libxc_record(LibxcRecord::kEnd);
  s.writer.libxl_record(LibxlRecord::kEnd);
  const auto read = [](std::span<const std::uint8_t> bytes) {
    StreamReader r("saved", bytes);
    r.xl_header();
    r.libxl_header();
    r.libxl_record();
    r.libxc_header();
    r.pages(r.libxc_record());
    r.libxc_record();
    r.libxl_record();
  };
  CHECK(error_of([&] { read(s.bytes); }) == "no error");
  for (std::size_t n = 0; n < s.bytes.size(); ++n)
    if (error_of([&] { read(std::span(s.bytes).first(n)); }).find("ends in the middle") == std::string::npos)
      FAIL(n);
}

TEST_CASE("contents that contradict their lengths are refused") {
  Stream s;
  const Bytes a = page_of(1);
  const StreamPage pages[] = {{5, PageKind::kPlain, a}};
  s.writer.pages(pages);
  const auto read = [&] {
    StreamReader r = s.reader();
    r.pages(r.libxc_record());
  };
  CHECK(error_of(read) == "no error");
  SECTION("more pages than there are") { s.bytes[8] = 2; }
  SECTION("no page") { s.bytes[8] = 0; }
  SECTION("four billion pages") { std::memset(s.bytes.data() + 8, 0xff, 4); }
  SECTION("a reserved field") { s.bytes[12] = 1; }
  SECTION("reserved bits of a pfn") { s.bytes[16 + 7] = 0x01; }
  SECTION("a page table of a PV guest") { s.bytes[16 + 7] = 0x10; }
  SECTION("content of a page that has none") { s.bytes[16 + 7] = 0xf0; }
  CHECK(error_of(read) != "no error");
}

TEST_CASE("a record longer than any that libxc takes is refused before it is looked for") {
  Bytes b(64, 0);
  const std::uint32_t length = 0xffffffff;
  std::memcpy(b.data() + 4, &length, 4);
  StreamReader r("saved", b);
  CHECK(error_of([&] { r.libxc_record(); }).find("a record of 4294967295 bytes") != std::string::npos);
}

TEST_CASE("files of others are named for what they are not") {
  const Bytes zeros(256, 0);
  CHECK(error_of([&] { StreamReader("f", zeros).xl_header(); }) ==
        "f: offset 0: no domain saved by xl; give a file that 'xl save' wrote, whole and unchanged");
  CHECK(error_of([&] { StreamReader("f", zeros).libxl_header(); }).find("no libxl stream") != std::string::npos);
  CHECK(error_of([&] { StreamReader("f", zeros).libxc_header(); }).find("no libxc stream") != std::string::npos);
}

}  // namespace xensim::dom0
