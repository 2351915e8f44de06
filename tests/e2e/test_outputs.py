"""Standard output and standard error that nobody reads, or that fail: nothing but they suffer."""

import contextlib
import fcntl
import json
import os
import pty
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from faults import echo, exchange, visit, wait_served
from origins import SocketOrigin
from support import HOST, Program, Tunnel, binary, free_port, show_address

VISITORS = 300  # whose lines are ten times what a small pipe holds


def instead_of(stream, descriptor):
    """Options for Program that give the program this descriptor as its stdout (1) or stderr (2)."""
    return {"within": ["sh", "-c", f'exec "$@" {stream}>&{descriptor} {descriptor}>&-', "sh"], "pass_fds": [descriptor]}


def small_pipe():
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    return read, write


def socket_pair():
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return ours.detach(), theirs.detach()


def fill(descriptor):
    os.set_blocking(descriptor, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(descriptor, b"x" * 512)
    os.set_blocking(descriptor, True)


def read_all(descriptor, until=b"", limit=10):
    """What is there, and what comes until `until` has come."""
    os.set_blocking(descriptor, False)
    text, end = b"", time.monotonic() + limit
    while time.monotonic() < end:
        with contextlib.suppress(BlockingIOError):
            part = os.read(descriptor, 1 << 16)
            text += part
            if part:
                continue
        if until in text:
            break
        time.sleep(0.01)
    return text


class StalledReaders(unittest.TestCase):
    trust = ()

    def stall(self, name, ends):
        reader, descriptor = ends
        options = {f"{name}_options": instead_of(2, descriptor)}
        with SocketOrigin(echo) as origin, Tunnel(origin.address, **options) as tunnel:
            os.close(descriptor)
            with visit(tunnel.outside) as old:
                exchange(old)
                for _ in range(VISITORS):
                    with visit(tunnel.outside, 5) as visitor:
                        exchange(visitor)
                exchange(old, b"still here")
            began = time.monotonic()
            program = getattr(tunnel, name)
            program.send_signal(signal.SIGTERM)
            program.wait_exit(code=0)
            self.assertLess(time.monotonic() - began, 5)
        os.close(reader)

    def test_a_pipe_that_nobody_reads_holds_up_no_visitor_and_no_signal(self):
        for name in ("remote", "origin"):
            with self.subTest(name):
                self.stall(name, small_pipe())

    def test_a_stream_socket_that_nobody_reads_holds_up_no_visitor_and_no_signal(self):
        for name in ("remote", "origin"):
            with self.subTest(name):
                self.stall(name, socket_pair())

    def test_a_terminal_that_is_held_holds_up_no_visitor_and_no_signal(self):
        for name in ("remote", "origin"):
            with self.subTest(name):
                self.stall(name, pty.openpty())

    def test_when_it_is_read_again_every_line_is_there_and_the_log_goes_on(self):
        reader, descriptor = small_pipe()
        with SocketOrigin(echo) as origin, \
                Tunnel(origin.address, remote_options=instead_of(2, descriptor)) as tunnel:
            os.close(descriptor)
            for _ in range(VISITORS):
                with visit(tunnel.outside) as visitor:
                    exchange(visitor)
            text = b""
            while text.count(b" visitor ended ") < VISITORS:
                more = read_all(reader, b"visitor ended")
                self.assertTrue(more, text[-500:])
                text += more
            with visit(tunnel.outside) as visitor:
                exchange(visitor)
            self.assertIn(b" visitor ended ", read_all(reader, b"end=closed\n"))
            tunnel.remote.stop(code=0)
            self.assertIn(b" stopping ", read_all(reader, b" stopping "))  # written at the end
        os.close(reader)

    def test_a_stdout_that_nobody_reads_costs_the_ready_line_alone(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, start=False) as tunnel:
            tunnel.start_remote()
            reader, descriptor = small_pipe()
            fill(descriptor)
            tunnel.origin_options = instead_of(1, descriptor)
            tunnel.start_origin(wait=False)
            os.close(descriptor)
            wait_served(tunnel.outside)
            with visit(tunnel.outside) as visitor:
                exchange(visitor)
            read_all(reader, b"ready remote=")
            self.assertEqual(len([1 for line in tunnel.log(tunnel.origin) if line["message"] == "logged in"]), 1)
            os.close(reader)


class FailingOutputs(unittest.TestCase):
    trust = ()

    def serve_with(self, stream, descriptor):
        options = instead_of(stream, descriptor)
        with SocketOrigin(echo) as origin, Tunnel(origin.address, start=False) as tunnel:
            tunnel.start_remote()
            tunnel.origin_options = options
            tunnel.start_origin(wait=False)
            os.close(descriptor)
            wait_served(tunnel.outside)
            for _ in range(20):
                with visit(tunnel.outside) as visitor:
                    exchange(visitor)
            logins = [line for line in tunnel.log(tunnel.remote) if line["message"] == "origin proxy logged in"]
            self.assertEqual(len(logins), 1)
            tunnel.origin.stop(code=0)

    def test_a_full_disk_a_pipe_without_a_reader_and_a_terminal_that_hung_up_cost_their_lines_alone(self):
        for stream in (1, 2):
            with self.subTest("full disk", stream=stream):
                self.serve_with(stream, os.open("/dev/full", os.O_WRONLY))
            with self.subTest("no reader", stream=stream):
                reader, descriptor = os.pipe()
                os.close(reader)
                self.serve_with(stream, descriptor)
            with self.subTest("hung up", stream=stream):
                ours, theirs = pty.openpty()
                os.close(ours)
                self.serve_with(stream, theirs)

    def test_a_log_file_at_its_limit_ends_nothing(self):
        with tempfile.TemporaryFile() as file:
            os.ftruncate(file.fileno(), 1 << 20)
            os.lseek(file.fileno(), 0, os.SEEK_END)
            options = instead_of(2, file.fileno())
            with SocketOrigin(echo) as origin, \
                    Tunnel(origin.address, remote_options={**options, "rlimits": {"fsize": "4096:4096"}}) as tunnel:
                with visit(tunnel.outside) as visitor:
                    exchange(visitor)
                tunnel.remote.stop(code=0)

    def test_a_command_whose_output_is_lost_is_a_failure(self):
        for name in ("remote-proxy", "origin-proxy"):
            for words in (["--help"], ["--version"], ["gen-secret"]):
                if words == ["gen-secret"] and name == "origin-proxy":
                    continue
                with self.subTest(name, words=words), open("/dev/full", "wb") as full:
                    done = subprocess.run([binary(name), *words], stdin=subprocess.DEVNULL, stdout=full,
                                          stderr=subprocess.PIPE, check=False)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn(b"cannot write", done.stderr)

    def test_why_a_program_does_not_start_is_written_before_it_ends(self):
        for flags in ([], ["--log-format", "json"]):
            with Program([binary("remote-proxy"), "--control-addr", "192.0.2.1:1", "--outside-addr", f"{HOST}:0",
                          *flags]) as program:
                program.wait_exit(code=1)
                self.assertTrue(any("192.0.2.1" in line for line in program.texts("stderr")), program.output())


class Lines(unittest.TestCase):
    """What the log says of failures and of ends, and in which form."""

    trust = ()

    def test_with_json_all_that_a_program_writes_is_json_with_units(self):
        flags = ["--log-format", "json"]
        control, outside = free_port(), free_port()
        with SocketOrigin(echo) as origin, \
                Program([binary("remote-proxy"), "--control-addr", f"{HOST}:{control}", "--outside-addr",
                         f"{HOST}:{outside}", *flags]) as remote, \
                Program([binary("origin-proxy"), "--remote-proxy-addr", f"{HOST}:{control}", "--origin-server-addr",
                         show_address(origin.address), *flags]) as near:
            ready = json.loads(remote.wait_line("ready", stream="stdout").string)
            self.assertEqual((ready["message"], ready["control"], ready["outside"]),
                             ("ready", f"{HOST}:{control}", f"{HOST}:{outside}"))
            ready = json.loads(near.wait_line("ready", stream="stdout").string)
            self.assertEqual((ready["remote"], ready["origin"], ready["outside"]),
                             (f"{HOST}:{control}", show_address(origin.address), f"{HOST}:{outside}"))
            with visit((HOST, outside)) as visitor:
                exchange(visitor)
            ended = Tunnel.wait_log(remote, lambda line: line["message"] == "visitor ended")
            self.assertEqual(ended["up_bytes"], ended["down_bytes"])
            self.assertIsInstance(ended["duration_seconds"], float)
            remote.stop(code=0)
            lost = Tunnel.wait_log(near, lambda line: "retry_in_seconds" in line)
            self.assertLess(lost["retry_in_seconds"], 60)
            near.stop(code=0)
            for program in (remote, near):
                for text in program.texts():
                    self.assertIsInstance(json.loads(text), dict)

    def test_a_clean_stop_of_either_program_is_no_warning_to_either(self):
        for stops in ("remote", "origin"):
            with self.subTest(stops), SocketOrigin(echo) as origin, \
                    Tunnel(origin.address, fixed_ports=True) as tunnel:
                with visit(tunnel.outside) as visitor:
                    exchange(visitor)
                before = {program: len(tunnel.log(program)) for program in (tunnel.remote, tunnel.origin)}
                getattr(tunnel, stops).stop(code=0)
                other = tunnel.origin if stops == "remote" else tunnel.remote
                gone = tunnel.wait_log(other, lambda line: line["message"].endswith("proxy left"))
                self.assertEqual(gone["level"], "info")
                for program, count in before.items():
                    bad = [line for line in tunnel.log(program)[count:] if line["level"] in ("warn", "error")
                           and not line["message"].startswith("cannot log in")]  # nobody is there, indeed
                    self.assertEqual(bad, [])

    def test_visitors_that_the_origin_server_does_not_serve_are_warnings_in_both_logs_and_not_too_many(self):
        flags = ["--log-level", "warn"]
        nobody = (HOST, free_port())
        with Tunnel(nobody, remote_flags=flags, origin_flags=flags) as tunnel:
            for _ in range(3000):
                with contextlib.suppress(OSError), visit(tunnel.outside) as visitor:
                    visitor.recv(1)
            for program in (tunnel.remote, tunnel.origin):
                line = tunnel.wait_log(program, lambda line: line["message"] == "visitor ended")
                self.assertEqual(line["level"], "warn")
                self.assertEqual(line["code"], "origin_server_refused")
                self.assertIn(show_address(nobody), line["end"])
                self.assertLess(len(tunnel.log(program)), 2500)
        flags = ["--log-level", "info"]
        with Tunnel(nobody, remote_flags=flags, origin_flags=flags) as tunnel:  # each is counted
            for _ in range(150):
                with contextlib.suppress(OSError), visit(tunnel.outside) as visitor:
                    visitor.recv(1)
            for lines in tunnel.wait_visitors(150):
                self.assertEqual(lines[0]["level"], "warn")
                self.assertEqual(len(lines), 150)

    def test_a_log_in_that_fails_in_the_same_way_again_and_again_is_told_less_and_less_often(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, start=False, fixed_ports=True) as tunnel:
            tunnel.origin_flags = ["--log-level", "debug"]
            tunnel.start_origin(wait=False)
            tunnel.wait_log(tunnel.origin, lambda line: line.get("failures", 0) >= 5)
            tries = [line for line in tunnel.log(tunnel.origin) if line["message"].startswith("cannot log in")]
            self.assertEqual(tries[0]["level"], "warn")
            self.assertEqual([line["failures"] for line in tries], list(range(1, len(tries) + 1)))
            self.assertIn("debug", [line["level"] for line in tries])
            tunnel.start_remote()
            tunnel.origin.send_signal(signal.SIGHUP)
            back = tunnel.wait_log(tunnel.origin, lambda line: line["message"] == "logged in")
            self.assertGreaterEqual(back["after-failures"], 5)


if __name__ == "__main__":
    unittest.main()
