// __HYPERVISOR_xen_version and __HYPERVISOR_console_io.
#include "models/xen/version.h"
#include "models/xen/hypercall/arguments.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

namespace {

constexpr std::uint32_t kPvhFeatures = 1u << XENFEAT_writable_page_tables | 1u << XENFEAT_auto_translated_physmap |
                                       1u << XENFEAT_hvm_callback_vector | 1u << XENFEAT_hvm_safe_pvclock |
                                       1u << XENFEAT_memory_op_vnode_supported | 1u << XENFEAT_not_direct_mapped;
// Text that goes to the console in one call at most; a guest that asks for more gets what fits.
constexpr std::uint64_t kConsoleChunk = 65536;

}  // namespace

long Hypervisor::do_xen_version(Vcpu& v, const Arguments& args) {
  const std::uint64_t to = args.a[1];
  const auto put = [&](const auto& data) -> long {
    return copy_to_guest(v, to, data.data(), data.size()) ? 0 : -kEfault;
  };
  switch (args.a[0]) {
    case XENVER_version:
      return kVersion;
    case XENVER_extraversion:
      return put(kExtraVersion);
    case XENVER_compile_info:
      return put(kCompileInfo);
    case XENVER_capabilities:
      return put(kCapabilities);
    case XENVER_changeset:
      return put(kChangeset);
    case XENVER_platform_parameters: {
      // virt_start: where Xen begins; for 32-bit callers that are no PV guests, nowhere.
      const std::uint64_t base = args.wide ? kVirtualStart : 0;
      return copy_to_guest(v, to, &base, args.wide ? 8 : 4) ? 0 : -kEfault;
    }
    case XENVER_get_features: {
      xen_feature_info_t info;
      if (!copy_from_guest(v, to, &info, sizeof info)) return -kEfault;
      if (info.submap_idx != 0) return -kEinval;
      info.submap = kPvhFeatures;
      return copy_to_guest(v, to, &info, sizeof info) ? 0 : -kEfault;
    }
    case XENVER_pagesize:
      return to == 0 ? static_cast<long>(kPageSize) : -kEinval;
    case XENVER_guest_handle:
      return put(v.domain.uuid);
    case XENVER_commandline:
      if (v.domain.role.control) return put(padded<1024>(command_line(config)));
      return put(padded<9>("<denied>"));
    case XENVER_build_id:
      return v.domain.role.control ? -kEnodata : -kEperm;
    default:
      return -kEnosys;
  }
}

long Hypervisor::do_console_io(Vcpu& v, const Arguments& args) {
  const auto command = static_cast<std::uint32_t>(args.a[0]);
  if (!v.domain.role.control && !(config.verbose_debug && command == CONSOLEIO_write)) return -kEperm;
  if (command == CONSOLEIO_read) return args.a[1] > 0x7fffffff ? -kE2big : 0;
  if (command != CONSOLEIO_write) return -kEnosys;
  std::string text(std::min(args.a[1] & 0xffffffff, kConsoleChunk), '\0');
  if (!copy_from_guest(v, args.a[2], text.data(), text.size())) return -kEfault;
  if (on_guest_console_io) on_guest_console_io(v.domain, text);
  return 0;
}

}  // namespace xensim::xen
