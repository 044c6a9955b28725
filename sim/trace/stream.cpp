#include "sim/trace/stream.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "sim/base/error.h"
#include "sim/base/expects.h"

namespace xensim::trace {

Stream::Stream() : open_(std::make_unique_for_overwrite<std::uint32_t[]>(kChunkWords)) {}

Stream::~Stream() {
  if (!file_) return;
  std::fclose(file_);
  ::unlink(path_.c_str());
}

Stream::Stream(Stream&& o) noexcept
    : open_(std::move(o.open_)),
      used_(std::exchange(o.used_, 0)),
      chunks_(std::move(o.chunks_)),
      path_(std::move(o.path_)),
      file_(std::exchange(o.file_, nullptr)),
      spilled_(std::move(o.spilled_)) {}

Stream& Stream::operator=(Stream&& o) noexcept {
  std::swap(open_, o.open_);
  std::swap(used_, o.used_);
  std::swap(chunks_, o.chunks_);
  std::swap(path_, o.path_);
  std::swap(file_, o.file_);
  std::swap(spilled_, o.spilled_);
  return *this;
}

void Stream::turn() {
  if (used_ == 0) return;
  chunks_.push_back({std::move(open_), used_});
  open_ = std::make_unique_for_overwrite<std::uint32_t[]>(kChunkWords);
  used_ = 0;
}

std::uint64_t Stream::bytes_in_memory() const { return chunks_.size() * kChunkWords * sizeof(std::uint32_t); }

void Stream::spill(const std::string& path) {
  if (chunks_.empty()) return;
  auto check = [&](bool good) {
    if (good) return;
    int error = errno;
    throw UserError(path_,
                    error == ENOSPC ? "the disk is full when writing the trace"
                                    : "cannot write the trace: " + std::string(std::strerror(error)),
                    "free space, choose another folder, or trace less");
  };
  if (!file_) {
    path_ = path;
    file_ = std::fopen(path.c_str(), "w+be");
    check(file_ != nullptr);
  }
  check(std::fseek(file_, 0, SEEK_END) == 0);
  for (const Chunk& c : chunks_) {
    check(std::fwrite(c.words.get(), sizeof(std::uint32_t), c.count, file_) == c.count);
    spilled_.push_back(static_cast<std::uint32_t>(c.count));
  }
  check(std::fflush(file_) == 0);
  chunks_.clear();
}

StreamReader::StreamReader(const Stream& stream) : stream_(&stream) {}

bool StreamReader::load() {
  std::size_t in_file = stream_->spilled_.size(), in_memory = stream_->chunks_.size();
  if (chunk_ > in_file + in_memory) return false;
  if (chunk_ < in_file) {
    std::size_t count = stream_->spilled_[chunk_];
    buffer_.resize(count);
    // pread: several readers of one stream share the file.
    std::size_t bytes = count * sizeof(std::uint32_t);
    auto* to = reinterpret_cast<char*>(buffer_.data());
    for (std::size_t done = 0; done < bytes;) {
      ssize_t n = ::pread(::fileno(stream_->file_), to + done, bytes - done, offset_ + static_cast<long>(done));
      if (n <= 0) throw UserError(stream_->path_, "cannot read the trace's temporary file back");
      done += static_cast<std::size_t>(n);
    }
    offset_ += static_cast<long>(bytes);
    words_ = buffer_;
  } else if (chunk_ < in_file + in_memory) {
    const Stream::Chunk& c = stream_->chunks_[chunk_ - in_file];
    words_ = {c.words.get(), c.count};
  } else {
    words_ = stream_->open_chunk();
  }
  ++chunk_;
  return true;
}

std::span<const std::uint32_t> StreamReader::next_words() {
  while (words_.empty())
    if (!load()) return {};
  unsigned size = size_of(words_[0]);
  expects(size <= words_.size());
  std::span<const std::uint32_t> record = words_.first(size);
  words_ = words_.subspan(size);
  if (is_timed(record[0])) now_ = record[1] | static_cast<Cycles>(record[2]) << 32;
  return record;
}

std::optional<Record> StreamReader::next() {
  std::span<const std::uint32_t> words = next_words();
  if (words.empty()) return std::nullopt;
  Record r;
  r.event = event_of(words[0]);
  r.timed = is_timed(words[0]);
  r.tsc = now_;
  r.count = static_cast<std::uint8_t>(words_of(words[0]));
  std::span<const std::uint32_t> payload = words.last(r.count);
  for (unsigned i = 0; i < r.count; ++i) r.words[i] = payload[i];
  return r;
}

MergedReader::MergedReader(std::span<const Stream> streams) {
  for (const Stream& s : streams) {
    readers_.emplace_back(s);
    heads_.push_back(readers_.back().next());
  }
}

std::optional<MergedReader::Item> MergedReader::next() {
  // pCPUs are few; a heap would cost more than it saves.
  std::size_t best = heads_.size();
  for (std::size_t i = 0; i < heads_.size(); ++i)
    if (heads_[i] && (best == heads_.size() || heads_[i]->tsc < heads_[best]->tsc)) best = i;
  if (best == heads_.size()) return std::nullopt;
  Item item{static_cast<unsigned>(best), *heads_[best]};
  heads_[best] = readers_[best].next();
  return item;
}

}  // namespace xensim::trace
