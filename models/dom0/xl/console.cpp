// console: what the domain has written to its console since somebody looked last. As the real one with nothing to
// read, it ends when it has shown that; on a terminal the prompt of `xensim shell` goes on with the console
// itself.
#include "models/dom0/toolstack.h"
#include "models/dom0/xl/handlers.h"

namespace xensim::dom0::xl {

namespace {

bool known_type(const std::string& type) { return type == "pv" || type == "serial" || type == "vuart"; }

class ConsoleJob final : public Job {
 public:
  ConsoleJob(Context& c, const Invocation& i) : c_(c), i_(i) {}

  xen::ModelAction next(xen::Vcpu&, Cycles) override {
    if (!started_) {
      started_ = true;
      return xen::ModelAction::spend(c_.toolstack.config.verb_cycles);
    }
    c_.out.status = 1;
    if (const std::string* t = i_.value('t'); t && !known_type(*t)) {
      c_.out.complain("console type supported are: pv, serial, vuart\n");
      return xen::ModelAction::exit();
    }
    const long domid = find_domain(c_, i_.arguments[0]);
    if (domid < 0) return xen::ModelAction::exit();
    const std::string* type = i_.value('t');
    const bool primary = (!type || *type == "pv") && (!i_.has('n') || *i_.value('n') == "0");
    if (domid == 0 || domid > 0xffff || !primary || !c_.toolstack.managed(static_cast<domid_t>(domid))) {
      c_.out.complain("xenconsole: Could not read tty from store: No such file or directory\n");
      return xen::ModelAction::exit();
    }
    c_.out.write(false, c_.toolstack.console.take_unread(static_cast<domid_t>(domid)));
    c_.out.status = 0;
    return xen::ModelAction::exit();
  }

 private:
  Context& c_;
  const Invocation& i_;
  bool started_ = false;
};

}  // namespace

std::string check_console(const Invocation& i) {
  const std::string* type = i.value('t');
  return type && !known_type(*type) ? "console type supported are: pv, serial, vuart" : "";
}

std::unique_ptr<Job> console(Context& c, const Invocation& i) { return std::make_unique<ConsoleJob>(c, i); }

}  // namespace xensim::dom0::xl
