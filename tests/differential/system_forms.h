// Makes and runs the forms of whole-processor comparisons (privileged.h): operands by mode, selectors, stacks.
#pragma once

#include <cstring>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "models/cpu/arch_state.h"
#include "tests/differential/privileged.h"

namespace xensim::differential {

struct SystemForm {
  std::string name;
  unsigned mode;
  std::function<void(Rng&, PrivilegedInstance&)> make;
  std::uint64_t undefined_flags = 0;
};
// Runs each form on both sides as often as XENSIM_DIFF_CASES says; one assertion for each.
void run_system_forms(const std::vector<SystemForm>& forms);

using Code = std::vector<std::uint8_t>;
using AdjustState = std::function<void(Rng&, PrivilegedInstance&)>;

inline constexpr unsigned kModes[] = {16, 32, 64};

// A memory operand is [absolute address in the data area]: kPlace is its index in PrivilegedInstance::data,
// offset_of() its offset.
inline constexpr std::uint64_t kPlace = 4096 + 512;
std::uint64_t offset_of(unsigned mode);
Code memory_operand(unsigned mode, unsigned reg);
Code register_operand(unsigned reg, unsigned rm);
Code immediate(std::uint64_t v, unsigned bytes);
// The prefix that gives an operand size in a mode; no code for what is the mode's own.
Code size_prefix(unsigned mode, unsigned bits);
Code joined(std::initializer_list<Code> parts);

template <class T>
void put(PrivilegedInstance& i, std::uint64_t place, T v) {
  std::memcpy(&i.data[place], &v, sizeof v);
}

// Any selector of the GDT with any RPL, now and then one beyond it.
std::uint16_t random_selector(Rng& rng);
// Mostly one that a data segment register takes; in real mode any number.
std::uint16_t data_selector(Rng& rng, unsigned mode);
// A stack pointer inside the data area, and where it points there.
void stack(Rng& rng, PrivilegedInstance& i);
std::uint64_t stack_place(const PrivilegedInstance& i);
std::string hexadecimal(std::uint64_t v);

// A form of fixed bytes; adjust sets the state.
SystemForm fixed(std::string name, unsigned mode, Code code, AdjustState adjust = {});

}  // namespace xensim::differential
