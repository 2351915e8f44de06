"""Strangers who make TLS handshakes long: what they hold, and that visitors do not notice."""

import contextlib
import os
import socket
import struct
import tempfile
import threading
import time
import unittest

from faults import SLOW, echo, exchange, resident_kib, visit
from origins import SocketOrigin
from support import Tunnel, binary, run

UNFINISHED = 400  # fewer than may be open at once
MOST_KIB = 70  # for each; docs/security.md says how much it is
VISITORS = 40
LONGEST = 5.0 if SLOW else 1.0  # seconds, for one visitor


def record(body):
    return b"\x16\x03\x01" + struct.pack(">H", len(body)) + body


def hello_of_size(announced, sent):
    """A ClientHello's header, and so many bytes of it in all."""
    return (b"\x01" + struct.pack(">I", announced)[1:] + b"\x03\x03" + os.urandom(sent))[:sent]


@contextlib.contextmanager
def tunnel_with_secret(origin_server):
    with tempfile.TemporaryDirectory() as folder:
        secret = os.path.join(folder, "secret")
        with open(secret, "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(run([binary("remote-proxy"), "gen-secret"]).stdout)
        flags = ["--secret-file", secret]
        with Tunnel(origin_server, remote_flags=flags, origin_flags=flags) as tunnel:
            yield tunnel


def pester(address, data, over):
    """Sends `data` on one connection after the other, each from the next of some addresses."""
    turn = 0
    while not over.is_set():
        turn += 1
        with contextlib.suppress(OSError), socket.socket() as stranger:
            stranger.settimeout(2)
            stranger.bind((f"127.0.{turn % 200 + 1}.7", 0))
            stranger.connect(address)
            stranger.sendall(data)
        time.sleep(0.05)


class TlsLimits(unittest.TestCase):
    timeout = 120
    serial = True
    trust = ()

    @unittest.skipIf(SLOW, "a sanitizer keeps what was freed")
    def test_an_unfinished_handshake_holds_as_little_as_is_documented(self):
        with SocketOrigin(echo) as origin, tunnel_with_secret(origin.address) as tunnel:
            pid = tunnel.remote.pid
            before = most = resident_kib(pid)
            largest = record(hello_of_size(16 * 1024 - 4, 16 * 1024 - 1))  # its last byte does not come
            strangers = [socket.create_connection(tunnel.control) for _ in range(UNFINISHED)]
            try:
                for stranger in strangers:
                    stranger.sendall(largest)
                until = time.monotonic() + 3
                while time.monotonic() < until:
                    most = max(most, resident_kib(pid))
                    time.sleep(0.05)
            finally:
                for stranger in strangers:
                    stranger.close()
            each = (most - before) / UNFINISHED
            print(f"{each:.1f} KiB for each handshake that is not finished", flush=True)
            self.assertGreater(each, 20, "they were all there at once")
            self.assertLess(each, MOST_KIB)

    def test_hellos_in_tiny_records_and_of_any_length_delay_no_visitor(self):
        long = hello_of_size(130_816, 100_000)
        hellos = {
            "in records of a byte": b"".join(record(long[i:i + 1]) for i in range(0, len(long))),
            "in records of ten bytes": b"".join(record(long[i:i + 10]) for i in range(0, len(long), 10)),
            "behind records of other kinds": b"\x14\x03\x03\0\1\1" * 50_000,
            "in empty records": record(b"") * 50_000,
        }
        with SocketOrigin(echo) as origin, tunnel_with_secret(origin.address) as tunnel:
            for name, data in hellos.items():
                with self.subTest(name):
                    over = threading.Event()
                    stranger = threading.Thread(target=pester, args=(tunnel.control, data, over), daemon=True)
                    stranger.start()
                    try:
                        for _ in range(VISITORS):
                            began = time.monotonic()
                            with visit(tunnel.outside) as visitor:
                                exchange(visitor)
                            self.assertLess(time.monotonic() - began, LONGEST)
                            time.sleep(0.02)
                    finally:
                        over.set()
                        stranger.join()


if __name__ == "__main__":
    unittest.main()
