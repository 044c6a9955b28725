"""Roles: driver domains, device-model stub domains, device models by a scenario, as xl.cfg and scenario set them."""
import json
import os
import re
import unittest

from reference_table import differences, expected, table
from runner import MACHINE, SOURCE, XensimTest
from xenstore_test import Simulation

# Part of what `xenstore-ls -fp` said on a real Xen 4.17 with the driver domain and one of the other two: its nodes, and the devices'.
LISTING = os.path.join(SOURCE, "tests", "system", "data", "driver-domain-ls.txt")
NODES = re.compile(r"/local/domain/1/(libxl|device-model|backend)\b|/local/domain/[23]/device/v|/libxl/[23]/device/v")


class Roles(XensimTest):
    def waiting(self, name, **options):
        return self.guest_domain(name, "errors", cmdline="wait_ms=%d" % options.pop("wait_ms", 100), **options)

    def scenario(self, domains, timeline=()):
        return self.write("scenario.json", json.dumps({"machine": MACHINE, "domains": domains, "timeline": timeline}))

    def xl_log(self, result):
        return result.read("xl.log").decode()

    def test_back_ends_of_a_driver_domain_are_where_libxl_puts_them(self):
        driver = self.waiting("driver", driver_domain=1, wait_ms=10**8)
        front = self.waiting("front", vif=["backend=driver,mac=00:16:3e:01:02:03,bridge=br1"], wait_ms=10**8)
        other = self.waiting("other", disk=["backend=driver,vdev=xvda,format=raw,target=/dev/vg/lv"], wait_ms=10**8)
        simulation = Simulation(self, driver, front, other)
        for _ in range(200):
            listing = simulation.client("xenstore-ls", "-fp")
            if "/libxl/3/device/vbd/51712/specification" in listing and "/local/domain/3/console/port" in listing:
                break
        with open(LISTING, encoding="ascii") as f:
            self.maxDiff = None
            self.assertEqual({line for line in listing.splitlines() if NODES.match(line)}, set(f.read().splitlines()))

    def test_a_back_end_that_is_nowhere_is_xls_error(self):
        self.waiting("vif", vif=["backend=nobody"])
        self.waiting("disk", disk=["backend=nobody,vdev=xvda,format=raw,target=/dev/vg/lv"])
        path = self.scenario([], [{"at": "10ms", "xl": "create vif.cfg"}, {"at": "20ms", "xl": "create disk.cfg"}])
        result = self.run_scenario("--timing", "functional", scenario=path)
        log = self.xl_log(result)
        self.assertIn("libxl: error: libxl_nic.c:520:libxl__device_nic_set_devids: Domain 1:Unable to set nic defaults "
                      "for nic 0", log)
        self.assertIn("libxl: error: libxl_create.c:1318:initiate_domain_create: Domain 2:Unable to set disk defaults "
                      "for disk 0", log)
        census = result.stats["stats"]["census"]
        self.assertEqual(census["start"], census["end"])

    def test_a_stub_domain_comes_and_goes_with_its_guest(self):
        self.waiting("guest", device_model_stubdomain_override=1, stubdomain_memory=16, wait_ms=10**6)
        path = self.scenario(["guest.cfg"], [{"at": "100ms", "xl": "list"}, {"at": "200ms", "xl": "destroy guest"},
                                             {"at": "300ms", "xl": "list"}])
        result = self.run_scenario("--timing", "functional", scenario=path)
        self.assert_ok(result)
        first, last = re.findall(r"(?ms)^Name .*?(?=^\S*\[|\Z)", self.xl_log(result))[:2]
        self.assertRegex(first, r"(?m)^\s*guest-dm +2 +16 +1 ")
        self.assertNotIn("guest", last)
        census = result.stats["stats"]["census"]
        self.assertEqual(census["start"], census["end"])

    def test_a_stub_domain_is_in_the_store_as_libxl_writes_it(self):
        guest = self.waiting("guest", device_model_stubdomain_override=1, wait_ms=10**8)
        simulation = Simulation(self, guest)
        for _ in range(200):
            listing = simulation.client("xenstore-ls", "-fp")
            if "/local/domain/2/device-model/1 " in listing:
                break
        for line in ('/local/domain/1/image/device-model-domid = "2"   (n0,r1)', '/local/domain/2/target = "1"   (n0,r2)',
                     '/local/domain/2/device-model/1 = ""   (n2,r1)', '/local/domain/2/name = "guest-dm"   (n0,r2)',
                     '/local/domain/2/memory/target = "28672"   (n0,r2)', '/libxl/2/type = "pv"   (n0)'):
            self.assertIn(line, listing)

    def errors(self, **entry):
        """The table of the guest `errors` whose peer is domain 1."""
        self.waiting("target", memory=64, vcpus=2, wait_ms=5000, on_poweroff="preserve")
        self.guest_domain("errors", "errors", cmdline="peer=1", memory=64, vcpus=2)
        path = self.scenario(["target.cfg", dict(file="errors.cfg", **entry)])
        result = self.run_scenario("--timing", "functional", scenario=path, trace="none")
        self.assert_ok(result)
        return table(result.console("errors").splitlines()[:-2])

    def test_a_device_model_may_do_to_its_target_what_a_real_xen_lets_it(self):
        """errors-device-model.txt: what the rows were on a real Xen 4.17 once the guest was its peer's device model."""
        self.maxDiff = None
        want = expected("errors.txt", "errors-host.txt", "errors-different.txt")
        model = expected("errors-device-model.txt")
        self.assertTrue(all("peer" in name for name in model), "a device model may do more to others")
        want.update(model)
        self.assertEqual(differences(want, self.errors(device_model_of="target")), [])

    def test_a_device_model_of_nobody_is_refused(self):
        self.waiting("model")
        path = self.scenario([{"file": "model.cfg", "device_model_of": "nobody"}])
        result = self.run_scenario(scenario=path)
        self.assert_ok(result, 2)
        self.assertIn('no domain "nobody" is created before it', result.stderr)


if __name__ == "__main__":
    unittest.main()
