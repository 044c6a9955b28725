#include "apic.h"

#include "command_line.h"
#include "x86.h"

#define MSR_APIC_BASE 0x1b
#define APIC_PAGE 0xfee00000ul

enum { kId = 0x02, kEndOfInterrupt = 0x0b, kSpurious = 0x0f, kCommand = 0x30, kCommandHigh = 0x31 };

static bool x2apic;

static volatile uint32_t* in_page(unsigned reg) { return (volatile uint32_t*)(APIC_PAGE + reg * 16); }

static uint32_t read_register(unsigned reg) { return x2apic ? (uint32_t)read_msr(0x800 + reg) : *in_page(reg); }

static void write_register(unsigned reg, uint32_t value) {
  if (x2apic)
    write_msr(0x800 + reg, value);
  else
    *in_page(reg) = value;
}

void apic_init(void) {
  x2apic = (cpuid(1, 0).ecx >> 21 & 1) && !option_is("apic", "x");
  uint64_t base = read_msr(MSR_APIC_BASE);
  write_msr(MSR_APIC_BASE, base | 0x800);
  if (x2apic) write_msr(MSR_APIC_BASE, base | 0xc00);
  write_register(kSpurious, 0x100 | APIC_SPURIOUS_VECTOR);
}

bool apic_is_x2apic(void) { return x2apic; }

uint32_t apic_id(void) { return x2apic ? read_register(kId) : read_register(kId) >> 24; }

void apic_end_of_interrupt(void) { write_register(kEndOfInterrupt, 0); }

void apic_send(uint32_t destination, uint32_t low) {
  if (x2apic) {
    asm volatile("mfence; lfence" : : : "memory"); /* WRMSR to an x2APIC register does not wait for stores */
    write_msr(0x800 + kCommand, (uint64_t)destination << 32 | low);
    return;
  }
  write_register(kCommandHigh, destination << 24);
  write_register(kCommand, low);
  while (read_register(kCommand) & 0x1000) pause();
}
