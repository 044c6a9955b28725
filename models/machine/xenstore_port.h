// The door through which programs of the host speak to the simulated xenstored: what they send enters the
// simulation after an activation of a pCPU (the end of its quantum), as if a program of dom0 had written to
// xenstored's socket then; what xenstored answers is handed out at the same points. The host's socket itself is
// behind StoreSocket, in tools/.
//
// Determinism. When input arrives is the host's affair, so every piece is recorded with the number of the
// activation after which it came in; a run that is given the record instead of a socket has the same input at the
// same points, and so the same bytes in all results. While the simulation stands still (a prompt, or the run is
// over), requests are served at once and cost no simulated time; the record says so.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "models/dom0/xenstore_daemon.h"

namespace xensim::machine {

struct StoreInput {
  enum class Kind : std::uint8_t { kOpen, kData, kClose } kind = Kind::kOpen;
  std::uint64_t connection = 0;  // numbered by the socket's owner, never again
  std::string bytes;
};

// The host's side.
class StoreSocket {
 public:
  virtual ~StoreSocket() = default;
  // What has come in since the last call. Waits for it as long as that if there is nothing.
  virtual std::vector<StoreInput> poll(std::chrono::milliseconds wait) = 0;
  virtual void send(std::uint64_t connection, std::string_view bytes) = 0;
  virtual void close(std::uint64_t connection) = 0;
};

// A line of the record.
struct RecordedInput {
  std::uint64_t activation = 0;
  bool paused = false;
  StoreInput input;

  std::string line() const;
};
// Throws UserError with the line's number.
std::vector<RecordedInput> read_record(const std::string& text, const std::string& place);

class XenstorePort {
 public:
  explicit XenstorePort(dom0::XenstoreDaemon& daemon) : daemon_(daemon) {}

  StoreSocket* socket = nullptr;
  std::vector<RecordedInput> replay;
  // Called with each line of the record.
  std::function<void(const std::string& line)> record;

  bool in_use() const { return socket != nullptr || !replay.empty(); }
  // After each activation. true: something came in, so that somebody may have work now.
  bool exchange();
  // The simulation stands still: serves what comes in within that time.
  void serve_paused(std::chrono::milliseconds wait);

 private:
  void enter(const StoreInput& input);
  void hand_out();
  bool take_from_socket();
  void note(const StoreInput& input, bool paused);

  dom0::XenstoreDaemon& daemon_;
  std::uint64_t activation_ = 0;
  std::size_t next_ = 0;    // of the replay
  bool wake_next_ = false;  // what was served while the simulation stood still may concern guests
  std::chrono::steady_clock::time_point polled_{};
};

}  // namespace xensim::machine
