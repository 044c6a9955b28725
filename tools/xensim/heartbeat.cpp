#include "tools/xensim/heartbeat.h"

#include <cstdio>
#include <string>

#include "sim/base/units.h"

namespace xensim::tool {

namespace {
// " web:r db:b"; in front of each name its host, if there are several.
std::string states(const machine::Machine& machine) {
  std::string text;
  for (const auto& [domid, d] : machine.hypervisor->domains) {
    if (domid == 0) continue;
    char state = 'b';
    for (const auto& v : d->vcpus)
      if (v->runstate == trace::Runstate::kRunning)
        state = 'r';
      else if (v->runstate == trace::Runstate::kRunnable && state != 'r')
        state = 'w';
    if (d->shutdown) state = 's';
    text += " " + (machine.host.empty() ? "" : machine.host + "/") + d->name + ":" + state;
  }
  return text;
}
}  // namespace

void Heartbeat::tick() {
  if (!on_ || (++calls_ & 1023) != 0) return;
  const auto now = std::chrono::steady_clock::now();
  const std::chrono::duration<double> passed = now - last_;
  if (passed.count() < 0.5) return;
  std::uint64_t n = 0;
  std::string domains;
  for (const machine::Machine* m : hosts_) {
    n += m->instructions();
    domains += states(*m);
  }
  std::fprintf(stderr, "\r\033[K[%.3f ms, %.1f MIPS]%s", static_cast<double>(hosts_.front()->now_ns()) / 1e6,
               static_cast<double>(n - last_instructions_) / passed.count() / 1e6, domains.c_str());
  std::fflush(stderr);
  shown_ = true;
  last_ = now;
  last_instructions_ = n;
}

void Heartbeat::clear() {
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
}

}  // namespace xensim::tool
