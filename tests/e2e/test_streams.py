"""The bytes of one visitor: that they arrive, unchanged and at once, whoever speaks or finishes first."""

import hashlib
import os
import socket
import statistics
import threading
import time
import unittest

from faults import PROMPTLY, SLOW, exchange, how_it_ends, receive, resident_kib, visit
from origins import SocketOrigin
from support import DEADLINE, Tunnel, poll

TOTAL = (64 << 20) if SLOW else (1 << 30)
BLOCK = 4 << 20
VISITORS = 100
EACH = 100 << 20


def send_random(connection, total):
    """Random blocks, each made different from the one before by its number; gives their checksum."""
    block = bytearray(os.urandom(BLOCK))
    checksum = hashlib.sha256()
    for number in range(total // BLOCK):
        block[:8] = number.to_bytes(8, "big")
        connection.sendall(block)
        checksum.update(block)
    connection.shutdown(socket.SHUT_WR)
    return checksum.hexdigest()


def receive_all(connection):
    """The checksum and the size of everything up to the end of the stream."""
    buffer = memoryview(bytearray(1 << 20))
    checksum, size = hashlib.sha256(), 0
    while got := connection.recv_into(buffer):
        checksum.update(buffer[:got])
        size += got
    return checksum.hexdigest(), size


def both_ways(connection):
    """Send and receive at once; gives (what was sent, what was received)."""
    received = []
    reader = threading.Thread(target=lambda: received.append(receive_all(connection)), daemon=True)
    reader.start()
    sent = send_random(connection, TOTAL)
    reader.join()
    return sent, received[0]


class Streams(unittest.TestCase):
    def test_a_gibibyte_of_random_data_up_and_another_down_at_once_arrive_unchanged(self):
        with SocketOrigin(both_ways) as origin, Tunnel(origin.address) as tunnel:
            with visit(tunnel.outside) as visitor:
                visitor_sent, visitor_received = both_ways(visitor)
            server_sent, server_received = poll(lambda: origin.results, "the origin server has finished")[0]
            self.assertEqual(server_received, (visitor_sent, TOTAL))
            self.assertEqual(visitor_received, (server_sent, TOTAL))
            for (line,) in tunnel.wait_visitors(1):
                self.assertEqual((line["up"], line["down"], line["end"]), (TOTAL, TOTAL, "closed"))

    def test_a_server_that_speaks_first_is_heard_at_once(self):
        banner = b"220 good evening\r\n"

        def greet(connection):
            connection.sendall(banner)
            return how_it_ends(connection)
        with SocketOrigin(greet) as origin, Tunnel(origin.address) as tunnel:
            began = time.monotonic()
            with visit(tunnel.outside) as visitor:
                self.assertEqual(receive(visitor, len(banner)), banner)
                self.assertLess(time.monotonic() - began, PROMPTLY)

    def test_a_byte_is_passed_on_at_once_also_behind_one_that_was_not_acknowledged_yet(self):
        """Two writes of one byte, then an answer of two: Nagle's algorithm on any of the four sockets would hold each
        second byte back until the receiver's delayed acknowledgement, 40 ms later."""
        def apart(connection):
            connection.sendall(b"1")
            time.sleep(0.0005)  # so that the relay gets them one by one; too short for an acknowledgement
            connection.sendall(b"2")

        def answer(connection):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while connection.recv(1):
                receive(connection, 1)
                apart(connection)
        with SocketOrigin(answer) as origin, Tunnel(origin.address) as tunnel, visit(tunnel.outside) as visitor:
            taken = []
            for _ in range(200):
                began = time.monotonic()
                apart(visitor)
                receive(visitor, 2)
                taken.append(time.monotonic() - began)
        self.assertLess(statistics.median(taken), 0.030)

    def test_a_visitor_that_has_finished_sending_gets_the_whole_answer(self):
        def answer_at_the_end(connection):
            received = receive_all(connection)
            return received, send_random(connection, 8 * BLOCK)
        with SocketOrigin(answer_at_the_end) as origin, Tunnel(origin.address) as tunnel:
            with visit(tunnel.outside) as visitor:
                asked = send_random(visitor, 2 * BLOCK)
                answered = receive_all(visitor)
            (received, answer), = poll(lambda: origin.results, "the origin server has finished")
            self.assertEqual(received, (asked, 2 * BLOCK))
            self.assertEqual(answered, (answer, 8 * BLOCK))

    def test_a_server_that_has_finished_sending_still_hears_the_visitor(self):
        def finish_first(connection):
            connection.shutdown(socket.SHUT_WR)
            return receive_all(connection)
        with SocketOrigin(finish_first) as origin, Tunnel(origin.address) as tunnel, visit(tunnel.outside) as visitor:
            self.assertEqual(visitor.recv(1), b"")
            sent = send_random(visitor, 2 * BLOCK)
            received, = poll(lambda: origin.results, "the origin server has finished")
            self.assertEqual(received, (sent, 2 * BLOCK))

    def test_memory_stays_bounded_and_others_are_served_while_100_visitors_do_not_read(self):
        """The origin server wants to send 100 MB to each; with whatever the kernel takes, it has to wait."""
        sent = [0] * VISITORS
        chunk = bytes(64 << 10)
        # Else those who come first take the machine's whole time, and the last are not let in within their time.
        all_are_there = threading.Barrier(VISITORS)

        def flood_or_echo(connection):
            kind = receive(connection, 1)
            if kind == b"e":
                return exchange_back(connection)
            number = receive(connection, 1)[0]
            all_are_there.wait(DEADLINE)
            try:
                while sent[number] < EACH:
                    sent[number] += connection.send(chunk)
            except OSError:
                return "cut"  # wanted: the visitors leave without reading
            return "sent it all"

        def exchange_back(connection):
            connection.sendall(receive(connection, 5))

        with SocketOrigin(flood_or_echo) as origin, Tunnel(origin.address) as tunnel:
            pids = tunnel.remote.pid, tunnel.origin.pid

            def memory():
                return sum(map(resident_kib, pids))
            before = memory()
            visitors = [visit(tunnel.outside) for _ in range(VISITORS)]
            try:
                for number, visitor in enumerate(visitors):
                    visitor.sendall(b"f" + bytes([number]))
                stuck_at = [0, time.monotonic()]

                def all_wait():
                    if sum(sent) != stuck_at[0]:
                        stuck_at[:] = sum(sent), time.monotonic()
                    return all(sent) and time.monotonic() - stuck_at[1] > 0.5
                poll(all_wait, "the origin server cannot send any more", 2 * DEADLINE, interval=0.05)
                self.assertLess(max(sent), EACH, "the origin server could send everything: nothing was held back")
                self.assertLess(memory() - before, 64 << 10, "KiB of both programs together")
                began = time.monotonic()
                with visit(tunnel.outside) as other:
                    other.sendall(b"e")
                    exchange(other, b"hello")
                self.assertLess(time.monotonic() - began, PROMPTLY)
            finally:
                for visitor in visitors:
                    visitor.close()
            tunnel.wait_visitors(VISITORS + 1)


if __name__ == "__main__":
    unittest.main()
