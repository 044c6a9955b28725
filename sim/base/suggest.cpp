#include "sim/base/suggest.h"

#include <algorithm>
#include <vector>

namespace xensim {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t substitute = last[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, substitute});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates) {
  if (name.size() > 100) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, name.size() / 3) + 1;
  for (std::string_view c : candidates)
    if (std::size_t d = distance(name, c); d < best_distance) {
      best = c;
      best_distance = d;
    }
  return best;
}

std::string suggestion(std::string_view name, std::span<const std::string_view> candidates) {
  if (std::string_view n = nearest(name, candidates); !n.empty())
    return "did you mean \"" + std::string(n) + "\"?";
  if (candidates.empty() || candidates.size() > 12) return {};
  std::string list = "valid:";
  for (std::string_view c : candidates) list += (list.back() == ':' ? " " : ", ") + std::string(c);
  return list;
}

}  // namespace xensim
