// restore: makes a domain from a file that `save` wrote. xl_saverestore.c and create_domain() of xl_vmcontrol.c of
// Xen 4.17.
#include <cstring>
#include <optional>

#include "models/dom0/migration/restoration.h"
#include "models/dom0/migration/storage.h"
#include "models/dom0/toolstack.h"
#include "models/dom0/xl/handlers.h"
#include "models/dom0/xl/saved_config.h"
#include "sim/base/error.h"

namespace xensim::dom0::xl {

using xen::ModelAction;

namespace {

class RestoreJob final : public Job {
 public:
  RestoreJob(Context& c, const Invocation& i) : c_(c), t_(c.toolstack), i_(i), in_(i.arguments.back()) {
    if (i.arguments.size() > 1) config_file_ = i.arguments.front();
  }

  ModelAction next(xen::Vcpu&, Cycles now) override {
    for (;;) {
      if (reader_ && reader_->ready() > now) return ModelAction::block(reader_->ready());
      try {
        if (auto action = step()) return *action;
      } catch (const StreamError& e) {
        c_.out.write(true, e.what());
        step_ = Step::kDone;
      } catch (const UserError& e) {
        c_.out.complain("%s\n", e.what());
        step_ = Step::kDone;
      }
    }
  }

 private:
  enum class Step : std::uint8_t { kBegin, kOpen, kHeader, kConfiguration, kRestore, kDone };

  std::optional<ModelAction> step() {
    switch (step_) {
      case Step::kBegin:
        step_ = Step::kOpen;
        return ModelAction::spend(t_.config.verb_cycles);
      case Step::kOpen:
        open();
        break;
      case Step::kHeader:
        header_ = in_.xl_header();
        if (!header_) {
          more();
          break;
        }
        c_.out.complain("Loading new save file %s (new xl fmt info 0x%x/0x%x/%u)\n", i_.arguments.back().c_str(),
                        header_->mandatory_flags, header_->optional_flags, header_->optional_bytes);
        step_ = Step::kConfiguration;
        break;
      case Step::kConfiguration:
        if (const auto saved = in_.xl_configuration(*header_))
          configure(*saved);
        else
          more();
        break;
      case Step::kRestore:
        return restore();
      case Step::kDone:
        return ModelAction::exit();
    }
    return std::nullopt;
  }

  void open() {
    c_.out.status = 1;
    try {
      reader_ = std::make_unique<StorageReader>(t_, i_.arguments.back());
      step_ = Step::kHeader;
    } catch (const StorageError& e) {
      c_.out.complain("Can't open restore file: %s\n", std::strerror(e.error));
      step_ = Step::kDone;
    }
  }

  void more() {
    std::span<const std::uint8_t> bytes;
    try {
      bytes = reader_->read();
    } catch (const StorageError&) {
      // As if the file ended here.
    }
    if (bytes.empty())
      in_.end();
    else
      in_.put(bytes);
  }

  // From the file beside it, if one was given.
  void configure(const std::string& saved) {
    if (header_->optional_bytes != 0)
      c_.out.complain(" Savefile contains xl domain config%s\n",
                      header_->mandatory_flags & kXlConfigIsJson ? " in JSON format" : "");
    std::string place = "<saved>", text;
    if (!config_file_.empty()) {
      place = config_file_;
      const std::string path = join_path(t_.file_folder, config_file_);
      if (!file_exists(path)) {
        c_.out.complain("Failed to read config file: %s: No such file or directory\n", config_file_.c_str());
        step_ = Step::kDone;
        return;
      }
      text = read_file(path, 1 << 20);
    } else if (saved.empty()) {
      c_.out.complain("Config file not specified and none in save file\n");
      step_ = Step::kDone;
      return;
    }
    c_.out.complain("Parsing config from %s\n", place.c_str());
    Restoration::Options options;
    if (config_file_.empty()) {
      try {
        SavedConfig config = read_saved_configuration(saved, place);
        text = std::move(config.domain_file);
        options.domid = config.domid;
      } catch (const UserError& e) {
        c_.out.complain(
            "%s\nlibxl: error: libxl_json.c:1084:libxl__object_from_json: unable to generate "
            "libxl__json_object from JSON representation of libxl_domain_config.\nUnknown guest type\n",
            e.what());
        step_ = Step::kDone;
        return;
      }
    }
    DomainSpec spec = t_.check_spec(place, text);
    if (i_.has('d')) c_.out.write(true, configuration(spec));
    options.spec = t_.add_spec(std::move(spec));
    options.paused = i_.has('p');
    options.monitored = !i_.has('e');
    restoration_.emplace(t_, options, in_, c_.out);
    step_ = Step::kRestore;
  }

  std::optional<ModelAction> restore() {
    Cycles cycles = 0;
    switch (restoration_->next(cycles)) {
      case Restoration::State::kMore:
        return ModelAction::spend(cycles);
      case Restoration::State::kWaits:
        more();
        return std::nullopt;
      case Restoration::State::kDone:
        c_.out.status = 0;
        step_ = Step::kDone;
        return ModelAction::spend(cycles);
      case Restoration::State::kFailed:
        step_ = Step::kDone;
        return ModelAction::spend(cycles);
    }
    return std::nullopt;
  }

  Context& c_;
  Toolstack& t_;
  const Invocation& i_;
  std::string config_file_;
  StreamReader in_;
  Step step_ = Step::kBegin;
  std::unique_ptr<StorageReader> reader_;
  std::optional<StreamReader::XlHeader> header_;
  std::optional<Restoration> restoration_;
};

}  // namespace

std::string check_restore(const Invocation& i) {
  return i.arguments.size() > 2 ? "it takes a configuration file and a file" : "";
}

std::unique_ptr<Job> restore(Context& c, const Invocation& i) {
  if (i.arguments.size() > 2) {
    c.out.write(false, help(*i.verb));
    c.out.status = 1;
    return nullptr;
  }
  return std::make_unique<RestoreJob>(c, i);
}

}  // namespace xensim::dom0::xl
