#include "models/dom0/xenstore_ring.h"

#include <algorithm>
#include <cstddef>

#include "models/dom0/xenstored/wire.h"

namespace xensim::dom0 {

namespace {

using Interface = xenstore_domain_interface;
constexpr std::uint32_t kSize = XENSTORE_RING_SIZE;

constexpr std::uint64_t kRequests = offsetof(Interface, req), kReplies = offsetof(Interface, rsp);
constexpr std::uint64_t kReqCons = offsetof(Interface, req_cons), kReqProd = offsetof(Interface, req_prod);
constexpr std::uint64_t kRspCons = offsetof(Interface, rsp_cons), kRspProd = offsetof(Interface, rsp_prod);

}  // namespace

XenstoreRing::XenstoreRing(xen::Hypervisor& hypervisor, domid_t home, domid_t d,
                           const xen::grant::FrameMapping& page, std::uint32_t port)
    : domid(d), hypervisor_(hypervisor), home_(home), mapping_(page), page_(address_of(page.frame)), port_(port) {}

PhysAddr XenstoreRing::indexes() const { return page_ + kReqCons; }

bool XenstoreRing::can_read() {
  return hypervisor_.memory.read<std::uint32_t>(page_ + kReqCons) !=
         hypervisor_.memory.read<std::uint32_t>(page_ + kReqProd);
}

bool XenstoreRing::can_write() {
  const auto prod = hypervisor_.memory.read<std::uint32_t>(page_ + kRspProd);
  return prod - hypervisor_.memory.read<std::uint32_t>(page_ + kRspCons) != kSize;
}

long XenstoreRing::read(std::span<char> to) {
  const auto cons = hypervisor_.memory.read<std::uint32_t>(page_ + kReqCons);
  const auto prod = hypervisor_.memory.read<std::uint32_t>(page_ + kReqProd);
  if (prod - cons > kSize) return -1;
  const std::uint32_t at = cons & (kSize - 1);
  const std::size_t n = std::min<std::size_t>({to.size(), prod - cons, kSize - at});
  for (std::size_t i = 0; i < n; ++i)
    to[i] = static_cast<char>(hypervisor_.memory.read<std::uint8_t>(page_ + kRequests + at + i));
  hypervisor_.memory.write<std::uint32_t>(page_ + kReqCons, cons + static_cast<std::uint32_t>(n));
  notify();
  return static_cast<long>(n);
}

long XenstoreRing::write(std::span<const char> from) {
  const auto cons = hypervisor_.memory.read<std::uint32_t>(page_ + kRspCons);
  const auto prod = hypervisor_.memory.read<std::uint32_t>(page_ + kRspProd);
  if (prod - cons > kSize) return -1;
  const std::uint32_t at = prod & (kSize - 1);
  const std::size_t n = std::min<std::size_t>({from.size(), kSize - (prod - cons), kSize - at});
  for (std::size_t i = 0; i < n; ++i)
    hypervisor_.memory.write<std::uint8_t>(page_ + kReplies + at + i, static_cast<std::uint8_t>(from[i]));
  hypervisor_.memory.write<std::uint32_t>(page_ + kRspProd, prod + static_cast<std::uint32_t>(n));
  notify();
  return static_cast<long>(n);
}

void XenstoreRing::set_error(std::uint32_t error) {
  hypervisor_.memory.write<std::uint32_t>(page_ + offsetof(Interface, error), error);
}

void XenstoreRing::reset() {
  for (const std::uint64_t index : {kReqCons, kReqProd, kRspCons, kRspProd})
    hypervisor_.memory.write<std::uint32_t>(page_ + index, 0);
  const PhysAddr connection = page_ + offsetof(Interface, connection);
  if (hypervisor_.memory.read<std::uint32_t>(connection) != XENSTORE_RECONNECT) return;
  hypervisor_.memory.write<std::uint32_t>(connection, XENSTORE_CONNECTED);
  notify();
}

void XenstoreRing::notify() {
  if (xen::Domain* d = hypervisor_.find_domain(domid)) xen::log_dirty::mark_frame(*d, mapping_.frame);
  xen::Domain* home = hypervisor_.find_domain(home_);
  if (!home || port_ == 0) return;
  cpu::Pcpu& pcpu = *hypervisor_.here().pcpu;
  hypervisor_.cost.charge(pcpu, xen::Path::kModelHypercall);
  hypervisor_.cost.charge(pcpu, xen::Path::kEventSend);
  hypervisor_.evtchn_send(*home, port_);
}

}  // namespace xensim::dom0
