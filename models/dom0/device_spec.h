// What a domain file's `disk` and `vif` entries say, as far as the store tells of it (xl-disk-configuration(5),
// xl-network-configuration(5)).
#pragma once

#include <string>

namespace xensim::dom0 {

struct DiskSpec {
  std::string target, format, vdev, backend, script = "block";
  bool writable = true, cdrom = false, removable = false, discard = true;
  // The number by which the guest knows it: 51712 for xvda. 0: vdev names no disk.
  unsigned number = 0;
};
DiskSpec read_disk(const std::string& text);
// What xl refuses such an entry for; "": nothing.
std::string wrong_with_disk(const std::string& text);

struct VifSpec {
  std::string mac, bridge = "xenbr0", script = "vif-bridge", backend, vifname, ip, rate;
};
VifSpec read_vif(const std::string& text);
// The first part that xl does not know, which it says and passes over; "": none.
std::string unknown_in_vif(const std::string& text);

}  // namespace xensim::dom0
