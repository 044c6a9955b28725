#include "models/xen/event/two_level.h"

#include "models/xen/event/upcall.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen::event {

namespace {
// Where shared_info has its arrays; the 32-bit layout is not in the headers of a 64-bit build.
constexpr unsigned kPending = offsetof(shared_info_t, evtchn_pending),
                   kMask64 = offsetof(shared_info_t, evtchn_mask), kMask32 = kPending + 32 * 4;
}  // namespace

unsigned selector_offset(const Domain& d) { return d.guest_64bit ? offsetof(vcpu_info_t, evtchn_pending_sel) : 4; }

TwoLevel::Place TwoLevel::place_of(std::uint32_t port) const {
  const PhysAddr base = address_of(domain_.shared_info);
  if (domain_.guest_64bit) return {base + kPending, base + kMask64, port / 64};
  return {base + kPending, base + kMask32, port / 32};
}

std::uint32_t TwoLevel::max_ports() const { return domain_.guest_64bit ? 64 * 64 : 32 * 32; }

bool TwoLevel::pending(std::uint32_t port) const {
  return port < max_ports() && test_bit(hypervisor_.memory, place_of(port).pending, port);
}

bool TwoLevel::masked(std::uint32_t port) const {
  return port >= max_ports() || test_bit(hypervisor_.memory, place_of(port).mask, port);
}

void TwoLevel::clear_pending(std::uint32_t port) {
  if (port < max_ports()) clear_bit(hypervisor_, domain_, place_of(port).pending, port);
}

// A port may lie beyond the layout: a guest can latch the 32-bit one when it has more than 1024.
void TwoLevel::set_pending(Vcpu& v, std::uint32_t port) {
  if (port >= max_ports()) return;
  const Place at = place_of(port);
  if (set_bit(hypervisor_, domain_, at.pending, port)) return;
  if (!test_bit(hypervisor_.memory, at.mask, port)) deliver(v, at, port);
  check_pollers(hypervisor_, domain_, port);
}

void TwoLevel::unmask(std::uint32_t port) {
  if (port >= max_ports()) return;
  const Place at = place_of(port);
  if (clear_bit(hypervisor_, domain_, at.mask, port) && test_bit(hypervisor_.memory, at.pending, port))
    deliver(*domain_.vcpus[domain_.events.ports[port].notify_vcpu], at, port);
}

void TwoLevel::deliver(Vcpu& v, const Place& at, std::uint32_t port) {
  const PhysAddr selector = v.vcpu_info + selector_offset(domain_);
  const PhysAddr read[] = {at.mask + port / 8}, written[] = {at.pending + port / 8, selector};
  hypervisor_.cost.charge(*hypervisor_.here().pcpu, Path::kEventDeliver, read, written);
  if (!set_bit(hypervisor_, domain_, selector, at.selector)) mark_events_pending(hypervisor_, v, port);
}

long TwoLevel::set_priority(std::uint32_t, std::uint32_t) { return -kEnosys; }

std::string TwoLevel::state_text(std::uint32_t port) const {
  const Vcpu& v = *domain_.vcpus[domain_.events.ports[port].notify_vcpu];
  return test_bit(hypervisor_.memory, v.vcpu_info + selector_offset(domain_), place_of(port).selector) ? "1" : "0";
}

}  // namespace xensim::xen::event
