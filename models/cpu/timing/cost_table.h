// What each class of instructions costs in the in-order model: one row per CostClass, and no way to leave one out.
//
// latency:    cycles from issue to result when no memory operand is read (≥ 1)
// after_load: cycles from the arrival of a memory operand to result; 0 for plain loads, whose whole cost is the
// cache's occupancy:  cycles for which the row's unit takes no other instruction (0: as many as the issue width
// allows) unit:       what occupancy is counted against drains:     waits for everything before it, and holds back
// everything after it (microcode, fences) source:     where the numbers are from, or "uncalibrated"
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "models/cpu/op.h"
#include "sim/config/param.h"

namespace xensim::cpu {

enum class Unit : std::uint8_t {
  kNone,
  kMultiplier,
  kDivider,
  kShifter,
  kBranch,
  kStore,
  kFpAdd,
  kFpMul,
  kFpDivider,
  kShuffle,
  kX87,
  kMicrocode,
  kCount
};

struct CostRow {
  CostClass cost;
  std::string_view name;
  std::uint16_t latency;
  std::uint16_t after_load;
  std::uint16_t occupancy;
  Unit unit;
  bool drains;
  std::string_view source;
};

inline constexpr unsigned kCostClasses = static_cast<unsigned>(CostClass::kCount);

using CostTable = std::array<CostRow, kCostClasses>;

// The defaults, in the order of CostClass.
const CostTable& default_cost_table();

// What a configuration can change of a row (/cpu/timing/costs/<name>).
struct CostNumbers {
  CostClass cost = CostClass::kNop;
  std::uint16_t latency = 1, after_load = 0, occupancy = 0;
};
struct CostParameters {
  std::array<CostNumbers, kCostClasses> row;
  CostParameters();  // the defaults
};
void describe(CostNumbers& c, config::Visitor& v);
void describe(CostParameters& c, config::Visitor& v);

}  // namespace xensim::cpu
