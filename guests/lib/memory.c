#include "memory.h"

#include "exit.h"
#include "start.h"
#include "string.h"

extern const char image_end[];
extern uint64_t page_map_level4[];

static uint64_t free_begin, free_end;

static uint64_t round_up(uint64_t value, uint64_t alignment) { return (value + alignment - 1) & -alignment; }

static void raise(uint64_t* limit, uint64_t end) {
  if (end > *limit) *limit = end;
}

/* Free RAM is what lies above the image and everything that start info points to, in the image's RAM region. */
static void find_free_memory(void) {
  const struct hvm_memmap_table_entry* map = (const void*)start_info->memmap_paddr;
  uint64_t region_end = 0;
  for (uint32_t i = 0; i < start_info->memmap_entries; ++i)
    if (map[i].type == XEN_HVM_MEMMAP_TYPE_RAM && map[i].addr <= 0x100000 && map[i].addr + map[i].size > 0x100000)
      region_end = map[i].addr + map[i].size;
  if (region_end == 0) fail("no RAM at the image in the memory map");
  uint64_t used = (uint64_t)image_end;
  const uint64_t parts[][2] = {
      {(uint64_t)start_info, sizeof *start_info},
      {start_info->memmap_paddr, start_info->memmap_entries * sizeof *map},
      {start_info->modlist_paddr, start_info->nr_modules * sizeof(struct hvm_modlist_entry)},
      {start_info->cmdline_paddr, 4096},
  };
  for (unsigned i = 0; i < sizeof parts / sizeof parts[0]; ++i)
    if (parts[i][0] < region_end) raise(&used, parts[i][0] + parts[i][1]);
  const struct hvm_modlist_entry* modules = (const void*)start_info->modlist_paddr;
  for (uint32_t i = 0; i < start_info->nr_modules; ++i)
    if (modules[i].paddr < region_end) raise(&used, modules[i].paddr + modules[i].size);
  free_begin = round_up(used, 4096);
  free_end = region_end < 0xfc000000 ? region_end : 0xfc000000;
}

uint64_t memory_take(uint64_t size, uint64_t alignment) {
  if (!free_end) find_free_memory();
  uint64_t address = round_up(free_begin, alignment);
  size = round_up(size, 4096);
  if (address > free_end || size > free_end - address) return 0;
  free_begin = address + size;
  memset((void*)address, 0, size);
  return address;
}

uint64_t memory_left(void) {
  if (!free_end) find_free_memory();
  uint64_t address = round_up(free_begin, 0x200000);
  return address < free_end ? free_end - address : 0;
}

static uint64_t* next_table(uint64_t* entry) {
  if (!(*entry & PAGE_PRESENT)) {
    uint64_t table = memory_take(4096, 4096);
    if (!table) fail("no memory for page tables");
    *entry = table | PAGE_PRESENT | PAGE_WRITABLE | PAGE_USER;
  }
  return (uint64_t*)(*entry & 0xffffffffff000);
}

static uint64_t* directory_entry(uint64_t linear) {
  uint64_t* pointers = next_table(&page_map_level4[linear >> 39 & 511]);
  return &next_table(&pointers[linear >> 30 & 511])[linear >> 21 & 511];
}

uint64_t* memory_entry(uint64_t linear) { return &next_table(directory_entry(linear))[linear >> 12 & 511]; }

void memory_map(uint64_t linear, uint64_t physical, uint64_t size, bool large, uint64_t flags) {
  for (uint64_t offset = 0; offset < size; offset += large ? 0x200000 : 0x1000) {
    if (large)
      *directory_entry(linear + offset) = (physical + offset) | flags | PAGE_LARGE;
    else
      *memory_entry(linear + offset) = (physical + offset) | flags;
  }
}
