// A domain comes into being from a stream: libxl_domain_create_restore(). Makes it from its configuration, has it
// filled (DomainReceiver), connects console and store as for a new domain, and starts it unless it is to stay
// paused. One that cannot be completed is destroyed again.
#pragma once

#include <memory>
#include <optional>

#include "models/dom0/migration/domain_receiver.h"
#include "models/dom0/toolstack.h"

namespace xensim::dom0 {

class Restoration {
 public:
  struct Options {
    std::size_t spec = 0;  // of the toolstack's
    std::optional<domid_t> domid;
    bool paused = false, monitored = true;
  };
  // in: after xl's header; the caller puts bytes into it as they come.
  Restoration(Toolstack& toolstack, const Options& options, StreamReader& in, xl::Output& out)
      : toolstack_(toolstack), options_(options), in_(in), out_(out) {}

  using State = DomainReceiver::State;
  // The next step; cycles: what it took, to be spent. After kWaits, bytes must be put, or the end.
  State next(Cycles& cycles);
  // Somebody gave up: what there is of the domain goes.
  void abandon(Cycles& cycles);

  domid_t domid() const { return domid_; }
  const DomainReceiver* receiver() const { return receiver_ ? &*receiver_ : nullptr; }

 private:
  enum class Step : std::uint8_t { kMake, kReceive, kConnect, kOver };

  State make(Cycles& cycles);
  State fail(Cycles& cycles);

  Toolstack& toolstack_;
  const Options options_;
  StreamReader& in_;
  xl::Output& out_;
  Step step_ = Step::kMake;
  domid_t domid_ = 0;
  std::optional<DomainReceiver> receiver_;
};

}  // namespace xensim::dom0
