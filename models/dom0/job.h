// A job of the toolstack: one run of xl, or what its background process does when a domain ends. A state machine
// like a model program; many may be under way, and the toolstack gives each a turn.
#pragma once

#include "models/xen/domain/model_program.h"

namespace xensim::dom0 {

class Job {
 public:
  virtual ~Job() = default;
  // Called when the previous action is complete, and when anything happens while it blocks (spurious calls are
  // legal). ModelAction::exit(): it is over.
  virtual xen::ModelAction next(xen::Vcpu& vcpu, Cycles now) = 0;
};

}  // namespace xensim::dom0
