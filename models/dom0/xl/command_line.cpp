#include "models/dom0/xl/command_line.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <optional>

namespace xensim::dom0::xl {

bool Invocation::has(char letter) const {
  return std::any_of(options.begin(), options.end(), [&](const Option& o) { return o.letter == letter; });
}

const std::string* Invocation::value(char letter) const {
  const std::string* found = nullptr;
  for (const Option& o : options)
    if (o.letter == letter) found = &o.value;
  return found;
}

bool split(std::string_view text, std::vector<std::string>& words) {
  words.clear();
  char quote = 0;
  bool open = false;  // a word has begun
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != '\'' && c == '\\' && i + 1 < text.size() &&
        (quote == 0 || text[i + 1] == '"' || text[i + 1] == '\\')) {
      if (!open) words.emplace_back();
      open = true;
      words.back() += text[++i];
    } else if (quote != 0) {
      if (c == quote)
        quote = 0;
      else
        words.back() += c;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      open = false;
    } else {
      if (!open) words.emplace_back();
      open = true;
      if (c == '\'' || c == '"')
        quote = c;
      else
        words.back() += c;
    }
  }
  return quote == 0;
}

namespace {

// One letter of a getopt string: 0 unknown, 1 a flag, 2 with a value.
int kind_of(std::string_view short_options, char letter) {
  if (letter == ':') return 0;
  const std::size_t at = short_options.find(letter);
  if (at == std::string_view::npos) return 0;
  return at + 1 < short_options.size() && short_options[at + 1] == ':' ? 2 : 1;
}

// getopt_long() with xl's messages. Options come first: xl scans its own options in getopt's strict order, and
// that stays in force for the verb's.
class Getopt {
 public:
  Getopt(const Verb& verb, Invocation& to, std::span<const std::string> words)
      : verb_(verb), to_(to), words_(words) {}

  // false: the answer says why not.
  bool run() {
    if (verb_.file_first && !words_.empty() && !words_[0].starts_with('-') &&
        words_[0].find('=') == std::string::npos)
      to_.arguments.push_back(words_[at_++]);
    for (; at_ < words_.size(); ++at_) {
      const std::string& word = words_[at_];
      if (word == "--") {
        ++at_;
        break;
      }
      if (word.size() < 2 || word[0] != '-') break;
      if (!(word[1] == '-' ? long_option(word) : letters(word))) return false;
    }
    to_.arguments.insert(to_.arguments.end(), words_.begin() + static_cast<std::ptrdiff_t>(at_), words_.end());
    if (to_.arguments.size() >= verb_.required) return true;
    to_.answer.complain("'xl %s' requires at least %u argument%s.\n\n", std::string(verb_.name).c_str(),
                        verb_.required, verb_.required > 1 ? "s" : "");
    to_.answer.write(false, help(verb_));
    to_.answer.status = 2;
    return false;
  }

 private:
  bool letters(const std::string& word) {
    for (std::size_t i = 1; i < word.size(); ++i) {
      const char letter = word[i];
      const int kind = kind_of(verb_.short_options, letter);
      if (kind == 0) return refuse(letter);
      if (letter == 'h') return refuse('h');
      if (kind == 1) {
        to_.options.push_back({letter, ""});
        continue;
      }
      if (i + 1 < word.size())
        to_.options.push_back({letter, word.substr(i + 1)});
      else if (at_ + 1 < words_.size())
        to_.options.push_back({letter, words_[++at_]});
      else
        return refuse(letter);
      break;
    }
    return true;
  }

  bool long_option(const std::string& word) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
    static constexpr LongOption kHelp{"help", 'h'};
    const LongOption* found = nullptr;
    unsigned matches = 0;
    const auto consider = [&](const LongOption& o) {
      if (!o.name.starts_with(name)) return;
      if (o.name == name) {
        found = &o;
        matches = 1;
      } else if (!found || found->name != name) {
        found = &o;
        ++matches;
      }
    };
    for (const LongOption& o : verb_.long_options) consider(o);
    consider(kHelp);
    // What getopt leaves in optopt for a long option that it does not know is 0.
    if (matches != 1) return refuse('\0');
    if (found->letter == 'h') return refuse('h');
    std::string value;
    if (!found->takes_value) {
      if (equals != std::string::npos) return refuse(found->letter);
    } else if (equals != std::string::npos) {
      value = word.substr(equals + 1);
    } else if (at_ + 1 < words_.size()) {
      value = words_[++at_];
    } else {
      return refuse(found->letter);
    }
    to_.options.push_back({found->letter, value});
    return true;
  }

  bool refuse(char letter) {
    if (letter == 'h') {
      to_.answer.write(false, help(verb_));
      return false;
    }
    to_.answer.write(true, std::string("option `").append(1, letter).append("' not supported.\n"));
    to_.answer.status = 2;
    return false;
  }

  const Verb& verb_;
  Invocation& to_;
  std::span<const std::string> words_;
  std::size_t at_ = 0;
};

// xl's own options, before the verb. Returns how many words they are; nullopt: refused.
std::optional<std::size_t> global_options(std::span<const std::string> words, Invocation& to) {
  std::size_t n = 0;
  for (; n < words.size() && words[n].size() > 1 && words[n][0] == '-'; ++n) {
    if (words[n] == "--") return n + 1;
    for (const char c : words[n].substr(1)) {
      if (c == 'N') to.dry_run = true;
      if (std::string_view("vftTN").find(c) != std::string_view::npos) continue;
      to.answer.write(true,
                      std::string("xl: invalid option -- '").append(1, c).append("'\nunknown global option\n"));
      to.answer.status = 1;
      return std::nullopt;
    }
  }
  return n;
}

}  // namespace

Invocation parse(std::string_view text) {
  Invocation to;
  to.command = text;
  std::vector<std::string> words;
  if (!split(text, words)) {
    to.answer.complain("a quote is open\n");
    to.answer.status = 2;
    return to;
  }
  const auto skipped = global_options(words, to);
  if (!skipped) return to;
  words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(*skipped));
  if (words.empty()) {
    to.answer.write(false, help());
    to.answer.status = 1;
    return to;
  }
  const Verb* verb = find_verb(words[0]);
  if (!verb && words[0] == "help") {
    const Verb* about = words.size() > 1 ? find_verb(words[1]) : nullptr;
    if (about)
      to.answer.write(false, help(*about));
    else if (words.size() < 2 || words[1] == "help")
      to.answer.write(false, help());
    else
      to.answer.print("command \"%s\" not implemented\n", words[1].c_str());
    return to;
  }
  if (!verb) {
    to.answer.complain("command not implemented\n");
    to.answer.status = 1;
    return to;
  }
  if (to.dry_run && !verb->can_dry_run) {
    to.answer.complain("command does not implement -N (dryrun) option\n");
    to.answer.status = 1;
    return to;
  }
  if (Getopt(*verb, to, std::span(words).subspan(1)).run()) to.verb = verb;
  return to;
}

long parse_number(const std::string& text, std::string& rest) {
  char* end = nullptr;
  const long n = std::strtol(text.c_str(), &end, 10);
  rest = end;
  return n;
}

std::int64_t parse_size_kib(const std::string& text) {
  char* end = nullptr;
  auto n = static_cast<std::uint64_t>(std::strtoll(text.c_str(), &end, 10));
  const std::string rest = end;
  if (rest.size() > 1) return -1;
  switch (rest.empty() ? 'm' : std::tolower(static_cast<unsigned char>(rest[0]))) {
    case 't':
      n <<= 30;
      break;
    case 'g':
      n <<= 20;
      break;
    case 'm':
      n <<= 10;
      break;
    case 'k':
      break;
    case 'b':
      return static_cast<std::int64_t>(n) >> 10;
    default:
      return -1;
  }
  return static_cast<std::int64_t>(n);
}

bool is_domid(const std::string& qualifier, unsigned& domid) {
  std::string rest;
  if (qualifier.empty()) return false;
  const long n = parse_number(qualifier, rest);
  if (!rest.empty()) return false;
  domid = static_cast<unsigned>(n);
  return true;
}

namespace {

bool digits_at(const std::string& text, std::size_t& at, unsigned long& n) {
  char* end = nullptr;
  errno = 0;
  n = std::strtoul(text.c_str() + at, &end, 10);
  const auto length = static_cast<std::size_t>(end - (text.c_str() + at));
  at += length;
  return length > 0 && n != ~0ul;
}

// "3", "0-3".
bool parse_range(const std::string& text, unsigned long& from, unsigned long& to) {
  std::size_t at = 0;
  if (!digits_at(text, at, from)) return false;
  to = from;
  if (at < text.size() && text[at] == '-' && (!digits_at(text, ++at, to) || to < from)) return false;
  return at == text.size();
}

}  // namespace

bool parse_cpus(const std::string& text, unsigned pcpus, std::vector<unsigned>& cpus, std::string& complaint) {
  std::vector<bool> in(pcpus);
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    std::string part = text.substr(at, comma - at);
    at = comma + 1;
    if (part.empty()) continue;
    bool exclude = false, nodes = false;
    if (part.starts_with('^')) {
      exclude = true;
      part.erase(0, 1);
    }
    for (const std::string_view prefix : {"node:", "nodes:"})
      if (part.starts_with(prefix)) {
        nodes = true;
        part.erase(0, prefix.size());
        break;
      }
    if (part == "all") {
      if (exclude) {
        complaint = "Can't combine \"^\" and \"all\".\n";
        return false;
      }
      in.assign(pcpus, true);
      continue;
    }
    unsigned long from = 0, to = 0;
    if (!parse_range(part, from, to)) {
      complaint = "Invalid pcpu range: " + part + ".\n";
      return false;
    }
    if (nodes) {
      if (from == 0) in.assign(pcpus, !exclude);
    } else {
      for (unsigned long p = from; p <= to && p < pcpus; ++p) in[p] = !exclude;
    }
  }
  cpus.clear();
  for (unsigned p = 0; p < pcpus; ++p)
    if (in[p]) cpus.push_back(p);
  return true;
}

}  // namespace xensim::dom0::xl
