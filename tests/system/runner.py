"""Runs the built xensim as people do: a process, a scenario in a folder, an exit status, files.

The folders come from the environment that CMake sets: XENSIM_BUILD (bin/xensim, guests/), XENSIM_SOURCE.
"""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

BUILD = os.path.abspath(os.environ.get("XENSIM_BUILD", "build/release"))
SOURCE = os.path.abspath(os.environ.get("XENSIM_SOURCE", "."))
XENSIM = os.path.join(BUILD, "bin", "xensim")
MACHINE = os.path.join(SOURCE, "configs", "machines", "small.json")


def guest(name):
    return os.path.join(BUILD, "guests", name)


class Result:
    def __init__(self, process, out):
        self.status = process.returncode
        self.stdout = process.stdout.decode("utf-8", "replace")
        self.stderr = process.stderr.decode("utf-8", "replace")
        self.out = out

    @property
    def digest(self):
        found = re.search(r"^Trace digest: (\S+)", self.stdout, re.M)
        return found.group(1) if found else None

    def read(self, *name):
        with open(os.path.join(self.out, *name), "rb") as f:
            return f.read()

    def console(self, name):
        return self.read("console-" + name + ".log").decode("utf-8", "replace").replace("\r\n", "\n")

    @property
    def stats(self):
        return json.loads(self.read("stats.json"))

    def statistic(self, path):
        """A value of stats.json by its dotted name."""
        node = self.stats
        for part in path.split("."):
            node = node[part]
        return node["value"] if isinstance(node, dict) and "value" in node else node


class XensimTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="xensim-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    @staticmethod
    def read_text(path):
        with open(path, encoding="utf-8") as f:
            return f.read()

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def domain(self, name, kernel=None, code=None, **options):
        """Writes a domain file; kernel: a path, or the bytes of an image."""
        if code is not None:
            from kernel import program
            kernel = program(code)
        if isinstance(kernel, bytes):
            kernel = self.write(name + ".elf", kernel)
        settings = {"name": name, "type": "pvh", "kernel": kernel, "memory": 32, "vcpus": 1,
                    "on_poweroff": "destroy", "on_reboot": "destroy", "on_crash": "destroy"}
        settings.update(options)
        lines = []
        for key, value in settings.items():
            if value is None:
                continue
            lines.append("%s = %s" % (key, json.dumps(value)))
        return self.write(name + ".cfg", "\n".join(lines) + "\n")

    def guest_domain(self, name, kernel, **options):
        return self.domain(name, guest(kernel), **options)

    def xensim(self, *arguments, cwd=None, timeout=120, env=None):
        process = subprocess.run([XENSIM] + list(arguments), cwd=cwd or self.folder, timeout=timeout,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        return Result(process, None)

    def run_scenario(self, *arguments, out="out", scenario=MACHINE, cwd=None, timeout=120, trace="xentrace"):
        """xensim run SCENARIO ARGUMENTS --out OUT."""
        folder = self.path(out)
        result = self.xensim("run", scenario, *arguments, "--out", folder, "--trace", trace, cwd=cwd, timeout=timeout)
        result.out = folder
        return result

    def assert_ok(self, result, status=0):
        self.assertEqual(result.status, status, "standard output:\n%s\nstandard error:\n%s" %
                         (result.stdout[-3000:], result.stderr[-3000:]))
