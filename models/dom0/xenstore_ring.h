// A domain's end of xenstored: the ring in its special page (struct xenstore_domain_interface of io/xs_wire.h),
// mapped by the grant that the toolstack made for it, and the event channel beside it. The page's content is the
// domain's: indexes are read once and checked before any byte is moved, and a difference beyond the ring's size
// ends the connection.
#pragma once

#include <cstdint>
#include <span>

#include "models/dom0/xenstored/connection.h"
#include "models/xen/grant/operations.h"
#include "models/xen/hypervisor.h"

namespace xensim::dom0 {

class XenstoreRing final : public StoreTransport {
 public:
  // home: where xenstored runs; port: its end of the channel. The mapping is the caller's to take back.
  XenstoreRing(xen::Hypervisor& hypervisor, domid_t home, domid_t domid, const xen::grant::FrameMapping& page,
               std::uint32_t port);

  bool can_read() override;
  bool can_write() override;
  long read(std::span<char> to) override;
  long write(std::span<const char> from) override;
  void set_error(std::uint32_t error) override;
  void reset() override;

  void bind(std::uint32_t port) { port_ = port; }
  std::uint32_t port() const { return port_; }
  const xen::grant::FrameMapping& page() const { return mapping_; }
  // The line of the indexes, for costs.
  PhysAddr indexes() const;
  void notify();

  const domid_t domid;

 private:
  xen::Hypervisor& hypervisor_;
  const domid_t home_;
  const xen::grant::FrameMapping mapping_;
  const PhysAddr page_;
  std::uint32_t port_;
};

}  // namespace xensim::dom0
