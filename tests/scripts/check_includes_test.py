"""Runs scripts/check_includes.py on small trees of its own."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "check_includes.py"

GOOD = {
    "common/base/log.hpp": "",
    "common/base/log.cpp": '#include "common/base/log.hpp"\n#include <string>\n',
    "common/transport/dial.hpp": '#include "common/base/log.hpp"\n',
    "common/options/options.cpp": '#include "common/transport/dial.hpp"\n',
    "remote-proxy/main.cpp": '#include "common/options/help.hpp"\n#include "remote-proxy/proxy.hpp"\n',
    "common/options/help.hpp": "",
    "remote-proxy/proxy.hpp": '#include "remote-proxy/control/port.hpp"\n',
    "remote-proxy/control/port.hpp": '#include "remote-proxy/options/options.hpp"\n#include "common/base/log.hpp"\n',
    "remote-proxy/options/options.hpp": "",
    "origin-proxy/link.hpp": "",
    "tests/unit/dial_test.cpp": '#include "remote-proxy/proxy.hpp"\n#include "origin-proxy/link.hpp"\n',
}


def check(files):
    """The exit status and the output for a tree of these files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        result = subprocess.run([sys.executable, "-B", SCRIPT, folder], capture_output=True, text=True, check=False)
        return result.returncode, result.stdout + result.stderr


class CheckIncludes(unittest.TestCase):
    def assert_found(self, name, text, *words):
        status, output = check({**GOOD, name: text})
        self.assertEqual(status, 1, output)
        for word in words:
            self.assertIn(word, output)

    def test_a_tree_whose_includes_point_downwards_is_good(self):
        self.assertEqual(check(GOOD), (0, ""))

    def test_an_include_that_points_back_is_found_with_its_line(self):
        self.assert_found("common/base/log.hpp", '#pragma once\n\n#include "common/transport/dial.hpp"\n',
                          "common/base/log.hpp:3: common/base may not include common/transport: common/transport/dial.hpp")

    def test_an_include_beside_the_order_is_found(self):
        self.assert_found("common/http/target.cpp", '#include "common/options/help.hpp"\n',
                          "common/http/target.cpp:1: common/http may not include common/options")

    def test_an_indented_include_is_an_include(self):
        self.assert_found("common/base/log.cpp", '#ifdef X\n  #  include "common/options/help.hpp"\n#endif\n',
                          "common/base/log.cpp:2: common/base may not include common/options")

    def test_common_includes_no_program(self):
        self.assert_found("common/options/options.cpp", '#include "remote-proxy/proxy.hpp"\n',
                          "common/options/options.cpp:1: common/options may not include remote-proxy")

    def test_a_room_of_a_program_includes_no_room_above_it(self):
        self.assert_found("remote-proxy/options/options.hpp", '#include "remote-proxy/control/port.hpp"\n',
                          "remote-proxy/options may not include remote-proxy/control: remote-proxy/control/port.hpp")
        self.assert_found("remote-proxy/control/port.hpp", '#include "remote-proxy/proxy.hpp"\n',
                          "remote-proxy/control may not include remote-proxy: remote-proxy/proxy.hpp")

    def test_the_programs_do_not_include_each_other(self):
        self.assert_found("remote-proxy/main.cpp", '#include "origin-proxy/link.hpp"\n',
                          "remote-proxy/main.cpp:1: remote-proxy may not include origin-proxy")
        self.assert_found("origin-proxy/link.hpp", '#include "remote-proxy/proxy.hpp"\n',
                          "origin-proxy/link.hpp:1: origin-proxy may not include remote-proxy")

    def test_nothing_that_is_installed_includes_tests(self):
        self.assert_found("remote-proxy/main.cpp", '#include "tests/unit/dial_test.cpp"\n',
                          "remote-proxy/main.cpp:1: remote-proxy may not include")

    def test_a_room_that_nobody_has_listed_is_found(self):
        self.assert_found("common/attic/old.hpp", "", "common/attic/old.hpp:1: is in no room")

    def test_a_file_beside_the_rooms_is_found(self):
        self.assert_found("common/loose.hpp", "", "common/loose.hpp:1: is in no room")
        self.assert_found("remote-proxy/attic/old.hpp", "", "remote-proxy/attic/old.hpp:1: is in no room")
        self.assert_found("common/base/log.cpp", '#include "common/loose.hpp"\n', "common/base/log.cpp:1: ")

    def test_a_path_that_is_not_from_the_root_is_found(self):
        self.assert_found("common/base/log.cpp", '#include "log.hpp"\n', "common/base/log.cpp:1: there is no log.hpp")

    def test_headers_of_one_room_that_include_each_other_are_found(self):
        status, output = check({**GOOD,
                                "common/base/a.hpp": '#include "common/base/b.hpp"\n',
                                "common/base/b.hpp": '#include "common/base/c.hpp"\n',
                                "common/base/c.hpp": '\n#include "common/base/a.hpp"\n'})
        self.assertEqual(status, 1)
        self.assertIn("common/base/c.hpp:2: a circle of includes: common/base/a.hpp -> common/base/b.hpp"
                      " -> common/base/c.hpp -> common/base/a.hpp", output)

    def test_every_fault_is_named(self):
        status, output = check({**GOOD,
                                "common/base/a.cpp": '#include "common/options/help.hpp"\n',
                                "common/http/b.cpp": '#include "common/options/help.hpp"\n'})
        self.assertEqual((status, len(output.splitlines())), (1, 2), output)


if __name__ == "__main__":
    unittest.main()
