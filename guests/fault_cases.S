/* Code that faults, and the table of what each piece should be reported as: vector, error code, address in CR2, and RIP,
 * which is at_NAME (of the instruction for a fault, of the next one for a trap). */
#include "fault_cases.h"
#include "lib/layout.h"

        .macro  begin name, vector, error=0, cr2=ANY_ADDRESS, needs=0, rip=0
        .section .rodata.cases, "a"
        .quad   name_\name, code_\name
        .if     \rip
        .quad   \rip
        .else
        .quad   at_\name
        .endif
        .quad   \vector, \error, \cr2, \needs
        .section .rodata.names, "a"
name_\name: .asciz "\name"
        .text
code_\name:
        .endm

        .macro  end
        int     $NOTHING_HAPPENED
        .endm

        .section .rodata.cases, "a"
        .align  8
        .globl  fault_cases
fault_cases:
        .text
        .code64

        begin   divide_by_zero, 0
        xor     %edx, %edx
        xor     %ecx, %ecx
at_divide_by_zero:
        div     %ecx
        end

        begin   quotient_too_large, 0
        mov     $0x80000000, %eax
        cdq
        mov     $-1, %ecx
at_quotient_too_large:
        idiv    %ecx
        end

        begin   single_step, 1
        pushfq
        orl     $0x100, (%rsp)
        popfq
        nop
at_single_step:
        end

        begin   instruction_breakpoint, 1
        lea     at_instruction_breakpoint(%rip), %rax
        mov     %rax, %dr0
        mov     $1, %eax
        mov     %rax, %dr7
at_instruction_breakpoint:
        nop
        end

        begin   data_breakpoint, 1
        movabs  $SUPERVISOR_PAGE, %rbx
        mov     %rbx, %dr1
        mov     $0x00d00004, %eax               /* DR1, on writes of four bytes */
        mov     %rax, %dr7
        movl    $1, (%rbx)
at_data_breakpoint:
        end

        begin   int1, 1
        .byte   0xf1
at_int1:
        end

        begin   breakpoint, 3
        int3
at_breakpoint:
        end

        begin   into_in_64_bit_mode, 6
at_into_in_64_bit_mode:
        .byte   0xce
        end

        begin   undefined_opcode, 6
at_undefined_opcode:
        ud2
        end

        begin   lock_on_a_register, 6
at_lock_on_a_register:
        .byte   0xf0, 0x01, 0xc0
        end

        begin   x87_after_task_switch, 7
        mov     %cr0, %rax
        or      $8, %rax
        mov     %rax, %cr0
at_x87_after_task_switch:
        fldz
        end

        begin   sse_after_task_switch, 7
        mov     %cr0, %rax
        or      $8, %rax
        mov     %rax, %cr0
at_sse_after_task_switch:
        xorps   %xmm0, %xmm0
        end

        begin   sse_emulated, 6
        mov     %cr0, %rax
        or      $4, %rax
        mov     %rax, %cr0
at_sse_emulated:
        xorps   %xmm0, %xmm0
        end

        begin   double_fault, 8                 /* nor is there a stack to report the first fault on */
        movabs  $0x8000000000000000, %rsp
at_double_fault:
        push    %rax
        end

        begin   stack_beyond_tss, 10, SELECTOR_SPARE
        mov     $SELECTOR_SPARE, %eax
        ltr     %ax
at_stack_beyond_tss:
        int     $DISTANT_STACK
        end

        begin   segment_not_present, 11, SELECTOR_SPARE
        mov     $SELECTOR_SPARE, %eax
at_segment_not_present:
        mov     %eax, %es
        end

        begin   stack_segment_not_present, 12, SELECTOR_SPARE
        mov     $SELECTOR_SPARE, %eax
at_stack_segment_not_present:
        mov     %eax, %ss
        end

        begin   stack_not_canonical, 12
        movabs  $0x8000000000000000, %rbp
at_stack_not_canonical:
        mov     (%rbp), %rax
        end

        begin   address_not_canonical, 13
        movabs  $0x8000000000000000, %rbx
at_address_not_canonical:
        mov     (%rbx), %rax
        end

        begin   selector_beyond_gdt, 13, 0xfff0
        mov     $0xfff0, %eax
at_selector_beyond_gdt:
        mov     %eax, %es
        end

        begin   reserved_bit_in_cr4, 13
        mov     %cr4, %rax
        bts     $63, %rax
at_reserved_bit_in_cr4:
        mov     %rax, %cr4
        end

        begin   unknown_msr, 13
        mov     $0xbad00000, %ecx
at_unknown_msr:
        rdmsr
        end

        begin   sse_misaligned, 13
        movabs  $SUPERVISOR_PAGE + 1, %rbx
at_sse_misaligned:
        movaps  (%rbx), %xmm0
        end

        begin   read_absent, 14, 0, ABSENT_PAGE + 8
        movabs  $ABSENT_PAGE + 8, %rbx
at_read_absent:
        mov     (%rbx), %rax
        end

        begin   write_absent, 14, 2, ABSENT_PAGE + 8
        movabs  $ABSENT_PAGE + 8, %rbx
at_write_absent:
        mov     %rax, (%rbx)
        end

        begin   fetch_absent, 14, 0x10, ABSENT_PAGE, 0, ABSENT_PAGE
        movabs  $ABSENT_PAGE, %rbx
        jmp     *%rbx
        end

        begin   read_across_into_absent, 14, 0, ABSENT_PAGE
        movabs  $ABSENT_PAGE - 4, %rbx
at_read_across_into_absent:
        mov     (%rbx), %rax
        end

        begin   write_read_only, 14, 3, READ_ONLY_PAGE + 16
        movabs  $READ_ONLY_PAGE + 16, %rbx
at_write_read_only:
        movl    $1, (%rbx)
        end

        begin   fetch_no_execute, 14, 0x11, NO_EXECUTE_PAGE, 0, NO_EXECUTE_PAGE
        movabs  $NO_EXECUTE_PAGE, %rbx
        jmp     *%rbx
        end

        begin   read_reserved_bit, 14, 9, RESERVED_BIT_PAGE
        movabs  $RESERVED_BIT_PAGE, %rbx
at_read_reserved_bit:
        mov     (%rbx), %rax
        end

        begin   write_reserved_bit, 14, 11, RESERVED_BIT_PAGE
        movabs  $RESERVED_BIT_PAGE, %rbx
at_write_reserved_bit:
        mov     %rax, (%rbx)
        end

        begin   smep_fetch, 14, 0x11, USER_CODE_PAGE, NEEDS_SMEP, USER_CODE_PAGE
        movabs  $USER_CODE_PAGE, %rbx
        jmp     *%rbx
        end

        begin   smap_read, 14, 1, USER_DATA_PAGE, NEEDS_SMAP
        movabs  $USER_DATA_PAGE, %rbx
at_smap_read:
        mov     (%rbx), %rax
        end

        begin   smap_write, 14, 3, USER_DATA_PAGE, NEEDS_SMAP
        movabs  $USER_DATA_PAGE, %rbx
at_smap_write:
        mov     %rax, (%rbx)
        end

        begin   x87_exception, 16
        fninit
        push    $0x37b                          /* division by zero unmasked */
        fldcw   (%rsp)
        fld1
        fldz
        fdivrp
at_x87_exception:
        fwait
        end

        begin   sse_exception, 19
        push    $0x1d80                         /* division by zero unmasked */
        ldmxcsr (%rsp)
        mov     $1, %eax
        cvtsi2ss %eax, %xmm0
        xorps   %xmm1, %xmm1
at_sse_exception:
        divss   %xmm1, %xmm0
        end

        begin   nothing, NOTHING_HAPPENED
        int     $NOTHING_HAPPENED
at_nothing:

        /* From here on at level 3, where a copy of this code is. */
        .globl  user_cases_begin, user_cases_end
user_cases_begin:
        begin   user_interrupt, NOTHING_HAPPENED, 0, ANY_ADDRESS, NEEDS_USER
        int     $NOTHING_HAPPENED
at_user_interrupt:

        begin   user_privileged_interrupt, 13, PRIVILEGED*8+2, ANY_ADDRESS, NEEDS_USER
at_user_privileged_interrupt:
        int     $PRIVILEGED
        end

        begin   user_cli, 13, 0, ANY_ADDRESS, NEEDS_USER
at_user_cli:
        cli
        end

        begin   user_hlt, 13, 0, ANY_ADDRESS, NEEDS_USER
at_user_hlt:
        hlt
        end

        begin   user_in, 13, 0, ANY_ADDRESS, NEEDS_USER
        mov     $0x80, %edx
at_user_in:
        in      %dx, %al
        end

        begin   user_read_cr0, 13, 0, ANY_ADDRESS, NEEDS_USER
at_user_read_cr0:
        mov     %cr0, %rax
        end

        begin   user_syscall_disabled, 6, 0, ANY_ADDRESS, NEEDS_USER
at_user_syscall_disabled:
        syscall
        end

        begin   user_read_absent, 14, 4, ABSENT_PAGE, NEEDS_USER
        movabs  $ABSENT_PAGE, %rbx
at_user_read_absent:
        mov     (%rbx), %rax
        end

        begin   user_write_absent, 14, 6, ABSENT_PAGE, NEEDS_USER
        movabs  $ABSENT_PAGE, %rbx
at_user_write_absent:
        mov     %rax, (%rbx)
        end

        begin   user_read_supervisor, 14, 5, SUPERVISOR_PAGE, NEEDS_USER
        movabs  $SUPERVISOR_PAGE, %rbx
at_user_read_supervisor:
        mov     (%rbx), %rax
        end

        begin   user_write_supervisor, 14, 7, SUPERVISOR_PAGE, NEEDS_USER
        movabs  $SUPERVISOR_PAGE, %rbx
at_user_write_supervisor:
        mov     %rax, (%rbx)
        end

        begin   user_fetch_supervisor, 14, 0x15, SUPERVISOR_PAGE, NEEDS_USER, SUPERVISOR_PAGE
        movabs  $SUPERVISOR_PAGE, %rbx
        jmp     *%rbx
        end

        begin   user_misaligned, 17, 0, ANY_ADDRESS, NEEDS_USER
        pushfq
        orl     $0x40000, (%rsp)
        popfq
        movabs  $USER_DATA_PAGE + 1, %rbx
at_user_misaligned:
        mov     (%rbx), %eax
        end

        begin   user_breakpoint, 3, 0, ANY_ADDRESS, NEEDS_USER
        int3
at_user_breakpoint:
        end
user_cases_end:

        .section .rodata.cases, "a"
        .globl  fault_cases_end
fault_cases_end:

        .section .note.GNU-stack, "", @progbits
