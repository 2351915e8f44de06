"""The log on stderr: one line per visitor, for people and for programs, and colour only where it helps."""

import json
import os
import pty
import re
import signal
import socket
import unittest

from faults import echo, exchange, how_it_ends, reset, visit
from origins import SocketOrigin
from support import HOST, Program, Tunnel, binary, free_port, poll, show_address

ESCAPE = "\x1b"
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warn |info |debug) \S")


class Log(unittest.TestCase):
    def run_through_all(self, *flags):
        """A run with visitors who finish and one who is cut, a stranger, a reconnect and a stop; gives both stderrs."""
        with SocketOrigin(echo) as origin, Tunnel(origin.address, remote_flags=flags, origin_flags=flags) as tunnel:
            with visit(tunnel.outside) as visitor:
                exchange(visitor, b"x" * 1000)
            cut = visit(tunnel.outside)
            exchange(cut)
            reset(cut)
            with visit(tunnel.control) as stranger:
                stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
                how_it_ends(stranger)
            with visit(tunnel.outside) as visitor:
                exchange(visitor)
                tunnel.origin.send_signal(signal.SIGHUP)
                exchange(visitor)
            poll(lambda: len(origin.results) == 3, "the origin server has seen the end of all three")
            for program in (tunnel.origin, tunnel.remote):
                program.stop(code=0)
            return [program.texts("stderr") for program in (tunnel.remote, tunnel.origin)]

    def test_both_programs_log_one_line_for_each_visitor_with_address_bytes_duration_and_end(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address) as tunnel:
            addresses = []
            for _ in range(5):
                with visit(tunnel.outside) as visitor:
                    addresses.append(show_address(visitor.getsockname()))
                    visitor.sendall(b"12345")
                    visitor.shutdown(socket.SHUT_WR)
                    self.assertEqual(how_it_ends(visitor), "end of stream")
            for lines in tunnel.wait_visitors(5):
                self.assertEqual([line["visitor"] for line in lines], addresses)
                for line in lines:
                    self.assertEqual((line["level"], line["up"], line["down"], line["end"]), ("info", 5, 5, "closed"))
                    self.assertLess(line["duration"], 30)

    def test_every_line_has_time_level_and_text(self):
        for lines in self.run_through_all("--log-level", "debug"):
            self.assertGreater(len(lines), 4)
            for line in lines:
                self.assertRegex(line, LINE)

    def test_every_line_in_json_is_an_object_of_its_own(self):
        for lines in self.run_through_all("--log-format", "json", "--log-level", "debug"):
            objects = [json.loads(line) for line in lines]
            for entry in objects:
                self.assertEqual(list(entry)[:3], ["time", "level", "message"])
                self.assertIn(entry["level"], ("error", "warn", "info", "debug"))
            ended = [entry for entry in objects if entry["message"] == "visitor ended"]
            self.assertEqual(len(ended), 3)
            self.assertIn((1000, 1000), [(entry["up_bytes"], entry["down_bytes"]) for entry in ended])  # the order is not sure
            self.assertIsInstance(ended[0]["duration_seconds"], float)

    def test_log_level_error_is_silent_in_a_normal_run(self):
        self.assertEqual(self.run_through_all("--log-level", "error"), [[], []])

    def test_log_level_warn_leaves_visitors_out_and_tells_of_strangers(self):
        remote, _ = self.run_through_all("--log-level", "warn")
        self.assertTrue(any("closed a connection" in line for line in remote), remote)
        self.assertFalse(any("visitor ended" in line for line in remote), remote)

    def test_there_is_no_escape_sequence_if_stderr_is_no_terminal(self):
        for lines in self.run_through_all("--log-level", "debug"):
            self.assertNotIn(ESCAPE, "".join(lines))

    def test_an_error_is_logged_in_json_too(self):
        with SocketOrigin(echo) as taken:
            addresses = ["--control-addr", show_address(taken.address), "--outside-addr", f"{HOST}:0"]
            with Program([binary("remote-proxy"), *addresses, "--log-format", "json"]) as program:
                program.wait_exit(code=1)
                self.assertEqual([json.loads(line)["level"] for line in program.texts("stderr")], ["error"])


class OnATerminal(unittest.TestCase):
    trust = ()

    def stderr_on_a_terminal(self, name, *flags, env=None):
        """What a program whose stderr is a terminal prints before it exits."""
        ours, theirs = pty.openpty()
        words = {"origin-proxy": ["--remote-proxy-addr", show_address((HOST, free_port())), "--origin-server-addr",
                                  f"{HOST}:1", "--max-retries", "1"],
                 "remote-proxy": ["--control-addr", "192.0.2.1:1", "--outside-addr", f"{HOST}:0"]}[name]
        settings = " ".join(f"{key}={value}" for key, value in (env or {}).items())
        # The shell gives the program the terminal as its stderr, which Program would take for itself.
        command = f"{settings} exec \"$@\" 2>&{theirs}"
        try:
            with Program(["sh", "-c", command, "sh", binary(name), *words, *flags], env={"NO_COLOR": None},
                         pass_fds=[theirs]) as program:
                program.wait_exit(code=1)
        finally:
            os.close(theirs)
        printed = b""
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            try:  # one read may bring less than all, and the end of a terminal is an error
                while part := terminal.read(1 << 16):
                    printed += part
            except OSError:
                pass
        return printed.decode()

    def test_the_log_has_colour_on_a_terminal(self):
        for name in ("remote-proxy", "origin-proxy"):
            self.assertIn(ESCAPE + "[31m", self.stderr_on_a_terminal(name))

    def test_the_log_has_no_colour_with_no_color(self):
        for name in ("remote-proxy", "origin-proxy"):
            printed = self.stderr_on_a_terminal(name, env={"NO_COLOR": "1"})
            self.assertNotIn(ESCAPE, printed)
            self.assertIn("error", printed)

    def test_the_log_has_colour_again_with_an_empty_no_color(self):
        """no-color.org: only a value that is not empty counts."""
        self.assertIn(ESCAPE, self.stderr_on_a_terminal("remote-proxy", env={"NO_COLOR": ""}))

    def test_json_has_no_colour_on_a_terminal(self):
        printed = self.stderr_on_a_terminal("origin-proxy", "--log-format", "json")
        self.assertNotIn(ESCAPE, printed)
        for line in printed.splitlines():
            json.loads(line)


if __name__ == "__main__":
    unittest.main()
