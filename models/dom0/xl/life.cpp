// create, destroy, shutdown, reboot.
#include "models/dom0/creation.h"
#include "models/dom0/ending.h"
#include "models/dom0/toolstack.h"
#include "models/dom0/xenstored/path.h"
#include "models/dom0/xl/handlers.h"
#include "models/xen/control/domain_control.h"
#include "sim/base/expects.h"

namespace xensim::dom0::xl {

using xen::ModelAction;

namespace {

constexpr int kErrorFail = -3, kErrorTimedout = -9, kErrorDomainNotFound = -21;

class CreateJob final : public Job {
 public:
  CreateJob(Context& c, bool paused) : creation_(c.toolstack, *c.spec, paused, c.out) {}
  ModelAction next(xen::Vcpu& vcpu, Cycles now) override { return creation_.next(vcpu, now); }

 private:
  Creation creation_;
};

class DestroyJob final : public Job {
 public:
  DestroyJob(Context& c, const Invocation& i) : c_(c), i_(i) {}

  ModelAction next(xen::Vcpu& vcpu, Cycles now) override {
    if (!started_) {
      started_ = true;
      return ModelAction::spend(c_.toolstack.config.verb_cycles);
    }
    if (!destruction_ && !begin()) return ModelAction::exit();
    return destruction_->next(vcpu, now);
  }

 private:
  bool begin() {
    c_.out.status = 1;
    const long domid = find_domain(c_, i_.arguments[0]);
    if (domid < 0) return false;
    if (domid == 0 && !i_.has('f')) {
      c_.out.complain(
          "Not destroying domain 0; use -f to force.\nThis can only be done when using a disaggregated "
          "hardware domain and toolstack.\n\n");
      return false;
    }
    xen::Domain* d = domain_of(c_, domid);
    if (!d || domid == 0) {
      refuse(domid, d != nullptr);
      return false;
    }
    destruction_ = std::make_unique<Destruction>(c_.toolstack, static_cast<domid_t>(domid), "destroyed");
    c_.out.status = 0;
    return true;
  }

  void refuse(long domid, bool is_dom0) {
    if (is_dom0) {
      c_.out.complain(
          "libxl: error: libxl_domain.c:1022:libxl__destroy_domid: xc_domain_pause failed: Invalid argument\n");
      c_.out.complain("destroy failed (rc=%d)\n", kErrorFail);
      return;
    }
    complain_of_absence(c_.out, static_cast<unsigned>(domid));
    c_.out.complain("destroy failed (rc=%d)\n", kErrorDomainNotFound);
  }

  Context& c_;
  const Invocation& i_;
  bool started_ = false;
  std::unique_ptr<Destruction> destruction_;
};

// shutdown and reboot: write the request, wait until the guest has taken it, and with -w until it is gone.
class ControlJob final : public Job {
 public:
  ControlJob(Context& c, const Invocation& i, bool reboot) : c_(c), i_(i), reboot_(reboot) {}

  ModelAction next(xen::Vcpu&, Cycles now) override {
    Toolstack& t = c_.toolstack;
    for (;;) switch (step_) {
        case Step::kBegin:
          step_ = Step::kChoose;
          return ModelAction::spend(t.config.verb_cycles);
        case Step::kChoose:
          if (!choose()) return ModelAction::exit();
          step_ = Step::kAsk;
          break;
        case Step::kAsk:
          if (at_ == domids_.size()) {
            if (waits() && !asked_.empty()) c_.out.complain("Waiting for %zu domains\n", asked_.size());
            step_ = waits() ? Step::kWait : Step::kDone;
            break;
          }
          if (!ask(domids_[at_])) return ModelAction::exit();
          deadline_ = t.hypervisor.from_now(t.hypervisor.cycles(t.config.control_timeout));
          step_ = Step::kAcknowledge;
          break;
        case Step::kAcknowledge: {
          const Answer a = answer(domids_[at_], now);
          if (a == Answer::kNone) return ModelAction::block(deadline_);
          if (a == Answer::kTimeout) return ModelAction::exit();
          asked_.push_back(domids_[at_++]);
          step_ = Step::kAsk;
          break;
        }
        case Step::kWait:
          report_deaths();
          if (!asked_.empty()) return ModelAction::block();
          step_ = Step::kDone;
          break;
        case Step::kDone:
          c_.out.status = 0;
          return ModelAction::exit();
      }
  }

 private:
  enum class Step : std::uint8_t { kBegin, kChoose, kAsk, kAcknowledge, kWait, kDone };
  enum class Answer : std::uint8_t { kNone, kTaken, kTimeout };

  unsigned waits() const {
    unsigned n = 0;
    for (const auto& o : i_.options) n += o.letter == 'w';
    return n;
  }

  bool choose() {
    c_.out.status = 1;
    if (i_.has('a')) {
      for (const auto& [domid, d] : c_.toolstack.hypervisor.domains)
        if (domid != 0) domids_.push_back(domid);
      return true;
    }
    if (i_.arguments.empty()) {
      c_.out.complain("You must specify -a or a domain id.\n\n");
      return false;
    }
    const long domid = find_domain(c_, i_.arguments[0]);
    if (domid >= 0) domids_.push_back(static_cast<unsigned>(domid));
    return domid >= 0;
  }

  bool ask(unsigned domid) {
    c_.out.complain(reboot_ ? "Rebooting domain %u\n" : "Shutting down domain %u\n", domid);
    ManagedDomain* m = managed_domain_of(c_, domid);
    if (m) {
      m->control = reboot_ ? "reboot" : "poweroff";
      c_.toolstack.xenstore.write(control_node(domid), m->control);
      c_.toolstack.xenstore.watch_path(control_node(domid), "xl");
      return true;
    }
    c_.out.complain("libxl: error: libxl_dom.c:37:libxl__domain_type: unable to get domain type for domid=%u\n",
                    domid);
    fail(kErrorFail);
    return false;
  }

  static std::string control_node(unsigned domid) { return domain_path(domid) + "/control/shutdown"; }

  void fail(int rc) { c_.out.complain("%s failed (rc=%d)\n", reboot_ ? "reboot" : "shutdown", rc); }

  // The guest takes the request by emptying the node; one that has gone cannot.
  Answer answer(unsigned domid, Cycles now) {
    ManagedDomain* m = c_.toolstack.managed(static_cast<domid_t>(domid));
    if (m && c_.toolstack.xenstore.read(control_node(domid)).value_or("-").empty()) m->control.clear();
    if (m && !m->control.empty() && now < deadline_) return Answer::kNone;
    c_.toolstack.xenstore.unwatch_path(control_node(domid), "xl");
    if (m && m->control.empty()) return Answer::kTaken;
    c_.out.complain(
        "libxl: error: libxl_domain.c:854:pvcontrol_cb: guest didn't acknowledge control request: %d\n",
        kErrorTimedout);
    fail(kErrorTimedout);
    return Answer::kTimeout;
  }

  void report_deaths() {
    std::erase_if(asked_, [&](unsigned domid) {
      const xen::Domain* d = c_.toolstack.hypervisor.find_domain(static_cast<domid_t>(domid));
      if (!d) {
        c_.out.complain("Domain %u has been destroyed\n", domid);
        return true;
      }
      if (!d->shutdown || waits() > 1) return false;
      c_.out.complain("Domain %u has been shut down, reason code %u\n", domid,
                      static_cast<unsigned>(*d->shutdown));
      return true;
    });
  }

  Context& c_;
  const Invocation& i_;
  const bool reboot_;
  Step step_ = Step::kBegin;
  std::vector<unsigned> domids_, asked_;
  std::size_t at_ = 0;
  Cycles deadline_ = 0;
};

}  // namespace

std::string check_create(const Invocation& i) {
  unsigned files = i.has('f');
  for (const std::string& a : i.arguments) files += a.find('=') == std::string::npos;
  if (files == 0) return "Config file not specified and none in save file";
  return files > 1 ? "it takes one configuration file" : "";
}

std::unique_ptr<Job> create(Context& c, const Invocation& i) {
  std::string file;
  if (const std::string* f = i.value('f')) file = *f;
  for (const std::string& a : i.arguments) {
    if (a.find('=') != std::string::npos) continue;
    if (!file.empty()) {
      c.out.write(false, help(*i.verb));
      c.out.status = 2;
      return nullptr;
    }
    file = a;
  }
  if (file.empty()) {
    c.out.complain("Config file not specified and none in save file\n");
    c.out.status = 6;
    return nullptr;
  }
  if (!i.has('q')) c.out.complain("Parsing config from %s\n", file.c_str());
  expects(c.spec.has_value());
  if (i.has('d') || i.has('n') || i.dry_run)
    c.out.write(i.has('d') && !i.has('n') && !i.dry_run, configuration(c.toolstack.spec(*c.spec)));
  if (i.has('n') || i.dry_run) {
    c.toolstack.outcome(*c.spec).state = DomainOutcome::State::kEnded;
    return nullptr;
  }
  return std::make_unique<CreateJob>(c, i.has('p'));
}

std::unique_ptr<Job> destroy(Context& c, const Invocation& i) { return std::make_unique<DestroyJob>(c, i); }

std::string check_shutdown(const Invocation& i) {
  return i.arguments.empty() && !i.has('a') ? "You must specify -a or a domain id." : "";
}

std::unique_ptr<Job> shutdown(Context& c, const Invocation& i) {
  return std::make_unique<ControlJob>(c, i, false);
}

std::unique_ptr<Job> reboot(Context& c, const Invocation& i) { return std::make_unique<ControlJob>(c, i, true); }

}  // namespace xensim::dom0::xl
