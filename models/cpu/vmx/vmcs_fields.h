// VMCS field encodings (SDM 3, appendix B), basic exit reasons (appendix C) and VM-instruction errors (30.4).
#pragma once

#include <cstdint>

namespace xensim::cpu {

enum class VmcsField : std::uint32_t {
  // 16-bit
  kVpid = 0x0000, kPostedInterruptVector = 0x0002,
  kGuestEsSelector = 0x0800, kGuestCsSelector = 0x0802, kGuestSsSelector = 0x0804, kGuestDsSelector = 0x0806,
  kGuestFsSelector = 0x0808, kGuestGsSelector = 0x080a, kGuestLdtrSelector = 0x080c, kGuestTrSelector = 0x080e,
  kGuestInterruptStatus = 0x0810, kPmlIndex = 0x0812,
  kHostEsSelector = 0x0c00, kHostCsSelector = 0x0c02, kHostSsSelector = 0x0c04, kHostDsSelector = 0x0c06,
  kHostFsSelector = 0x0c08, kHostGsSelector = 0x0c0a, kHostTrSelector = 0x0c0c,
  // 64-bit
  kIoBitmapA = 0x2000, kIoBitmapB = 0x2002, kMsrBitmap = 0x2004, kExitMsrStoreAddress = 0x2006,
  kExitMsrLoadAddress = 0x2008, kEntryMsrLoadAddress = 0x200a, kPmlAddress = 0x200e, kTscOffset = 0x2010,
  kVirtualApicPage = 0x2012, kApicAccessPage = 0x2014, kPostedInterruptDescriptor = 0x2016, kEptPointer = 0x201a,
  kEoiExitBitmap0 = 0x201c, kEoiExitBitmap1 = 0x201e, kEoiExitBitmap2 = 0x2020, kEoiExitBitmap3 = 0x2022,
  kXssExitingBitmap = 0x202c, kTscMultiplier = 0x2032,
  kGuestPhysicalAddress = 0x2400,
  kVmcsLinkPointer = 0x2800, kGuestDebugctl = 0x2802, kGuestPat = 0x2804, kGuestEfer = 0x2806,
  kGuestPdpte0 = 0x280a, kGuestPdpte1 = 0x280c, kGuestPdpte2 = 0x280e, kGuestPdpte3 = 0x2810,
  kHostPat = 0x2c00, kHostEfer = 0x2c02,
  // 32-bit
  kPinControls = 0x4000, kPrimaryControls = 0x4002, kExceptionBitmap = 0x4004, kPageFaultErrorMask = 0x4006,
  kPageFaultErrorMatch = 0x4008, kCr3TargetCount = 0x400a, kExitControls = 0x400c, kExitMsrStoreCount = 0x400e,
  kExitMsrLoadCount = 0x4010, kEntryControls = 0x4012, kEntryMsrLoadCount = 0x4014, kEntryInterruptionInfo = 0x4016,
  kEntryExceptionError = 0x4018, kEntryInstructionLength = 0x401a, kTprThreshold = 0x401c, kSecondaryControls = 0x401e,
  kPleGap = 0x4020, kPleWindow = 0x4022,
  kInstructionError = 0x4400, kExitReason = 0x4402, kExitInterruptionInfo = 0x4404, kExitInterruptionError = 0x4406,
  kIdtVectoringInfo = 0x4408, kIdtVectoringError = 0x440a, kExitInstructionLength = 0x440c,
  kExitInstructionInfo = 0x440e,
  kGuestEsLimit = 0x4800, kGuestCsLimit = 0x4802, kGuestSsLimit = 0x4804, kGuestDsLimit = 0x4806,
  kGuestFsLimit = 0x4808, kGuestGsLimit = 0x480a, kGuestLdtrLimit = 0x480c, kGuestTrLimit = 0x480e,
  kGuestGdtrLimit = 0x4810, kGuestIdtrLimit = 0x4812, kGuestEsAttr = 0x4814, kGuestCsAttr = 0x4816,
  kGuestSsAttr = 0x4818, kGuestDsAttr = 0x481a, kGuestFsAttr = 0x481c, kGuestGsAttr = 0x481e, kGuestLdtrAttr = 0x4820,
  kGuestTrAttr = 0x4822, kGuestInterruptibility = 0x4824, kGuestActivity = 0x4826, kGuestSmbase = 0x4828,
  kGuestSysenterCs = 0x482a, kPreemptionTimer = 0x482e,
  kHostSysenterCs = 0x4c00,
  // natural width
  kCr0Mask = 0x6000, kCr4Mask = 0x6002, kCr0Shadow = 0x6004, kCr4Shadow = 0x6006, kCr3Target0 = 0x6008,
  kCr3Target1 = 0x600a, kCr3Target2 = 0x600c, kCr3Target3 = 0x600e,
  kExitQualification = 0x6400, kGuestLinearAddress = 0x640a,
  kGuestCr0 = 0x6800, kGuestCr3 = 0x6802, kGuestCr4 = 0x6804, kGuestEsBase = 0x6806, kGuestCsBase = 0x6808,
  kGuestSsBase = 0x680a, kGuestDsBase = 0x680c, kGuestFsBase = 0x680e, kGuestGsBase = 0x6810, kGuestLdtrBase = 0x6812,
  kGuestTrBase = 0x6814, kGuestGdtrBase = 0x6816, kGuestIdtrBase = 0x6818, kGuestDr7 = 0x681a, kGuestRsp = 0x681c,
  kGuestRip = 0x681e, kGuestRflags = 0x6820, kGuestPendingDebug = 0x6822, kGuestSysenterEsp = 0x6824,
  kGuestSysenterEip = 0x6826,
  kHostCr0 = 0x6c00, kHostCr3 = 0x6c02, kHostCr4 = 0x6c04, kHostFsBase = 0x6c06, kHostGsBase = 0x6c08,
  kHostTrBase = 0x6c0a, kHostGdtrBase = 0x6c0c, kHostIdtrBase = 0x6c0e, kHostSysenterEsp = 0x6c10,
  kHostSysenterEip = 0x6c12, kHostRsp = 0x6c14, kHostRip = 0x6c16,
};

enum class ExitReason : std::uint16_t {
  kExceptionOrNmi = 0, kExternalInterrupt = 1, kTripleFault = 2, kInit = 3, kSipi = 4, kInterruptWindow = 7,
  kNmiWindow = 8, kTaskSwitch = 9, kCpuid = 10, kHlt = 12, kInvd = 13, kInvlpg = 14, kRdpmc = 15, kRdtsc = 16,
  kVmcall = 18, kVmclear = 19, kVmlaunch = 20, kVmptrld = 21, kVmptrst = 22, kVmread = 23, kVmresume = 24,
  kVmwrite = 25, kVmxoff = 26, kVmxon = 27, kCrAccess = 28, kMovDr = 29, kIo = 30, kRdmsr = 31, kWrmsr = 32,
  kEntryFailureGuestState = 33, kEntryFailureMsrLoad = 34, kMwait = 36, kMonitorTrapFlag = 37, kMonitor = 39,
  kPause = 40, kTprBelowThreshold = 43, kApicAccess = 44, kVirtualizedEoi = 45, kGdtrIdtr = 46, kLdtrTr = 47,
  kEptViolation = 48, kEptMisconfiguration = 49, kInvept = 50, kRdtscp = 51, kPreemptionTimer = 52, kInvvpid = 53,
  kWbinvd = 54, kXsetbv = 55, kApicWrite = 56, kRdrand = 57, kInvpcid = 58, kVmfunc = 59, kRdseed = 61,
  kPmlFull = 62, kXsaves = 63, kXrstors = 64,
};

// VM-instruction error numbers (SDM 3, 30.4).
enum class VmxError : std::uint32_t {
  kNone = 0, kVmcallInRoot = 1, kVmclearInvalidAddress = 2, kVmclearVmxonPointer = 3, kVmlaunchNonClear = 4,
  kVmresumeNonLaunched = 5, kEntryInvalidControls = 7, kEntryInvalidHostState = 8, kVmptrldInvalidAddress = 9,
  kVmptrldVmxonPointer = 10, kVmptrldWrongRevision = 11, kUnsupportedField = 12, kReadOnlyField = 13,
  kVmxonInRoot = 15, kEntryBlockedByMovSs = 26, kInvalidInvalidationOperand = 28,
};

}  // namespace xensim::cpu
