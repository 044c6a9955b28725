// What the rows of verbs.cpp point to; each group of verbs has a file.
#pragma once

#include <memory>
#include <string>

#include "models/dom0/domain_spec.h"
#include "models/dom0/xl/verb.h"

namespace xensim::xen {
struct Domain;
}

namespace xensim::dom0 {
struct ManagedDomain;
}

namespace xensim::dom0::xl {

// domains.cpp
int list(Context& c, const Invocation& i);
int pause(Context& c, const Invocation& i);
int unpause(Context& c, const Invocation& i);
int rename(Context& c, const Invocation& i);
int domid(Context& c, const Invocation& i);
int domname(Context& c, const Invocation& i);
int uptime(Context& c, const Invocation& i);
std::string check_one_domain(const Invocation& i);
std::string check_domname(const Invocation& i);

// list_long.cpp: the configuration of domains as JSON.
std::string configurations(Toolstack& toolstack, const std::vector<unsigned>& domids);
std::string configuration(const DomainSpec& spec);

// life.cpp
std::unique_ptr<Job> create(Context& c, const Invocation& i);
std::unique_ptr<Job> destroy(Context& c, const Invocation& i);
std::unique_ptr<Job> shutdown(Context& c, const Invocation& i);
std::unique_ptr<Job> reboot(Context& c, const Invocation& i);
std::string check_create(const Invocation& i);
std::string check_shutdown(const Invocation& i);

// migrate.cpp, migrate_receive.cpp
std::unique_ptr<Job> migrate(Context& c, const Invocation& i);
std::unique_ptr<Job> migrate_receive(Context& c, const Invocation& i);

// vcpu.cpp
int vcpu_list(Context& c, const Invocation& i);
int vcpu_pin(Context& c, const Invocation& i);
int vcpu_set(Context& c, const Invocation& i);
std::string check_vcpu_pin(const Invocation& i);
std::string check_vcpu_set(const Invocation& i);

// scheduler.cpp
int sched_credit2(Context& c, const Invocation& i);
std::string check_sched_credit2(const Invocation& i);

// memory.cpp
int mem_set(Context& c, const Invocation& i);
int mem_max(Context& c, const Invocation& i);
int sharing(Context& c, const Invocation& i);
int claims(Context& c, const Invocation& i);
std::string check_size(const Invocation& i);

// host.cpp
int info(Context& c, const Invocation& i);
int dmesg(Context& c, const Invocation& i);
int debug_keys(Context& c, const Invocation& i);

// signals.cpp
int trigger(Context& c, const Invocation& i);
int sysrq(Context& c, const Invocation& i);
std::string check_trigger(const Invocation& i);
std::string check_sysrq(const Invocation& i);

// devices.cpp
int block_list(Context& c, const Invocation& i);
int network_list(Context& c, const Invocation& i);

// console.cpp
std::unique_ptr<Job> console(Context& c, const Invocation& i);
std::string check_console(const Invocation& i);

// top.cpp
std::unique_ptr<Job> top(Context& c, const Invocation& i);
std::string check_top(const Invocation& i);

// save.cpp
std::unique_ptr<Job> save(Context& c, const Invocation& i);
std::string check_save(const Invocation& i);

// restore.cpp
std::unique_ptr<Job> restore(Context& c, const Invocation& i);
std::string check_restore(const Invocation& i);

// The domain that an argument names, or -1: xl has complained. As xl's find_domain.
long find_domain(Context& c, const std::string& qualifier);
// The domain of a number as xl takes it, which may be none that Xen knows: nullptr then.
xen::Domain* domain_of(const Context& c, long domid);
// What libxl keeps of it; nullptr likewise.
ManagedDomain* managed_domain_of(const Context& c, long domid);
// Its name, or "(null)" as printf shows the name of a domain that has none.
std::string shown_name(const Toolstack& toolstack, unsigned domid);
// How libxl names a domain in front of a message: not at all, if it is domain 0.
std::string log_prefix(long domid);

}  // namespace xensim::dom0::xl
