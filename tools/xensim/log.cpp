#include "tools/xensim/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace xensim::tool {

namespace {

// No time and no colour: the same run says the same.
spdlog::logger& log() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>("xensim", std::make_shared<spdlog::sinks::stderr_sink_st>());
    made->set_pattern("%n: %l: %v");
    return made;
  }();
  return *logger;
}

}  // namespace

void warn(std::string_view message) { log().warn("{}", message); }

}  // namespace xensim::tool
