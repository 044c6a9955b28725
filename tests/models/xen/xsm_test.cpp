// Who is allowed what, and what a look-up by number says.
#include "models/xen/xsm/xsm.h"

#include <catch2/catch.hpp>

#include "tests/models/xen/fixture.h"

namespace xensim::xen {
namespace {

using xsm::Action;
using xsm::check;

struct Roles : Bench {
  Roles() : dom0(*hv->find_domain(0)), guest1(guest(1)), store(guest(2)), model(guest(3)), other(guest(4)) {
    store.role.xenstore = true;
    model.role.target = 1;
  }
  Domain &dom0, &guest1, &store, &model, &other;
};

TEST_CASE_METHOD(Roles, "dom0 is control and hardware domain, and others are not") {
  CHECK(dom0.role.control);
  CHECK(dom0.role.hardware);
  CHECK_FALSE(other.role.control);
  CHECK_FALSE(other.role.hardware);
}

TEST_CASE_METHOD(Roles, "A control domain may do everything, with or without a target") {
  for (const Action a : {Action::kHook, Action::kTarget, Action::kXenstorePriv, Action::kDmPriv, Action::kPriv}) {
    CHECK(check(a, dom0, &guest1) == 0);
    CHECK(check(a, dom0, nullptr) == 0);
  }
}

TEST_CASE_METHOD(Roles, "A domain without a role may do to itself what targets may, and nothing to others") {
  CHECK(check(Action::kHook, other, &guest1) == 0);
  CHECK(check(Action::kTarget, other, &other) == 0);
  CHECK(check(Action::kTarget, other, &guest1) == -kEperm);
  CHECK(check(Action::kXenstorePriv, other, &other) == -kEperm);
  CHECK(check(Action::kDmPriv, other, &other) == -kEperm);
  CHECK(check(Action::kPriv, other, nullptr) == -kEperm);
}

TEST_CASE_METHOD(Roles, "A device model may act for its target alone") {
  CHECK(check(Action::kTarget, model, &guest1) == 0);
  CHECK(check(Action::kXenstorePriv, model, &guest1) == 0);
  CHECK(check(Action::kDmPriv, model, &guest1) == 0);
  CHECK(check(Action::kPriv, model, &guest1) == -kEperm);
  CHECK(check(Action::kDmPriv, model, &other) == -kEperm);
  CHECK(check(Action::kDmPriv, model, nullptr) == -kEperm);
}

TEST_CASE_METHOD(Roles, "The xenstore domain learns about domains, and may do nothing to them") {
  CHECK(check(Action::kXenstorePriv, store, &guest1) == 0);
  CHECK(check(Action::kTarget, store, &guest1) == -kEperm);
  CHECK(check(Action::kDmPriv, store, &guest1) == -kEperm);
}

TEST_CASE_METHOD(Roles, "A device model has no target any more when its domain is gone") {
  hv->destroy_domain(1);
  CHECK(model.role.target == DOMID_INVALID);
  Domain& next = guest(1);
  CHECK(check(Action::kDmPriv, model, &next) == -kEperm);
}

TEST_CASE_METHOD(Roles, "DOMID_SELF is the caller where Xen takes any id, and nobody elsewhere") {
  CHECK(lookup_domain(*hv, guest1, DOMID_SELF).domain == &guest1);
  CHECK(lookup_domain(*hv, guest1, 1).domain == &guest1);
  CHECK(lookup_domain_by_id(*hv, DOMID_SELF).error == -kEsrch);
  CHECK(lookup_remote_domain(*hv, guest1, DOMID_SELF).error == -kEsrch);
}

TEST_CASE_METHOD(Roles, "Unknown and reserved numbers are -ESRCH whoever asks") {
  for (const domid_t id : {domid_t{77}, domid_t{DOMID_IO}, domid_t{DOMID_XEN}, domid_t{DOMID_COW},
                           domid_t{DOMID_INVALID}, domid_t{DOMID_IDLE}}) {
    CHECK(lookup_domain(*hv, guest1, id).error == -kEsrch);
    CHECK(lookup_domain(*hv, dom0, id).error == -kEsrch);
    CHECK(lookup_permitted(*hv, guest1, id, Action::kPriv).error == -kEsrch);
  }
}

TEST_CASE_METHOD(Roles, "The caller's own number is refused where only another domain makes sense") {
  CHECK(lookup_remote_domain(*hv, guest1, 1).error == -kEperm);
  CHECK(lookup_remote_domain(*hv, guest1, 2).domain == &store);
}

TEST_CASE_METHOD(Roles, "A foreign domain is found first and refused then") {
  CHECK(lookup_permitted(*hv, other, 1, Action::kTarget).error == -kEperm);
  CHECK(lookup_permitted(*hv, model, 1, Action::kTarget).domain == &guest1);
  CHECK(lookup_permitted(*hv, other, DOMID_SELF, Action::kTarget).domain == &other);
}

}  // namespace
}  // namespace xensim::xen
