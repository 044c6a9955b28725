"""Tables that a guest prints, a row each: `name result`; and what a real Xen printed, with the rows in which this machine must
say something else: `name result # reason`, in a list beside it."""
import os

from runner import SOURCE

REFERENCE = os.path.join(SOURCE, "tests", "system", "reference")


def lines_of(name):
    with open(os.path.join(REFERENCE, name)) as f:
        return [line.rstrip("\r\n") for line in f if line.strip() and not line.startswith("#")]


def table(lines):
    """name -> result. A name that comes again is numbered."""
    rows = {}
    for line in lines:
        name, _, result = line.strip().partition(" ")
        unique, n = name, 1
        while unique in rows:
            n += 1
            unique = "%s#%d" % (name, n)
        rows[unique] = result
    return rows


def exceptions(name):
    """name -> (result, reason)."""
    rows = {}
    for line in lines_of(name):
        what, mark, reason = line.partition("#")
        if not mark or not reason.strip():
            raise ValueError("%s: no reason is given: %s" % (name, line))
        row, _, result = what.strip().partition(" ")
        if row.startswith("number:"):  # of a name that comes again
            row = row[len("number:"):].replace(":", "#", 1)
        rows[row] = (result.strip(), reason.strip())
    return rows


def expected(reference, *lists):
    """What this machine must print: a real Xen's table, and the exceptions."""
    rows = table(lines_of(reference))
    for name in lists:
        for row, (result, _) in exceptions(name).items():
            if row not in rows:
                raise ValueError("%s: there is no row %s" % (name, row))
            if rows[row] == result:
                raise ValueError("%s: %s is what the real one says" % (name, row))
            rows[row] = result
    return rows


def differences(want, have):
    return (["%-70s is missing" % name for name in want if name not in have] +
            ["%-70s is not in the reference: %s" % (name, have[name]) for name in have if name not in want] +
            ["%-70s %-16s wanted %s" % (name, have[name], want[name])
             for name in want if name in have and have[name] != want[name]])
