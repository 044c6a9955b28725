#include "sim/config/cpu_list.h"

#include "sim/base/error.h"
#include "sim/config/settings_reader.h"

namespace xensim::config {

std::vector<unsigned> expand_cpus(std::string_view text, unsigned pcpus, const std::string& place) {
  std::vector<bool> in(pcpus);
  auto refuse = [&](const std::string& why, const std::string& mend = "write pCPUs like \"0-3,^1\" or \"all\"") {
    const std::string quoted = "\"" + std::string(text) + "\"";
    throw UserError(place, why.starts_with(quoted) ? why : quoted + ": " + why, mend);
  };
  bool first = true;
  for (std::string_view rest = text; first || !rest.empty();) {
    std::string_view part = rest.substr(0, rest.find(','));
    bool last = part.size() == rest.size();
    rest.remove_prefix(last ? rest.size() : part.size() + 1);
    if (!last && rest.empty()) refuse("ends in a comma");
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    bool exclude = part.starts_with('^');
    if (exclude) part.remove_prefix(1);
    // "^1" first means "all but 1", as in xl.
    if (exclude && first) in.assign(pcpus, true);
    first = false;
    std::uint64_t from = 0, to = 0;
    if (part == "all") {
      to = pcpus - 1;
    } else if (part == "none") {
      in.assign(pcpus, false);
      continue;
    } else if (part.starts_with("node")) {
      refuse("NUMA nodes are not modelled");
    } else {
      std::size_t dash = part.find('-');
      std::string_view low = part.substr(0, dash),
                       high = dash == std::string_view::npos ? low : part.substr(dash + 1);
      if (!parse_xl_number(low, from) || !parse_xl_number(high, to))
        refuse("\"" + std::string(part) + "\" is no pCPU");
      if (from > to) refuse("\"" + std::string(part) + "\" goes down");
    }
    if (to >= pcpus)
      refuse("the machine has no pCPU " + std::to_string(to),
             "use " + std::string(pcpus == 1 ? "0" : "0-" + std::to_string(pcpus - 1)));
    for (std::uint64_t p = from; p <= to; ++p) in[p] = !exclude;
  }
  std::vector<unsigned> out;
  for (unsigned p = 0; p < pcpus; ++p)
    if (in[p]) out.push_back(p);
  if (out.empty()) refuse("names no pCPU");
  return out;
}

}  // namespace xensim::config
