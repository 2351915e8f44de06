"""Urgent data (MSG_OOB), as telnet, rlogin, FTP and older databases send it: every byte arrives in its place, or the stream
is reset; it never ends in order before its last byte."""

import os
import socket
import tempfile
import threading
import unittest

from faults import receive, visit
from origins import SocketOrigin
from support import DEADLINE, HOST, Tunnel

MIB = 1 << 20
# What is sent, a stream in pieces; those in a tuple are urgent, which marks their last byte.
STREAMS = {
    "in the middle of a large stream": [b"a" * 3 * MIB, (b"!",), b"b" * 3 * MIB],
    "first": [(b"!",), b"b" * 3 * MIB],
    "last": [b"a" * 3 * MIB, (b"!",)],
    "alone": [(b"!",)],
    "several in a row": [b"a" * MIB, (b"1",), (b"2",), (b"3",), (b"urgent words",), b"b" * MIB],
    "before and behind the size of a buffer": [b"a" * 65535, (b"1",), b"b", (b"2",), b"c" * 65535, (b"3",), b"d" * MIB],
    "within the first bytes": [b"\r", (b"\n",), b"\r", (b"\n",), b"and now something else", (b"!",), b"b" * MIB],
    "behind a small piece, and then a little": [b"login: ", (b"\xf2",), b"ls\n"],
}


def send(connection, pieces):
    for piece in pieces:
        if isinstance(piece, tuple):
            connection.send(piece[0], socket.MSG_OOB)
        else:
            connection.sendall(piece)


def whole(pieces):
    return b"".join(piece[0] if isinstance(piece, tuple) else piece for piece in pieces)


def receive_all(connection):
    parts = []
    while part := connection.recv(MIB):
        parts.append(part)
    return b"".join(parts)


class Cable:
    """A way to `target` on which every piece ends with an urgent byte, as somebody in between could make it."""

    def __init__(self, target):
        self._target, self._listener = target, socket.create_server((HOST, 0), backlog=128)
        self.address = self._listener.getsockname()

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            for ends in ((near, far), (far, near)):
                ends[0].setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
                threading.Thread(target=self._pass, args=ends, daemon=True).start()

    @staticmethod
    def _pass(source, target):
        try:
            while piece := source.recv(1 << 16):
                while piece:
                    piece = piece[target.send(piece, socket.MSG_OOB):]
            target.shutdown(socket.SHUT_WR)
        except OSError:
            target.close()


class UrgentData(unittest.TestCase):
    timeout = 300

    def check(self, tunnel, serve_with, sends=visit):
        """Every stream, up and down, that ends and that stays open until all has arrived."""
        for name, pieces in STREAMS.items():
            expected = whole(pieces)
            for way in ("up", "down"):
                for stays_open in (False, True):
                    with self.subTest(name, way=way, stays_open=stays_open):
                        self.one(tunnel, serve_with, pieces, expected, way, stays_open)

    def one(self, tunnel, serve_with, pieces, expected, way, stays_open):
        result, done = [], threading.Event()

        def talk(connection, is_sender):
            if is_sender:
                send(connection, pieces)
                if not stays_open:
                    connection.shutdown(socket.SHUT_WR)
                done.wait(DEADLINE)
            else:
                try:
                    result.append(receive(connection, len(expected)) if stays_open else receive_all(connection))
                finally:
                    done.set()
        serve_with[0] = lambda connection: talk(connection, way == "down")
        with visit(tunnel.outside) as visitor:
            talk(visitor, way == "up")
        self.assertTrue(done.wait(DEADLINE))
        self.assertEqual([(len(each), each == expected) for each in result], [(len(expected), True)])

    def served(self, origin_flags=(), remote_flags=(), cable=False):
        serve_with = [None]

        def serve(connection):
            serve_with[0](connection)
        with SocketOrigin(serve) as origin:
            tunnel = Tunnel(origin.address, remote_flags=remote_flags, origin_flags=origin_flags, start=not cable)
            with tunnel:
                if not cable:
                    self.check(tunnel, serve_with)
                    return
                tunnel.start_remote()
                with Cable(tunnel.control) as between:
                    tunnel.start_origin(remote_proxy=between.address)
                    self.check(tunnel, serve_with)

    def test_urgent_bytes_stay_in_their_place_wherever_they_stand_in_a_stream(self):
        self.served()

    def test_urgent_bytes_stay_in_their_place_under_a_limit_and_beside_a_check_of_the_first_bytes(self):
        self.served(remote_flags=["--max-bandwidth-down", "200MB/s", "--max-bandwidth-up", "200MB/s",
                                  "--foreign-proxy-header", "reset"])

    def test_bytes_that_are_made_urgent_between_the_proxies_change_nothing(self):
        self.served(cable=True)

    def test_urgent_bytes_stay_in_their_place_to_and_from_a_unix_socket(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = os.path.join(folder, "app.sock")
        listener = socket.socket(socket.AF_UNIX)
        self.enterContext(listener)
        listener.bind(path)
        listener.listen(16)
        pair = socket.socketpair()
        try:
            pair[0].send(b"!", socket.MSG_OOB)
        except OSError:
            self.skipTest("this kernel has no urgent data on Unix sockets")
        serve_with = [None]

        def accept():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=self.serve_one, args=(connection, serve_with), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        with Tunnel(f"unix:{path}") as tunnel:
            self.check(tunnel, serve_with)

    @staticmethod
    def serve_one(connection, serve_with):
        with connection:
            serve_with[0](connection)
