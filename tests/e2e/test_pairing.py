"""From a visitor's arrival to the moment it talks to the origin server, and all that can go wrong in between."""

import contextlib
import os
import socket
import ssl
import threading
import time
import unittest

from faults import (HEARTBEATS, PROMPTLY, Wire, echo, exchange, how_a_visit_ends, how_it_ends, receive, reset, visit,
                    visit_many, wait_served)
from origins import SocketOrigin
from support import DEADLINE, HOST, Tunnel, free_port, poll, show_address

HANDSHAKE_TIMEOUT = 5.0
STRANGERS = "closed a connection"


@contextlib.contextmanager
def silent_server():
    """The address of a server that does not answer: its queue is full, so the kernel drops what else comes."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((HOST, 0), backlog=0))
        while True:
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.3)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                break
        yield listener.getsockname()

# A data connection for each visitor, made when it comes.
FRESH = ["--parked-connections", "0"]


class OriginServersThatFail(unittest.TestCase):
    def test_a_visitor_is_reset_at_once_if_the_origin_server_refuses_and_both_logs_say_so(self):
        with Tunnel((HOST, free_port())) as tunnel:
            began = time.monotonic()
            self.assertEqual(how_a_visit_ends(tunnel.outside), "reset")
            self.assertLess(time.monotonic() - began, PROMPTLY)
            for (line,) in tunnel.wait_visitors(1):
                self.assertEqual(line["code"], "origin_server_refused")

    def test_every_one_of_50_visitors_at_once_is_told_the_same_by_both_logs(self):
        """Whatever comes first at the remote proxy, the refusal or the end of a data connection."""
        with Tunnel((HOST, free_port())) as tunnel:
            for visitor in visit_many(tunnel.outside, 50):
                with visitor:
                    self.assertEqual(how_it_ends(visitor), "reset")
            for lines in tunnel.wait_visitors(50):
                self.assertEqual({line["code"] for line in lines}, {"origin_server_refused"})

    def test_a_visitor_is_reset_after_the_dial_timeout_if_the_origin_server_does_not_answer(self):
        with silent_server() as address, Tunnel(address, origin_flags=["--dial-timeout", "700ms"]) as tunnel:
            began = time.monotonic()
            with contextlib.ExitStack() as stack:
                for visitor in [stack.enter_context(visit(tunnel.outside)) for _ in range(20)]:
                    self.assertEqual(how_it_ends(visitor), "reset")
            self.assertGreater(time.monotonic() - began, 0.6)
            self.assertLess(time.monotonic() - began, 0.7 + PROMPTLY)
            for lines in tunnel.wait_visitors(20):
                self.assertEqual({line["code"] for line in lines}, {"origin_server_timeout"})

    def test_a_visitor_is_served_as_soon_as_the_origin_server_listens(self):
        port = free_port()
        with Tunnel((HOST, port)) as tunnel:
            self.assertEqual(how_a_visit_ends(tunnel.outside), "reset")
            with socket.create_server((HOST, port)) as server, visit(tunnel.outside) as visitor:
                server.settimeout(DEADLINE)
                with server.accept()[0] as connection:
                    connection.sendall(b"hello")
                    self.assertEqual(receive(visitor, 5), b"hello")


class DataConnectionsThatFail(unittest.TestCase):
    @contextlib.contextmanager
    def tunnel_with_wire(self, *remote_flags):
        with SocketOrigin(echo) as origin, \
                Tunnel(origin.address, remote_flags=remote_flags, origin_flags=HEARTBEATS + FRESH,
                       start=False) as tunnel:
            tunnel.start_remote()
            with Wire(tunnel.control) as wire:
                tunnel.start_origin(remote_proxy=wire.address)
                yield tunnel, wire
                tunnel.origin.stop(code=0)

    def test_a_visitor_whose_data_connection_does_not_come_is_reset_and_others_are_unaffected(self):
        with self.tunnel_with_wire("--pairing-timeout", "1500ms") as (tunnel, wire):
            wire.swallow = True
            with visit(tunnel.outside) as lost:
                began = time.monotonic()
                poll(lambda: len(wire.connections) == 2, "the data connection is swallowed")
                wire.swallow = False
                with visit(tunnel.outside) as other:
                    exchange(other)
                    self.assertLess(time.monotonic() - began, 1.0 if PROMPTLY == 1 else DEADLINE)
                    self.assertEqual(how_it_ends(lost), "reset")
                    self.assertGreater(time.monotonic() - began, 1.4)
                    self.assertLess(time.monotonic() - began, 1.5 + PROMPTLY)
                    exchange(other)
            tunnel.wait_log(tunnel.remote, lambda line: line.get("code") == "late")
            wire.cut(1)  # else the origin proxy would take its end for a visitor it has to wait for

    def test_a_visitor_whose_data_connection_was_lost_with_the_control_connection_is_told_to_the_next(self):
        with self.tunnel_with_wire() as (tunnel, wire):
            wire.swallow = True
            with visit(tunnel.outside) as visitor:
                poll(lambda: len(wire.connections) == 2, "the data connection is swallowed")
                wire.swallow = False
                wire.cut(0)
                wire.cut(1)
                exchange(visitor)

    def test_a_data_connection_that_is_cut_in_mid_stream_reaches_both_ends_as_a_reset(self):
        with self.tunnel_with_wire() as (tunnel, wire):
            with visit(tunnel.outside) as visitor, visit(tunnel.outside) as other:
                exchange(visitor)
                exchange(other)
                wire.cut(1)
                ends = tunnel.wait_visitors(1)
                self.assertEqual([line["code"] for (line,) in ends], ["origin_side_reset", "remote_side_reset"])
                cut, whole = (visitor, other) if show_address(visitor.getsockname()) == ends[0][0]["visitor"] else (
                    other, visitor)
                self.assertEqual(how_it_ends(cut), "reset")
                exchange(whole)


class Strangers(unittest.TestCase):
    """Whoever connects to the control address without being an origin proxy."""

    def test_1000_silent_connections_delay_no_visitor_and_are_closed_within_5_s_and_summed_up_in_the_log(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address) as tunnel:
            with contextlib.ExitStack() as stack:
                silent = [stack.enter_context(visit(tunnel.control)) for _ in range(1000)]
                began = time.monotonic()
                with visit(tunnel.outside) as visitor:
                    exchange(visitor)
                self.assertLess(time.monotonic() - began, PROMPTLY)
                for connection in silent:
                    self.assertEqual(how_it_ends(connection), "end of stream")
                self.assertLess(time.monotonic() - began, HANDSHAKE_TIMEOUT + PROMPTLY)
            tunnel.remote.stop(code=0)
            lines = [line for line in tunnel.log(tunnel.remote) if line["message"].startswith(STRANGERS)]
            self.assertLess(len(lines), 10)
            self.assertEqual(lines[-1]["total"], 1000)
            self.assertEqual(sum(line["count"] for line in lines), 1000)

    def test_more_silent_connections_than_are_kept_push_out_the_oldest_and_delay_no_visitor(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address) as tunnel, contextlib.ExitStack() as stack:
            silent = [stack.enter_context(visit(tunnel.control)) for _ in range(1500)]
            self.assertEqual(how_it_ends(silent[0]), "end of stream")
            began = time.monotonic()
            with visit(tunnel.outside) as visitor:
                exchange(visitor)
            self.assertLess(time.monotonic() - began, PROMPTLY)
            silent[-1].setblocking(False)
            with self.assertRaises(BlockingIOError):  # the newest is still there
                silent[-1].recv(1)

    def closed_at_once(self, words, answer=b""):
        with SocketOrigin(echo) as origin, Tunnel(origin.address) as tunnel:
            began = time.monotonic()
            with visit(tunnel.control) as stranger:
                stranger.sendall(words)
                with contextlib.suppress(ConnectionResetError):  # bytes that nobody read make it a reset
                    self.assertEqual(stranger.recv(100)[:len(answer) or None], answer, "no more for a stranger")
            self.assertLess(time.monotonic() - began, PROMPTLY)
            tunnel.wait_log(tunnel.remote, lambda line: line["message"].startswith(STRANGERS))
            wait_served(tunnel.outside)

    def test_an_http_request_to_the_control_address_is_closed_at_once(self):
        self.closed_at_once(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")

    def test_a_tls_hello_to_the_control_address_is_closed_at_once(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="example.com")
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        self.closed_at_once(outgoing.read(), b"\x15\x03\x03\x00\x02\x02")  # a fatal alert, RFC 8446 section 6

    # With certificates it is one that is taken, and answered.
    test_a_tls_hello_to_the_control_address_is_closed_at_once.trust = ("none", "secret")

    def test_random_bytes_to_the_control_address_are_closed_at_once(self):
        self.closed_at_once(b"\x00" + os.urandom(4000))

    def test_a_stream_of_garbage_from_many_at_once_leaves_visitors_unharmed(self):
        failures, over = [], threading.Event()

        def pester(address):
            while not over.wait(0.001):  # a moment for the visitor, who lives in this process too
                try:
                    with visit(address) as stranger:
                        stranger.sendall(os.urandom(64))
                        reset(stranger)
                except OSError:
                    pass  # closed before all was said: as it should be
        with SocketOrigin(echo) as origin, Tunnel(origin.address) as tunnel:
            pesterers = [threading.Thread(target=pester, args=(tunnel.control,)) for _ in range(2)]
            for pesterer in pesterers:
                pesterer.start()
            try:
                for _ in range(200):
                    with visit(tunnel.outside) as visitor:
                        exchange(visitor)
            except (OSError, AssertionError) as error:
                failures.append(error)
            finally:
                over.set()
                for pesterer in pesterers:
                    pesterer.join()
            self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main()
