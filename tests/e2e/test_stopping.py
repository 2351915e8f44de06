"""SIGTERM, SIGINT and the grace period."""

import signal
import time
import unittest

from faults import PROMPTLY, cpu_share, echo, exchange, how_it_ends, refuses, visit
from origins import SocketOrigin
from support import HOST, Program, Tunnel, binary, free_port, poll, show_address


class Stopping(unittest.TestCase):
    def finish_first(self, name, number):
        """The visitor who is there finishes, then the program ends; nobody new is let in."""
        with SocketOrigin(echo) as origin, Tunnel(origin.address) as tunnel:
            program = getattr(tunnel, name)
            with visit(tunnel.outside) as visitor:
                exchange(visitor)
                program.send_signal(number)
                tunnel.wait_log(program, lambda line: line["message"] == "stopping")
                exchange(visitor, b"not done yet")
                if name == "remote":
                    poll(lambda: refuses(tunnel.outside), "the outside port refuses")
                exchange(visitor, b"still not")
                self.assertTrue(program.running)
            program.wait_exit(5, code=0)
            remote, server = tunnel.wait_visitors(1)
            self.assertEqual([line["end"] for line in remote + server], ["closed"] * 2)

    def test_sigterm_lets_the_remote_proxys_visitors_finish_and_then_exits_0(self):
        self.finish_first("remote", signal.SIGTERM)

    def test_sigterm_lets_the_origin_proxys_visitors_finish_and_then_exits_0(self):
        self.finish_first("origin", signal.SIGTERM)

    def test_sigint_does_what_sigterm_does(self):
        self.finish_first("remote", signal.SIGINT)
        self.finish_first("origin", signal.SIGINT)

    def stop_with_a_visitor(self, name, stop, *, least, most, grace="30s"):
        flags = ["--grace-period", grace]
        with SocketOrigin(echo) as origin, Tunnel(origin.address, remote_flags=flags, origin_flags=flags) as tunnel, \
                visit(tunnel.outside) as visitor:
            program = getattr(tunnel, name)
            exchange(visitor)
            began = time.monotonic()
            stop(tunnel, program)
            self.assertEqual(how_it_ends(visitor), "reset")
            self.assertEqual(poll(lambda: origin.results, "the origin server notices"), ["reset"])
            program.wait_exit(5, code=0)
            self.assertGreaterEqual(time.monotonic() - began, least)
            self.assertLess(time.monotonic() - began, most)
            self.assertEqual([line["code"] for line in tunnel.visitor_lines(program)], ["shutting_down"])

    def test_a_visitor_who_outlasts_the_grace_period_is_reset_and_the_program_exits_0(self):
        for name in ("remote", "origin"):
            with self.subTest(name):
                self.stop_with_a_visitor(name, lambda _, program: program.send_signal(signal.SIGTERM), grace="500ms",
                                         least=0.5, most=0.5 + 2 * PROMPTLY)

    def test_a_grace_period_of_0_ends_at_once(self):
        for name in ("remote", "origin"):
            with self.subTest(name):
                self.stop_with_a_visitor(name, lambda _, program: program.send_signal(signal.SIGTERM), grace="0",
                                         least=0, most=2 * PROMPTLY)

    def test_a_second_signal_ends_at_once(self):
        def twice(tunnel, program):
            program.send_signal(signal.SIGTERM)
            tunnel.wait_log(program, lambda line: line["message"] == "stopping")
            program.send_signal(signal.SIGINT)
        for name in ("remote", "origin"):
            with self.subTest(name):
                self.stop_with_a_visitor(name, twice, least=0, most=2 * PROMPTLY)

    def test_an_origin_proxy_that_waits_for_its_next_try_stops_at_once(self):
        with Program([binary("origin-proxy"), "--remote-proxy-addr", show_address((HOST, free_port())),
                      "--origin-server-addr", f"{HOST}:1"]) as program:
            program.wait_line(r"retry-in=(\d\d|[1-9])\.", stream="stderr")
            began = time.monotonic()
            program.stop(code=0)
            self.assertLess(time.monotonic() - began, PROMPTLY)

    def test_an_origin_proxy_that_waits_for_its_visitors_makes_room_for_its_successor_at_once(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address) as tunnel, visit(tunnel.outside) as old:
            exchange(old)
            tunnel.origin.send_signal(signal.SIGTERM)
            tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "origin proxy left")
            former = tunnel.origin
            began = time.monotonic()
            tunnel.start_origin()
            with visit(tunnel.outside) as new:
                exchange(new)
            self.assertLess(time.monotonic() - began, PROMPTLY)
            self.assertTrue(former.running)
            exchange(old)
            old.close()
            former.wait_exit(5, code=0)

    def test_visitors_of_an_origin_proxy_that_was_stopped_wait_as_long_as_a_restart_takes_and_are_refused_then(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address) as tunnel:
            tunnel.origin.stop(code=0)
            began = time.monotonic()
            with visit(tunnel.outside, 10) as waiting:
                self.assertEqual(how_it_ends(waiting), "reset")
            self.assertGreater(time.monotonic() - began, 1)
            self.assertLess(time.monotonic() - began, 3 + 2 * PROMPTLY)
            poll(lambda: refuses(tunnel.outside), "the outside port refuses")
            tunnel.start_origin()
            with visit(tunnel.outside) as visitor:
                exchange(visitor)

    def test_a_remote_proxy_that_waits_for_its_visitors_makes_room_for_its_successor_at_once(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, fixed_ports=True) as tunnel, \
                visit(tunnel.outside) as old:
            exchange(old)
            former = tunnel.remote
            former.send_signal(signal.SIGTERM)
            began = time.monotonic()
            tunnel.wait_log(former, lambda line: line["message"] == "stopping")
            poll(lambda: refuses(tunnel.control), "the control port refuses")
            tunnel.start_remote()
            tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "origin proxy logged in")
            with visit(tunnel.outside) as new:
                exchange(new)
            self.assertLess(time.monotonic() - began, 2 * PROMPTLY)
            self.assertTrue(former.running)
            exchange(old, b"still served by the former one")
            old.close()
            former.wait_exit(5, code=0)

    def test_a_program_that_waits_for_its_visitors_to_finish_is_idle(self):
        """Also if it could not have taken any more of them: for 64 descriptors 15 are too many already."""
        limits = {"rlimits": {"nofile": "64:64"}}
        with SocketOrigin(echo) as origin, Tunnel(origin.address, remote_options=limits) as tunnel:
            visitors, full = [], False
            while not full:
                visitors.append(visit(tunnel.outside, 3))
                try:
                    exchange(visitors[-1])
                except (TimeoutError, ConnectionResetError):
                    full = True
            self.assertIn(len(visitors), range(5, 32))
            tunnel.remote.send_signal(signal.SIGTERM)
            tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "stopping")
            self.assertLess(cpu_share(tunnel.remote.pid), 0.05)
            for visitor in visitors:
                visitor.close()
            tunnel.remote.wait_exit(code=0)

    def test_an_origin_proxy_that_gives_up_lets_its_visitors_finish_and_can_be_stopped_meanwhile(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, fixed_ports=True, exit_code=1,
                                                  origin_flags=["--max-retries", "0"]) as tunnel:
            # The visitor's end at the remote proxy must stay while its control connection goes: a newcomer's place.
            with visit(tunnel.outside) as visitor:
                exchange(visitor)
                tunnel.origin.send_signal(signal.SIGSTOP)
                with Program([binary("origin-proxy"), "--remote-proxy-addr", show_address(tunnel.control),
                              "--origin-server-addr", show_address(origin.address),
                              *tunnel.trust_of_origin]) as newcomer:
                    newcomer.wait_line("^ready", stream="stdout")
                    tunnel.origin.send_signal(signal.SIGCONT)
                    tunnel.wait_log(tunnel.origin, lambda line: line["level"] == "error")
                    exchange(visitor, b"still here")
                    tunnel.origin.send_signal(signal.SIGTERM)
                    tunnel.wait_log(tunnel.origin, lambda line: line["message"] == "stopping")
                    self.assertLess(cpu_share(tunnel.origin.pid), 0.05)
                    exchange(visitor, b"still here")
                    newcomer.stop(code=0)
            tunnel.origin.wait_exit(code=1)
            tunnel.remote.stop(code=0)


if __name__ == "__main__":
    unittest.main()
