// Any text as a domain file.
#include "sim/base/error.h"
#include "sim/config/cpu_list.h"
#include "sim/config/domain_config.h"
#include "tests/hostile/loaders/target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xensim::config;
  try {
    const XlFile file = parse_xl_cfg({reinterpret_cast<const char*>(data), size}, "input");
    const DomainConfig domain = read_domain_config(file);
    for (const std::string& text : domain.cpus) expand_cpus(text, 8, "input");
  } catch (const xensim::UserError&) {
  }
  return 0;
}
