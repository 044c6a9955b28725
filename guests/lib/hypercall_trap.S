/* The hypercall instruction, by vendor. Takes and returns registers as the hypercall does. */
        .text
        .code64
        .align 16
        .globl hypercall_trap
hypercall_trap:
        cmpb    $0, hypercall_use_vmmcall
        jne     1f
        vmcall
        ret
1:      vmmcall
        ret

        .section .note.GNU-stack, "", @progbits
