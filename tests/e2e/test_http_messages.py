"""Messages of every kind pass as they are: interim answers, trailers, answers without a body, HTTP/1.0."""

import unittest

from http_fronts import AtHttp, request, response
from origins import SocketOrigin
from support import HOST, free_port, need, run


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


if __name__ == "__main__":
    unittest.main()
