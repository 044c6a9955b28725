#include "models/cpu/block_cache.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "models/cpu/core.h"
#include "sim/base/bits.h"
#include "sim/base/rng.h"

namespace xensim::cpu {
namespace {

// A block ends here at the latest; keeps partial execution and invalidation cheap.
constexpr std::size_t kMaxOps = 32;
constexpr std::size_t kMaxInstruction = 15;

bool canonical(std::uint64_t a) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(a << 16) >> 16) == a;
}

// The lines that bytes [first, first + n) of a page touch; n > 0, all in the page.
std::uint64_t lines(std::uint64_t first, std::uint64_t n) {
  return mask(static_cast<unsigned>((first + n - 1) >> 6), static_cast<unsigned>(first >> 6));
}

// The lines of a frame that a block's bytes touch.
std::uint64_t lines_in(const Block& b, Mfn frame) {
  const std::uint64_t offset = b.address.value & kPageMask;
  const std::uint64_t in_page = std::min<std::uint64_t>(b.bytes, kPageSize - offset);
  std::uint64_t r = 0;
  if (mfn_of(b.address) == frame) r |= lines(offset, in_page);
  if (b.crosses && mfn_of(b.second_page) == frame) r |= lines(0, b.bytes - in_page);
  return r;
}

}  // namespace

BlockCache::BlockCache(Core& core, memory::PhysicalMemory& memory)
    : core_(core), memory_(memory), slots_(kSlots, nullptr) {
  no_block_.link = {&no_block_, &no_block_};
  memory_.add_observer(*this);
}

BlockCache::~BlockCache() = default;

void BlockCache::flush() {
  std::fill(slots_.begin(), slots_.end(), nullptr);
  pages_.clear();
  chunks_.clear();
  chunk_used_ = kChunk;
  blocks_ = 0;
  decoder_.reset();
}

std::size_t BlockCache::slot_of(PhysAddr address, std::uint64_t rip, std::uint32_t mode) {
  return static_cast<std::size_t>(mix64(address.value ^ (rip << 20) ^ (std::uint64_t{mode} << 56)) & (kSlots - 1));
}

Outcome BlockCache::translate(std::uint64_t linear, PhysAddr& out) {
  if (const SoftTlbEntry* e = core_.mmu.soft.find(core_.mmu.current_view(), Access::kExecute, linear, 1)) {
    out = PhysAddr(e->physical | (linear & kPageMask));
    return Outcome::kNext;
  }
  return core_.mmu.fetch(LinearAddr(linear), out);
}

// Are the block's bytes where they were? Answers for flat code segments, without side effects: a miss in the
// software TLB means no.
bool BlockCache::still_mapped(const Block& b) {
  SoftTlb& soft = core_.mmu.soft;
  const View view = core_.mmu.current_view();
  const SoftTlbEntry* e = soft.find(view, Access::kExecute, b.rip, 1);
  if (!e || e->physical != (b.address.value & ~kPageMask)) return false;
  if (!b.crosses) return true;
  e = soft.find(view, Access::kExecute, b.next_rip - 1, 1);
  return e && e->physical == b.second_page.value;
}

Block* BlockCache::find(Outcome& outcome, Block* from) {
  const ArchState& st = core_.st;
  const std::uint64_t rip = st.rip;
  const std::uint32_t mode = core_.mode;
  std::uint64_t linear = rip;
  if (mode & kMode64) {
    if (!canonical(rip)) {
      outcome = core_.raise_gp();
      return nullptr;
    }
  } else {
    if (rip > st.seg[kCs].limit) {
      outcome = core_.raise_gp();
      return nullptr;
    }
    linear = static_cast<std::uint32_t>(st.seg[kCs].base + rip);
  }
  PhysAddr address;
  outcome = translate(linear, address);
  if (outcome != Outcome::kNext) return nullptr;

  Block* found = nullptr;
  for (std::size_t s = slot_of(address, rip, mode);; s = (s + 1) & (kSlots - 1)) {
    Block* b = slots_[s];
    if (!b) break;
    if (b->rip == rip && b->address == address && b->mode == mode) {
      found = b;
      break;
    }
  }
  if (found && !(mode & kModeCodeFlat) && rip + found->bytes - 1 > st.seg[kCs].limit) {
    found->rip = kInvalidRip;  // decoded under a larger limit
    found = nullptr;
  }
  if (found && found->crosses) {
    PhysAddr second;
    outcome = translate(
        mode & kMode64 ? linear + found->bytes - 1 : static_cast<std::uint32_t>(linear + found->bytes - 1),
        second);
    if (outcome != Outcome::kNext) return nullptr;
    if ((second.value & ~kPageMask) != found->second_page.value) {
      found->rip = kInvalidRip;
      found = nullptr;
    }
  }
  if (!found) {
    if (blocks_ >= kMaxBlocks) {
      flush();
      from = nullptr;
    }
    found = decode(address, linear, outcome);
    if (!found) return nullptr;
    enter(found);
  }
  const bool links = from && from->valid() && (mode & kModeCodeFlat) && from->mode == mode;
  if (links && from->link[0] != found && from->link[1] != found) {
    if (from->link[0]->valid()) from->link[1] = from->link[0];
    from->link[0] = found;
  }
  return found;
}

Block* BlockCache::allocate(std::size_t ops) {
  constexpr auto round = [](std::size_t n) { return (n + 15) & ~std::size_t{15}; };
  const std::size_t size = round(sizeof(Block)) + round(ops * sizeof(Op)) + round(ops * sizeof(OpTiming));
  if (chunk_used_ + size > kChunk) {
    chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kChunk));
    chunk_used_ = 0;
  }
  std::byte* p = chunks_.back().get() + chunk_used_;
  chunk_used_ += size;
  Block* b = new (p) Block;
  Op* const op = new (p + round(sizeof(Block))) Op[ops];
  OpTiming* const timing = new (p + round(sizeof(Block)) + round(ops * sizeof(Op))) OpTiming[ops];
  b->ops = {op, ops};
  b->timing = {timing, ops};
  b->link = {&no_block_, &no_block_};
  ++blocks_;
  ++decoded_;
  return b;
}

Block* BlockCache::decode(PhysAddr address, std::uint64_t linear, Outcome& outcome) {
  if (!decoder_) decoder_ = std::make_unique<Decoder>(core_.cpuid);
  const std::uint32_t mode = core_.mode;
  const std::uint64_t rip = core_.st.rip;
  if (!memory_.contains(address, 1)) {
    outcome = core_.raise_ud();  // nothing there but ones, which no instruction begins with
    return nullptr;
  }
  const std::uint64_t offset = address.value & kPageMask;
  // What the page and the segment limit leave to read.
  const std::uint64_t in_page = kPageSize - offset;
  const std::uint64_t in_segment =
      mode & kMode64 ? kPageSize * 2 : std::uint64_t{core_.st.seg[kCs].limit} - rip + 1;
  const std::uint64_t available = std::min(in_page, in_segment);
  const std::uint8_t* bytes = memory_.host(address);

  std::array<Op, kMaxOps> ops;
  std::array<OpTiming, kMaxOps> timing;
  std::size_t count = 0;
  std::uint64_t length = 0;
  bool crosses = false;
  PhysAddr second_page;
  while (count < kMaxOps && length < available) {
    auto r = decoder_->decode(bytes + length, available - length, rip + length, mode);
    if (!r) {
      // The instruction goes on in the next page, or beyond the limit; it gets a block of its own.
      if (count != 0) break;
      if (available == in_segment) {
        outcome = core_.raise_gp();
        return nullptr;
      }
      const std::uint64_t next = mode & kMode64 ? linear + in_page : static_cast<std::uint32_t>(linear + in_page);
      if (mode & kMode64 && !canonical(next)) {
        outcome = core_.raise_gp();
        return nullptr;
      }
      outcome = translate(next, second_page);
      if (outcome != Outcome::kNext) return nullptr;
      if (!memory_.contains(second_page, 1)) {
        outcome = core_.raise_ud();
        return nullptr;
      }
      std::array<std::uint8_t, kMaxInstruction> buffer{};
      std::memcpy(buffer.data(), bytes, in_page);
      std::memcpy(buffer.data() + in_page, memory_.host(second_page), kMaxInstruction - in_page);
      const std::uint64_t limit = std::min<std::uint64_t>(kMaxInstruction, in_segment);
      r = decoder_->decode(buffer.data(), limit, rip, mode);
      if (!r) {
        outcome = core_.raise_gp();
        return nullptr;
      }
      crosses = true;
    } else if (r->shape == BlockShape::kAlone && count != 0) {
      break;
    }
    r->op.offset = static_cast<std::uint16_t>(length);
    ops[count] = r->op;
    timing[count] = r->timing;
    ++count;
    length += r->op.length;
    if (crosses || r->shape != BlockShape::kStraight) break;
  }
  if (crosses && length <= in_page) crosses = false;  // an instruction that is undefined within the first page

  Block* b = allocate(count);
  std::copy_n(ops.begin(), count, const_cast<Op*>(b->ops.data()));
  std::copy_n(timing.begin(), count, const_cast<OpTiming*>(b->timing.data()));
  b->rip = rip;
  b->next_rip = mode & kMode64 ? rip + length : static_cast<std::uint32_t>(rip + length);
  b->address = address;
  b->mode = mode;
  b->bytes = static_cast<std::uint32_t>(length);
  b->crosses = crosses;
  if (crosses) b->second_page = second_page;
  outcome = Outcome::kNext;
  return b;
}

void BlockCache::enter(Block* b) {
  // An invalid block's slot is free to be used again: whatever lies behind it stays reachable.
  std::size_t s = slot_of(b->address, b->rip, b->mode);
  while (slots_[s] && slots_[s]->valid()) s = (s + 1) & (kSlots - 1);
  slots_[s] = b;
  // Listed before it is marked: marking tells every observer.
  const Mfn frame = mfn_of(b->address), second = mfn_of(b->second_page);
  list(b, frame, 0);
  memory_.mark_code(frame, lines_in(*b, frame));
  if (b->crosses && second != frame) {
    list(b, second, 1);
    memory_.mark_code(second, lines_in(*b, second));
  }
}

void BlockCache::list(Block* b, Mfn frame, unsigned which) {
  Block*& head = pages_.try_emplace(frame.value, nullptr).first->second;
  b->next_in_page[which] = head;
  head = b;
}

void BlockCache::code_written(Mfn frame, std::uint64_t line_mask) {
  const auto page = pages_.find(frame.value);
  if (page == pages_.end()) return;
  Block** at = &page->second;
  while (Block* b = *at) {
    const unsigned which = mfn_of(b->address) == frame ? 0 : 1;
    if (lines_in(*b, frame) & line_mask) b->rip = kInvalidRip;
    if (b->valid())
      at = &b->next_in_page[which];
    else
      *at = b->next_in_page[which];
  }
  if (!page->second) pages_.erase(page);
}

void BlockCache::code_marked(Mfn frame) { core_.mmu.soft.flush_writable(address_of(frame)); }

}  // namespace xensim::cpu
