// Saving and loading what a domain's vCPUs hold.
#include "models/xen/domain/hvm_context.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "models/xen/domain/xstate.h"
#include "tests/models/xen/fixture.h"

namespace xensim::xen {

namespace {

using Context = std::vector<std::uint8_t>;

// A state that a 64-bit guest may be in, no two registers alike.
cpu::ArchState long_mode_state() {
  cpu::ArchState st;
  for (unsigned i = 0; i < 16; ++i) st.gpr[i] = std::uint64_t{0x0123456789abcdef} * (i + 1);
  st.rip = 0xffffffff81000123;
  st.rflags = 0x202;
  st.cr0 = 0x80050033;
  st.cr2 = 0x7000;
  st.cr3 = 0x3000;
  st.cr4 = cpu::kCr4Pae | cpu::kCr4Osfxsr | cpu::kCr4Pge;
  st.efer = cpu::kEferSce | cpu::kEferLme | cpu::kEferLma | cpu::kEferNxe;
  for (auto& s : st.seg) s = {0, 0xffffffff, 0xc093, 0x18};
  st.seg[cpu::kCs] = {0, 0xffffffff, 0xa09b, 0x10};
  st.seg[cpu::kFs].base = 0x7f0012340000;
  st.seg[cpu::kGs] = {0xffff888000000000, 0, 1u << 16, 0};  // unusable, yet with a base
  st.tr = {0xfffffe0000003000, 0x206f, 0x8b, 0x40};
  st.ldtr = {0, 0, 1u << 16, 0};
  st.gdtr = {0xfffffe0000001000, 0x7f};
  st.idtr = {0xfffffe0000000000, 0xfff};
  st.dr[0] = 0x1000;
  st.dr[7] = 0x401;
  for (unsigned i = 0; i < 16; ++i) st.xmm[i].q = {i + 100, i + 200, 0, 0};
  st.mxcsr = 0x1fa0;
  st.x87.control = 0x37f;
  st.msr.star = 0x23001000000000;
  st.msr.lstar = 0xffffffff82000000;
  st.msr.fmask = 0x47700;
  st.msr.kernel_gs_base = 0x1234;
  st.msr.sysenter_eip = 0xffffffff82001000;
  st.msr.tsc_aux = 7;
  st.msr.pat = 0x0407050600070106;
  st.msr.mtrr_fixed[3] = 0x0606060606060606;
  return st;
}

void bring_up(Domain& d) {
  for (auto& v : d.vcpus) v->pause_flags &= ~kPauseDown;
}

hvm_save_descriptor descriptor_at(const Context& c, std::size_t at) {
  hvm_save_descriptor d;
  REQUIRE(c.size() - at >= sizeof d);
  std::memcpy(&d, c.data() + at, sizeof d);
  return d;
}

// Where the body of the first record of a type is.
std::size_t body_of(const Context& c, unsigned type) {
  for (std::size_t at = 0;;) {
    const auto d = descriptor_at(c, at);
    at += sizeof d;
    if (d.typecode == type) return at;
    REQUIRE(d.typecode != 0);
    at += d.length;
  }
}

}  // namespace

TEST_CASE("a context that is saved and loaded into another domain gives the same registers") {
  Bench b;
  Domain& from = b.guest(1);
  Domain& to = b.guest(2);
  bring_up(from);
  b.hv->set_vcpu_state(*from.vcpus[0], long_mode_state());
  from.vcpus[0]->tsc_adjust = 99;
  const Context c = save_hvm_context(*b.hv, from);
  REQUIRE(load_hvm_context(*b.hv, to, c) == 0);

  const cpu::ArchState want = b.hv->vcpu_state(*from.vcpus[0]), got = b.hv->vcpu_state(*to.vcpus[0]);
  CHECK(got.gpr == want.gpr);
  CHECK(got.rip == 0xffffffff81000123);
  CHECK(got.rflags == want.rflags);
  CHECK(got.cr0 == 0x80050033);
  CHECK(got.cr4 == (cpu::kCr4Pae | cpu::kCr4Osfxsr | cpu::kCr4Pge));
  CHECK(got.efer == want.efer);
  for (unsigned i = 0; i < 6; ++i) {
    CHECK(got.seg[i].base == want.seg[i].base);
    CHECK(got.seg[i].attr == want.seg[i].attr);
    CHECK(got.seg[i].selector == want.seg[i].selector);
  }
  CHECK(got.tr.base == want.tr.base);
  CHECK(got.idtr.limit == 0xfff);
  CHECK(got.xmm[15].q == want.xmm[15].q);
  CHECK(got.mxcsr == 0x1fa0);
  CHECK(got.msr.kernel_gs_base == 0x1234);
  CHECK(got.msr.sysenter_eip == 0xffffffff82001000);
  CHECK(got.msr.pat == 0x0407050600070106);
  CHECK(got.msr.mtrr_fixed == want.msr.mtrr_fixed);
  CHECK(to.vcpus[0]->tsc_adjust == 99);
  CHECK(save_hvm_context(*b.hv, to) == c);
}

TEST_CASE("a vCPU's TSC goes on from where it was saved") {
  Bench b;
  Domain& from = b.guest(1);
  Domain& to = b.guest(2);
  bring_up(from);
  b.hv->set_vcpu_state(*from.vcpus[0], long_mode_state());
  b.hv->set_guest_tsc(*from.vcpus[0], 123'456'789);
  REQUIRE(load_hvm_context(*b.hv, to, save_hvm_context(*b.hv, from)) == 0);
  CHECK(b.hv->guest_tsc(*to.vcpus[0], b.hv->now()) == 123'456'789);
}

TEST_CASE("a vCPU that is down has no CPU record, and stays down") {
  Bench b;
  Domain& from = b.guest(1, 2);
  Domain& to = b.guest(2, 2);
  from.vcpus[0]->pause_flags &= ~kPauseDown;
  b.hv->set_vcpu_state(*from.vcpus[0], long_mode_state());
  REQUIRE(load_hvm_context(*b.hv, to, save_hvm_context(*b.hv, from)) == 0);
  CHECK(!(to.vcpus[0]->pause_flags & kPauseDown));
  CHECK((to.vcpus[1]->pause_flags & kPauseDown));
}

TEST_CASE("a local APIC is saved with what is pending, and its timer with the count that is left") {
  Bench b;
  Domain& from = b.guest(1);
  Domain& to = b.guest(2);
  bring_up(from);
  b.hv->set_vcpu_state(*from.vcpus[0], long_mode_state());
  cpu::LocalApic& a = from.vcpus[0]->vlapic;
  const auto now = [&](const Domain& d) { return b.hv->guest_tsc(*d.vcpus[0], b.hv->now()); };
  REQUIRE(a.mmio_write(0xf0, 4, 0x1ff, now(from)));
  REQUIRE(a.mmio_write(0x3e0, 4, 0xb, now(from)));      // divide by 1
  REQUIRE(a.mmio_write(0x320, 4, 0x20040, now(from)));  // periodic, vector 0x40
  REQUIRE(a.mmio_write(0x380, 4, 1'000'000, now(from)));
  a.accept(0x55, false);
  const Context c = save_hvm_context(*b.hv, from);
  REQUIRE(load_hvm_context(*b.hv, to, c) == 0);
  cpu::LocalApic& t = to.vcpus[0]->vlapic;
  CHECK(t.irr(0x55));
  CHECK(t.software_enabled());
  std::uint32_t left = 0, count = 0;
  REQUIRE(a.mmio_read(0x390, 4, now(from), left));
  REQUIRE(t.mmio_read(0x390, 4, now(to), count));
  CHECK(count == left);
  CHECK(left > 999'000);
  CHECK(t.timer_deadline() - now(to) == a.timer_deadline() - now(from));
  CHECK(t.timer_period() == a.timer_period());
}

TEST_CASE("records are in the order of their types, behind the header") {
  Bench b;
  Domain& d = b.guest(1, 2);
  bring_up(d);
  for (auto& v : d.vcpus) b.hv->set_vcpu_state(*v, long_mode_state());
  const Context c = save_hvm_context(*b.hv, d);
  std::vector<unsigned> types;
  for (std::size_t at = 0;;) {
    const auto w = descriptor_at(c, at);
    types.push_back(w.typecode);
    at += sizeof w + w.length;
    if (w.typecode == 0) {
      CHECK(at == c.size());
      break;
    }
  }
  CHECK(types == std::vector<unsigned>{1, 2, 2, 5, 5, 6, 6, 7, 8, 9, 14, 14, 18, 18, 19, 19, 0});
}

TEST_CASE("a context that makes no sense is refused, and changes nothing") {
  Bench b;
  Domain& from = b.guest(1);
  Domain& to = b.guest(2);
  bring_up(from);
  b.hv->set_vcpu_state(*from.vcpus[0], long_mode_state());
  Context c = save_hvm_context(*b.hv, from);
  long wanted = -kEinval;
  const std::size_t cpu = body_of(c, 2);
  SECTION("cut short") {
    c.resize(c.size() - 9);
    wanted = -kEnodata;
  }
  SECTION("empty") {
    c.clear();
    wanted = -kEnodata;
  }
  SECTION("another magic number") { c[sizeof(hvm_save_descriptor)] ^= 1; }
  SECTION("a vCPU that is not there") { c[cpu - sizeof(hvm_save_descriptor) + 2] = 1; }
  SECTION("a record of a kind that a PVH domain does not have") { c[cpu - sizeof(hvm_save_descriptor)] = 3; }
  SECTION("a record of another length") { c[cpu - sizeof(hvm_save_descriptor) + 4] ^= 8; }
  SECTION("paging without protection") { c[cpu + offsetof(hvm_hw_cpu, cr0)] &= 0xfe; }
  SECTION("a bit of CR4 that the guest may not set") { c[cpu + offsetof(hvm_hw_cpu, cr4) + 1] |= 0x20; }
  SECTION("EFER.LMA that does not follow from the others") {
    c[cpu + offsetof(hvm_hw_cpu, msr_efer) + 1] &= static_cast<std::uint8_t>(~4);
  }
  SECTION("an instruction pointer that is not canonical") { c[cpu + offsetof(hvm_hw_cpu, rip) + 7] = 0x12; }
  const cpu::ArchState before = b.hv->vcpu_state(*to.vcpus[0]);
  CHECK(load_hvm_context(*b.hv, to, c) == wanted);
  CHECK(b.hv->vcpu_state(*to.vcpus[0]).gpr == before.gpr);
  CHECK((to.vcpus[0]->pause_flags & kPauseDown));
}

TEST_CASE("extended state travels in a record of its own, once the guest has set XCR0") {
  Bench b;
  Domain& from = b.guest(1);
  Domain& to = b.guest(2);
  bring_up(from);
  cpu::ArchState st = long_mode_state();
  for (unsigned i = 0; i < 16; ++i) st.xmm[i].q[3] = i + 300;
  b.hv->set_vcpu_state(*from.vcpus[0], st);
  const std::size_t without = save_hvm_context(*b.hv, from).size();
  from.vcpus[0]->xcr0 = 7;
  from.vcpus[0]->xcr0_accum = 7;
  const Context c = save_hvm_context(*b.hv, from);
  CHECK(c.size() == without + sizeof(hvm_save_descriptor) + 24 + 832);
  REQUIRE(load_hvm_context(*b.hv, to, c) == 0);
  const cpu::ArchState got = b.hv->vcpu_state(*to.vcpus[0]);
  CHECK(got.xmm[15].q == std::array<std::uint64_t, 4>{115, 215, 0, 315});
  CHECK(got.msr.xcr0 == 7);
  CHECK(to.vcpus[0]->xcr0_accum == 7);
  CHECK(save_hvm_context(*b.hv, to) == c);
}

TEST_CASE("extended state that no processor can have is refused") {
  Bench b;
  Domain& from = b.guest(1);
  Domain& to = b.guest(2);
  bring_up(from);
  b.hv->set_vcpu_state(*from.vcpus[0], long_mode_state());
  from.vcpus[0]->xcr0 = 3;
  from.vcpus[0]->xcr0_accum = 7;
  const Context good = save_hvm_context(*b.hv, from);
  const std::size_t body = body_of(good, CPU_XSAVE_CODE), header = body + 24 + 512;
  const auto with = [&](std::size_t at, std::uint8_t value) {
    Context c = good;
    c[at] = value;
    return load_hvm_context(*b.hv, to, c);
  };
  CHECK(with(body + 8, 2) == -kEinval);            // XCR0 without x87
  CHECK(with(body + 8, 5) == -kEinval);            // AVX without SSE
  CHECK(with(body + 16, 1) == -kEinval);           // less in XCR0_ACCUM than in XCR0
  CHECK(with(body + 16, 0xe7) == -kEinval);        // more than the guest's policy offers
  CHECK(with(header, 8) == -kEinval);              // XSTATE_BV
  CHECK(with(header + 15, 0x80) == -kEopnotsupp);  // the compact form
  CHECK(with(header + 16, 1) == -kEio);            // reserved
  CHECK(load_hvm_context(*b.hv, to, good) == 0);
}

TEST_CASE("a guest's XCR0 starts as the processor's is, and takes what its policy offers") {
  Bench b;
  Domain& d = b.guest(1);
  Vcpu& v = *d.vcpus[0];
  b.hv->set_vcpu_state(v, long_mode_state());
  CHECK(b.hv->vcpu_state(v).msr.xcr0 == 3);
  PcpuState& c = b.hv->pcpus.front();
  CHECK(xstate::set_xcr0(c, v, 0, 2) == -kEinval);
  CHECK(xstate::set_xcr0(c, v, 0, 0xe7) == -kEinval);
  CHECK(xstate::set_xcr0(c, v, 1, 7) == -kEopnotsupp);
  CHECK(v.xcr0_accum == 0);
  CHECK(xstate::set_xcr0(c, v, 0, 7) == 0);
  CHECK(xstate::set_xcr0(c, v, 0, 3) == 0);
  CHECK(v.xcr0 == 3);
  CHECK(v.xcr0_accum == 7);
}

TEST_CASE("a policy without AVX has no AVX state, and one without XSAVE none at all") {
  cpu::CpuidPolicy p = cpu::CpuidPolicy::default_policy(2'400'000'000, 46);
  cpu::CpuidRegisters r = p.query(1, 0);
  r.ecx &= ~(1u << 28);
  p.set(1, 0, r);
  xstate::recalculate(p);
  CHECK(p.query(0xd, 0).eax == 3);
  CHECK(p.query(0xd, 0).ecx == 576);
  CHECK(p.query(0xd, 1).eax == 0xf);
  CHECK(p.query(0xd, 2).eax == 0);
  r.ecx &= ~(1u << 26);
  p.set(1, 0, r);
  xstate::recalculate(p);
  CHECK(p.query(0xd, 0).eax == 0);
  CHECK(p.query(0xd, 1).eax == 0);
}

}  // namespace xensim::xen
