// Forms of the ordinary harness in 16-bit and 32-bit modes: an Instance as a whole-processor one, and its result
// back.
#include "models/cpu/arch_state.h"
#include "tests/differential/privileged.h"

namespace xensim::differential {
namespace {

PrivilegedInstance widen(unsigned mode, const Instance& i, const std::vector<std::uint8_t>& data) {
  PrivilegedInstance p;
  p.mode = mode;
  p.code = i.code;
  p.state = initial_state(mode);
  for (unsigned n = 0; n < 8; ++n) p.state.gpr[n] = i.state.gpr[n] & 0xffffffff;
  p.state.rflags = i.state.rflags & ~cpu::kIf;
  p.state.x87 = i.state.x87;
  p.data = data;
  return p;
}

Result narrow(unsigned mode, const Instance& i, const PrivilegedResult& p) {
  Result r;
  r.state = i.state;
  for (unsigned n = 0; n < 8; ++n) r.state.gpr[n] = p.state.gpr[n];
  r.state.rflags = p.state.rflags;
  r.state.x87 = p.state.x87;
  r.data = p.data;
  const std::uint64_t next = initial_state(mode).rip + i.code.size();
  if (p.end == PrivilegedResult::End::kException) {
    r.end = Result::End::kException;
    r.vector = p.vector;
  } else if (p.end != PrivilegedResult::End::kDone) {
    r.end = Result::End::kOther;
  } else {
    r.end = p.state.rip == next                  ? Result::End::kNext
            : p.state.rip == next + kTakenOffset ? Result::End::kTaken
                                                 : Result::End::kOther;
  }
  return r;
}

}  // namespace

Result run_on_unicorn(unsigned mode, const Instance& i, const std::vector<std::uint8_t>& data) {
  return narrow(mode, i, run_privileged_on_unicorn(widen(mode, i, data)));
}

Result run_simulated_small(unsigned mode, const Instance& i, const std::vector<std::uint8_t>& data) {
  return narrow(mode, i, run_privileged_simulated(widen(mode, i, data)));
}

}  // namespace xensim::differential
