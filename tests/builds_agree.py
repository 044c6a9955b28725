#!/usr/bin/env python3
"""Builds of one source that differ in optimisation level and instrumentation simulate the same, to the byte.

    tests/builds_agree.py FOLDER...     build folders, each with bin/xensim; guests are taken from the first

Runs two domains on two pCPUs under each build, each in a folder and from a current directory of its own, and compares
stats.json, the consoles, the trace and its digest.
"""

import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOMAINS = {
    "compute": 'name = "compute"\ntype = "pvh"\nkernel = "{}"\ncmdline = "iterations=1000"\nmemory = 32\n',
    "hello": 'name = "hello"\ntype = "pvh"\nkernel = "{}"\nmemory = 32\ncpu_weight = 512\n',
}


def run(build, guests, folder, timing):
    folder.mkdir(parents=True)
    arguments = [build / "bin/xensim", "run", ROOT / "configs/machines/small.json"]
    for name, text in DOMAINS.items():
        file = folder / f"{name}.cfg"
        file.write_text(text.format(guests / name), encoding="utf-8")
        arguments.append(file)
    arguments += ["--timing", timing, "--trace", "xentrace,perfetto", "--out", folder / "out"]
    result = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    if result.returncode != 0:
        sys.exit(f"{build}: status {result.returncode}\n{result.stdout}{result.stderr}")
    files = ["stats.json", "trace.xen", "trace.pftrace"] + [f"console-{name}.log" for name in DOMAINS]
    return {name: (folder / "out" / name).read_bytes() for name in files}


def main():
    builds = [pathlib.Path(b).resolve() for b in sys.argv[1:]]
    if len(builds) < 2:
        sys.exit(__doc__)
    differences = []
    with tempfile.TemporaryDirectory(prefix="xensim-builds-") as temporary:
        for timing in ("functional", "inorder"):
            runs = [
                run(build, builds[0] / "guests", pathlib.Path(temporary) / f"{timing}-{i}" / ("d" * (i + 1)), timing)
                for i, build in enumerate(builds)
            ]
            for build, result in zip(builds[1:], runs[1:]):
                differences += [f"{timing}: {n} of {build} differs from {builds[0]}" for n in result if result[n] != runs[0][n]]
    print("\n".join(differences) or f"{len(builds)} builds agree")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
