// migrate-receive: what `xl migrate` starts at the other host. Takes the domain under the name NAME--incoming,
// asks for permission, gives it its name, and starts it (protocol.h). migrate_receive() of xl_migrate.c in
// Xen 4.17.
//
// Its standard error is the sender's, by ssh, and goes to this host's xl.log as well.
#include <optional>

#include "models/dom0/ending.h"
#include "models/dom0/migration/migration_report.h"
#include "models/dom0/migration/protocol.h"
#include "models/dom0/migration/remote_program.h"
#include "models/dom0/migration/restoration.h"
#include "models/dom0/toolstack.h"
#include "models/dom0/xl/handlers.h"
#include "models/dom0/xl/saved_config.h"
#include "models/xen/control/domain_control.h"
#include "sim/base/error.h"

namespace xensim::dom0::xl {

using xen::ModelAction;
using Heard = RemoteProgram::Heard;

namespace {

constexpr int kErrorFail = -3, kErrorInval = -6;  // libxl's
constexpr const char* kSource = "<incoming migration stream>";

class ReceiveJob final : public Job {
 public:
  ReceiveJob(Context& c, const Invocation& i)
      : c_(c),
        t_(c.toolstack),
        i_(i),
        remote_(t_.network->config(), std::move(c.incoming->connection)),
        report_(c.incoming->report),
        in_(kSource) {}

  ModelAction next(xen::Vcpu& vcpu, Cycles now) override {
    for (;;) {
      remote_.forward(now, c_.out);
      if (auto action = remote_.flush(now)) return *action;
      try {
        if (auto action = step(vcpu, now)) return *action;
      } catch (const StreamError& e) {
        c_.out.write(true, e.what());
        creation_failed();
      } catch (const UserError& e) {
        c_.out.complain("%s\n", e.what());
        creation_failed();
      }
    }
  }

 private:
  enum class Step : std::uint8_t {
    kBegin,
    kBanner,
    kHeader,
    kConfiguration,
    kRestore,
    kGo,
    kReport,
    kDestroy,
    kClose,
    kDone
  };

  std::optional<ModelAction> step(xen::Vcpu& vcpu, Cycles now) {
    switch (step_) {
      case Step::kBegin:
        step_ = Step::kBanner;
        return ModelAction::spend(t_.network->config().connect_cycles + t_.config.verb_cycles);
      case Step::kBanner:
        c_.out.status = 1;
        c_.out.complain("migration target: Ready to receive domain.\n");
        remote_.send(protocol::kBanner);
        step_ = Step::kHeader;
        return std::nullopt;
      case Step::kHeader:
        header_ = in_.xl_header();
        if (!header_) return more(now);
        c_.out.complain("Loading new save file %s (new xl fmt info 0x%x/0x%x/%u)\n", kSource,
                        header_->mandatory_flags, header_->optional_flags, header_->optional_bytes);
        step_ = Step::kConfiguration;
        return std::nullopt;
      case Step::kConfiguration: {
        const auto saved = in_.xl_configuration(*header_);
        if (!saved) return more(now);
        configure(*saved);
        return std::nullopt;
      }
      case Step::kRestore:
        return restore(now);
      case Step::kGo:
        return go(now);
      case Step::kReport:
        return tell(now);
      case Step::kDestroy: {
        ModelAction action = destruction_->next(vcpu, now);
        if (action.kind != ModelAction::Kind::kExit) return action;
        if (remote_.writable(now)) {
          c_.out.complain("migration target: Cleanup OK, granting sender permission to resume.\n");
          remote_.send(protocol::kGo);
          c_.out.status = 0;
        }
        step_ = Step::kClose;
        return std::nullopt;
      }
      case Step::kClose:
        remote_.close(now, c_.out.status);
        step_ = Step::kDone;
        return std::nullopt;
      case Step::kDone:
        return ModelAction::exit();
    }
    return ModelAction::exit();
  }

  std::optional<ModelAction> more(Cycles now) {
    if (const auto cycles = remote_.receive(now, piece_)) {
      in_.put(piece_);
      return ModelAction::spend(*cycles);
    }
    if (!remote_.over(now)) return remote_.wait();
    in_.end();
    return std::nullopt;
  }

  void configure(const std::string& saved) {
    if (saved.empty()) {
      c_.out.complain("Config file not specified and none in save file\n");
      creation_failed(kErrorInval);
      return;
    }
    c_.out.complain(" Savefile contains xl domain config in JSON format\nParsing config from <saved>\n");
    SavedConfig config = read_saved_configuration(saved, "<saved>");
    DomainSpec spec = t_.check_spec("<saved>", config.domain_file);
    name_ = spec.name;
    spec.name = spec.parameters.name = name_ + "--incoming";
    if (i_.has('d')) c_.out.write(true, configuration(spec));
    Restoration::Options options;
    options.spec = t_.add_spec(std::move(spec));
    options.domid = config.domid;
    options.paused = true;
    options.monitored = !i_.has('e');
    restoration_.emplace(t_, options, in_, c_.out);
    spec_ = options.spec;
    step_ = Step::kRestore;
  }

  std::optional<ModelAction> restore(Cycles now) {
    Cycles cycles = 0;
    switch (restoration_->next(cycles)) {
      case Restoration::State::kMore:
        break;
      case Restoration::State::kWaits:
        return more(now);
      case Restoration::State::kDone:
        if (report_) {
          report_->target_domid = restoration_->domid();
          compare_contents(*report_, t_.hypervisor, *domain());
        }
        c_.out.complain("migration target: Transfer complete, requesting permission to start domain.\n");
        remote_.send(protocol::kReady);
        step_ = Step::kGo;
        break;
      case Restoration::State::kFailed:
        creation_failed();
        break;
    }
    return ModelAction::spend(cycles);
  }

  // create_domain() has failed; what there was of the domain is gone.
  void creation_failed(int code = kErrorFail) {
    c_.out.complain("migration target: Domain creation failed (code %d).\n", code);
    c_.out.status = 1;
    step_ = Step::kClose;
  }

  xen::Domain* domain() { return t_.hypervisor.find_domain(restoration_->domid()); }

  std::optional<ModelAction> go(Cycles now) {
    Cycles cycles = 0;
    switch (remote_.hear(now, protocol::kGo, cycles)) {
      case Heard::kNotYet:
        return cycles > 0 ? ModelAction::spend(cycles) : remote_.wait();
      case Heard::kYes:
        c_.out.complain("migration target: Got permission, starting domain.\n");
        failure_ = start();
        break;
      case Heard::kOther:
        c_.out.complain("migration stream contained unexpected data instead of GO message\n");
        failure_ = 1;
        break;
      case Heard::kOver:
        c_.out.complain(
            "libxl: error: libxl_utils.c:505:libxl_read_exactly: file/stream truncated reading GO message from "
            "migration "
            "stream\n");
        failure_ = 1;
        break;
    }
    step_ = Step::kReport;
    return ModelAction::spend(cycles + t_.xenstore_time());
  }

  // Its name, and off it goes. 0, or libxl's error without its sign.
  int start() {
    xen::Domain* d = domain();
    const domid_t domid = restoration_->domid();
    if (const auto other = t_.domid_of_name(name_); other || !d) {
      if (other)
        c_.out.complain(
            "libxl: error: libxl_domain.c:81:libxl__domain_rename: Domain %u:Domain with name \"%s\" already "
            "exists.\n",
            domid, name_.c_str());
      return -kErrorInval;
    }
    t_.rename_domain(domid, name_);
    t_.rename_spec(spec_, name_);
    if (t_.on_create) t_.on_create(domid, name_);
    t_.connect_script(domid);
    cpu::Pcpu& p = *t_.hypervisor.here().pcpu;
    t_.hypervisor.cost.charge(p, xen::Path::kModelHypercall);
    t_.hypervisor.cost.charge(p, xen::Path::kControlOp);
    if (!i_.has('p')) {
      xen::control::unpause(t_.hypervisor, *d);
      if (report_) report_->resumed = t_.hypervisor.ns(t_.hypervisor.now());
    }
    c_.out.complain("migration target: Domain started successsfully.\n");
    return 0;
  }

  // Success or failure. Whoever cannot be told would leave the real one's copy paused; here it goes all the same.
  std::optional<ModelAction> tell(Cycles now) {
    if (remote_.writable(now)) {
      const auto code = static_cast<std::uint8_t>(failure_);
      remote_.send(protocol::kReport);
      remote_.send(std::span(&code, 1));
    }
    c_.out.status = failure_ == 0 ? 0 : 1;
    step_ = Step::kClose;
    if (failure_ != 0) {
      c_.out.complain("migration target: Failure, destroying our copy.\n");
      destruction_ = std::make_unique<Destruction>(t_, restoration_->domid(), "was not started");
      step_ = Step::kDestroy;
    }
    return std::nullopt;
  }

  Context& c_;
  Toolstack& t_;
  const Invocation& i_;
  RemoteProgram remote_;
  std::shared_ptr<MigrationReport> report_;
  StreamReader in_;
  Step step_ = Step::kBegin;
  std::vector<std::uint8_t> piece_;
  std::optional<StreamReader::XlHeader> header_;
  std::string name_;
  std::size_t spec_ = 0;
  std::optional<Restoration> restoration_;
  std::unique_ptr<Destruction> destruction_;
  int failure_ = 0;
};

}  // namespace

std::unique_ptr<Job> migrate_receive(Context& c, const Invocation& i) {
  if (!i.arguments.empty()) {
    c.out.write(false, help(*i.verb));
    c.out.status = 1;
    return nullptr;
  }
  if (!c.incoming) {  // somebody typed it, and nothing is on its standard input
    c.out.complain("migration target: Ready to receive domain.\n");
    c.out.write(false, protocol::kBanner);
    c.out.complain(
        "libxl: error: libxl_utils.c:505:libxl_read_exactly: file/stream truncated reading header from %s\n",
        kSource);
    c.out.status = 3;
    return nullptr;
  }
  return std::make_unique<ReceiveJob>(c, i);
}

}  // namespace xensim::dom0::xl
