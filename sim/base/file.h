// Files, with errors that name them. AtomicFile writes beside the target and renames at the end: under its final
// name a file is whole or not there.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace xensim {

// The whole file. Throws UserError: missing, a folder, a device, not readable, larger than limit.
std::string read_file(const std::string& path, std::uint64_t limit = std::uint64_t{4} << 30);
// Makes the folder and its parents; no error if it is there. Throws UserError.
void make_folder(const std::string& path);
// `path`, or folder/path if path is relative. An empty folder is the current one.
std::string join_path(std::string_view folder, std::string_view path);
// Everything before the last slash; "" if there is none.
std::string folder_of(std::string_view path);
bool file_exists(const std::string& path);
bool is_folder(const std::string& path);

class AtomicFile {
 public:
  // Opens the file beside the target (target + ".part"). Special files (/dev/stdout, a FIFO) are written directly.
  explicit AtomicFile(const std::string& path);
  // Without a commit(), what was written is removed, and an old file of that name stays as it was.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Throw UserError naming the path: disk full, and every other error.
  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  // Hands what was written to the system, so that errors come now and a commit() is all but sure to succeed.
  void flush();
  void commit();
  std::uint64_t bytes_written() const { return bytes_; }
  const std::string& path() const { return path_; }

 private:
  [[noreturn]] void fail(int error) const;

  std::string path_, part_;
  std::FILE* file_ = nullptr;
  std::uint64_t bytes_ = 0;
};

// AtomicFile for a text at hand.
void write_file(const std::string& path, std::string_view text);

}  // namespace xensim
