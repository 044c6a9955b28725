// top: xentop's table. The real xl runs xentop, which lives on a terminal: here, too, where the run has one (the
// prompt), and --batch prints one table after another as xentop does with that option.
#include <strings.h>

#include <algorithm>
#include <cinttypes>
#include <limits>
#include <map>
#include <utility>

#include "models/dom0/toolstack.h"
#include "models/dom0/xl/command_line.h"
#include "models/dom0/xl/handlers.h"
#include "models/xen/control/domain_control.h"

namespace xensim::dom0::xl {

namespace {

constexpr const char* kHead =
    "      NAME  STATE   CPU(sec) CPU(%)     MEM(k) MEM(%)  MAXMEM(k) MAXMEM(%) VCPUS NETS NETTX(k) NETRX(k) VBDS "
    "  "
    "VBD_OO   VBD_RD   VBD_WR  VBD_RSECT  VBD_WSECT SSID\n";

bool positive(const std::string* text, long& n) {
  std::string rest;
  n = text ? parse_number(*text, rest) : 0;
  return text && rest.empty() && n > 0;
}

class TopJob final : public Job {
 public:
  TopJob(Context& c, const Invocation& i) : c_(c) {
    long n = 0;
    live_ = !i.has('b');
    if (live_) iterations_ = std::numeric_limits<long>::max();
    if (positive(i.value('i'), n)) iterations_ = n;
    if (positive(i.value('d'), n)) delay_ = static_cast<Nanoseconds>(n) * 1'000'000'000;
  }

  xen::ModelAction next(xen::Vcpu&, Cycles now) override {
    xen::Hypervisor& hv = c_.toolstack.hypervisor;
    if (!started_) {
      started_ = true;
      return xen::ModelAction::spend(c_.toolstack.config.verb_cycles);
    }
    if (now < next_) return xen::ModelAction::block(next_);
    if (iterations_ == 0) return xen::ModelAction::exit();
    table(now);
    --iterations_;
    if (live_ && !c_.toolstack.draw(std::exchange(c_.out, Output{}).text())) iterations_ = 0;
    if (iterations_ == 0) return xen::ModelAction::hypercall();
    next_ = hv.from_now(hv.cycles(delay_));
    return xen::ModelAction::hypercall();
  }

 private:
  void table(Cycles now) {
    xen::Hypervisor& hv = c_.toolstack.hypervisor;
    const Nanoseconds t = hv.ns(now);
    const double ram = static_cast<double>(hv.memory.size() >> 10);
    c_.out.write(false, kHead);
    // xentop sorts by name, whatever the case of letters.
    std::vector<domid_t> order;
    for (const auto& [domid, d] : hv.domains) order.push_back(domid);
    std::stable_sort(order.begin(), order.end(), [&](domid_t a, domid_t b) {
      return strcasecmp(shown_name(c_.toolstack, a).c_str(), shown_name(c_.toolstack, b).c_str()) < 0;
    });
    for (const domid_t domid : order) {
      const xen::Domain* d = hv.find_domain(domid);
      if (!d) continue;
      const xen_domctl_getdomaininfo i = xen::control::domain_info(hv, *d);
      const auto flag = [&](bool on, char letter) { return on ? letter : '-'; };
      const bool over = (i.flags & XEN_DOMINF_shutdown) != 0;
      const bool crashed =
          over && (i.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask) == SHUTDOWN_crash;
      double percent = 0;
      if (const auto before = cpu_.find(domid); before != cpu_.end() && t > last_)
        percent = static_cast<double>(i.cpu_time - before->second) * 100 / static_cast<double>(t - last_);
      cpu_[domid] = i.cpu_time;
      const std::uint64_t kib = i.tot_pages << 2, most = i.max_pages << 2;
      c_.out.print("%10.10s %c%c%c%c%c%c %10" PRIu64 " %6.1f %10" PRIu64 " %6.1f ",
                   shown_name(c_.toolstack, domid).c_str(), flag(i.flags & XEN_DOMINF_dying, 'd'),
                   flag(over && !crashed, 's'), flag(i.flags & XEN_DOMINF_blocked, 'b'), flag(crashed, 'c'),
                   flag(i.flags & XEN_DOMINF_paused, 'p'), flag(i.flags & XEN_DOMINF_running, 'r'),
                   i.cpu_time / 1'000'000'000, percent, kib, static_cast<double>(kib) * 100 / ram);
      if (domid == 0)
        c_.out.print("%10s %9s ", "no limit", "n/a");
      else
        c_.out.print("%10" PRIu64 " %9.1f ", most, static_cast<double>(most) * 100 / ram);
      c_.out.print("%5u %4u %8u %8u %4u %8u %8u %8u %10u %10u %4u\n", i.max_vcpu_id + 1, 0u, 0u, 0u, 0u, 0u, 0u,
                   0u, 0u, 0u, i.ssidref);
    }
    last_ = t;
  }

  Context& c_;
  bool started_ = false, live_ = false;
  long iterations_ = 1;
  Nanoseconds delay_ = 3'000'000'000, last_ = 0;
  Cycles next_ = 0;
  std::map<domid_t, std::uint64_t> cpu_;
};

}  // namespace

namespace {
std::string wrong_delay(const Invocation& i) {
  long n = 0;
  return i.has('d') && !positive(i.value('d'), n) ? "--delay takes seconds" : "";
}
}  // namespace

std::string check_top(const Invocation& i) {
  long n = 0;
  if (!i.has('b')) return "there is no terminal; use top --batch --iterations=N";
  if (!positive(i.value('i'), n)) return "say how often: --iterations=N";
  return wrong_delay(i);
}

std::unique_ptr<Job> top(Context& c, const Invocation& i) {
  const bool live = c.toolstack.draw && !i.has('b');
  if (const std::string wrong = live ? wrong_delay(i) : check_top(i); !wrong.empty()) {
    c.out.complain("top: %s\n", wrong.c_str());
    c.out.status = 1;
    return nullptr;
  }
  return std::make_unique<TopJob>(c, i);
}

}  // namespace xensim::dom0::xl
