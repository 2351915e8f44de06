"""Requests on whose end two readers might disagree: each is refused and the connection closed, or passed on as one."""

import socket
import threading
import time
import unittest

from faults import visit
from http_fronts import AtHttp, HttpServer, HttpVisitor, Reader, request, response
from origins import SocketOrigin
from smuggling import BODIES, PASSED_ON, REFUSED, SECRET, get, post


class Said:
    """Bytes of a file, to be read as those of a connection."""

    def __init__(self, said):
        self._said = said

    def recv(self, _):
        said, self._said = self._said, b""
        return said


def answers_to(address, said, ends=True):
    """All that a visitor gets who says this and then ends: the answers, and whether a reset came instead of the end."""
    with visit(address) as connection:
        connection.settimeout(15)
        reset, got = False, b""
        try:
            connection.sendall(said)
            if ends:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(1 << 16):
                got += piece
        except (ConnectionResetError, BrokenPipeError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise AssertionError(f"the connection stays open after {got!r}") from None
            reset = True
    reader, found = Reader(Said(got)), []
    while reader.buffer or not found:
        try:
            found.append(reader.answer())
        except AssertionError:
            break
    return found, reset, got


class Refused(AtHttp):
    def setUp(self):
        super().setUp()
        self.open()
        self.server = self.serve()

    def check_refused(self, name, said, status, at=None):
        before = len(self.server.requests)
        answers, _, got = answers_to(at or self.http, said, ends=False)
        self.assertEqual(len(answers), 1, f"{name}: {got!r}")
        self.assertIn(answers[0].status, status if isinstance(status, tuple) else (status,), name)
        self.assertEqual(answers[0].get("connection"), "close", name)
        self.assertEqual(len(self.server.requests), before, f"{name}: {self.server.requests[before:]}")

    def test_the_corpus_has_at_least_a_hundred_cases(self):
        self.assertGreaterEqual(len(REFUSED) + len(BODIES) + len(PASSED_ON), 100)

    def test_heads_that_two_readers_may_read_differently_are_refused_and_the_connection_is_closed(self):
        for name, said, status in REFUSED:
            with self.subTest(name):
                self.check_refused(name, said, status)

    def test_the_same_behind_a_request_that_is_right(self):
        """On a connection that is already passed to the service, and whose next head is read elsewhere."""
        first = request("app.example.com", "/first")
        for name, said, status in REFUSED:
            with self.subTest(name):
                before = len(self.server.requests)
                with HttpVisitor(visit(self.http)) as visitor:
                    visitor.say(first)
                    self.assertEqual(visitor.answer().word, "here")
                    visitor.say(said)
                    answer = visitor.answer()
                    self.assertIn(answer.status, status if isinstance(status, tuple) else (status,))
                    self.assertEqual(answer.get("connection"), "close")
                    self.assertTrue(visitor.is_at_end())
                self.assertEqual(self.server.targets[before:], ["/first"])

    def test_the_same_in_one_write_with_a_request_in_front_and_one_behind(self):
        first, last = request("app.example.com", "/first"), request("app.example.com", "/last")
        for name, said, status in REFUSED:
            with self.subTest(name):
                before = len(self.server.requests)
                answers, reset, got = answers_to(self.http, first + said + last, ends=False)
                self.assertLessEqual(len(answers), 2, got)
                if not reset:
                    self.assertEqual([each.status for each in answers][:1], [200])
                    self.assertIn(answers[-1].status, status if isinstance(status, tuple) else (status,))
                self.assertEqual(self.server.targets[before:], ["/first"])

    def test_the_same_byte_by_byte(self):
        for name, said, status in REFUSED:
            with self.subTest(name), HttpVisitor(visit(self.http)) as visitor:
                before = len(self.server.requests)
                try:
                    for byte in said[:300]:
                        visitor.say(bytes([byte]))
                except OSError:
                    pass  # refused at once, before the rest
                try:
                    answer = visitor.answer()
                except ConnectionResetError:
                    continue
                self.assertIn(answer.status, status if isinstance(status, tuple) else (status,))
                self.assertEqual(len(self.server.requests), before)


class Bodies(AtHttp):
    def test_a_body_that_is_wrong_never_reaches_the_server_as_a_whole_message(self):
        whole = []

        def record(connection):
            reader = Reader(connection)
            try:
                while (asked := reader.request()) is not None:
                    whole.append(asked)
                    connection.sendall(response("here"))
            except (AssertionError, ValueError, OSError):
                return reader.buffer
            return b""
        self.open()
        server = self.enterContext(SocketOrigin(record))
        self.offering("A", ("app", server, "http://app"))
        for name, said, status in BODIES:
            with self.subTest(name):
                answers, reset, got = answers_to(self.http, said, ends=False)
                self.assertTrue(reset or [each.status for each in answers] == [status], got)
                self.assertEqual(whole, [])
                whole.clear()
        for rest in server.results:
            self.assertNotIn(b"/smuggled", rest or b"")


class PassedOn(AtHttp):
    def test_what_is_right_reaches_the_server_as_exactly_one_message_of_the_same_content(self):
        self.open()
        server = self.serve()
        for name, said, _ in PASSED_ON:
            with self.subTest(name):
                before = len(server.requests)
                answers, reset, got = answers_to(self.http, said)
                self.assertFalse(reset)
                self.assertEqual([each.status for each in answers], [200], got)
                self.assertEqual(len(server.requests), before + 1)
                seen = server.requests[-1]
                sent = Reader(Said(said.lstrip(b"\r\n"))).request()
                self.assertEqual((seen.method, seen.body, seen.trailers), (sent.method, sent.body, sent.trailers))
                self.assertEqual(seen.raw.partition(b"\r\n\r\n")[2], sent.raw.partition(b"\r\n\r\n")[2])
                for field in ("content-length", "transfer-encoding", "x"):
                    self.assertEqual(seen.all(field), sent.all(field), field)
                self.assertEqual(seen.all("host"), ["app.example.com"])
                for field in ("http2-settings", "x-secret", "x_forwarded_for"):
                    self.assertEqual(seen.all(field), [], field)

    def test_h2c_is_not_offered_to_the_server_and_a_body_is_never_taken_for_the_other_protocol(self):
        self.open()
        server = self.serve()
        said = get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n") + SECRET
        answers, _, got = answers_to(self.http, said)
        self.assertEqual([each.status for each in answers], [200, 200], got)
        self.assertEqual(server.targets, ["/", "/smuggled"])
        self.assertEqual(server.requests[0].all("upgrade"), [])

    def test_an_upgrade_that_the_server_does_not_take_is_a_request_like_any_other(self):
        """What follows it is a request of its own, routed by its own Host, and no bytes of a tunnel."""
        self.open()
        app, other = self.enterContext(HttpServer("app")), self.enterContext(HttpServer("other"))
        self.offering("A", ("app", app, "http://app"), ("other", other, "http://other"))
        said = get(b"Connection: Upgrade\r\nUpgrade: websocket\r\n") + request("other.example.com", "/next")
        answers, _, got = answers_to(self.http, said)
        self.assertEqual([each.word for each in answers], ["app", "other"], got)
        self.assertEqual((app.targets, other.targets), (["/"], ["/next"]))

    def test_two_requests_in_one_write_are_two_and_not_one(self):
        self.open()
        server = self.serve(lambda asked, connection: response(asked.target))
        said = post(b"Content-Length: 0\r\n") + SECRET
        answers, _, got = answers_to(self.http, said)
        self.assertEqual([each.word for each in answers], ["/", "/smuggled"], got)
        self.assertEqual(server.targets, ["/", "/smuggled"])


class Answers(AtHttp):
    """Of servers, read as strictly."""

    WRONG = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: 1\rY: 2\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"hello, this is no HTTP\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    ]

    def test_an_answer_that_two_readers_may_read_differently_is_a_502(self):
        self.open()
        now = [b""]
        self.serve(lambda asked, connection: connection.sendall(now[0]) or False)
        for wrong in self.WRONG:
            with self.subTest(wrong[:80]):
                now[0] = wrong
                answers, _, got = answers_to(self.http, get())
                self.assertEqual([each.status for each in answers], [502], got[:500])
                self.assertNotIn(b"hello", got)

    def test_a_second_answer_to_one_request_reaches_nobody(self):
        self.open()
        server = self.serve(lambda asked, connection: response("first") + response("second"))
        for _ in range(10):
            with HttpVisitor(visit(self.http)) as visitor:
                for _ in range(3):
                    self.assertEqual(visitor.ask("app.example.com").word, "first")
        self.assertGreater(server.connections, 1)

    def check_nobody_else_gets_it(self, behind, ask, later=False):
        """A server says more than its answer to some requests; then innocent visitors come at once."""
        def answer(asked, connection):
            if asked.target != "/bad":
                return response(f"good {asked.target}")
            if not later:
                return behind
            head, _, rest = behind.partition(b"\r\n\r\n")
            connection.sendall(head + b"\r\n\r\n")
            return rest
        self.open()
        self.serve(answer)
        self.serve("other", "http://other", "other", flags=["--name", "second"])
        for number in range(60):
            with HttpVisitor(visit(self.http)) as visitor:
                visitor.say(ask)
                visitor.reader.head()
            for step in range(2):
                with HttpVisitor(visit(self.http)) as innocent:
                    target = f"/{number}/{step}"
                    self.assertEqual(innocent.ask("app.example.com", target).word, f"good {target}")

    def test_what_stands_behind_an_answer_reaches_no_other_visitor(self):
        poison = response("poison")
        self.check_nobody_else_gets_it(response("bad") + poison, request("app.example.com", "/bad"))

    def test_a_body_behind_the_answer_to_head_reaches_no_other_visitor(self):
        self.check_nobody_else_gets_it(response(response("poison")), request("app.example.com", "/bad", "HEAD"))

    def test_the_same_for_a_visitor_who_closes(self):
        self.check_nobody_else_gets_it(response(response("poison")),
                                       request("app.example.com", "/bad", "HEAD", "Connection: close"))

    def test_the_same_for_a_visitor_of_http_1_0(self):
        self.check_nobody_else_gets_it(response("bad") + response("poison"),
                                       b"GET /bad HTTP/1.0\r\nHost: app.example.com\r\n\r\n")

    def test_the_same_in_front_of_a_request_for_another_name(self):
        self.check_nobody_else_gets_it(response(response("poison")), request("app.example.com", "/bad", "HEAD") +
                                       request("other.example.com", "/next"))

    def test_the_same_where_the_head_comes_first(self):
        self.check_nobody_else_gets_it(response(response("poison")),
                                       request("app.example.com", "/bad", "HEAD", "Connection: close"), later=True)

    def test_a_body_behind_304_reaches_no_other_visitor(self):
        self.check_nobody_else_gets_it(response(response("poison"), "304 Not Modified"),
                                       request("app.example.com", "/bad"))

    def test_a_server_that_speaks_while_the_next_head_is_coming_costs_no_byte_of_it(self):
        """As servers do that say 408 before they close a connection that was idle for long."""
        def serve(connection):
            reader = Reader(connection)
            while (asked := reader.request()) is not None:
                connection.sendall(response(f"good {asked.target}"))
                if asked.target == "/first":
                    said.wait(10)
                    connection.sendall(response("late", "408 Request Timeout", "Connection: close"))
                    return asked
            return None
        said = threading.Event()
        self.open()
        server = self.enterContext(SocketOrigin(serve))
        self.offering("A", ("app", server, "http://app"))
        for first, rest in ((b"POST /a HTTP/1.1\r\nX: ",
                             b"GET /smuggled HTTP/1.1\r\nHost: app.example.com\r\nContent-Length: 0\r\n\r\n"),
                            (b"GET /b HTT", b"P/1.1\r\nHost: app.example.com\r\n\r\n")) * 10:
            said.clear()
            with HttpVisitor(visit(self.http)) as visitor:
                self.assertEqual(visitor.ask("app.example.com", "/first").word, "good /first")
                visitor.say(first)
                time.sleep(0.1)  # so that it is there before the server speaks
                said.set()
                time.sleep(0.1)
                visitor.say(rest)
                self.assertIn(visitor.answer().word, ("good /a", "good /b"))

    def test_bytes_of_a_server_that_nobody_asked_reach_nobody(self):
        self.open()

        def speak_first(connection):
            connection.sendall(response("nobody asked"))
            connection.recv(1000)
        server = self.enterContext(SocketOrigin(speak_first))
        self.offering("A", ("app", server, "http://app"))
        # An answer that was there before its request cannot be told from one that was quick; but there is one.
        answers, _, got = answers_to(self.http, get())
        self.assertEqual(len(answers), 1, got)


if __name__ == "__main__":
    unittest.main()
