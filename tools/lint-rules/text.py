#!/usr/bin/env python3
"""Text rules that no formatter knows: no notes of unfinished work, no tabs or trailing spaces, lines that end, files
of a readable length, relative links in the documentation that lead somewhere."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = {".cpp", ".h", ".c", ".S", ".py", ".sh", ".cmake"}
PROSE = {".md"}
LONGEST_FILE = 700  # lines
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def tracked_files():
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def problems_of(path):
    if "corpus" in path.parts:  # inputs of fuzzers are whatever they are
        return
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    lines = text.split("\n")
    if text and not text.endswith("\n"):
        yield len(lines), "the last line does not end"
    if path.suffix in SOURCE and len(lines) > LONGEST_FILE:
        yield len(lines), f"more than {LONGEST_FILE} lines: split by topic"
    for number, line in enumerate(lines, 1):
        if path.suffix in SOURCE | PROSE:
            if "\t" in line:
                yield number, "tab"
            if line != line.rstrip():
                yield number, "space at the end of the line"
            if UNFINISHED.search(line):
                yield number, "note of unfinished work"
        if path.suffix in PROSE:
            for target in LINK.findall(line):
                if "://" not in target and not (path.parent / target).exists():
                    yield number, f"link to {target}, which does not exist"


def main():
    count = 0
    for path in tracked_files():
        for number, problem in problems_of(path):
            print(f"{path.relative_to(ROOT)}:{number}: {problem}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
