// The compressions that a Linux kernel image or a ramdisk may have, undone with the libraries that made them. The
// bytes are somebody else's: output grows as it is decoded, and never beyond what the caller allows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace xensim::xen {

enum class Compression : std::uint8_t { kGzip, kBzip2, kXz, kLzma, kLzo, kLz4, kZstd };

// As the user knows it: "gzip", …
const char* name_of(Compression compression);
// By its first bytes; nullopt: none of them.
std::optional<Compression> recognise_compression(std::span<const std::uint8_t> bytes);

// The whole stream. size: bytes that must come out, no fewer and no more. name: the file, for messages. Bytes
// after the stream's end are left alone. Throws UserError.
std::vector<std::uint8_t> decompress(Compression compression, const std::string& name,
                                     std::span<const std::uint8_t> bytes, std::uint64_t size);

}  // namespace xensim::xen
