"""Too many visitors for the descriptors there are, or for --max-waiting: survive, serve who can be served, recover."""

import collections
import contextlib
import threading
import time
import unittest

from faults import (PROMPTLY, SLOW, cpu_share, descriptors, echo, exchange, how_a_visit_ends, how_it_ends, receive,
                    visit, visit_many, wait_served)
from origins import SocketOrigin
from support import DEADLINE, HOST, Tunnel, free_port, poll

FEW = {"rlimits": {"nofile": "64:64"}}
VISITORS = 500
PAIRING_TIMEOUT = 4.0


def ask(address, outcomes):
    """One visitor with a short request; notes how it went."""
    try:
        with visit(address) as visitor:
            visitor.sendall(b"a short request")
            outcomes[receive(visitor, 15).decode()] += 1
    except TimeoutError:
        outcomes["hangs"] += 1
    except ConnectionResetError:
        outcomes["reset"] += 1
    except (OSError, AssertionError) as error:
        outcomes[repr(error)] += 1


class Descriptors(unittest.TestCase):
    def serve_500_visitors(self, **options):
        timeout = ["--pairing-timeout", f"{PAIRING_TIMEOUT:g}s"]
        with SocketOrigin(echo) as origin, Tunnel(origin.address, remote_flags=timeout, **options) as tunnel:
            pids = tunnel.remote.pid, tunnel.origin.pid
            at_rest = [descriptors(pid) for pid in pids]
            outcomes = collections.Counter()
            visitors = [threading.Thread(target=ask, args=(tunnel.outside, outcomes)) for _ in range(VISITORS)]
            for visitor in visitors:
                visitor.start()
            for visitor in visitors:
                visitor.join()
            self.assertEqual(sum(outcomes.values()), VISITORS, outcomes)
            self.assertEqual(set(outcomes) - {"a short request", "reset"}, set(), outcomes)
            self.assertGreater(outcomes["a short request"], VISITORS * 3 // 4, outcomes)
            began = time.monotonic()
            with visit(tunnel.outside) as visitor:
                exchange(visitor)
            self.assertLess(time.monotonic() - began, PROMPTLY)
            # Up to a sixteenth of the 64 may stay parked for the next visitors.
            poll(lambda: all(descriptors(pid) <= rest + 4 for pid, rest in zip(pids, at_rest)),
                 "both have let all descriptors go")
            for pid in pids:
                self.assertLess(cpu_share(pid), 0.05)

    def test_a_remote_proxy_with_64_descriptors_survives_500_visitors(self):
        self.serve_500_visitors(remote_options=FEW)

    def test_an_origin_proxy_with_64_descriptors_survives_500_visitors(self):
        self.serve_500_visitors(origin_options=FEW)

    def test_both_programs_with_64_descriptors_survive_500_visitors(self):
        self.serve_500_visitors(remote_options=FEW, origin_options=FEW)

    def test_twelve_visitors_at_once_are_all_served_by_a_remote_proxy_with_64_descriptors(self):
        """Their data connections come back all at once too, and must not push each other out as strangers."""
        with SocketOrigin(echo) as origin, Tunnel(origin.address, remote_options=FEW) as tunnel:
            for _ in range(10):
                outcomes = collections.Counter()
                visitors = [threading.Thread(target=ask, args=(tunnel.outside, outcomes)) for _ in range(12)]
                for visitor in visitors:
                    visitor.start()
                for visitor in visitors:
                    visitor.join()
                self.assertEqual(outcomes, {"a short request": 12})

    def stay_with_all_descriptors_in_use(self, **options):
        """Visitors who come and stay: as many as fit are served, the others are reset; nobody spins."""
        timeout = ["--pairing-timeout", f"{PAIRING_TIMEOUT:g}s"]
        with SocketOrigin(echo) as origin, Tunnel(origin.address, remote_flags=timeout, **options) as tunnel, \
                contextlib.ExitStack() as stack:
            visitors = [stack.enter_context(visitor) for visitor in visit_many(tunnel.outside, 100)]
            served = []
            for visitor in visitors:
                try:
                    exchange(visitor)
                    served.append(visitor)
                except ConnectionError:
                    visitor.close()
            self.assertGreaterEqual(len(served), 10)
            for program in (tunnel.remote, tunnel.origin):
                self.assertLess(cpu_share(program.pid), 0.05, program.name)
            for visitor in served:
                exchange(visitor)
                visitor.close()
            wait_served(tunnel.outside)

    def test_a_remote_proxy_whose_64_descriptors_are_all_in_use_does_not_spin(self):
        self.stay_with_all_descriptors_in_use(remote_options=FEW)

    def test_an_origin_proxy_whose_64_descriptors_are_all_in_use_does_not_spin(self):
        self.stay_with_all_descriptors_in_use(origin_options=FEW)

    def test_strangers_who_take_all_descriptors_of_the_remote_proxy_do_not_keep_visitors_out(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, remote_options=FEW) as tunnel, \
                contextlib.ExitStack() as stack:
            for _ in range(200):
                stack.enter_context(visit(tunnel.control))
            wait_served(tunnel.outside, 4.0 if not SLOW else DEADLINE)  # before the strangers' 5 s are over
            self.assertTrue(tunnel.remote.running)

    def test_the_limit_of_descriptors_is_raised_to_what_the_system_allows(self):
        with SocketOrigin(echo) as origin, Tunnel(
                origin.address, remote_options={"rlimits": {"nofile": "64:512"}},
                origin_options={"rlimits": {"nofile": "64:512"}}) as tunnel, contextlib.ExitStack() as stack:
            for pid in (tunnel.remote.pid, tunnel.origin.pid):
                with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
                    line = next(line for line in limits if line.startswith("Max open files"))
                self.assertEqual(line.split()[3:5], ["512", "512"])
            for _ in range(100):  # more than 64 descriptors would do
                exchange(stack.enter_context(visit(tunnel.outside)))


class Circle(unittest.TestCase):
    def test_a_tunnel_whose_origin_server_is_its_own_outside_address_goes_round_only_as_long_as_the_visitor_stays(self):
        outside = HOST, free_port()
        few = {"rlimits": {"nofile": "128:128"}}
        with Tunnel(outside, start=False, remote_options=few, origin_options=few,
                    remote_flags=["--pairing-timeout", "2s"]) as tunnel:
            tunnel.outside = outside
            tunnel.start_remote()
            tunnel.start_origin()
            pids = tunnel.remote.pid, tunnel.origin.pid
            at_rest = [descriptors(pid) for pid in pids]
            with visit(outside) as visitor:
                visitor.sendall(b"round and round")
                poll(lambda: descriptors(pids[0]) > at_rest[0] + 10, "it has begun to go round")
                poll(lambda: cpu_share(pids[0]) < 0.3, "it has come to its limit")
            poll(lambda: all(descriptors(pid) <= rest + 8 for pid, rest in zip(pids, at_rest)),
                 "both have let all descriptors go", 30)


class ManyAtOnce(unittest.TestCase):
    def test_1000_visitors_at_once_are_all_served(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address) as tunnel, contextlib.ExitStack() as stack:
            visitors = [stack.enter_context(visit(tunnel.outside)) for _ in range(1000)]
            for number, visitor in enumerate(visitors):
                visitor.sendall(b"%4d" % number)
            for number, visitor in enumerate(visitors):
                self.assertEqual(receive(visitor, 4), b"%4d" % number)

    def test_1000_visitors_who_waited_for_an_origin_proxy_are_all_served_when_it_comes(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address) as tunnel, contextlib.ExitStack() as stack:
            tunnel.origin.kill()
            tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "lost the origin proxy")
            visitors = [stack.enter_context(visit(tunnel.outside)) for _ in range(1000)]
            tunnel.start_origin()
            for visitor in visitors:
                exchange(visitor)


class Waiting(unittest.TestCase):
    def test_a_visitor_beyond_max_waiting_is_reset_at_once_and_the_others_wait_on(self):
        flags = ["--max-waiting", "5"]
        with SocketOrigin(echo) as origin, Tunnel(origin.address, remote_flags=flags) as tunnel, \
                contextlib.ExitStack() as stack:
            tunnel.origin.kill()
            tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "lost the origin proxy")
            waiting = [stack.enter_context(visit(tunnel.outside)) for _ in range(5)]
            for _ in range(20):
                began = time.monotonic()
                self.assertEqual(how_a_visit_ends(tunnel.outside), "reset")
                self.assertLess(time.monotonic() - began, PROMPTLY)
            tunnel.start_origin()
            for visitor in waiting:
                exchange(visitor)

    def test_300_visitors_beyond_what_there_are_descriptors_for_are_reset_within_the_pairing_timeout(self):
        timeout = ["--pairing-timeout", "1s"]
        with SocketOrigin(echo) as origin, \
                Tunnel(origin.address, remote_flags=timeout, remote_options=FEW) as tunnel, \
                contextlib.ExitStack() as stack:
            while True:
                visitor = stack.enter_context(visit(tunnel.outside))
                try:
                    exchange(visitor)
                except ConnectionResetError:
                    break  # every place is taken
            began = time.monotonic()
            many = [stack.enter_context(visitor) for visitor in visit_many(tunnel.outside, 300)]
            self.assertEqual({how_it_ends(visitor) for visitor in many}, {"reset"})
            self.assertLess(time.monotonic() - began, 1.0 + PROMPTLY)


if __name__ == "__main__":
    unittest.main()
