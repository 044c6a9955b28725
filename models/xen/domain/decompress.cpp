// LZ4 is the legacy frame and LZO is lzop's, which are what Linux' build makes; the others are their tools'
// formats.
#include "models/xen/domain/decompress.h"

#include <bzlib.h>
#include <lz4.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "sim/base/error.h"

namespace xensim::xen {

namespace {

using Input = std::span<const std::uint8_t>;

constexpr std::size_t kChunk = 1 << 20;
constexpr std::uint64_t kLzmaMemory = 256 << 20;
constexpr std::size_t kLz4Block = 8 << 20;    // largest of the legacy frame, uncompressed
constexpr std::size_t kLzopBlock = 64 << 20;  // likewise, lzop's

constexpr std::array<std::uint8_t, 9> kLzopMagic = {0x89, 'L', 'Z', 'O', 0, 0x0d, 0x0a, 0x1a, 0x0a};

// What has come out. A decoder asks for room and says how much of it it has filled.
class Output {
 public:
  Output(Compression compression, const std::string& name, std::uint64_t size)
      : compression_(compression), name_(name), size_(size) {}

  // Room for at most `most` bytes, at least one; a stream that needs more than size is found out by full().
  std::span<std::uint8_t> room(std::size_t most) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(most, size_ + 1 - filled_));
    bytes_.resize(filled_ + n);
    return {bytes_.data() + filled_, n};
  }
  void fill(std::size_t n) {
    filled_ += n;
    if (filled_ > size_) fail("holds more than the " + std::to_string(size_) + " bytes that it says");
  }
  std::vector<std::uint8_t> finish() {
    if (filled_ != size_)
      fail("ends after " + std::to_string(filled_) + " of the " + std::to_string(size_) + " bytes that it says");
    bytes_.resize(filled_);
    return std::move(bytes_);
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw UserError(name_, std::string("its ") + name_of(compression_) + " stream " + what,
                    "the image is damaged; copy it again");
  }

 private:
  Compression compression_;
  const std::string& name_;
  std::uint64_t size_;
  std::size_t filled_ = 0;
  std::vector<std::uint8_t> bytes_;
};

// Runs a decoder of the z_stream family: step() decodes once, until it says that the stream has ended.
template <class Stream, class Step>
void decode_stream(Stream& stream, Input in, Output& out, Step step) {
  if (in.size() > std::numeric_limits<unsigned>::max()) out.fail("is larger than 4 GiB");
  // These libraries do not write to their input.
  stream.next_in = reinterpret_cast<decltype(stream.next_in)>(const_cast<std::uint8_t*>(in.data()));
  stream.avail_in = static_cast<decltype(stream.avail_in)>(in.size());
  for (bool ended = false; !ended;) {
    const auto room = out.room(kChunk);
    stream.next_out = reinterpret_cast<decltype(stream.next_out)>(room.data());
    stream.avail_out = static_cast<decltype(stream.avail_out)>(room.size());
    ended = step();
    const std::size_t made = room.size() - stream.avail_out;
    if (!ended && made == 0 && stream.avail_in == 0) out.fail("is cut short");
    out.fill(made);
  }
}

void gunzip(Input in, Output& out) {
  constexpr int kGzipOnly = 16;
  z_stream stream{};
  if (inflateInit2(&stream, MAX_WBITS + kGzipOnly) != Z_OK) out.fail("cannot be decoded: out of memory");
  const struct End {
    z_stream& s;
    ~End() { inflateEnd(&s); }
  } end{stream};
  decode_stream(stream, in, out, [&] {
    const int r = inflate(&stream, Z_NO_FLUSH);
    if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR) out.fail("is not valid");
    return r == Z_STREAM_END;
  });
}

void bunzip2(Input in, Output& out) {
  bz_stream stream{};
  if (BZ2_bzDecompressInit(&stream, 0, 0) != BZ_OK) out.fail("cannot be decoded: out of memory");
  const struct End {
    bz_stream& s;
    ~End() { BZ2_bzDecompressEnd(&s); }
  } end{stream};
  decode_stream(stream, in, out, [&] {
    const int r = BZ2_bzDecompress(&stream);
    if (r != BZ_OK && r != BZ_STREAM_END) out.fail("is not valid");
    return r == BZ_STREAM_END;
  });
}

void unlzma(Input in, Output& out, bool xz) {
  lzma_stream stream = LZMA_STREAM_INIT;
  const lzma_ret made =
      xz ? lzma_stream_decoder(&stream, kLzmaMemory, 0) : lzma_alone_decoder(&stream, kLzmaMemory);
  if (made != LZMA_OK) out.fail("cannot be decoded: out of memory");
  const struct End {
    lzma_stream& s;
    ~End() { lzma_end(&s); }
  } end{stream};
  decode_stream(stream, in, out, [&] {
    const lzma_ret r = lzma_code(&stream, LZMA_RUN);
    if (r == LZMA_MEMLIMIT_ERROR)
      out.fail("needs over " + std::to_string(kLzmaMemory >> 20) + " MiB of memory to decode");
    if (r != LZMA_OK && r != LZMA_STREAM_END && r != LZMA_BUF_ERROR) out.fail("is not valid");
    return r == LZMA_STREAM_END;
  });
}

void unzstd(Input in, Output& out) {
  const struct Decoder {
    ZSTD_DStream* s = ZSTD_createDStream();
    ~Decoder() { ZSTD_freeDStream(s); }
  } decoder;
  if (decoder.s == nullptr) out.fail("cannot be decoded: out of memory");
  ZSTD_inBuffer from{in.data(), in.size(), 0};
  for (std::size_t more = 1; more != 0;) {
    const auto room = out.room(kChunk);
    ZSTD_outBuffer to{room.data(), room.size(), 0};
    more = ZSTD_decompressStream(decoder.s, &to, &from);
    if (ZSTD_isError(more)) out.fail(std::string("is not valid: ") + ZSTD_getErrorName(more));
    if (more != 0 && to.pos == 0 && from.pos == from.size) out.fail("is cut short");
    out.fill(to.pos);
  }
}

// A reader of block headers.
class Cursor {
 public:
  Cursor(Input in, const Output& out) : in_(in), out_(out) {}
  Input take(std::uint64_t n) {
    if (n > in_.size()) out_.fail("is cut short");
    const Input taken = in_.first(static_cast<std::size_t>(n));
    in_ = in_.subspan(static_cast<std::size_t>(n));
    return taken;
  }
  std::uint32_t big_endian(unsigned n) {
    std::uint32_t v = 0;
    for (const std::uint8_t b : take(n)) v = v << 8 | b;
    return v;
  }
  std::uint32_t little_endian32() {
    std::uint32_t v = 0;
    std::memcpy(&v, take(4).data(), 4);
    return v;
  }
  bool at_end() const { return in_.empty(); }

 private:
  Input in_;
  const Output& out_;
};

// Blocks until the input ends: the frame has no mark of its end, and its magic may come again.
void unlz4(Input in, Output& out) {
  constexpr std::uint32_t kMagic = 0x184c2102;
  Cursor at(in, out);
  if (at.little_endian32() != kMagic) out.fail("has no legacy frame");
  while (!at.at_end()) {
    const std::uint32_t size = at.little_endian32();
    if (size == kMagic) continue;
    const Input block = at.take(size);
    const auto room = out.room(kLz4Block);
    const int made =
        LZ4_decompress_safe(reinterpret_cast<const char*>(block.data()), reinterpret_cast<char*>(room.data()),
                            static_cast<int>(std::min<std::size_t>(block.size(), std::numeric_limits<int>::max())),
                            static_cast<int>(room.size()));
    if (made <= 0) out.fail("has a block that is not valid");
    out.fill(static_cast<std::size_t>(made));
  }
}

void skip_lzop_header(Cursor& at) {
  constexpr std::uint32_t kVersionWithLevel = 0x0940, kHasFilter = 0x800;
  at.take(kLzopMagic.size());
  const std::uint32_t version = at.big_endian(2);
  at.take(2 + 2 + 1);  // library, version needed to extract, method
  if (version >= kVersionWithLevel) at.take(1);
  if (at.big_endian(4) & kHasFilter) at.take(4);
  at.take(4 + 4 + (version >= kVersionWithLevel ? 4 : 0));  // mode, times
  at.take(at.take(1)[0]);                                   // the file's name
  at.take(4);                                               // checksum
}

void unlzo(Input in, Output& out) {
  if (lzo_init() != LZO_E_OK) out.fail("cannot be decoded: the library does not fit this processor");
  Cursor at(in, out);
  skip_lzop_header(at);
  while (const std::uint32_t size = at.big_endian(4)) {
    const std::uint32_t packed = at.big_endian(4);
    at.take(4);  // checksum
    if (size > kLzopBlock || packed == 0 || packed > size) out.fail("has a block of no valid size");
    const Input block = at.take(packed);
    const auto room = out.room(size);
    if (room.size() < size) out.fail("holds more than it says");
    lzo_uint made = room.size();
    if (packed == size) {
      std::copy(block.begin(), block.end(), room.begin());
    } else if (lzo1x_decompress_safe(block.data(), block.size(), room.data(), &made, nullptr) != LZO_E_OK ||
               made != size) {
      out.fail("has a block that is not valid");
    }
    out.fill(size);
  }
}

}  // namespace

const char* name_of(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return "gzip";
    case Compression::kBzip2:
      return "bzip2";
    case Compression::kXz:
      return "xz";
    case Compression::kLzma:
      return "lzma";
    case Compression::kLzo:
      return "lzo";
    case Compression::kLz4:
      return "lz4";
    case Compression::kZstd:
      return "zstd";
  }
  return "";
}

std::optional<Compression> recognise_compression(Input in) {
  const auto starts = [&](std::initializer_list<std::uint8_t> magic) {
    return in.size() >= magic.size() && std::equal(magic.begin(), magic.end(), in.begin());
  };
  if (starts({0x1f, 0x8b})) return Compression::kGzip;
  if (starts({'B', 'Z', 'h'})) return Compression::kBzip2;
  if (starts({0xfd, '7', 'z', 'X', 'Z', 0})) return Compression::kXz;
  if (starts({0x5d, 0, 0})) return Compression::kLzma;
  if (in.size() >= kLzopMagic.size() && std::equal(kLzopMagic.begin(), kLzopMagic.end(), in.begin()))
    return Compression::kLzo;
  if (starts({0x02, 0x21, 0x4c, 0x18})) return Compression::kLz4;
  if (starts({0x28, 0xb5, 0x2f, 0xfd})) return Compression::kZstd;
  return std::nullopt;
}

std::vector<std::uint8_t> decompress(Compression compression, const std::string& name, Input in,
                                     std::uint64_t size) {
  Output out(compression, name, size);
  switch (compression) {
    case Compression::kGzip:
      gunzip(in, out);
      break;
    case Compression::kBzip2:
      bunzip2(in, out);
      break;
    case Compression::kXz:
      unlzma(in, out, true);
      break;
    case Compression::kLzma:
      unlzma(in, out, false);
      break;
    case Compression::kLzo:
      unlzo(in, out);
      break;
    case Compression::kLz4:
      unlz4(in, out);
      break;
    case Compression::kZstd:
      unzstd(in, out);
      break;
  }
  return out.finish();
}

}  // namespace xensim::xen
