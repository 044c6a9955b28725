// migrate: moves a domain to another host while it runs. xl_migrate.c, libxl_stream_write.c and xg_sr_save.c of
// Xen 4.17: starts `xl migrate-receive` there by ssh, sends the domain round by round, suspends it, sends the
// rest, and has the other end confirm and start it (protocol.h). Until the other end has confirmed, whatever fails
// leaves the domain running here.
#include <cerrno>
#include <cstring>
#include <optional>

#include "models/dom0/ending.h"
#include "models/dom0/migration/domain_sender.h"
#include "models/dom0/migration/migration_report.h"
#include "models/dom0/migration/precopy.h"
#include "models/dom0/migration/protocol.h"
#include "models/dom0/migration/remote_program.h"
#include "models/dom0/migration/suspension.h"
#include "models/dom0/toolstack.h"
#include "models/dom0/xl/handlers.h"
#include "models/dom0/xl/outgoing.h"

namespace xensim::dom0::xl {

using xen::ModelAction;
using Heard = RemoteProgram::Heard;

namespace {

constexpr int kErrorFail = -3, kErrorGuestTimedOut = -8;  // libxl's

class MigrateJob final : public Job {
 public:
  MigrateJob(Context& c, const Invocation& i) : c_(c), t_(c.toolstack), i_(i), host_(i.arguments[1]) {}
  ~MigrateJob() override {
    if (report_) set_suspending(c_, domid_, false);
  }
  MigrateJob(const MigrateJob&) = delete;
  MigrateJob& operator=(const MigrateJob&) = delete;

  ModelAction next(xen::Vcpu& vcpu, Cycles now) override {
    for (;;) {
      if (remote_) {
        if (const std::string text = remote_->messages(now); !text.empty()) c_.out.write(true, text);
        if (auto action = remote_->flush(now)) return *action;
      }
      if (auto action = step(vcpu, now)) return *action;
    }
  }

 private:
  enum class Step : std::uint8_t {
    kBegin,
    kOpen,
    kBanner,
    kRound,
    kSuspend,
    kLastRound,
    kReady,
    kReport,
    kStatus,
    kGivenBack,
    kChild,
    kDestroy,
    kDone
  };

  std::optional<ModelAction> step(xen::Vcpu& vcpu, Cycles now) {
    switch (step_) {
      case Step::kBegin:
        step_ = Step::kOpen;
        return ModelAction::spend(t_.config.verb_cycles);
      case Step::kOpen:
        return open(now);
      case Step::kBanner:
        return banner(now);
      case Step::kRound:
        return round(now);
      case Step::kSuspend:
        return suspend(now);
      case Step::kLastRound:
        return last_round(now);
      case Step::kReady:
        return ready(now);
      case Step::kReport:
        return report(now);
      case Step::kStatus:
        return status(now);
      case Step::kGivenBack:
        return given_back(now);
      case Step::kChild:
        return wait_for_child(now);
      case Step::kDestroy: {
        ModelAction action = destruction_->next(vcpu, now);
        if (action.kind != ModelAction::Kind::kExit) return action;
        c_.out.complain("Migration successful.\n");
        return finish(0, MigrationReport::Outcome::kMoved);
      }
      case Step::kDone:
        return ModelAction::exit();
    }
    return ModelAction::exit();
  }

  xen::Domain* domain() { return domain_of(c_, domid_); }
  domid_t domid() const { return static_cast<domid_t>(domid_); }
  Nanoseconds time() const { return t_.hypervisor.ns(t_.hypervisor.now()); }
  void mark(const std::string& what) {
    trace::Tracer& tracer = t_.hypervisor.tracer;
    tracer.mark(t_.hypervisor.here().pcpu->index, t_.hypervisor.now(),
                tracer.name_mark("migrate " + report_->domain + ": " + what));
  }

  std::optional<ModelAction> finish(int exit_status, MigrationReport::Outcome outcome) {
    c_.out.status = exit_status;
    report_->outcome = outcome;
    report_->ended = time();
    mark(std::string(name_of(outcome)));
    step_ = Step::kDone;
    return std::nullopt;
  }

  // --- Before anything is sent.

  std::optional<ModelAction> open(Cycles now) {
    c_.out.status = 1;
    step_ = Step::kDone;
    const long found = find_domain(c_, i_.arguments[0]);
    if (found < 0) return std::nullopt;
    std::optional<std::string> configuration = outgoing_configuration(c_, found, i_.value('C'), i_.has('D'));
    if (!configuration) return std::nullopt;
    configuration_ = std::move(*configuration);
    domid_ = found;
    report_ = t_.begin_migration(name_of_domain(), host_);
    report_->source_domid = domid();
    mark("begins");
    child_ = t_.make_pid();
    if (!reach()) return lose_preamble();
    std::string command = "migrate-receive";
    for (const char o : {'F', 'e'})
      if (i_.has(o) && !command.ends_with(" -e")) command += " -e";
    if (i_.has('\1')) command += " -d";
    if (i_.has('p')) command += " -p";
    remote_.emplace(t_.network->config(), t_.network->connect(now, host_, command, report_));
    step_ = Step::kBanner;
    return ModelAction::spend(t_.network->config().connect_cycles);
  }

  std::string name_of_domain() const { return t_.name_of(static_cast<unsigned>(domid_)).value_or(""); }

  // ssh, up to the moment at which it speaks to the other host. false: it has complained.
  bool reach() {
    const std::string* ssh = i_.value('s');
    if (ssh && *ssh != "ssh" && !ssh->ends_with("/ssh")) {
      c_.out.complain("sh: 1: %s: not found\n", (ssh->empty() ? host_ : *ssh).c_str());
      child_status_ = 127;
      return false;
    }
    child_status_ = 255;
    switch (t_.network ? t_.network->reach(host_) : Network::Reach::kUnknownHost) {
      case Network::Reach::kReachable:
        return true;
      case Network::Reach::kUnknownHost:
        c_.out.complain("ssh: Could not resolve hostname %s: Name or service not known\n", host_.c_str());
        return false;
      case Network::Reach::kNoLink:
        c_.out.complain("ssh: connect to host %s port 22: No route to host\n", host_.c_str());
        return false;
    }
    return false;
  }

  void truncated(const char* what) {
    c_.out.complain(
        "libxl: error: libxl_utils.c:505:libxl_read_exactly: file/stream truncated reading %s from migration "
        "receiver "
        "stream\n",
        what);
  }
  void unexpected(const char* what) {
    c_.out.complain(
        "migration receiver stream contained unexpected data instead of %s\n(command run was: exec ssh %s xl "
        "migrate-receive )\n",
        what, host_.c_str());
  }

  std::optional<ModelAction> lose_preamble() {
    truncated("banner");
    give_up("");
    return std::nullopt;
  }

  // Not yet: the action is to wait. Over, or something else: false, it has complained.
  std::optional<ModelAction> listen(Cycles now, std::string_view text, const char* what, bool& heard) {
    Cycles cycles = 0;
    heard = false;
    switch (remote_->hear(now, text, cycles)) {
      case Heard::kYes:
        heard = true;
        return ModelAction::spend(cycles);
      case Heard::kNotYet:
        return cycles > 0 ? ModelAction::spend(cycles) : remote_->wait();
      case Heard::kOther:
        unexpected(what);
        break;
      case Heard::kOver:
        say_broken(now);
        truncated(what);
        break;
    }
    return std::nullopt;
  }
  void say_broken(Cycles now) {
    if (remote_->broken(now) && !std::exchange(said_broken_, true))
      c_.out.complain("Timeout, server %s not responding.\n", host_.c_str());
  }

  std::optional<ModelAction> banner(Cycles now) {
    bool heard = false;
    auto action = listen(now, protocol::kBanner, "banner", heard);
    if (!heard) {
      if (!action) give_up("");
      return action;
    }
    send_header(c_, configuration_, "migration stream",
                [this](std::span<const std::uint8_t> bytes) { remote_->send(bytes); });
    if (!domain()) {
      what_ = "Failed to get domain info";
      fail_sending(now, ESRCH);
      return action;
    }
    set_suspending(c_, domid_, true);
    helper_ = t_.make_pid();
    sender_.emplace(t_.hypervisor, domid(),
                    DomainSender::Config{t_.config.copy_bytes_per_cycle, t_.managed(domid())->tsc_incarnation},
                    [this](std::span<const std::uint8_t> bytes) { remote_->send(bytes); });
    c_.out.complain("xc: info: Saving domain %ld, type x86 HVM\n", domid_);
    Cycles cycles = action->cycles;
    what_ = "Unable to allocate memory for dirty bitmaps, deferred pages and various batch buffers";
    if (!sender_->fits()) {
      fail_sending(now, ENOMEM);
    } else {
      cycles += sender_->begin();
      what_ = "Failed to enable logdirty: " + std::to_string(EINVAL) + ",0," + std::to_string(EINVAL);
      if (const long r = sender_->enable_log_dirty(); r != 0) fail_sending(now, static_cast<int>(-r));
    }
    if (step_ == Step::kBanner) {
      precopy_.emplace(t_.config.migration);
      sender_->send_all();
      begin_round();
      step_ = Step::kRound;
    }
    return ModelAction::spend(cycles);
  }

  // --- Rounds.

  void begin_round() {
    mark("round " + std::to_string(report_->rounds.size()));
    report_->rounds.emplace_back().began = time();
    if (report_->stats) add_round_stats(*report_, *report_->stats);
    bytes_before_ = sender_->bytes();
    pages_before_ = sender_->pages_sent();
  }
  void count_round() {
    MigrationReport::Round& r = report_->rounds.back();
    r.bytes = sender_->bytes() - bytes_before_;
    r.pages = sender_->pages_sent() - pages_before_;
    report_->bytes = sender_->bytes();
  }
  void end_round() {
    count_round();
    report_->rounds.back().ended = time();
  }

  // The other end, and the domain, are still there. What was sent so far is on its way.
  bool alive(Cycles now, const char* doing) {
    what_ = doing;
    if (!domain())
      fail_sending(now, ESRCH);
    else if (!remote_->writable(now))
      lose_helper(now);
    return step_ != Step::kChild;
  }

  std::optional<ModelAction> round(Cycles now) {
    if (!alive(now, "Failed to write page data to stream")) return std::nullopt;
    if (!sender_->round_over()) return ModelAction::spend(sender_->send_batch());
    end_round();
    if (!precopy_->another()) {
      suspension_.emplace(t_, domid(), c_.out);
      step_ = Step::kSuspend;
      return std::nullopt;
    }
    if (!ask_dirty(now)) return std::nullopt;
    precopy_->found(sender_->entries());
    begin_round();
    return ModelAction::spend(0);
  }

  bool ask_dirty(Cycles now) {
    what_ = "Failed to retrieve logdirty bitmap";
    const long r = sender_->send_dirty();
    if (r != 0) fail_sending(now, static_cast<int>(-r));
    return r == 0;
  }

  std::optional<ModelAction> suspend(Cycles now) {
    const Suspension::State state = suspension_->next(now);
    if (state == Suspension::State::kWaits) return ModelAction::block(suspension_->deadline());
    responded_ = suspension_->responded();
    suspension_.reset();
    if (state == Suspension::State::kFailed) {
      what_ = not_suspended(domain());
      fail_sending(now, 0);
      return std::nullopt;
    }
    mark("suspended");
    report_->suspended = time();
    if (!ask_dirty(now)) return std::nullopt;
    begin_round();
    step_ = Step::kLastRound;
    return ModelAction::spend(t_.xenstore_time());
  }

  std::optional<ModelAction> last_round(Cycles now) {
    if (!alive(now, "Failed to write page data to stream")) return std::nullopt;
    if (!sender_->round_over()) return ModelAction::spend(sender_->send_batch());
    end_round();
    report_->contents = contents_of(t_.hypervisor, *domain());
    const Cycles cycles = sender_->finish();
    report_->bytes = sender_->bytes();
    sender_.reset();
    step_ = Step::kReady;
    return ModelAction::spend(cycles);
  }

  // Before the guest has answered, libxl calls every failure of libxc's a time-out of the guest's, and xl then has
  // nothing to resume.
  void fail_sending(Cycles now, int error) {
    say_broken(now);
    complain_of_lost_stream(c_, domid_, what_, error, responded_);
    stop_sending(responded_ ? kErrorFail : kErrorGuestTimedOut);
  }

  // Nobody reads the stream any more: SIGPIPE ends the process that writes it, whatever the guest has answered.
  void lose_helper(Cycles now) {
    say_broken(now);
    c_.out.complain(
        "libxl: error: libxl_utils.c:505:libxl_read_exactly: file/stream truncated reading ipc msg header from "
        "domain %ld save/restore helper stdout pipe\n"
        "libxl: error: libxl_exec.c:127:libxl_report_child_exitstatus: domain %ld save/restore helper [%u] died "
        "due "
        "to fatal signal Broken pipe\n",
        domid_, domid_, helper_);
    stop_sending(kErrorFail);
  }

  // libxl_domain_suspend() has failed.
  void stop_sending(int rc) {
    c_.out.complain("migration sender: libxl_domain_suspend failed (rc=%d)\n", rc);
    if (sender_) {
      if (!report_->rounds.empty() && report_->rounds.back().ended == 0) count_round();
      sender_->abort();
    }
    sender_.reset();
    suspension_.reset();
    resume_after_ = rc == kErrorFail;
    give_up(resume_after_ ? "Migration failed, resuming at sender.\n"
                          : "Migration failed, failed to suspend at sender.\n");
  }

  // --- The handshake.

  std::optional<ModelAction> ready(Cycles now) {
    bool heard = false;
    auto action = listen(now, protocol::kReady, "ready message", heard);
    if (!heard) {
      if (action) return action;
      resume_after_ = true;
      give_up("Migration failed, resuming at sender.\n");
      return std::nullopt;
    }
    c_.out.complain("migration sender: Target has acknowledged transfer.\n");
    if (!domain()) return badly();
    t_.rename_domain(domid(), report_->domain + "--migratedaway");
    c_.out.complain("migration sender: Giving target permission to start.\n");
    remote_->send(protocol::kGo);
    mark("handed over");
    step_ = Step::kReport;
    return ModelAction::spend(action->cycles + t_.xenstore_time());
  }

  std::optional<ModelAction> report(Cycles now) {
    bool heard = false;
    auto action = listen(now, protocol::kReport, "success/failure report message", heard);
    if (!heard) return action ? action : badly();
    step_ = Step::kStatus;
    return action;
  }

  std::optional<ModelAction> status(Cycles now) {
    std::uint8_t code = 0;
    Cycles cycles = 0;
    const Heard heard = remote_->hear_byte(now, code, cycles);
    if (heard == Heard::kNotYet) return remote_->wait();
    if (heard == Heard::kOver) {
      say_broken(now);
      c_.out.complain(
          "libxl: error: libxl_utils.c:505:libxl_read_exactly: file/stream truncated reading success/failure "
          "status from "
          "migration ack stream\n");
      return badly();
    }
    if (code != 0) {
      c_.out.complain("migration sender: Target reports startup failure (status code %d).\n", code);
      step_ = Step::kGivenBack;
      return ModelAction::spend(cycles);
    }
    c_.out.complain("migration sender: Target reports successful startup.\n");
    destruction_ = std::make_unique<Destruction>(t_, domid(), "migrated to " + host_);
    step_ = Step::kDestroy;
    return ModelAction::spend(cycles);
  }

  std::optional<ModelAction> given_back(Cycles now) {
    bool heard = false;
    auto action = listen(now, protocol::kGo, "permission for sender to resume", heard);
    if (!heard) return action ? action : badly();
    c_.out.complain("migration sender: Trying to resume at our end.\n");
    if (domain()) t_.rename_domain(domid(), report_->domain);
    if (resume()) c_.out.complain("migration sender: Resumed OK.\n");
    c_.out.complain("Migration failed due to problems at target.\n");
    finish(1, MigrationReport::Outcome::kStayed);
    return ModelAction::spend(action->cycles + t_.xenstore_time());
  }

  bool resume() {
    xen::Domain* d = domain();
    set_suspending(c_, domid_, false);
    if (!d || !resume_domain(t_, *d, c_.out)) return false;
    if (report_->suspended != 0) report_->resumed = time();
    return true;
  }

  // --- The ways to fail.

  std::optional<ModelAction> badly() {
    c_.out.complain(
        "** Migration failed during final handshake **\n"
        "Domain state is now undefined !\n"
        "Please CHECK AT BOTH ENDS for running instances, before renaming and\n"
        " resuming at most one instance.  Two simultaneous instances of the domain\n"
        " would probably result in SEVERE DATA LOSS and it is now your\n"
        " responsibility to avoid that.  Sorry.\n");
    undefined_ = true;
    give_up("");
    return std::nullopt;
  }

  // Closes the connection; when ssh has ended, says so, and `last`; then the domain goes on if it stood still.
  void give_up(const char* last) {
    last_words_ = last;
    if (remote_) remote_->close(t_.hypervisor.now(), 0);
    child_deadline_ = t_.hypervisor.from_now(t_.hypervisor.cycles(t_.config.migration.child_timeout));
    step_ = Step::kChild;
  }

  std::optional<ModelAction> wait_for_child(Cycles now) {
    const std::optional<int> ended = remote_ ? remote_->exit_status(now) : child_status_;
    if (!ended && now < child_deadline_) {
      ModelAction wait = remote_->wait();
      wait.deadline = std::min(wait.deadline, child_deadline_);
      return wait;
    }
    if (!ended)
      c_.out.complain("migration child [%u] not exiting, no longer waiting (exit status will be unreported)\n",
                      child_);
    else if (*ended != 0)
      c_.out.complain(
          "libxl: info: libxl_exec.c:117:libxl_report_child_exitstatus: migration transport process [%u] exited "
          "with "
          "error status %d\n",
          child_, *ended);
    c_.out.write(true, last_words_);
    if (resume_after_) resume();
    finish(1, undefined_ ? MigrationReport::Outcome::kUndefined : MigrationReport::Outcome::kStayed);
    return ModelAction::spend(t_.xenstore_time());
  }

  Context& c_;
  Toolstack& t_;
  const Invocation& i_;
  const std::string host_;
  Step step_ = Step::kBegin;
  long domid_ = -1;
  std::string configuration_;
  std::shared_ptr<MigrationReport> report_;
  std::optional<RemoteProgram> remote_;
  std::optional<DomainSender> sender_;
  std::optional<Precopy> precopy_;
  std::optional<Suspension> suspension_;
  std::unique_ptr<Destruction> destruction_;
  std::uint64_t bytes_before_ = 0, pages_before_ = 0;  // the round under way
  bool responded_ = false, said_broken_ = false, resume_after_ = false, undefined_ = false;
  std::string what_, last_words_;
  unsigned child_ = 0, helper_ = 0;  // processes: ssh, and libxl's that runs libxc
  std::optional<int> child_status_;
  Cycles child_deadline_ = 0;
};

}  // namespace

std::unique_ptr<Job> migrate(Context& c, const Invocation& i) { return std::make_unique<MigrateJob>(c, i); }

}  // namespace xensim::dom0::xl
