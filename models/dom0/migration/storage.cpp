#include "models/dom0/migration/storage.h"

#include <algorithm>
#include <cerrno>

#include "sim/base/error.h"

namespace xensim::dom0 {

namespace {

// AtomicFile throws a sentence, directly after the call that failed.
int error_number() { return errno != 0 ? errno : EIO; }

// The storage is busy with so many bytes more.
Cycles busy_until(const Toolstack& t, Cycles before, std::uint64_t bytes) {
  const auto ns = static_cast<Nanoseconds>(static_cast<unsigned __int128>(bytes) * 8'000'000'000u /
                                           t.config.storage_bandwidth);
  return std::max(before, t.hypervisor.now()) + t.hypervisor.cycles(ns);
}

}  // namespace

StorageWriter::StorageWriter(Toolstack& toolstack, const std::string& name) : toolstack_(toolstack) {
  errno = 0;
  try {
    file_ = std::make_unique<AtomicFile>(join_path(toolstack.saved_folder, name));
  } catch (const UserError&) {
    throw StorageError{error_number()};
  }
}

void StorageWriter::write(std::span<const std::uint8_t> bytes) {
  const std::uint64_t space = toolstack_.config.storage_space;
  if (space != 0 && file_->bytes_written() + bytes.size() > space) throw StorageError{ENOSPC};
  errno = 0;
  try {
    file_->write(bytes.data(), bytes.size());
    file_->flush();
  } catch (const UserError&) {
    throw StorageError{error_number()};
  }
  ready_ = busy_until(toolstack_, ready_, bytes.size());
}

void StorageWriter::commit() {
  errno = 0;
  try {
    file_->commit();
  } catch (const UserError&) {
    throw StorageError{error_number()};
  }
}

StorageReader::StorageReader(Toolstack& toolstack, const std::string& name) : toolstack_(toolstack) {
  file_ = std::fopen(join_path(toolstack.saved_folder, name).c_str(), "rbe");
  if (!file_) throw StorageError{errno};
}

StorageReader::~StorageReader() {
  if (file_) std::fclose(file_);
}

std::span<const std::uint8_t> StorageReader::read() {
  chunk_.resize(kChunk);
  errno = 0;
  const std::size_t n = std::fread(chunk_.data(), 1, chunk_.size(), file_);
  if (n == 0 && std::ferror(file_)) throw StorageError{error_number()};
  ready_ = busy_until(toolstack_, ready_, n);
  return std::span(chunk_).first(n);
}

}  // namespace xensim::dom0
