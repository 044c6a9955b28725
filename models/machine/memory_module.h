// The machine's RAM as a TLM-2.0 target: blocking transport for whoever needs it, and direct memory access, which
// is what the cores use.
#pragma once

#include <tlm_utils/multi_passthrough_target_socket.h>
#include <tlm>

#include <systemc>

#include "models/memory/physical_memory.h"

namespace xensim::machine {

class MemoryModule final : public sc_core::sc_module {
 public:
  tlm_utils::multi_passthrough_target_socket<MemoryModule> bus;

  MemoryModule(sc_core::sc_module_name name, memory::PhysicalMemory& memory, sc_core::sc_time latency);

 private:
  void b_transport(int id, tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  bool get_direct_mem_ptr(int id, tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi);

  memory::PhysicalMemory& memory_;
  sc_core::sc_time latency_;
};

}  // namespace xensim::machine
