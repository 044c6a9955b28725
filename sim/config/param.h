// Parameters of the machine: what a configuration struct tells about its members.
//
// A configuration struct is plain data with default member initialisers (a default is stated once, there). Beside
// it, in the same namespace, one function lists its parameters:
//
//   struct CacheConfig {
//     unsigned ways = 8;
//     std::uint64_t size = 32 << 10;
//   };
//   inline void describe(CacheConfig& c, config::Visitor& v) {
//     v(c.ways, {"ways", "count", "associativity", "Intel optimization manual, table 2-13",
//     config::power_of_two(1, 64)}); v(c.size, {"size", "bytes", "capacity", "uncalibrated", config::between(4096,
//     1 << 30)});
//   }
//
// From that list come loading from JSON, writing back, `xensim params` and the JSON schema (sim/config/load.h).
// This header knows no JSON, so that a model that has parameters does not pay for the parser.
//
// Members may be: bool, any integer, Strong<> kinds, std::string, an enum with a function
// `std::span<const std::string_view> names_of(E)` found by argument-dependent lookup (the name of value i at index
// i), a struct with describe(), and std::optional, std::vector and std::map<std::string, …> of these.
//
// The unit also says which strings are accepted beside integers: "ns", "us", "ms" (durations: "10ms"), "Hz"
// ("2.4GHz"), "bit/s" ("10Gbit/s"), "bytes", "KiB", "MiB" (sizes: "64MiB"), "address" ("0x1000"). Other units
// ("count", "cycles", "instructions", "percent", …) take integers only.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "sim/base/strong.h"

namespace xensim::config {

// What values an integer parameter may take; also the length of a list.
struct Range {
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::uint64_t max = std::numeric_limits<std::uint64_t>::max();
  bool power_of_two = false;
  std::uint64_t multiple_of = 1;
};
constexpr Range between(std::int64_t min, std::uint64_t max) { return {min, max, false, 1}; }
constexpr Range at_least(std::int64_t min) { return {min, std::numeric_limits<std::uint64_t>::max(), false, 1}; }
constexpr Range power_of_two(std::int64_t min, std::uint64_t max) { return {min, max, true, 1}; }
constexpr Range multiple_of(std::uint64_t n, std::int64_t min, std::uint64_t max) { return {min, max, false, n}; }

struct ParamInfo {
  std::string_view name;  // the JSON key
  std::string_view unit;  // see above; "" for structs, strings, booleans, choices
  std::string_view doc;   // one line: what it is
  std::string_view
      source;  // where the default comes from; "uncalibrated"; "design" for what is a choice, not a cost
  Range range = {};
};

class Visitor;

template <class T>
concept Described = std::is_class_v<T> && requires(T& t, Visitor& v) {
  describe(t, v);
};
template <class T>
concept NamedEnum = std::is_enum_v<T> && requires(T e) {
  { names_of(e) } -> std::convertible_to<std::span<const std::string_view>>;
};

// --- Typed places in a struct, type-erased. Each is a view of the member; it lives as long as the call it is
// passed to.

class IntegerRef {
 public:
  virtual ~IntegerRef() = default;
  virtual __int128 get() const = 0;
  virtual void set(__int128 v) = 0;  // within limits
  virtual __int128 lowest() const = 0;
  virtual __int128 highest() const = 0;
};
class ChoiceRef {
 public:
  virtual ~ChoiceRef() = default;
  virtual std::span<const std::string_view> names() const = 0;
  virtual std::size_t get() const = 0;
  virtual void set(std::size_t index) = 0;
};
class StructRef {
 public:
  virtual ~StructRef() = default;
  virtual void visit(Visitor& v) = 0;
};
class OptionalRef {
 public:
  virtual ~OptionalRef() = default;
  virtual bool has() const = 0;
  virtual void set(bool present) = 0;                         // true: default value, if there is none yet
  virtual void visit(Visitor& v, const ParamInfo& info) = 0;  // has()
  virtual void visit_default(Visitor& v, const ParamInfo& info) = 0;
};
class ListRef {
 public:
  virtual ~ListRef() = default;
  virtual std::size_t size() const = 0;
  virtual void resize(std::size_t n) = 0;
  virtual void visit(std::size_t i, Visitor& v, const ParamInfo& info) = 0;
  virtual void visit_default(Visitor& v, const ParamInfo& info) = 0;
};
class MapRef {
 public:
  virtual ~MapRef() = default;
  virtual std::vector<std::string> keys() const = 0;                                  // ascending
  virtual void visit(const std::string& key, Visitor& v, const ParamInfo& info) = 0;  // adds the key if it is new
  virtual void visit_default(Visitor& v, const ParamInfo& info) = 0;
};

// One pass over a struct's parameters.
class Visitor {
 public:
  virtual ~Visitor() = default;
  template <class T>
  void operator()(T& member, const ParamInfo& info);

 protected:
  virtual void on_bool(bool& member, const ParamInfo& info) = 0;
  virtual void on_integer(IntegerRef& member, const ParamInfo& info) = 0;
  virtual void on_text(std::string& member, const ParamInfo& info) = 0;
  virtual void on_choice(ChoiceRef& member, const ParamInfo& info) = 0;
  virtual void on_struct(StructRef& member, const ParamInfo& info) = 0;
  virtual void on_optional(OptionalRef& member, const ParamInfo& info) = 0;
  virtual void on_list(ListRef& member, const ParamInfo& info) = 0;
  virtual void on_map(MapRef& member, const ParamInfo& info) = 0;
};

template <class T>
class StructRefTo final : public StructRef {
 public:
  explicit StructRefTo(T& t) : t_(t) {}
  void visit(Visitor& v) override { describe(t_, v); }

 private:
  T& t_;
};

namespace detail {

template <class T>
class IntegerRefTo final : public IntegerRef {
 public:
  explicit IntegerRefTo(T& t) : t_(t) {}
  __int128 get() const override { return t_; }
  void set(__int128 v) override { t_ = static_cast<T>(v); }
  __int128 lowest() const override { return std::numeric_limits<T>::min(); }
  __int128 highest() const override { return std::numeric_limits<T>::max(); }

 private:
  T& t_;
};

template <class E>
class ChoiceRefTo final : public ChoiceRef {
 public:
  explicit ChoiceRefTo(E& e) : e_(e) {}
  std::span<const std::string_view> names() const override { return names_of(e_); }
  std::size_t get() const override { return static_cast<std::size_t>(e_); }
  void set(std::size_t index) override { e_ = static_cast<E>(index); }

 private:
  E& e_;
};

template <class T>
class OptionalRefTo final : public OptionalRef {
 public:
  explicit OptionalRefTo(std::optional<T>& o) : o_(o) {}
  bool has() const override { return o_.has_value(); }
  void set(bool present) override {
    if (!present) o_.reset();
    if (present && !o_) o_.emplace();
  }
  void visit(Visitor& v, const ParamInfo& info) override { v(*o_, info); }
  void visit_default(Visitor& v, const ParamInfo& info) override {
    T t{};
    v(t, info);
  }

 private:
  std::optional<T>& o_;
};

template <class T>
class ListRefTo final : public ListRef {
 public:
  explicit ListRefTo(std::vector<T>& l) : l_(l) {}
  std::size_t size() const override { return l_.size(); }
  void resize(std::size_t n) override { l_.resize(n); }
  void visit(std::size_t i, Visitor& v, const ParamInfo& info) override { v(l_[i], info); }
  void visit_default(Visitor& v, const ParamInfo& info) override {
    T t{};
    v(t, info);
  }

 private:
  std::vector<T>& l_;
};

template <class T>
class MapRefTo final : public MapRef {
 public:
  explicit MapRefTo(std::map<std::string, T>& m) : m_(m) {}
  std::vector<std::string> keys() const override {
    std::vector<std::string> r;
    for (const auto& [key, value] : m_) r.push_back(key);
    return r;
  }
  void visit(const std::string& key, Visitor& v, const ParamInfo& info) override { v(m_[key], info); }
  void visit_default(Visitor& v, const ParamInfo& info) override {
    T t{};
    v(t, info);
  }

 private:
  std::map<std::string, T>& m_;
};

template <class T>
struct IsStrong : std::false_type {};
template <class Tag>
struct IsStrong<Strong<Tag>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsList : std::false_type {};
template <class T>
struct IsList<std::vector<T>> : std::true_type {};
template <class T>
struct IsMap : std::false_type {};
template <class T>
struct IsMap<std::map<std::string, T>> : std::true_type {};
template <class T>
inline constexpr bool kNoSuchParameterType = false;

}  // namespace detail

template <class T>
void Visitor::operator()(T& member, const ParamInfo& info) {
  if constexpr (std::is_same_v<T, bool>) {
    on_bool(member, info);
  } else if constexpr (std::is_integral_v<T>) {
    detail::IntegerRefTo<T> ref(member);
    on_integer(ref, info);
  } else if constexpr (detail::IsStrong<T>::value) {
    detail::IntegerRefTo<std::uint64_t> ref(member.value);
    on_integer(ref, info);
  } else if constexpr (std::is_same_v<T, std::string>) {
    on_text(member, info);
  } else if constexpr (NamedEnum<T>) {
    detail::ChoiceRefTo<T> ref(member);
    on_choice(ref, info);
  } else if constexpr (detail::IsOptional<T>::value) {
    detail::OptionalRefTo<typename T::value_type> ref(member);
    on_optional(ref, info);
  } else if constexpr (detail::IsList<T>::value) {
    detail::ListRefTo<typename T::value_type> ref(member);
    on_list(ref, info);
  } else if constexpr (detail::IsMap<T>::value) {
    detail::MapRefTo<typename T::mapped_type> ref(member);
    on_map(ref, info);
  } else if constexpr (Described<T>) {
    StructRefTo<T> ref(member);
    on_struct(ref, info);
  } else {
    static_assert(detail::kNoSuchParameterType<T>, "a parameter of this type needs describe() or names_of()");
  }
}

}  // namespace xensim::config
