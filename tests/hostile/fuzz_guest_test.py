"""A domain without privilege makes random hypercalls (guests/fuzz.c) beside a victim. Whatever it does, the simulator goes on, no
byte of the victim is read or changed, and when both are gone everything that they took is back.

FUZZ_SEEDS (2), FUZZ_FIRST (1) and FUZZ_CALLS (2000) make it longer; FUZZ_TIMING (functional) is the timing model.
"""
import os
import re
import unittest

from runner import XensimTest

SEEDS = int(os.environ.get("FUZZ_SEEDS", "2"))
FIRST = int(os.environ.get("FUZZ_FIRST", "1"))
CALLS = int(os.environ.get("FUZZ_CALLS", "2000"))
TIMING = os.environ.get("FUZZ_TIMING", "functional")


class FuzzGuest(XensimTest):
    def run_seed(self, seed):
        victim = self.guest_domain("victim", "fuzz", cmdline="victim=1 peer=2", memory=8)
        fuzz = self.guest_domain("fuzz", "fuzz", cmdline="seed=%d calls=%d peer=1 store=%d" % (seed, CALLS, seed % 2),
                                 memory=8)
        result = self.run_scenario(victim, fuzz, "--timing", TIMING, timeout=120 + CALLS // 1000, trace="none")
        self.assertIn(result.status, (0, 1), result.stdout[-2000:] + result.stderr[-4000:])
        return result

    def test_random_hypercalls_reach_nobody_else(self):
        for seed in range(FIRST, FIRST + SEEDS):
            with self.subTest(seed=seed):
                result = self.run_seed(seed)
                consoles = result.console("victim") + result.console("fuzz")
                self.assertIn("intact\nfuzz: ok", result.console("victim"), consoles)
                self.assertNotIn("pattern is here", consoles)
                census = result.stats["stats"]["census"]
                self.assertEqual(census["end"], census["start"], consoles)

    def test_the_calls_are_made(self):
        result = self.run_seed(FIRST)
        self.assertIn("no pattern but its own\nfuzz: ok", result.console("fuzz"))
        made = re.search(r"(\d+) returned 0, (\d+) more, (\d+) an error", result.console("fuzz"))
        self.assertEqual(sum(int(n) for n in made.groups()), CALLS)
        self.assertGreater(int(made.group(1)), CALLS // 50)


if __name__ == "__main__":
    unittest.main()
