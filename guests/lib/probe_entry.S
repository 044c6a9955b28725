/* probe_enter(code, user, user stack, flags): see probe.h. */
#include "layout.h"

        .text
        .code64
        .globl probe_enter, probe_resume
probe_enter:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, probe_stack
        test    %esi, %esi
        jnz     1f
        push    %rcx
        popfq
        jmp     *%rdi
1:      push    $SELECTOR_USER_DATA
        push    %rdx
        push    %rcx
        push    $SELECTOR_USER_CODE64
        push    %rdi
        iretq

probe_resume:
        cld
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret

        .section .note.GNU-stack, "", @progbits
