// What the toolstack and dom0's start-up write to the store, and take out again: /local/domain/N, /vm/UUID,
// /libxl/N, and the two ends of each device, with the values, permissions and order of libxl 4.17 for a PVH guest.
// The toolstack is a client with the rights of domain 0; each function returns how many requests it made, for
// which the caller spends time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/dom0/xenstore_daemon.h"
#include "sim/config/domain_config.h"

namespace xensim::dom0 {

// What libxl knows of a domain when it writes.
struct XenstoreDomain {
  domid_t domid = 0;
  std::string name;
  std::string uuid;
  std::vector<bool> vcpus;  // of maxvcpus: which are there at the start
  std::uint64_t static_max_kib = 0, target_kib = 0;
  std::uint64_t wallclock_ns = 0;  // since 1970
  std::uint32_t store_port = 0, console_port = 0;
  std::uint64_t store_gfn = 0, console_gfn = 0;
  std::vector<std::string> disks, vifs;              // as the domain file says
  std::vector<domid_t> disk_backends, vif_backends;  // of each: the domain that its `backend` names
  bool driver_domain = false;
  bool hvm = false;
  std::uint64_t video_kib = 0;
};

class XenstoreEntries final : public StoreClient {
 public:
  explicit XenstoreEntries(XenstoreDaemon& daemon);

  // dom0 is up: its kernel's and xen-init-dom0's nodes.
  std::uint64_t initialise(const std::string& pool, std::uint64_t dom0_kib, std::uint64_t most_kib);
  // init-xenstore-domain, if xenstored has a domain of its own.
  std::uint64_t initialise_stub_domain(domid_t domid, std::uint64_t kib);
  // libxl__domain_make: the domain exists in Xen.
  std::uint64_t make(const XenstoreDomain& d);
  // The devices, then libxl__build_post: the domain is built, and introduced to xenstored.
  std::uint64_t build(const XenstoreDomain& d);
  std::uint64_t rename(domid_t domid, const std::string& name);
  // libxl__spawn_stub_dm: a domain without console or store is there, as the device model of another.
  std::uint64_t make_stub_domain(const XenstoreDomain& d, domid_t target);
  // A domain became the device model of another.
  std::uint64_t set_target(domid_t domid, domid_t target);
  // xs_resume_domain: its next shutdown is news again.
  bool resume(domid_t domid);
  // devices_destroy_cb and what comes before it: everything of the domain goes.
  std::uint64_t destroy(domid_t domid);

  // Single requests, for verbs; they count by themselves (requests()).
  bool write(const std::string& path, std::string_view value);
  std::optional<std::string> read(const std::string& path);
  bool remove(const std::string& path);
  std::vector<std::string> directory(const std::string& path);
  // Requests since the last call: the caller spends the time.
  std::uint64_t take_requests();
  // Called when a watch of the toolstack's fires.
  std::function<void(const std::string& path, const std::string& token)> on_event;
  bool watch_path(const std::string& path, const std::string& token);
  bool unwatch_path(const std::string& path, const std::string& token);

  void watch_event(const std::string& path, const std::string& token,
                   const std::shared_ptr<StoreRequest>& cause) override;

 private:
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  struct Device {
    std::string kind;
    unsigned id = 0;
    domid_t backend = 0;
    Pairs back, front, read_only_front;
  };
  class Transaction;

  void make_node(const std::string& path, const StorePermissions& permissions);
  void write_all(const std::string& base, const Pairs& pairs, const StorePermissions* permissions = nullptr);
  void add_device(const XenstoreDomain& d, const Device& device);
  Device console_of(const XenstoreDomain& d) const;
  Device disk_of(const XenstoreDomain& d, std::size_t i) const;
  Device vif_of(const XenstoreDomain& d, const std::string& text, unsigned id) const;

  XenstoreDaemon& daemon_;
  std::uint64_t requests_ = 0;
};

}  // namespace xensim::dom0
