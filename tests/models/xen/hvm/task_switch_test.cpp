#include "models/xen/vmexit/task_switch.h"

#include <catch2/catch.hpp>

#include "tests/models/xen/hvm/vcpu_bench.h"

namespace xensim::xen {
namespace {

constexpr std::uint64_t kGdt = 0x2000, kOldTss = 0x3000, kNewTss = 0x4000;
constexpr std::uint16_t kOld = 0x18, kNew = 0x20;
constexpr std::uint64_t tss(std::uint64_t base, std::uint64_t type) {
  return 0x67 | base << 16 | (0x80 | type) << 40;
}

struct TaskBench : hvm::VcpuBench {
  TaskBench() {
    put<std::uint64_t>(kGdt + 0x08, 0x00cf9b000000ffff);
    put<std::uint64_t>(kGdt + 0x10, 0x00cf93000000ffff);
    put<std::uint64_t>(kGdt + kOld, tss(kOldTss, 0xb));
    put<std::uint64_t>(kGdt + kNew, tss(kNewTss, 9));
    put<std::uint32_t>(kNewTss + 0x20, 0x1234);  // EIP
    put<std::uint32_t>(kNewTss + 0x24, 0x202);   // EFLAGS
    put<std::uint32_t>(kNewTss + 0x28, 0xaaaa);  // EAX
    put<std::uint32_t>(kNewTss + 0x38, 0x8000);  // ESP
    for (unsigned i = 0; i < 6; ++i) put<std::uint32_t>(kNewTss + 0x48 + 4 * i, i == 1 ? 0x08 : 0x10);
    cpu::ArchState st = hv->vcpu_state(v());
    st.gdtr = {kGdt, 0x27};
    st.tr = {kOldTss, 0x67, 0x8b, kOld};
    st.gpr[cpu::kRax] = 0x5555;
    start(st);
  }
  void run(unsigned source, std::uint16_t selector, std::uint32_t vectoring = 0, std::uint32_t error = 0) {
    core().vm_exit = {};
    core().vm_exit.qualification = selector | std::uint64_t{source} << 30;
    core().vm_exit.instruction_length = 7;
    core().vm_exit.idt_vectoring_info = vectoring;
    core().vm_exit.idt_vectoring_error = error;
    exit_task_switch(*hv, v());
  }
  cpu::ArchState state() {
    const cpu::ArchState st = hv->vcpu_state(v());
    hv->restore_context(v());
    return st;
  }
  std::uint8_t type(std::uint16_t selector) { return get<std::uint8_t>(kGdt + selector + 5) & 0xf; }
};

TEST_CASE("A CALL to a TSS saves the old task, loads the new one and links it back") {
  TaskBench b;
  b.run(0, kNew);
  const cpu::ArchState st = b.state();
  CHECK(st.rip == 0x1234);
  CHECK(st.gpr[cpu::kRax] == 0xaaaa);
  CHECK(st.gpr[cpu::kRsp] == 0x8000);
  CHECK(st.rflags == (0x202 | cpu::kNt));
  CHECK(st.tr.selector == kNew);
  CHECK(st.seg[cpu::kCs].selector == 8);
  CHECK((st.cr0 & cpu::kCr0Ts) != 0);
  CHECK(b.get<std::uint32_t>(kOldTss + 0x20) == 0x1007);
  CHECK(b.get<std::uint32_t>(kOldTss + 0x28) == 0x5555);
  CHECK(b.get<std::uint16_t>(kNewTss) == kOld);
  CHECK(b.type(kOld) == 0xb);
  CHECK(b.type(kNew) == 0xb);
}

TEST_CASE("A JMP leaves the old task available, and IRET goes back to a busy one") {
  TaskBench b;
  b.run(2, kNew);
  CHECK(b.type(kOld) == 9);
  CHECK(b.type(kNew) == 0xb);
  CHECK((b.state().rflags & cpu::kNt) == 0);
  b.put<std::uint64_t>(kGdt + kOld, tss(kOldTss, 0xb));
  b.run(1, kOld);
  CHECK(b.state().gpr[cpu::kRax] == 0x5555);
  CHECK(b.type(kNew) == 9);
}

TEST_CASE("A fault through a task gate pushes its error code on the new stack, and skips no instruction") {
  TaskBench b;
  b.run(3, kNew, 1u << 31 | 1u << 11 | 3u << 8 | 13, 0x1234);
  CHECK(b.state().gpr[cpu::kRsp] == 0x7ffc);
  CHECK(b.get<std::uint32_t>(0x7ffc) == 0x1234);
  CHECK(b.get<std::uint32_t>(kOldTss + 0x20) == 0x1000);
}

TEST_CASE("An NMI through a task gate blocks further ones") {
  TaskBench b;
  b.run(3, kNew, 1u << 31 | 2u << 8 | 2);
  CHECK(b.vmx().read(cpu::VmcsField::kGuestInterruptibility) == 8);
}

TEST_CASE("A TSS that is none leaves the old task as it was") {
  TaskBench b;
  b.run(0, 0x10);  // a data segment
  REQUIRE(b.v().inject);
  CHECK(b.v().inject->vector == cpu::kGp);
  CHECK(b.v().inject->error_code == 0x10);
  CHECK(b.state().rip == 0x1000);
  b.v().inject.reset();
  b.run(0, 0x28);  // beyond the GDT
  REQUIRE(b.v().inject);
  CHECK(b.v().inject->error_code == 0x28);
  b.v().inject.reset();
  b.run(1, kNew);  // IRET to a task that is not busy
  REQUIRE(b.v().inject);
  CHECK(b.v().inject->vector == cpu::kTs);
}

TEST_CASE("A segment that the new task cannot have faults in the new task") {
  TaskBench b;
  b.put<std::uint32_t>(kNewTss + 0x50, 0);  // SS
  b.run(0, kNew);
  REQUIRE(b.v().inject);
  CHECK(b.v().inject->vector == cpu::kTs);
  CHECK(b.state().rip == 0x1234);
  CHECK(b.state().tr.selector == kNew);
}

}  // namespace
}  // namespace xensim::xen
