// Branch prediction: an interface of one question, and what answers it.
//
// `static` is the smallest example: backward conditional branches are taken, targets of direct branches are known,
// indirect ones never. `gshare` (the default) is a table of two-bit counters indexed by address xor global history
// (McFarling, "Combining Branch Predictors", DEC WRL TN-36, 1993), a set-associative branch target buffer, and a
// return stack that wraps around.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "sim/config/param.h"

namespace xensim::cpu {

enum class BranchPredictorKind : std::uint8_t { kStatic, kGshare, kCount };
std::span<const std::string_view> names_of(BranchPredictorKind);

struct BranchPredictorConfig {
  BranchPredictorKind kind = BranchPredictorKind::kGshare;
  unsigned history_bits = 14;
  unsigned btb_entries = 4096;
  unsigned btb_ways = 4;
  unsigned return_stack = 16;
};

inline void describe(BranchPredictorConfig& c, config::Visitor& v) {
  v(c.kind, {"kind", "", "which predictor", "design"});
  v(c.history_bits,
    {"history_bits", "count", "branches in the global history; the table has two to this power counters",
     "uncalibrated", config::between(1, 24)});
  v(c.btb_entries,
    {"btb_entries", "count", "targets in the branch target buffer",
     "Evtyushkin et al., BranchScope, ASPLOS 2018 (order of magnitude)", config::power_of_two(1, 1 << 20)});
  v(c.btb_ways,
    {"btb_ways", "count", "its associativity, at most its entries", "uncalibrated", config::power_of_two(1, 64)});
  v(c.return_stack, {"return_stack", "count", "calls that the return stack remembers",
                     "Agner Fog, microarchitecture manual, Skylake: 16", config::between(0, 1024)});
}

// A branch that has executed, as the core saw it. Addresses are linear.
struct BranchOutcome {
  std::uint64_t address;       // of the branch instruction
  std::uint64_t fall_through;  // of the next one
  std::uint64_t target;        // where it went, if taken
  bool taken;
  bool conditional, indirect, call, is_return;
};

enum class Prediction : std::uint8_t {
  kRight,
  kResteer,  // right once decoded: a direct branch whose target the fetch stage did not know
  kWrong,    // found out when the branch executed
};

// Contract: resolve() is called once per branch, in program order; it says what would have been predicted before
// this branch, then learns from it. State depends on nothing but the sequence of calls.
class BranchPredictor {
 public:
  virtual ~BranchPredictor() = default;
  virtual Prediction resolve(const BranchOutcome& b) = 0;
};

class StaticPredictor final : public BranchPredictor {
 public:
  explicit StaticPredictor(const BranchPredictorConfig&) {}
  Prediction resolve(const BranchOutcome& b) override;
};

class GsharePredictor final : public BranchPredictor {
 public:
  explicit GsharePredictor(const BranchPredictorConfig& config);
  Prediction resolve(const BranchOutcome& b) override;

 private:
  struct Target {
    std::uint64_t address = ~std::uint64_t{0};
    std::uint64_t target = 0;
  };
  // The target that the buffer holds for this address; moves it to the front of its set.
  bool known(std::uint64_t address, std::uint64_t target);
  void learn(std::uint64_t address, std::uint64_t target);

  std::vector<std::uint8_t> counters_;  // 0, 1: not taken; 2, 3: taken
  std::uint64_t history_ = 0, history_mask_;
  std::vector<Target> btb_;  // sets of ways, most recent first
  std::uint64_t btb_set_mask_;
  unsigned btb_ways_;
  std::vector<std::uint64_t> stack_;
  unsigned top_ = 0, depth_ = 0;
};

struct BranchPredictorRow {
  BranchPredictorKind kind;
  std::string_view name;
  std::string_view doc;
  std::unique_ptr<BranchPredictor> (*make)(const BranchPredictorConfig&);
};

std::span<const BranchPredictorRow> branch_predictor_table();
// Throws UserError if the sizes do not make sets.
std::unique_ptr<BranchPredictor> make_branch_predictor(const BranchPredictorConfig& config);

}  // namespace xensim::cpu
