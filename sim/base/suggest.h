// The valid name that a mistyped one most likely meant, for messages.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace xensim {

// The candidate with the smallest edit distance (insertions, deletions, substitutions, swaps of neighbours;
// letters' case costs nothing), the first of equals; empty if none is near enough to be meant.
std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates);
// "did you mean \"ways\"?", or the list of the candidates if none is near and they are few, or nothing.
std::string suggestion(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace xensim
