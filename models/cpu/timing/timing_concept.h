// TimingModel: what a timing model must have, as the compiler checks it; what it means is in timing_model.h.
// core.cpp holds every model to it.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>

#include "models/cpu/block.h"
#include "models/cpu/timing/timing_model.h"

namespace xensim::cpu {

template <class M>
concept HearsOfInstructions = requires(M model, const Block& block, const Op& op, const OpTiming& t,
                                       std::span<const MemAccess> accesses, bool taken, std::uint64_t target) {
  { model.retire(block, op, t, accesses, taken, target) } -> std::same_as<void>;
};

template <class M>
concept SettlesByTheBlock = requires(M model) {
  { model.settle() } -> std::same_as<void>;
};

template <class M>
concept TimingModel = requires(M model, const M& constant, const Block& block, std::span<const MemAccess> accesses,
                               Cycles t) {
  { model.begin_block(block) } -> std::same_as<void>;
  { model.deliver_event(accesses) } -> std::same_as<void>;
  { constant.now() } -> std::same_as<Cycles>;
  { model.restart_at(t) } -> std::same_as<void>;
  requires std::same_as<decltype(M::kCollectsAccesses), const bool>;
}
&&(M::kCollectsAccesses ? HearsOfInstructions<M> : SettlesByTheBlock<M>);

}  // namespace xensim::cpu
