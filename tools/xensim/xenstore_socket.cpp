#include "tools/xensim/xenstore_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "sim/base/error.h"

namespace xensim::tool {

namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
  return address;
}

bool somebody_listens(const sockaddr_un& address) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool answers = fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  if (fd >= 0) ::close(fd);
  return answers;
}

}  // namespace

XenstoreSocket::XenstoreSocket(const std::string& path) : path_(path) {
  // It gets its name when somebody listens, so that who finds it can connect.
  const std::string part = path + ".part";
  if (path.empty() || part.size() >= sizeof(sockaddr_un::sun_path))
    throw UserError(
        path,
        "is no path for a socket: it may have " + std::to_string(sizeof(sockaddr_un::sun_path) - 6) + " bytes",
        "give a shorter one");
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode)) throw UserError(path, "exists and is no socket", "give another path");
    if (somebody_listens(address_of(path)))
      throw UserError(path, "is in use by another program", "give another path");
  }
  ::unlink(part.c_str());
  const sockaddr_un address = address_of(part);
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener_ < 0 || ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(part.c_str(), 0600) != 0 || ::listen(listener_, 16) != 0 ||
      ::rename(part.c_str(), path.c_str()) != 0) {
    const std::string why = std::strerror(errno);
    if (listener_ >= 0) ::close(listener_);
    throw UserError(path, "cannot listen there: " + why, "give a path in a folder that you may write");
  }
}

XenstoreSocket::~XenstoreSocket() {
  for (auto& [id, c] : connections_) ::close(c.fd);
  ::close(listener_);
  ::unlink(path_.c_str());
}

std::vector<pollfd> XenstoreSocket::descriptors() const {
  std::vector<pollfd> fds{{listener_, POLLIN, 0}};
  for (const auto& [id, c] : connections_) {
    const int events = (c.ended ? 0 : POLLIN) | (c.out.empty() ? 0 : POLLOUT);
    fds.push_back({events == 0 ? -1 : c.fd, static_cast<short>(events), 0});
  }
  return fds;
}

std::vector<machine::StoreInput> XenstoreSocket::poll(std::chrono::milliseconds wait) {
  using Kind = machine::StoreInput::Kind;
  std::vector<machine::StoreInput> input;
  std::vector<pollfd> fds = descriptors();
  std::vector<std::uint64_t> ids{0};
  for (const auto& [id, c] : connections_) ids.push_back(id);
  if (::poll(fds.data(), fds.size(), static_cast<int>(wait.count())) <= 0) return input;
  for (std::size_t i = 1; i < fds.size(); ++i) {
    Connection& c = connections_.at(ids[i]);
    if (fds[i].revents & POLLOUT) flush(c);
    if (!(fds[i].revents & (POLLIN | POLLHUP | POLLERR)) || c.ended) continue;
    char buffer[4096];
    const ssize_t n = ::read(c.fd, buffer, sizeof buffer);
    if (n > 0) {
      input.push_back({Kind::kData, ids[i], std::string(buffer, static_cast<std::size_t>(n))});
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      c.ended = true;
      input.push_back({Kind::kClose, ids[i], {}});
    }
  }
  if (fds[0].revents & POLLIN) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      connections_[++last_].fd = fd;
      input.push_back({Kind::kOpen, last_, {}});
    }
  }
  return input;
}

void XenstoreSocket::flush(Connection& c) {
  while (!c.out.empty()) {
    const ssize_t n = ::send(c.fd, c.out.data(), c.out.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return c.out.clear();  // it has gone: poll() will see that
    c.out.erase(0, static_cast<std::size_t>(n));
  }
}

void XenstoreSocket::send(std::uint64_t connection, std::string_view bytes) {
  const auto it = connections_.find(connection);
  if (it == connections_.end()) return;
  it->second.out.append(bytes);
  flush(it->second);
}

void XenstoreSocket::close(std::uint64_t connection) {
  const auto it = connections_.find(connection);
  if (it == connections_.end()) return;
  flush(it->second);
  ::close(it->second.fd);
  connections_.erase(it);
}

}  // namespace xensim::tool
