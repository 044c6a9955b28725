// What a domain is to the rest of the machine. Most have no role at all (domU, and a driver domain, which is a
// domU whose devices others name by `backend=`).
#pragma once

#include "models/xen/public.h"

namespace xensim::xen {

struct Role {
  bool control = false;            // XEN_DOMCTL and its like are allowed: dom0 (is_privileged)
  bool hardware = false;           // owns the physical devices: dom0
  bool xenstore = false;           // runs xenstored for the others (XEN_DOMCTL_CDF_xs_domain)
  domid_t target = DOMID_INVALID;  // whose device model it is (XEN_DOMCTL_set_target)
};

}  // namespace xensim::xen
