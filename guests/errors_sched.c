/* errors: sched_op and vcpu_op. */
#include "errors.h"

#include <xen/hvm/hvm_vcpu.h>

#include "lib/pvclock.h"

/* Of a hypercall, before what it wrote is looked at. */
static long result;

static long poll(evtchn_port_t* ports, unsigned count, uint64_t timeout) {
  struct sched_poll p = {.nr_ports = count, .timeout = timeout};
  set_xen_guest_handle(p.ports, ports);
  return sched_op(SCHEDOP_poll, &p);
}

void sched_rows(void) {
  about("sched_op");
  for (int command = -1; command < 12; ++command)
    if (command != SCHEDOP_block)
      row(hypercall5(__HYPERVISOR_sched_op, command, UNMAPPED, 0, 0, 0), "%d/pointer-unmapped", command);
  bad_pointers(__HYPERVISOR_sched_op, SCHEDOP_poll, 2);
  bad_pointers(__HYPERVISOR_sched_op, SCHEDOP_shutdown, 2);
  row(hypercall5(__HYPERVISOR_sched_op, 1l << 32, 0, 0, 0, 0), "command-high-bits");
  about("sched_op/poll");
  struct evtchn_bind_ipi ipi = {.vcpu = 0};
  event_channel_op(EVTCHNOP_bind_ipi, &ipi);
  struct evtchn_send send = {.port = ipi.port};
  event_channel_op(EVTCHNOP_send, &send);
  evtchn_port_t ports[200];
  for (unsigned i = 0; i < 200; ++i) ports[i] = ipi.port;
  row(poll(ports, 1, 0), "pending");
  row(poll(ports, 128, 0), "128-ports");
  row(poll(ports, 129, 0), "129-ports");
  row(poll(ports, 0xffffffff, 0), "ffffffff-ports");
  row(poll((evtchn_port_t*)UNMAPPED, 1, 0), "list-unmapped");
  row(poll((evtchn_port_t*)EDGE, 1, 0), "list-edge");
  row(poll(ports, 0, system_time() + 1000000), "no-ports-with-timeout");
  row(poll(ports, 0, 1), "no-ports-past-timeout");
  static const evtchn_port_t bad[] = {0, 3000, 4096, 0x20000, 0xffffffff};
  for (unsigned i = 0; i < sizeof bad / sizeof *bad; ++i) {
    ports[0] = bad[i];
    row(poll(ports, 1, 1), "port-%x", bad[i]);
    ports[0] = ipi.port, ports[1] = bad[i];
    row(poll(ports, 2, 1), "pending-then-port-%x", bad[i]);
  }
  event_channel_op(EVTCHNOP_close, &send);
  ports[0] = ipi.port;
  row(poll(ports, 1, 1), "closed-port");
  about("sched_op/remote_shutdown");
  bad_pointers(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, 2);
  for
    EACH_DOMAIN(n) {
      struct sched_remote_shutdown r = {.domain_id = n->domid, .reason = SHUTDOWN_poweroff};
      row(sched_op(SCHEDOP_remote_shutdown, &r), "domid-%s", n->name);
    }
  about("sched_op/watchdog");
  static const struct {
    uint32_t id, timeout;
  } watchdogs[] = {{3, 0},    {3, 100},  {0xffffffff, 100}, {1, 100}, {2, 0}, {0, 1000},
                   {0, 1000}, {0, 1000}, {1, 2000},         {1, 0},   {1, 0}, {0, 1000},
                   {2, 0},    {1, 0},    {2, 100}};
  for (unsigned i = 0; i < sizeof watchdogs / sizeof *watchdogs; ++i) {
    struct sched_watchdog w = {.id = watchdogs[i].id, .timeout = watchdogs[i].timeout};
    row(sched_op(SCHEDOP_watchdog, &w), "%u/id-%x-timeout-%u", i, w.id, w.timeout);
  }
  about("sched_op/pin_override");
  static const int pcpus[] = {-1, 0, 1, 1000, 0x7fffffff, -100};
  for (unsigned i = 0; i < sizeof pcpus / sizeof *pcpus; ++i) {
    struct sched_pin_override p = {.pcpu = pcpus[i]};
    row(sched_op(SCHEDOP_pin_override, &p), "%d", pcpus[i]);
  }
  about("sched_op/high-bits");
  row(hypercall5(__HYPERVISOR_sched_op, 1l << 40 | SCHEDOP_yield, UNMAPPED, 0, 0, 0), "yield");
  about("sched_op/shutdown_code");
  bad_pointers(__HYPERVISOR_sched_op, SCHEDOP_shutdown_code, 2);
  /* The first one counts: this guest's end is a power-off whatever comes later. */
  row(hypercall5(__HYPERVISOR_sched_op, SCHEDOP_shutdown_code, (long)read_only_page, 0, 0, 0), "poweroff");
  struct sched_shutdown code = {.reason = SHUTDOWN_crash};
  row(sched_op(SCHEDOP_shutdown_code, &code), "crash");
  code.reason = 0xffffffff;
  row(sched_op(SCHEDOP_shutdown_code, &code), "ffffffff");
}

static void command_rows(void) {
  about("vcpu_op");
  for (int command = -1; command < 18; ++command) {
    /* Down and NMI would take this vCPU with them. */
    if (command != VCPUOP_down && command != VCPUOP_send_nmi)
      row(hypercall5(__HYPERVISOR_vcpu_op, command, 0, UNMAPPED, 0, 0), "%d/self", command);
    row(hypercall5(__HYPERVISOR_vcpu_op, command, 1, UNMAPPED, 0, 0), "%d/vcpu-1", command);
    row(hypercall5(__HYPERVISOR_vcpu_op, command, 2, UNMAPPED, 0, 0), "%d/vcpu-2", command);
    row(hypercall5(__HYPERVISOR_vcpu_op, command, 0xffffffff, UNMAPPED, 0, 0), "%d/vcpu-ffffffff", command);
  }
  row(hypercall5(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 1l << 32, 0, 0, 0), "vcpu-high-bits");
  row(hypercall5(__HYPERVISOR_vcpu_op, 1l << 32 | VCPUOP_is_up, 0, 0, 0, 0), "command-high-bits");
  row(vcpu_op(VCPUOP_is_up, 128, NULL), "vcpu-128");
}

static void timer_rows(void) {
  about("vcpu_op/set_periodic_timer");
  static const uint64_t periods[] = {0, 1, 999999, 1000000, 1ul << 62, ~0ul};
  for (unsigned i = 0; i < sizeof periods / sizeof *periods; ++i) {
    struct vcpu_set_periodic_timer t = {.period_ns = periods[i]};
    row(vcpu_op(VCPUOP_set_periodic_timer, 0, &t), "self/%lx", periods[i]);
    row(vcpu_op(VCPUOP_set_periodic_timer, 1, &t), "vcpu-1/%lx", periods[i]);
  }
  row(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), "stop");
  row(vcpu_op(VCPUOP_stop_periodic_timer, 1, NULL), "stop/vcpu-1");
  about("vcpu_op/set_singleshot_timer");
  static const uint64_t times[] = {0, 1, 0x7fffffffffffffff, ~0ul};
  for (unsigned i = 0; i < sizeof times / sizeof *times; ++i)
    for (uint32_t flags = 0; flags < 4; ++flags) {
      struct vcpu_set_singleshot_timer t = {.timeout_abs_ns = times[i], .flags = flags};
      row(vcpu_op(VCPUOP_set_singleshot_timer, 0, &t), "%lx/flags-%u", times[i], flags);
    }
  struct vcpu_set_singleshot_timer t = {.timeout_abs_ns = 1};
  row(vcpu_op(VCPUOP_set_singleshot_timer, 1, &t), "vcpu-1");
  row(vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), "stop");
  row(vcpu_op(VCPUOP_stop_singleshot_timer, 1, NULL), "stop/vcpu-1");
}

static void area_rows(void) {
  about("vcpu_op/register_runstate_memory_area");
  uint64_t page = new_pages(1);
  static const struct {
    const char* name;
    uint64_t address;
  } places[] = {{"unmapped", UNMAPPED}, {"noncanonical", NONCANONICAL}, {"hole", HOLE}, {"null", 0}};
  struct vcpu_register_runstate_memory_area a;
  struct vcpu_register_time_memory_area t;
  for (unsigned i = 0; i < sizeof places / sizeof *places; ++i) {
    a.addr.p = places[i].address;
    row(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &a), "area-%s", places[i].name);
    row(vcpu_op(VCPUOP_register_runstate_memory_area, 1, &a), "vcpu-1/area-%s", places[i].name);
  }
  a.addr.p = page;
  row(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &a), "good");
  row(vcpu_op(VCPUOP_register_runstate_memory_area, 1, &a), "vcpu-1");
  a.addr.p = page + 1;
  row(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &a), "not-aligned");
  a.addr.p = 0;
  row(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &a), "none");
  row(vcpu_op(VCPUOP_register_runstate_memory_area, 1, &a), "vcpu-1/none");
  about("vcpu_op/register_vcpu_time_memory_area");
  for (unsigned i = 0; i < sizeof places / sizeof *places; ++i) {
    t.addr.p = places[i].address;
    row(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &t), "area-%s", places[i].name);
  }
  t.addr.p = page + 512;
  row(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &t), "good");
  t.addr.p = 0;
  row(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &t), "none");
  about("vcpu_op/get_runstate_info");
  struct vcpu_runstate_info info;
  result = vcpu_op(VCPUOP_get_runstate_info, 0, &info);
  row_value(result, (uint64_t)info.state, "self");
  result = vcpu_op(VCPUOP_get_runstate_info, 1, &info);
  row_value(result, (uint64_t)info.state, "vcpu-1");
  row(hypercall5(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, (long)read_only_page, 0, 0), "read-only");
}

static void initialise_rows(void) {
  about("vcpu_op/initialise");
  static vcpu_hvm_context_t c;
  for (uint32_t mode = 0; mode < 6; ++mode) {
    if (mode == VCPU_HVM_MODE_32B || mode == VCPU_HVM_MODE_64B) continue;
    c = (vcpu_hvm_context_t){.mode = mode};
    row(vcpu_op(VCPUOP_initialise, 1, &c), "mode-%u", mode);
  }
  c = (vcpu_hvm_context_t){.mode = VCPU_HVM_MODE_32B};
  row(vcpu_op(VCPUOP_initialise, 1, &c), "32bit/zeros");
  c.cpu_regs.x86_32.cr0 = 1u << 31;
  row(vcpu_op(VCPUOP_initialise, 1, &c), "32bit/paging-without-protection");
  c = (vcpu_hvm_context_t){.mode = VCPU_HVM_MODE_64B};
  row(vcpu_op(VCPUOP_initialise, 1, &c), "64bit/zeros");
  c.cpu_regs.x86_64.cr0 = 0x80000001, c.cpu_regs.x86_64.cr4 = 0x20, c.cpu_regs.x86_64.efer = 0x100;
  row(vcpu_op(VCPUOP_initialise, 1, &c), "64bit/cr3-0-no-lma");
  c.cpu_regs.x86_64.cr4 = ~0ul;
  row(vcpu_op(VCPUOP_initialise, 1, &c), "64bit/cr4-reserved");
  c.cpu_regs.x86_64.cr4 = 0x20, c.cpu_regs.x86_64.efer = 0x500;
  row(vcpu_op(VCPUOP_initialise, 1, &c), "64bit/good");
  row(vcpu_op(VCPUOP_initialise, 1, &c), "64bit/again");
  row(vcpu_op(VCPUOP_initialise, 0, &c), "self");
  row(vcpu_op(VCPUOP_is_up, 1, NULL), "is-up-afterwards");
}

static void info_rows(void) {
  about("vcpu_op/register_vcpu_info");
  bad_pointers(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 3);
  uint64_t frame = new_pages(1) >> 12;
  static const uint32_t offsets[] = {1, 4, 4096 - 63, 4096, 0xffffffff, 0xffffffc0};
  for (unsigned i = 0; i < sizeof offsets / sizeof *offsets; ++i) {
    struct vcpu_register_vcpu_info v = {.mfn = frame, .offset = offsets[i]};
    row(vcpu_op(VCPUOP_register_vcpu_info, 1, &v), "offset-%x", offsets[i]);
  }
  static const uint64_t frames[] = {0x300000, 1ul << 36, 1ul << 40, 1ul << 52, ~0ul};
  for (unsigned i = 0; i < sizeof frames / sizeof *frames; ++i) {
    struct vcpu_register_vcpu_info v = {.mfn = frames[i]};
    row(vcpu_op(VCPUOP_register_vcpu_info, 1, &v), "frame-%lx", frames[i]);
  }
  struct vcpu_register_vcpu_info far = {.mfn = frame, .offset = 64};
  row(vcpu_op(VCPUOP_register_vcpu_info, 2, &far), "vcpu-2");
  row(vcpu_op(VCPUOP_register_vcpu_info, 0xffffffff, &far), "vcpu-ffffffff");
  far.rsvd = 1;
  row(vcpu_op(VCPUOP_register_vcpu_info, 2, &far), "vcpu-2/reserved");
  struct vcpu_register_vcpu_info v = {.mfn = frame, .offset = 64};
  row(vcpu_op(VCPUOP_register_vcpu_info, 1, &v), "vcpu-1");
  row(vcpu_op(VCPUOP_register_vcpu_info, 1, &v), "vcpu-1/again");
  v.offset = 0;
  row(vcpu_op(VCPUOP_register_vcpu_info, 0, &v), "self");
  row(vcpu_op(VCPUOP_register_vcpu_info, 0, &v), "self/again");
}

void vcpu_rows(void) {
  command_rows();
  timer_rows();
  area_rows();
  initialise_rows();
  info_rows();
}
