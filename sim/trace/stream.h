// Stream: one pCPU's records in order, as 32-bit words in Xen's record format; and readers over one or all of
// them.
//
// Records are appended to a chunk of fixed size. Full chunks stay in memory until the tracer says spill(); then
// they go to the end of a file that is removed with the stream. Readers go through file, chunks and the open chunk
// alike.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/trace/record.h"

namespace xensim::trace {

class Stream {
 public:
  static constexpr std::size_t kChunkWords = 16384;

  Stream();
  ~Stream();
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;

  // --- Appending. A chunk is full when the largest record might not fit.
  bool full() const { return used_ + kMaxRecordWords > kChunkWords; }
  std::uint32_t* end() { return open_.get() + used_; }
  void commit(unsigned words) { used_ += words; }
  std::span<const std::uint32_t> open_chunk() const { return {open_.get(), used_}; }
  // Puts the open chunk behind the full ones, and opens another.
  void turn();
  // Bytes of the full chunks in memory.
  std::uint64_t bytes_in_memory() const;
  // Moves the full chunks to the file. path: of the file, at the first call. Throws UserError.
  void spill(const std::string& path);

 private:
  friend class StreamReader;
  std::unique_ptr<std::uint32_t[]> open_;
  std::size_t used_ = 0;
  struct Chunk {
    std::unique_ptr<std::uint32_t[]> words;
    std::size_t count;
  };
  std::vector<Chunk> chunks_;
  std::string path_;
  std::FILE* file_ = nullptr;
  std::vector<std::uint32_t> spilled_;  // words in each chunk in the file
};

// Reads a stream from its beginning. The stream must not change meanwhile.
class StreamReader {
 public:
  explicit StreamReader(const Stream& stream);
  // The next record's words, header first; empty at the end. Valid until the next call.
  std::span<const std::uint32_t> next_words();
  std::optional<Record> next();
  // Time of the last record returned.
  Cycles now() const { return now_; }

 private:
  bool load();

  const Stream* stream_;
  std::size_t chunk_ = 0;  // the next chunk to load, counted through file, memory, open
  std::vector<std::uint32_t> buffer_;
  std::span<const std::uint32_t> words_;
  long offset_ = 0;
  Cycles now_ = 0;
};

// All pCPUs' records in order of time, then of pCPU.
class MergedReader {
 public:
  explicit MergedReader(std::span<const Stream> streams);
  struct Item {
    unsigned pcpu;
    Record record;
  };
  std::optional<Item> next();

 private:
  std::vector<StreamReader> readers_;
  std::vector<std::optional<Record>> heads_;
};

}  // namespace xensim::trace
