/* The first instructions of a guest, from PVH entry to C.
 *
 * A PVH domain starts at the address in its ELF note XEN_ELFNOTE_PHYS32_ENTRY: 32-bit protected mode, flat segments,
 * paging off, EBX = address of struct hvm_start_info, everything else undefined (xen/arch-x86/hvm/start_info.h).
 * From there: clear .bss, map the first 4 GiB onto themselves in 2 MiB pages, switch to 64-bit mode (SDM volume 3,
 * section 10.8.5), call start_c(start_info). Secondary vCPUs join at long_mode_enable. */
#include "layout.h"

        .section .note.Xen, "a", @note
        .align 4
        .long 4, 4, 18                          /* name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz "Xen"
        .long pvh_entry

        .section .text.start, "ax"
        .code32
        .globl pvh_entry
pvh_entry:
        cld
        mov     $boot_stack_end, %esp

        mov     $bss_start, %edi
        mov     $bss_end, %ecx
        sub     %edi, %ecx
        xor     %eax, %eax
        rep stosb

        movl    $page_directory_pointers + 3, page_map_level4
        mov     $page_directories + 3, %eax
        mov     $page_directory_pointers, %edi
        mov     $4, %ecx
1:      mov     %eax, (%edi)
        add     $4096, %eax
        add     $8, %edi
        loop    1b

        mov     $0x83, %eax                     /* present, writable, 2 MiB */
        mov     $page_directories, %edi
        mov     $2048, %ecx
1:      mov     %eax, (%edi)
        add     $0x200000, %eax
        add     $8, %edi
        loop    1b

        lgdt    gdt_pointer
        push    $SELECTOR_CODE64
        push    $start64
        jmp     long_mode_enable

/* Switches a vCPU with flat 32-bit segments and the GDT loaded to 64-bit mode and returns far to what its stack says.
 * Changes EAX, ECX, EDX. */
        .globl long_mode_enable
long_mode_enable:
        mov     $0x620, %eax                    /* PAE, OSFXSR, OSXMMEXCPT */
        mov     %eax, %cr4
        mov     $page_map_level4, %eax
        mov     %eax, %cr3
        mov     $0xc0000080, %ecx               /* EFER: LME, NXE */
        rdmsr
        or      $0x900, %eax
        wrmsr
        mov     $0x80010023, %eax               /* PG, WP, NE, MP, PE */
        mov     %eax, %cr0
        lret

        .code64
start64:
        mov     $SELECTOR_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        xor     %eax, %eax
        mov     %eax, %fs
        mov     %eax, %gs
        mov     $boot_stack_end, %esp
        fninit
        mov     %ebx, %edi
        xor     %ebp, %ebp
        call    start_c
1:      cli
        hlt
        jmp     1b

        .data
        .align 16
        .globl gdt, gdt_pointer
gdt:    .quad   0
        .quad   0x00af9b000000ffff              /* code, 64-bit */
        .quad   0x00cf93000000ffff              /* data */
        .quad   0x00cf9b000000ffff              /* code, 32-bit */
        .quad   0x00cff3000000ffff              /* user data */
        .quad   0x00affb000000ffff              /* user code, 64-bit */
        .quad   0, 0
        .fill   MAX_VCPUS * 2, 8, 0             /* task-state segments */
gdt_end:
        .align 8
        .word   0, 0, 0
gdt_pointer:
        .word   gdt_end - gdt - 1
        .quad   gdt

        .bss
        .align 4096
        .globl page_map_level4, page_directory_pointers, page_directories
page_map_level4:
        .skip   4096
page_directory_pointers:
        .skip   4096
page_directories:
        .skip   4 * 4096
boot_stack:
        .skip   STACK_SIZE
boot_stack_end:

        .section .note.GNU-stack, "", @progbits
