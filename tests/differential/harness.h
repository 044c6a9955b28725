// Differential tests: one instruction at a time, executed by the host CPU and by a simulated core from the same
// random state, and everything compared that the instruction can change.
//
// A Form makes random Instances of one instruction: its bytes, and the registers and flags that it starts with.
// Both sides see the same addresses: the instruction lies at kSlot, and kDataSize bytes of random data at kData
// with unmapped pages around them (so an access may fault on purpose). The host side (host.cpp) is a thunk that
// loads every register, runs the bytes and stores every register; signals become exception vectors. The simulated
// side (simulated.cpp) is a Core in 64-bit mode at CPL 3 with paging on, whose handler for the bytes is called
// through the block cache.
//
// Flags that the manual leaves undefined are masked per form; the table that XENSIM_DIFF_REPORT=1 prints says
// which of them differed all the same. XENSIM_DIFF_CASES sets the instances per form, XENSIM_DIFF_SEED the seed,
// XENSIM_DIFF_FORM the one form to run (a substring of its name).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "models/cpu/arch_state.h"
#include "sim/base/rng.h"

namespace xensim::differential {

inline constexpr std::uint64_t kSlot = 0x10001000;
inline constexpr std::uint64_t kData = 0x20000000;
inline constexpr std::uint64_t kDataSize = 3 * 4096;
// Where operands usually lie: far enough from both ends for bit strings and displaced accesses.
inline constexpr std::uint64_t kMiddle = kData + 4096 + 2048;
// A branch instruction is taken to here, relative to the next instruction.
inline constexpr std::uint64_t kTakenOffset = 13;

// The same places in modes 16 and 32. In real mode CS is 1000 and the data segments 2000, so that both offsets are
// 1000.
inline constexpr std::uint64_t kSmallSlot = 0x11000, kSmallData = 0x21000;

struct MachineState {
  std::array<std::uint64_t, 16> gpr{};
  std::uint64_t rflags = 0x202;
  std::array<std::array<std::uint64_t, 2>, 16> xmm{};
  std::array<std::array<std::uint64_t, 2>, 16> ymm_high{};  // bits 255:128
  std::uint32_t mxcsr = 0x1f80;
  cpu::X87 x87;  // opcode and pointers are not compared
};

struct Instance {
  std::vector<std::uint8_t> code;
  MachineState state;
  // Bytes of the data area that shall not be random: (address, bytes).
  std::vector<std::pair<std::uint64_t, std::vector<std::uint8_t>>> data;
};

// How an execution ended.
struct Result {
  enum class End : std::uint8_t { kNext, kTaken, kException, kOther };
  End end = End::kNext;
  std::uint8_t vector = 0;       // of an exception
  std::uint32_t error_code = 0;  // of a #PF
  std::uint64_t cr2 = 0;
  MachineState state;
  std::vector<std::uint8_t> data;  // the data area afterwards
};

struct Form {
  std::string name;
  unsigned mode = 64;  // 16 and 32 are compared with the Unicorn library, not with the host
  std::uint64_t undefined_flags = 0;
  // Makes an instance; false: not this time (try again with the next random numbers).
  std::function<bool(Rng&, Instance&)> make;
  // Compares XMM and YMM (if the host has AVX), MXCSR and x87 too.
  bool vector_state = false;
  // #UD is a result like any other, and does not say that the host lacks the instruction.
  bool undefined_is_a_result = false;
  // Replaces the comparison of results that are both kNext, for instructions that are only approximately defined.
  // Returns an empty string or what is wrong.
  std::function<std::string(const Instance&, const Result& host, const Result& simulated)> compare;
};

// Does the host save and restore YMM registers? Without, their upper halves are zero on both sides.
bool host_has_avx();
Result run_on_host(const Instance& i, const std::vector<std::uint8_t>& data);
Result run_simulated(const Instance& i, const std::vector<std::uint8_t>& data);
// In modes 16 and 32 (small_modes.cpp).
// Says so once where the library was not found when xensim was built.
bool unicorn_available();
Result run_on_unicorn(unsigned mode, const Instance& i, const std::vector<std::uint8_t>& data);
Result run_simulated_small(unsigned mode, const Instance& i, const std::vector<std::uint8_t>& data);

// For comparisons that do not go through run_forms(): code was compared with "host", "unicorn". mode: 16, 32, 64.
void note_evidence(const std::vector<std::uint8_t>& code, unsigned mode, const char* with);

// Runs the forms and reports through Catch: one assertion per form.
void run_forms(const std::vector<Form>& forms);

// XENSIM_DIFF_SEED and XENSIM_DIFF_CASES; does XENSIM_DIFF_FORM leave this form in?
std::uint64_t case_seed();
std::uint64_t case_count();
// Unicorn takes some 0.3 ms a case: a fifth of the cases in short runs.
std::uint64_t unicorn_case_count();
bool is_chosen(const std::string& form);

// A 64-bit number of a useful kind: small, near a power of two or a sign boundary, sparse, or plainly random.
std::uint64_t interesting(Rng& rng);
// General registers, status flags, XMM (all kinds of bit patterns) at random.
MachineState random_state(Rng& rng);

}  // namespace xensim::differential
