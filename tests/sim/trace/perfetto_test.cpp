// The Perfetto trace, decoded again by a reader of the wire format that knows nothing of the writer.
#include <catch2/catch.hpp>
#include <map>

#include "sim/base/file.h"
#include "sim/trace/perfetto_sink.h"
#include "sim/trace/protobuf.h"
#include "tests/sim/temporary_folder.h"
#include "tests/sim/trace/synthetic.h"

using namespace xensim;
using namespace xensim::trace;

namespace {

struct Message {
  std::multimap<unsigned, std::uint64_t> numbers;
  std::multimap<unsigned, std::string> texts;

  explicit Message(std::string_view data) {
    std::size_t i = 0;
    auto varint = [&] {
      std::uint64_t v = 0;
      for (unsigned shift = 0;; shift += 7) {
        REQUIRE(i < data.size());
        REQUIRE(shift < 64);
        auto byte = static_cast<unsigned char>(data[i++]);
        v |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
        if (byte < 0x80) return v;
      }
    };
    while (i < data.size()) {
      std::uint64_t tag = varint();
      auto field = static_cast<unsigned>(tag >> 3);
      if ((tag & 7) == 0) {
        numbers.emplace(field, varint());
      } else {
        REQUIRE((tag & 7) == 2);
        std::uint64_t size = varint();
        REQUIRE(size <= data.size() - i);
        texts.emplace(field, data.substr(i, size));
        i += size;
      }
    }
  }
  std::uint64_t number(unsigned field) const {
    auto it = numbers.find(field);
    return it == numbers.end() ? 0 : it->second;
  }
  std::string text(unsigned field) const {
    auto it = texts.find(field);
    return it == texts.end() ? "" : it->second;
  }
};

std::string synthetic(const TemporaryFolder& folder, unsigned periods) {
  Tracer t({2, kHz, folder.folder(), 1 << 20});
  t.add_sink(std::make_unique<PerfettoSink>(folder.path("trace.pftrace")));
  run_synthetic(t, periods);
  return read_file(folder.path("trace.pftrace"));
}

}  // namespace

TEST_CASE("Slices are balanced per track, names are interned before use, time does not go back") {
  TemporaryFolder folder;
  Message trace(synthetic(folder, 10));
  CHECK(trace.numbers.empty());
  std::map<std::uint64_t, std::string> tracks, names;
  std::map<std::uint64_t, int> depth;
  std::map<std::string, unsigned> begun;
  std::uint64_t last = 0;
  bool first = true;
  for (const auto& [field, data] : trace.texts) {
    REQUIRE(field == 1);
    Message packet(data);
    CHECK(packet.number(10) == 1);
    CHECK((packet.number(13) & 1) == (first ? 1 : 0));
    first = false;
    if (packet.texts.contains(12)) {
      Message entry(Message(packet.text(12)).text(2));
      CHECK(names.emplace(entry.number(1), entry.text(2)).second);
    }
    if (packet.texts.contains(60)) {
      Message track(packet.text(60));
      std::string name = track.text(2);
      if (track.texts.contains(3)) name = Message(track.text(3)).text(6);
      if (track.texts.contains(4)) name = Message(track.text(4)).text(5);
      CHECK_FALSE(name.empty());
      CHECK(tracks.emplace(track.number(1), name).second);
    }
    if (!packet.texts.contains(11)) continue;
    CHECK(packet.number(8) >= last);
    last = packet.number(8);
    Message event(packet.text(11));
    std::uint64_t track = event.number(11);
    CHECK(tracks.contains(track));
    switch (event.number(9)) {
      case 1: {
        REQUIRE(names.contains(event.number(10)));
        ++begun[tracks[track] + ": " + names[event.number(10)]];
        ++depth[track];
        break;
      }
      case 2:
        CHECK(--depth[track] >= 0);
        break;
      case 3:
        CHECK(names.contains(event.number(10)));
        break;
      case 4:
        CHECK(tracks[track] == "run queue");
        break;
      default:
        FAIL("no such type of event");
    }
  }
  CHECK(begun["pCPU 0: d1 one v0"] == 10);
  CHECK(begun["pCPU 1: d2 two v0"] == 10);
  CHECK(begun["d1 one v0: VM exit CPUID"] == 10);
  CHECK(begun["d1 one v0: event_channel_op"] == 10);
  CHECK(begun["d1 one v0 runstate: blocked"] == 11);
  CHECK(begun["d1 one v0 runstate: running on pCPU 0"] == 10);
  // One more than the vCPUs' exits that have not ended: nothing is left open but these.
  int open = 0;
  for (const auto& [track, d] : depth) open += d;
  CHECK(open == 2);
}

TEST_CASE("protoc reads the trace, where it is installed") {
  if (std::system("command -v protoc >/dev/null 2>&1") != 0) return;
  TemporaryFolder folder;
  synthetic(folder, 3);
  CHECK(std::system(
            ("protoc --decode_raw <" + folder.path("trace.pftrace") + " >" + folder.path("out")).c_str()) == 0);
  CHECK(read_file(folder.path("out")).find("pCPU 1") != std::string::npos);
}

TEST_CASE("Numbers are encoded as protocol buffers say") {
  ProtoMessage m;
  m.varint(1, 150);
  CHECK(m.text() == std::string("\x08\x96\x01"));
  m.clear();
  m.bytes(2, "testing");
  CHECK(m.text() == "\x12\x07testing");
  m.clear();
  m.signed_varint(1, -1);
  CHECK(m.text() == std::string("\x08") + std::string(9, '\xff') + "\x01");
}
