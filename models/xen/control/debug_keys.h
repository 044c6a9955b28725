// Xen's debug keys (XEN_SYSCTL_debug_keys): each prints a table to Xen's console, where `xl dmesg` reads it. After
// Xen 4.17's common/keyhandler.c, event_channel.c, grant_table.c. q: domains, e: event channels, g: grant tables,
// r: run queues. Other keys do nothing, as keys that nobody has registered.
#pragma once

#include <string_view>

#include "models/xen/hypervisor.h"

namespace xensim::xen::control {

void debug_keys(Hypervisor& hv, std::string_view keys);

}  // namespace xensim::xen::control
