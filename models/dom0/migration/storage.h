// Where dom0 keeps saved domains: a file of the host's, behind modelled storage with a bandwidth and a size
// (storage_bandwidth, storage_space). A file that is written has its name when it is whole.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/dom0/toolstack.h"
#include "sim/base/file.h"

namespace xensim::dom0 {

// An errno value.
struct StorageError {
  int error;
};

class StorageWriter {
 public:
  // Throws StorageError. name: as xl was given it.
  StorageWriter(Toolstack& toolstack, const std::string& name);
  // Throw StorageError.
  void write(std::span<const std::uint8_t> bytes);
  void commit();
  // When the storage will have taken everything.
  Cycles ready() const { return ready_; }

 private:
  Toolstack& toolstack_;
  std::unique_ptr<AtomicFile> file_;
  Cycles ready_ = 0;
};

class StorageReader {
 public:
  // Throws StorageError.
  StorageReader(Toolstack& toolstack, const std::string& name);
  ~StorageReader();
  StorageReader(const StorageReader&) = delete;
  StorageReader& operator=(const StorageReader&) = delete;
  // The next bytes; none: the file is over. Throws StorageError.
  std::span<const std::uint8_t> read();
  Cycles ready() const { return ready_; }

 private:
  static constexpr std::size_t kChunk = 1 << 20;
  Toolstack& toolstack_;
  std::FILE* file_ = nullptr;
  std::vector<std::uint8_t> chunk_;
  Cycles ready_ = 0;
};

}  // namespace xensim::dom0
