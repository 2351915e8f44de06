"""What the programs may still do once they serve, and that they lack nothing; that all other tests pass inside the
sandbox too, which is on by default, tells the rest."""

import ctypes
import glob
import os
import random
import signal
import unittest

from faults import echo, exchange, refuses, visit, wait_served
from origins import SocketOrigin
from support import HOST, Tunnel, poll

# 1: the kernel has it, prctl(2) PR_GET_SECCOMP.
_libc = ctypes.CDLL(None, use_errno=True)
HAS_SECCOMP = _libc.prctl(21, 0, 0, 0, 0) >= 0
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
OFF = ["--sandbox", "off"]


def status(path):
    """What /proc tells: a dict of words by name."""
    with open(path, encoding="ascii") as lines:
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def threads(program):
    return map(status, glob.glob(f"/proc/{program.pid}/task/*/status"))


def without_sandbox(tunnel, reason):
    return any(line["message"].startswith("no sandbox") and reason in line["message"]
               for line in tunnel.log(tunnel.remote))


class Inside(unittest.TestCase):
    def need_sandbox(self, tunnel):
        if without_sandbox(tunnel, "instrumented"):
            self.skipTest("this build has no sandbox")

    def test_no_thread_of_either_program_keeps_a_privilege_or_may_make_other_system_calls_than_it_needs(self):
        flags = ["--relay-threads", "4"]
        with SocketOrigin(echo) as origin, Tunnel(("localhost", origin.address[1]), remote_flags=flags,
                                                  origin_flags=flags) as tunnel:
            self.need_sandbox(tunnel)
            wait_served(tunnel.outside)
            for program in (tunnel.remote, tunnel.origin):
                seen = list(threads(program))
                # Three of the relay; in the origin proxy one more looks names up.
                self.assertGreaterEqual(len(seen), 4 + (program is tunnel.origin))
                for thread in seen:
                    self.assertEqual(thread["NoNewPrivs"], "1")
                    self.assertEqual([int(thread[name], 16) for name in CAPABILITIES[:3]], [0, 0, 0])
                    if os.geteuid() == 0:
                        self.assertEqual([int(thread[name], 16) for name in CAPABILITIES], [0] * 5)
                    if HAS_SECCOMP:
                        self.assertEqual(thread["Seccomp"], "2")

    def test_the_programs_say_nothing_of_the_sandbox_where_all_of_it_can_be_had(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address) as tunnel:
            self.need_sandbox(tunnel)
            for program in (tunnel.remote, tunnel.origin):
                told = [line for line in tunnel.log(program) if "sandbox" in line["message"]]
                # One line at most, and only on a kernel that lacks a part, which it names.
                self.assertLessEqual(len(told), 1)
                self.assertEqual([line for line in told if "missing" not in line], [])

    def test_with_the_sandbox_off_nothing_is_given_up_and_both_say_so(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, remote_flags=OFF, origin_flags=OFF) as tunnel:
            wait_served(tunnel.outside)
            ours = status("/proc/self/status")
            for program in (tunnel.remote, tunnel.origin):
                tunnel.wait_log(program, lambda line: line["level"] == "info" and "no sandbox" in line["message"])
                for thread in threads(program):
                    for name in ("NoNewPrivs", "Seccomp", *CAPABILITIES):
                        self.assertEqual(thread[name], ours[name], name)

    def test_with_the_sandbox_required_visitors_are_served_or_the_program_says_what_is_missing(self):
        flags = ["--sandbox", "required"]
        with SocketOrigin(echo) as origin, Tunnel(origin.address, start=False, remote_flags=flags,
                                                  origin_flags=flags) as tunnel:
            program = tunnel.start_remote(wait=False)
            program.wait_line(r"^ready |--sandbox required: ")
            if any("--sandbox required: " in text for text in program.texts("stderr")):
                program.wait_exit(code=1)
                self.skipTest("this build or this kernel has not all of the sandbox")
            tunnel.restart_remote()
            tunnel.start_origin()
            wait_served(tunnel.outside)

    def test_the_environment_can_turn_the_sandbox_off(self):
        options = {"remote_options": {"env": {"REMOTE_PROXY_SANDBOX": "off"}},
                   "origin_options": {"env": {"ORIGIN_PROXY_SANDBOX": "off"}}}
        with SocketOrigin(echo) as origin, Tunnel(origin.address, **options) as tunnel:
            for program in (tunnel.remote, tunnel.origin):
                tunnel.wait_log(program, lambda line: "no sandbox" in line["message"])

    def test_a_name_is_looked_up_anew_and_visitors_are_served_after_sighup_and_after_a_new_start(self):
        with SocketOrigin(echo) as origin, Tunnel(("localhost", origin.address[1]), start=False,
                                                  fixed_ports=True) as tunnel:
            tunnel.start_remote()
            tunnel.start_origin(remote_proxy=("localhost", tunnel.control[1]))
            wait_served(tunnel.outside)
            tunnel.origin.send_signal(signal.SIGHUP)
            tunnel.wait_log(tunnel.origin, lambda line: line["message"] == "reloaded")
            wait_served(tunnel.outside)
            tunnel.restart_remote()
            wait_served(tunnel.outside)
            with visit(tunnel.outside) as visitor:
                exchange(visitor, os.urandom(1 << 20))

    @unittest.skipUnless(os.geteuid() == 0, "only root may take such a port")
    def test_an_outside_port_that_needs_a_privilege_is_opened_again_without_it(self):
        # Not the first: this test may run several times at once, in other modes and builds.
        port = next(port for port in random.sample(range(81, 1024), 900) if refuses((HOST, port)))
        flags = ["--pairing-timeout", "200ms"]
        tunnel = Tunnel((HOST, 0), remote_flags=flags)
        tunnel.outside = (HOST, port)
        with SocketOrigin(echo) as origin, tunnel:
            tunnel.origin_server = origin.address
            tunnel.restart_origin(kill=True)
            wait_served(tunnel.outside)
            tunnel.origin.kill()
            poll(lambda: refuses(tunnel.outside), "the outside port refuses")
            tunnel.start_origin()
            wait_served(tunnel.outside)


if __name__ == "__main__":
    unittest.main()
