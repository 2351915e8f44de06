"""Bodies pass as they are, whatever their size, and at once."""

import collections
import hashlib
import os
import socket
import threading
import time
import unittest

from faults import PROMPTLY, visit
from http_fronts import AtHttp, HttpServer, HttpVisitor, request, response
from origins import SocketOrigin
from support import HOST, free_port

MIB = 1 << 20
BIG = 300 * MIB
PIECE = os.urandom(MIB)


def digest_of(count):
    """The hash of so many pieces."""
    whole = hashlib.sha256()
    for _ in range(count):
        whole.update(PIECE)
    return whole.hexdigest()


class AtOnce(AtHttp):
    """What a server writes arrives though its answer goes on."""

    def streaming(self, first, outside="http://app"):
        """A server that sends a piece each time the test lets it."""
        self.open()
        self.wanted = threading.Semaphore(0)

        def stream(asked, connection):
            connection.sendall(first)
            for number in range(10):
                self.wanted.acquire()  # pylint: disable=consider-using-with
                piece = b"data: %d\n\n" % number
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if b"chunked" in first else piece)
            if b"chunked" in first:
                connection.sendall(b"0\r\n\r\n")
                return None
            return False
        self.serve(stream, outside)

    def check_pieces(self, visitor, framed):
        visitor.say(request("app.example.com", "/events", "GET", "Accept: text/event-stream"))
        self.assertEqual(visitor.reader.head().status, 200)  # before there is any event
        for number in range(10):
            piece = b"data: %d\n\n" % number
            wanted = b"%x\r\n%s\r\n" % (len(piece), piece) if framed else piece
            began = time.monotonic()
            self.wanted.release()
            self.assertEqual(visitor.reader.take(len(wanted)), wanted)
            self.assertLess(time.monotonic() - began, PROMPTLY)

    def test_events_in_chunks_arrive_one_by_one_and_the_connection_goes_on(self):
        self.streaming(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        visitor = self.visitor()
        for _ in range(2):
            self.check_pieces(visitor, True)
            self.assertEqual(visitor.reader.take(5), b"0\r\n\r\n")

    def test_events_until_the_end_of_the_stream_arrive_one_by_one(self):
        self.streaming(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        visitor = self.visitor()
        self.check_pieces(visitor, False)
        self.assertTrue(visitor.is_at_end())

    def test_events_over_https_arrive_one_by_one(self):
        self.certificate("app.example.com")
        self.streaming(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "https://app")
        self.check_pieces(self.secured_visitor("app.example.com"), True)

    def test_an_answer_that_is_long_in_coming_is_not_cut_off(self):
        """Long polling, beyond every wait for a head."""
        self.open("--pairing-timeout", "1s")
        self.serve(lambda asked, connection: time.sleep(13) or response("at last"))
        self.assertEqual(self.visitor().ask("app.example.com").word, "at last")

    def test_a_silence_between_two_requests_ends_no_visitor(self):
        """By then the connection to the server may be with somebody else."""
        self.open()
        self.serve()
        visitor = self.visitor()
        for pause in (0, 0.5, 2, 3):
            time.sleep(pause)
            self.assertEqual(visitor.ask("app.example.com").word, "here")

    def test_a_body_in_pieces_reaches_the_server_piece_by_piece(self):
        self.open()
        arrived = threading.Event()

        def raw(connection):
            said = b""
            while b"first" not in said:
                said += connection.recv(1000)
            arrived.set()
            while not said.endswith(b"0\r\n\r\n"):
                said += connection.recv(1000)
            connection.sendall(response("thanks"))
            connection.recv(1)
        server = self.enterContext(SocketOrigin(raw))
        self.offering("A", ("app", server, "http://app"))
        visitor = self.visitor()
        visitor.say(request("app.example.com", "/", "POST", "Transfer-Encoding: chunked") + b"5\r\nfirst\r\n")
        self.assertTrue(arrived.wait(10))
        visitor.say(b"6\r\nsecond\r\n0\r\n\r\n")
        self.assertEqual(visitor.answer().word, "thanks")


class Latency(AtHttp):
    serial = True

    def test_an_event_is_within_a_millisecond_of_a_plain_port(self):
        """The server echoes a line as an event; both ways are asked in turn, so that a busy machine slows both."""
        by_http, plain = free_port(), free_port()
        self.open("--allow-ports", f"{by_http},{plain}")
        wanted = collections.defaultdict(lambda: threading.Semaphore(0))

        def stream(asked, connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(200):
                wanted[asked.target].acquire()
                connection.sendall(b"10\r\n%016d\r\n" % time.monotonic_ns())
            return b"0\r\n\r\n"
        servers = {"http": self.enterContext(HttpServer(stream)), "plain": self.enterContext(HttpServer(stream))}
        self.offering("A", ("http", servers["http"], f"http://{HOST}:{by_http}"),
                      ("plain", servers["plain"], f"{HOST}:{plain}"))

        def took(visitor, target):
            wanted[target].release()
            sent = int(visitor.reader.take(22)[4:20])
            return time.monotonic_ns() - sent
        medians = {}
        for turn in range(5):
            for name, port in (("http", by_http), ("plain", plain)):
                with HttpVisitor(visit((HOST, port))) as visitor:
                    target = f"/{name}/{turn}"
                    visitor.say(request("app.example.com", target))
                    visitor.reader.head()
                    median = sorted(took(visitor, target) for _ in range(200))[100]
                    medians[name] = min(median, medians.get(name, median))
        self.assertLess(medians["http"], medians["plain"] + 1_000_000, medians)


class Bodies(AtHttp):
    timeout = 300

    def answer(self, asked, connection):
        if asked.target == "/chunked":
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(BIG // MIB):
                connection.sendall(b"%x\r\n%s\r\n" % (MIB, PIECE))
            return b"0\r\n\r\n"
        end = asked.target == "/end"
        connection.sendall(b"HTTP/1.1 200 OK\r\n%s\r\n" % (b"" if end else b"Content-Length: %d\r\n" % BIG))
        for _ in range(BIG // MIB):
            connection.sendall(PIECE)
        return not end and None

    def check_download(self, visitor, target):
        visitor.say(request("app.example.com", target))
        head = visitor.reader.head()
        whole, got = hashlib.sha256(), 0
        if target == "/chunked":
            while size := int(visitor.reader.line(), 16):
                whole.update(visitor.reader.take(size))
                got += size
                visitor.reader.take(2)
            visitor.reader.take(2)
        else:
            whole.update(visitor.reader.buffer)
            got, visitor.reader.buffer = len(visitor.reader.buffer), b""
            while got < BIG:
                piece = visitor.connection.recv(MIB)
                self.assertTrue(piece, f"the end after {got} bytes")
                whole.update(piece)
                got += len(piece)
        self.assertEqual((head.status, got, whole.hexdigest()), (200, BIG, digest_of(BIG // MIB)))

    def test_downloads_of_300_MiB_are_whole(self):
        self.open()
        self.serve(self.answer)
        visitor = self.visitor()
        for target in ("/length", "/chunked", "/length", "/end"):
            with self.subTest(target):
                self.check_download(visitor, target)

    def test_downloads_over_https_are_whole(self):
        self.certificate("app.example.com")
        self.open()
        self.serve(self.answer, "https://app")
        visitor = self.secured_visitor("app.example.com")
        self.check_download(visitor, "/length")
        self.check_download(visitor, "/chunked")

    def uploaded(self, connection):
        """Reads a request itself, since its body is large."""
        said = b""
        while b"\r\n\r\n" not in said:
            said += connection.recv(MIB)
        head, _, rest = said.partition(b"\r\n\r\n")
        whole, got = hashlib.sha256(), 0
        if b"chunked" in head:
            while True:
                while b"\r\n" not in rest:
                    rest += connection.recv(MIB)
                line, _, rest = rest.partition(b"\r\n")
                size = int(line, 16)
                while len(rest) < size + 2:
                    rest += connection.recv(MIB)
                whole.update(rest[:size])
                got += size
                rest = rest[size + 2:]
                if size == 0:
                    break
        else:
            while True:
                whole.update(rest)
                got += len(rest)
                if got == BIG:
                    break
                rest = connection.recv(MIB)
                if not rest:
                    break
        connection.sendall(response(f"{got} {whole.hexdigest()}"))
        connection.recv(1)

    def test_uploads_of_300_MiB_are_whole(self):
        self.open()
        server = self.enterContext(SocketOrigin(self.uploaded))
        self.offering("A", ("app", server, "http://app"))
        wanted = f"{BIG} {digest_of(BIG // MIB)}"
        visitor = self.visitor()
        visitor.say(request("app.example.com", "/", "PUT", f"Content-Length: {BIG}"))
        for _ in range(BIG // MIB):
            visitor.say(PIECE)
        self.assertEqual(visitor.answer().word, wanted)
        visitor = self.visitor()
        visitor.say(request("app.example.com", "/", "PUT", "Transfer-Encoding: chunked"))
        for _ in range(BIG // MIB):
            visitor.say(b"%x\r\n%s\r\n" % (MIB, PIECE))
        visitor.say(b"0\r\n\r\n")
        self.assertEqual(visitor.answer().word, wanted)

    def test_a_server_that_answers_before_the_body_is_there_is_heard(self):
        self.open()

        def refuse(connection):
            said = b""
            while b"\r\n\r\n" not in said:
                said += connection.recv(1000)
            connection.sendall(response("too large", "413 Content Too Large", "Connection: close"))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(MIB):
                pass
        server = self.enterContext(SocketOrigin(refuse))
        self.offering("A", ("app", server, "http://app"))
        visitor = self.visitor()
        visitor.say(request("app.example.com", "/", "POST", "Content-Length: 1000000000") + PIECE)
        answer = visitor.answer()
        self.assertEqual((answer.status, answer.word), (413, "too large"))


if __name__ == "__main__":
    unittest.main()
