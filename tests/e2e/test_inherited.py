"""What the process that starts a program leaves it: none of it may harm."""

import os
import signal
import subprocess
import time
import unittest

from faults import echo, exchange, visit
from origins import SocketOrigin
from support import HOST, Program, Tunnel, binary, free_port, show_address

HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


class Inherited(unittest.TestCase):
    trust = ()

    def serve(self, remote_options, origin_options=None):
        """Both programs are started so, serve, and end when they are asked to."""
        with SocketOrigin(echo) as origin, Tunnel(
                origin.address, remote_options=remote_options,
                origin_options=remote_options if origin_options is None else origin_options) as tunnel:
            with visit(tunnel.outside) as visitor:
                exchange(visitor)
            for program in (tunnel.origin, tunnel.remote):
                program.stop(5, code=0)

    def test_signals_that_are_blocked_are_heard(self):
        def block():
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self.serve({"preexec_fn": block})

    def test_signals_that_are_ignored_are_heard(self):
        def ignore():
            for number in HEARD:
                signal.signal(number, signal.SIG_IGN)
        with SocketOrigin(echo) as origin, Tunnel(
                origin.address, remote_options={"preexec_fn": ignore}, origin_options={"preexec_fn": ignore}) as tunnel:
            tunnel.remote.send_signal(signal.SIGHUP)  # under nohup too it reloads, and ends nothing
            tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "reloaded")
            for program in (tunnel.origin, tunnel.remote):
                program.stop(5, code=0)

    def test_a_timer_that_runs_ends_nothing(self):
        def start_timers():
            for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
                signal.setitimer(timer, 0.3, 0.3)
        with SocketOrigin(echo) as origin, Tunnel(origin.address, remote_options={"preexec_fn": start_timers}) as tunnel:
            time.sleep(0.6)
            with visit(tunnel.outside) as visitor:
                exchange(visitor)

    def test_an_empty_environment_a_folder_that_is_gone_and_no_right_for_new_files_are_enough(self):
        def leave():
            os.umask(0o777)
            folder = f"/tmp/gone-{os.getpid()}"
            os.mkdir(folder, 0o700)
            os.chmod(folder, 0o700)
            os.chdir(folder)
            os.rmdir(folder)
        nothing = {name: None for name in os.environ}
        self.serve({"preexec_fn": leave, "env": nothing})

    def test_many_open_descriptors_leave_no_visitor_without_one(self):
        """They count: else more visitors would be taken on than can be served."""
        def open_many():
            for _ in range(100):
                os.dup2(0, os.dup(0), inheritable=True)
        limits = {"rlimits": {"nofile": "200:200"}, "preexec_fn": open_many, "close_fds": False}
        with SocketOrigin(echo) as origin, Tunnel(origin.address, remote_options=limits) as tunnel:
            self.assertGreater(len(os.listdir(f"/proc/{tunnel.remote.pid}/fd")), 100)
            visitors = []
            try:
                for _ in range(60):
                    visitors.append(visit(tunnel.outside, 3))
                served = 0
                for visitor in visitors:
                    try:
                        exchange(visitor)
                        served += 1
                    except OSError:
                        pass
            finally:
                for visitor in visitors:
                    visitor.close()
            self.assertGreater(served, 3)
            failed = [line for line in tunnel.log(tunnel.remote) if "Too many open files" in str(line)]
            self.assertEqual(failed, [])
            with visit(tunnel.outside) as visitor:
                exchange(visitor)


class ClosedStandardDescriptors(unittest.TestCase):
    trust = ()

    def start(self, name, closed, *flags):
        redirections = " ".join({0: "<&-", 1: ">&-", 2: "2>&-"}[number] for number in closed)
        return Program(["sh", "-c", f'exec "$@" {redirections}', "sh", binary(name), *flags], name=name)

    def test_their_numbers_are_given_to_nothing_else_and_visitors_are_served(self):
        for closed in ((2,), (1, 2), (0, 1, 2)):
            with self.subTest(closed=closed), SocketOrigin(echo) as origin:
                control, outside = free_port(), free_port()
                with self.start("remote-proxy", closed, "--control-addr", f"{HOST}:{control}", "--outside-addr",
                                f"{HOST}:{outside}") as remote, \
                        self.start("origin-proxy", closed, "--remote-proxy-addr", f"{HOST}:{control}",
                                   "--origin-server-addr", show_address(origin.address)) as near:
                    remote.wait_port(control)
                    remote.wait_port(outside)
                    for _ in range(20):
                        with visit((HOST, outside)) as visitor:
                            exchange(visitor)
                    for program in (remote, near):
                        for number in closed:
                            self.assertEqual(os.readlink(f"/proc/{program.pid}/fd/{number}"), "/dev/null")
                    for program in (near, remote):
                        program.stop(5, code=0)

    def test_a_secret_that_cannot_be_printed_is_a_failure_as_before(self):
        done = subprocess.run(["sh", "-c", f"exec {binary('remote-proxy')} gen-secret >&-"], stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, check=False)
        self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()
