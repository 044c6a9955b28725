#include <catch2/catch.hpp>

#include "sim/base/error.h"
#include "sim/base/file.h"
#include "sim/base/rng.h"
#include "sim/config/cpu_list.h"
#include "sim/config/domain_config.h"
#include "tests/sim/temporary_folder.h"

using namespace xensim;
using namespace xensim::config;

namespace {

const TemporaryFolder& folder() {
  static TemporaryFolder f;
  static bool made = (write_file(f.path("vmlinux"), "x"), true);
  static_cast<void>(made);
  return f;
}
DomainConfig domain(const std::string& text) {
  return read_domain_config(parse_xl_cfg(text, folder().path("d.cfg")));
}
std::string problem(const std::string& more) {
  try {
    domain("name=\"d\"\ntype=\"pvh\"\nkernel=\"vmlinux\"\nmemory=64\n" + more);
  } catch (const UserError& e) {
    std::string text = e.what();
    return text.substr(text.find("d.cfg"));
  }
  return "";
}
std::string text_of(const XlFile& f, std::string_view key) {
  const XlValue& v = f.find(key)->value;
  if (auto* n = std::get_if<XlValue::Number>(&v.value)) return n->text;
  return std::get<std::string>(v.value);
}

}  // namespace

TEST_CASE("xl's syntax: strings, numbers, lists, comments, separators, appending") {
  XlFile f = parse_xl_cfg(
      "# comment\n a = \"x\\\"y\\x41\" ; b = 'single \"q\"'  # more\nc=0x10;d=010\n"
      "e = [ 'one',\n  # inside\n [ 1, 2, ], 'three' , ]\ne += [ 'four' ]\na += 'z'\nf = []",
      "t");
  CHECK(text_of(f, "a") == "x\"yAz");
  CHECK(text_of(f, "b") == "single \"q\"");
  CHECK(text_of(f, "c") == "0x10");
  auto& list = std::get<XlValue::List>(f.find("e")->value.value);
  CHECK(list.size() == 4);
  CHECK(std::get<XlValue::List>(list[1].value).size() == 2);
  CHECK(f.find("e")->line == 4);
}

TEST_CASE("Syntax errors name file and line") {
  CHECK_THROWS_WITH(parse_xl_cfg("a = 1\nb = \"x\nc=2", "t"),
                    "t:2: the string does not end on its line; close it with \"");
  CHECK_THROWS_WITH(parse_xl_cfg("a 1", "t"), "t:1: expected '=' after \"a\", found '1'; write key = value");
  CHECK_THROWS_WITH(parse_xl_cfg("a = pvh", "t"), "t:1: expected a value, found 'p'; put strings in quotes");
  CHECK_THROWS_WITH(parse_xl_cfg("\na = [ 1\n", "t"),
                    "t:3: the list that begins in line 2 does not end; close it with ]");
  CHECK_THROWS_AS(parse_xl_cfg("a = 09", "t"), UserError);
  CHECK_THROWS_AS(parse_xl_cfg("a = 1 2", "t"), UserError);
  CHECK_THROWS_AS(parse_xl_cfg("a = " + std::string(100000, '['), "t"), UserError);
}

TEST_CASE("A domain file becomes a typed configuration with xl's defaults") {
  DomainConfig d = domain(
      "name='web'\ntype='pvh'\nkernel='vmlinux'\nroot='/dev/"
      "xvda'\nextra='quiet'\nmemory='256'\nvcpus=2\nmaxvcpus=4\n"
      "cpus='0-3,^1'\ncpu_weight=512\ncap=50\non_crash='coredump-restart'\ndisk=['phy:/x,xvda,w']\nvnc=1\n");
  CHECK(d.type == DomainType::kPvh);
  CHECK(d.kernel == folder().path("vmlinux"));
  CHECK(d.cmdline == "root=/dev/xvda quiet");
  CHECK(d.memory_mib == 256);
  CHECK(d.maxmem_mib == 256);
  CHECK(d.maxvcpus == 4);
  CHECK(d.cpu_weight == 512);
  CHECK(d.on_crash == OnShutdown::kCoredumpRestart);
  CHECK(d.on_reboot == OnShutdown::kRestart);
  CHECK(d.warnings == std::vector<std::string>{folder().path("d.cfg") + ":14: \"vnc\" has no effect in xensim"});
}

TEST_CASE("What is wrong in a domain file is said with file, line and mend") {
  CHECK(problem("vcpu=2") == "d.cfg:5: unknown key \"vcpu\"; did you mean \"vcpus\"?");
  CHECK(problem("vcpus=\"two\"") == "d.cfg:5: vcpus: \"two\" is no number; write a number alone, from 1 to 128");
  CHECK(problem("vcpus=300") == "d.cfg:5: vcpus: 300 is too large; use 1 to 128");
  CHECK(problem("cap=-5") == "d.cfg:5: cap: -5 is too small; use 0 to 65535");
  CHECK(problem("cpus='foo'") == "d.cfg:5: cpus: \"foo\" is no pCPU; write pCPUs like \"0-3,^1\" or \"all\"");
  CHECK(problem("ramdisk='/'") == "d.cfg:5: ramdisk: \"/\" is a folder, not a file");
  CHECK(problem("cpu_weight=70000") == "d.cfg:5: cpu_weight: 70000 is too large; use 1 to 65535");
  CHECK(problem("ramdisk='none'") == "d.cfg:5: ramdisk: \"none\": no such file; check the name and the folder");
  CHECK(problem("ramdisk='none'  # fetch it first \nvcpus=2") ==
        "d.cfg:5: ramdisk: \"none\": no such file; check the name and the folder; its line says: fetch it first");
  CHECK(problem("disk='x'") == "d.cfg:5: disk: is no list; write disk = [ \"…\" ]");
  CHECK(problem("maxmem=32") == "d.cfg:5: maxmem: 32 is less than memory; use at least 64");
  CHECK(problem("cpus='3-1'").starts_with("d.cfg:5: cpus: \"3-1\" goes down"));
  CHECK(problem("on_crash='explode'").starts_with("d.cfg:5: on_crash: \"explode\" is none of the choices"));
  CHECK(problem("") == "");
  CHECK_THROWS_WITH(
      parse_xl_cfg("", "e.cfg").settings.empty() ? read_domain_config(parse_xl_cfg("", "e.cfg")) : DomainConfig(),
      Catch::Contains("e.cfg: no name is given") && Catch::Contains("e.cfg: no memory is given"));
}

DomainConfig hvm(const std::string& more) { return domain("name='d'\ntype='hvm'\nmemory=64\n" + more); }

TEST_CASE("An HVM guest has firmware, a video card's memory, and viridian's groups by name") {
  const DomainConfig d = hvm("firmware_override='vmlinux'\nviridian=1\nnestedhvm=1\n");
  CHECK(d.type == DomainType::kHvm);
  CHECK(d.firmware_override == folder().path("vmlinux"));
  CHECK(d.video_memory_mib == 8);
  CHECK(d.nested_hvm);
  CHECK(d.viridian == std::vector<std::string>{"base", "freq", "time_ref_count", "apic_assist", "crash_ctl",
                                               "no_vp_limit", "cpu_hotplug"});
  CHECK(d.warnings.empty());
  CHECK(hvm("firmware_override='vmlinux'\nvga='none'\n").video_memory_mib == 0);
  CHECK(hvm("firmware_override='vmlinux'\nstdvga=1\n").video_memory_mib == 16);
  CHECK(hvm("firmware_override='vmlinux'\nviridian=['base','stimer']\n").viridian ==
        std::vector<std::string>{"base", "stimer"});
  CHECK(hvm("firmware_override='vmlinux'\nviridian=['all','!stimer']\n").viridian.size() == 12);
}

TEST_CASE("What an HVM guest's domain file lacks or has too much is said") {
  CHECK_THROWS_WITH(hvm(""), Catch::Contains("without firmware_override"));
  CHECK_THROWS_WITH(hvm("firmware_override='none'\n"), Catch::Contains("no such file"));
  CHECK_THROWS_WITH(hvm("firmware_override='vmlinux'\ncmdline='x'\n"),
                    Catch::Contains("direct boot parameters specified but kernel missing"));
  CHECK_THROWS_WITH(hvm("firmware_override='vmlinux'\nviridian=['stimer']\n"),
                    Catch::Contains("\"base\" is missing"));
  CHECK_THROWS_WITH(hvm("firmware_override='vmlinux'\nviridian=['base','stimers']\n"),
                    Catch::Contains("unknown viridian enlightenment \"stimers\""));
  CHECK_THROWS_WITH(hvm("firmware_override='vmlinux'\nvideoram=4\n"), Catch::Contains("at least 8"));
  CHECK(hvm("firmware_override='vmlinux'\nhap=0\n").warnings.size() == 1);
}

TEST_CASE("Settings of a command line override a file's without a warning, and are no line of it") {
  const XlFile f = parse_xl_cfg("a = 1\na = 2\n", "t", "a = 3\nb = 4\n");
  CHECK(std::get<XlValue::Number>(f.find("a")->value.value).text == "3");
  CHECK(f.warnings == std::vector<std::string>{"t:2: \"a\" is assigned again; the value of line 1 is dropped"});
  CHECK(f.place(f.find("b")->line) == "t: command line");
  CHECK_THROWS_WITH(parse_xl_cfg("a = 1", "t", "b 4\n"), Catch::StartsWith("t: command line: expected '='"));
}

TEST_CASE("CPU lists are xl's") {
  using List = std::vector<unsigned>;
  CHECK(expand_cpus("0-3,^1", 8, "") == List{0, 2, 3});
  CHECK(expand_cpus("all", 3, "") == List{0, 1, 2});
  CHECK(expand_cpus("^0", 3, "") == List{1, 2});
  CHECK(expand_cpus("2", 3, "") == List{2});
  CHECK_THROWS_WITH(expand_cpus("3", 3, "d.cfg:1"), "d.cfg:1: \"3\": the machine has no pCPU 3; use 0-2");
  CHECK_THROWS_AS(expand_cpus("0,^0", 3, ""), UserError);
  CHECK_THROWS_AS(expand_cpus("", 3, ""), UserError);
  CHECK_THROWS_AS(expand_cpus("0,", 3, ""), UserError);
}

TEST_CASE("No bytes whatsoever bring the reader of domain files down") {
  Rng rng(1, "xl_cfg");
  static constexpr char kBytes[] = "abcpus=+[]'\"\\,;#\n 0x19^-\xff";
  for (unsigned i = 0; i < 5000; ++i) {
    std::string text;
    for (std::uint64_t n = rng.below(60); n > 0; --n) text += kBytes[rng.below(sizeof kBytes)];
    try {
      domain(text);
    } catch (const UserError&) {
    }
  }
}
