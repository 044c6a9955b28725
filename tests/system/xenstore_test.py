"""xenstored: Debian's clients on its socket while a simulation runs, guests on their rings, both at once."""
import os
import re
import socket
import struct
import subprocess
import time
import unittest

from runner import MACHINE, SOURCE, XENSIM, XensimTest, Result

# What `xenstore-ls -fp` said on a real Xen 4.17 with a PVH Linux that has a disk and a network interface.
CAPTURE = os.path.join(SOURCE, "tests", "system", "xenstore-ls-fp.txt")
DISK, VIF = "/job/disk.img,,xvda", "mac=00:16:3e:00:00:01"

# In the capture and not in a simulation, each with its reason (docs/xenstore.md has the same list).
NO_BACKEND_YET = "written by the back end's driver in dom0's Linux, or by its hotplug script: no model of a back end yet"
MISSING = {
    r"/local/domain/0/backend/vbd/1/51712/(feature-max-indirect-segments|multi-queue-max-queues|max-ring-page-order)":
        NO_BACKEND_YET,
    r"/local/domain/0/backend/vbd/1/51712/(node|physical-device|physical-device-path|hotplug-status)": NO_BACKEND_YET,
    r"/local/domain/0/backend/vif/1/0/feature-.*": NO_BACKEND_YET,
    r"/local/domain/0/backend/vif/1/0/multi-queue-max-queues": NO_BACKEND_YET,
}

XS_DIRECTORY, XS_READ, XS_WATCH, XS_START, XS_END, XS_WRITE, XS_MKDIR, XS_RM, XS_SET_PERMS, XS_EVENT, XS_ERROR = (
    1, 2, 4, 6, 7, 11, 12, 13, 14, 15, 16)


def entries(listing):
    """Path -> permissions, with every domain's UUID as UUID."""
    found = {}
    for line in listing.splitlines():
        match = re.match(r'(/\S*) = ".*"\s+\((\S+)\)$', line)
        assert match, line
        found[re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", match.group(1))] = match.group(2)
    return found


def read(path):
    with open(path, encoding="ascii") as f:
        return f.read()


class Client:
    """The protocol itself, with many requests under way at once."""

    def __init__(self, test, path):
        self.socket = socket.socket(socket.AF_UNIX)
        test.addCleanup(self.socket.close)
        self.socket.settimeout(300)
        self.socket.connect(path)
        self.buffer = b""
        self.last = 0
        self.events = []

    def send(self, kind, *strings, tx=0, value=None):
        payload = b"".join(s.encode() + b"\0" for s in strings) + (value.encode() if value is not None else b"")
        self.last += 1
        self.socket.sendall(struct.pack("<IIII", kind, self.last, tx, len(payload)) + payload)
        return self.last

    def message(self):
        while True:
            if len(self.buffer) >= 16:
                kind, number, tx, length = struct.unpack("<IIII", self.buffer[:16])
                if len(self.buffer) >= 16 + length:
                    payload, self.buffer = self.buffer[16:16 + length], self.buffer[16 + length:]
                    return kind, number, payload
            more = self.socket.recv(65536)
            if not more:
                raise EOFError("xenstored closed the connection")
            self.buffer += more

    def reply(self, number):
        while True:
            kind, got, payload = self.message()
            if kind == XS_EVENT:
                self.events.append(payload)
                continue
            assert got == number, "reply %d in place of %d" % (got, number)
            return kind, payload

    def ask(self, kind, *strings, tx=0, value=None):
        return self.reply(self.send(kind, *strings, tx=tx, value=value))


class Simulation:
    """xensim run in the background, with a socket."""

    def __init__(self, test, *arguments, out="out"):
        self.test = test
        self.out = test.path(out)
        self.socket = test.path(out + ".socket")
        self.process = subprocess.Popen(
            [XENSIM, "run", MACHINE, *arguments, "--out", self.out, "--xenstore-socket", self.socket, "--timing", "functional"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=test.folder)
        test.addCleanup(self.kill)
        while not os.path.exists(self.socket) and self.process.poll() is None:
            time.sleep(0.01)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def client(self, tool, *arguments, check=True):
        """One of Debian's clients; its output."""
        got = subprocess.run([tool, *arguments], env=dict(os.environ, XENSTORED_PATH=self.socket), timeout=100,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if check:
            self.test.assertEqual(got.returncode, 0, "%s %s: %s" % (tool, arguments, got.stderr.decode()))
        return got.stdout.decode() if check else got

    def wait(self):
        out, err = self.process.communicate(timeout=400)
        self.process.stdout, self.process.stderr = None, None
        result = Result(subprocess.CompletedProcess([], self.process.returncode, out, err), self.out)
        return result


class Xenstore(XensimTest):
    def waiter(self, name, **options):
        """A guest that is there for as long as a test needs it."""
        return self.guest_domain(name, "timer", cmdline="period_us=1000 count=1000000", **options)

    def test_the_store_guest_ends_well_under_both_timing_models(self):
        for timing in ("functional", "inorder"):
            config = self.guest_domain("store", "store", cmdline="rounds=20")
            result = self.run_scenario(config, "--timing", timing, trace="none")
            self.assert_ok(result)
            self.assertRegex(result.console("store"), r"(?m)^store: ok$")
            self.assertGreater(result.statistic("stats.xenstored.requests"), 500)

    def test_two_domains_connect_through_the_store_and_a_granted_page(self):
        back = self.guest_domain("back", "pingpong", cmdline="peer=2 count=100")
        front = self.guest_domain("front", "pingpong", cmdline="peer=1 count=100")
        result = self.run_scenario(back, front, "--timing", "functional", trace="none")
        self.assert_ok(result)
        self.assertRegex(result.console("back"), r"(?m)^answered 100 events$")
        self.assertRegex(result.console("front"), r"(?m)^round trip through a granted page: n 100 min \d+ ")
        self.assertRegex(result.console("front"), r"(?m)^pingpong: ok$")

    def test_xenstored_may_have_a_domain_of_its_own(self):
        config = self.guest_domain("store", "store", cmdline="rounds=20")
        for timing in ("functional", "inorder"):
            result = self.run_scenario(config, "--timing", timing, "--set", "/dom0/xenstored/stub_domain=true", trace="none")
            self.assert_ok(result)
            self.assertRegex(result.console("store"), r"(?m)^store: ok$")
            self.assertRegex(result.stdout, r"(?m)^Xenstore +running ")

    def test_a_ring_that_a_guest_breaks_harms_nobody_else(self):
        good = self.guest_domain("good", "store", cmdline="rounds=30")
        bad = [self.guest_domain("bad%d" % i, "store", cmdline="rounds=2 hostile=%d" % i) for i in (1, 2)]
        result = self.run_scenario(*bad, good, "--timing", "functional", trace="none")
        self.assert_ok(result)
        for i, error in ((1, 3), (2, 2)):
            self.assertIn("ring error %d\nREAD" % error, result.console("bad%d" % i))
        self.assertRegex(result.console("good"), r"(?m)^store: ok$")
        self.assertEqual(result.statistic("stats.xenstored.watches"), 0)

    def test_the_listing_of_two_running_domains_is_that_of_a_real_host(self):
        options = {"disk": [DISK], "vif": [VIF], "vcpus": 2}
        run = Simulation(self, self.waiter("one", **options), self.waiter("two", **options))
        while run.client("xenstore-exists", "/libxl/2/device/vif/0/hotplug-status", check=False).returncode:
            time.sleep(0.05)
        self.assertIsNone(run.process.poll(), "the simulation has ended")
        ours, theirs = entries(run.client("xenstore-ls", "-fp")), entries(read(CAPTURE))
        missing = {p for p in theirs if p not in ours}
        self.assertEqual({p for p in missing if not any(re.fullmatch(m, p) for m in MISSING)}, set())
        for pattern in MISSING:
            self.assertTrue(any(re.fullmatch(pattern, p) for p in missing), "%s is there by now" % pattern)
        second = {re.sub(r"/(domain|libxl|vbd|vif|console)/2(/|$)", r"/\1/1\2", p): q.replace("2", "1") for p, q in ours.items()
                  if re.search(r"/(domain|libxl|vbd|vif|console)/2(/|$)", p)}
        first = {p: q for p, q in ours.items() if not re.search(r"/(domain|libxl|vbd|vif|console)/2(/|$)", p)}
        self.assertEqual({p for p in first if p not in theirs}, set())
        self.assertEqual({p: q for p, q in first.items() if "UUID" not in p}, {p: theirs[p] for p in first if "UUID" not in p})
        self.assertEqual(second, {p: first[p] for p in second})
        self.assertEqual({p for p in first if re.search(r"/(domain|libxl|vbd|vif|console)/1(/|$)", p)}, set(second))

    def test_debian_s_clients_work_while_a_simulation_runs(self):
        run = Simulation(self, self.waiter("one"))
        while run.client("xenstore-exists", "/local/domain/1/name", check=False).returncode:
            time.sleep(0.02)
        self.assertEqual(run.client("xenstore-read", "/local/domain/0/name"), "Domain-0\n")
        run.client("xenstore-write", "/test/a", "1", "/test/b", "two words")
        self.assertEqual(run.client("xenstore-read", "/test/a", "/test/b"), "1\ntwo words\n")
        self.assertEqual(run.client("xenstore-list", "/test"), "a\nb\n")
        self.assertEqual(run.client("xenstore-exists", "/test/none", check=False).returncode, 1)
        run.client("xenstore-chmod", "/test/a", "r0", "b1")
        self.assertIn('/test/a = "1"   (r0,b1)', run.client("xenstore-ls", "-fp", "/test").replace("  ", " ").replace("  ", " ")
                      .replace('" (', '"   ('))
        watch = subprocess.Popen(["xenstore-watch", "-n", "3", "/test"], env=dict(os.environ, XENSTORED_PATH=run.socket),
                                 stdout=subprocess.PIPE)
        self.assertEqual(watch.stdout.readline(), b"/test\n")
        run.client("xenstore-write", "/test/c", "1")
        self.assertEqual(watch.stdout.readline(), b"/test/c\n")
        run.client("xenstore-rm", "/test/c")
        self.assertEqual(watch.stdout.readline(), b"/test/c\n")
        self.assertEqual(watch.wait(timeout=60), 0)
        watch.stdout.close()
        run.client("xenstore-rm", "/test")
        self.assertIn("No such file", run.client("xenstore-read", "/test/a", check=False).stderr.decode() +
                      "No such file" * (run.client("xenstore-read", "/test/a", check=False).returncode == 1))
        self.assertIsNone(run.process.poll(), "the simulation has ended")

    def test_debian_s_clients_work_while_the_prompt_waits(self):
        path = self.path("store.socket")
        shell = subprocess.Popen([XENSIM, "shell", MACHINE, self.waiter("one"), "--timing", "functional", "--xenstore-socket", path],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self.folder, universal_newlines=True, bufsize=1)
        self.addCleanup(shell.stdout.close)
        self.addCleanup(shell.stdin.close)
        self.addCleanup(shell.kill)

        def client(tool, *arguments):
            return subprocess.run([tool, *arguments], env=dict(os.environ, XENSTORED_PATH=path), timeout=60, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, universal_newlines=True)

        def command(text, until):
            print(text, file=shell.stdin, flush=True)
            while True:
                line = shell.stdout.readline()
                self.assertNotEqual(line, "", "the shell has ended")
                if re.search(until, line):
                    return

        command("run 10ms", r"\] time$")
        # It waits at the prompt now; nothing but a client moves.
        self.assertEqual(client("xenstore-read", "/local/domain/1/name").stdout, "one\n")
        self.assertEqual(client("xenstore-exists", "/none").returncode, 1)
        watch = subprocess.Popen(["xenstore-watch", "-n", "2", "/test"], env=dict(os.environ, XENSTORED_PATH=path),
                                 stdout=subprocess.PIPE)
        self.addCleanup(watch.stdout.close)
        self.assertEqual(watch.stdout.readline(), b"/test\n")
        self.assertEqual(client("xenstore-write", "/test/a", "1").returncode, 0)
        self.assertEqual(watch.stdout.readline(), b"/test/a\n")
        self.assertEqual(watch.wait(timeout=60), 0)
        self.assertEqual(client("xenstore-list", "/test").stdout, "a\n")
        self.assertEqual(client("xenstore-chmod", "/test/a", "r0", "b1").returncode, 0)
        self.assertIn("(r0,b1)", client("xenstore-ls", "-fp", "/test").stdout)
        self.assertEqual(client("xenstore-rm", "/test").returncode, 0)
        # No simulated time has passed, and the run goes on as before.
        command("time", r"^10\.0\d+ ms,")
        command("run 5ms", r"\] time$")
        self.assertEqual(client("xenstore-read", "/local/domain/1/name").stdout, "one\n")
        print("quit", file=shell.stdin, flush=True)
        self.assertEqual(shell.wait(timeout=60), 0)

    def test_a_domain_that_is_preserved_can_be_looked_at_after_the_run(self):
        config = self.guest_domain("kept", "hello", on_poweroff="preserve")
        run = Simulation(self, config, "--xenstore-linger", "100s")
        while not os.path.exists(os.path.join(run.out, "stats.json")):
            self.assertIsNone(run.process.poll())
            time.sleep(0.02)
        self.assertEqual(run.client("xenstore-read", "/local/domain/1/name"), "kept\n")
        run.client("xenstore-write", "/local/domain/1/note", "seen")
        self.assertEqual(run.client("xenstore-read", "/local/domain/1/note"), "seen\n")
        run.process.terminate()
        self.assert_ok(run.wait())

    def test_what_a_destroyed_domain_had_is_gone(self):
        config = self.guest_domain("gone", "store", cmdline="rounds=2", disk=[DISK], vif=[VIF])
        run = Simulation(self, config, "--xenstore-linger", "100s")
        while not os.path.exists(os.path.join(run.out, "stats.json")):
            self.assertIsNone(run.process.poll())
            time.sleep(0.02)
        left = entries(run.client("xenstore-ls", "-fp"))
        self.assertEqual([p for p in left if "UUID" in p or re.search(r"/(domain|libxl|vbd|vif|console)/1(/|$)", p)], [])
        run.process.terminate()
        self.assert_ok(run.wait())

    def test_a_run_with_a_socket_can_be_repeated_from_its_record(self):
        configs = [self.guest_domain("store%d" % i, "store", cmdline="rounds=3 shared=1") for i in range(2)]
        run = Simulation(self, *configs, "--trace", "xentrace")
        client = Client(self, run.socket)
        self.start_stress(client)
        client.ask(XS_WRITE, "/stress/stop", value="1")
        first = run.wait()
        self.assert_ok(first)
        second = self.run_scenario(*configs, "--timing", "functional", "--xenstore-replay",
                                   os.path.join(first.out, "xenstore-input.log"), out="again")
        self.assert_ok(second)
        self.assertEqual(first.read("stats.json"), second.read("stats.json"))
        self.assertEqual(first.read("trace.xen"), second.read("trace.xen"))

    def start_stress(self, client):
        for kind, strings, value in ((XS_MKDIR, ["/stress"], None), (XS_SET_PERMS, ["/stress", "b0"], None),
                                     (XS_WRITE, ["/stress/count"], "0"), (XS_WRITE, ["/stress/go"], "1")):
            self.assertNotEqual(client.ask(kind, *strings, value=value)[0], XS_ERROR, strings)

    def conflict(self, one, two):
        """Two transactions that read and write the same node: who ends first wins."""
        clients = [(c, int(c.ask(XS_START, "")[1].rstrip(b"\0"))) for c in (one, two)]
        for c, tx in clients:
            c.ask(XS_READ, "/stress/pair", tx=tx)
            c.ask(XS_WRITE, "/stress/pair", tx=tx, value=str(tx))
        for (c, tx), (kind, payload) in zip(clients, ((XS_END, b"OK\0"), (XS_ERROR, b"EAGAIN\0"))):
            self.assertEqual(c.ask(XS_END, "T", tx=tx), (kind, payload))

    def test_a_socket_and_four_rings_lose_and_reorder_nothing(self):
        total, rounds, window = 100000, 420, 1000
        configs = [self.guest_domain("store%d" % i, "store", cmdline="rounds=%d shared=1 burst=12" % rounds) for i in range(4)]
        run = Simulation(self, *configs, "--trace", "none", "--set", "/dom0/xenstored/limits/write_rate=1000000")
        bulk, one, two = (Client(self, run.socket) for _ in range(3))
        self.start_stress(bulk)
        one.ask(XS_WRITE, "/stress/pair", value="0")
        wanted, sent = [], 0
        of_the_guests = 4 * rounds * 36
        while sent < total - of_the_guests or wanted:
            while len(wanted) < window and sent < total - of_the_guests:
                path = "/stress/socket/%d" % (sent % 7)
                wanted.append((bulk.send(XS_WRITE, path, value=str(sent)), b"OK\0"))
                wanted.append((bulk.send(XS_READ, path), str(sent).encode()))
                sent += 2
            for number, payload in wanted[:window // 2]:
                self.assertEqual(bulk.reply(number)[1], payload)
            del wanted[:window // 2]
            self.conflict(one, two)
        one.ask(XS_WRITE, "/stress/stop", value="1")
        result = run.wait()
        self.assert_ok(result)
        again = 0
        for i in range(4):
            console = result.console("store%d" % i)
            self.assertRegex(console, r"(?m)^store: ok$")
            again += int(re.search(r"(\d+) transactions again", console).group(1))
        self.assertGreater(again, 3)
        self.assertGreaterEqual(result.statistic("stats.xenstored.requests"), total)
        # Nothing that was counted is lost: the guests check their own; the last value is what all of them counted.
        self.assertIn("%d counted in all" % (4 * rounds), "".join(result.console("store%d" % i) for i in range(4)))


if __name__ == "__main__":
    unittest.main()
