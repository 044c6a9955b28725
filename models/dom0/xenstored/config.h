// Parameters of the store: quotas and the write rate limit, as xenstored's command line has them.
#pragma once

#include <cstdint>

#include "sim/config/param.h"

namespace xensim::dom0 {

struct StoreConfig {
  // Quotas of a domain that is neither domain 0 nor the privileged one.
  std::uint32_t nodes = 1000;
  std::uint32_t watches = 128;
  std::uint32_t transactions = 10;
  std::uint32_t outstanding = 20;
  std::uint32_t transaction_nodes = 1024;
  std::uint32_t memory = 2560 << 10;
  std::uint32_t memory_soft = 2048 << 10;
  std::uint32_t node_size = 2048;
  std::uint32_t permissions = 5;
  // Of every client.
  std::uint32_t path_max = 2048;
  std::uint32_t watch_event_timeout = 20'000;
  // Writes while transactions of others are open.
  std::uint32_t write_rate = 200, write_burst = 10, write_reserve = 1000;
};
void describe(StoreConfig& c, config::Visitor& v);

}  // namespace xensim::dom0
