"""What compiler and linker put into the two programs against faults in memory, cmake/hardening.cmake."""

import os
import re
import unittest

from programs import REPO, binary, need, run


def cached(name):
    """A variable of the build under test."""
    with open(os.path.join(REPO, os.environ.get("TUNNEL_BUILD", "build/release"), "CMakeCache.txt"),
              encoding="utf-8") as cache:
        found = re.search(rf"^{name}:\w+=(.*)$", cache.read(), re.MULTILINE)
    return found and found[1]


class Hardening(unittest.TestCase):
    trust = ()

    def setUp(self):
        if cached("CMAKE_BUILD_TYPE") not in (None, "", "Release"):
            self.skipTest("not a release build")
        self.readelf = need("readelf")

    def shown(self, option):
        """What readelf tells of each program."""
        for name in ("remote-proxy", "origin-proxy"):
            with self.subTest(name):
                yield run([self.readelf, "--wide", option, binary(name)]).stdout

    def test_the_programs_are_loaded_at_an_address_that_nobody_can_foresee(self):
        for header in self.shown("--file-header"):
            self.assertRegex(header, r"Type:\s+DYN")
        for dynamic in self.shown("--dynamic"):
            self.assertRegex(dynamic, r"\(FLAGS_1\).*\bPIE\b")

    def test_the_table_of_functions_is_read_only_once_a_program_runs(self):
        for segments in self.shown("--program-headers"):
            self.assertRegex(segments, r"(?m)^\s+GNU_RELRO\s")
        for dynamic in self.shown("--dynamic"):
            self.assertRegex(dynamic, r"\(FLAGS\).*\bBIND_NOW\b|\(FLAGS_1\).*\bNOW\b")

    def test_no_stack_can_be_run_as_code(self):
        for segments in self.shown("--program-headers"):
            flags = re.search(r"(?m)^\s+GNU_STACK(?:\s+0x\w+){5}\s+([RWE ]+?)\s+0x", segments)
            self.assertIsNotNone(flags)
            self.assertEqual(flags[1], "RW")

    def test_no_segment_is_both_written_and_run(self):
        for segments in self.shown("--program-headers"):
            self.assertNotRegex(segments, r"(?m)^\s+LOAD(?:\s+0x\w+){5}\s+RWE")

    def test_overrun_stacks_and_buffers_of_known_size_are_noticed(self):
        for symbols in self.shown("--dyn-syms"):
            self.assertRegex(symbols, r"UND __stack_chk_fail\b")
            self.assertRegex(symbols, r"UND __\w+_chk@")


if __name__ == "__main__":
    unittest.main()
