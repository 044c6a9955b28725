// The stream of a saved domain: what is written is read again, and nothing that is broken gets through.
#include <catch2/catch.hpp>
#include <cstring>
#include <functional>

#include "models/dom0/migration/stream_reader.h"
#include "models/dom0/migration/stream_writer.h"

namespace xensim::dom0 {

namespace {

using Bytes = std::vector<std::uint8_t>;

struct Stream {
  Bytes bytes;
  StreamWriter writer{[this](std::span<const std::uint8_t> b) { bytes.insert(bytes.end(), b.begin(), b.end()); }};
  // All of it, and then no more.
  StreamReader reader() const {
    StreamReader r("saved");
    r.put(bytes);
    r.end();
    return r;
  }
};

StreamReader reader_of(const Bytes& bytes) {
  StreamReader r("f");
  r.put(bytes);
  r.end();
  return r;
}

Bytes page_of(std::uint8_t value) { return Bytes(4096, value); }

// What was complained of.
std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const StreamError& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("xl's header carries the configuration") {
  Stream s;
  s.writer.xl_header(std::string_view("{\"name\": \"web\"}\0", 16));
  CHECK(s.bytes.size() == 32 + 16 + 4 + 16);
  CHECK(std::memcmp(s.bytes.data(), "Xen saved domain, xl format\n \0 \r", 32) == 0);
  StreamReader r = s.reader();
  const auto header = r.xl_header();
  REQUIRE(header.has_value());
  CHECK(header->mandatory_flags == 3);
  CHECK(header->optional_flags == 0);
  CHECK(header->optional_bytes == 20);
  CHECK(r.xl_configuration(*header) == "{\"name\": \"web\"}");
  CHECK(r.waiting() == 0);
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
  CHECK(r.libxl_header());
  CHECK(r.libxl_record()->type == LibxlRecord::kLibxcContext);
  const auto header = r.libxc_header();
  REQUIRE(header.has_value());
  CHECK(header->type == kDomainX86Hvm);
  CHECK(header->page_shift == 12);
  CHECK(header->xen_minor == 17);
  CHECK(r.libxc_record()->type == LibxcRecord::kEnd);
}

TEST_CASE("records are padded with zeros to eight bytes, and say how long they are without") {
  Stream s;
  const std::uint8_t body[] = {1, 2, 3};
  s.writer.libxc_record(LibxcRecord::kHvmContext, body);
  CHECK(s.bytes.size() == 16);
  StreamReader r = s.reader();
  const auto item = r.libxc_record();
  REQUIRE(item.has_value());
  CHECK(item->type == LibxcRecord::kHvmContext);
  CHECK(item->body.size() == 3);
}

TEST_CASE("pages come back with their numbers and contents, those without content have none") {
  Stream s;
  const Bytes a = page_of(0xaa), b = page_of(0xbb);
  const StreamPage pages[] = {{5, PageKind::kPlain, a}, {6, PageKind::kNone, {}}, {0xfefff, PageKind::kPlain, b}};
  s.writer.pages(pages);
  StreamReader r = s.reader();
  const auto got = StreamReader::pages(r.libxc_record()->body);
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
  const StreamTsc t = StreamReader::tsc_info(r.libxc_record()->body);
  CHECK(t.khz == 2'400'000);
  CHECK(t.elapsed_ns == 77);
  CHECK(t.incarnation == 3);
  const auto p = StreamReader::hvm_params(r.libxc_record()->body);
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
      CHECK(r.libxc_record()->type == LibxcRecord::kEnd);
    else
      CHECK(error_of([&] { r.libxc_record(); }) ==
            "xc: error: Mandatory record 0x55 (Reserved) not handled: Internal error\n");
  }
}

namespace {

// A whole stream, without what is in the records.
Stream whole() {
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
  return s;
}

// Takes what is there; how many of the parts.
unsigned take_parts(StreamReader& r) {
  const auto header = r.xl_header();
  if (!header) return 0;
  if (!r.xl_configuration(*header)) return 1;
  if (!r.libxl_header()) return 2;
  if (!r.libxl_record()) return 3;
  if (!r.libxc_header()) return 4;
  const auto page = r.libxc_record();
  if (!page) return 5;
  StreamReader::pages(page->body);
  if (!r.libxc_record()) return 6;
  return r.libxl_record() ? 8 : 7;
}

}  // namespace

TEST_CASE("a stream that ends too early is refused at every length") {
  const Stream s = whole();
  StreamReader all = s.reader();
  CHECK(take_parts(all) == 8);
  for (std::size_t n = 0; n < s.bytes.size(); ++n) {
    StreamReader r = reader_of(Bytes(s.bytes.begin(), s.bytes.begin() + static_cast<std::ptrdiff_t>(n)));
    if (error_of([&] { take_parts(r); }) == "no error") FAIL(n);
  }
}

TEST_CASE("as long as more may come, a part that is not whole is waited for") {
  const Stream s = whole();
  for (std::size_t n = 0; n < s.bytes.size(); n += 7) {
    StreamReader r("f");
    r.put(std::span(s.bytes).first(n));
    if (take_parts(r) == 8) FAIL(n);
  }
}

TEST_CASE("a stream that comes byte by byte is the same stream") {
  const Stream s = whole();
  StreamReader r("f");
  std::optional<StreamReader::XlHeader> header;
  std::size_t pages = 0;
  unsigned step = 0;
  for (const std::uint8_t byte : s.bytes) {
    r.put(std::span(&byte, 1));
    switch (step) {
      case 0:
        header = r.xl_header();
        step += header.has_value();
        break;
      case 1:
        step += r.xl_configuration(*header).has_value();
        break;
      case 2:
        step += r.libxl_header();
        break;
      case 3:
      case 7:
        step += r.libxl_record().has_value();
        break;
      case 4:
        step += r.libxc_header().has_value();
        break;
      case 5:
        if (const auto item = r.libxc_record()) pages += StreamReader::pages(item->body).size(), ++step;
        break;
      case 6:
        step += r.libxc_record().has_value();
        break;
      default:
        FAIL("bytes are left");
    }
  }
  CHECK(step == 8);
  CHECK(pages == 1);
  CHECK(r.waiting() == 0);
}

TEST_CASE("contents that contradict their lengths are refused") {
  Stream s;
  const Bytes a = page_of(1);
  const StreamPage pages[] = {{5, PageKind::kPlain, a}};
  s.writer.pages(pages);
  const auto read = [&] {
    StreamReader r = s.reader();
    StreamReader::pages(r.libxc_record()->body);
  };
  CHECK(error_of(read) == "no error");
  SECTION("more pages than there are") { s.bytes[8] = 2; }
  SECTION("no page") { s.bytes[8] = 0; }
  SECTION("four billion pages") { std::memset(s.bytes.data() + 8, 0xff, 4); }
  SECTION("a type of page that there is not") { s.bytes[16 + 7] = 0x50; }
  SECTION("content of a page that has none") { s.bytes[16 + 7] = 0xf0; }
  CHECK(error_of(read).starts_with("xc: error: "));
}

TEST_CASE("a record longer than any that libxc takes is refused before it is looked for") {
  Bytes b(64, 0);
  const std::uint32_t length = 0xffffffff;
  std::memcpy(b.data() + 4, &length, 4);
  StreamReader r = reader_of(b);
  CHECK(error_of([&] { r.libxc_record(); }) ==
        "xc: error: Record (0x00000000, End) length 0xffffffff exceeds max (0x8000000): Internal error\n");
}

TEST_CASE("files of others are named for what they are not") {
  const Bytes zeros(256, 0);
  CHECK(error_of([&] { reader_of(zeros).xl_header(); }) ==
        "File has wrong magic number - corrupt or for a different tool?\n");
  CHECK(error_of([&] { reader_of(zeros).libxl_header(); })
            .find("Invalid ident: expected 0x4c6962786c466d74, got "
                  "0x0000000000000000") != std::string::npos);
  CHECK(error_of([&] { reader_of(zeros).libxc_header(); }) ==
        "xc: error: Invalid marker: Got 0x0000000000000000: Internal error\n");
}

}  // namespace xensim::dom0
