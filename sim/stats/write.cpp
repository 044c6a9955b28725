#include "sim/stats/write.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "sim/base/error.h"

namespace xensim::stats {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "xensim-stats";
constexpr int kVersion = 1;

bool is_index(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string join(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

Json json_of(const Value& value) {
  if (auto* n = std::get_if<std::uint64_t>(&value)) return *n;
  if (auto* r = std::get_if<Ratio>(&value)) return to_string(*r);
  if (auto* t = std::get_if<std::string>(&value)) return *t;
  const Histogram& h = std::get<Histogram>(value);
  Json buckets = Json::object();
  for (unsigned i = 0; i < Histogram::kBuckets; ++i)
    if (h.buckets[i] != 0) buckets[std::to_string(Histogram::lowest_of(i))] = h.buckets[i];
  return {{"count", h.count}, {"sum", h.sum}, {"min", h.count ? h.min : 0}, {"max", h.max}, {"buckets", buckets}};
}

// pattern: the path with numbers as "*". A stat that means something else than its siblings gets a line of its
// own.
Json values(const Snapshot& s, const std::string& path, const std::string& pattern, Json& legend) {
  Json object = Json::object();
  auto explain = [&](const std::string& exact, const std::string& general, const Json& meaning) {
    if (!legend.contains(general))
      legend[general] = meaning;
    else if (legend[general] != meaning)
      legend[exact] = meaning;
  };
  for (const Stat& stat : s.stats) {
    object[stat.name] = json_of(stat.value);
    explain(join(path, stat.name), join(pattern, stat.name), {{"unit", stat.unit}, {"doc", stat.doc}});
  }
  for (const Snapshot& g : s.groups) {
    std::string exact = join(path, g.name), general = join(pattern, is_index(g.name) ? "*" : g.name);
    if (!g.doc.empty()) explain(exact, general, {{"doc", g.doc}});
    object[g.name] = values(g, exact, general, legend);
  }
  return object;
}

void text_of(const Snapshot& s, const std::string& path, std::string& out) {
  for (const Stat& stat : s.stats) {
    std::string name = join(path, stat.name), value, rest;
    if (auto* n = std::get_if<std::uint64_t>(&stat.value)) value = std::to_string(*n);
    if (auto* r = std::get_if<Ratio>(&stat.value)) value = to_string(*r);
    if (auto* t = std::get_if<std::string>(&stat.value)) value = *t;
    if (auto* h = std::get_if<Histogram>(&stat.value)) {
      value = std::to_string(h->count);
      if (h->count != 0)
        rest = " samples, mean " + to_string(Ratio{h->sum, h->count, 1}) + ", min " + std::to_string(h->min) +
               ", max " + std::to_string(h->max);
    }
    out += name + std::string(name.size() < 44 ? 44 - name.size() : 1, ' ');
    out.append(value.size() < 16 ? 16 - value.size() : 1, ' ');
    out += value;
    out += rest;
    if (!stat.unit.empty()) out += " " + stat.unit;
    if (!stat.doc.empty()) out += "  # " + stat.doc;
    out += "\n";
  }
  for (const Snapshot& g : s.groups) text_of(g, join(path, g.name), out);
}

using Flat = std::vector<std::pair<std::string, Json>>;

void flatten(const Json& j, const std::string& path, Flat& out) {
  if (!j.is_object()) {
    out.emplace_back(path, j);
    return;
  }
  for (const auto& [key, value] : j.items()) flatten(value, join(path, key), out);
}

Flat read(std::string_view text, const std::string& name) {
  Json j = Json::parse(text, nullptr, false);
  if (j.is_discarded() || !j.is_object() || j.value("format", Json()) != Json(kFormat) || !j.contains("stats") ||
      !j["stats"].is_object())
    throw UserError(name, "is no xensim statistics file", "give the stats.json of a run");
  if (j.value("version", Json()) != Json(kVersion))
    throw UserError(name, "has statistics of another version of xensim", "run again with this version");
  Flat flat;
  flatten(j["stats"], "", flat);
  return flat;
}

std::string shown(const Json& j) { return j.is_string() ? j.get<std::string>() : j.dump(); }

std::optional<__int128> integer(const Json& j) {
  if (j.is_number_unsigned()) return j.get<std::uint64_t>();
  if (j.is_number_integer()) return j.get<std::int64_t>();
  return std::nullopt;
}

std::string decimal(__int128 v, bool sign) {
  std::string digits;
  unsigned __int128 u = v < 0 ? -static_cast<unsigned __int128>(v) : static_cast<unsigned __int128>(v);
  do digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(u % 10)));
  while ((u /= 10) != 0);
  return (v < 0 ? "-" : sign ? "+" : "") + digits;
}

}  // namespace

bool is_under(std::string_view path, std::string_view under) {
  return under.empty() || (path.starts_with(under) && (path.size() == under.size() || path[under.size()] == '.'));
}

std::string to_json(const Snapshot& snapshot) {
  Json legend = Json::object();
  Json j = {{"format", kFormat}, {"version", kVersion}};
  j["stats"] = values(snapshot, "", "", legend);
  j["legend"] = std::move(legend);
  return j.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_text(const Snapshot& snapshot) {
  std::string out;
  text_of(snapshot, "", out);
  return out;
}

std::vector<Change> diff(std::string_view before, const std::string& before_name, std::string_view after,
                         const std::string& after_name) {
  Flat old_values = read(before, before_name), new_values = read(after, after_name);
  std::map<std::string, const Json*> old_by_path, new_by_path;
  for (const auto& [path, value] : old_values) old_by_path[path] = &value;
  for (const auto& [path, value] : new_values) new_by_path[path] = &value;
  std::vector<Change> changes;
  for (const auto& [path, value] : new_values) {
    auto it = old_by_path.find(path);
    if (it == old_by_path.end()) {
      changes.push_back({path, "", shown(value)});
      continue;
    }
    const Json& was = *it->second;
    if (was == value) continue;
    Change c{path, shown(was), shown(value)};
    if (auto a = integer(was), b = integer(value); a && b) {
      c.numeric = true;
      c.delta = *b - *a;
      if (*a != 0) {
        __int128 relative = c.delta * 10'000 / *a;
        c.per_ten_thousand = static_cast<std::int64_t>(std::clamp<__int128>(
            relative, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()));
      }
    }
    changes.push_back(c);
  }
  for (const auto& [path, value] : old_values)
    if (!new_by_path.contains(path)) changes.push_back({path, shown(value), ""});
  return changes;
}

std::string to_text(const std::vector<Change>& changes) {
  std::string out;
  for (const Change& c : changes) {
    out +=
        c.path + ": " + (c.before.empty() ? "(none)" : c.before) + " -> " + (c.after.empty() ? "(none)" : c.after);
    if (c.numeric) {
      out += " (" + decimal(c.delta, true);
      if (c.before != "0") {
        std::uint64_t size = c.per_ten_thousand < 0 ? -static_cast<std::uint64_t>(c.per_ten_thousand)
                                                    : static_cast<std::uint64_t>(c.per_ten_thousand);
        out += std::string(", ") + (c.per_ten_thousand < 0 ? "-" : "+") + to_string(Ratio{size, 100, 2}) + "%";
      }
      out += ")";
    }
    out += "\n";
  }
  return out;
}

}  // namespace xensim::stats
