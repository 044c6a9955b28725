#include "models/xen/vmexit/vmce.h"

namespace xensim::xen {

namespace {

constexpr std::uint32_t kMcgCap = 0x179, kMcgStatus = 0x17a, kMcgCtl = 0x17b, kMc0Ctl2 = 0x280, kMc0Ctl = 0x400;
constexpr std::uint32_t kCtl = 0;  // of a bank's four registers; then STATUS, ADDR, MISC
// MCG_CAP: software error recovery, threshold-based status, and the banks.
constexpr std::uint64_t kGuestMcgCap = 1u << 24 | 1u << 11 | Vmce::kBanks;
constexpr std::uint64_t kCtl2Writable = 1ull << 30 | 0x7fff;  // CMCI enable, threshold

bool bank_register(std::uint32_t msr) { return msr >= kMc0Ctl && msr < kMc0Ctl + 4 * Vmce::kBanks; }
bool control2(std::uint32_t msr) { return msr >= kMc0Ctl2 && msr < kMc0Ctl2 + Vmce::kBanks; }

}  // namespace

std::optional<bool> Vmce::read(std::uint32_t msr, std::uint64_t& value) const {
  if (msr == kMcgCap) {
    value = kGuestMcgCap;
    return true;
  }
  if (msr == kMcgStatus) {
    value = mcg_status;
    return true;
  }
  if (msr == kMcgCtl) return false;  // MCG_CAP has no MCG_CTL_P
  if (control2(msr)) {
    value = ctl2[msr - kMc0Ctl2];
    return true;
  }
  if (!bank_register(msr)) return std::nullopt;
  value = msr % 4 == kCtl ? ~std::uint64_t{0} : 0;
  return true;
}

std::optional<bool> Vmce::write(std::uint32_t msr, std::uint64_t value) {
  if (msr == kMcgCap || msr == kMcgCtl) return false;
  if (msr == kMcgStatus) {
    mcg_status = value;
    return true;
  }
  if (control2(msr)) {
    ctl2[msr - kMc0Ctl2] = value & kCtl2Writable;
    return true;
  }
  if (!bank_register(msr)) return std::nullopt;
  // All errors are reported, say the controls whatever is written; the others take a 0, which clears them.
  return msr % 4 == kCtl || value == 0;
}

}  // namespace xensim::xen
