#include "models/machine/memory_module.h"

namespace xensim::machine {

MemoryModule::MemoryModule(sc_core::sc_module_name name, memory::PhysicalMemory& memory, sc_core::sc_time latency)
    : sc_module(name), bus("bus"), memory_(memory), latency_(latency) {
  bus.register_b_transport(this, &MemoryModule::b_transport);
  bus.register_get_direct_mem_ptr(this, &MemoryModule::get_direct_mem_ptr);
}

void MemoryModule::b_transport(int, tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const PhysAddr a(payload.get_address());
  const unsigned n = payload.get_data_length();
  if (n == 0 || !memory_.contains(a, n)) {
    payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return;
  }
  if (payload.is_read())
    memory_.read_bytes(a, {payload.get_data_ptr(), n});
  else if (payload.is_write())
    memory_.write_bytes(a, {payload.get_data_ptr(), n});
  delay += latency_;
  payload.set_dmi_allowed(true);
  payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

bool MemoryModule::get_direct_mem_ptr(int, tlm::tlm_generic_payload&, tlm::tlm_dmi& dmi) {
  dmi.set_dmi_ptr(memory_.host(PhysAddr(0)));
  dmi.set_start_address(0);
  dmi.set_end_address(memory_.end().value - 1);
  dmi.set_read_latency(latency_);
  dmi.set_write_latency(latency_);
  dmi.allow_read_write();
  return true;
}

}  // namespace xensim::machine
