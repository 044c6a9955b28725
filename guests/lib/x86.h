/* Instructions that C has no words for. */
#ifndef GUESTS_LIB_X86_H
#define GUESTS_LIB_X86_H

#include <stdbool.h>
#include <stdint.h>

struct cpuid {
  uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf) {
  struct cpuid r;
  asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
  return r;
}

static inline uint64_t read_msr(uint32_t msr) {
  uint32_t low, high;
  asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
  return (uint64_t)high << 32 | low;
}

static inline void write_msr(uint32_t msr, uint64_t value) {
  asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

/* Not ordered against its neighbours: good for differences over long stretches. */
static inline uint64_t read_tsc(void) {
  uint32_t low, high;
  asm volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
}

/* Reads the TSC after every earlier instruction and before every later one. */
static inline uint64_t read_tsc_ordered(void) {
  uint32_t low, high;
  asm volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
  return (uint64_t)high << 32 | low;
}

static inline uint64_t read_cr0(void) {
  uint64_t value;
  asm volatile("mov %%cr0, %0" : "=r"(value));
  return value;
}

static inline void write_cr0(uint64_t value) { asm volatile("mov %0, %%cr0" : : "r"(value) : "memory"); }

static inline uint64_t read_cr2(void) {
  uint64_t value;
  asm volatile("mov %%cr2, %0" : "=r"(value));
  return value;
}

static inline uint64_t read_cr3(void) {
  uint64_t value;
  asm volatile("mov %%cr3, %0" : "=r"(value));
  return value;
}

static inline void write_cr3(uint64_t value) { asm volatile("mov %0, %%cr3" : : "r"(value) : "memory"); }

static inline uint64_t read_cr4(void) {
  uint64_t value;
  asm volatile("mov %%cr4, %0" : "=r"(value));
  return value;
}

static inline void write_cr4(uint64_t value) { asm volatile("mov %0, %%cr4" : : "r"(value) : "memory"); }

static inline void invalidate_page(uint64_t address) { asm volatile("invlpg (%0)" : : "r"(address) : "memory"); }

static inline void enable_interrupts(void) { asm volatile("sti" : : : "memory"); }
static inline void disable_interrupts(void) { asm volatile("cli" : : : "memory"); }

/* Waits for an interrupt. STI's shadow covers HLT, so one that is already pending ends the wait at once. */
static inline void wait_for_interrupt(void) { asm volatile("sti; hlt; cli" : : : "memory"); }

static inline uint64_t save_and_disable_interrupts(void) {
  uint64_t flags;
  asm volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
  return flags;
}

static inline void restore_interrupts(uint64_t flags) {
  if (flags & 0x200) enable_interrupts();
}

static inline void pause(void) { asm volatile("pause" : : : "memory"); }
static inline void compiler_barrier(void) { asm volatile("" : : : "memory"); }

#endif
