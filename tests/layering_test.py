#!/usr/bin/env python3
"""Dependencies point down only: tools may use models and sim, models may use sim, sim uses neither; and among the models,
each folder may include only those that it is built on. Reads the #include lines of every source file."""

import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1])

# Folder -> what it may include besides itself. The longest folder that a file lies in counts.
MAY_INCLUDE = {
    "sim/base": [],
    "sim/config": ["sim/base"],
    "sim/stats": ["sim/base"],
    "sim/trace": ["sim/base"],
    "sim/checkpoint": ["sim/base", "sim/config"],
    "models/memory": ["sim"],
    "models/cpu": ["sim", "models/memory"],
    "models/xen/sched": ["sim"],
    "models/xen": ["sim", "models/memory", "models/cpu"],
    "models/dom0/xenstored": ["sim"],
    "models/dom0": ["sim", "models/memory", "models/cpu", "models/xen"],
    "models/machine": ["sim", "models"],
    "tools": ["sim", "models"],
}
# The kernel of the simulation is known to the modules and the program's main() only: everything else is plain C++.
SYSTEMC = re.compile(r"^(systemc|tlm|sysc/|tlm_utils/|tlm_core/)")
MAY_USE_SYSTEMC = ["models/machine", "tools"]

INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]')


def within(path, folders):
    return any(path == folder or path.startswith(folder + "/") for folder in folders)


def folder_of(path):
    inside = [folder for folder in MAY_INCLUDE if within(path, [folder])]
    return max(inside, key=len) if inside else None


def problems_of(name, text):
    folder = folder_of(name)
    if folder is None:
        yield 1, "lies in no folder that this test knows; enter it in MAY_INCLUDE"
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group(1)
        if target.startswith("../") or "/../" in target:
            yield number, f"{target}: include by the path from the top"
        if within(target, ["sim", "models", "tools", "tests"]):
            if not within(target, [folder] + MAY_INCLUDE[folder]):
                yield number, f"{folder} may not include {target}"
        if SYSTEMC.match(target) and not within(name, MAY_USE_SYSTEMC):
            yield number, f"{folder} may not include SystemC ({target})"


def self_test():
    bad = [
        ("sim/base/a.cpp", '#include "models/cpu/core.h"'),
        ("sim/trace/a.cpp", '#include "sim/config/param.h"'),
        ("models/cpu/a.h", '#include "models/xen/hypervisor.h"'),
        ("models/cpu/isa/a.h", "#include <systemc>"),
        ("models/xen/sched/a.cpp", '#include "models/xen/hypervisor.h"'),
        ("models/xen/a.cpp", '#include "tools/xensim/command.h"'),
        ("models/new/a.cpp", ""),
    ]
    good = [
        ("models/xen/a.cpp", '#include "models/xen/sched/policy.h"'),
        ("models/machine/a.cpp", '#include <systemc>\n#include "models/dom0/toolstack.h"'),
        ("tools/xensim/a.cpp", '#include "models/machine/machine.h"'),
    ]
    for name, text in bad:
        assert list(problems_of(name, text)), (name, text)
    for name, text in good:
        assert not list(problems_of(name, text)), (name, text)


def main():
    self_test()
    files = sorted(p for top in ("sim", "models", "tools") for p in (ROOT / top).rglob("*") if p.suffix in (".h", ".cpp"))
    files = [p for p in files if "tools/lint-rules" not in p.as_posix()]
    assert len(files) > 100, f"only {len(files)} files under {ROOT}"
    count = 0
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        for number, problem in problems_of(name, path.read_text(encoding="utf-8")):
            print(f"{name}:{number}: {problem}")
            count += 1
    print(f"{len(files)} files, {count} problems")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
