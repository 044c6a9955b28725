// Segmentation: effective to linear addresses, descriptors, segment loads (SDM 3, chapters 3 and 5.1–5.8).
#include "models/cpu/isa/segmentation.h"

namespace xensim::cpu {

bool Core::linear_address_slow(std::uint64_t effective, unsigned seg, unsigned size, bool write,
                               std::uint64_t& out) {
  const std::uint64_t last = size ? size - 1 : 0;
  const Segment& s = st.seg[seg];
  if (st.code64()) {
    const std::uint64_t linear = effective + (seg == kFs || seg == kGs ? s.base : 0);
    if (!isa::canonical(linear) || !isa::canonical(linear + last)) {
      raise(seg == kSs ? kSsVec : kGp, 0);
      return false;
    }
    out = linear;
    return true;
  }
  bool ok = isa::within_limit(s, effective, size);
  if (st.protected_mode() && !st.v8086()) {
    if (s.unusable())
      ok = false;
    else if (write)
      ok = ok && s.writable_data();
    else
      ok = ok && (!s.is_code() || (s.attr & 2));
  }
  if (!ok) {
    raise(seg == kSs ? kSsVec : kGp, 0);
    return false;
  }
  out = static_cast<std::uint32_t>(s.base + effective);
  return true;
}

namespace isa {

std::uint32_t external_bit(const Core& core) {
  if (!core.delivering) return 0;
  const EventType t = core.delivering->type;
  return t != EventType::kSoftwareInterrupt && t != EventType::kSoftwareException;
}

Outcome raise_selector(Core& core, std::uint8_t vector, std::uint16_t selector) {
  return core.raise(vector, (selector & 0xfffcu) | external_bit(core));
}

bool within_limit(const Segment& s, std::uint64_t offset, unsigned size) {
  const std::uint64_t last = offset + (size ? size - 1 : 0);
  if (last < offset) return false;
  if (!s.unusable() && s.expand_down()) {
    const std::uint64_t top = s.big() ? 0xffffffffull : 0xffffull;
    return offset > s.limit && last <= top;
  }
  return last <= s.limit;
}

Segment parse_segment(std::uint16_t selector, const Descriptor& d) {
  Segment s;
  s.selector = selector;
  s.base = ((d.low >> 16) & 0xffffff) | ((d.low >> 32) & 0xff000000) | (d.high << 32);
  s.attr = static_cast<std::uint32_t>(d.low >> 40) & 0xf0ff;
  s.limit = static_cast<std::uint32_t>((d.low & 0xffff) | ((d.low >> 32) & 0xf0000));
  if (s.granular()) s.limit = (s.limit << 12) | 0xfff;
  return s;
}

Segment null_segment(std::uint16_t selector, unsigned dpl) {
  Segment s;
  s.selector = selector;
  s.attr = kUnusable | (dpl << 5);
  return s;
}

Outcome find_descriptor(Core& core, std::uint16_t selector, bool& found, Descriptor& out) {
  std::uint64_t base = core.st.gdtr.base;
  std::uint32_t limit = core.st.gdtr.limit;
  found = false;
  if (selector & 4) {
    if (core.st.ldtr.unusable()) return Outcome::kNext;
    base = core.st.ldtr.base;
    limit = core.st.ldtr.limit;
  }
  const std::uint32_t offset = selector & 0xfff8u;
  if (offset + 7 > limit) return Outcome::kNext;
  out.high = 0;
  out.address = wrap_linear(core, base + offset);
  if (Outcome o = core.read_system(out.address, out.low); failed(o)) return o;
  if (core.st.long_mode_active() && out.system()) {
    if (offset + 15 > limit) return Outcome::kNext;
    if (Outcome o = core.read_system(out.address + 8, out.high); failed(o)) return o;
  }
  found = true;
  return Outcome::kNext;
}

Outcome fetch_descriptor(Core& core, std::uint16_t selector, std::uint8_t vector, Descriptor& out) {
  bool found = false;
  if (Outcome o = find_descriptor(core, selector, found, out); failed(o)) return o;
  return found ? Outcome::kNext : raise_selector(core, vector, selector);
}

Outcome set_accessed(Core& core, Descriptor& d) {
  constexpr std::uint64_t kAccessed = 1ull << 40;
  if (d.system() || (d.low & kAccessed)) return Outcome::kNext;
  d.low |= kAccessed;
  return core.write_system(d.address + 5, static_cast<std::uint8_t>(d.low >> 40));
}

Outcome check_stack_segment(Core& core, std::uint16_t selector, unsigned cpl, std::uint8_t vector, Segment& out) {
  Descriptor d;
  if (Outcome o = fetch_descriptor(core, selector, vector, d); failed(o)) return o;
  if ((selector & 3u) != cpl || !d.writable_data() || d.dpl() != cpl)
    return raise_selector(core, vector, selector);
  if (!d.present()) return raise_selector(core, kSsVec, selector);
  if (Outcome o = set_accessed(core, d); failed(o)) return o;
  out = parse_segment(selector, d);
  return Outcome::kNext;
}

Outcome check_data_segment(Core& core, std::uint16_t selector, unsigned cpl, std::uint8_t vector, Segment& out) {
  if (!(selector & 0xfffc)) {
    out = null_segment(selector);
    return Outcome::kNext;
  }
  Descriptor d;
  if (Outcome o = fetch_descriptor(core, selector, vector, d); failed(o)) return o;
  const unsigned rpl = selector & 3;
  if (!d.readable() || (!d.conforming() && (rpl > d.dpl() || cpl > d.dpl())))
    return raise_selector(core, vector, selector);
  if (!d.present()) return raise_selector(core, kNp, selector);
  if (Outcome o = set_accessed(core, d); failed(o)) return o;
  out = parse_segment(selector, d);
  return Outcome::kNext;
}

// Limit and rights of a real-mode segment register survive a load ("big real mode"); virtual-8086 mode fixes them.
Segment real_mode_segment(const Core& core, const Segment& old, std::uint16_t selector) {
  Segment s = old;
  s.selector = selector;
  s.base = std::uint64_t{selector} << 4;
  if (core.st.v8086()) {
    s.limit = 0xffff;
    s.attr = 0xf3;
  } else if (s.unusable()) {
    s.limit = 0xffff;
    s.attr = 0x93;
  }
  return s;
}

Outcome load_segment(Core& core, unsigned reg, std::uint16_t selector) {
  ArchState& st = core.st;
  Segment loaded;
  if (!st.protected_mode() || st.v8086()) {
    loaded = real_mode_segment(core, st.seg[reg], selector);
  } else if (reg == kSs) {
    const unsigned cpl = st.cpl();
    if (!(selector & 0xfffc)) {
      if (!st.code64() || cpl == 3 || (selector & 3u) != cpl) return core.raise_gp(0);
      loaded = null_segment(selector, cpl);
    } else if (Outcome o = check_stack_segment(core, selector, cpl, kGp, loaded); failed(o)) {
      return o;
    }
  } else if (Outcome o = check_data_segment(core, selector, st.cpl(), kGp, loaded); failed(o)) {
    return o;
  }
  st.seg[reg] = loaded;
  core.update_mode();
  return Outcome::kEndBlock;
}

bool valid_code_size(const Core& core, const Descriptor& d) {
  return !(core.st.long_mode_active() && d.long_mode() && d.big());
}

void drop_inner_data_segments(Core& core, unsigned cpl) {
  for (unsigned r : {kEs, kDs, kFs, kGs}) {
    Segment& s = core.st.seg[r];
    if (s.unusable()) continue;
    const bool conforming_code = s.is_code() && (s.attr & 4);
    if (!conforming_code && s.dpl() < cpl) s = null_segment(0);
  }
}

std::uint64_t unchecked_linear(const Core& core, const Op& op) {
  const ArchState& st = core.st;
  std::uint64_t ea = st.gpr[op.base] + (st.gpr[op.index] << op.scale) + op.disp;
  if (op.flags & kAddr32) ea = static_cast<std::uint32_t>(ea);
  if (op.flags & kAddr16) ea = static_cast<std::uint16_t>(ea);
  if (st.code64()) return ea + (op.seg == kFs || op.seg == kGs ? st.seg[op.seg].base : 0);
  return static_cast<std::uint32_t>(ea + st.seg[op.seg].base);
}

std::uint64_t move_sp(bool flat, const Segment& ss, std::uint64_t sp, std::int64_t delta) {
  return loaded_sp(flat, ss, sp, sp + static_cast<std::uint64_t>(delta));
}

std::uint64_t loaded_sp(bool flat, const Segment& ss, std::uint64_t old, std::uint64_t value) {
  if (flat) return value;
  if (ss.big()) return static_cast<std::uint32_t>(value);
  return (old & ~0xffffull) | (value & 0xffff);
}

void StackFrame::push(std::uint64_t value, unsigned size) {
  expects(count_ < items_.size());
  sp_ = move_sp(flat_, ss_, sp_, -static_cast<std::int64_t>(size));
  items_[count_++] = {sp_, value, size};
}

Outcome StackFrame::linear(const Item& item, std::uint64_t& out) const {
  if (flat_) {
    out = item.sp;
    if (canonical(out) && canonical(out + item.size - 1)) return Outcome::kNext;
    return core_.raise(kSsVec, limit_error_);
  }
  const std::uint64_t offset = ss_.big() ? static_cast<std::uint32_t>(item.sp) : (item.sp & 0xffff);
  if (!within_limit(ss_, offset, item.size)) return core_.raise(kSsVec, limit_error_);
  out = static_cast<std::uint32_t>(ss_.base + offset);
  return Outcome::kNext;
}

Outcome StackFrame::write() {
  std::array<std::uint64_t, 48> at;
  bool contiguous = true;
  unsigned total = 0;
  for (unsigned i = 0; i < count_; ++i) {
    if (Outcome o = linear(items_[i], at[i]); failed(o)) return o;
    total += items_[i].size;
    if (i && at[i] + items_[i].size != at[i - 1]) contiguous = false;
  }
  if (!count_) return Outcome::kNext;
  // The common frame is one access.
  if (contiguous && total <= 64) {
    std::array<std::uint8_t, 64> bytes;
    unsigned end = total;
    for (unsigned i = 0; i < count_; ++i) {
      end -= items_[i].size;
      std::memcpy(&bytes[end], &items_[i].value, items_[i].size);
    }
    return core_.mmu.write(LinearAddr(at[count_ - 1]), bytes.data(), total, view_);
  }
  for (unsigned i = 0; i < count_; ++i)
    if (Outcome o = core_.mmu.probe_write(LinearAddr(at[i]), items_[i].size, view_); failed(o)) return o;
  for (unsigned i = 0; i < count_; ++i)
    if (Outcome o = core_.mmu.write(LinearAddr(at[i]), &items_[i].value, items_[i].size, view_); failed(o))
      return o;
  return Outcome::kNext;
}

StackReader::StackReader(Core& core) : core_(core), sp_(core.st.gpr[kRsp]), flat_(core.st.code64()) {}

std::uint64_t StackReader::next(unsigned bytes) const {
  return move_sp(flat_, core_.st.seg[kSs], sp_, static_cast<std::int64_t>(bytes));
}

Outcome StackReader::pop(std::uint64_t& out, unsigned size) {
  const Segment& ss = core_.st.seg[kSs];
  const std::uint64_t offset = flat_ ? sp_ : ss.big() ? static_cast<std::uint32_t>(sp_) : (sp_ & 0xffff);
  std::uint64_t linear;
  if (!core_.linear_address_slow(offset, kSs, size, false, linear)) return Outcome::kFault;
  std::uint64_t v = 0;
  Outcome o;
  switch (size) {
    case 2: {
      std::uint16_t w = 0;
      o = core_.read_linear(linear, w);
      v = w;
      break;
    }
    case 4: {
      std::uint32_t w = 0;
      o = core_.read_linear(linear, w);
      v = w;
      break;
    }
    default:
      o = core_.read_linear(linear, v);
  }
  if (failed(o)) return o;
  out = v;
  sp_ = next(size);
  return Outcome::kNext;
}

}  // namespace isa
}  // namespace xensim::cpu
