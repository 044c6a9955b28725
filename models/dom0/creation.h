// Creating a domain as `xl create` has libxl do it: makes it, populates its memory a hypercall at a time, fills
// that, connects console and store, and unpauses it. A domain that cannot be completed is destroyed again.
#pragma once

#include <vector>

#include "models/dom0/job.h"
#include "models/dom0/toolstack.h"
#include "models/dom0/xl/output.h"

namespace xensim::dom0 {

// libxl__domain_make: the domain exists in Xen, for libxl, and in the store.
// kRefused: out says why.
enum class Made : std::uint8_t { kYes, kNameTaken, kDomidTaken, kNoMemory, kRefused };
// wanted: its number, if it may not be the next that is free.
Made make_domain(Toolstack& toolstack, std::size_t spec, xl::Output& out, domid_t& domid,
                 std::optional<domid_t> wanted = {});
// What libxl says of a name that is taken.
void complain_of_name(xl::Output& out, domid_t domid, const std::string& name);
// A domain that cannot be completed goes again. The time it takes.
Cycles drop_domain(Toolstack& toolstack, std::size_t spec, domid_t domid, xl::Output& out);
// The last of creation: the domain is complete, and runs unless it is to stay paused. monitored: a process of xl's
// waits for its end.
void complete_domain(Toolstack& toolstack, domid_t domid, bool paused, bool monitored);

class Creation final : public Job {
 public:
  // out: where libxl's complaints go.
  Creation(Toolstack& toolstack, std::size_t spec, bool paused, xl::Output& out)
      : toolstack_(toolstack), spec_(spec), paused_(paused), out_(out) {}

  xen::ModelAction next(xen::Vcpu& vcpu, Cycles now) override;

 private:
  enum class Step : std::uint8_t { kMake, kPopulate, kFill, kStart, kDone };

  xen::ModelAction make();
  xen::ModelAction populate();
  xen::ModelAction fill();
  xen::ModelAction start();
  xen::ModelAction fail();
  xen::ModelAction out_of_memory();
  bool make_stub_domain();
  const DomainSpec& spec() const { return toolstack_.spec(spec_); }
  xen::Domain& domain();

  Toolstack& toolstack_;
  const std::size_t spec_;
  const bool paused_;
  xl::Output& out_;
  Step step_ = Step::kMake;
  domid_t domid_ = 0;
  std::vector<xen::Extent> extents_;
  std::size_t next_extent_ = 0;
};

// What libxl says of a domain that it should destroy and that is not there.
void complain_of_absence(xl::Output& out, unsigned domid);

// Gives the domain its store and console ports and grants, and introduces it to the two daemons. Where its rings
// are, its parameters say.
void connect_domain(Toolstack& toolstack, xen::Domain& d);

}  // namespace xensim::dom0
