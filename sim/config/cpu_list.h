// Lists of pCPUs as xl writes them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace xensim::config {

// "0-3,^1", "all", "5": the pCPUs it names, ascending, none twice. place: for messages. Throws UserError: syntax,
// a pCPU that the machine does not have, none left.
std::vector<unsigned> expand_cpus(std::string_view text, unsigned pcpus, const std::string& place);

}  // namespace xensim::config
