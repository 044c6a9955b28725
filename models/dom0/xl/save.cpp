// save: suspends the domain and writes it to a file; then destroys it, or with -c and -p lets it go on. Whatever
// fails, the domain goes on. xl_saverestore.c and libxl_stream_write.c of Xen 4.17.
#include <cstring>
#include <optional>

#include "models/dom0/ending.h"
#include "models/dom0/migration/domain_sender.h"
#include "models/dom0/migration/progress.h"
#include "models/dom0/migration/storage.h"
#include "models/dom0/migration/stream_reader.h"
#include "models/dom0/migration/suspension.h"
#include "models/dom0/toolstack.h"
#include "models/dom0/xl/handlers.h"
#include "models/dom0/xl/saved_config.h"
#include "models/xen/control/domain_control.h"
#include "sim/base/error.h"

namespace xensim::dom0::xl {

using xen::ModelAction;

namespace {

class SaveJob final : public Job {
 public:
  SaveJob(Context& c, const Invocation& i) : c_(c), t_(c.toolstack), i_(i), file_name_(i.arguments[1]) {}
  ~SaveJob() override { set_suspending(false); }
  SaveJob(const SaveJob&) = delete;
  SaveJob& operator=(const SaveJob&) = delete;

  ModelAction next(xen::Vcpu& vcpu, Cycles now) override {
    for (;;) {
      // What was written must be on the storage before the next piece is.
      if (writer_ && writer_->ready() > now && step_ > Step::kOpen) return ModelAction::block(writer_->ready());
      try {
        if (auto action = step(vcpu, now)) return *action;
      } catch (const StorageError& e) {
        fail(what_, e.error);
      }
    }
  }

 private:
  enum class Step : std::uint8_t {
    kBegin,
    kOpen,
    kHead,
    kSuspend,
    kPages,
    kTail,
    kCommit,
    kResume,
    kDestroy,
    kDone
  };

  // An action, or none: the next step at once.
  std::optional<ModelAction> step(xen::Vcpu& vcpu, Cycles now) {
    // Somebody may destroy it meanwhile; while it is suspended on its way out, that is the same as an error.
    if (step_ > Step::kOpen && step_ < Step::kResume && step_ != Step::kSuspend && !domain()) fail(what_, ESRCH);
    switch (step_) {
      case Step::kBegin:
        step_ = Step::kOpen;
        return ModelAction::spend(t_.config.verb_cycles);
      case Step::kOpen:
        step_ = open() ? Step::kHead : Step::kDone;
        return std::nullopt;
      case Step::kHead:
        return head();
      case Step::kSuspend:
        return suspend(now);
      case Step::kPages:
        return pages();
      case Step::kTail: {
        what_ = "Unable to write the end of the stream";
        const Cycles cycles = sender_->finish();
        sender_.reset();
        step_ = Step::kCommit;
        return ModelAction::spend(cycles);
      }
      case Step::kCommit:
        writer_->commit();
        writer_.reset();
        c_.out.status = 0;
        step_ = i_.has('c') || i_.has('p') ? Step::kResume : Step::kDestroy;
        return std::nullopt;
      case Step::kResume:
        return resume();
      case Step::kDestroy: {
        if (!destruction_)
          destruction_ = std::make_unique<Destruction>(t_, static_cast<domid_t>(domid_), "saved to " + file_name_);
        ModelAction action = destruction_->next(vcpu, now);
        if (action.kind != ModelAction::Kind::kExit) return action;
        step_ = Step::kDone;
        return std::nullopt;
      }
      case Step::kDone:
        return ModelAction::exit();
    }
    return ModelAction::exit();
  }

  xen::Domain* domain() { return domain_of(c_, domid_); }
  void set_suspending(bool on) {
    if (ManagedDomain* m = managed_domain_of(c_, domid_)) m->suspending = on;
  }

  // The configuration, from the domain or from a file; the file to write to.
  bool open() {
    c_.out.status = 1;
    const long found = find_domain(c_, i_.arguments[0]);
    if (found < 0) return false;
    std::string configuration;
    if (!configure(found, configuration)) return false;
    try {
      writer_ = std::make_unique<StorageWriter>(t_, file_name_);
    } catch (const StorageError&) {
      c_.out.complain("Failed to open temp file %s for writing\n", file_name_.c_str());
      return false;
    }
    domid_ = found;
    configuration_ = std::move(configuration);
    return true;
  }

  bool configure(long domid, std::string& configuration) {
    const ManagedDomain* m = managed_domain_of(c_, domid);
    if (i_.arguments.size() > 2) {
      const std::string path = join_path(t_.file_folder, i_.arguments[2]);
      try {
        configuration = xl::configuration(t_.check_spec(i_.arguments[2], read_file(path, 1 << 20)));
      } catch (const UserError& e) {
        c_.out.complain("%s\nunable to read overridden config file\n", e.what());
        return false;
      }
    } else if (m && m->built && domid != 0 && domain_of(c_, domid)) {
      configuration = saved_configuration(t_, static_cast<domid_t>(domid), i_.has('D'));
    }
    const xen::Domain* d = domain_of(c_, domid);
    if (!configuration.empty() && d && d->kind == xen::DomainKind::kPvh && m && !m->suspending && !m->ending)
      return true;
    if (configuration.empty()) {
      c_.out.complain(
          "libxl: error: libxl_domain.c:2335:libxl__get_domain_configuration: %sFail to get domain "
          "configuration\n",
          log_prefix(domid).c_str());
      c_.out.complain("unable to retrieve domain configuration\n");
    } else {
      // Another xl has it in hand.
      c_.out.complain(
          "libxl: error: libxl_domain.c:2335:libxl__get_domain_configuration: %sDevice or resource busy\n",
          log_prefix(domid).c_str());
    }
    return false;
  }

  ModelAction head() {
    what_ = "Unable to write Image/Domain headers to stream";
    StreamWriter file([this](std::span<const std::uint8_t> bytes) { writer_->write(bytes); });
    file.xl_header(std::string_view(configuration_.c_str(), configuration_.size() + 1));
    c_.out.complain("Saving to %s new xl format (info 0x%x/0x0/%zu)\n", file_name_.c_str(),
                    kXlConfigIsJson | kXlStreamV2, configuration_.size() + 1 + sizeof(std::uint32_t));
    set_suspending(true);
    sender_.emplace(t_.hypervisor, static_cast<domid_t>(domid_),
                    DomainSender::Config{t_.config.copy_bytes_per_cycle,
                                         t_.managed(static_cast<domid_t>(domid_))->tsc_incarnation},
                    [this](std::span<const std::uint8_t> bytes) { writer_->write(bytes); });
    c_.out.complain("xc: info: Saving domain %ld, type x86 HVM\n", domid_);
    if (!sender_->fits()) {
      fail("Unable to allocate memory for dirty bitmaps, deferred pages and various batch buffers", ENOMEM);
      return ModelAction::spend(0);
    }
    const Cycles cycles = sender_->begin();
    suspension_.emplace(t_, static_cast<domid_t>(domid_), c_.out);
    step_ = Step::kSuspend;
    return ModelAction::spend(cycles);
  }

  std::optional<ModelAction> suspend(Cycles now) {
    what_ = "guest we were suspending has been destroyed";
    const Suspension::State state = suspension_->next(now);
    if (state == Suspension::State::kWaits) return ModelAction::block(suspension_->deadline());
    responded_ = suspension_->responded();
    suspension_.reset();
    if (state == Suspension::State::kFailed) {
      const xen::Domain* d = domain();
      const unsigned reason = d && d->shutdown ? static_cast<unsigned>(*d->shutdown) : 255;
      fail("Domain has not been suspended: shutdown " + std::string(d && d->shutdown ? "1" : "0") + ", reason " +
               std::to_string(reason),
           0);
      return std::nullopt;
    }
    sender_->send_all();
    step_ = Step::kPages;
    return ModelAction::spend(t_.xenstore_time());
  }

  ModelAction pages() {
    what_ = "Failed to write page data to stream";
    progress_.report("Frames", sender_->written(), sender_->entries());
    if (!sender_->round_over()) return ModelAction::spend(sender_->send_batch());
    progress_.report("End of stream", 0, 0);
    step_ = Step::kTail;
    return ModelAction::spend(0);
  }

  // libxc's complaint, then libxl's, then xl's; the domain goes on, the file is not there.
  void fail(const std::string& what, int error) {
    if (!sender_) return fail_in_header(error);
    c_.out.write(true, error != 0 ? xc_error(what, error) : xc_error(what));
    c_.out.write(true, xc_error("Save failed", error));
    c_.out.complain(
        "libxl: error: libxl_stream_write.c:347:libxl__xc_domain_save_done: Domain %ld:saving domain: %s: "
        "%s\n",
        domid_, responded_ ? "domain responded to suspend request" : "domain did not respond to suspend request",
        std::strerror(error));
    c_.out.complain("Failed to save domain, resuming domain\n");
    if (sender_) sender_->abort();
    sender_.reset();
    suspension_.reset();
    writer_.reset();
    c_.out.status = 1;
    step_ = Step::kResume;
  }

  // Nothing has been asked of the domain yet.
  void fail_in_header(int error) {
    c_.out.complain("libxl: error: libxl_utils.c:506:libxl_write_exactly: failed to write header from %s: %s\n",
                    file_name_.c_str(), std::strerror(error));
    c_.out.complain(
        "xl: fatal error: xl_saverestore.c:112: %s: libxl_write_exactly( ctx, fd, &hdr, sizeof(hdr), source, "
        "\"header\")\n",
        std::strerror(error));
    writer_.reset();
    step_ = Step::kDone;
  }

  ModelAction resume() {
    step_ = Step::kDone;
    xen::Domain* d = domain();
    if (d && i_.has('p') && c_.out.status == 0) xen::control::pause(t_.hypervisor, t_.dom0(), *d);
    if (d) resume_domain(t_, *d, c_.out);
    set_suspending(false);
    return ModelAction::spend(t_.xenstore_time());
  }

  Context& c_;
  Toolstack& t_;
  const Invocation& i_;
  const std::string file_name_;
  Step step_ = Step::kBegin;
  long domid_ = -1;
  std::string configuration_;
  std::unique_ptr<StorageWriter> writer_;
  Progress progress_{c_.out};
  std::optional<DomainSender> sender_;
  std::optional<Suspension> suspension_;
  std::unique_ptr<Destruction> destruction_;
  bool responded_ = false;
  std::string what_;  // for libxc's complaint about what is being done
};

}  // namespace

std::string check_save(const Invocation& i) {
  return i.arguments.size() > 3 ? "it takes a domain, a file and a configuration file" : "";
}

std::unique_ptr<Job> save(Context& c, const Invocation& i) {
  if (i.arguments.size() > 3) {
    c.out.write(false, help(*i.verb));
    c.out.status = 1;
    return nullptr;
  }
  return std::make_unique<SaveJob>(c, i);
}

}  // namespace xensim::dom0::xl
