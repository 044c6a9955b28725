// The table of xl's verbs. Words are those of `xl help`; what is not modelled is not in the table.
#include <algorithm>
#include <array>

#include "models/dom0/xl/handlers.h"

namespace xensim::dom0::xl {

namespace {

constexpr LongOption kListOptions[] = {
    {"long", 'l'}, {"verbose", 'v'}, {"context", 'Z'}, {"cpupool", 'c'}, {"numa", 'n'}};
constexpr LongOption kCreateOptions[] = {
    {"defconfig", 'f', true}, {"dryrun", 'n'},    {"ignore-global-affinity-masks", 'i'},
    {"quiet", 'q'},           {"vncviewer", 'V'}, {"vncviewer-autopass", 'A'}};
constexpr LongOption kShutdownOptions[] = {{"all", 'a'}, {"wait", 'w'}};
constexpr LongOption kPinOptions[] = {{"force", 'f'}, {"ignore-global-affinity-masks", 'i'}};
constexpr LongOption kSetOptions[] = {{"ignore-host", 'i'}};
constexpr LongOption kInfoOptions[] = {{"numa", 'n'}};
constexpr LongOption kDmesgOptions[] = {{"clear", 'c'}};
constexpr LongOption kTopOptions[] = {{"batch", 'b'}, {"iterations", 'i', true}, {"delay", 'd', true}};
// Letters that nobody can type: --debug, and --live, which is for xm's sake and does nothing.
constexpr LongOption kMigrateOptions[] = {{"debug", '\1'}, {"live", '\2'}};
constexpr LongOption kRestoreOptions[] = {{"vncviewer", 'V'}, {"vncviewer-autopass", 'A'}};
constexpr LongOption kCredit2Options[] = {{"domain", 'd', true},       {"weight", 'w', true},
                                          {"cap", 'c', true},          {"schedparam", 's'},
                                          {"ratelimit_us", 'r', true}, {"cpupool", 'p', true}};

constexpr std::string_view kMemory = "<Domain> <MemMB['b'[bytes]|'k'[KB]|'m'[MB]|'g'[GB]|'t'[TB]]>";

constexpr std::array kVerbs{
    Verb{.name = "create",
         .usage = "<ConfigFile> [options] [vars]",
         .summary = "Create a domain from config file <filename>",
         .options_help = "-c                      Connect to the console after the domain is created.\n"
                         "-d                      Enable debug messages.\n"
                         "-e                      Do not wait in the background for the death of the domain.\n"
                         "-F                      Run in foreground until death of the domain.\n"
                         "-f FILE, --defconfig=FILE\n                     Use the given configuration file.\n"
                         "-h                      Print this help.\n"
                         "-n, --dryrun            Dry run - prints the resulting configuration\n"
                         "                         (deprecated in favour of global -N option).\n"
                         "-p                      Leave the domain paused after it is created.\n"
                         "-q, --quiet             Quiet.\n"
                         "-V, --vncviewer         Connect to the VNC display after the domain is created.\n"
                         "-A, --vncviewer-autopass\n"
                         "                        Pass VNC password to viewer via stdin.\n"
                         "--ignore-global-affinity-masks Ignore global masks in xl.conf.",
         .can_dry_run = true,
         .modifies = true,
         .short_options = "AFVcdef:inpq",
         .long_options = kCreateOptions,
         .file_first = true,
         .check = check_create,
         .start = create},
    Verb{.name = "list",
         .usage = "[options] [Domain]\n",
         .summary = "List information about all/some domains",
         .options_help = "-l, --long              Output all VM details\n"
                         "-v, --verbose           Prints out UUIDs and security context\n"
                         "-Z, --context           Prints out security context\n"
                         "-c, --cpupool           Prints the cpupool the domain is in\n"
                         "-n, --numa              Prints out NUMA node affinity",
         .short_options = "lvhZcn",
         .long_options = kListOptions,
         .domains = DomainArguments::kAll,
         .check = check_one_domain,
         .act = list},
    Verb{.name = "destroy",
         .usage = "[options] <Domain>\n",
         .summary = "Terminate a domain immediately",
         .options_help = "-f                      Permit destroying domain 0, which will only succeed\n"
                         "                        when run from disaggregated toolstack domain with a\n"
                         "                        hardware domain distinct from domain 0.",
         .modifies = true,
         .short_options = "f",
         .required = 1,
         .domains = DomainArguments::kFirst,
         .start = destroy},
    Verb{.name = "shutdown",
         .usage = "[options] <-a|Domain>",
         .summary = "Issue a shutdown signal to a domain",
         .options_help = "-a, --all               Shutdown all guest domains.\n"
                         "-h                      Print this help.\n"
                         "-F                      Fallback to ACPI power event for HVM guests with\n"
                         "                        no PV drivers.\n"
                         "-w, --wait              Wait for guest(s) to shutdown.\n",
         .modifies = true,
         .short_options = "awF",
         .long_options = kShutdownOptions,
         .domains = DomainArguments::kFirst,
         .check = check_shutdown,
         .start = shutdown},
    Verb{.name = "reboot",
         .usage = "[options] <-a|Domain>",
         .summary = "Issue a reboot signal to a domain",
         .options_help = "-a, --all               Shutdown all guest domains.\n"
                         "-h                      Print this help.\n"
                         "-F                      Fallback to ACPI reset event for HVM guests with\n"
                         "                        no PV drivers.\n"
                         "-w, --wait              Wait for guest(s) to reboot.\n",
         .modifies = true,
         .short_options = "awF",
         .long_options = kShutdownOptions,
         .domains = DomainArguments::kFirst,
         .check = check_shutdown,
         .start = reboot},
    Verb{.name = "pause",
         .usage = "<Domain>",
         .summary = "Pause execution of a domain",
         .modifies = true,
         .required = 1,
         .domains = DomainArguments::kFirst,
         .act = pause},
    Verb{.name = "unpause",
         .usage = "<Domain>",
         .summary = "Unpause a paused domain",
         .modifies = true,
         .required = 1,
         .domains = DomainArguments::kFirst,
         .act = unpause},
    Verb{.name = "console",
         .usage = "[options] <Domain>\n"
                  "-t <type>       console type, pv , serial or vuart\n"
                  "-n <number>     console number",
         .summary = "Attach to domain's console",
         .short_options = "n:t:",
         .required = 1,
         .domains = DomainArguments::kFirst,
         .check = check_console,
         .start = console},
    Verb{.name = "save",
         .usage = "[options] <Domain> <CheckpointFile> [<ConfigFile>]",
         .summary = "Save a domain state to restore later",
         .options_help = "-h  Print this help.\n"
                         "-c  Leave domain running after creating the snapshot.\n"
                         "-p  Leave domain paused after creating the snapshot.\n"
                         "-D  Store the domain id in the configuration.",
         .modifies = true,
         .short_options = "cpD",
         .required = 2,
         .domains = DomainArguments::kFirst,
         .check = check_save,
         .start = save},
    Verb{.name = "migrate",
         .usage = "[options] <Domain> <host>",
         .summary = "Migrate a domain to another host",
         .options_help = "-h              Print this help.\n"
                         "-C <config>     Send <config> instead of config file from creation.\n"
                         "-s <sshcommand> Use <sshcommand> instead of ssh.  String will be passed\n"
                         "                to sh. If empty, run <host> instead of ssh <host> xl\n"
                         "                migrate-receive [-d -e]\n"
                         "-e              Do not wait in the background (on <host>) for the death\n"
                         "                of the domain.\n"
                         "--debug         Print huge (!) amount of debug during the migration process.\n"
                         "-p              Do not unpause domain after migrating it.\n"
                         "-D              Preserve the domain id",
         .modifies = true,
         .short_options = "FC:s:epD",
         .long_options = kMigrateOptions,
         .required = 2,
         .domains = DomainArguments::kFirst,
         .start = migrate},
    Verb{.name = "restore",
         .usage = "[options] [<ConfigFile>] <CheckpointFile>",
         .summary = "Restore a domain from a saved state",
         .options_help = "-h                       Print this help.\n"
                         "-p                       Do not unpause domain after restoring it.\n"
                         "-e                       Do not wait in the background for the death of the domain.\n"
                         "-d                       Enable debug messages.\n"
                         "-V, --vncviewer          Connect to the VNC display after the domain is created.\n"
                         "-A, --vncviewer-autopass Pass VNC password to viewer via stdin.",
         .modifies = true,
         .short_options = "FcpdeVA",
         .long_options = kRestoreOptions,
         .required = 1,
         .check = check_restore,
         .start = restore},
    Verb{.name = "migrate-receive",
         .usage = "- for internal use only",
         .summary = "Restore a domain from a saved state",
         .modifies = true,
         .short_options = "Fedrp",
         .start = migrate_receive},
    Verb{.name = "mem-max",
         .usage = kMemory,
         .summary = "Set the maximum amount reservation for a domain",
         .modifies = true,
         .required = 2,
         .domains = DomainArguments::kFirst,
         .check = check_size,
         .act = mem_max},
    Verb{.name = "mem-set",
         .usage = kMemory,
         .summary = "Set the current memory usage for a domain",
         .modifies = true,
         .required = 2,
         .domains = DomainArguments::kFirst,
         .check = check_size,
         .act = mem_set},
    Verb{.name = "vcpu-list",
         .usage = "[Domain, ...]",
         .summary = "List the VCPUs for all/some domains",
         .domains = DomainArguments::kAll,
         .act = vcpu_list},
    Verb{.name = "vcpu-pin",
         .usage = "[option] <Domain> <VCPU|all> <Hard affinity|-|all> <Soft affinity|-|all>",
         .summary = "Set which CPUs a VCPU can use",
         .options_help = "-f, --force        undo an override pinning done by the kernel\n"
                         "--ignore-global-affinity-masks Ignore global masks in xl.conf",
         .can_dry_run = true,
         .modifies = true,
         .short_options = "fi",
         .long_options = kPinOptions,
         .required = 3,
         .domains = DomainArguments::kFirst,
         .check = check_vcpu_pin,
         .act = vcpu_pin},
    Verb{.name = "vcpu-set",
         .usage = "[option] <Domain> <vCPUs>",
         .summary = "Set the number of active VCPUs allowed for the domain",
         .options_help = "-i, --ignore-host  Don't limit the vCPU based on the host CPU count",
         .modifies = true,
         .short_options = "i",
         .long_options = kSetOptions,
         .required = 2,
         .domains = DomainArguments::kFirst,
         .check = check_vcpu_set,
         .act = vcpu_set},
    Verb{.name = "info",
         .usage = "-n, --numa         List host NUMA topology information",
         .summary = "Get information about Xen host",
         .short_options = "n",
         .long_options = kInfoOptions,
         .act = info},
    Verb{.name = "sharing",
         .usage = "[Domain]",
         .summary = "Get information about page sharing",
         .domains = DomainArguments::kAll,
         .check = check_one_domain,
         .act = sharing},
    Verb{.name = "sched-credit2",
         .usage = "[-d <Domain> [-w[=WEIGHT]]] [-p CPUPOOL]",
         .summary = "Get/set credit2 scheduler parameters",
         .options_help = "-d DOMAIN, --domain=DOMAIN     Domain to modify\n"
                         "-w WEIGHT, --weight=WEIGHT     Weight (int)\n"
                         "-c CAP,    --cap=CAP           Cap (int)\n"
                         "-s         --schedparam        Query / modify scheduler parameters\n"
                         "-r RLIMIT, --ratelimit_us=RLIMIT Set the scheduling rate limit, in microseconds\n"
                         "-p CPUPOOL, --cpupool=CPUPOOL  Restrict output to CPUPOOL",
         .modifies = true,
         .short_options = "d:w:c:p:r:s",
         .long_options = kCredit2Options,
         .domains = DomainArguments::kOptionD,
         .check = check_sched_credit2,
         .act = sched_credit2},
    Verb{.name = "domid",
         .usage = "<DomainName>",
         .summary = "Convert a domain name to domain id",
         .required = 1,
         .domains = DomainArguments::kFirst,
         .act = domid},
    Verb{.name = "domname",
         .usage = "<DomainId>",
         .summary = "Convert a domain id to domain name",
         .required = 1,
         .domains = DomainArguments::kFirst,
         .check = check_domname,
         .act = domname},
    Verb{.name = "rename",
         .usage = "<Domain> <NewDomainName>",
         .summary = "Rename a domain",
         .modifies = true,
         .required = 2,
         .domains = DomainArguments::kFirst,
         .act = rename},
    Verb{.name = "trigger",
         .usage = "<Domain> <nmi|reset|init|power|sleep|s3resume> [<VCPU>]",
         .summary = "Send a trigger to a domain",
         .modifies = true,
         .required = 2,
         .domains = DomainArguments::kFirst,
         .check = check_trigger,
         .act = trigger},
    Verb{.name = "sysrq",
         .usage = "<Domain> <letter>",
         .summary = "Send a sysrq to a domain",
         .modifies = true,
         .required = 2,
         .domains = DomainArguments::kFirst,
         .check = check_sysrq,
         .act = sysrq},
    Verb{.name = "debug-keys",
         .usage = "<Keys>",
         .summary = "Send debug keys to Xen",
         .modifies = true,
         .required = 1,
         .act = debug_keys},
    Verb{.name = "dmesg",
         .usage = "[-c]",
         .summary = "Read and/or clear dmesg buffer",
         .options_help = "  -c                        Clear dmesg buffer as well as printing it",
         .short_options = "c",
         .long_options = kDmesgOptions,
         .act = dmesg},
    Verb{.name = "top",
         .summary = "Monitor a host and the domains in real time",
         .short_options = "bi:d:",
         .long_options = kTopOptions,
         .check = check_top,
         .start = top},
    Verb{.name = "network-list",
         .usage = "<Domain(s)>",
         .summary = "List virtual network interfaces for a domain",
         .required = 1,
         .domains = DomainArguments::kAll,
         .act = network_list},
    Verb{.name = "block-list",
         .usage = "<Domain(s)>",
         .summary = "List virtual block devices for a domain",
         .required = 1,
         .domains = DomainArguments::kAll,
         .act = block_list},
    Verb{.name = "uptime",
         .usage = "[-s] [Domain]",
         .summary = "Print uptime for all/some domains",
         .short_options = "s",
         .domains = DomainArguments::kAll,
         .act = uptime},
    Verb{.name = "claims",
         .summary = "List outstanding claim information about all domains",
         .options_help = "",  // xl has them, and there are none
         .act = claims},
};

}  // namespace

std::span<const Verb> verbs() { return kVerbs; }

// A verb may be given by any beginning that is its alone; a whole name comes first.
const Verb* find_verb(std::string_view name) {
  const Verb* found = nullptr;
  for (const Verb& v : kVerbs)
    if (v.name == name) return &v;
  for (const Verb& v : kVerbs) {
    if (!v.name.starts_with(name)) continue;
    if (found) return nullptr;
    found = &v;
  }
  return found;
}

std::string help() {
  std::string text = "Usage xl [-vfNtT] <subcommand> [args]\n\nxl full list of subcommands:\n\n";
  for (const Verb& v : kVerbs) {
    std::string name(v.name);
    name.resize(19, ' ');
    text += " " + name + " " + std::string(v.summary) + "\n";
  }
  return text;
}

std::string help(const Verb& v) {
  std::string text = "Usage: xl [-vtT";
  if (v.modifies) text += "f";
  if (v.can_dry_run) text += "N";
  text += "] " + std::string(v.name) + " " + std::string(v.usage) + "\n\n" + std::string(v.summary) + ".\n\n";
  if (v.options_help.data()) text += "Options:\n\n" + std::string(v.options_help) + "\n";
  return text;
}

}  // namespace xensim::dom0::xl
