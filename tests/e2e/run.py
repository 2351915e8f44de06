"""Runs one end-to-end test, or lists them all; this is how ctest sees them.

    run.py --list                   a line for each test: its id, its properties for ctest, its sentence
    run.py MODULE.CLASS.METHOD      exit 0 passed, 1 failed, 77 skipped

How the programs trust each other meanwhile, the environment variable TUNNEL_TRUST says, see trust.py; the list has the
modes for which a test is meant, or "any" if it runs once. A test that needs more than the usual time says so by an attribute of its class or function, `timeout = 300` (seconds);
`serial = True` there lets it run alone, for what measures time or load.
"""

import atexit
import os
import sys
import unittest

from trust import MODES
from turns import long_turns

HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
SKIPPED = 77
SLOW = os.environ.get("TUNNEL_SLOW_BUILD")


def tests(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests(test)
        else:
            yield test


def attribute(test, name, default):
    return getattr(getattr(test, test.id().rpartition(".")[2], None), name, getattr(test, name, default))


def show_all():
    for test in tests(unittest.defaultTestLoader.discover(HERE, "test_*.py")):
        _, subject, method = test.id().rsplit(".", 2)
        sentence = method.removeprefix("test_").replace("_", " ")
        print(test.id(), attribute(test, "timeout", 120), "TRUE" if attribute(test, "serial", False) else "FALSE",
              ",".join(attribute(test, "trust", MODES)) or "any", f"{sentence} ({subject})", sep="|")


def run(name):
    os.chdir(REPO)
    result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromName(name))
    # Nothing run and nothing skipped is a failure too: ctest knows a test that is no longer there.
    if not result.wasSuccessful() or not (result.testsRun or result.skipped):
        return 1
    if long := [] if SLOW else long_turns():
        print("FAIL: a turn took too long", *long, sep="\n", file=sys.stderr)
        return 1
    return SKIPPED if result.skipped else 0


_status = 1


def leave():
    """Ends the process while its daemon threads still run: CPython 3.11 crashes now and then when it takes itself apart
    around them, after the test has passed."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_status)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--list":
        sys.exit(show_all())
    atexit.register(leave)  # before anything else is, so that it is called last, and temporary folders are removed
    _status = run(sys.argv[1])
