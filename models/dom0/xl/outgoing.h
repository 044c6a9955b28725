// What save and migrate do alike with a domain that they send away: its configuration, the head of xl's stream,
// and what libxc and libxl say when it fails.
#pragma once

#include <optional>
#include <string>

#include "models/dom0/migration/stream_writer.h"
#include "models/dom0/xl/verb.h"

namespace xensim::xen {
struct Domain;
}

namespace xensim::dom0::xl {

// The configuration that goes with the domain: of the file in place of its own, if one is given. nullopt: there is
// none, or another xl has the domain in hand; it has complained. keep_domid: as saved_configuration().
std::optional<std::string> outgoing_configuration(Context& c, long domid, const std::string* file,
                                                  bool keep_domid);

// xl's header with the configuration, and the line that tells of it. to: the file's name, or what it is.
void send_header(Context& c, const std::string& configuration, const std::string& to, StreamWriter::Sink sink);

// The domain is, or is no more, in the hands of a run of xl. Nothing, if it is gone.
void set_suspending(const Context& c, long domid, bool on);

// libxc's complaint about a domain that did not suspend; null: it is gone.
std::string not_suspended(const xen::Domain* d);
// libxc's complaint, with an error number or 0, then libxl's. responded: the guest had answered.
void complain_of_lost_stream(Context& c, long domid, const std::string& what, int error, bool responded);

}  // namespace xensim::dom0::xl
