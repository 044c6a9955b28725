// __HYPERVISOR_multicall: several hypercalls in one (common/multicall.c of Xen 4.17). The list is an array of
// {number, result, six arguments}, of longs of the caller's width. A multicall within a multicall gives -EINVAL.
//
// Continuations. Between two calls the multicall itself may be interrupted: what is left is put into its registers
// and the guest executes it again. A call that asks for a continuation of its own has put new arguments into the
// registers, as if it had been made alone: they go into the list's entry, and the multicall continues from there.
#include "models/xen/hypercall/handlers.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

namespace {

struct Registers {
  std::array<unsigned, 5> arguments;
};
constexpr Registers kWide{{cpu::kRdi, cpu::kRsi, cpu::kRdx, cpu::kR10, cpu::kR8}};
constexpr Registers kNarrow{{cpu::kRbx, cpu::kRcx, cpu::kRdx, cpu::kRsi, cpu::kRdi}};

struct Entry {
  std::array<std::uint64_t, 8> words{};  // number, result, arguments
};

}  // namespace

long do_multicall(Hypervisor& hv, Vcpu& v, const Arguments& args) {
  if (v.in_multicall) return -kEinval;
  v.in_multicall = true;
  const unsigned width = args.wide ? 8 : 4;
  const Registers& registers = args.wide ? kWide : kNarrow;
  auto& gpr = hv.here().pcpu->core.st.gpr;
  std::uint64_t at = args.a[0];
  auto left = static_cast<std::uint32_t>(args.a[1]);
  long result = 0;
  bool again = false;
  for (bool first = true; left > 0 && !again; first = false) {
    if (!first && hv.hypercall_preempted()) {
      again = true;
      break;
    }
    Entry e;
    for (unsigned i = 0; i < e.words.size(); ++i)
      if (!hv.copy_from_guest(v, at + std::uint64_t{i} * width, &e.words[i], width)) result = -kEfault;
    if (result != 0) break;
    hv.cost.charge(*hv.here().pcpu, Path::kMulticallEntry);
    const auto saved = gpr;
    Arguments call{};
    call.wide = args.wide;
    for (unsigned i = 0; i < 5; ++i) {
      call.a[i] = e.words[2 + i];
      gpr[registers.arguments[i]] = call.a[i];
    }
    const long value = hv.call_hypercall(v, e.words[0], call);
    if (hv.take_continuation()) {
      for (unsigned i = 0; i < 5; ++i)
        if (!hv.copy_to_guest(v, at + std::uint64_t{2 + i} * width, &gpr[registers.arguments[i]], width))
          result = -kEfault;
      again = result == 0;
    } else if (!hv.copy_to_guest(v, at + width, &value, width)) {
      result = -kEfault;
    }
    gpr = saved;
    if (again || result != 0) break;
    at += std::uint64_t{8} * width;
    --left;
  }
  v.in_multicall = false;
  if (!again) return result;
  gpr[registers.arguments[0]] = at;
  gpr[registers.arguments[1]] = left;
  hv.continue_hypercall();
  return 0;
}

}  // namespace xensim::xen
