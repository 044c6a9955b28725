// Command lines of xl: a text into words as a shell does, words into an Invocation as xl's getopt does.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/dom0/xl/verb.h"

namespace xensim::dom0::xl {

// Words are separated by blanks; 'single quotes', "double quotes" and backslashes protect. false: a quote is open.
bool split(std::string_view text, std::vector<std::string>& words);

// text: what follows "xl" on the command line. Never fails: what xl would refuse is in the result's answer, with
// xl's exit status.
Invocation parse(std::string_view text);

// The size that mem-set and mem-max take ("96", "64m", "1g"), in KiB; -1: none.
std::int64_t parse_size_kib(const std::string& text);

// As strtol(…, 10). end: what follows the number; equal to the whole text if there is none.
long parse_number(const std::string& text, std::string& rest);

// The name or the number of a domain: a number if all of it is one.
bool is_domid(const std::string& qualifier, unsigned& domid);

// "0-3,^1", "all", "nodes:0" as xl vcpu-pin takes them, for a host of `pcpus` in one node; what is said if it is
// none. pCPUs that the host lacks are ignored.
bool parse_cpus(const std::string& text, unsigned pcpus, std::vector<unsigned>& cpus, std::string& complaint);

}  // namespace xensim::dom0::xl
