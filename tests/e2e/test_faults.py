"""Programs that are killed, stopped and restarted, and control connections that are lost while visitors are there."""

import signal
import socket
import threading
import time
import unittest

from faults import HEARTBEATS, PROMPTLY, Wire, echo, exchange, how_it_ends, receive, refuses, visit, wait_served
from origins import SocketOrigin
from support import DEADLINE, HOST, Program, Tunnel, binary, poll, show_address

# Heartbeat timeout, and the few waits of the back-off that fit into a fault of this length; slow machines included.
RECOVERY = 10.0


def fast(origin, **options):
    return Tunnel(origin.address, remote_flags=HEARTBEATS + options.pop("remote_flags", []),
                  origin_flags=HEARTBEATS + options.pop("origin_flags", []), **options)


class KilledPrograms(unittest.TestCase):
    """The kernel closes what a killed process leaves. A linger of zero makes it a reset; between the
    proxies the last frame is missing."""

    def kill_in_the_middle(self, name, serve, use):
        with SocketOrigin(serve) as origin, Tunnel(origin.address) as tunnel, visit(tunnel.outside) as visitor:
            use(visitor)
            getattr(tunnel, name).kill()
            self.assertEqual(how_it_ends(visitor), "reset")
            self.assertEqual(poll(lambda: origin.results, "the origin server notices"), ["reset"])

    @staticmethod
    def stream(connection):
        try:
            while True:
                connection.sendall(bytes(1 << 16))
        except ConnectionResetError:
            return "reset"

    def test_kill_9_of_the_remote_proxy_in_mid_stream_reaches_both_ends_as_a_reset(self):
        self.kill_in_the_middle("remote", self.stream, lambda visitor: receive(visitor, 1 << 22))

    def test_kill_9_of_the_origin_proxy_in_mid_stream_reaches_both_ends_as_a_reset(self):
        self.kill_in_the_middle("origin", self.stream, lambda visitor: receive(visitor, 1 << 22))

    def test_kill_9_of_the_remote_proxy_between_two_messages_reaches_both_ends_as_a_reset(self):
        self.kill_in_the_middle("remote", echo, exchange)

    def test_kill_9_of_the_origin_proxy_between_two_messages_reaches_both_ends_as_a_reset(self):
        self.kill_in_the_middle("origin", echo, exchange)

    def test_kill_9_of_the_remote_proxy_reaches_a_visitor_who_still_waits_as_a_reset(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address) as tunnel:
            tunnel.origin.stop(code=0)
            with visit(tunnel.outside) as visitor:
                tunnel.wait_log(tunnel.remote, lambda line: "origin proxy left" in line["message"])
                tunnel.remote.kill()
                self.assertEqual(how_it_ends(visitor), "reset")


class ProgramsThatReturn(unittest.TestCase):
    def stop_and_continue(self, stopped, other):
        with SocketOrigin(echo) as origin, fast(origin) as tunnel, visit(tunnel.outside) as old:
            exchange(old)
            getattr(tunnel, stopped).send_signal(signal.SIGSTOP)
            tunnel.wait_log(getattr(tunnel, other), lambda line: line["message"].startswith("lost the"))
            getattr(tunnel, stopped).send_signal(signal.SIGCONT)
            wait_served(tunnel.outside, RECOVERY)
            exchange(old, b"you too?")  # whom the control connection does not concern

    def test_traffic_flows_again_after_the_remote_proxy_was_stopped_for_longer_than_the_heartbeat_timeout(self):
        self.stop_and_continue("remote", "origin")

    def test_traffic_flows_again_after_the_origin_proxy_was_stopped_for_longer_than_the_heartbeat_timeout(self):
        self.stop_and_continue("origin", "remote")

    def come_while_stopped(self, name):
        with SocketOrigin(echo) as origin, fast(origin) as tunnel:
            program = getattr(tunnel, name)
            program.send_signal(signal.SIGSTOP)
            with visit(tunnel.outside) as visitor:  # the kernel lets the visitor in, whoever is stopped
                visitor.sendall(b"anybody there?")
                other = tunnel.origin if name == "remote" else tunnel.remote
                tunnel.wait_log(other, lambda line: line["message"].startswith("lost the"))
                program.send_signal(signal.SIGCONT)
                self.assertEqual(receive(visitor, 14), b"anybody there?")

    def test_a_visitor_who_comes_while_the_remote_proxy_is_stopped_is_served_when_it_goes_on(self):
        self.come_while_stopped("remote")

    def test_a_visitor_who_comes_while_the_origin_proxy_is_stopped_is_served_when_it_goes_on(self):
        self.come_while_stopped("origin")

    def test_traffic_flows_again_after_kill_9_and_a_restart_of_the_remote_proxy_on_the_same_ports(self):
        with SocketOrigin(echo) as origin, fast(origin, fixed_ports=True) as tunnel:
            wait_served(tunnel.outside)
            tunnel.restart_remote(kill=True)
            wait_served(tunnel.outside, RECOVERY)

    def test_traffic_flows_again_after_kill_9_and_a_restart_of_the_origin_proxy(self):
        with SocketOrigin(echo) as origin, fast(origin) as tunnel:
            wait_served(tunnel.outside)
            tunnel.restart_origin(kill=True)
            wait_served(tunnel.outside, RECOVERY)

    def test_the_remote_proxy_restarts_on_its_ports_while_connections_of_former_visitors_are_in_time_wait(self):
        """Who closes first has the connection in TIME_WAIT: towards visitors that is the remote proxy if the server
        does, towards the origin proxy if the visitor does."""
        def close_first(connection):
            connection.recv(1)
        # Without parked connections, which are used again and not closed.
        with SocketOrigin(close_first) as origin, \
                fast(origin, fixed_ports=True, origin_flags=["--parked-connections", "0"]) as tunnel:
            ports = {tunnel.control[1], tunnel.outside[1]}

            def both_wait():
                """The two proxies end TLS at about the same time, so whose end waits is not sure for one visitor."""
                for visitor_first in (True, False):
                    with visit(tunnel.outside) as visitor:
                        if visitor_first:
                            visitor.shutdown(socket.SHUT_WR)
                        else:
                            visitor.sendall(b"x")
                        self.assertEqual(how_it_ends(visitor), "end of stream")
                return ports <= time_wait_ports()
            poll(both_wait, "both ports have a connection in TIME_WAIT", interval=0.05)
            tunnel.restart_remote()
            tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "origin proxy logged in", RECOVERY)


def time_wait_ports():
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in list(table)[1:]]
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == "06"}


class Outages(unittest.TestCase):
    def test_established_visitors_live_on_while_the_control_connection_is_lost_and_returns(self):
        with SocketOrigin(echo) as origin, fast(origin, start=False) as tunnel:
            tunnel.start_remote()
            with Wire(tunnel.control) as wire:
                tunnel.start_origin(remote_proxy=wire.address)
                with visit(tunnel.outside) as visitor:
                    exchange(visitor, b"before")
                    wire.down = True
                    wire.cut()
                    tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "lost the origin proxy")
                    exchange(visitor, b"meanwhile")
                    wire.down = False
                    tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "origin proxy logged in", count=2)
                    exchange(visitor, b"after")
                tunnel.origin.stop(code=0)

    def test_a_visitor_who_comes_during_a_short_outage_waits_and_is_served_by_the_returned_origin(self):
        with SocketOrigin(echo) as origin, fast(origin) as tunnel:
            tunnel.origin.kill()
            tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "lost the origin proxy")
            with visit(tunnel.outside) as visitor:
                visitor.sendall(b"anybody there?")
                tunnel.start_origin()
                self.assertEqual(receive(visitor, 14), b"anybody there?")

    def test_after_an_outage_longer_than_the_pairing_timeout_the_port_refuses_until_the_origin_returns(self):
        with SocketOrigin(echo) as origin, fast(origin, remote_flags=["--pairing-timeout", "1s"]) as tunnel:
            tunnel.origin.kill()
            tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "lost the origin proxy")
            with visit(tunnel.outside) as visitor:  # still open, and nobody comes for this one
                began = time.monotonic()
                self.assertEqual(how_it_ends(visitor), "reset")
                self.assertLess(time.monotonic() - began, 1.0 + PROMPTLY)
            poll(lambda: refuses(tunnel.outside), "the outside port refuses", 1.0 + PROMPTLY)
            self.assert_port_is_held(tunnel)
            tunnel.start_origin()
            wait_served(tunnel.outside)

    def test_the_outside_port_is_bound_but_refuses_before_an_origin_has_logged_in(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, start=False, fixed_ports=True) as tunnel:
            tunnel.start_remote()
            self.assertTrue(refuses(tunnel.outside))
            self.assert_port_is_held(tunnel)
            tunnel.start_origin()
            wait_served(tunnel.outside)

    def assert_port_is_held(self, tunnel):
        outside = show_address(tunnel.outside)
        with Program([binary("remote-proxy"), "--control-addr", f"{HOST}:0", "--outside-addr", outside]) as second:
            second.wait_exit(code=1)
            lines = second.texts("stderr")
            self.assertEqual(len(lines), 1, lines)
            self.assertIn(outside, lines[0])
            self.assertEqual(second.texts("stdout"), [])
        with socket.socket() as other:  # and not only by programs as polite as our own
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with self.assertRaises(OSError):
                other.bind(tunnel.outside)
                other.listen()

    def test_many_visitors_at_work_do_not_notice_that_the_control_connection_is_cut_again_and_again(self):
        failures = []
        # Who is not connected yet does notice: each cut begins that anew, and the retries get rarer.
        all_at_work = threading.Barrier(10 + 1)

        def talk(address, number):
            try:
                with visit(address) as visitor:
                    exchange(visitor, b"%d" % number)
                    all_at_work.wait(DEADLINE)
                    for turn in range(50):
                        exchange(visitor, b"%d:%d" % (number, turn))
                        time.sleep(0.02)
            except (OSError, AssertionError) as error:
                failures.append(error)
        with SocketOrigin(echo) as origin, fast(origin, start=False) as tunnel:
            tunnel.start_remote()
            with Wire(tunnel.control) as wire:
                tunnel.start_origin(remote_proxy=wire.address)
                visitors = [threading.Thread(target=talk, args=(tunnel.outside, number)) for number in range(10)]
                for visitor in visitors:
                    visitor.start()
                all_at_work.wait(DEADLINE)
                seen = 1
                while any(visitor.is_alive() for visitor in visitors):
                    # The control connections are those the remote proxy has logged; in between come data connections.
                    logged = [line for line in tunnel.log(tunnel.remote) if line["message"] == "origin proxy logged in"]
                    if len(logged) >= seen:
                        wire.cut_from(logged[-1]["origin"])
                        seen += 1
                    time.sleep(0.05)
                for visitor in visitors:
                    visitor.join()
                tunnel.origin.stop(code=0)
        self.assertEqual(failures, [])
        self.assertGreater(seen, 2)


if __name__ == "__main__":
    unittest.main()
