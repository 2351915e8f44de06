"""The commands that ask a running program, and SIGUSR1, which writes the same into its log."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

from faults import DEADLINE, echo, exchange, refuses, visit, wait_served
from origins import SocketOrigin
from support import HOST, Program, Tunnel, binary, free_port, poll, run, show_address
from test_management import READ_TOKEN, TOKEN, Folder, address_of, managed


def ask(program, *words, code=0):
    """What a command prints: on stdout, or on stderr if it is to end with another code."""
    done = run([binary(program), *words], check=False)
    if done.returncode != code or (done.stderr if code == 0 else done.stdout):
        raise AssertionError(f"{words} ended with {done.returncode}\nstdout: {done.stdout}\nstderr: {done.stderr}")
    return done.stdout if code == 0 else done.stderr


def cells(line):
    return re.split(r"  +", line.strip())


def rows(text, first_title):
    """The rows of the table whose first column has this title, each as a dict."""
    lines = text.splitlines()
    titles = next(index for index, line in enumerate(lines) if line.strip().startswith(first_title))
    body = []
    for line in lines[titles + 1:]:
        if not line:
            break
        body.append(dict(zip(cells(lines[titles]), cells(line))))
    return body


class Terminal:
    """A command on a pseudo terminal, of that many rows and columns."""

    def __init__(self, argv, lines=24, columns=200):
        self._main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(argv, stdin=side, stdout=side, stderr=side, start_new_session=True,
                                        env={**os.environ, "TERM": "xterm"})
        os.close(side)
        self.seen = ""

    def wait(self, pattern):
        """Wait until what came since the last call fits."""
        end = time.monotonic() + DEADLINE
        while not (found := re.search(pattern, self.seen, re.DOTALL)):
            if time.monotonic() > end or not self._read():
                raise AssertionError(f"no {pattern!r} in {self.seen!r}")
        self.seen = self.seen[found.end():]

    def _read(self):
        if not select.select([self._main], [], [], DEADLINE)[0]:
            return False
        try:
            data = os.read(self._main, 1 << 16)
        except OSError:  # the command has ended
            return False
        self.seen += data.decode()
        return bool(data)

    def end(self, number):
        """Its exit code, and the last of what it said, after this signal."""
        self.process.send_signal(number)
        while self._read():
            pass
        return self.process.wait(DEADLINE), self.seen

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._main)


class Status(unittest.TestCase):
    trust = ()

    def test_both_programs_show_what_they_do_with_a_visitor_and_without_one(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, remote, own = managed(origin, folder)
            with tunnel:
                wait_served(tunnel.outside)
                tunnel.wait_visitors(1)
                with visit(tunnel.outside) as visitor:
                    exchange(visitor)
                    text = ask("remote-proxy", "status", "--management-addr", remote)
                    head, counts = text.splitlines()[:2]
                    self.assertRegex(head, rf"^remote-proxy \d+\.\d+\.\d+ at {remote}: ready$")
                    self.assertRegex(counts, r"^1 visitor, 0 waiting, \d+ parked connections?; what is changed here "
                                             r"is kept for this run only$")
                    service, = rows(text, "SERVICE")
                    self.assertEqual(service["SERVICE"], "default")
                    self.assertEqual(service["OUTSIDE"], show_address(tunnel.outside))
                    self.assertEqual((service["STATE"], service["FROM"], service["VISITORS"], service["TOTAL"]),
                                     ("open", "options", "1", "2"))
                    self.assertEqual((service["TO ORIGIN"], service["TO VISITOR"]), ("14 B", "14 B"))
                    proxy, = rows(text, "ORIGIN PROXY")
                    self.assertEqual((proxy["STATE"], proxy["VISITORS"]), ("open", "1"))
                    self.assertRegex(proxy["ROUND TRIP"], r"^\d+\.\d\d? ms$")
                    text = ask("origin-proxy", "status", "--management-addr", own)
                    self.assertRegex(text.splitlines()[0], r"^origin-proxy .*: ready$")
                    self.assertEqual(rows(text, "REMOTE PROXY")[0]["STATE"], "logged-in")
                    service, = rows(text, "SERVICE")
                    self.assertEqual(service["ORIGIN SERVER"], show_address(origin.address))
                    self.assertEqual(service["OUTSIDE"], show_address(tunnel.outside))

    def test_as_json_it_has_all_that_the_interface_says(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, remote, own = managed(origin, folder)
            with tunnel:
                wait_served(tunnel.outside)
                known = json.loads(ask("remote-proxy", "status", "--json", "--management-addr", remote))
                self.assertEqual(known["status"]["program"], "remote-proxy")
                self.assertEqual([each["name"] for each in known["services"]], ["default"])
                self.assertEqual(len(known["origins"]), 1)
                known = json.loads(ask("origin-proxy", "status", "--json", "--management-addr", own))
                self.assertEqual(known["status"]["remotes"][0]["state"], "logged-in")
                self.assertEqual(known["services"][0]["outside"][0]["address"], show_address(tunnel.outside))

    def test_a_program_that_is_not_ready_says_why(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, remote, own = managed(origin, folder, start=False)
            with tunnel:
                tunnel.start_remote()
                done = run([binary("remote-proxy"), "status", "--management-addr", remote], check=False)
                self.assertEqual((done.returncode, done.stderr), (1, ""))
                self.assertIn(": NOT READY (no origin proxy for default)\n", done.stdout)
                self.assertIn("\nNo origin proxy is logged in.\n", done.stdout)
                done = run([binary("remote-proxy"), "status", "--json", "--management-addr", remote], check=False)
                self.assertEqual(done.returncode, 1)
                self.assertFalse(json.loads(done.stdout)["status"]["ready"])
                self.assertIn(": NOT READY (", ask("remote-proxy", "status", "--alive", "--management-addr", remote))
                tunnel.start_origin()
                wait_served(tunnel.outside)
                ask("remote-proxy", "status", "--management-addr", remote)
                tunnel.remote.stop(code=0)
                ask("remote-proxy", "status", "--alive", "--management-addr", remote, code=1)
                poll(lambda: run([binary("origin-proxy"), "status", "--management-addr", own],
                                 check=False).returncode == 1, "its remote proxy is away")
                self.assertIn(": NOT READY (", ask("origin-proxy", "status", "--alive", "--management-addr", own))

    def test_more_services_than_a_page_has_are_all_there(self):
        first = free_port()
        with Folder() as folder:
            where = folder.socket("remote")
            config = folder.file("conf.toml", f'control-addr = "{HOST}:0"\nmanagement-addr = "{where}"\n'
                                 f'[services.many]\noutside-addr = "127.1.2.3:{first}-{first + 999}"\n'
                                 f'[services.one]\noutside-addr = "127.1.2.4:{first}"\n'
                                 f'[services.two]\noutside-addr = "127.1.2.4:{first + 1}"\n')
            with Program([binary("remote-proxy"), "--config", config]) as program:
                program.wait_line("^ready", stream="stdout")
                def status(*words):
                    return run([binary("remote-proxy"), "status", *words], check=False).stdout  # it is not ready

                known = json.loads(status("--json", "--config", config))
                self.assertEqual(len({each["name"] for each in known["services"]}), 1002)
                self.assertEqual(len(rows(status("-c", config), "SERVICE")), 1002)
                start = len(program.lines)
                program.send_signal(signal.SIGUSR1)
                program.wait_line(r"status: and more of=services count=952", start=start)


class Visitors(unittest.TestCase):
    trust = ()

    def test_those_who_are_here_are_shown_and_can_be_filtered(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, remote, _ = managed(origin, folder)
            where = ("--management-addr", remote)
            with tunnel:
                wait_served(tunnel.outside)
                tunnel.wait_visitors(1)
                self.assertEqual(ask("remote-proxy", "visitors", *where), "There are no visitors.\n")
                with visit(tunnel.outside) as visitor:
                    exchange(visitor, b"x" * 2048)
                    name = show_address(visitor.getsockname())
                    poll(lambda: rows(ask("remote-proxy", "visitors", *where), "ID")[0]["TO VISITOR"] == "2.0 KiB",
                         "its bytes are shown")
                    row, = rows(ask("remote-proxy", "visitors", *where), "ID")
                    self.assertEqual((row["ADDRESS"], row["SERVICE"], row["STATE"]), (name, "default", "served"))
                    known = json.loads(ask("remote-proxy", "visitors", "--json", *where))["visitors"]
                    self.assertEqual(known[0]["address"], name)
                    filtered = ask("remote-proxy", "visitors", "--service", "default", "--origin", known[0]["origin"],
                                   *where)
                    self.assertEqual(len(rows(filtered, "ID")), 1)
                    for flag, name in (("--service", "defualt"), ("--origin", "nobody")):
                        why = ask("remote-proxy", "visitors", flag, name, *where, code=1)
                        self.assertIn(f'"{name}"', why)
                    self.assertIn("did you mean default?",
                                  ask("remote-proxy", "visitors", "--service", "defualt", *where, code=1))

    def test_more_of_them_than_a_page_has_are_all_there(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, remote, _ = managed(origin, folder)
            with tunnel:
                wait_served(tunnel.outside)
                here = [visit(tunnel.outside) for _ in range(1100)]
                try:
                    for visitor in here:
                        exchange(visitor)
                    known = json.loads(ask("remote-proxy", "visitors", "--json", "--management-addr", remote))
                    names = {each["address"] for each in known["visitors"]}
                    self.assertLessEqual({show_address(each.getsockname()) for each in here}, names)
                finally:
                    for visitor in here:
                        visitor.close()


class Steering(unittest.TestCase):
    trust = ()

    def test_a_drained_service_takes_no_visitors_and_keeps_those_it_has_until_it_is_resumed(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, remote, _ = managed(origin, folder)
            where = ("--management-addr", remote)
            with tunnel:
                wait_served(tunnel.outside)
                tunnel.wait_visitors(1)
                with visit(tunnel.outside) as visitor:
                    exchange(visitor)
                    self.assertEqual(ask("remote-proxy", "drain", "default", *where),
                                     "service default is drained with 1 visitor still here; this lasts until a restart, "
                                     "because there is no --state-file\n")
                    self.assertTrue(refuses(tunnel.outside))
                    exchange(visitor)
                    self.assertEqual(rows(ask("remote-proxy", "status", *where), "SERVICE")[0]["STATE"], "drained")
                self.assertEqual(ask("remote-proxy", "resume", "default", *where),
                                 "service default is open; this lasts until a restart, because there is no --state-file\n")
                wait_served(tunnel.outside)
                known = json.loads(ask("remote-proxy", "drain", *where, "default", "--json"))
                self.assertEqual((known["state"], known["kept"]), ("drained", "this-run"))

    def test_an_origin_proxy_is_drained_by_its_name_and_that_outlives_a_restart_with_a_state_file(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, remote, _ = managed(origin, folder)
            tunnel.remote_flags += ["--state-file", folder.path("state")]
            where = ("--management-addr", remote)
            with tunnel:
                wait_served(tunnel.outside)
                name = rows(ask("remote-proxy", "status", *where), "ORIGIN PROXY")[0]["ORIGIN PROXY"]
                self.assertEqual(ask("remote-proxy", "drain", "--origin", name, *where),
                                 f"origin proxy {name} is drained; a restart does not change that\n")
                self.assertEqual(rows(ask("remote-proxy", "status", *where), "ORIGIN PROXY")[0]["STATE"], "drained")
                self.assertEqual(ask("remote-proxy", "resume", "--origin", name, *where),
                                 f"origin proxy {name} is open; a restart does not change that\n")

    def test_a_name_that_is_none_is_said(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, remote, _ = managed(origin, folder)
            with tunnel:
                why = ask("remote-proxy", "drain", "a/../b", "--management-addr", remote, code=1)
                self.assertEqual(why, 'remote-proxy drain: there is no service "a/../b": there is only default\n')
                where = ("--management-addr", remote)
                self.assertIn('there is no service "defalut": did you mean default?',
                              ask("remote-proxy", "drain", "defalut", *where, code=1))
                why = json.loads(ask("remote-proxy", "drain", "--json", "--origin", "nobody", *where, code=1))
                self.assertIn('there is no origin proxy "nobody"', why["error"])


class Refused(unittest.TestCase):
    trust = ()

    def test_without_an_address_the_option_is_named(self):
        for program in ("remote-proxy", "origin-proxy"):
            why = ask(program, "status", code=2)
            self.assertIn("--management-addr is required", why)

    def test_where_nobody_listens_or_answers_that_is_said(self):
        with Folder() as folder:
            why = ask("remote-proxy", "status", "--management-addr", folder.socket("nobody"), code=1)
            self.assertIn("nobody listens at unix:", why)
            why = ask("origin-proxy", "status", "--management-addr", f"{HOST}:{free_port()}", code=1)
            self.assertIn("Connection refused", why)
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, remote, own = managed(origin, folder)
            with tunnel:
                why = ask("origin-proxy", "status", "--management-addr", remote, code=1)
                self.assertIn("there is remote-proxy: ask with remote-proxy status", why)
                tunnel.remote.send_signal(signal.SIGSTOP)
                began = time.monotonic()
                why = ask("remote-proxy", "status", "--management-addr", remote, code=1)
                self.assertIn("did not answer within 5s", why)
                self.assertLess(time.monotonic() - began, 15)
                tunnel.remote.send_signal(signal.SIGCONT)

    def test_a_token_that_is_missing_wrong_or_good_for_less_is_said_and_never_shown(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            token, reader = folder.file("token", TOKEN), folder.file("read", READ_TOKEN)
            wrong = folder.file("wrong", TOKEN[::-1])
            flags = ["--management-addr", f"{HOST}:0", "--management-token-file", token,
                     "--management-read-token-file", reader]
            with Tunnel(origin.address, remote_flags=flags) as tunnel:
                where = ("--management-addr", address_of(tunnel, tunnel.remote))
                drain = ("drain", "default", *where)
                refusals = [
                    (ask("remote-proxy", "status", *where, code=1), "wants a token"),
                    (ask("remote-proxy", "status", *where, "--management-token-file", wrong, code=1), wrong),
                    (ask("remote-proxy", *drain, "--management-read-token-file", reader, code=1), "read-only"),
                    (ask("remote-proxy", "status", *where, "--management-token-file", folder.path("gone"), code=2),
                     folder.path("gone"))]
                for text, reason in refusals:
                    self.assertIn(reason, text)
                    for secret in (TOKEN, READ_TOKEN, TOKEN[::-1]):
                        self.assertNotIn(secret, text)
                self.assertIn(": ready\n", ask("remote-proxy", "status", *where,
                                               "--management-read-token-file", reader))
                self.assertIn("is drained", ask("remote-proxy", *drain, "--management-token-file", token))

    def test_an_address_for_all_is_asked_at_loopback_as_the_programs_own_file_has_it(self):
        with Folder() as folder:
            port = free_port()
            config = folder.file("conf.toml", f'control-addr = "{HOST}:0"\noutside-addr = "{HOST}:0"\n'
                                 f'management-addr = "0.0.0.0:{port}"\n'
                                 f'management-token-file = "{folder.file("token", TOKEN)}"\n')
            with Program([binary("remote-proxy"), "--config", config]) as program:
                program.wait_line("^ready", stream="stdout")
                done = run([binary("remote-proxy"), "status", "--config", config], check=False)
                self.assertIn(f" at 0.0.0.0:{port}: NOT READY", done.stdout)


class Width(unittest.TestCase):
    trust = ()

    def fits(self, *command):
        """What it prints on a terminal of 80 columns."""
        with Terminal([binary(command[0]), *command[1:]], columns=80) as terminal:
            while terminal.process.poll() is None or select.select([terminal._main], [], [], 0.2)[0]:
                if not terminal._read():
                    break
            lines = terminal.seen.replace("\r", "").splitlines()
        self.assertLessEqual(max(map(len, lines)), 80, lines)
        return "\n".join(lines)

    def test_status_and_visitors_fit_a_terminal_of_80_columns(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, remote, own = managed(origin, folder)
            with tunnel:
                wait_served(tunnel.outside)
                with visit(tunnel.outside) as visitor:
                    exchange(visitor)
                    self.assertIn("default", self.fits("remote-proxy", "status", "--management-addr", remote))
                    self.assertIn("default", self.fits("origin-proxy", "status", "--management-addr", own))
                    self.assertIn("default", self.fits("remote-proxy", "visitors", "--management-addr", remote))

    def test_long_names_are_cut_there_and_whole_in_a_pipe(self):
        name = "a-service-with-a-rather-long-name-that-goes-on"
        with Folder() as folder:
            where = folder.socket("remote")
            with Program([binary("remote-proxy"), "--control-addr", f"{HOST}:0", "--service", f"{name}={HOST}:0",
                          "--management-addr", where]) as program:
                program.wait_line("^ready", stream="stdout")
                self.assertIn("...", self.fits("remote-proxy", "status", "--management-addr", where))
                whole = run([binary("remote-proxy"), "status", "--management-addr", where], check=False).stdout
                self.assertIn(f"\n{name} ", whole)
                self.assertIn("TO VISITOR", whole)
                narrow = run([binary("remote-proxy"), "status", "--management-addr", where], check=False,
                             env={"COLUMNS": "80"}).stdout
                self.assertLessEqual(max(map(len, narrow.splitlines())), 80)


class Reload(unittest.TestCase):
    trust = ()

    def test_it_says_what_has_changed_what_needs_a_restart_and_what_is_wrong(self):
        with Folder() as folder:
            where = folder.socket("remote")
            head = f'control-addr = "{HOST}:0"\noutside-addr = "{HOST}:0"\nmanagement-addr = "{where}"\n'
            config = folder.file("conf.toml", head + 'max-waiting = 7\n')
            with Program([binary("remote-proxy"), "--config", config]) as program:
                program.wait_line("^ready", stream="stdout")
                self.assertIn("no option has changed", ask("remote-proxy", "reload", "--config", config))
                folder.file("conf.toml", head + 'max-waiting = 8\nlog-level = "debug"\n')
                self.assertEqual(ask("remote-proxy", "reload", "--config", config),
                                 "reloaded: changed log-level\nmax-waiting changed from 7 to 8: needs a restart\n")
                program.wait_line("max-waiting changed from 7 to 8: needs a restart", stream="stderr")
                known = json.loads(ask("remote-proxy", "reload", "--json", "--config", config))
                self.assertEqual(known, {"reloaded": True, "changed": [], "needs_restart": [
                    {"option": "max-waiting", "running": "7", "configured": "8"}]})
                folder.file("conf.toml", head + 'max-waiting = 0\n')
                why = ask("remote-proxy", "reload", "--management-addr", where, code=1)
                self.assertIn("line 4: max-waiting", why)
                program.stop(code=0)
                why = json.loads(ask("remote-proxy", "reload", "--json", "--management-addr", where, code=1))
                self.assertIn("nobody listens", why["error"])


class Watch(unittest.TestCase):
    trust = ()

    def test_on_a_terminal_it_is_refreshed_in_place_and_the_screen_given_back_at_sigint(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, remote, _ = managed(origin, folder)
            command = [binary("remote-proxy"), "status", "--watch", "--management-addr", remote]
            with tunnel:
                wait_served(tunnel.outside)
                tunnel.wait_visitors(1)
                with Terminal(command) as terminal:
                    terminal.wait(r"\x1b\[\?1049h.*\x1b\[H[^\n]*: ready\x1b\[K\r+\n0 visitors")
                    with visit(tunnel.outside) as visitor:
                        exchange(visitor)
                        terminal.wait(r"\x1b\[J\x1b\[H[^\n]*: ready\x1b\[K\r+\n1 visitor,")
                    tunnel.remote.stop(code=0)
                    terminal.wait(r"\x1b\[Hremote-proxy status: nobody listens at [^\n]*\n\x1b\[J")
                    tunnel.start_remote()
                    terminal.wait(r"ready\x1b|READY")
                    code, rest = terminal.end(signal.SIGINT)
                    self.assertEqual(code, 0)
                    self.assertTrue(rest.endswith("\x1b[?1049l"), rest)
                with Terminal(command, lines=5) as terminal:
                    terminal.wait(r"\.\.\. and \d+ more lines")
                    self.assertEqual(terminal.end(signal.SIGTERM)[0], 0)

    def test_without_a_terminal_it_prints_one_after_the_other_and_tries_again(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, remote, _ = managed(origin, folder, start=False)
            command = [binary("remote-proxy"), "status", "--watch", "--json", "--management-addr", remote]
            with tunnel, Program(command) as watch:
                watch.wait_line("nobody listens", stream="stderr")
                tunnel.start_remote()
                tunnel.start_origin()
                for _ in range(2):
                    start = len(watch.lines)
                    watch.wait_line(lambda text: json.loads(text)["status"]["ready"], stream="stdout", start=start)
                watch.stop(code=0, number=signal.SIGINT)
                self.assertNotIn("\x1b", watch.output())


class Signal(unittest.TestCase):
    trust = ()

    def test_at_sigusr1_both_programs_log_how_they_do(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, _, _ = managed(origin, folder)
            with tunnel:
                wait_served(tunnel.outside)
                tunnel.wait_visitors(1)
                with visit(tunnel.outside) as visitor:
                    exchange(visitor)
                    tunnel.remote.send_signal(signal.SIGUSR1)
                    tunnel.origin.send_signal(signal.SIGUSR1)

                    def line(program, message):
                        return tunnel.wait_log(program, lambda line: line["message"] == message)

                    whole = line(tunnel.remote, "status")
                    self.assertEqual((whole["level"], whole["ready"], whole["visitors"], whole["log-ins"]),
                                     ("info", "yes", 1, 1))
                    service = line(tunnel.remote, "status: service")
                    self.assertEqual((service["service"], service["state"], service["visitors"], service["total"]),
                                     ("default", "open", 1, 2))
                    self.assertEqual(line(tunnel.remote, "status: origin proxy")["visitors"], 1)
                    self.assertEqual(line(tunnel.origin, "status")["visitors"], 1)
                    self.assertEqual(line(tunnel.origin, "status: remote proxy")["state"], "logged-in")
                    self.assertEqual(line(tunnel.origin, "status: service")["server"], show_address(origin.address))
                    exchange(visitor)


if __name__ == "__main__":
    unittest.main()
