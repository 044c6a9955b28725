// The VMX unit of one core (SDM 3, chapters 23–30): VMCS, VM entry and exit, and the interception of instructions.
//
// The native hypervisor model is a client of the same functions that the VMX instructions of a guest hypervisor's
// binary execute (models/cpu/isa/vmx.cpp calls them with operands from memory). The VMCS lives in simulated
// memory, in the 4 KiB region that VMPTRLD names; its layout past the header is the unit's own (vmcs.h).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "models/cpu/outcome.h"
#include "models/cpu/vmx/controls.h"
#include "models/cpu/vmx/vmcs.h"
#include "models/cpu/vmx/vmcs_fields.h"
#include "models/memory/physical_memory.h"
#include "sim/base/types.h"

namespace xensim::cpu {

class Core;
struct Op;

// How a VMX instruction ended (SDM 3, 30.2): VMsucceed, VMfailInvalid, or VMfailValid with an error number that is
// also in the VM-instruction error field.
struct VmxResult {
  enum Kind : std::uint8_t { kSucceed, kFailInvalid, kFailValid } kind = kSucceed;
  std::uint32_t error = 0;
  bool ok() const { return kind == kSucceed; }
};

class Vmx {
 public:
  Vmx(Core& core, memory::PhysicalMemory& memory);

  // State.
  bool in_operation = false;  // between VMXON and VMXOFF
  bool non_root = false;      // a guest runs
  Controls controls;          // of the current VMCS, valid while non_root
  // The absolute core time at which the VMX-preemption timer expires; kNever if not in use.
  Cycles preemption_deadline = kNever;

  // --- The instructions, for the hypervisor model and for the handlers of a guest hypervisor's binary.
  VmxResult vmxon(PhysAddr region);
  VmxResult vmxoff();
  VmxResult vmclear(PhysAddr region);
  VmxResult vmptrld(PhysAddr region);
  PhysAddr current() const { return current_; }  // VMPTRST; all ones if none
  VmxResult vmread(VmcsField field, std::uint64_t& out) const;
  VmxResult vmwrite(VmcsField field, std::uint64_t value);
  // INVEPT and INVVPID with the halves of their descriptor.
  VmxResult invept(std::uint64_t type, std::uint64_t eptp);
  VmxResult invvpid(std::uint64_t type, std::uint64_t vpid, LinearAddr linear);
  VmxResult vmcall_in_root() { return fail(VmxError::kVmcallInRoot); }
  // For the model: fields that are known to exist.
  std::uint64_t read(VmcsField field) const;
  void write(VmcsField field, std::uint64_t value);
  // VMLAUNCH / VMRESUME: checks (each named after its SDM section), loads guest state into Core::st, injects the
  // event of the VM-entry interruption-information field. On success the core is in non-root operation. A failure
  // after the host-state checks is a VM exit with bit 31 of the reason set: result.kind is kSucceed, Core::vm_exit
  // is filled and entered is false.
  VmxResult enter(bool launch, bool& entered);
  // Commits the VM exit that Core::vm_exit describes: saves guest state to the VMCS, leaves non-root operation.
  // load_host_state: load the host-state area into the core (a guest hypervisor's binary goes on at HOST_RIP); the
  // native model passes false and goes on in C++.
  void commit_exit(bool load_host_state);

  // MSRs IA32_VMX_BASIC … IA32_VMX_VMFUNC (0x480…0x491); false if the index is none of these.
  bool capability_msr(std::uint32_t index, std::uint64_t& out) const;

  // --- What the handlers ask before they act in non-root operation. Each returns kNext (go on) or kVmExit with
  // Core::vm_exit filled; all are cheap no-ops outside non-root operation.
  Outcome on_cpuid(const Op& op);
  Outcome on_hlt(const Op& op);
  Outcome on_invd(const Op& op);
  Outcome on_wbinvd(const Op& op);
  Outcome on_invlpg(const Op& op, std::uint64_t linear);
  Outcome on_invpcid(const Op& op);
  Outcome on_rdtsc(const Op& op, bool rdtscp);
  Outcome on_rdpmc(const Op& op);
  Outcome on_rdmsr(const Op& op, std::uint32_t index);
  Outcome on_wrmsr(const Op& op, std::uint32_t index);
  // value: what the guest wants to write; host-owned bits are replaced by the real register's.
  Outcome on_mov_to_cr(const Op& op, unsigned cr, unsigned gpr, std::uint64_t& value);
  // value: the real register; becomes what the guest sees.
  Outcome on_mov_from_cr(const Op& op, unsigned cr, unsigned gpr, std::uint64_t& value);
  Outcome on_clts(const Op& op, bool& clear_ts);
  Outcome on_lmsw(const Op& op, bool memory_operand, std::uint64_t linear, std::uint64_t& value);
  std::uint64_t smsw_view(std::uint64_t cr0) const;  // SMSW reads the shadow for host-owned bits
  Outcome on_mov_dr(const Op& op, unsigned dr, unsigned gpr, bool read);
  // size in bytes; linear: the memory operand of INS/OUTS.
  Outcome on_io(const Op& op, std::uint16_t port, unsigned size, bool in, bool string, bool rep, bool immediate,
                std::uint64_t linear);
  Outcome on_pause(const Op& op);
  Outcome on_monitor(const Op& op);
  Outcome on_mwait(const Op& op);
  // LGDT, LIDT, SGDT, SIDT (kGdtrIdtr) and LLDT, LTR, SLDT, STR (kLdtrTr). instruction: how the
  // instruction-information field numbers it: 0 SGDT, 1 SIDT, 2 LGDT, 3 LIDT; 0 SLDT, 1 STR, 2 LLDT, 3 LTR. gpr:
  // the register operand, or −1 for memory.
  Outcome on_descriptor_table(const Op& op, ExitReason reason, std::uint64_t displacement,
                              unsigned instruction = 0, int gpr = -1);
  Outcome on_xsetbv(const Op& op);
  // XSAVES and XRSTORS. supervisor: the components of IA32_XSS among those that are asked for.
  Outcome on_xsaves(const Op& op, bool save, std::uint64_t supervisor);
  // operand_bits: 16, 32 or 64; the destination is op.reg.
  Outcome on_rdrand(const Op& op, bool rdseed, unsigned operand_bits = 64);
  // VMCALL, VMXON … and INVEPT, INVVPID in non-root operation. reg2: the register operand beside the memory
  // operand (INVEPT, INVVPID, VMREAD, VMWRITE); gpr: the register that stands in a memory operand's place (VMREAD,
  // VMWRITE), or −1.
  Outcome on_vmx_instruction(const Op& op, ExitReason reason, std::uint64_t displacement, unsigned reg2 = 0,
                             int gpr = -1);
  // type: 0 CALL, 1 IRET, 2 JMP, 3 task gate.
  Outcome on_task_switch(const Op* op, std::uint16_t selector, unsigned type);
  Outcome on_triple_fault();
  // An exception or software interrupt is about to be delivered: kVmExit if the exception bitmap (and, for #PF,
  // mask and match) says so.
  Outcome on_exception(const Event& event);
  // Guest view of the TSC.
  std::uint64_t guest_tsc(std::uint64_t tsc) const;

  // Data breakpoints that an instruction hit whose traps wait for the next one (MOV SS): bits of DR6. Kept beside
  // the guest's pending debug exceptions, in root operation too.
  void hold_breakpoints(std::uint64_t dr6) { pending_debug_ |= dr6 | 0x1000; }

  // Page-modification logging (SDM 3, 28.3.6), for the MMU, in non-root operation with EPT's accessed and dirty
  // flags on. Is there room for an entry, so that such a flag may be set?
  bool page_modification_log_full() const;
  // An EPT dirty flag was set for an access to this address: its page goes into the log. Not when it is full.
  void log_page_modification(GuestPhysAddr a);

  // Fills Core::vm_exit for the current instruction and returns kVmExit.
  Outcome exit(ExitReason reason, std::uint64_t qualification, std::uint32_t instruction_length = 0);

 private:
  friend class Core;  // poll_events()
  friend struct VmxInstructions;

  enum class Root : std::uint8_t { kNative, kBinary };
  VmxResult fail(VmxError error);
  VmxResult enter(bool launch, Root root, bool& entered);
  bool has_field(std::uint32_t encoding) const;
  void parse_controls();
  VmxError check_controls() const;
  VmxError check_host_state() const;
  // false: VM entry fails with exit reason 33 and this qualification.
  bool check_guest_state(std::uint64_t& qualification) const;
  bool check_link_pointer() const;
  bool read_pdptes(std::array<std::uint64_t, 4>& out) const;
  void load_guest_state(Root root);
  void load_translation_context();
  void load_non_register_state();
  void load_injected_event();
  void start_preemption_timer();
  void fail_entry(ExitReason reason, std::uint64_t qualification);
  void save_guest_state();
  void save_exit_information();
  void save_preemption_timer();
  void load_host_state();
  unsigned load_msrs(VmcsField count, VmcsField address);
  bool store_msrs();
  void abort(std::uint32_t indicator);

  bool tpr_below_threshold() const;
  Outcome deliver_pending(const Event& event);
  Outcome poll_non_root();
  Outcome poll_root();
  bool debug_exception_pending() const;
  Outcome deliver_debug_exception();
  Outcome exit_with_interruption(ExitReason reason, std::uint32_t info);
  std::uint8_t bitmap_byte(std::uint64_t page, std::uint64_t offset) const;
  bool msr_intercepted(std::uint32_t index, bool write) const;
  bool io_intercepted(std::uint16_t port, unsigned size) const;
  Outcome check_cr_value(unsigned cr, std::uint64_t value);

  Core& core_;
  memory::PhysicalMemory& memory_;
  PhysAddr vmxon_region_{~std::uint64_t{0}};
  PhysAddr current_{~std::uint64_t{0}};
  Vmcs vmcs_;  // the current one
  // What VMWRITE touched since the checks last passed; a VMCS that becomes current is dirty in all parts.
  std::uint8_t dirty_ = 0;
  // An event that the VM entry injects: delivered before the guest's first instruction.
  std::optional<Event> injected_;
  // Debug exceptions that are pending in the guest, in the format of the VMCS field.
  std::uint64_t pending_debug_ = 0;
  bool tpr_exit_pending_ = false;
  // PAUSE-loop detection: times of the first PAUSE of the loop and of the last one; kNever before the first.
  Cycles pause_first_ = kNever, pause_last_ = kNever;
};

}  // namespace xensim::cpu
