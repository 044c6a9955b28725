#include "models/dom0/xl/outgoing.h"

#include <cstring>

#include "models/dom0/migration/stream_reader.h"
#include "models/dom0/toolstack.h"
#include "models/dom0/xl/handlers.h"
#include "models/dom0/xl/saved_config.h"
#include "sim/base/error.h"
#include "sim/base/file.h"

namespace xensim::dom0::xl {

std::optional<std::string> outgoing_configuration(Context& c, long domid, const std::string* file,
                                                  bool keep_domid) {
  Toolstack& t = c.toolstack;
  const ManagedDomain* m = managed_domain_of(c, domid);
  const xen::Domain* d = domain_of(c, domid);
  std::string text;
  if (file) {
    try {
      text = configuration(t.check_spec(*file, read_file(join_path(t.file_folder, *file), 1 << 20)));
    } catch (const UserError& e) {
      c.out.complain("%s\nunable to read overridden config file\n", e.what());
      return std::nullopt;
    }
  } else if (m && m->built && domid != 0 && d) {
    text = saved_configuration(t, static_cast<domid_t>(domid), keep_domid);
  }
  if (d && d->platform) {
    c.out.complain("xensim: error: Domain %ld:the devices of an HVM guest cannot be saved yet\n", domid);
    return std::nullopt;
  }
  const bool busy = m && (m->suspending || m->ending);
  if (!text.empty() && d && d->kind == xen::DomainKind::kGuest && m && !busy) return text;
  c.out.complain("libxl: error: libxl_domain.c:2335:libxl__get_domain_configuration: %s%s\n",
                 log_prefix(domid).c_str(),
                 text.empty() ? "Fail to get domain configuration" : "Device or resource busy");
  if (text.empty()) c.out.complain("unable to retrieve domain configuration\n");
  return std::nullopt;
}

void send_header(Context& c, const std::string& configuration, const std::string& to, StreamWriter::Sink sink) {
  const std::size_t bytes = configuration.size() + 1;
  StreamWriter(std::move(sink)).xl_header(std::string_view(configuration.c_str(), bytes));
  c.out.complain("Saving to %s new xl format (info 0x%x/0x0/%zu)\n", to.c_str(), kXlConfigIsJson | kXlStreamV2,
                 bytes + sizeof(std::uint32_t));
}

void set_suspending(const Context& c, long domid, bool on) {
  if (ManagedDomain* m = managed_domain_of(c, domid)) m->suspending = on;
}

std::string not_suspended(const xen::Domain* d) {
  const bool down = d && d->shutdown;
  return "Domain has not been suspended: shutdown " + std::string(down ? "1" : "0") + ", reason " +
         std::to_string(down ? static_cast<unsigned>(*d->shutdown) : 255);
}

void complain_of_lost_stream(Context& c, long domid, const std::string& what, int error, bool responded) {
  c.out.write(true, error != 0 ? xc_error(what, error) : xc_error(what));
  c.out.write(true, xc_error("Save failed", error));
  c.out.complain(
      "libxl: error: libxl_stream_write.c:347:libxl__xc_domain_save_done: Domain %ld:saving domain: %s: %s\n",
      domid, responded ? "domain responded to suspend request" : "domain did not respond to suspend request",
      std::strerror(error));
}

}  // namespace xensim::dom0::xl
