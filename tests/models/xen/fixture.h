// A modelled Xen on two pCPUs without SystemC: enough to create domains and call what hypercalls call.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/memory/cache_system.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

struct Bench {
  explicit Bench(std::uint64_t hz = 2'400'000'000, std::uint64_t ram = 256ull << 20)
      : memory(ram), caches(memory::CacheSystemConfig{}, 2, hz, 1) {
    cpu::CoreConfig core;
    core.tsc_hz = hz;
    for (unsigned i = 0; i < 2; ++i)
      pcpus.push_back(std::make_unique<cpu::Pcpu>(i, core, memory, caches,
                                                  cpu::CpuidPolicy::default_policy(hz, 46), pcpus, 700));
    HypervisorConfig config;
    config.scheduler = "null";
    config.dom0_memory = 16ull << 20;
    hv = std::make_unique<Hypervisor>(config, memory, pcpus, tracer, 1);
    for (auto& p : pcpus) hv->run(*p, 1);
    CreateParameters dom0;
    dom0.name = "Domain-0";
    hv->create_domain(0, DomainKind::kModel, dom0);
  }

  Domain& guest(domid_t domid, unsigned vcpus = 1, std::uint64_t pages = 4096) {
    CreateParameters p;
    p.name = "guest" + std::to_string(domid);
    p.vcpus = p.max_vcpus = vcpus;
    p.max_pages = pages;
    return hv->create_domain(domid, DomainKind::kGuest, p);
  }

  memory::PhysicalMemory memory;
  memory::CacheSystem caches;
  std::vector<std::unique_ptr<cpu::Pcpu>> pcpus;
  trace::Tracer tracer;
  std::unique_ptr<Hypervisor> hv;
};

}  // namespace xensim::xen
