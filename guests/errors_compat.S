/* A hypercall as a 32-bit caller makes it, from compatibility mode: code in a 32-bit segment, arguments in EBX, ECX, EDX,
 * ESI and EDI, the number in EAX. To C it is long hypercall_32bit(number, a1, a2, a3, a4, a5); the result is sign-extended. */
#include "lib/layout.h"

        .text
        .code64
        .align 16
        .globl hypercall_32bit
hypercall_32bit:
        push    %rbx
        mov     %edi, %eax
        mov     %esi, %ebx
        xchg    %ecx, %edx              /* a2 and a3 */
        mov     %r8d, %esi
        mov     %r9d, %edi
        lcall   *far_pointer
        cltq
        pop     %rbx
        ret

        .code32
in_32bit:
        cmpb    $0, hypercall_use_vmmcall
        jne     1f
        vmcall
        lret
1:      vmmcall
        lret

        .section .rodata
        .align 8
far_pointer:
        .long   in_32bit
        .word   SELECTOR_CODE32

        .section .note.GNU-stack, "", @progbits
