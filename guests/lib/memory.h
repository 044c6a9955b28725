/* Free RAM, and mappings beside the identity map of the first 4 GiB. */
#ifndef GUESTS_LIB_MEMORY_H
#define GUESTS_LIB_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE_PRESENT 1ull
#define PAGE_WRITABLE 2ull
#define PAGE_USER 4ull
#define PAGE_LARGE 0x80ull
#define PAGE_NO_EXECUTE (1ull << 63)

/* A window of linear addresses that nothing else uses; mappings go here. */
#define WINDOW 0x8000000000ul

/* Takes zeroed memory that is never given back: the address of size bytes (rounded up to pages) at the given
 * alignment, or 0 if there is not as much. Physical and linear address are the same. */
uint64_t memory_take(uint64_t size, uint64_t alignment);

/* How much memory_take can give at 2 MiB alignment. */
uint64_t memory_left(void);

/* Maps size bytes at linear to physical in 4 KiB pages, or in 2 MiB pages with large. Tables let every access
 * through; flags are those of the last level. Does not invalidate. */
void memory_map(uint64_t linear, uint64_t physical, uint64_t size, bool large, uint64_t flags);

/* The last-level entry of a mapped 4 KiB page. */
uint64_t* memory_entry(uint64_t linear);

#endif
