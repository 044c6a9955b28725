// What an instruction handler says of how it went. Handlers return values; the core commits them.
#pragma once

#include <cstdint>

namespace xensim::cpu {

enum class Outcome : std::uint32_t {
  kNext = 0,  // done; go on with the next record of the block
  kEndBlock,  // done, and something changed (mode, paging, code, pending events): look everything up again
  kRepeat,    // a REP string instruction did a part; registers are consistent; execute the same record again
  kHalt,      // HLT or MWAIT done: the core waits for an event
  kFault,     // nothing of the instruction was committed; Core::fault says which exception
  kVmExit,    // the instruction caused a VM exit and was not executed (or was, for trap-like exits); Core::vm_exit
              // holds reason, qualification and the other information fields
  kShutdown,  // triple fault outside VMX non-root operation
  kWait,      // the instruction reads a time that other processors have not reached; nothing was committed
};

// Did the instruction, or the part of it that returned this, not complete?
constexpr bool failed(Outcome o) { return o >= Outcome::kFault; }

// Exception vectors (SDM 3, table 6-1).
inline constexpr std::uint8_t kDe = 0, kDb = 1, kNmi = 2, kBp = 3, kOfVec = 4, kBr = 5, kUd = 6, kNm = 7,
                              kDfVec = 8, kTs = 10, kNp = 11, kSsVec = 12, kGp = 13, kPfVec = 14, kMf = 16,
                              kAcVec = 17, kMcVec = 18, kXm = 19, kVe = 20;

// An event to deliver through the IDT: an exception that an instruction raised, or an interrupt. type has the
// encoding of the VM-entry interruption-information field (SDM 3, 24.8.3).
enum class EventType : std::uint8_t {
  kExternalInterrupt = 0,
  kNmi = 2,
  kHardwareException = 3,
  kSoftwareInterrupt = 4,
  kPrivilegedSoftwareException = 5,  // INT1
  kSoftwareException = 6,            // INT3, INTO
};

struct Event {
  std::uint8_t vector = 0;
  EventType type = EventType::kHardwareException;
  bool has_error_code = false;
  std::uint32_t error_code = 0;
  std::uint64_t cr2 = 0;                // of a #PF; becomes CR2 on delivery, the exit qualification on a VM exit
  std::uint64_t dr6 = 0;                // of a #DB: bits to set in DR6, or the exit qualification
  std::uint8_t instruction_length = 0;  // of software events: RIP of the return frame is past the instruction
  bool not_canonical = false;           // a #GP for a data address; becomes #SS if the access was by SS
};

// The VM-exit information fields (SDM 3, 24.9), as the exit's cause fills them.
struct VmExitInfo {
  std::uint32_t reason = 0;  // basic reason in 15:0; bit 31 = VM-entry failure
  std::uint64_t qualification = 0;
  std::uint64_t guest_linear = 0;
  std::uint64_t guest_physical = 0;
  std::uint32_t interruption_info = 0;
  std::uint32_t interruption_error = 0;
  std::uint32_t idt_vectoring_info = 0;
  std::uint32_t idt_vectoring_error = 0;
  std::uint32_t instruction_length = 0;
  std::uint32_t instruction_info = 0;
};

}  // namespace xensim::cpu
