// xenstored's write rate limit (wrl). A domain that writes while somebody else has a transaction open can starve
// that transaction: each such write costs credit. Credit comes at a rate that all domains share; what a domain may
// not save up goes to a reserve, from which others take. A domain in debt is not served until it has credit again.
#pragma once

#include <cstdint>

#include "models/dom0/xenstored/config.h"

namespace xensim::dom0 {

struct WriteCredit {
  std::int64_t credit = 0;  // in thousandths of a write
  std::uint64_t updated_ms = 0;
};

class WriteRate {
 public:
  explicit WriteRate(const StoreConfig& config) : config_(config) {}

  void add(WriteCredit& c, std::uint64_t now_ms);
  void remove(WriteCredit& c);
  void update(WriteCredit& c, std::uint64_t now_ms);
  void charge(WriteCredit& c, std::uint64_t now_ms);
  // In how many ms a domain in debt has paid.
  std::uint64_t wait_ms(const WriteCredit& c) const;

 private:
  const StoreConfig& config_;
  std::int64_t domains_ = 0;
  std::int64_t reserve_ = 0;
};

}  // namespace xensim::dom0
