#include "models/cpu/timing/branch_predictor.h"

#include <iterator>
#include <string>

#include "sim/base/bits.h"
#include "sim/base/error.h"
#include "sim/base/expects.h"

namespace xensim::cpu {

Prediction StaticPredictor::resolve(const BranchOutcome& b) {
  if (b.indirect || b.is_return) return Prediction::kWrong;
  if (!b.conditional) return Prediction::kRight;
  const bool predicted = b.target < b.address;
  return predicted == b.taken ? Prediction::kRight : Prediction::kWrong;
}

GsharePredictor::GsharePredictor(const BranchPredictorConfig& config)
    : counters_(std::size_t{1} << config.history_bits, 1),
      history_mask_((std::uint64_t{1} << config.history_bits) - 1),
      btb_(config.btb_entries),
      btb_set_mask_(config.btb_entries / config.btb_ways - 1),
      btb_ways_(config.btb_ways),
      stack_(config.return_stack) {}

bool GsharePredictor::known(std::uint64_t address, std::uint64_t target) {
  const Target* set = &btb_[((address ^ (address >> 12)) & btb_set_mask_) * btb_ways_];
  for (unsigned w = 0; w < btb_ways_; ++w)
    if (set[w].address == address) return set[w].target == target;
  return false;
}

void GsharePredictor::learn(std::uint64_t address, std::uint64_t target) {
  Target* set = &btb_[((address ^ (address >> 12)) & btb_set_mask_) * btb_ways_];
  if (set[0].address == address) {
    set[0].target = target;
    return;
  }
  unsigned w = 0;
  while (w + 1 < btb_ways_ && set[w].address != address) ++w;
  for (; w > 0; --w) set[w] = set[w - 1];
  set[0] = {address, target};
}

Prediction GsharePredictor::resolve(const BranchOutcome& b) {
  Prediction result = Prediction::kRight;
  if (b.is_return) {
    const bool right = depth_ != 0 && stack_[top_] == b.target;
    if (depth_ != 0) {
      --depth_;
      top_ = top_ == 0 ? static_cast<unsigned>(stack_.size()) - 1 : top_ - 1;
    }
    return right ? Prediction::kRight : Prediction::kWrong;
  }
  if (b.conditional) {
    std::uint8_t& counter = counters_[(b.address ^ (b.address >> 16) ^ history_) & history_mask_];
    const bool predicted = counter >= 2;
    if (predicted != b.taken) result = Prediction::kWrong;
    if (b.taken) {
      if (counter < 3) ++counter;
    } else if (counter > 0) {
      --counter;
    }
    history_ = (history_ << 1 | (b.taken ? 1u : 0u)) & history_mask_;
  }
  if (b.taken) {
    if (result == Prediction::kRight && !known(b.address, b.target))
      result = b.indirect ? Prediction::kWrong : Prediction::kResteer;
    learn(b.address, b.target);
    if (b.call && !stack_.empty()) {
      top_ = top_ + 1 == stack_.size() ? 0 : top_ + 1;
      stack_[top_] = b.fall_through;
      if (depth_ < stack_.size()) ++depth_;
    }
  }
  return result;
}

namespace {

template <class T>
std::unique_ptr<BranchPredictor> make(const BranchPredictorConfig& config) {
  return std::make_unique<T>(config);
}

constexpr BranchPredictorRow kTable[] = {
    {BranchPredictorKind::kStatic, "static", "backward conditional branches taken, indirect branches never known",
     make<StaticPredictor>},
    {BranchPredictorKind::kGshare, "gshare", "global history, branch target buffer, return stack",
     make<GsharePredictor>},
};
constexpr std::string_view kNames[] = {kTable[0].name, kTable[1].name};
static_assert(std::size(kTable) == static_cast<unsigned>(BranchPredictorKind::kCount) &&
              std::size(kNames) == std::size(kTable) && kTable[0].kind == BranchPredictorKind::kStatic &&
              kTable[1].kind == BranchPredictorKind::kGshare);

}  // namespace

std::span<const BranchPredictorRow> branch_predictor_table() { return kTable; }
std::span<const std::string_view> names_of(BranchPredictorKind) { return kNames; }

std::unique_ptr<BranchPredictor> make_branch_predictor(const BranchPredictorConfig& config) {
  const std::string place = "/cpu/timing/branch_predictor";
  if (config.history_bits < 1 || config.history_bits > 24)
    throw UserError(place + "/history_bits", std::to_string(config.history_bits) + " is out of range",
                    "use 1 to 24");
  if (!is_power_of_two(config.btb_entries) || !is_power_of_two(config.btb_ways) ||
      config.btb_ways > config.btb_entries)
    throw UserError(place + "/btb_entries",
                    std::to_string(config.btb_entries) + " entries in " + std::to_string(config.btb_ways) +
                        " ways do not make sets",
                    "use powers of two, and no more ways than entries");
  expects(config.kind < BranchPredictorKind::kCount);
  return kTable[static_cast<unsigned>(config.kind)].make(config);
}

}  // namespace xensim::cpu
