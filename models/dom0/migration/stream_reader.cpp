#include "models/dom0/migration/stream_reader.h"

#include <algorithm>
#include <cstring>

#include "sim/base/error.h"

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

bool is_known(LibxcRecord type) {
  switch (type) {
    case LibxcRecord::kEnd:
    case LibxcRecord::kPageData:
    case LibxcRecord::kTscInfo:
    case LibxcRecord::kHvmContext:
    case LibxcRecord::kHvmParams:
    case LibxcRecord::kVerify:
    case LibxcRecord::kStaticDataEnd:
    case LibxcRecord::kX86CpuidPolicy:
    case LibxcRecord::kX86MsrPolicy:
      return true;
    case LibxcRecord::kSharedInfo:  // PV only
    case LibxcRecord::kCheckpoint:  // Remus and COLO only
      return false;
  }
  return false;
}

}  // namespace

void StreamReader::fail(std::size_t at, const std::string& what) const {
  throw UserError(place_ + ": offset " + std::to_string(at), what,
                  "give a file that 'xl save' wrote, whole and unchanged");
}

std::span<const std::uint8_t> StreamReader::take(std::uint64_t n) {
  if (n > bytes_.size() - at_)
    fail(at_, "the file ends in the middle of a record: " + std::to_string(n) + " bytes are wanted, " +
                  std::to_string(bytes_.size() - at_) + " are left");
  const auto out = bytes_.subspan(at_, static_cast<std::size_t>(n));
  at_ += static_cast<std::size_t>(n);
  return out;
}

std::string StreamReader::xl_header() {
  const std::size_t start = at_;
  const auto fixed = take(kXlMagicBytes + 16);
  if (std::memcmp(fixed.data(), kXlMagic, kXlMagicBytes) != 0) fail(start, "no domain saved by xl");
  if (little_endian<std::uint32_t>(fixed, kXlMagicBytes) != kXlByteOrder)
    fail(start + kXlMagicBytes, "the domain was saved on a host of another byte order");
  const auto flags = little_endian<std::uint32_t>(fixed, kXlMagicBytes + 4);
  if (flags != (kXlConfigIsJson | kXlStreamV2))
    fail(start + kXlMagicBytes + 4, "a format of xl's that is not known, flags " + std::to_string(flags));
  const std::size_t optional_at = at_;
  const auto optional = take(little_endian<std::uint32_t>(fixed, kXlMagicBytes + 12));
  if (optional.size() < 4) fail(optional_at, "xl's header has no configuration");
  const auto length = little_endian<std::uint32_t>(optional, 0);
  if (length > optional.size() - 4) fail(optional_at, "the configuration is longer than xl's header");
  return {reinterpret_cast<const char*>(optional.data()) + 4, length};
}

void StreamReader::libxl_header() {
  const std::size_t start = at_;
  const auto h = take(16);
  if (big_endian<std::uint64_t>(h, 0) != kLibxlId) fail(start, "no libxl stream");
  const auto version = big_endian<std::uint32_t>(h, 8);
  if (version != kLibxlVersion) fail(start + 8, "libxl stream of version " + std::to_string(version) + ", not 2");
  if (big_endian<std::uint32_t>(h, 12) != 0) fail(start + 12, "libxl stream with options that are not known");
}

void StreamReader::libxc_header() {
  const std::size_t start = at_;
  const auto h = take(40);
  if (big_endian<std::uint64_t>(h, 0) != kImageMarker || big_endian<std::uint32_t>(h, 8) != kImageId)
    fail(start, "no libxc stream");
  const auto version = big_endian<std::uint32_t>(h, 12);
  if (version != kImageVersion) fail(start + 12, "libxc stream of version " + std::to_string(version) + ", not 3");
  if (big_endian<std::uint16_t>(h, 16) & 1) fail(start + 16, "a big-endian stream");
  if (little_endian<std::uint32_t>(h, 24) != kDomainX86Hvm)
    fail(start + 24, "domain type " + std::to_string(little_endian<std::uint32_t>(h, 24)) + " is not HVM or PVH");
  if (little_endian<std::uint16_t>(h, 28) != 12) fail(start + 28, "pages are not 4 KiB");
}

std::span<const std::uint8_t> StreamReader::body_of(std::uint32_t& type) {
  const std::size_t start = at_;
  const auto h = take(8);
  type = little_endian<std::uint32_t>(h, 0);
  const std::uint64_t length = little_endian<std::uint32_t>(h, 4);
  if (length > kMostRecordBytes) fail(start + 4, "a record of " + std::to_string(length) + " bytes");
  const auto padded = take((length + 7) & ~std::uint64_t{7});
  const auto padding = padded.subspan(static_cast<std::size_t>(length));
  if (std::any_of(padding.begin(), padding.end(), [](std::uint8_t b) { return b != 0; }))
    fail(start + 8 + static_cast<std::size_t>(length), "padding is not zero");
  return padded.first(static_cast<std::size_t>(length));
}

StreamReader::LibxlItem StreamReader::libxl_record() {
  const std::size_t start = at_;
  std::uint32_t type = 0;
  const auto body = body_of(type);
  if (type > static_cast<std::uint32_t>(LibxlRecord::kCheckpointState))
    fail(start, "libxl record of type " + std::to_string(type) + " is not known");
  return {static_cast<LibxlRecord>(type), body};
}

StreamReader::LibxcItem StreamReader::libxc_record() {
  for (;;) {
    const std::size_t start = at_;
    std::uint32_t type = 0;
    const auto body = body_of(type);
    if (is_known(static_cast<LibxcRecord>(type))) return {static_cast<LibxcRecord>(type), body, start + 8};
    if (!(type & kOptionalRecord)) fail(start, "libxc record of type " + std::to_string(type) + " is not known");
  }
}

std::vector<StreamPage> StreamReader::pages(const LibxcItem& item) const {
  const auto body = item.body;
  if (body.size() < 8) fail(item.offset, "PAGE_DATA without a header");
  const std::uint64_t count = little_endian<std::uint32_t>(body, 0);
  if (little_endian<std::uint32_t>(body, 4) != 0) fail(item.offset + 4, "PAGE_DATA: a reserved field is not zero");
  if (count == 0 || count > (body.size() - 8) / 8)
    fail(item.offset,
         "PAGE_DATA with " + std::to_string(count) + " pages in " + std::to_string(body.size()) + " bytes");
  std::vector<StreamPage> out;
  std::size_t at = 8 + 8 * static_cast<std::size_t>(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto word = little_endian<std::uint64_t>(body, 8 + 8 * i);
    StreamPage p{word & ((std::uint64_t{1} << 52) - 1), static_cast<PageKind>(word >> 60), {}};
    if (word >> 52 & 0xff) fail(item.offset + 8 + 8 * i, "PAGE_DATA: reserved bits of a pfn are not zero");
    switch (p.kind) {
      case PageKind::kPlain:
        if (body.size() - at < 4096) fail(item.offset, "PAGE_DATA is shorter than its pages");
        p.content = body.subspan(at, 4096);
        at += 4096;
        break;
      case PageKind::kBroken:
      case PageKind::kAllocateOnly:
      case PageKind::kNone:
        break;
      default:
        fail(item.offset + 8 + 8 * i, "PAGE_DATA: page type " + std::to_string(word >> 60) + " is for PV guests");
    }
    out.push_back(p);
  }
  if (at != body.size()) fail(item.offset, "PAGE_DATA is longer than its pages");
  return out;
}

StreamTsc StreamReader::tsc_info(const LibxcItem& item) const {
  if (item.body.size() != 24)
    fail(item.offset, "TSC_INFO of " + std::to_string(item.body.size()) + " bytes, not 24");
  return {little_endian<std::uint32_t>(item.body, 0), little_endian<std::uint32_t>(item.body, 4),
          little_endian<std::uint64_t>(item.body, 8), little_endian<std::uint32_t>(item.body, 16)};
}

std::vector<StreamParameter> StreamReader::hvm_params(const LibxcItem& item) const {
  if (item.body.size() < 8) fail(item.offset, "HVM_PARAMS without a header");
  const std::uint64_t count = little_endian<std::uint32_t>(item.body, 0);
  if (item.body.size() != 8 + 16 * count)
    fail(item.offset, "HVM_PARAMS with " + std::to_string(count) + " entries in " +
                          std::to_string(item.body.size()) + " bytes");
  std::vector<StreamParameter> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back({little_endian<std::uint64_t>(item.body, 8 + 16 * i),
                   little_endian<std::uint64_t>(item.body, 16 + 16 * i)});
  return out;
}

}  // namespace xensim::dom0
