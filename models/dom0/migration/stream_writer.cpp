#include "models/dom0/migration/stream_writer.h"

#include <bit>
#include <cstring>

#include "sim/base/expects.h"

namespace xensim::dom0 {

namespace {

using Bytes = std::vector<std::uint8_t>;

template <class T>
void append(Bytes& to, T value) {
  const auto at = to.size();
  to.resize(at + sizeof value);
  std::memcpy(to.data() + at, &value, sizeof value);
}

template <class T>
void append_big_endian(Bytes& to, T value) {
  for (unsigned shift = 8 * sizeof value; shift > 0;)
    to.push_back(static_cast<std::uint8_t>(value >> (shift -= 8)));
}

void append(Bytes& to, std::span<const std::uint8_t> bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

static_assert(std::endian::native == std::endian::little);

}  // namespace

void StreamWriter::put(std::span<const std::uint8_t> bytes) {
  bytes_ += bytes.size();
  sink_(bytes);
}

void StreamWriter::record(std::uint32_t type, std::span<const std::uint8_t> body) {
  expects(body.size() <= kMostRecordBytes);
  Bytes out;
  append(out, type);
  append(out, static_cast<std::uint32_t>(body.size()));
  append(out, body);
  out.resize((out.size() + 7) & ~std::size_t{7});
  put(out);
}

void StreamWriter::xl_header(std::string_view config) {
  Bytes out;
  append(out, std::span(reinterpret_cast<const std::uint8_t*>(kXlMagic), kXlMagicBytes));
  append(out, kXlByteOrder);
  append(out, kXlConfigIsJson | kXlStreamV2);  // what the reader must know
  append(out, std::uint32_t{0});               // what it may ignore
  const auto length = static_cast<std::uint32_t>(config.size());
  append(out, static_cast<std::uint32_t>(length + sizeof length));
  append(out, length);
  append(out, std::span(reinterpret_cast<const std::uint8_t*>(config.data()), config.size()));
  put(out);
}

void StreamWriter::libxl_header() {
  Bytes out;
  append_big_endian(out, kLibxlId);
  append_big_endian(out, kLibxlVersion);
  append_big_endian(out, std::uint32_t{0});  // options: little-endian
  put(out);
}

void StreamWriter::libxl_record(LibxlRecord type, std::span<const std::uint8_t> body) {
  record(static_cast<std::uint32_t>(type), body);
}

void StreamWriter::libxc_header() {
  Bytes out;
  append_big_endian(out, kImageMarker);
  append_big_endian(out, kImageId);
  append_big_endian(out, kImageVersion);
  append_big_endian(out, std::uint16_t{0});  // options: little-endian
  append(out, std::uint16_t{0});
  append(out, std::uint32_t{0});
  append(out, kDomainX86Hvm);
  append(out, std::uint16_t{12});  // page shift
  append(out, std::uint16_t{0});
  append(out, std::uint32_t{4});
  append(out, std::uint32_t{17});
  put(out);
}

void StreamWriter::libxc_record(LibxcRecord type, std::span<const std::uint8_t> body) {
  record(static_cast<std::uint32_t>(type), body);
}

void StreamWriter::pages(std::span<const StreamPage> pages) {
  expects(!pages.empty() && pages.size() <= kMostPagesPerRecord);
  Bytes out;
  append(out, static_cast<std::uint32_t>(pages.size()));
  append(out, std::uint32_t{0});
  for (const StreamPage& p : pages) append(out, p.pfn | std::uint64_t{static_cast<std::uint8_t>(p.kind)} << 60);
  for (const StreamPage& p : pages) {
    expects(p.content.size() == (p.kind == PageKind::kPlain ? 4096 : 0));
    append(out, p.content);
  }
  libxc_record(LibxcRecord::kPageData, out);
}

void StreamWriter::tsc_info(const StreamTsc& tsc) {
  Bytes out;
  append(out, tsc.mode);
  append(out, tsc.khz);
  append(out, tsc.elapsed_ns);
  append(out, tsc.incarnation);
  append(out, std::uint32_t{0});
  libxc_record(LibxcRecord::kTscInfo, out);
}

void StreamWriter::hvm_params(std::span<const StreamParameter> parameters) {
  Bytes out;
  append(out, static_cast<std::uint32_t>(parameters.size()));
  append(out, std::uint32_t{0});
  for (const StreamParameter& p : parameters) {
    append(out, p.index);
    append(out, p.value);
  }
  libxc_record(LibxcRecord::kHvmParams, out);
}

}  // namespace xensim::dom0
