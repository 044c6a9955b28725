// How pCPUs share cores, sockets and NUMA nodes, as far as scheduling policies care: consecutive numbers are near.
#pragma once

#include "models/xen/sched/policy.h"
#include "sim/config/param.h"

namespace xensim::xen::sched {

struct HostTopology {
  unsigned pcpus = 0;  // how many the host has; not a parameter: the machine says it
  unsigned threads_per_core = 1;
  unsigned pcpus_per_socket = 0;
  unsigned pcpus_per_node = 0;

  unsigned core_of(PcpuId p) const { return p / threads_per_core; }
  unsigned socket_of(PcpuId p) const { return pcpus_per_socket ? p / pcpus_per_socket : 0; }
  unsigned node_of(PcpuId p) const { return pcpus_per_node ? p / pcpus_per_node : 0; }
};
void describe(HostTopology& t, config::Visitor& v);

}  // namespace xensim::xen::sched
