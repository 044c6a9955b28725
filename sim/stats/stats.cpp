#include "sim/stats/stats.h"

#include <algorithm>

#include "sim/base/expects.h"

namespace xensim::stats {

Histogram operator-(const Histogram& a, const Histogram& b) {
  Histogram r;
  r.count = a.count - b.count;
  r.sum = a.sum - b.sum;
  for (unsigned i = 0; i < Histogram::kBuckets; ++i) {
    r.buckets[i] = a.buckets[i] - b.buckets[i];
    if (r.buckets[i] == 0) continue;
    r.min = std::min(r.min, std::max(a.min, Histogram::lowest_of(i)));
    r.max = std::max(r.max, std::min(a.max, Histogram::highest_of(i)));
  }
  return r;
}

std::string to_string(const Ratio& r) {
  unsigned __int128 scale = 1;
  unsigned decimals = std::min(r.decimals, 18u);
  for (unsigned i = 0; i < decimals; ++i) scale *= 10;
  unsigned __int128 scaled = r.denominator == 0 ? 0 : r.numerator * scale / r.denominator;
  std::string text = std::to_string(static_cast<std::uint64_t>(scaled / scale));
  if (decimals == 0) return text;
  std::string fraction = std::to_string(static_cast<std::uint64_t>(scaled % scale));
  return text + "." + std::string(decimals - fraction.size(), '0') + fraction;
}

const Value* Snapshot::find(std::string_view path) const {
  std::size_t dot = path.find('.');
  if (dot == std::string_view::npos) {
    for (const Stat& s : stats)
      if (s.name == path) return &s.value;
    return nullptr;
  }
  for (const Snapshot& g : groups)
    if (g.name == path.substr(0, dot)) return g.find(path.substr(dot + 1));
  return nullptr;
}

std::uint64_t Snapshot::number(std::string_view path) const {
  const Value* v = find(path);
  const std::uint64_t* n = v ? std::get_if<std::uint64_t>(v) : nullptr;
  return n ? *n : 0;
}

namespace {

Value difference(const Value& end, const Value& begin) {
  if (end.index() != begin.index()) return end;
  if (auto* e = std::get_if<std::uint64_t>(&end)) return *e - std::get<std::uint64_t>(begin);
  if (auto* e = std::get_if<Histogram>(&end)) return *e - std::get<Histogram>(begin);
  if (auto* e = std::get_if<Ratio>(&end)) {
    const Ratio& b = std::get<Ratio>(begin);
    return Ratio{e->numerator - b.numerator, e->denominator - b.denominator, e->decimals};
  }
  return end;
}

}  // namespace

Snapshot operator-(const Snapshot& end, const Snapshot& begin) {
  Snapshot r = end;
  for (Stat& s : r.stats)
    for (const Stat& b : begin.stats)
      if (b.name == s.name) s.value = difference(s.value, b.value);
  for (Snapshot& g : r.groups)
    for (const Snapshot& b : begin.groups)
      if (b.name == g.name) {
        g = g - b;
        break;
      }
  return r;
}

Group& Group::group(std::string_view name, std::string_view doc) {
  for (const std::unique_ptr<Group>& g : groups_)
    if (g->name_ == name) {
      if (g->doc_.empty()) g->doc_ = doc;
      return *g;
    }
  for (const Entry& e : entries_) expects(e.name != name);
  groups_.push_back(std::make_unique<Group>(std::string(name), std::string(doc)));
  return *groups_.back();
}

void Group::remove(std::string_view name) {
  std::erase_if(groups_, [&](const std::unique_ptr<Group>& g) { return g->name_ == name; });
}

void Group::insert(std::string_view name, std::string_view unit, std::string_view doc,
                   decltype(Entry::source) source) {
  // A dot would look like a group in a path.
  expects(!name.empty() && name.find('.') == std::string_view::npos);
  for (const Entry& e : entries_) expects(e.name != name);
  for (const std::unique_ptr<Group>& g : groups_) expects(g->name_ != name);
  entries_.push_back({std::string(name), std::string(unit), std::string(doc), std::move(source)});
}

void Group::add(std::string_view name, std::string_view unit, std::string_view doc, const std::uint64_t* value) {
  insert(name, unit, doc, value);
}
void Group::add(std::string_view name, std::string_view unit, std::string_view doc, const Histogram* value) {
  insert(name, unit, doc, value);
}
void Group::add(std::string_view name, std::string_view unit, std::string_view doc,
                std::function<std::uint64_t()> value) {
  insert(name, unit, doc, std::function<Value()>([f = std::move(value)] { return Value(f()); }));
}
void Group::add_ratio(std::string_view name, std::string_view unit, std::string_view doc,
                      std::function<Ratio()> value) {
  insert(name, unit, doc, std::function<Value()>([f = std::move(value)] { return Value(f()); }));
}
void Group::add_text(std::string_view name, std::string_view doc, std::function<std::string()> value) {
  insert(name, "", doc, std::function<Value()>([f = std::move(value)] { return Value(f()); }));
}

Snapshot Group::snapshot() const {
  Snapshot s{name_, doc_, {}, {}};
  for (const Entry& e : entries_) {
    Stat stat{e.name, e.unit, e.doc, std::uint64_t{0}};
    if (auto* number = std::get_if<const std::uint64_t*>(&e.source)) stat.value = **number;
    if (auto* histogram = std::get_if<const Histogram*>(&e.source)) stat.value = **histogram;
    if (auto* call = std::get_if<std::function<Value()>>(&e.source)) stat.value = (*call)();
    s.stats.push_back(std::move(stat));
  }
  for (const std::unique_ptr<Group>& g : groups_) s.groups.push_back(g->snapshot());
  return s;
}

}  // namespace xensim::stats
