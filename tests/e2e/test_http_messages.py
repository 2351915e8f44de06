"""Messages of every kind pass, at once and as they are; slow and hostile ones delay nobody."""

import contextlib
import hashlib
import os
import socket
import threading
import time
import unittest

from faults import PROMPTLY, visit
from http_fronts import AtHttp, HttpServer, HttpVisitor, request, response
from origins import SocketOrigin
from support import HOST, free_port, need, poll, run, show_address

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


class Kinds(AtHttp):
    def test_100_continue_comes_from_the_server_and_the_body_after_it(self):
        self.open()

        def serve(connection):
            for _ in range(2):
                said = b""
                while b"\r\n\r\n" not in said:
                    said += connection.recv(1000)
                head, _, rest = said.partition(b"\r\n\r\n")
                if rest or b"expect: 100-continue" not in head.lower():
                    return said
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = b""
                while len(body) < 5:
                    body += connection.recv(1000)
                connection.sendall(response(body))
            return b""
        server = self.enterContext(SocketOrigin(serve))
        self.offering("A", ("app", server, "http://app"))
        visitor = self.visitor()
        for _ in range(2):
            visitor.say(request("app.example.com", "/", "POST", "Expect: 100-continue", "Content-Length: 5"))
            self.assertEqual(visitor.answer(interim=True).status, 100)
            visitor.say(b"hello")
            self.assertEqual(visitor.answer().word, "hello")

    def test_a_final_answer_instead_of_100_continue_is_passed_on(self):
        self.open()

        def serve(connection):
            connection.recv(1000)
            connection.sendall(response("no", "417 Expectation Failed", "Connection: close"))
        server = self.enterContext(SocketOrigin(serve))
        self.offering("A", ("app", server, "http://app"))
        visitor = self.visitor()
        visitor.say(request("app.example.com", "/", "POST", "Expect: 100-continue", "Content-Length: 5"))
        self.assertEqual(visitor.answer().word, "no")

    def test_early_hints_come_before_the_answer(self):
        self.open()
        self.serve(lambda asked, connection: b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" * 2 + response("x"))
        visitor = self.visitor()
        for _ in range(2):
            visitor.say(request("app.example.com"))
            for _ in range(2):
                answer = visitor.answer(interim=True)
                self.assertEqual((answer.status, answer.get("link")), (103, "</a.css>"))
            self.assertEqual(visitor.answer().word, "x")

    def test_trailers_pass_in_both_directions(self):
        self.open()
        server = self.serve(lambda asked, connection: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum"
                            b"\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 7\r\n\r\n")
        visitor = self.visitor()
        visitor.say(request("app.example.com", "/", "POST", "Transfer-Encoding: chunked", "TE: trailers",
                            "Trailer: X-Up") + b"2\r\nup\r\n0\r\nX-Up: 9\r\n\r\n")
        answer = visitor.answer()
        self.assertEqual((answer.body, answer.trailers), (b"body", ["X-Sum: 7"]))
        self.assertEqual((server.requests[0].body, server.requests[0].trailers), (b"up", ["X-Up: 9"]))

    def test_answers_without_a_body_end_where_they_end(self):
        """A wrong guess about the end would lose or delay the next answer."""
        heads = {"/head": response("body of a GET"), "/204": b"HTTP/1.1 204 No Content\r\n\r\n",
                 "/304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: \"x\"\r\n\r\n",
                 "/empty": response(""), "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}

        def serve(asked, connection):
            answer = heads[asked.target]
            return answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if asked.method == "HEAD" else answer
        self.open()
        self.serve(serve)
        visitor = self.visitor()
        for _ in range(3):
            answer = visitor.ask("app.example.com", "/head", "HEAD")
            self.assertEqual((answer.status, answer.get("content-length"), answer.body), (200, "13", b""))
            self.assertEqual(visitor.ask("app.example.com", "/chunked", "HEAD").status, 200)
            for target, status in (("/204", 204), ("/304", 304), ("/empty", 200), ("/chunked", 200)):
                self.assertEqual(visitor.ask("app.example.com", target).status, status)
            self.assertEqual(visitor.ask("app.example.com", "/head").word, "body of a GET")
        self.assertEqual(visitor.ask("app.example.com", "/304").get("content-length"), "1000")

    def test_http_1_0_gets_whole_answers_and_goes_on_only_if_it_asks_for_it(self):
        self.open()
        server = self.serve()
        visitor = self.visitor()
        visitor.say(b"GET / HTTP/1.0\r\nHost: app.example.com\r\n\r\n")
        self.assertEqual(visitor.answer().word, "here")
        self.assertTrue(visitor.is_at_end())
        visitor = self.visitor()
        for _ in range(3):
            visitor.say(b"GET / HTTP/1.0\r\nHost: app.example.com\r\nConnection: Keep-Alive\r\n\r\n")
            answer = visitor.answer()
            self.assertEqual((answer.word, answer.get("connection").lower()), ("here", "keep-alive"))
        self.assertEqual(server.requests[0].get("x-forwarded-for"), HOST)

    def test_connection_close_of_either_side_is_heeded(self):
        self.open()
        self.serve(lambda asked, connection: response("here", "200 OK", *(["Connection: close"] if
                                                                          asked.target == "/close" else [])))
        visitor = self.visitor()
        for _ in range(3):  # of the server: its connection ends, and not the visitor's
            self.assertEqual(visitor.ask("app.example.com", "/close").word, "here")
        answer = visitor.ask("app.example.com", "/", "GET", "Connection: close")
        self.assertEqual((answer.word, answer.get("connection")), ("here", "close"))
        self.assertTrue(visitor.is_at_end())

    def test_large_heads_pass_in_both_directions(self):
        self.open()
        cookie = "c" * 20_000
        self.serve(lambda asked, connection: response(asked.get("cookie"), "200 OK", f"Set-Cookie: {cookie}"))
        visitor = self.visitor()
        for _ in range(3):
            answer = visitor.ask("app.example.com", "/" + "p" * 8000, "GET", f"Cookie: {cookie}")
            self.assertEqual((answer.word, answer.get("set-cookie")), (cookie, cookie))


class OtherClients(AtHttp):
    serial = True

    def test_ab_with_and_without_keep_alive_has_no_failed_request(self):
        port = free_port()
        self.open("--allow-ports", str(port))
        self.serve(outside=f"http://{HOST}:{port}")
        for words in (["-k"], []):
            said = run([need("ab"), "-q", "-n", "2000", "-c", "16", *words, f"http://{HOST}:{port}/"]).stdout
            self.assertRegex(said, r"Complete requests: +2000\n")
            self.assertRegex(said, r"Failed requests: +0\n")
            self.assertNotIn("Non-2xx", said)
            if words:
                self.assertRegex(said, r"Keep-Alive requests: +2000\n")

    def test_curl_uses_one_connection_for_several_names(self):
        self.open()
        self.serve()
        host, port = self.http
        said = run([need("curl"), "-sS", "--noproxy", "*", "-w", "%{num_connects} ", "--resolve",
                    f"app.example.com:{port}:{host}", *[f"http://app.example.com:{port}/{n}" for n in range(5)]]).stdout
        self.assertEqual(said, "here1 here0 here0 here0 here0 ")


class SlowAndHostile(AtHttp):
    serial = True
    timeout = 240

    def delays(self, count=30):
        """How long visitors wait for their answers, each over a connection of its own."""
        took = []
        for _ in range(count):
            began = time.monotonic()
            with HttpVisitor(visit(self.http)) as visitor:
                self.assertEqual(visitor.ask("app.example.com").word, "here")
            took.append(time.monotonic() - began)
        return sorted(took)

    def test_1000_slow_heads_delay_nobody_and_end_in_time(self):
        self.open()
        self.serve()
        slow = [visit(self.http) for _ in range(1000)]
        over = threading.Event()

        def drip():
            while not over.is_set():
                for each in slow:
                    try:
                        each.send(b"X")
                    except OSError:
                        pass
                over.wait(1)
        try:
            for each in slow:
                each.sendall(b"GET / HTTP/1.1\r\nHost: app.example.com\r\nX: ")
            thread = threading.Thread(target=drip, daemon=True)
            thread.start()
            took = self.delays()
            self.assertLess(took[len(took) // 2], PROMPTLY / 10)
            self.assertLess(took[-1], PROMPTLY)

            def ended():
                count = 0
                for each in slow:
                    each.setblocking(False)
                    try:
                        count += bool(each.recv(1000, socket.MSG_PEEK)) or 1
                    except BlockingIOError:
                        pass
                    except OSError:
                        count += 1
                return count == len(slow)
            poll(ended, "every slow one has its 408 or its end", 40, interval=0.5)
        finally:
            over.set()
            for each in slow:
                each.close()

    def test_silent_visitors_and_slow_readers_delay_nobody(self):
        self.open()
        self.serve(lambda asked, connection: response(b"x" * 3_000_000 if asked.target == "/big" else "here"))
        said = [request("app.example.com", "/big")] * 50 + [b""] * 500 + \
            [request("app.example.com", "/", "POST", "Content-Length: 1000") + b"x"] * 100
        with contextlib.ExitStack() as others:
            for each in said:
                others.enter_context(visit(self.http)).sendall(each)
            took = self.delays()
            self.assertLess(took[len(took) // 2], PROMPTLY / 10)
            self.assertLess(took[-1], PROMPTLY)

    def test_heads_of_random_bytes_harm_nobody(self):
        self.open()
        server = self.serve()
        for number in range(300):
            with visit(self.http) as raw:
                raw.settimeout(10)
                said = os.urandom(1 + number * 7)
                try:
                    raw.sendall(said if number % 2 else request("app.example.com") + said)
                    raw.shutdown(socket.SHUT_WR)
                    while raw.recv(1 << 16):
                        pass
                except ConnectionError:
                    pass
        self.assertTrue(all(each.method == "GET" and each.body == b"" for each in server.requests))
        self.assertLessEqual(len(server.requests), 150)
        self.assertLess(self.delays(5)[-1], PROMPTLY)

    def test_slowhttptest_leaves_the_service_available(self):
        program = need("slowhttptest")
        self.open(config='[services.any]\nkind = "http"\nhosts = ["*"]\n')
        server = self.enterContext(HttpServer("here"))
        self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files["A"],
                   "--service", f"any={show_address(server.address)}").wait_line("^ready ", stream="stdout")
        for mode in ("-H", "-B", "-X"):
            with self.subTest(mode):
                said = run([program, mode, "-c", "500", "-r", "200", "-i", "2", "-l", "8", "-p", "2", "-u",
                            f"http://{HOST}:{self.http[1]}/"], check=False).stdout
                self.assertRegex(said, r"service available:\S* +\S*YES")
                self.assertLess(self.delays(5)[-1], PROMPTLY)


if __name__ == "__main__":
    unittest.main()
