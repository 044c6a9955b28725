// xensim trace: what an xentrace file says, and its digest.
#include <boost/program_options.hpp>
#include <cstdio>
#include <iostream>

#include "sim/base/error.h"
#include "sim/base/units.h"
#include "sim/trace/reader.h"
#include "tools/xensim/command.h"
#include "tools/xensim/options.h"

namespace xensim::tool {

namespace po = boost::program_options;

int trace_command(std::span<const std::string> arguments) {
  bool help = false, digest = false;
  std::string file, frequency = "2.4GHz";
  po::options_description visible("Options");
  visible.add_options()("digest", po::bool_switch(&digest), "print only the digest that the run printed")(
      "frequency", po::value(&frequency)->value_name("HZ"), "of the trace's TSC (default 2.4GHz)")(
      "help,h", po::bool_switch(&help), "this text");
  po::options_description all;
  all.add(visible).add_options()("positional", po::value(&file));
  po::positional_options_description p;
  p.add("positional", 1);
  parse_options(arguments, all, p, "trace");
  if (help) {
    std::cout << "Usage: xensim trace FILE.xen [OPTION...]\n\n"
                 "Sums up an xentrace file, of xensim or of a real Xen: per vCPU the time in each runstate, VM "
                 "exits by\n"
                 "reason, hypercalls. For every record, use 'xenalyze --dump-all FILE.xen'.\n\n"
              << visible;
    return kOk;
  }
  if (file.empty()) throw UserError("xensim trace", "no file given", "usage: xensim trace FILE.xen");
  const std::uint64_t hz = parse_frequency(frequency, "--frequency");
  if (hz == 0) throw UserError("--frequency", "\"" + frequency + "\" is no frequency", "give 1Hz or more");
  const trace::TraceFile t = trace::read_trace_file(file);
  if (t.pcpus.empty())
    throw UserError(file, "holds no trace record",
                    "give a trace.xen that 'xensim run' wrote, or a file of xentrace");
  if (digest) {
    std::puts(trace::digest_of(t).c_str());
    return kOk;
  }
  std::fputs(trace::to_text(trace::summarise(t), hz).c_str(), stdout);
  return kOk;
}

}  // namespace xensim::tool
