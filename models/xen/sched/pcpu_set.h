// PcpuSet: a set of pCPUs, as Xen's cpumask. A fixed number of bits, so that a copy is cheap and needs no
// allocation.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/xen/sched/policy.h"
#include "sim/base/expects.h"

namespace xensim::xen::sched {

inline constexpr unsigned kMaxPcpus = 256;  // Xen's CONFIG_NR_CPUS on x86

class PcpuSet {
 public:
  PcpuSet() = default;
  explicit PcpuSet(const std::vector<PcpuId>& members) {
    for (const PcpuId p : members) add(p);
  }

  bool contains(PcpuId p) const { return p < kMaxPcpus && (words_[p / 64] >> (p % 64) & 1) != 0; }
  void add(PcpuId p) {
    expects(p < kMaxPcpus);
    words_[p / 64] |= std::uint64_t{1} << (p % 64);
  }
  void remove(PcpuId p) {
    if (p < kMaxPcpus) words_[p / 64] &= ~(std::uint64_t{1} << (p % 64));
  }
  bool empty() const { return words_ == decltype(words_){}; }
  unsigned size() const {
    unsigned n = 0;
    for (const std::uint64_t w : words_) n += static_cast<unsigned>(std::popcount(w));
    return n;
  }
  bool subset_of(const PcpuSet& o) const { return (*this - o).empty(); }
  bool intersects(const PcpuSet& o) const { return !(*this & o).empty(); }

  // The first member ≥ p.
  std::optional<PcpuId> from(PcpuId p) const {
    for (unsigned i = p / 64; i < words_.size(); ++i) {
      const std::uint64_t w = i == p / 64 ? words_[i] & (~std::uint64_t{0} << (p % 64)) : words_[i];
      if (w) return i * 64 + static_cast<unsigned>(std::countr_zero(w));
    }
    return std::nullopt;
  }
  std::optional<PcpuId> first() const { return from(0); }
  // The next member after p, going round.
  std::optional<PcpuId> cycle(PcpuId p) const {
    const auto next = from(p + 1);
    return next ? next : first();
  }
  // p itself if it is a member, else the next one.
  std::optional<PcpuId> self_or_cycle(PcpuId p) const { return contains(p) ? std::optional(p) : cycle(p); }

  friend PcpuSet operator&(PcpuSet a, const PcpuSet& b) {
    for (std::size_t i = 0; i < a.words_.size(); ++i) a.words_[i] &= b.words_[i];
    return a;
  }
  friend PcpuSet operator|(PcpuSet a, const PcpuSet& b) {
    for (std::size_t i = 0; i < a.words_.size(); ++i) a.words_[i] |= b.words_[i];
    return a;
  }
  friend PcpuSet operator-(PcpuSet a, const PcpuSet& b) {
    for (std::size_t i = 0; i < a.words_.size(); ++i) a.words_[i] &= ~b.words_[i];
    return a;
  }
  friend bool operator==(const PcpuSet&, const PcpuSet&) = default;

  // As Xen prints masks: "0-3,6".
  std::string text() const {
    std::string out;
    for (auto p = first(); p;) {
      PcpuId last = *p;
      while (contains(last + 1)) ++last;
      out += (out.empty() ? "" : ",") + std::to_string(*p) + (last == *p ? "" : "-" + std::to_string(last));
      p = from(last + 1);
    }
    return out;
  }

 private:
  std::array<std::uint64_t, kMaxPcpus / 64> words_{};
};

}  // namespace xensim::xen::sched
