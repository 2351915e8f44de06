"""How a visitor's connection ends: resets stay resets, and silence is limited where that was asked for."""

import socket
import time
import unittest

from faults import PROMPTLY, echo, exchange, how_it_ends, receive, reset, visit
from origins import SocketOrigin
from support import DEADLINE, Tunnel, poll


class Resets(unittest.TestCase):
    """A cut stream must not look like a whole one."""

    def test_a_reset_by_the_visitor_reaches_the_origin_server_as_a_reset(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address) as tunnel:
            visitor = visit(tunnel.outside)
            exchange(visitor)
            reset(visitor)
            self.assertEqual(poll(lambda: origin.results, "the origin server notices"), ["reset"])
            remote, server = tunnel.wait_visitors(1)
            self.assertEqual([remote[0]["code"], server[0]["code"]], ["visitor_reset", "remote_side_reset"])

    def test_a_reset_by_the_origin_server_reaches_the_visitor_as_a_reset(self):
        def break_off(connection):
            connection.sendall(receive(connection, 5))
            receive(connection, 3)
            reset(connection)
        with SocketOrigin(break_off) as origin, Tunnel(origin.address) as tunnel, visit(tunnel.outside) as visitor:
            exchange(visitor, b"hello")
            visitor.sendall(b"bye")
            self.assertEqual(how_it_ends(visitor), "reset")
            remote, server = tunnel.wait_visitors(1)
            self.assertEqual([remote[0]["code"], server[0]["code"]],
                             ["origin_side_reset", "origin_server_reset"])

    def test_a_reset_after_the_visitors_end_of_stream_stops_the_origin_server(self):
        """A download that is broken off: the server, which has heard the end already, must not send into the void."""
        def send_for_ever(connection):
            how_it_ends(connection)
            try:
                while True:
                    connection.sendall(bytes(1 << 16))
            except OSError:
                return "noticed"
        with SocketOrigin(send_for_ever) as origin, Tunnel(origin.address) as tunnel:
            visitor = visit(tunnel.outside)
            visitor.shutdown(socket.SHUT_WR)
            receive(visitor, 1 << 20)
            reset(visitor)
            self.assertEqual(poll(lambda: origin.results, "the origin server notices"), ["noticed"])

    def test_a_reset_reaches_an_origin_server_that_is_blocked_by_the_visitor_who_does_not_read(self):
        sent = [0]

        def send_for_ever(connection):
            try:
                while True:
                    sent[0] += connection.send(bytes(1 << 16))
            except ConnectionResetError:
                return "reset"
        with SocketOrigin(send_for_ever) as origin, Tunnel(origin.address) as tunnel:
            visitor = visit(tunnel.outside)
            seen = [0, time.monotonic()]

            def blocked():
                if sent[0] != seen[0]:
                    seen[:] = sent[0], time.monotonic()
                return sent[0] and time.monotonic() - seen[1] > 0.3
            poll(blocked, "the origin server cannot send any more")
            reset(visitor)
            self.assertEqual(poll(lambda: origin.results, "the origin server notices"), ["reset"])

    def test_a_visitor_who_resets_before_the_pair_is_made_reaches_the_origin_server_as_a_reset(self):
        """Whichever of the two is faster: a server that sees a stream at all must see it cut."""
        for flags in ([], ["--parked-connections", "0"]):
            with SocketOrigin(echo) as origin, Tunnel(origin.address, origin_flags=flags) as tunnel:
                for _ in range(20):
                    reset(visit(tunnel.outside))
                poll(lambda: len(tunnel.visitor_lines()) == 20, "the remote proxy is done with all of them")
                self.assertNotIn("closed", [line["end"] for line in tunnel.visitor_lines()])
                self.assertLessEqual(set(origin.results), {"reset"})


class HalfClose(unittest.TestCase):
    @staticmethod
    def flags(timeout):
        return {"remote_flags": ["--half-close-timeout", timeout], "origin_flags": ["--half-close-timeout", timeout]}

    def test_a_half_closed_visitor_without_a_byte_is_reset_after_the_half_close_timeout(self):
        with SocketOrigin(self.wait_for_the_cut) as origin, Tunnel(origin.address, **self.flags("500ms")) as tunnel, \
                visit(tunnel.outside) as visitor:
            visitor.sendall(b"x")
            visitor.shutdown(socket.SHUT_WR)
            began = time.monotonic()
            self.assertEqual(how_it_ends(visitor), "reset")
            self.assertGreater(time.monotonic() - began, 0.4)
            self.assertLess(time.monotonic() - began, 0.5 + PROMPTLY)
            self.assertEqual(poll(lambda: origin.results, "the origin server's side is cut too"), ["cut"])
            ends = {line["code"] for lines in tunnel.wait_visitors(1) for line in lines}
            self.assertIn("half_close_timeout", ends)

    @staticmethod
    def wait_for_the_cut(connection):
        """Hears the visitor's end, says nothing, and gives how its own side ends."""
        if how_it_ends(connection) == "reset":
            return "cut before the end of the stream"

        def cut():
            try:
                connection.send(b"")
                return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            except OSError:
                return True
        poll(cut, "the side of the origin server is cut", DEADLINE / 2)
        return "cut"

    def test_any_byte_restarts_the_half_close_timeout(self):
        def drip(connection):
            how_it_ends(connection)
            for _ in range(5):
                time.sleep(0.5)
                connection.sendall(b".")
        with SocketOrigin(drip) as origin, Tunnel(origin.address, **self.flags("1200ms")) as tunnel, \
                visit(tunnel.outside) as visitor:
            visitor.shutdown(socket.SHUT_WR)
            self.assertEqual(receive(visitor, 5), b".....")
            self.assertEqual(visitor.recv(1), b"")

    def test_a_fully_open_idle_pair_is_never_touched_by_the_half_close_timeout(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, **self.flags("100ms")) as tunnel, \
                visit(tunnel.outside) as visitor:
            exchange(visitor)
            time.sleep(1)
            exchange(visitor)

    def test_a_half_closed_visitor_who_reads_slowly_but_steadily_gets_the_whole_answer(self):
        """No 50 ms are without a byte for the visitor, only the kernel's buffers hide it from the programs."""
        size = 10 << 20

        def answer(connection):
            how_it_ends(connection)
            connection.sendall(bytes(size))
        with SocketOrigin(answer) as origin, Tunnel(origin.address, **self.flags("1s")) as tunnel, \
                visit(tunnel.outside) as visitor:
            visitor.shutdown(socket.SHUT_WR)
            for _ in range(size // (64 << 10)):
                receive(visitor, 64 << 10)
                time.sleep(0.05)
            self.assertEqual(visitor.recv(1), b"")

    def test_a_half_close_timeout_of_0_means_never(self):
        def late(connection):
            how_it_ends(connection)
            time.sleep(1)
            connection.sendall(b"late")
        with SocketOrigin(late) as origin, Tunnel(origin.address, **self.flags("0")) as tunnel, \
                visit(tunnel.outside) as visitor:
            visitor.shutdown(socket.SHUT_WR)
            self.assertEqual(receive(visitor, 4), b"late")


class IdleTimeout(unittest.TestCase):
    @staticmethod
    def flags(timeout):
        return {"remote_flags": ["--idle-timeout", timeout], "origin_flags": ["--idle-timeout", timeout]}

    def test_an_open_pair_without_a_byte_is_reset_after_the_idle_timeout(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, **self.flags("500ms")) as tunnel, \
                visit(tunnel.outside) as visitor:
            exchange(visitor)
            began = time.monotonic()
            self.assertEqual(how_it_ends(visitor), "reset")
            self.assertGreater(time.monotonic() - began, 0.4)
            self.assertLess(time.monotonic() - began, 0.5 + PROMPTLY)
            self.assertEqual(poll(lambda: origin.results, "the origin server notices"), ["reset"])
            ends = {line["code"] for lines in tunnel.wait_visitors(1) for line in lines}
            self.assertIn("idle_timeout", ends)

    def test_any_byte_restarts_the_idle_timeout(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, **self.flags("1200ms")) as tunnel, \
                visit(tunnel.outside) as visitor:
            for _ in range(5):
                exchange(visitor, b".")
                time.sleep(0.5)

    def test_a_half_closed_pair_is_not_touched_by_the_idle_timeout(self):
        def late(connection):
            how_it_ends(connection)
            time.sleep(1.2)
            connection.sendall(b"late")
        with SocketOrigin(late) as origin, Tunnel(origin.address, **self.flags("500ms")) as tunnel, \
                visit(tunnel.outside) as visitor:
            visitor.shutdown(socket.SHUT_WR)
            self.assertEqual(receive(visitor, 4), b"late")


if __name__ == "__main__":
    unittest.main()
