// Xen's public headers (Debian's libxen-dev, Xen 4.17): the guest-visible ABI comes from there, never retyped.
#pragma once

#include <cstdint>

// The newest interface version, as Xen itself uses. NOLINTNEXTLINE(bugprone-reserved-identifier): Xen's own name
#define __XEN_TOOLS__ 1

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <xen/xen.h>

#include <xen/arch-x86/xen.h>

#include <xen/arch-x86/cpuid.h>
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/elfnote.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/hvm_vcpu.h>
#include <xen/hvm/params.h>
#include <xen/hvm/save.h>
#include <xen/io/console.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#pragma GCC diagnostic pop

namespace xensim::xen {

// Error numbers of Xen's ABI (public/errno.h); hypercalls return them negated.
inline constexpr long kEperm = 1, kEnoent = 2, kEsrch = 3, kEnxio = 6, kE2big = 7, kEagain = 11, kEnomem = 12,
                      kEacces = 13, kEfault = 14, kEbusy = 16, kEexist = 17, kEnodev = 19, kEinval = 22,
                      kEnospc = 28, kEnosys = 38, kEnodata = 61, kEtime = 62, kEopnotsupp = 95, kEio = 5,
                      kExdev = 18, kEdom = 33, kErange = 34, kEoverflow = 75, kEilseq = 84, kErestart = 85,
                      kEnobufs = 105;

}  // namespace xensim::xen
