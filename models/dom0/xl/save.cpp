// save: suspends the domain and writes it to a file; then destroys it, or with -c and -p lets it go on. Whatever
// fails, the domain goes on. xl_saverestore.c and libxl_stream_write.c of Xen 4.17.
#include <cstring>
#include <optional>

#include "models/dom0/ending.h"
#include "models/dom0/migration/domain_sender.h"
#include "models/dom0/migration/progress.h"
#include "models/dom0/migration/storage.h"
#include "models/dom0/migration/suspension.h"
#include "models/dom0/toolstack.h"
#include "models/dom0/xl/handlers.h"
#include "models/dom0/xl/outgoing.h"
#include "models/xen/control/domain_control.h"
#include "sim/base/error.h"

namespace xensim::dom0::xl {

using xen::ModelAction;

namespace {

class SaveJob final : public Job {
 public:
  SaveJob(Context& c, const Invocation& i) : c_(c), t_(c.toolstack), i_(i), file_name_(i.arguments[1]) {}
  ~SaveJob() override { set_suspending(c_, domid_, false); }
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

  // The configuration, from the domain or from a file; the file to write to.
  bool open() {
    c_.out.status = 1;
    const long found = find_domain(c_, i_.arguments[0]);
    if (found < 0) return false;
    std::optional<std::string> configuration =
        outgoing_configuration(c_, found, i_.arguments.size() > 2 ? &i_.arguments[2] : nullptr, i_.has('D'));
    if (!configuration) return false;
    try {
      writer_ = std::make_unique<StorageWriter>(t_, file_name_);
    } catch (const StorageError&) {
      c_.out.complain("Failed to open temp file %s for writing\n", file_name_.c_str());
      return false;
    }
    domid_ = found;
    configuration_ = std::move(*configuration);
    return true;
  }

  ModelAction head() {
    what_ = "Unable to write Image/Domain headers to stream";
    send_header(c_, configuration_, file_name_,
                [this](std::span<const std::uint8_t> bytes) { writer_->write(bytes); });
    set_suspending(c_, domid_, true);
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
      fail(not_suspended(domain()), 0);
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
    complain_of_lost_stream(c_, domid_, what, error, responded_);
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
    set_suspending(c_, domid_, false);
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
