#include "models/xen/hvm/viridian.h"

#include <catch2/catch.hpp>

#include "tests/models/xen/hvm/vcpu_bench.h"

namespace xensim::xen::hvm {
namespace {

struct ViridianBench : VcpuBench {
  explicit ViridianBench(std::uint64_t features) { d.hvm_params[HVM_PARAM_VIRIDIAN] = features; }
  bool write(std::uint32_t msr, std::uint64_t value) { return write_viridian_msr(*hv, v(), msr, value); }
  std::optional<std::uint64_t> read(std::uint32_t msr) {
    std::uint64_t value = 0;
    return read_viridian_msr(*hv, v(), msr, value) ? std::optional(value) : std::nullopt;
  }
};

constexpr std::uint64_t kStimer = HVMPV_base_freq | HVMPV_time_ref_count | HVMPV_synic | HVMPV_stimer;

TEST_CASE("Only a domain that was given the base set has it") {
  CHECK_FALSE(viridian_enabled(ViridianBench(0).d));
  CHECK(viridian_enabled(ViridianBench(HVMPV_base_freq).d));
}

TEST_CASE("Leaves say whose interface it is and what is offered") {
  ViridianBench b(HVMPV_base_freq | HVMPV_reference_tsc);
  CHECK(viridian_leaf(b.d, 0x40000000).ebx == 0x7263694d);
  CHECK(viridian_leaf(b.d, 0x40000001).eax == 0x31237648);
  CHECK(viridian_leaf(b.d, 0x40000002).eax == 0);
  CHECK(viridian_leaf(b.d, 0x40000003).eax == 0xa70);
  b.write(0x40000000, 1);
  CHECK(viridian_leaf(b.d, 0x40000002).eax != 0);
}

TEST_CASE("MSRs of a group that is not offered raise #GP") {
  ViridianBench b(HVMPV_base_freq | HVMPV_no_freq);
  CHECK_FALSE(b.read(0x40000020).has_value());
  CHECK_FALSE(b.read(0x40000022).has_value());
  CHECK_FALSE(b.write(0x40000021, 1));
  CHECK_FALSE(b.write(0x400000b0, 1));
  CHECK_FALSE(b.write(0x40000080, 1));
  CHECK_FALSE(b.write(0x40000023, 1));
  CHECK(b.read(0x40000002) == 0);
}

TEST_CASE("The reference page is filled where there is RAM, and nothing happens where there is none") {
  ViridianBench b(HVMPV_base_freq | HVMPV_reference_tsc);
  CHECK(b.write(0x40000021, ~std::uint64_t{0}));
  CHECK(b.read(0x40000021) == ~std::uint64_t{0});
  CHECK(b.write(0x40000021, 0x5001));
  CHECK(b.get<std::uint32_t>(0x5000) == 1);
  CHECK(b.get<std::uint64_t>(0x5008) == ((std::uint64_t{10'000} << 32) / 2'400'000) << 32);
}

TEST_CASE("A synthetic timer that is over puts its message and interrupts") {
  ViridianBench b(kStimer);
  b.v().vlapic.mmio_write(0xf0, 4, 0x1ff, 0);
  REQUIRE(b.write(0x40000083, 0x6001));  // messages
  REQUIRE(b.write(0x40000090 + 2, 0x55));
  REQUIRE(b.write(0x400000b1, 1));  // count: long ago
  REQUIRE(b.write(0x400000b0, 2u << 16 | 1));
  CHECK(b.get<std::uint32_t>(0x6000 + 2 * 256) == 0x80000010);
  CHECK(b.v().vlapic.irr(0x55));
  CHECK((*b.read(0x400000b0) & 1) == 0);
}

TEST_CASE("A message waits while its slot is taken, and without a page for messages") {
  ViridianBench b(kStimer);
  REQUIRE(b.write(0x400000b1, 1));
  REQUIRE(b.write(0x400000b0, 2u << 16 | 1));
  CHECK(b.v().viridian.timers[0].message_waits);
  REQUIRE(b.write(0x40000083, 0x6001));
  b.put<std::uint32_t>(0x6000 + 2 * 256, 1);
  REQUIRE(b.write(0x40000084, 0));
  CHECK(b.v().viridian.timers[0].message_waits);
  CHECK(b.get<std::uint8_t>(0x6000 + 2 * 256 + 5) == 1);
  b.put<std::uint32_t>(0x6000 + 2 * 256, 0);
  REQUIRE(b.write(0x40000084, 0));
  CHECK_FALSE(b.v().viridian.timers[0].message_waits);
}

TEST_CASE("A timer without a SINT does not start") {
  ViridianBench b(kStimer);
  REQUIRE(b.write(0x400000b1, 1));
  REQUIRE(b.write(0x400000b0, 1));
  CHECK(b.read(0x400000b0) == 0);
}

}  // namespace
}  // namespace xensim::xen::hvm
