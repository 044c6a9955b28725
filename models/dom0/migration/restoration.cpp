#include "models/dom0/migration/restoration.h"

#include "models/dom0/creation.h"

namespace xensim::dom0 {

Restoration::State Restoration::make(Cycles& cycles) {
  const std::string& name = toolstack_.spec(options_.spec).name;
  switch (make_domain(toolstack_, options_.spec, out_, domid_, options_.domid)) {
    case Made::kYes:
      break;
    case Made::kNameTaken:
      complain_of_name(out_, domid_, name);
      return fail(cycles);
    case Made::kRefused:
      return fail(cycles);
    case Made::kDomidTaken:
      out_.complain(
          "libxl: error: libxl_create.c:711:libxl__domain_make: Domain %u:domain creation fail: File exists\n",
          domid_);
      out_.complain("libxl: error: libxl_create.c:1296:initiate_domain_create: Domain %u:cannot make domain: -3\n",
                    domid_);
      toolstack_.outcome(options_.spec).state = DomainOutcome::State::kEnded;
      step_ = Step::kOver;
      return State::kFailed;
    case Made::kNoMemory:
      out_.complain(
          "libxl: error: libxl_create.c:711:libxl__domain_make: Domain %u:domain creation fail: Cannot allocate "
          "memory\n",
          domid_);
      out_.complain("libxl: error: libxl_create.c:1296:initiate_domain_create: Domain %u:cannot make domain: -3\n",
                    domid_);
      return fail(cycles);
  }
  receiver_.emplace(toolstack_.hypervisor, domid_, toolstack_.config.copy_bytes_per_cycle, in_, out_);
  step_ = Step::kReceive;
  cycles = toolstack_.config.create_cycles + toolstack_.xenstore_time();
  return State::kMore;
}

Restoration::State Restoration::next(Cycles& cycles) {
  cycles = 0;
  xen::Domain* d = toolstack_.hypervisor.find_domain(domid_);
  switch (step_) {
    case Step::kMake:
      return make(cycles);
    case Step::kReceive: {
      const State state = receiver_->next(cycles);
      if (state == State::kFailed) {
        out_.complain(
            "libxl: error: libxl_create.c:1640:domcreate_rebuild_done: Domain %u:cannot (re-)build "
            "domain: -3\n",
            domid_);
        return fail(cycles);
      }
      if (state != State::kDone) return state;
      step_ = Step::kConnect;
      return State::kMore;
    }
    case Step::kConnect:
      if (!d) return fail(cycles);  // somebody has destroyed it meanwhile
      toolstack_.managed(domid_)->tsc_incarnation = receiver_->tsc_incarnation();
      connect_domain(toolstack_, *d);
      out_.complain(
          "xc: info: XenStore: mfn %#llx, dom %u, evt %llu\nxc: info: Console: mfn %#llx, dom 0, evt %llu\n",
          static_cast<unsigned long long>(d->hvm_params[HVM_PARAM_STORE_PFN]), toolstack_.xenstored.home(),
          static_cast<unsigned long long>(d->hvm_params[HVM_PARAM_STORE_EVTCHN]),
          static_cast<unsigned long long>(d->hvm_params[HVM_PARAM_CONSOLE_PFN]),
          static_cast<unsigned long long>(d->hvm_params[HVM_PARAM_CONSOLE_EVTCHN]));
      complete_domain(toolstack_, domid_, options_.paused, options_.monitored);
      step_ = Step::kOver;
      cycles = toolstack_.xenstore_time();
      return State::kDone;
    case Step::kOver:
      break;
  }
  return State::kFailed;
}

Restoration::State Restoration::fail(Cycles& cycles) {
  step_ = Step::kOver;
  cycles += drop_domain(toolstack_, options_.spec, domid_, out_);
  return State::kFailed;
}

void Restoration::abandon(Cycles& cycles) {
  cycles = 0;
  if (step_ == Step::kReceive || step_ == Step::kConnect) fail(cycles);
  step_ = Step::kOver;
}

}  // namespace xensim::dom0
