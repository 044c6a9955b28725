// One x87 instruction's work on the register stack: stack faults, pushes and pops, and what it leaves in the
// status word. C1 is clear unless the instruction says otherwise. Nothing of an operation that an unmasked
// exception stops may be written: ask stopped() first.
#pragma once

#include "models/cpu/isa/x87_extended.h"
#include "models/cpu/isa/x87_state.h"

namespace xensim::cpu::isa::x87 {

class Frame {
 public:
  explicit Frame(X87& x) : context{.control = x.control}, x_(x) {}

  bool full(unsigned i) const { return (x_.tag_valid >> place(i) & 1) != 0; }
  const Extended& st(unsigned i) const { return x_.r[place(i)]; }
  void set(unsigned i, const Extended& v) {
    x_.r[place(i)] = v;
    x_.tag_valid |= static_cast<std::uint8_t>(1u << place(i));
  }
  void free(unsigned i) { x_.tag_valid &= static_cast<std::uint8_t>(~(1u << place(i))); }
  void turn(unsigned by) {
    x_.status = static_cast<std::uint16_t>((x_.status & ~0x3800u) | ((top(x_) + by) & 7) << 11);
  }
  void pop() {
    free(0);
    turn(1);
  }
  void pop(unsigned times) {
    for (unsigned n = 0; n < times; ++n) pop();
  }
  void push(const Extended& v) {
    turn(7);
    set(0, v);
  }

  // A stack fault. True: it is masked, and the instruction goes on with the default NaN.
  bool underflow() { return fault(false); }
  bool overflow() { return fault(true); }
  bool stopped() const { return context.stopped(); }

  // C0, C2 and C3 from `conditions`.
  void set_conditions(std::uint16_t conditions) {
    x_.status = static_cast<std::uint16_t>((x_.status & ~(kC0 | kC2 | kC3)) | (conditions & (kC0 | kC2 | kC3)));
  }
  void set_condition(std::uint16_t bit, bool on) {
    x_.status = static_cast<std::uint16_t>(on ? x_.status | bit : x_.status & ~bit);
  }
  void finish() {
    x_.status = static_cast<std::uint16_t>((x_.status & ~kC1) | context.raised | (context.rounded_up ? kC1 : 0));
    update_summary(x_);
  }

  Context context;

 private:
  unsigned place(unsigned i) const { return (top(x_) + i) & 7; }
  bool fault(bool is_overflow) {
    context.raised |= kInvalid | kStackFault;
    context.rounded_up = is_overflow;
    return context.masked(kInvalid);
  }

  X87& x_;
};

}  // namespace xensim::cpu::isa::x87
