// Statistics: values with a name, a unit and a description, in a tree of groups.
//
// A model counts in plain members (std::uint64_t, Counter, Histogram) and registers them once with a Group;
// counting costs an increment, nothing else. A Snapshot is the tree's values at one moment; snapshots subtract, so
// a region of interest is end − begin. Writers: sim/stats/write.h. Order is the order of registration; everything
// is an integer, and a quotient is printed as a fixed decimal by integer arithmetic, so that the same run gives
// the same bytes.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace xensim::stats {

// A number that only grows. A std::uint64_t does as well; this one says what it is for.
struct Counter {
  std::uint64_t value = 0;

  Counter& operator++() {
    ++value;
    return *this;
  }
  Counter& operator+=(std::uint64_t n) {
    value += n;
    return *this;
  }
  friend std::uint64_t operator-(Counter a, Counter b) { return a.value - b.value; }
};

// Samples in buckets by powers of two: bucket 0 holds the value 0, bucket k the values 2^(k−1) … 2^k − 1.
// Count, sum, minimum and maximum are exact.
struct Histogram {
  static constexpr unsigned kBuckets = 65;

  std::array<std::uint64_t, kBuckets> buckets{};
  std::uint64_t count = 0;
  std::uint64_t sum = 0;  // modulo 2^64
  std::uint64_t min = ~std::uint64_t{0};
  std::uint64_t max = 0;

  static constexpr unsigned bucket_of(std::uint64_t v) {
    return static_cast<unsigned>(64 - __builtin_clzll(v | 1)) - (v == 0);
  }
  static constexpr std::uint64_t lowest_of(unsigned bucket) {
    return bucket == 0 ? 0 : std::uint64_t{1} << (bucket - 1);
  }
  static constexpr std::uint64_t highest_of(unsigned bucket) {
    return bucket == 0 ? 0 : ~std::uint64_t{0} >> (64 - bucket);
  }

  void sample(std::uint64_t v) {
    ++buckets[bucket_of(v)];
    ++count;
    sum += v;
    if (v < min) min = v;
    if (v > max) max = v;
  }
  // The samples taken between b and a. Minimum and maximum of an interval are known to a bucket's edge only, and
  // are the tightest that a's own allow.
  friend Histogram operator-(const Histogram& a, const Histogram& b);
  friend bool operator==(const Histogram&, const Histogram&) = default;
};

// A quotient that is kept as its two integers until it is printed, with `decimals` digits (rounded down).
struct Ratio {
  std::uint64_t numerator = 0;
  std::uint64_t denominator = 0;
  unsigned decimals = 3;
  friend bool operator==(const Ratio&, const Ratio&) = default;
};
// "1.234"; "0.000" when the denominator is 0. Exact: integer arithmetic.
std::string to_string(const Ratio& r);

// A text is a fact, not a measurement (a domain's name, why it ended): differences keep the newer one.
using Value = std::variant<std::uint64_t, Histogram, Ratio, std::string>;

struct Stat {
  std::string name, unit, doc;
  Value value;
};

// The values of a group at one moment, sub-groups after stats, each in order of registration.
struct Snapshot {
  std::string name, doc;
  std::vector<Stat> stats;
  std::vector<Snapshot> groups;

  // The value at "pcpu.0.l1d.hits"; nullptr if there is none.
  const Value* find(std::string_view path) const;
  // As find, for a plain number; 0 if there is none.
  std::uint64_t number(std::string_view path) const;
};
// Per path, end − begin; what begin does not have counts from zero.
Snapshot operator-(const Snapshot& end, const Snapshot& begin);

class Group {
 public:
  explicit Group(std::string name = "", std::string doc = "") : name_(std::move(name)), doc_(std::move(doc)) {}
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  // The sub-group of that name, made if there is none. References stay valid.
  Group& group(std::string_view name, std::string_view doc = "");
  // group(name).group("3"), for what there are several of.
  Group& group(std::string_view name, unsigned index) { return group(name).group(std::to_string(index)); }
  // Removes a sub-group (its owner goes away; what it counted is gone with it).
  void remove(std::string_view name);

  // Registration. A name is unique in its group. What is pointed to must outlive the group or its last snapshot.
  void add(std::string_view name, std::string_view unit, std::string_view doc, const std::uint64_t* value);
  void add(std::string_view name, std::string_view unit, std::string_view doc, const Counter* value) {
    add(name, unit, doc, &value->value);
  }
  void add(std::string_view name, std::string_view unit, std::string_view doc, const Histogram* value);
  void add(std::string_view name, std::string_view unit, std::string_view doc,
           std::function<std::uint64_t()> value);
  void add_ratio(std::string_view name, std::string_view unit, std::string_view doc, std::function<Ratio()> value);
  void add_text(std::string_view name, std::string_view doc, std::function<std::string()> value);

  const std::string& name() const { return name_; }
  Snapshot snapshot() const;

 private:
  struct Entry {
    std::string name, unit, doc;
    std::variant<const std::uint64_t*, const Histogram*, std::function<Value()>> source;
  };
  void insert(std::string_view name, std::string_view unit, std::string_view doc, decltype(Entry::source) source);

  std::string name_, doc_;
  std::vector<Entry> entries_;
  std::vector<std::unique_ptr<Group>> groups_;
};

}  // namespace xensim::stats
