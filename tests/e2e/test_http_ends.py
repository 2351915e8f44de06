"""Ends in the wrong moment: what is whole arrives, and what goes on goes on."""

import signal
import socket
import struct
import threading
import time
import unittest

from faults import PROMPTLY, visit
from http_fronts import AtHttp, HttpServer, HttpVisitor, Reader, request, response
from origins import SocketOrigin
from support import HOST, binary, free_port, run, show_address

APP = "app.example.com"
MIB = 1 << 20


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class OfServers(AtHttp):
    def check_goes_on(self, answer):
        """A server that closes behind each answer, as it says in it."""
        self.open()
        self.serve(lambda asked, connection: connection.sendall(answer) or False)
        visitor = self.visitor()
        for _ in range(50):
            got = visitor.ask(APP)
            self.assertEqual(got.word, "here")
            self.assertEqual(got.all("connection"), [])
        visitor = self.visitor()
        visitor.say(request(APP) * 20)
        for _ in range(20):
            self.assertEqual(visitor.answer().word, "here")

    def test_connection_close_of_a_server_ends_its_own_connection_alone(self):
        self.check_goes_on(response("here", "200 OK", "Connection: close"))

    def test_an_answer_of_http_1_0_with_a_length_ends_its_own_connection_alone(self):
        self.check_goes_on(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nhere")

    def test_an_early_answer_is_whole_though_the_server_resets_the_rest_of_the_upload(self):
        self.open()

        def refuse(connection):
            reader = Reader(connection)
            reader.head()
            connection.sendall(response(b"x" * 1000, "413 Content Too Large"))
            time.sleep(0.1)
            reset(connection)
        server = self.enterContext(SocketOrigin(refuse))
        self.offering("A", ("app", server, "http://app"))
        for _ in range(10):
            with HttpVisitor(visit(self.http)) as visitor:
                visitor.say(request(APP, "/", "POST", "Content-Length: 100000") + b"y" * 50_000)
                time.sleep(0.3)  # it reads late, when all has happened
                answer = visitor.answer()
                self.assertEqual((answer.status, len(answer.body)), (413, 1000))


class OfVisitors(AtHttp):
    def test_a_head_that_has_begun_has_its_time_wherever_it_begins(self):
        """As the first, behind an answer of ours, and behind one of a server."""
        self.open()
        self.serve()
        visitors = [self.visitor() for _ in range(3)]
        self.assertEqual(visitors[1].ask("none.example.com").status, 404)
        self.assertEqual(visitors[2].ask(APP).word, "here")
        began = time.monotonic()
        for each in visitors:
            each.say("G")
        for each in visitors:
            each.connection.settimeout(20)
            self.assertEqual(each.answer().status, 408)
            self.assertTrue(each.is_at_end())
        self.assertLess(time.monotonic() - began, 15)

    def test_a_slow_reader_gets_the_whole_answer_while_the_remote_proxy_stops(self):
        self.open()
        self.serve(b"x" * MIB)
        slow = HttpVisitor(socket.socket())
        self.enterContext(slow)
        slow.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.connection.settimeout(20)
        slow.connection.connect(self.http)
        slow.say(request(APP))
        self.assertEqual(slow.reader.head().status, 200)
        time.sleep(2)  # all of it is in the kernel by then, and the visitor may have been handed back
        self.remote_program.send_signal(signal.SIGTERM)
        got = len(slow.reader.buffer)
        while got < MIB:
            piece = slow.connection.recv(65536)
            self.assertTrue(piece, f"the end after {got} bytes")
            got += len(piece)
            time.sleep(0.01)


class OfPrograms(AtHttp):
    def check_stops(self, *flags):
        """Visitors ask all the time over connections that they keep; none sees an answer that is cut off."""
        self.open()
        self.serve(flags=flags)
        broken, over = [], threading.Event()

        def ask(visitor):
            """Whether the connection goes on."""
            try:
                visitor.say(request(APP))
                visitor.reader.buffer += (first := visitor.connection.recv(100))
            except OSError:
                return False  # closed between two: a browser asks again elsewhere
            if not first:
                return False
            try:
                return visitor.answer().get("connection") != "close"
            except (OSError, AssertionError) as error:
                broken.append(repr(error))
                return False

        def keep_asking():
            with HttpVisitor(visit(self.http)) as visitor:
                while not over.is_set() and ask(visitor):
                    over.wait(0.02)
        threads = [threading.Thread(target=keep_asking, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        began = time.monotonic()
        self.remote_program.send_signal(signal.SIGTERM)
        try:
            self.remote_program.wait_exit(20, code=0)
        finally:
            over.set()
        self.assertLess(time.monotonic() - began, 5 * PROMPTLY)
        for thread in threads:
            thread.join(20)
        self.assertEqual(broken, [])

    def test_a_remote_proxy_that_stops_ends_kept_connections_between_two_requests(self):
        self.check_stops()

    def test_the_same_where_streams_are_not_shared(self):
        self.check_stops("--reuse=false")

    def test_a_drained_https_name_is_a_503_for_new_visitors_too(self):
        self.certificate(APP)
        self.open()
        self.serve(outside="https://app")
        self.assertEqual(self.secured_visitor(APP).ask(APP).word, "here")
        [service] = [each["name"] for each in self.api.get("/v1/services")["services"]]
        run([binary("remote-proxy"), "drain", "--management-addr", self.api.where, service])
        answer = self.secured_visitor(APP).ask(APP)
        self.assertEqual(answer.status, 503)
        self.assertTrue(answer.get("retry-after"))

    def test_an_address_of_its_own_has_rules_of_its_own_for_load_balancers(self):
        port = free_port()
        self.open(config=f'[services.app]\noutside = "http://{HOST}:{port}"\n'
                  'accept-proxy-from = ["127.0.0.0/8"]\n')
        server = self.enterContext(HttpServer("here"))
        self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files["A"],
                   "--service", f"app={show_address(server.address)}").wait_line("^ready ", stream="stdout")
        visitor = self.visitor((HOST, port))
        visitor.say(b"PROXY TCP4 198.51.100.7 203.0.113.9 4321 443\r\n" + request(APP))
        self.assertEqual(visitor.answer().word, "here")
        self.assertEqual(server.requests[-1].get("x-forwarded-for"), "198.51.100.7")

    def test_one_connection_cannot_fill_the_log(self):
        self.open()
        one, two = self.enterContext(HttpServer("one")), self.enterContext(HttpServer("two"))
        origin = self.offering("A", ("one", one, "http://one"), ("two", two, "http://two"))
        visitor = self.visitor()
        for _ in range(30):
            visitor.say((request("one.example.com") + request("two.example.com")) * 10)
            for _ in range(10):
                self.assertEqual(visitor.answer().word, "one")
                self.assertEqual(visitor.answer().word, "two")
        for program in (self.remote_program, origin):
            self.assertLess(len(program.lines), 200)


if __name__ == "__main__":
    unittest.main()
