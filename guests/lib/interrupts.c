/* Descriptor tables of each vCPU and the way from an entry point to a handler (SDM volume 3, chapter 6). One GDT
 * and one IDT serve all vCPUs; the task register says which vCPU runs, since its selector differs on each.
 * Handlers and all of this library are compiled without SSE, so an interrupt leaves the vector registers alone. */
#include "interrupts.h"

#include "exit.h"
#include "layout.h"
#include "print.h"
#include "x86.h"

struct idt_entry {
  uint16_t offset_low, selector;
  uint8_t stack, type;
  uint16_t offset_middle;
  uint32_t offset_high, reserved;
};

struct __attribute__((packed)) tss {
  uint32_t reserved0;
  uint64_t rsp[3], reserved1, ist[7], reserved2;
  uint16_t reserved3, io_map_base;
};

struct __attribute__((packed)) table_pointer {
  uint16_t limit;
  uint64_t base;
};

extern uint64_t gdt[];
extern const struct table_pointer gdt_pointer;
extern const char interrupt_entries[];

static struct idt_entry idt[256] __attribute__((aligned(16)));
static struct tss tss[MAX_VCPUS] __attribute__((aligned(128)));
static uint8_t interrupt_stacks[MAX_VCPUS][STACK_SIZE] __attribute__((aligned(16)));
static uint8_t fault_stacks[MAX_VCPUS][FAULT_STACK_SIZE] __attribute__((aligned(16)));
static interrupt_handler* handlers[256];

static const char* const exception_names[32] = {
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "", "#TS", "#NP", "#SS", "#GP", "#PF", "",
    "#MF", "#AC", "#MC", "#XM", "#VE", "#CP", "",    "",    "",    "", "",    "",    "#HV", "#VC", "#SX", ""};

void set_interrupt_handler(unsigned vector, interrupt_handler* handler) { handlers[vector & 255] = handler; }

interrupt_handler* interrupt_handler_of(unsigned vector) { return handlers[vector & 255]; }

void set_interrupt_stack(unsigned vector, unsigned index) { idt[vector & 255].stack = (uint8_t)(index & 7); }

void set_interrupt_user_callable(unsigned vector) { idt[vector & 255].type |= 0x60; }

static void build_idt(void) {
  for (unsigned vector = 0; vector < 256; ++vector) {
    uint64_t entry = (uint64_t)interrupt_entries + vector * 16;
    idt[vector] = (struct idt_entry){.offset_low = (uint16_t)entry,
                                     .selector = SELECTOR_CODE64,
                                     .type = 0x8e,
                                     .offset_middle = (uint16_t)(entry >> 16),
                                     .offset_high = (uint32_t)(entry >> 32)};
  }
  set_interrupt_stack(8, 1); /* a double fault often means a bad stack */
}

static void load_tables(unsigned vcpu) {
  struct table_pointer idt_pointer = {sizeof idt - 1, (uint64_t)idt};
  asm volatile("lgdt %0" : : "m"(gdt_pointer));
  asm volatile("lidt %0" : : "m"(idt_pointer));
  asm volatile("ltr %w0" : : "r"(SELECTOR_TSS + 16 * vcpu));
}

void interrupts_init(unsigned vcpu) {
  if (vcpu == 0) build_idt();
  struct tss* own = &tss[vcpu];
  own->rsp[0] = (uint64_t)interrupt_stacks[vcpu] + STACK_SIZE;
  own->ist[0] = (uint64_t)fault_stacks[vcpu] + FAULT_STACK_SIZE;
  own->io_map_base = sizeof(struct tss);
  uint64_t base = (uint64_t)own;
  uint64_t* descriptor = &gdt[SELECTOR_TSS / 8 + 2 * vcpu];
  descriptor[0] = (sizeof(struct tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
  descriptor[1] = base >> 32;
  load_tables(vcpu);
}

unsigned current_vcpu(void) {
  uint32_t selector;
  asm volatile("str %0" : "=r"(selector));
  return ((selector & 0xffff) - SELECTOR_TSS) / 16 % MAX_VCPUS;
}

void interrupts_reload(void) {
  gdt[SELECTOR_TSS / 8] &= ~(2ull << 40); /* not busy */
  load_tables(0);
}

void report_exception(const struct frame* f) {
  const char* name = f->vector < 32 ? exception_names[f->vector] : "";
  print("vCPU %u: vector %lu %s error code %lx at %lx:%lx, flags %lx, stack %lx:%lx, CR2 %lx\n", current_vcpu(),
        f->vector, name, f->error_code, f->cs, f->rip, f->rflags, f->ss, f->rsp, read_cr2());
  print("  rax %016lx rcx %016lx rdx %016lx rbx %016lx\n", f->rax, f->rcx, f->rdx, f->rbx);
  print("  rbp %016lx rsi %016lx rdi %016lx r8  %016lx\n", f->rbp, f->rsi, f->rdi, f->r8);
  print("  r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", f->r9, f->r10, f->r11, f->r12);
  print("  r13 %016lx r14 %016lx r15 %016lx\n", f->r13, f->r14, f->r15);
}

void interrupt_dispatch(struct frame* frame);
void interrupt_dispatch(struct frame* frame) {
  interrupt_handler* handler = handlers[frame->vector & 255];
  if (handler) {
    handler(frame);
    return;
  }
  print_lock_break();
  report_exception(frame);
  fail("unexpected vector %lu", frame->vector);
}
