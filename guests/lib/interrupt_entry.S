/* One entry per interrupt vector: bring the stack to one shape (struct frame in interrupts.h), call interrupt_dispatch.
 * Vectors 8, 10–14, 17, 21, 29 and 30 push an error code themselves (SDM volume 3, table 6-1); the rest get a zero. */
#include "layout.h"

        .text
        .code64
        .align 16
        .globl interrupt_entries
interrupt_entries:                              /* 16 bytes each */
vector = 0
        .rept 256
        .align 16
        .if !((vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30))
        push    $0
        .endif
        push    $vector
        jmp     interrupt_common
vector = vector + 1
        .endr

        .align 16
interrupt_common:
        push    %rax
        push    %rcx
        push    %rdx
        push    %rbx
        push    %rbp
        push    %rsi
        push    %rdi
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        cld
        mov     %rsp, %rdi
        mov     %rsp, %rbp
        and     $-16, %rsp
        call    interrupt_dispatch
        mov     %rbp, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rdi
        pop     %rsi
        pop     %rbp
        pop     %rbx
        pop     %rdx
        pop     %rcx
        pop     %rax
        add     $16, %rsp                       /* vector and error code */
        iretq

        .section .note.GNU-stack, "", @progbits
