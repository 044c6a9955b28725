// Images are packed here with the libraries' own compressors, in the containers that Linux' build makes.
#include "models/xen/domain/kernel_image.h"

#include <bzlib.h>
#include <lz4.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <zlib.h>
#include <zstd.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "models/xen/domain/decompress.h"
#include "models/xen/domain/elf.h"
#include "sim/base/error.h"
#include "tests/models/xen/elf_image.h"

namespace xensim::xen {
namespace {

using Vector = std::vector<std::uint8_t>;

// An ELF image of some size, so that several blocks and chunks of every format are in use.
Vector elf() {
  Image image;
  image.segments[0].bytes.resize(9 << 20);
  image.segments[0].memory_size = 9 << 20;
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < image.segments[0].bytes.size(); ++i) {
    state = state * 1664525 + 1013904223;
    image.segments[0].bytes[i] = i % 3 == 0 ? static_cast<std::uint8_t>(state >> 24) : 0x90;
  }
  return image.bytes();
}

void put32(Vector& out, std::uint64_t v, bool big = false) {
  for (unsigned i = 0; i < 4; ++i) out.push_back(static_cast<std::uint8_t>(v >> (big ? 24 - 8 * i : 8 * i)));
}

Vector gzip(const Vector& in) {
  Vector out(compressBound(in.size()) + 64);
  z_stream s{};
  REQUIRE(deflateInit2(&s, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  s.next_in = const_cast<Bytef*>(in.data());
  s.avail_in = static_cast<uInt>(in.size());
  s.next_out = out.data();
  s.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&s, Z_FINISH) == Z_STREAM_END);
  out.resize(s.total_out);
  deflateEnd(&s);
  return out;
}

Vector bzip2(const Vector& in) {
  auto n = static_cast<unsigned>(in.size() + in.size() / 100 + 1000);
  Vector out(n);
  REQUIRE(BZ2_bzBuffToBuffCompress(reinterpret_cast<char*>(out.data()), &n,
                                   reinterpret_cast<char*>(const_cast<std::uint8_t*>(in.data())),
                                   static_cast<unsigned>(in.size()), 1, 0, 0) == BZ_OK);
  out.resize(n);
  return out;
}

Vector lzma(const Vector& in, bool xz) {
  lzma_stream s = LZMA_STREAM_INIT;
  lzma_options_lzma options;
  REQUIRE(!lzma_lzma_preset(&options, 0));
  REQUIRE((xz ? lzma_easy_encoder(&s, 0, LZMA_CHECK_CRC32) : lzma_alone_encoder(&s, &options)) == LZMA_OK);
  Vector out(in.size() + (1 << 16));
  s.next_in = in.data();
  s.avail_in = in.size();
  s.next_out = out.data();
  s.avail_out = out.size();
  REQUIRE(lzma_code(&s, LZMA_FINISH) == LZMA_STREAM_END);
  out.resize(s.total_out);
  lzma_end(&s);
  return out;
}

Vector zstd(const Vector& in) {
  Vector out(ZSTD_compressBound(in.size()));
  const std::size_t n = ZSTD_compress(out.data(), out.size(), in.data(), in.size(), 1);
  REQUIRE_FALSE(ZSTD_isError(n));
  out.resize(n);
  return out;
}

// The legacy frame: a magic, then blocks of 8 MiB with their packed sizes.
Vector lz4(const Vector& in) {
  Vector out;
  put32(out, 0x184c2102);
  for (std::size_t at = 0; at < in.size(); at += 8 << 20) {
    const std::size_t n = std::min<std::size_t>(8 << 20, in.size() - at);
    Vector block(static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(n))));
    const int packed =
        LZ4_compress_default(reinterpret_cast<const char*>(in.data()) + at, reinterpret_cast<char*>(block.data()),
                             static_cast<int>(n), static_cast<int>(block.size()));
    REQUIRE(packed > 0);
    put32(out, static_cast<std::uint64_t>(packed));
    out.insert(out.end(), block.begin(), block.begin() + packed);
  }
  return out;
}

// lzop's file: version 1.030 with a level, a name of three letters, checksums that nobody looks at.
Vector lzop(const Vector& in) {
  REQUIRE(lzo_init() == LZO_E_OK);
  Vector out = {0x89, 'L', 'Z', 'O', 0, 0x0d, 0x0a, 0x1a, 0x0a, 0x10, 0x30, 0x20, 0xa0, 0x09, 0x40, 1, 5};
  put32(out, 0, true);                        // flags
  for (int i = 0; i < 3; ++i) put32(out, 0);  // mode, times
  out.insert(out.end(), {3, 'a', 'b', 'c'});  // name
  put32(out, 0);                              // checksum
  Vector work(LZO1X_1_MEM_COMPRESS);
  for (std::size_t at = 0; at < in.size(); at += 256 << 10) {
    const std::size_t n = std::min<std::size_t>(256 << 10, in.size() - at);
    Vector block(n + n / 16 + 67);
    lzo_uint packed = block.size();
    REQUIRE(lzo1x_1_compress(in.data() + at, n, block.data(), &packed, work.data()) == LZO_E_OK);
    put32(out, n, true);
    if (packed >= n) {
      put32(out, n, true);
      put32(out, 0);
      out.insert(out.end(), in.begin() + static_cast<long>(at), in.begin() + static_cast<long>(at + n));
    } else {
      put32(out, packed, true);
      put32(out, 0);
      out.insert(out.end(), block.begin(), block.begin() + static_cast<long>(packed));
    }
  }
  put32(out, 0);
  return out;
}

struct Packing {
  Compression compression;
  Vector (*pack)(const Vector&);
};
const Packing kPackings[] = {
    {Compression::kGzip, gzip},
    {Compression::kBzip2, bzip2},
    {Compression::kXz, [](const Vector& in) { return lzma(in, true); }},
    {Compression::kLzma, [](const Vector& in) { return lzma(in, false); }},
    {Compression::kLzo, lzop},
    {Compression::kLz4, lz4},
    {Compression::kZstd, zstd},
};

// A boot sector, the setup header, one more sector of setup, then the payload.
Vector bzimage(const Vector& payload, std::uint16_t protocol = 0x20f) {
  Vector out(3 * 512);
  out[0x1f1] = 1;
  std::memcpy(&out[0x202], "HdrS", 4);
  std::memcpy(&out[0x206], &protocol, 2);
  const std::uint32_t offset = 512, length = static_cast<std::uint32_t>(payload.size());
  std::memcpy(&out[0x248], &offset, 4);
  std::memcpy(&out[0x24c], &length, 4);
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

// Linux' build appends the unpacked size to all but gzip, which ends with it.
Vector with_size(Compression c, Vector packed, std::size_t size) {
  if (c != Compression::kGzip) put32(packed, size);
  return packed;
}

Bytes bytes(Vector v) { return std::make_shared<const Vector>(std::move(v)); }

TEST_CASE("A bzImage gives up its ELF image, whatever packs it") {
  const Vector image = elf();
  for (const Packing& p : kPackings) {
    INFO(name_of(p.compression));
    const Vector packed = p.pack(image);
    CHECK(recognise_compression(packed) == p.compression);
    CHECK(*unpack_kernel("vmlinuz", bytes(bzimage(with_size(p.compression, packed, image.size())))) == image);
  }
}

TEST_CASE("A payload that holds more or less than it says is refused") {
  const Vector image = Image{}.bytes();
  for (const Packing& p : kPackings) {
    INFO(name_of(p.compression));
    for (const int wrong : {-1, 1}) {
      Vector packed = p.pack(image);
      const std::size_t size = image.size() + static_cast<std::size_t>(wrong);
      if (p.compression == Compression::kGzip)
        std::memcpy(&packed[packed.size() - 4], &size, 4);
      else
        packed = with_size(p.compression, packed, size);
      CHECK_THROWS_AS(unpack_kernel("vmlinuz", bytes(bzimage(packed))), UserError);
    }
  }
}

TEST_CASE("A payload cut short anywhere is refused") {
  const Vector image = Image{}.bytes();
  for (const Packing& p : kPackings) {
    INFO(name_of(p.compression));
    const Vector packed = p.pack(image);
    for (std::size_t n = 12; n + 5 < packed.size(); n += 7) {
      Vector cut(packed.begin(), packed.begin() + static_cast<long>(n));
      put32(cut, image.size());
      CHECK_THROWS_AS(unpack_kernel("vmlinuz", bytes(bzimage(cut))), UserError);
    }
  }
}

TEST_CASE("A damaged payload is unpacked or refused, and nothing else happens") {
  const Vector image = Image{}.bytes();
  for (const Packing& p : kPackings) {
    INFO(name_of(p.compression));
    const Vector good = with_size(p.compression, p.pack(image), image.size());
    for (std::size_t at = 0; at < good.size(); ++at)
      for (const unsigned flip : {0x01u, 0x80u}) {
        Vector bad = good;
        bad[at] = static_cast<std::uint8_t>(bad[at] ^ flip);
        try {
          read_elf("vmlinuz", *unpack_kernel("vmlinuz", bytes(bzimage(bad))));
        } catch (const UserError&) {
        }
      }
  }
}

TEST_CASE("A stream that claims more than Xen unpacks is refused before it is decoded") {
  CHECK_THROWS_WITH(
      unpack_kernel("vmlinuz", bytes(bzimage(with_size(Compression::kXz, lzma(elf(), true), 0x40000001)))),
      Catch::Contains("1073741825 bytes") && Catch::Contains("1 GiB"));
}

TEST_CASE("A bzImage of an old protocol, or that is truncated, says so") {
  const Vector packed = with_size(Compression::kZstd, zstd(elf()), elf().size());
  CHECK_THROWS_WITH(unpack_kernel("vmlinuz", bytes(bzimage(packed, 0x207))), Catch::Contains("boot protocol 2.7"));
  Vector file = bzimage(packed);
  file.resize(file.size() - 1);
  CHECK_THROWS_WITH(unpack_kernel("vmlinuz", bytes(file)), Catch::Contains("truncated"));
  file.resize(0x220);
  CHECK_THROWS_WITH(unpack_kernel("vmlinuz", bytes(file)), Catch::Contains("cut short in its header"));
}

TEST_CASE("An ELF file is itself, packed by gzip or not, and so is a ramdisk") {
  const Vector image = elf();
  CHECK(*unpack_kernel("kernel", bytes(image)) == image);
  CHECK(*unpack_kernel("kernel.gz", bytes(gzip(image))) == image);
  CHECK(*unpack_ramdisk("initrd", bytes(gzip(image))) == image);
  // Other compressions of a ramdisk are the kernel's affair.
  CHECK(*unpack_ramdisk("initrd", bytes(zstd(image))) == zstd(image));
}

}  // namespace
}  // namespace xensim::xen
