"""The pages of the manual that `man` prints."""

import os
import re
import shutil
import unittest

from support import binary, need, run
from test_programs import program
from trust import folder

PROGRAMS = ("remote-proxy", "origin-proxy")


class Manual(unittest.TestCase):
    trust = ()

    def setUp(self):
        self.folder = folder(self.id().rpartition(".")[2])
        self.addCleanup(shutil.rmtree, self.folder)

    def page(self, name, *words):
        path = os.path.join(self.folder, "-".join((name, *words)))
        with open(path, "w", encoding="utf-8") as file:
            file.write(run([binary(name), "man", *words]).stdout)
        return path

    @staticmethod
    def shown(path):
        """As man(1) shows it, each run of blanks as one."""
        text = run([need("mandoc"), "-Tutf8", path]).stdout
        return " ".join(re.sub(r".\x08", "", text).split())

    def test_mandoc_has_nothing_to_say_about_the_pages(self):
        for name in PROGRAMS:
            for words in ((), ("config",)):
                path = self.page(name, *words)
                done = run([need("mandoc"), "-Tlint", "-Wwarning", path], check=False)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
                with open(path, encoding="utf-8") as file:
                    self.assertFalse([line for line in file if len(line) > 200])

    def test_a_page_has_every_flag_command_and_variable_and_what_else_is_to_be_known(self):
        for name in PROGRAMS:
            page = self.shown(self.page(name))
            helped = program(name, "--help-all")[1]
            flags = re.findall(r"^  (?:-\w, )*(?:-V, )?(--[a-z-]+)", helped, re.M)
            self.assertGreater(len(flags), 40)
            for flag in flags:
                self.assertIn(f" {flag} ", page)
                if flag not in ("--help", "--help-all", "--version"):
                    variable = f"{name}{flag[1:]}".replace("-", "_").upper()
                    self.assertIn(f" {variable} ", page)
            commands = helped.partition("\nCommands")[2].partition("\n\n")[0]
            for command in re.findall(r"^  ([a-z-]+)", commands, re.M):
                self.assertIn(f" {command} ", page)
            for group in re.findall(r"^([A-Z][\w ]*):$", helped, re.M):
                if group != "Examples":
                    self.assertIn(f" {group} ", page)
            for wanted in ("SIGHUP", "EXIT STATUS", f"/etc/{name}/{name}.toml", f"/run/{name}/management.sock",
                           f"{name}.toml(5)", "--log-level LEVEL", "One of on, off, required."):
                self.assertIn(wanted, page)
            self.assertNotIn("complete-names", page)

    def test_the_page_of_the_file_has_every_key_of_every_table(self):
        for name, tables in (("remote-proxy", ("origins", "services")), ("origin-proxy", ("services", "remote-proxies"))):
            page = self.shown(self.page(name, "config"))
            wrong = os.path.join(self.folder, "wrong.toml")
            for table in tables:
                with open(wrong, "w", encoding="utf-8") as file:
                    file.write(f"[{table}.x]\nunknown = 1\n")
                expected = re.search(rf"'unknown' of {table}.x .* expected (.*)", program(name, "check", wrong)[2])[1]
                self.assertIn(f"[{table}.NAME]", page)
                for key in set(re.findall(r"[a-z]+(?:-[a-z]+)*", expected)) - {"secret", "or", "and", "one", "of"}:
                    self.assertIn(f" {key} = ", page, table)
            for key in ("log-level", "grace-period", "management-addr"):
                self.assertIn(f" {key} = ", page)

    def test_man_takes_no_flags_and_knows_no_other_page(self):
        for name in PROGRAMS:
            for words in (("man", "flags"), ("man", "--json"), ("man", "--log-level", "info")):
                code, out, _ = program(name, *words)
                self.assertEqual((code, out), (2, ""))


if __name__ == "__main__":
    unittest.main()
