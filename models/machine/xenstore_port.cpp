#include "models/machine/xenstore_port.h"

#include <array>
#include <sstream>
#include <utility>

#include "sim/base/error.h"

namespace xensim::machine {

namespace {

constexpr std::array<std::string_view, 3> kKinds{"open", "data", "close"};
// How often the host is asked, in host time: system calls in between would be most of a run.
constexpr std::chrono::microseconds kInterval{50};

std::string to_hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    out.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return out;
}

bool from_hex(const std::string& text, std::string& out) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  if (text.size() % 2 != 0) return false;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0) return false;
    out.push_back(static_cast<char>(high << 4 | low));
  }
  return true;
}

}  // namespace

std::string RecordedInput::line() const {
  std::string out = std::to_string(activation) + (paused ? " paused " : " running ");
  out += std::string(kKinds[static_cast<unsigned>(input.kind)]) + " " + std::to_string(input.connection);
  if (!input.bytes.empty()) out += " " + to_hex(input.bytes);
  return out;
}

std::vector<RecordedInput> read_record(const std::string& text, const std::string& place) {
  std::vector<RecordedInput> out;
  std::istringstream lines(text);
  std::string line;
  for (unsigned number = 1; std::getline(lines, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    RecordedInput r;
    std::istringstream words(line);
    std::string state, kind, hex;
    words >> r.activation >> state >> kind >> r.input.connection;
    const bool whole = !words.fail();
    words >> hex;
    std::size_t k = 0;
    while (k < kKinds.size() && kKinds[k] != kind) ++k;
    if (!whole || k == kKinds.size() || (state != "paused" && state != "running") ||
        !from_hex(hex, r.input.bytes) || (!out.empty() && out.back().activation > r.activation))
      throw UserError(place + ":" + std::to_string(number), "is no record of xenstored's input",
                      "give the xenstore-input.log of a run");
    r.paused = state == "paused";
    r.input.kind = static_cast<StoreInput::Kind>(k);
    out.push_back(std::move(r));
  }
  return out;
}

void XenstorePort::enter(const StoreInput& input) {
  switch (input.kind) {
    case StoreInput::Kind::kOpen:
      return daemon_.socket_open(input.connection);
    case StoreInput::Kind::kData:
      return daemon_.socket_data(input.connection, input.bytes);
    case StoreInput::Kind::kClose:
      return daemon_.socket_close(input.connection);
  }
}

void XenstorePort::note(const StoreInput& input, bool paused) {
  if (record) record(RecordedInput{activation_, paused, input}.line());
}

void XenstorePort::hand_out() {
  for (const dom0::XenstoreDaemon::Output& o : daemon_.take_output()) {
    if (!socket) continue;
    if (!o.bytes.empty()) socket->send(o.id, o.bytes);
    if (o.closed) socket->close(o.id);
  }
}

bool XenstorePort::exchange() {
  ++activation_;
  bool any = std::exchange(wake_next_, false);
  for (; next_ < replay.size() && replay[next_].activation <= activation_; ++next_) {
    enter(replay[next_].input);
    if (replay[next_].paused) daemon_.serve_now();
    (replay[next_].paused ? wake_next_ : any) = true;
  }
  hand_out();
  any |= take_from_socket();
  if (any) daemon_.wake();
  return any;
}

bool XenstorePort::take_from_socket() {
  if (!socket) return false;
  const auto now = std::chrono::steady_clock::now();
  if (now - polled_ < kInterval) return false;
  polled_ = now;
  const std::vector<StoreInput> input = socket->poll(std::chrono::milliseconds{0});
  for (const StoreInput& i : input) {
    note(i, false);
    enter(i);
  }
  return !input.empty();
}

void XenstorePort::serve_paused(std::chrono::milliseconds wait) {
  if (!socket) return;
  daemon_.serve_now();  // what came in just before
  hand_out();
  for (const StoreInput& i : socket->poll(wait)) {
    note(i, true);
    enter(i);
    daemon_.serve_now();
    wake_next_ = true;
  }
  hand_out();
}

}  // namespace xensim::machine
