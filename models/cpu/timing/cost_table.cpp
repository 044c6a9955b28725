#include "models/cpu/timing/cost_table.h"

namespace xensim::cpu {

namespace {

constexpr std::string_view kUops = "uops.info, Skylake-X; rounded to the form that compilers emit most";
constexpr std::string_view kFog = "Agner Fog, instruction tables, Skylake-X";
constexpr std::string_view kUncalibrated = "uncalibrated";

using enum CostClass;

// clang-format off
constexpr CostTable kTable{{
    // class              name                 latency after_load occupancy unit             drains source
    {kNop,                "nop",                     1,     0,     0, Unit::kNone,       false, kUops},
    {kAlu,                "alu",                     1,     1,     0, Unit::kNone,       false, kUops},
    {kMove,               "move",                    1,     0,     0, Unit::kNone,       false, kUops},
    {kLea,                "lea",                     1,     1,     0, Unit::kNone,       false, kUops},
    {kShift,              "shift",                   1,     1,     0, Unit::kNone,       false, kUops},
    {kRotate,             "rotate",                  1,     1,     1, Unit::kShifter,    false, kUops},
    {kMul,                "mul",                     3,     3,     1, Unit::kMultiplier, false, kUops},
    {kDiv,                "div",                    26,    26,     6, Unit::kDivider,    false, kUops},
    {kDiv64,              "div64",                  42,    42,    24, Unit::kDivider,    false, kUops},
    {kBitScan,            "bit_scan",                3,     3,     1, Unit::kMultiplier, false, kUops},
    {kFlag,               "flag",                    1,     1,     0, Unit::kNone,       false, kUops},
    {kLoad,               "load",                    1,     0,     0, Unit::kNone,       false, kUops},
    {kStore,              "store",                   1,     0,     1, Unit::kStore,      false, kUops},
    {kPush,               "push",                    1,     0,     1, Unit::kStore,      false, kUops},
    {kPop,                "pop",                     1,     0,     0, Unit::kNone,       false, kUops},
    {kXchg,               "xchg",                    2,    14,     0, Unit::kNone,       false, kUops},
    {kAtomic,             "atomic",                  5,    14,     0, Unit::kNone,       false, kUops},
    {kString,             "string",                  4,     1,     2, Unit::kMicrocode,  false, kUncalibrated},
    {kBranch,             "branch",                  1,     1,     1, Unit::kBranch,     false, kUops},
    {kCall,               "call",                    1,     1,     1, Unit::kBranch,     false, kUops},
    {kReturn,             "return",                  1,     1,     1, Unit::kBranch,     false, kUops},
    {kIndirect,           "indirect",                1,     1,     1, Unit::kBranch,     false, kUops},
    {kFpMove,             "fp_move",                 1,     0,     0, Unit::kNone,       false, kUops},
    {kFpAdd,              "fp_add",                  4,     4,     1, Unit::kFpAdd,      false, kUops},
    {kFpMul,              "fp_mul",                  4,     4,     1, Unit::kFpMul,      false, kUops},
    {kFpDiv,              "fp_div",                 14,    14,     4, Unit::kFpDivider,  false, kUops},
    {kFpSqrt,             "fp_sqrt",                18,    18,     6, Unit::kFpDivider,  false, kUops},
    {kFpConvert,          "fp_convert",              5,     5,     1, Unit::kFpAdd,      false, kUops},
    {kFpCompare,          "fp_compare",              3,     3,     1, Unit::kFpAdd,      false, kUops},
    {kVecAlu,             "vec_alu",                 1,     1,     0, Unit::kNone,       false, kUops},
    {kVecShuffle,         "vec_shuffle",             1,     1,     1, Unit::kShuffle,    false, kUops},
    {kVecMul,             "vec_mul",                 5,     5,     1, Unit::kFpMul,      false, kUops},
    {kX87,                "x87",                     4,     4,     1, Unit::kX87,        false, kFog},
    {kX87Transcendental,  "x87_transcendental",    100,   100,   100, Unit::kX87,        false, kFog},
    {kFence,              "fence",                   5,     1,     0, Unit::kNone,       true,  kUncalibrated},
    {kPause,              "pause",                 140,     1,     0, Unit::kNone,       true,
     "Intel 64 and IA-32 optimization manual, PAUSE latency in Skylake"},
    {kCpuid,              "cpuid",                 100,     1,     0, Unit::kNone,       true,  kFog},
    {kRdtsc,              "rdtsc",                  25,     1,    25, Unit::kMicrocode,  false, kUops},
    {kMsr,                "msr",                   100,     1,     0, Unit::kNone,       true,  kUncalibrated},
    {kControlRegister,    "control_register",       60,     1,     0, Unit::kNone,       true,  kUncalibrated},
    {kDescriptorTable,    "descriptor_table",       20,    20,     0, Unit::kNone,       true,  kUncalibrated},
    {kSegmentLoad,        "segment_load",           14,    14,    14, Unit::kMicrocode,  false, kFog},
    {kFarTransfer,        "far_transfer",           60,    60,     0, Unit::kNone,       true,  kUncalibrated},
    {kInterrupt,          "interrupt",              80,    80,     0, Unit::kNone,       true,  kUncalibrated},
    {kIret,               "iret",                   70,    70,     0, Unit::kNone,       true,  kUncalibrated},
    {kSyscall,            "syscall",                35,     1,     0, Unit::kNone,       true,  kUncalibrated},
    {kIo,                 "io",                    100,     1,     0, Unit::kNone,       true,  kUncalibrated},
    {kHlt,                "hlt",                    10,     1,     0, Unit::kNone,       true,  kUncalibrated},
    {kTlbInvalidate,      "tlb_invalidate",        120,   120,     0, Unit::kNone,       true,  kUncalibrated},
    {kCacheControl,       "cache_control",          60,    60,     0, Unit::kNone,       true,  kUncalibrated},
    {kVmx,                "vmx",                    50,    50,     0, Unit::kNone,       true,  kUncalibrated},
    {kXsave,              "xsave",                  60,    60,    60, Unit::kMicrocode,  false, kUncalibrated},
    {kRandom,             "random",                300,     1,   300, Unit::kMicrocode,  false, kUops},
    {kCrypto,             "crypto",                  4,     4,     1, Unit::kShuffle,    false, kUops},
}};
// clang-format on

// Every class has a row, in its place, with a name and a latency; occupancy means nothing without a unit.
constexpr bool complete() {
  for (unsigned i = 0; i < kCostClasses; ++i)
    if (static_cast<unsigned>(kTable[i].cost) != i || kTable[i].name.empty() || kTable[i].latency == 0 ||
        (kTable[i].unit == Unit::kNone && kTable[i].occupancy != 0))
      return false;
  return true;
}
static_assert(complete(), "each CostClass needs its row in kTable, in the order of the enumeration");

}  // namespace

const CostTable& default_cost_table() { return kTable; }

CostParameters::CostParameters() {
  for (unsigned i = 0; i < kCostClasses; ++i)
    row[i] = {kTable[i].cost, kTable[i].latency, kTable[i].after_load, kTable[i].occupancy};
}

void describe(CostNumbers& c, config::Visitor& v) {
  const std::string_view source = kTable[static_cast<unsigned>(c.cost)].source;
  v(c.latency,
    {"latency", "cycles", "issue to result, without a memory operand", source, config::between(1, 10000)});
  v(c.after_load,
    {"after_load", "cycles", "arrival of a memory operand to result", source, config::between(0, 10000)});
  v(c.occupancy,
    {"occupancy", "cycles", "for which the unit takes nothing else", source, config::between(0, 10000)});
}

void describe(CostParameters& c, config::Visitor& v) {
  for (unsigned i = 0; i < kCostClasses; ++i)
    v(c.row[i], {kTable[i].name, "", "cost of this class of instructions", kTable[i].source});
}

}  // namespace xensim::cpu
