// VM exits for hardware task switches, which VMX leaves to the hypervisor (hvm_task_switch of Xen 4.17): by CALL,
// JMP, IRET, or an event through a task gate. 32-bit TSSs only, as in Xen.
//
// The order of things is Xen's: checks of the new task's descriptor, registers saved into the old TSS, the new
// task's LDT and CR3, registers, segments, back link, busy flags, error code. A fault before the registers are
// loaded belongs to the old task, later ones to the new one.
#pragma once

namespace xensim::xen {

class Hypervisor;
struct Vcpu;

void exit_task_switch(Hypervisor& hv, Vcpu& v);

}  // namespace xensim::xen
