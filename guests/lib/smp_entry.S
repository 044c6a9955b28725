/* Where secondary vCPUs start: real mode at TRAMPOLINE_ADDRESS after INIT and SIPI, or 64-bit mode at
 * secondary_start_hypercall when Xen was asked for them (VCPUOP_initialise). */
#include "layout.h"

        .section .rodata
        .code16
        .globl trampoline_begin, trampoline_end
trampoline_begin:
        cli
        mov     %cs, %ax
        mov     %ax, %ds
        lgdtl   trampoline_gdt - trampoline_begin
        mov     %cr0, %eax
        and     $0x9fffffff, %eax               /* INIT leaves caching off: CD and NW */
        or      $1, %eax
        mov     %eax, %cr0
        ljmpl   $SELECTOR_CODE32, $secondary_start32
        .align 4
trampoline_gdt:
        .word   8 * 8 + MAX_VCPUS * 16 - 1
        .long   gdt
trampoline_end:

        .text
        .code32
secondary_start32:
        mov     $SELECTOR_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     secondary_stack, %esp
        push    $SELECTOR_CODE64
        push    $secondary_start64
        jmp     long_mode_enable

        .code64
        .globl secondary_start_hypercall
secondary_start_hypercall:
        lgdt    gdt_pointer
        push    $SELECTOR_CODE64
        push    $secondary_start64
        lretq

secondary_start64:
        mov     $SELECTOR_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        xor     %eax, %eax
        mov     %eax, %fs
        mov     %eax, %gs
        mov     secondary_stack, %rsp
        fninit
        xor     %ebp, %ebp
        call    secondary_c
1:      cli
        hlt
        jmp     1b

        .section .note.GNU-stack, "", @progbits
