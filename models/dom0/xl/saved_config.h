// The configuration that a saved domain carries: libxl's JSON, written by list_long.cpp, and the way back to a
// domain file, so that a restored domain is checked and made as one that is created.
#pragma once

#include <optional>
#include <string>

#include "models/xen/public.h"

namespace xensim::dom0 {
class Toolstack;
}

namespace xensim::dom0::xl {

// The domain as it is now, which exists and is not domain 0. keep_domid: it is to have its number again.
std::string saved_configuration(Toolstack& toolstack, domid_t domid, bool keep_domid);

struct SavedConfig {
  std::string domain_file;       // xl.cfg's syntax
  std::optional<domid_t> domid;  // that it is to have
};
// Throws UserError: no JSON, or not what libxl writes of a PVH domain.
SavedConfig read_saved_configuration(const std::string& json, const std::string& place);

}  // namespace xensim::dom0::xl
