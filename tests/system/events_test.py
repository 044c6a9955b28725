"""Event channels: the guest evfifo proves the FIFO ABI; the two ABIs under one load."""
import os
import re
import unittest

from runner import SOURCE, XensimTest


class Events(XensimTest):
    def evfifo(self, cmdline, *arguments, channels=1300):
        config = self.guest_domain("evfifo", "evfifo", cmdline=cmdline, vcpus=2, max_event_channels=channels)
        result = self.run_scenario(config, *arguments, timeout=100)
        self.assert_ok(result)
        return result.console("evfifo")

    def test_fifo_is_proved_under_both_timing_models(self):
        for timing in ("functional", "inorder"):
            console = self.evfifo("ports=100 rounds=20", "--timing", timing)
            self.assertRegex(console, r"(?m)^evfifo: ok$")

    def test_every_step_is_as_on_a_real_xen(self):
        """data/evfifo.txt: what the same binary printed on a real Xen 4.17, without the lines of cycles."""
        self.maxDiff = None
        console = self.evfifo("ports=100 rounds=20", "--timing", "functional")
        with open(os.path.join(SOURCE, "tests", "system", "data", "evfifo.txt"), encoding="utf-8") as f:
            self.assertEqual([line for line in console.splitlines() if not line.endswith("cycles")],
                             f.read().splitlines())

    def test_callback_by_vector_gives_the_same(self):
        console = self.evfifo("ports=100 rounds=20 upcall=callback", "--timing", "functional")
        self.assertRegex(console, r"(?m)^evfifo: ok$")

    def test_fifo_delivers_in_the_order_of_sending_and_2_level_by_number(self):
        orders = {"fifo": "in the order they were sent", "2l": "by number"}
        for abi, order in orders.items():
            self.assertIn("they arrive " + order, self.evfifo("abi=%s ports=100 rounds=20" % abi))

    def test_a_domain_has_no_more_ports_than_its_file_allows(self):
        config = self.guest_domain("evfifo", "evfifo", cmdline="abi=2l ports=100", vcpus=2, max_event_channels=60)
        result = self.run_scenario(config, timeout=100)
        self.assert_ok(result, 1)
        # xenstore, console and vCPU 1's have three of the sixty.
        self.assertIn("port 58 of 100: EVTCHNOP_bind_ipi: -28", result.console("evfifo"))

    def test_a_search_for_a_free_port_costs_what_it_looks_at(self):
        console = self.evfifo("abi=2l ports=1000 rounds=20")
        line = re.search(r"(?m)^bind_ipi: n 1000 min (\d+) .* max (\d+) cycles$", console)
        # 48 instructions for each of the 996 ports more.
        self.assertGreater(int(line.group(2)) - int(line.group(1)), 40_000)


if __name__ == "__main__":
    unittest.main()
