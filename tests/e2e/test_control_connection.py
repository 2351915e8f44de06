"""The control connection: made in any order, made again, and held by one origin proxy at a time."""

import signal
import threading
import time
import unittest

from faults import HEARTBEATS, PROMPTLY, SLOW, echo, exchange, how_it_ends, visit, wait_served
from origins import SocketOrigin
from support import HOST, MACHINE, Program, Tunnel, binary, free_port, show_address
from trust import TwoSecrets, folder

READY = r"^ready remote="
PROBE = 2.0  # how long the remote proxy waits for the holder's answer


def logged_in(line):
    return line["message"] == "origin proxy logged in"


class Reconnecting(unittest.TestCase):
    def test_the_origin_proxy_may_be_started_first(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, start=False, fixed_ports=True) as tunnel:
            tunnel.start_origin(wait=False)
            failed = tunnel.wait_log(tunnel.origin, lambda line: line["message"].startswith("cannot log in"))
            self.assertEqual(failed["code"], "connection_refused")
            tunnel.start_remote()
            tunnel.wait_origin_ready(5)
            wait_served(tunnel.outside)

    def test_the_origin_proxy_may_be_started_long_after_the_remote_proxy(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, start=False) as tunnel:
            tunnel.start_remote()
            time.sleep(0.5)
            tunnel.start_origin()
            wait_served(tunnel.outside)

    def test_sighup_keeps_the_control_connection_where_nothing_has_changed(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address) as tunnel, visit(tunnel.outside) as visitor:
            for count in range(1, 6):
                tunnel.origin.send_signal(signal.SIGHUP)
                tunnel.wait_log(tunnel.origin, lambda line: line["message"] == "reloaded", count=count)
                exchange(visitor)
                wait_served(tunnel.outside)
            for program, message in ((tunnel.remote, "origin proxy logged in"), (tunnel.origin, "logged in")):
                self.assertEqual(len([line for line in tunnel.log(program) if line["message"] == message]), 1)

    def test_no_visitor_is_lost_however_often_the_control_connection_is_made_anew(self):
        failures, over = [], threading.Event()

        def come_again_and_again(address):
            while not over.is_set():
                try:
                    with visit(address) as visitor:
                        exchange(visitor)
                except (OSError, AssertionError) as error:
                    failures.append(error)
        secrets = TwoSecrets(folder("reconnecting"))
        with SocketOrigin(echo) as origin, Tunnel(origin.address, remote_flags=secrets.remote_flags, trust="none",
                                                  origin_flags=secrets.origin_flags) as tunnel:
            visitors = [threading.Thread(target=come_again_and_again, args=(tunnel.outside,)) for _ in range(2)]
            for visitor in visitors:
                visitor.start()
            for count in range(2, 52):
                secrets.change()
                tunnel.origin.send_signal(signal.SIGHUP)
                tunnel.wait_log(tunnel.origin, lambda line: line["message"] == "logged in", count=count)
            over.set()
            for visitor in visitors:
                visitor.join()
        self.assertEqual(failures, [])

    test_no_visitor_is_lost_however_often_the_control_connection_is_made_anew.trust = ()

    def test_sighup_reconnects_now_also_during_a_long_wait_between_two_tries(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, start=False, fixed_ports=True) as tunnel:
            tunnel.start_origin(wait=False)
            wait = tunnel.wait_log(tunnel.origin, lambda line: line.get("retry-in", 0) > 2.5, 60)
            tunnel.start_remote()
            began = time.monotonic()
            tunnel.origin.send_signal(signal.SIGHUP)
            tunnel.wait_origin_ready()
            self.assertLess(time.monotonic() - began, wait["retry-in"] if SLOW else 1.0)

    def test_sighup_does_not_end_the_remote_proxy(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address) as tunnel:
            tunnel.remote.send_signal(signal.SIGHUP)
            tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "reloaded")
            wait_served(tunnel.outside)

    def test_max_retries_ends_the_origin_proxy_with_exit_code_1_and_the_reason(self):
        nowhere = show_address((HOST, free_port()))
        with Program([binary("origin-proxy"), "--remote-proxy-addr", nowhere, "--origin-server-addr", f"{HOST}:1",
                      "--max-retries", "3"]) as program:
            program.wait_exit(code=1)
            lines = Tunnel.log(program)
            # Those that say the same within a second are details.
            self.assertIn([line["level"] for line in lines],
                          [["warn"] * warnings + ["error"] for warnings in (1, 2, 3)])
            self.assertEqual(lines[-1]["remote"], nowhere)
            self.assertEqual(lines[-1]["code"], "connection_refused")

    def test_max_retries_counts_consecutive_failures_only(self):
        with SocketOrigin(echo) as origin, \
                Tunnel(origin.address, fixed_ports=True, origin_flags=["--max-retries", "3"]) as tunnel:
            for count in range(1, 4):
                tunnel.remote.kill()
                tunnel.wait_log(tunnel.origin, lambda line: line["message"] == "lost the remote proxy", count=count)
                tunnel.origin.send_signal(signal.SIGHUP)  # spares us the wait, which grows
                tunnel.wait_log(tunnel.origin, lambda line: line["message"].startswith("cannot log in"), count=count)
                tunnel.start_remote()
                tunnel.origin.send_signal(signal.SIGHUP)
                tunnel.wait_log(tunnel.origin, lambda line: line["message"] == "logged in", count=count + 1)
            wait_served(tunnel.outside)

    def stay_connected(self, remote_flags, origin_flags):
        with SocketOrigin(echo) as origin, \
                Tunnel(origin.address, remote_flags=remote_flags, origin_flags=origin_flags) as tunnel:
            time.sleep(3)
            wait_served(tunnel.outside)
            for program in (tunnel.remote, tunnel.origin):
                self.assertEqual([line for line in tunnel.log(program) if line["message"].startswith("lost")], [])

    def test_an_origin_proxy_may_be_less_patient_than_the_remote_proxys_own_heartbeats_are_frequent(self):
        """Each tells the other how long it waits, and that one sends often enough."""
        self.stay_connected([], HEARTBEATS)

    def test_a_remote_proxy_may_be_less_patient_than_the_origin_proxys_own_heartbeats_are_frequent(self):
        self.stay_connected(HEARTBEATS, [])

    def test_the_reason_of_a_lost_control_connection_is_told_in_words(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, fixed_ports=True) as tunnel:
            tunnel.remote.kill()
            lost = tunnel.wait_log(tunnel.origin, lambda line: line["message"] == "lost the remote proxy")
            self.assertRegex(lost["reason"], r"^\w")

    def test_a_lost_remote_proxy_is_not_asked_in_a_busy_loop(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, fixed_ports=True) as tunnel:
            tunnel.remote.kill()
            time.sleep(3)
            tries = [line for line in tunnel.log(tunnel.origin) if "retry-in" in line]
            # Full jitter: waits between 0 and 0.25, 0.5, 1, 2 ... s, so about four in 3 s; twelve are as good as
            # impossible.
            self.assertIn(len(tries), range(1, 12))


class OnePlace(unittest.TestCase):
    """Of the one service that has no name, who holds it keeps it as long as it answers."""

    trust = ("none",)

    def newcomer(self, tunnel, server, *flags):
        return Program([binary("origin-proxy"), "--remote-proxy-addr", show_address(tunnel.control),
                        "--origin-server-addr", show_address(server), *flags], name="newcomer")

    @staticmethod
    def greet(word):
        def serve(connection):
            connection.sendall(word)
            return how_it_ends(connection)
        return SocketOrigin(serve)

    def greeting(self, tunnel):
        with visit(tunnel.outside) as visitor:
            return visitor.recv(100)

    def test_a_second_origin_proxy_is_told_that_the_service_is_in_use_and_the_first_goes_on(self):
        with self.greet(b"first") as first, self.greet(b"second") as second, Tunnel(first.address) as tunnel, \
                self.newcomer(tunnel, second.address) as newcomer:
            newcomer.wait_line(f"in use by {MACHINE} at {HOST}:", stream="stderr", count=3)
            for _ in range(10):
                self.assertEqual(self.greeting(tunnel), b"first")
            newcomer.stop(code=0)
            self.assertEqual(newcomer.texts("stdout"), [])
            self.assertEqual(len([line for line in tunnel.log(tunnel.remote) if logged_in(line)]), 1)

    def test_a_newcomer_gets_the_place_of_a_holder_that_does_not_answer(self):
        with self.greet(b"first") as first, self.greet(b"second") as second, Tunnel(first.address) as tunnel:
            tunnel.origin.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            with self.newcomer(tunnel, second.address) as newcomer:
                newcomer.wait_line(READY, stream="stdout")
                self.assertLess(time.monotonic() - began, PROBE + PROMPTLY)
                self.assertEqual(self.greeting(tunnel), b"second")
                tunnel.origin.send_signal(signal.SIGCONT)
                tunnel.origin.wait_line(f"in use by {MACHINE} at {HOST}:", stream="stderr")
                self.assertEqual(self.greeting(tunnel), b"second")
                newcomer.stop(code=0)
            tunnel.wait_log(tunnel.origin, lambda line: line["message"] == "logged in", count=2)
            self.assertEqual(self.greeting(tunnel), b"first")

    def test_a_newcomer_with_a_heartbeat_timeout_shorter_than_the_probe_gets_the_place_too(self):
        """It hears nothing while the holder is asked, and must not give up for ever for that."""
        with self.greet(b"first") as first, self.greet(b"second") as second, Tunnel(first.address) as tunnel:
            tunnel.origin.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            with self.newcomer(tunnel, second.address, *HEARTBEATS) as newcomer:
                newcomer.wait_line(READY, stream="stdout")
                self.assertLess(time.monotonic() - began, PROBE + 8.0)
                self.assertEqual(self.greeting(tunnel), b"second")
                newcomer.stop(code=0)

    def test_the_replacement_of_a_killed_holder_gets_in_at_once(self):
        with self.greet(b"first") as first, self.greet(b"second") as second, Tunnel(first.address) as tunnel:
            tunnel.origin.kill()
            began = time.monotonic()
            with self.newcomer(tunnel, second.address) as newcomer:
                newcomer.wait_line(READY, stream="stdout")
                self.assertLess(time.monotonic() - began, PROMPTLY)
                self.assertEqual(self.greeting(tunnel), b"second")
                newcomer.stop(code=0)


if __name__ == "__main__":
    unittest.main()
