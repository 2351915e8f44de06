"""`--log-file`: the log in a file, that is moved away, on a disk that is full, in a folder that is gone."""

import contextlib
import os
import pwd
import shutil
import signal
import stat
import tempfile
import unittest

from faults import echo, exchange, visit, wait_served
from origins import SocketOrigin
from programs import HOST, REPO, binary, need, poll, run
from support import Tunnel, parse_log_line
from trust import write_secret


class LogFile(unittest.TestCase):
    trust = ()

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tunnel-log-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.chmod(self.folder, 0o755)
        os.mkdir(self.path("logs"))
        self.flags = {name: ["--log-file", self.path(f"logs/{name}.log")] for name in ("remote", "origin")}

    def path(self, name):
        return os.path.join(self.folder, name)

    def lines(self, name):
        with open(self.path(f"logs/{name}"), encoding="utf-8") as file:
            return [line for line in map(parse_log_line, file.read().splitlines()) if line]

    def wait(self, name, message):
        return poll(lambda: os.path.exists(self.path(f"logs/{name}")) and next(
            (line for line in self.lines(name) if line["message"] == message), None), f"{message!r} in {name}")

    def tunnel(self, origin, *flags, **options):
        return Tunnel(origin.address, remote_flags=[*self.flags["remote"], *flags],
                      origin_flags=[*self.flags["origin"], *flags], **options)

    def test_both_log_into_their_files_and_nothing_to_stderr(self):
        with SocketOrigin(echo) as origin, self.tunnel(origin) as tunnel:
            with visit(tunnel.outside) as visitor:
                exchange(visitor)
            for name in ("remote", "origin"):
                self.wait(f"{name}.log", "visitor ended")
                mode = os.stat(self.path(f"logs/{name}.log")).st_mode
                self.assertEqual(stat.S_IMODE(mode) & ~0o640, 0)
            programs = (tunnel.remote, tunnel.origin)
        for program in programs:
            self.assertEqual(program.texts("stderr"), [])

    def test_after_a_move_a_reload_begins_a_new_file_also_as_another_user_in_the_sandbox(self):
        flags = ["--user", "nobody"] if os.geteuid() == 0 else []
        if flags:
            shutil.chown(self.path("logs"), "nobody")
        with SocketOrigin(echo) as origin, self.tunnel(origin, *flags) as tunnel:
            wait_served(tunnel.outside)
            for name, program in (("remote", tunnel.remote), ("origin", tunnel.origin)):
                old, new = self.path(f"logs/{name}.log"), self.path(f"logs/{name}.log.1")
                os.rename(old, new)
                program.send_signal(signal.SIGHUP)
                self.wait(f"{name}.log", "reloaded")
                self.assertNotIn("reloaded", [line["message"] for line in self.lines(f"{name}.log.1")])
                self.assertEqual(program.texts("stderr"), [])
                if flags:
                    self.assertEqual(os.stat(old).st_uid, pwd.getpwnam("nobody").pw_uid)

    def test_the_command_reload_begins_a_new_file_too(self):
        management = ["--management-addr", f"unix:{self.path('management.sock')}"]
        with SocketOrigin(echo) as origin, Tunnel(origin.address, remote_flags=[*self.flags["remote"], *management]):
            os.rename(self.path("logs/remote.log"), self.path("logs/remote.log.1"))
            run([binary("remote-proxy"), "reload", *management])
            self.wait("remote.log", "reloaded")

    def test_a_folder_that_is_gone_is_told_once_and_stops_nothing(self):
        with SocketOrigin(echo) as origin, self.tunnel(origin) as tunnel:
            os.rename(self.path("logs"), self.path("gone"))
            for _ in range(2):
                tunnel.remote.send_signal(signal.SIGHUP)
                with visit(tunnel.outside) as visitor:
                    exchange(visitor)
            tunnel.remote.wait_line("cannot open the log file again", stream="stderr")
            os.rename(self.path("gone"), self.path("logs"))
            os.remove(self.path("logs/remote.log"))
            tunnel.remote.send_signal(signal.SIGHUP)
            self.wait("remote.log", "reloaded")
            self.assertEqual(len(tunnel.remote.texts("stderr")), 1)

    def test_a_disk_that_is_full_is_told_once_and_lines_go_on_when_it_is_not_any_more(self):
        if os.geteuid() != 0:
            self.skipTest("only root can mount a small disk")
        run(["mount", "-t", "tmpfs", "-o", "size=32k", "tunnel-log", self.path("logs")])
        self.addCleanup(run, ["umount", "-l", self.path("logs")])
        with SocketOrigin(echo) as origin, self.tunnel(origin) as tunnel:
            filler = os.open(self.path("logs/filler"), os.O_WRONLY | os.O_CREAT)
            self.addCleanup(os.close, filler)
            with contextlib.suppress(OSError):
                while True:
                    os.write(filler, b"x" * 1024)
            for _ in range(100):
                with visit(tunnel.outside) as visitor:
                    exchange(visitor)
            tunnel.remote.wait_line("cannot write the log file.*No space left", stream="stderr")
            with visit(tunnel.outside) as visitor:
                exchange(visitor)
            os.ftruncate(filler, 0)
            with visit(tunnel.outside) as visitor:
                exchange(visitor)
            line = self.wait("remote.log", "lines were left out, as the file did not take them")
            self.assertGreater(line["left-out"], 0)
            self.assertEqual(len(tunnel.remote.texts("stderr")), 1)

    def test_what_cannot_be_opened_is_refused_at_the_start_and_by_check(self):
        flags = ["--control-addr", f"{HOST}:0", "--outside-addr", f"{HOST}:0"]
        path = self.path("nowhere/remote.log")
        for command, code in ((["check"], 2), ([], 2)):
            shown = run([binary("remote-proxy"), *command, *flags, "--log-file", path], check=False)
            self.assertEqual(shown.returncode, code, shown)
            self.assertIn(f"--log-file: cannot write the log file {path}: No such file or directory", shown.stderr)
        run([binary("remote-proxy"), "check", *flags, *self.flags["remote"]])
        self.assertEqual(os.listdir(self.path("logs")), [])  # `check` makes no file

    def test_no_secret_is_in_it_at_any_level(self):
        secret = write_secret(self.path("secret"))
        flags = ["--log-level", "debug", "--secret-file", self.path("secret")]
        with SocketOrigin(echo) as origin, self.tunnel(origin, *flags, trust="none") as tunnel:
            wait_served(tunnel.outside)
        for name in ("remote", "origin"):
            with open(self.path(f"logs/{name}.log"), encoding="utf-8") as file:
                self.assertNotIn(secret, file.read())

    def test_logrotate_moves_it_away_with_the_example_and_the_program_goes_on_in_a_new_one(self):
        if os.geteuid() != 0:
            self.skipTest("logrotate changes its user")
        with open(os.path.join(REPO, "packaging/logrotate/remote-proxy"), encoding="utf-8") as file:
            example = file.read()
        with SocketOrigin(echo) as origin, self.tunnel(origin) as tunnel:
            # As it is, but for the folder, the user, and the service manager that there is none of.
            rules = example.replace("/var/log/remote-proxy", self.path("logs")).replace(
                "su remote-proxy remote-proxy", "su root root").replace(
                "systemctl kill --kill-who=main -s HUP remote-proxy.service", f"kill -HUP {tunnel.remote.pid}")
            self.assertIn("su root root", rules)
            self.assertIn(f"kill -HUP {tunnel.remote.pid}", rules)
            with open(self.path("rules"), "w", encoding="utf-8") as file:
                file.write(rules.replace("*.log", "remote.log"))
            before = self.lines("remote.log")
            shown = run([need("logrotate"), "--force", "--state", self.path("state"), self.path("rules")])
            self.assertEqual((shown.stdout, shown.stderr), ("", ""))
            self.wait("remote.log", "reloaded")
            self.assertEqual(self.lines("remote.log.1")[:len(before)], before)
