// The program's own messages (warnings, what it does), by spdlog to standard error. Results go to standard output,
// and errors that end the program are main()'s.
#pragma once

#include <string_view>

namespace xensim::tool {

void warn(std::string_view message);

}  // namespace xensim::tool
