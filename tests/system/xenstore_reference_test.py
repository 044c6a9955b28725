"""xenstored against the one of a real Xen 4.17.5: the same binaries printed tests/system/data/store*.txt and pingpong-*.txt there."""
import os
import re
import unittest

from runner import SOURCE, XensimTest

DATA = os.path.join(SOURCE, "tests", "system", "data")

# What the real one prints, and what is printed here, where that differs. In all of them xenstored answers with an errno that an
# earlier request, of whomever, left behind.
LEFT_OVER = {
    'READ "name": error "EACCES|"': 'READ "name": error "EINVAL|"',
    'READ "name|x|": error "EACCES|"': 'READ "name|x|": error "EINVAL|"',
    'READ "": error "EACCES|"': 'READ "": error "EINVAL|"',
    'SET_PERMS "@other|n0|": error "EACCES|"': 'SET_PERMS "@other|n0|": error "EINVAL|"',
}


def reference(name):
    with open(os.path.join(DATA, name), encoding="ascii") as f:
        return f.read().splitlines()


def timeless(lines):
    """Without what a measurement gave."""
    return [re.sub(r"(min|mean|p50|p90|p99|max|after) \d+", r"\1 N", line) for line in lines]


def once(lines):
    """Each watch event once: whether a second one like it is dropped depends on whether the first has left xenstored by then."""
    return [line for i, line in enumerate(lines) if not (line.startswith("  event") and i > 0 and lines[i - 1] == line)]


class Reference(XensimTest):
    def console(self, name, kernel, **options):
        result = self.run_scenario(self.guest_domain(name, kernel, **options), "--timing", "functional", trace="none")
        self.assert_ok(result)
        return result.console(name).splitlines()

    def test_every_odd_request_is_answered_as_the_real_one_does(self):
        self.maxDiff = None
        real = reference("storeops.txt")
        self.assertEqual({line for line in LEFT_OVER if line not in real}, set())
        self.assertEqual(self.console("storeops", "storeops"), [LEFT_OVER.get(line, line) for line in real])

    def test_domains_may_do_to_each_other_s_nodes_what_they_may_on_the_real_one(self):
        self.maxDiff = None
        configs = [self.guest_domain("so%d" % i, "storeops", cmdline="peer=%d" % (3 - i)) for i in (1, 2)]
        result = self.run_scenario(*configs, "--timing", "functional", trace="none")
        self.assert_ok(result)
        for i in (1, 2):
            self.assertEqual(once(result.console("so%d" % i).splitlines()), once(reference("storeops-peer-%d.txt" % i)))

    def test_two_domains_meet_as_on_the_real_one(self):
        back = self.guest_domain("back", "pingpong", cmdline="peer=2 count=200")
        front = self.guest_domain("front", "pingpong", cmdline="peer=1 count=200")
        result = self.run_scenario(back, front, "--timing", "functional", trace="none")
        self.assert_ok(result)
        for name in ("back", "front"):
            self.assertEqual(timeless(result.console(name).splitlines()), timeless(reference("pingpong-%s.txt" % name)))

    def test_the_store_guest_makes_the_same_requests(self):
        self.assertEqual(timeless(self.console("store", "store", cmdline="rounds=200")), timeless(reference("store.txt")))


if __name__ == "__main__":
    unittest.main()
