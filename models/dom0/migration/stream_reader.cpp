#include "models/dom0/migration/stream_reader.h"

#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace xensim::dom0 {

namespace {

template <class T>
T little_endian(std::span<const std::uint8_t> from, std::size_t at) {
  T value;
  std::memcpy(&value, from.data() + at, sizeof value);
  return value;
}

template <class T>
T big_endian(std::span<const std::uint8_t> from, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value = value << 8 | from[at + i];
  return static_cast<T>(value);
}

[[gnu::format(printf, 1, 2)]] std::string text(const char* format, ...) {
  char buffer[256];
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(buffer, sizeof buffer, format, arguments);
  va_end(arguments);
  return buffer;
}

// Names and types as libxc prints them.
const char* name_of(std::uint32_t type) {
  static constexpr const char* kNames[] = {"End",
                                           "Page data",
                                           "x86 PV info",
                                           "x86 PV P2M frames",
                                           "x86 PV vcpu basic",
                                           "x86 PV vcpu extended",
                                           "x86 PV vcpu xsave",
                                           "Shared info",
                                           "x86 TSC info",
                                           "HVM context",
                                           "HVM params",
                                           "Toolstack",
                                           "x86 PV vcpu msrs",
                                           "Verify",
                                           "Checkpoint",
                                           "Checkpoint dirty pfn list",
                                           "Static data end",
                                           "x86 CPUID policy",
                                           "x86 MSR policy"};
  return type < std::size(kNames) ? kNames[type] : "Reserved";
}

bool is_known(LibxcRecord type) {
  switch (type) {
    case LibxcRecord::kEnd:
    case LibxcRecord::kPageData:
    case LibxcRecord::kTscInfo:
    case LibxcRecord::kHvmContext:
    case LibxcRecord::kHvmParams:
    case LibxcRecord::kVerify:
    case LibxcRecord::kCheckpoint:
    case LibxcRecord::kStaticDataEnd:
    case LibxcRecord::kX86CpuidPolicy:
    case LibxcRecord::kX86MsrPolicy:
      return true;
    case LibxcRecord::kSharedInfo:  // PV only
      return false;
  }
  return false;
}

[[noreturn]] void fail_xc(const std::string& what) { throw StreamError(xc_error(what)); }
[[noreturn]] void fail_libxl(const std::string& what) { throw StreamError("libxl: error: libxl_" + what + "\n"); }

}  // namespace

const char* domain_type_name(std::uint32_t type) {
  return type == kDomainX86Pv ? "x86 PV" : type == kDomainX86Hvm ? "x86 HVM" : "Reserved";
}

std::string xc_error(const std::string& what) { return "xc: error: " + what + ": Internal error\n"; }

std::string xc_error(const std::string& what, int error) {
  return xc_error(what + " (" + std::to_string(error) + " = " + std::strerror(error) + ")");
}

void StreamReader::put(std::span<const std::uint8_t> bytes) {
  if (at_ == bytes_.size()) {
    bytes_.clear();
    at_ = 0;
  } else if (at_ > bytes_.size() / 2) {
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ = 0;
  }
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

std::optional<std::span<const std::uint8_t>> StreamReader::take(std::uint64_t n, const std::string& missing) {
  if (n > waiting()) {
    if (ended_) throw StreamError(missing);
    return std::nullopt;
  }
  const auto out = look(static_cast<std::size_t>(n));
  at_ += static_cast<std::size_t>(n);
  return out;
}

// --- xl's header.

std::optional<StreamReader::XlHeader> StreamReader::xl_header() {
  const auto h = take(kXlMagicBytes + 16,
                      "libxl: error: libxl_utils.c:505:libxl_read_exactly: file/stream truncated reading header "
                      "from " +
                          place_ +
                          "\nxl: fatal error: xl_vmcontrol.c:713: Protocol error: libxl_read_exactly( ctx, "
                          "restore_fd, &hdr, sizeof(hdr), restore_source, \"header\")\n");
  if (!h) return std::nullopt;
  if (std::memcmp(h->data(), kXlMagic, kXlMagicBytes) != 0)
    throw StreamError("File has wrong magic number - corrupt or for a different tool?\n");
  if (little_endian<std::uint32_t>(*h, kXlMagicBytes) != kXlByteOrder)
    throw StreamError("File has wrong byte order\n");
  return XlHeader{little_endian<std::uint32_t>(*h, kXlMagicBytes + 4),
                  little_endian<std::uint32_t>(*h, kXlMagicBytes + 8),
                  little_endian<std::uint32_t>(*h, kXlMagicBytes + 12)};
}

std::optional<std::string> StreamReader::xl_configuration(const XlHeader& header) {
  if (const std::uint32_t bad = header.mandatory_flags & ~(kXlConfigIsJson | kXlStreamV2))
    throw StreamError(
        text("Savefile has mandatory flag(s) 0x%" PRIx32 " which are not supported; need newer xl\n", bad));
  const auto data = take(header.optional_bytes,
                         "libxl: error: libxl_utils.c:505:libxl_read_exactly: file/stream truncated reading "
                         "optdata from " +
                             place_ +
                             "\nxl: fatal error: xl_vmcontrol.c:740: Protocol error: libxl_read_exactly( ctx, "
                             "restore_fd, optdata_begin, hdr.optional_data_len, restore_source, \"optdata\")\n");
  if (!data) return std::nullopt;
  if (data->empty()) return std::string();
  const std::uint32_t length = data->size() < 4 ? 0 : little_endian<std::uint32_t>(*data, 0);
  if (data->size() < 4 || length > data->size() - 4) throw StreamError("Savefile truncated.\n");
  std::string configuration(reinterpret_cast<const char*>(data->data()) + 4, length);
  return configuration.substr(0, configuration.find('\0'));
}

// --- libxl's stream.

bool StreamReader::libxl_header() {
  const auto h = take(16,
                      "libxl: error: libxl_aoutils.c:260:datacopier_readable: unexpected eof on stream header "
                      "during copy of restore v2 stream\n");
  if (!h) return false;
  if (const auto id = big_endian<std::uint64_t>(*h, 0); id != kLibxlId)
    fail_libxl(text("stream_read.c:340:stream_header_done: Invalid ident: expected 0x%016" PRIx64
                    ", got 0x%016" PRIx64,
                    kLibxlId, id));
  if (const auto version = big_endian<std::uint32_t>(*h, 8); version != kLibxlVersion)
    fail_libxl(text("stream_read.c:347:stream_header_done: Unexpected Version: expected %" PRIu32 ", got %" PRIu32,
                    kLibxlVersion, version));
  if (big_endian<std::uint32_t>(*h, 12) & 1)
    fail_libxl("stream_read.c:353:stream_header_done: Unable to handle big endian streams");
  return true;
}

std::optional<StreamReader::LibxlItem> StreamReader::libxl_record() {
  const auto missing = [](const char* what) {
    return text(
        "libxl: error: libxl_aoutils.c:260:datacopier_readable: unexpected eof on record %s during copy of "
        "restore v2 stream\n",
        what);
  };
  if (waiting() < 8) {
    take(8, missing("header"));
    return std::nullopt;
  }
  const auto type = little_endian<std::uint32_t>(look(8), 0);
  const std::uint64_t length = little_endian<std::uint32_t>(look(8), 4);
  if (length > kMostRecordBytes)  // libxl has no limit but its memory
    fail_libxl(
        text("stream_read.c:646:process_record: Record 0x%08" PRIx32 " has %" PRIu64 " bytes", type, length));
  const std::uint64_t padded = (length + 7) & ~std::uint64_t{7};
  if (waiting() < 8 + padded) {
    take(8 + padded, missing("body"));
    return std::nullopt;
  }
  at_ += 8;
  const auto body = take(padded, "")->first(static_cast<std::size_t>(length));
  if (type != static_cast<std::uint32_t>(LibxlRecord::kEnd) &&
      type != static_cast<std::uint32_t>(LibxlRecord::kLibxcContext))
    fail_libxl(text("stream_read.c:646:process_record: Unrecognised record 0x%08" PRIx32, type));
  return LibxlItem{static_cast<LibxlRecord>(type), body};
}

// --- libxc's stream.

std::optional<StreamReader::LibxcHeader> StreamReader::libxc_header() {
  if (waiting() < 24) {
    take(24, xc_error("Failed to read Image Header from stream", 0));
    return std::nullopt;
  }
  const auto image = look(24);
  if (const auto marker = big_endian<std::uint64_t>(image, 0); marker != kImageMarker)
    fail_xc(text("Invalid marker: Got 0x%016" PRIx64, little_endian<std::uint64_t>(image, 0)));
  if (const auto id = big_endian<std::uint32_t>(image, 8); id != kImageId)
    fail_xc(text("Invalid ID: Expected 0x%08" PRIx32 ", Got 0x%08" PRIx32, kImageId, id));
  if (const auto version = big_endian<std::uint32_t>(image, 12); version < 2 || version > kImageVersion)
    fail_xc(text("Invalid Version: Expected 2 <= ver <= 3, Got %" PRIi32, static_cast<std::int32_t>(version)));
  if (big_endian<std::uint16_t>(image, 16) & 1) fail_xc("Unable to handle big endian streams");
  const auto h = take(40, xc_error("Failed to read Domain Header from stream", 0));
  if (!h) return std::nullopt;
  return LibxcHeader{little_endian<std::uint32_t>(*h, 24), little_endian<std::uint16_t>(*h, 28),
                     little_endian<std::uint32_t>(*h, 32), little_endian<std::uint32_t>(*h, 36)};
}

std::optional<StreamReader::LibxcItem> StreamReader::libxc_record() {
  for (;;) {
    if (waiting() < 8) {
      take(8, xc_error("Failed to read Record Header from stream", 0));
      return std::nullopt;
    }
    const auto type = little_endian<std::uint32_t>(look(8), 0);
    const std::uint64_t length = little_endian<std::uint32_t>(look(8), 4);
    if (length > kMostRecordBytes)
      fail_xc(text("Record (0x%08" PRIx32 ", %s) length 0x%" PRIx64 " exceeds max (0x%" PRIx64 ")", type,
                   name_of(type), length, kMostRecordBytes));
    const std::uint64_t padded = (length + 7) & ~std::uint64_t{7};
    if (waiting() < 8 + padded) {
      take(8 + padded, xc_error(text("Failed to read %" PRIu64 " bytes of data for record (0x%08" PRIx32 ", %s)",
                                     padded, type, name_of(type)),
                                0));
      return std::nullopt;
    }
    at_ += 8;
    const auto body = take(padded, "")->first(static_cast<std::size_t>(length));
    if (is_known(static_cast<LibxcRecord>(type))) return LibxcItem{static_cast<LibxcRecord>(type), body};
    if (!(type & kOptionalRecord))
      fail_xc(text("Mandatory record 0x%" PRIx32 " (%s) not handled", type, name_of(type)));
  }
}

std::vector<StreamPage> StreamReader::pages(std::span<const std::uint8_t> body) {
  if (body.size() < 8) fail_xc(text("PAGE_DATA record truncated: length %zu, min 8", body.size()));
  const std::uint64_t count = little_endian<std::uint32_t>(body, 0);
  if (count < 1) fail_xc("Expected at least 1 pfn in PAGE_DATA record");
  if (count > (body.size() - 8) / 8)
    fail_xc(text("PAGE_DATA record (length %zu) too short to contain %" PRIu64 " pfns worth of information",
                 body.size(), count));
  std::vector<StreamPage> out;
  std::uint64_t plain = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto word = little_endian<std::uint64_t>(body, 8 + 8 * i);
    const StreamPage p{word & ((std::uint64_t{1} << 52) - 1), static_cast<PageKind>(word >> 60), {}};
    const auto kind = static_cast<unsigned>(word >> 60);
    if (kind > 4 && kind < static_cast<unsigned>(PageKind::kBroken) && (kind < 9 || kind > 12))
      fail_xc(text("Unknown type 0x%x for pfn 0x%" PRIx64 " (index %zu)", kind << 28, p.pfn, i));
    plain += kind < static_cast<unsigned>(PageKind::kBroken);
    out.push_back(p);
  }
  if (body.size() != 8 + 8 * count + 4096 * plain)
    fail_xc(text("PAGE_DATA record wrong size: length %zu, expected 8 + %" PRIu64 " + %" PRIu64, body.size(),
                 8 * count, 4096 * plain));
  std::size_t at = 8 + 8 * static_cast<std::size_t>(count);
  for (StreamPage& p : out) {
    if (p.kind >= PageKind::kBroken) continue;
    p.kind = PageKind::kPlain;  // page tables are no affair of a guest with tables of its own
    p.content = body.subspan(at, 4096);
    at += 4096;
  }
  return out;
}

StreamTsc StreamReader::tsc_info(std::span<const std::uint8_t> body) {
  if (body.size() != 24) fail_xc(text("X86_TSC_INFO record wrong size: length %zu, expected 24", body.size()));
  return {little_endian<std::uint32_t>(body, 0), little_endian<std::uint32_t>(body, 4),
          little_endian<std::uint64_t>(body, 8), little_endian<std::uint32_t>(body, 16)};
}

std::vector<StreamParameter> StreamReader::hvm_params(std::span<const std::uint8_t> body) {
  if (body.size() < 8) fail_xc(text("HVM_PARAMS record truncated: length %zu, header size 8", body.size()));
  const std::uint64_t count = little_endian<std::uint32_t>(body, 0);
  if (body.size() != 8 + 16 * count)
    fail_xc(text("HVM_PARAMS record truncated: header 8, count %" PRIu64 ", expected len %" PRIu64 ", got %zu",
                 count, 16 * count, body.size()));
  std::vector<StreamParameter> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back(
        {little_endian<std::uint64_t>(body, 8 + 16 * i), little_endian<std::uint64_t>(body, 16 + 16 * i)});
  return out;
}

}  // namespace xensim::dom0
