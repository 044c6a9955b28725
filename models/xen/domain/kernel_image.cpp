// The header of a bzImage: Documentation/x86/boot.rst of Linux.
#include "models/xen/domain/kernel_image.h"

#include <cstring>
#include <span>

#include "models/xen/domain/decompress.h"
#include "sim/base/error.h"

namespace xensim::xen {

namespace {

using Input = std::span<const std::uint8_t>;

// The most that libxenguest unpacks (XC_DOM_DECOMPRESS_MAX).
constexpr std::uint64_t kMostUnpacked = 1 << 30;

constexpr std::size_t kSetupSectors = 0x1f1, kHeaderMagic = 0x202, kProtocol = 0x206, kPayloadOffset = 0x248,
                      kPayloadLength = 0x24c, kHeaderEnd = 0x250;
constexpr std::uint32_t kHdrS = 0x53726448, kSectorBytes = 512, kDefaultSetupSectors = 4;
constexpr std::uint16_t kProtocolWithPayload = 0x208;

template <class T>
T field(Input bytes, std::size_t at) {
  T v;
  std::memcpy(&v, bytes.data() + at, sizeof v);
  return v;
}

// Linux' build ends a payload with its unpacked size; gzip's own trailer is the same.
std::vector<std::uint8_t> unpack(const std::string& name, Compression compression, Input packed) {
  const auto size = field<std::uint32_t>(packed, packed.size() - 4);
  if (size > kMostUnpacked)
    throw UserError(name,
                    "would unpack to " + std::to_string(size) + " bytes, more than the 1 GiB that Xen takes");
  return decompress(compression, name,
                    compression == Compression::kGzip ? packed : packed.first(packed.size() - 4), size);
}

Input payload_of(const std::string& name, Input file) {
  if (file.size() < kHeaderEnd)
    throw UserError(name, "a bzImage that is cut short in its header", "copy it again");
  const auto protocol = field<std::uint16_t>(file, kProtocol);
  if (protocol < kProtocolWithPayload)
    throw UserError(name,
                    "a bzImage of boot protocol " + std::to_string(protocol >> 8) + "." +
                        std::to_string(protocol & 0xff) + ", which says nothing of an ELF image in it",
                    "give a kernel of Linux 2.6.26 or later, or its vmlinux");
  std::uint64_t sectors = file[kSetupSectors];
  if (sectors == 0) sectors = kDefaultSetupSectors;
  const std::uint64_t offset = (sectors + 1) * kSectorBytes + field<std::uint32_t>(file, kPayloadOffset);
  const auto length = field<std::uint32_t>(file, kPayloadLength);
  if (offset > file.size() || length > file.size() - offset)
    throw UserError(name,
                    "a bzImage whose payload needs bytes " + std::to_string(offset) + " to " +
                        std::to_string(offset + length) + ", but the file has " + std::to_string(file.size()) +
                        ": it is truncated",
                    "copy it again");
  if (length < 8) throw UserError(name, "a bzImage with an empty payload", "copy it again");
  return file.subspan(static_cast<std::size_t>(offset), length);
}

Bytes gunzipped(const std::string& name, const Bytes& file) {
  if (file->size() < 8 || recognise_compression(*file) != Compression::kGzip) return file;
  return std::make_shared<std::vector<std::uint8_t>>(unpack(name, Compression::kGzip, *file));
}

}  // namespace

Bytes unpack_kernel(const std::string& name, const Bytes& packed) {
  Bytes file = gunzipped(name, packed);
  if (file->size() < kProtocol + 2 || field<std::uint32_t>(*file, kHeaderMagic) != kHdrS) return file;
  const Input payload = payload_of(name, *file);
  // Not packed, or packed in a way that the ELF reader will call by its name: not ELF.
  const auto compression = recognise_compression(payload);
  if (!compression) return std::make_shared<std::vector<std::uint8_t>>(payload.begin(), payload.end());
  return std::make_shared<std::vector<std::uint8_t>>(unpack(name, *compression, payload));
}

Bytes unpack_ramdisk(const std::string& name, const Bytes& file) { return gunzipped(name, file); }

}  // namespace xensim::xen
