// What a saved domain is made of: the records of libxc's migration stream (version 3) inside libxl's stream
// (version 2) inside xl's file. Numbers and layouts: docs/specs/libxc-migration-stream.pandoc and
// libxl-migration-stream.pandoc of Xen 4.17. Fields are little-endian; both image headers are big-endian.
//
// Order, for a PVH domain:
//
//   xl's header with the domain's configuration
//   libxl's header
//     LIBXC_CONTEXT
//       image header, domain header
//       X86_CPUID_POLICY, X86_MSR_POLICY, STATIC_DATA_END
//       PAGE_DATA…            (every page once, then those that were written since, round by round)
//       TSC_INFO, HVM_CONTEXT, HVM_PARAMS
//       END
//     END
#pragma once

#include <cstdint>

namespace xensim::dom0 {

enum class LibxcRecord : std::uint32_t {
  kEnd = 0,
  kPageData = 1,
  kSharedInfo = 7,
  kTscInfo = 8,
  kHvmContext = 9,
  kHvmParams = 10,
  kVerify = 13,
  kCheckpoint = 14,
  kStaticDataEnd = 16,
  kX86CpuidPolicy = 17,
  kX86MsrPolicy = 18,
};
// A record with this bit may be skipped by who does not know it.
inline constexpr std::uint32_t kOptionalRecord = 1u << 31;

enum class LibxlRecord : std::uint32_t {
  kEnd = 0,
  kLibxcContext = 1,
  kEmulatorXenstoreData = 2,
  kEmulatorContext = 3,
  kCheckpointEnd = 4,
  kCheckpointState = 5,
};

// Types of pages in PAGE_DATA (bits 63:60 of a pfn). Only plain pages have content.
enum class PageKind : std::uint8_t { kPlain = 0, kBroken = 13, kAllocateOnly = 14, kNone = 15 };

inline constexpr std::uint64_t kImageMarker = ~std::uint64_t{0};
inline constexpr std::uint32_t kImageId = 0x58454e46, kImageVersion = 3;                // "XENF"
inline constexpr std::uint64_t kLibxlId = 0x4c6962786c466d74;                           // "LibxlFmt"
inline constexpr std::uint32_t kLibxlVersion = 2, kDomainX86Pv = 1, kDomainX86Hvm = 2;  // domain types
inline constexpr std::size_t kXlMagicBytes = 32;
inline constexpr char kXlMagic[kXlMagicBytes + 1] = "Xen saved domain, xl format\n \0 \r";
inline constexpr std::uint32_t kXlByteOrder = 0x01020304, kXlConfigIsJson = 1, kXlStreamV2 = 2;
inline constexpr std::size_t kMostPagesPerRecord = 1024;       // what libxc puts into one PAGE_DATA
inline constexpr std::uint64_t kMostRecordBytes = 128u << 20;  // what libxc takes in one record

}  // namespace xensim::dom0
