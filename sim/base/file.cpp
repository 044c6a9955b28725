#include "sim/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sim/base/error.h"

namespace xensim {
namespace {

// What an errno means for a user and what to do; strerror's words depend on the locale.
UserError file_error(const std::string& path, const std::string& doing, int error) {
  switch (error) {
    case ENOENT:
      return {path, "no such file", "check the name and the folder"};
    case EACCES:
    case EPERM:
      return {path, "permission denied when " + doing + " it", "check the rights of the file and its folder"};
    case EISDIR:
      return {path, "is a folder, not a file"};
    case ENOTDIR:
      return {path, "a part of the path is a file, not a folder"};
    case ENOSPC:
    case EDQUOT:
      return {path, "the disk is full when " + doing + " it", "free space, or choose another folder"};
    case EFBIG:
      return {path, "file too large for the file system or the user's limit"};
    case EROFS:
      return {path, "the file system is read-only", "choose another folder"};
    case ENAMETOOLONG:
      return {path, "the name is too long"};
    case EMFILE:
    case ENFILE:
      return {path, "too many open files"};
    default:
      return {path, "error " + std::to_string(error) + " (" + std::strerror(error) + ") when " + doing + " it"};
  }
}

struct Closer {
  std::FILE* f;
  ~Closer() { std::fclose(f); }
};

}  // namespace

std::string read_file(const std::string& path, std::uint64_t limit) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) throw file_error(path, "reading", errno);
  if (S_ISDIR(st.st_mode)) throw file_error(path, "reading", EISDIR);
  if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) throw UserError(path, "is a device, not a file");
  std::FILE* f = std::fopen(path.c_str(), "rbe");
  if (!f) throw file_error(path, "reading", errno);
  Closer closer{f};
  std::string text;
  char buffer[65536];
  std::size_t n;
  while ((n = std::fread(buffer, 1, sizeof buffer, f)) > 0) {
    text.append(buffer, n);
    if (text.size() > limit)
      throw UserError(path, "larger than " + std::to_string(limit) + " bytes, which no such file is");
  }
  if (std::ferror(f)) throw file_error(path, "reading", errno);
  return text;
}

void make_folder(const std::string& path) {
  for (std::size_t i = 1; i <= path.size(); ++i) {
    if (i != path.size() && path[i] != '/') continue;
    std::string part = path.substr(0, i);
    if (::mkdir(part.c_str(), 0777) == 0) continue;
    int error = errno;
    struct stat st;
    if (::stat(part.c_str(), &st) != 0) {
      if (error == ENOENT) throw UserError(part, "no folder can be made there", "choose another");
      throw file_error(part, "making", error);
    }
    if (!S_ISDIR(st.st_mode)) throw UserError(part, "is a file, where a folder is wanted");
  }
}

std::string join_path(std::string_view folder, std::string_view path) {
  if (folder.empty() || path.starts_with('/')) return std::string(path);
  return std::string(folder) + (folder.ends_with('/') ? "" : "/") + std::string(path);
}

std::string folder_of(std::string_view path) {
  std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {};
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

bool file_exists(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0 && !S_ISDIR(st.st_mode);
}

bool is_folder(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

AtomicFile::AtomicFile(const std::string& path) : path_(path) {
  struct stat st;
  bool there = ::stat(path.c_str(), &st) == 0;
  if (there && S_ISDIR(st.st_mode)) throw file_error(path, "writing", EISDIR);
  bool direct = there && !S_ISREG(st.st_mode);
  if (!direct) part_ = path + ".part";
  const std::string& name = direct ? path_ : part_;
  file_ = std::fopen(name.c_str(), "wbe");
  if (!file_) {
    int error = errno;
    if (error == ENOENT) throw UserError(path, "its folder does not exist", "make it first");
    throw file_error(path, "writing", error);
  }
}

AtomicFile::~AtomicFile() {
  if (!file_) return;
  std::fclose(file_);
  if (!part_.empty()) ::unlink(part_.c_str());
}

void AtomicFile::fail(int error) const { throw file_error(path_, "writing", error); }

void AtomicFile::write(const void* data, std::size_t bytes) {
  if (bytes == 0) return;
  if (std::fwrite(data, 1, bytes, file_) != bytes) fail(errno);
  bytes_ += bytes;
}

void AtomicFile::flush() {
  if (std::fflush(file_) != 0) fail(errno);
}

void AtomicFile::commit() {
  flush();
  int closed = std::fclose(file_);
  int error = errno;
  file_ = nullptr;
  if (closed == 0 && !part_.empty() && ::rename(part_.c_str(), path_.c_str()) != 0) {
    closed = -1;
    error = errno;
  }
  if (closed != 0) {
    if (!part_.empty()) ::unlink(part_.c_str());
    fail(error);
  }
}

void write_file(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace xensim
