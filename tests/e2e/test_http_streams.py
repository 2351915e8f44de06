"""Connections to the origin server that serve one request after the other."""

import concurrent.futures
import socket
import unittest

from http_fronts import AtHttp, HttpVisitor, request, response
from origins import HttpOrigin, SocketOrigin


class Streams(AtHttp):
    """How connections to the origin server are used again."""

    def test_visitors_who_come_one_after_the_other_share_a_connection_to_the_server(self):
        self.open()
        server = self.serve()
        for _ in range(30):
            with HttpVisitor(socket.create_connection(self.http, 20)) as visitor:
                self.assertEqual(visitor.ask("app.example.com").word, "here")
        self.assertLess(server.connections, 10)

    def test_with_reuse_off_each_visitor_has_a_connection_of_its_own(self):
        self.open()
        server = self.serve(flags=["--reuse=false"])
        for _ in range(10):
            with HttpVisitor(socket.create_connection(self.http, 20)) as visitor:
                for _ in range(2):
                    self.assertEqual(visitor.ask("app.example.com").word, "here")
        self.assertEqual(server.connections, 10)
        for number in range(1, 11):
            self.assertEqual(sum(each.connection == number for each in server.requests), 2)

    def test_with_a_proxy_header_to_the_server_no_connection_is_shared(self):
        self.open()
        heads = []

        def serve(connection):
            said = b""
            while b"\r\n\r\n" not in said:
                said += connection.recv(1000)
            heads.append(said)
            connection.sendall(response("here"))
            connection.recv(1)
        server = self.enterContext(SocketOrigin(serve))
        self.offering("A", ("app", server, "http://app"), flags=["--proxy-protocol", "v1"])
        ports = set()
        for _ in range(5):
            visitor = self.visitor()
            ports.add(visitor.connection.getsockname()[1])
            self.assertEqual(visitor.ask("app.example.com").word, "here")
            visitor.connection.close()
        self.assertEqual({int(head.split(b" ")[4]) for head in heads}, ports)

    def test_an_answer_with_ntlm_keeps_its_connection_for_its_visitor(self):
        self.open()

        def negotiate(asked, connection):
            return response("no", "401 Unauthorized", "WWW-Authenticate: NTLM") if asked.target == "/login" \
                else response("in")
        server = self.serve(negotiate)
        visitor = self.visitor()
        self.assertEqual(visitor.ask("app.example.com", "/login").status, 401)
        self.assertEqual(visitor.ask("app.example.com", "/mine").word, "in")
        visitor.connection.close()
        for number in range(5):
            other = self.visitor()
            self.assertEqual(other.ask("app.example.com", f"/other/{number}").word, "in")
            other.connection.close()
        mine = {each.connection for each in server.requests if each.target in ("/login", "/mine")}
        others = {each.connection for each in server.requests if each.target.startswith("/other")}
        self.assertEqual(len(mine), 1)
        self.assertFalse(mine & others)

    def test_a_body_that_a_server_does_not_read_is_no_request_of_another_visitor(self):
        """Python's own server leaves the body of a GET where it is, and then takes it for the next request."""
        self.open()
        server = self.enterContext(HttpOrigin({"good": b"good", "evil": b"evil"}))
        self.offering("A", ("app", server, "http://app"))
        smuggled = request("app.example.com", "/evil")
        for _ in range(30):
            with HttpVisitor(socket.create_connection(self.http, 20)) as visitor:
                visitor.say(request("app.example.com", "/good", "GET", body=smuggled))
                self.assertEqual(visitor.answer().word, "good")
            for _ in range(3):
                with HttpVisitor(socket.create_connection(self.http, 20)) as innocent:
                    self.assertEqual(innocent.ask("app.example.com", "/good").word, "good")

    def test_no_answer_ever_reaches_another_visitor(self):
        """Many visitors at once, with some that go before their answer is there."""
        self.open()
        self.serve(lambda asked, connection: response(asked.target))

        def come(number):
            for turn in range(20):
                with HttpVisitor(socket.create_connection(self.http, 20)) as visitor:
                    for step in range(3):
                        target = f"/{number}/{turn}/{step}"
                        if (number + turn + step) % 7 == 0:
                            visitor.say(request("app.example.com", target))
                            break
                        if visitor.ask("app.example.com", target).word != target:
                            return False
            return True
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            self.assertTrue(all(pool.map(come, range(16))))


if __name__ == "__main__":
    unittest.main()
