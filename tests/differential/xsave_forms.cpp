// XSAVE, XSAVEOPT, XSAVEC and XRSTOR against the host, asked for x87, SSE and AVX: the host's XCR0 may have more.
// Not compared: pointers and opcode of the last x87 instruction, and MXCSR's mask, in which processors differ.
// XSAVES, XRSTORS and XSETBV are for CPL 0 (tests/models/cpu/system/xsave_test.cpp).
#include <catch2/catch.hpp>
#include <cstring>

#include "models/cpu/xstate.h"
#include "tests/differential/floating_forms.h"

namespace xensim::differential {
namespace {

namespace xs = cpu::xstate;

constexpr std::uint64_t kXrstorReserved = 1ull << 20;  // no processor's component

// Registers of all kinds; a component is in its initial configuration now and then.
void random_components(Rng& rng, MachineState& s) {
  random_x87(rng, s.x87);
  s.mxcsr = rng.below(3) == 0 ? 0x1f80 : random_mxcsr(rng);
  for (auto& x : s.xmm) x = random_vector(rng);
  for (auto& x : s.ymm_high) x = random_vector(rng);
  if (rng.below(3) == 0) {
    s.x87 = {};
    s.x87.control = 0x37f;
  }
  if (rng.below(3) == 0) s.xmm = {};
  if (rng.below(3) == 0) s.ymm_high = {};
}

// The area is at [rbx].
std::uint64_t place(Rng& rng, Instance& i) {
  std::uint64_t address = kMiddle + 64 * rng.below(8);
  if (rng.below(16) == 0) address += rng.below(64);
  i.state.gpr[cpu::kRbx] = address;
  i.state.gpr[cpu::kRax] = (rng.next() << 32) | rng.below(8);
  i.state.gpr[cpu::kRdx] = rng.next() << 32;
  return address;
}

std::vector<std::uint8_t> area(Rng& rng) {
  MachineState s;
  random_components(rng, s);
  cpu::ArchState st;
  st.x87 = s.x87;
  st.mxcsr = s.mxcsr;
  for (unsigned n = 0; n < 16; ++n) st.xmm[n].q = {s.xmm[n][0], s.xmm[n][1], s.ymm_high[n][0], s.ymm_high[n][1]};
  std::vector<std::uint8_t> bytes(xs::kMostBytes);
  xs::store_image(st, xs::kUser, bytes.data());
  std::uint64_t present = rng.below(8), format = 0;
  if (rng.below(2)) {
    format = xs::kCompact | present | rng.below(8);
    if (rng.below(8) == 0) format = xs::kCompact | rng.below(8);
  }
  if (rng.below(16) == 0) present |= kXrstorReserved;
  if (rng.below(16) == 0) format |= kXrstorReserved;
  std::memcpy(&bytes[xs::kHeader], &present, 8);
  std::memcpy(&bytes[xs::kHeader + 8], &format, 8);
  if (rng.below(8) == 0) bytes[xs::kHeader + 16 + rng.below(48)] = 1;
  if (rng.below(8) == 0) bytes[27] = 1;  // MXCSR
  return bytes;
}

std::string compare_area(const Instance& i, const Result& host, const Result& simulated) {
  const std::uint64_t at = i.state.gpr[cpu::kRbx] - kData;
  std::string out;
  for (std::uint64_t b = 0; b < kDataSize; ++b) {
    const std::uint64_t offset = b - at;
    if ((offset >= 6 && offset < 24) || (offset >= 28 && offset < 32)) continue;
    if (host.data[b] != simulated.data[b])
      out += "  byte " + std::to_string(static_cast<std::int64_t>(offset)) + " of the area: host " +
             std::to_string(host.data[b]) + ", simulated " + std::to_string(simulated.data[b]) + "\n";
  }
  if (host.state.gpr != simulated.state.gpr || host.state.xmm != simulated.state.xmm ||
      host.state.ymm_high != simulated.state.ymm_high || host.state.mxcsr != simulated.state.mxcsr)
    out += "  registers differ\n";
  return out;
}

Form save_form(std::string name, std::vector<std::uint8_t> code) {
  Form f;
  f.name = std::move(name);
  f.vector_state = true;
  f.make = [code](Rng& rng, Instance& i) {
    random_components(rng, i.state);
    place(rng, i);
    i.code = code;
    return host_has_avx();
  };
  f.compare = compare_area;
  return f;
}

Form restore_form(std::string name, std::vector<std::uint8_t> code) {
  Form f;
  f.name = std::move(name);
  f.vector_state = true;
  f.make = [code](Rng& rng, Instance& i) {
    random_components(rng, i.state);
    const std::uint64_t address = place(rng, i);
    i.data.push_back({address, area(rng)});
    i.code = code;
    return host_has_avx();
  };
  return f;
}

}  // namespace

TEST_CASE("the XSAVE family saves and restores what the host does") {
  if (!host_has_avx()) return;  // the harness then knows no YMM state
  run_forms({
      save_form("xsave", {0x0f, 0xae, 0x23}),
      save_form("xsave64", {0x48, 0x0f, 0xae, 0x23}),
      save_form("xsaveopt", {0x0f, 0xae, 0x33}),
      save_form("xsaveopt64", {0x48, 0x0f, 0xae, 0x33}),
      save_form("xsavec", {0x0f, 0xc7, 0x23}),
      save_form("xsavec64", {0x48, 0x0f, 0xc7, 0x23}),
      restore_form("xrstor", {0x0f, 0xae, 0x2b}),
      restore_form("xrstor64", {0x48, 0x0f, 0xae, 0x2b}),
  });
}

}  // namespace xensim::differential
