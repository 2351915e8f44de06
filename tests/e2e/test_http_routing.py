"""Each request goes to the service of its Host, whatever connection it comes over."""

import contextlib
import socket
import struct
import threading
import unittest

from http_fronts import AtHttp, HttpServer, request, response
from support import HOST, free_port, poll, show_address


class ByHost(AtHttp):
    def three(self, kind="http"):
        """Services one, two and three of one origin proxy; gives their servers."""
        servers = {}
        words = []
        for name in ("one", "two", "three"):
            servers[name] = self.enterContext(HttpServer(name))
            words.append((name, servers[name], f"{kind}://{name}"))
        self.program = self.offering("A", *words)
        return servers

    def test_two_and_three_hosts_on_one_connection_are_told_apart_at_each_request(self):
        self.open()
        servers = self.three()
        for names in (["one", "two"], ["one", "two", "three"], ["one", "one", "two", "two", "three", "one"]):
            visitor = self.visitor()
            for number, name in enumerate(names * 10):
                self.assertEqual(visitor.ask(f"{name}.example.com", f"/{name}/{number}").word, name)
        for name, server in servers.items():
            self.assertTrue(all(target.startswith(f"/{name}/") for target in server.targets))
            self.assertTrue(all(each.get("host") == f"{name}.example.com" for each in server.requests))

    def test_bodies_lie_between_requests_of_different_hosts(self):
        self.open()
        servers = self.three()
        visitor = self.visitor()
        smuggled = request("two.example.com", "/smuggled")
        for number in range(20):
            name = ("one", "two", "three")[number % 3]
            if number % 2:
                visitor.say(request(f"{name}.example.com", "/put", "POST", body=smuggled))
            else:
                visitor.say(request(f"{name}.example.com", "/put", "POST", "Transfer-Encoding: chunked") +
                            b"%x\r\n%s\r\n0\r\n\r\n" % (len(smuggled), smuggled))
            self.assertEqual(visitor.answer().word, name)
        for server in servers.values():
            self.assertEqual({each.body for each in server.requests}, {smuggled})
            self.assertEqual(set(server.targets), {"/put"})

    def test_pipelined_requests_of_several_hosts_are_answered_in_their_order(self):
        self.open()
        servers = self.three()
        names = ["one", "two", "two", "three", "one", "three", "two", "one"] * 5
        visitor = self.visitor()
        visitor.say(b"".join(request(f"{name}.example.com", f"/{number}", "POST", body=b"x" * number)
                             for number, name in enumerate(names)))
        self.assertEqual([visitor.answer().word for _ in names], names)
        for name, server in servers.items():
            self.assertEqual(server.targets, [f"/{number}" for number, each in enumerate(names) if each == name])

    def test_requests_that_come_in_pieces_of_one_byte_are_routed(self):
        self.open()
        self.three()
        visitor = self.visitor()
        for name in ("one", "two"):
            for byte in request(f"{name}.example.com", "/slow", "POST", body=b"body"):
                visitor.say(bytes([byte]))
            self.assertEqual(visitor.answer().word, name)

    def test_a_name_may_have_a_port_upper_case_and_a_dot(self):
        self.open()
        server = self.three()["one"]
        visitor = self.visitor()
        for host in ("one.example.com", "ONE.Example.COM", "one.example.com.", "one.example.com:80",
                     f"one.example.com:{self.http[1]}"):
            self.assertEqual(visitor.ask(host).word, "one")
            self.assertEqual(server.requests[-1].get("host"), host)

    def test_an_absolute_url_says_the_host_and_is_passed_on_as_a_path(self):
        self.open()
        server = self.three()["two"]
        visitor = self.visitor()
        self.assertEqual(visitor.ask("two.example.com", "http://two.example.com/a?b=c").word, "two")
        self.assertEqual(server.targets[-1], "/a?b=c")
        self.assertEqual(visitor.ask("two.example.com", "http://two.example.com").word, "two")
        self.assertEqual(server.targets[-1], "/")
        self.assertEqual(visitor.ask("two.example.com", "*", "OPTIONS").word, "two")
        self.assertEqual(server.targets[-1], "*")

    def test_an_unknown_host_between_two_known_ones_is_answered_and_the_connection_goes_on(self):
        self.open()
        self.three()
        visitor = self.visitor()
        for _ in range(3):
            self.assertEqual(visitor.ask("one.example.com").word, "one")
            self.assertEqual(visitor.ask("none.example.com").status, 404)
            self.assertEqual(visitor.ask("two.example.com").word, "two")

    def test_https_names_are_told_apart_on_one_connection_too(self):
        self.certificate("*.example.com")
        self.open()
        self.three("https")
        visitor = self.secured_visitor("one.example.com")
        for name in ("one", "two", "three", "one"):
            self.assertEqual(visitor.ask(f"{name}.example.com").word, name)
        visitor.say(b"".join(request(f"{name}.example.com") for name in ("one", "two", "one", "three")))
        self.assertEqual([visitor.answer().word for _ in range(4)], ["one", "two", "one", "three"])

    def test_a_name_of_https_is_a_redirect_at_the_plain_address_and_http_of_the_same_name_is_served(self):
        self.certificate("*.example.com")
        self.open()
        plain, ended = self.enterContext(HttpServer("plain")), self.enterContext(HttpServer("ended"))
        self.offering("A", ("plain", plain, "http://both"), ("ended", ended, "https://both"),
                      ("only", ended, "https://only"))
        visitor = self.visitor()
        answer = visitor.ask("only.example.com", "/a/b?c=d")
        self.assertEqual((answer.status, answer.get("location")),
                         (308, f"https://only.example.com:{self.https[1]}/a/b?c=d"))
        self.assertEqual(visitor.ask("both.example.com").word, "plain")
        self.assertEqual(self.secured_visitor("both.example.com").ask("both.example.com").word, "ended")

    def test_wildcards_and_the_name_of_all_are_found_in_their_order(self):
        self.open(config='[services.any]\nkind = "http"\nhosts = ["*"]\n'
                  '[services.wild]\nkind = "http"\nhosts = ["*.wild.example.com"]\n')
        servers = {name: self.enterContext(HttpServer(name)) for name in ("any", "wild", "exact")}
        self.offering("A", ("exact", servers["exact"], "http://exact"), wait=False)
        self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files["A"],
                   "--name", "second", "--service", f"any={show_address(servers['any'].address)}",
                   "--service", f"wild={show_address(servers['wild'].address)}").wait_line("^ready ", stream="stdout")
        visitor = self.visitor()
        for host, word in (("exact.example.com", "exact"), ("a.b.wild.example.com", "wild"),
                           ("nobody.example.org", "any"), ("127.0.0.1", "any"), ("[::1]:80", "any"),
                           ("wild.example.com", "any")):
            with self.subTest(host):
                self.assertEqual(visitor.ask(host).word, word)


class AddressOfItsOwn(AtHttp):
    def test_every_host_at_an_address_of_its_own_reaches_the_service(self):
        port = free_port()
        self.open("--allow-ports", str(port))
        server = self.serve(outside=f"http://{HOST}:{port}")
        address = self.own_address_of(self.program)
        self.assertEqual(address, (HOST, port))
        visitor = self.visitor(address)
        for host in ("anything.example", "127.0.0.1", f"localhost:{port}", "app.example.com"):
            self.assertEqual(visitor.ask(host).word, "here")
            self.assertEqual(server.requests[-1].get("host"), host)
            self.assertEqual(server.requests[-1].get("x-forwarded-for"), HOST)
        self.assertEqual(server.connections, 1)  # the Host makes no difference here

    def test_a_plain_port_still_passes_on_every_byte(self):
        port = free_port()
        self.open("--allow-ports", str(port))
        server = self.serve(outside=f"{HOST}:{port}")
        visitor = self.visitor((HOST, port))
        asked = request("app.example.com", "/", "GET", "X-Forwarded-For: 1.2.3.4", "Connection: keep-alive")
        visitor.say(asked)
        self.assertEqual(visitor.answer().word, "here")
        self.assertEqual(server.requests[0].raw, asked)


class Ends(AtHttp):
    """What becomes of a visitor when something ends."""

    def dying(self):
        """An origin proxy A that serves app and another, B, that serves other."""
        self.open("--pairing-timeout", "500ms", origins=("A", "B"))
        self.app = self.serve("app", "http://app")
        first = self.program
        self.serve("other", "http://other", "other", origin="B")
        return first

    def test_an_origin_proxy_that_dies_between_two_requests_is_a_503_and_the_connection_goes_on(self):
        first = self.dying()
        visitor = self.visitor()
        self.assertEqual(visitor.ask("app.example.com").word, "app")
        first.kill()
        for _ in range(2):
            answer = visitor.ask("app.example.com", "/", "GET", "Accept: text/html")
            self.assertIn(answer.status, (502, 503, 404))  # 404 once the name belongs to nobody
            self.assertIn("<h1>", answer.word)
            self.assertIn(str(answer.status), answer.word)
        self.assertEqual(visitor.ask("other.example.com").word, "other")

    def test_an_origin_proxy_that_dies_within_an_answer_is_a_reset(self):
        self.open("--pairing-timeout", "500ms")

        def half(asked, connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            connection.recv(1)
            return False
        self.serve(half)
        visitor = self.visitor()
        visitor.say(request("app.example.com"))
        self.assertEqual((visitor.reader.head().status, visitor.reader.take(4)), (200, b"half"))
        self.program.kill()
        with self.assertRaises(ConnectionResetError):
            visitor.connection.recv(1)

    def test_a_server_that_breaks_an_answer_off_is_never_a_whole_one(self):
        self.open()
        self.serve(lambda asked, connection: connection.sendall({
            "/length": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf",
            "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"}[asked.target]) or False)
        for target in ("/length", "/chunked"):
            with self.subTest(target):
                visitor = self.visitor()
                visitor.say(request("app.example.com", target))
                self.assertEqual(visitor.reader.head().status, 200)
                with self.assertRaises(ConnectionResetError):
                    while visitor.connection.recv(1000):
                        pass

    def test_a_server_that_closes_before_it_answers_is_a_502_and_the_connection_goes_on(self):
        self.open()
        self.serve(lambda asked, connection: False if asked.target == "/bad" else response("good"))
        visitor = self.visitor()
        for _ in range(3):
            self.assertEqual(visitor.ask("app.example.com").word, "good")
            self.assertEqual(visitor.ask("app.example.com", "/bad").status, 502)

    def test_a_server_that_resets_before_it_answers_is_a_502(self):
        self.open()

        def reset(asked, connection):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        self.serve(reset)
        visitor = self.visitor()
        self.assertEqual(visitor.ask("app.example.com", "/", "POST", body=b"x").status, 502)
        self.assertEqual(visitor.ask("app.example.com", "/", "POST", body=b"x").status, 502)

    def test_a_request_that_is_not_safe_is_never_sent_twice(self):
        self.open()
        server = self.serve(lambda asked, connection: False if asked.method == "POST" else response("good"))
        visitor = self.visitor()
        self.assertEqual(visitor.ask("app.example.com").word, "good")
        self.assertEqual(visitor.ask("app.example.com", "/once", "POST", body=b"money").status, 502)
        self.assertEqual(server.targets.count("/once"), 1)

    def test_a_server_that_closes_idle_connections_fails_no_request_that_is_safe(self):
        """The server closes after each answer without saying so, in the very moment perhaps in which the next comes."""
        self.open()
        server = self.serve(lambda asked, connection: connection.sendall(response("good")) or False)
        visitor = self.visitor()
        for _ in range(100):
            self.assertEqual(visitor.ask("app.example.com").word, "good")
        self.assertEqual(server.connections, 100)

    def test_a_visitor_who_ends_after_the_request_still_gets_the_answer(self):
        self.open()
        self.serve(lambda asked, connection: response(b"x" * 1_000_000))
        visitor = self.visitor()
        visitor.say(request("app.example.com"))
        visitor.connection.shutdown(socket.SHUT_WR)
        self.assertEqual(len(visitor.answer().body), 1_000_000)
        self.assertTrue(visitor.is_at_end())

    def test_a_visitor_who_goes_ends_the_connection_to_the_server(self):
        self.open()
        seen = threading.Event()

        def wait(asked, connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nfirst")
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(1000):
                    pass
            seen.set()
            return False
        self.serve(wait)
        visitor = self.visitor()
        visitor.say(request("app.example.com"))
        self.assertEqual(visitor.reader.head().status, 200)
        visitor.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        visitor.connection.close()
        poll(seen.is_set, "the server is told", 10)


if __name__ == "__main__":
    unittest.main()
