"""What origin servers are told of a visitor, and what visitors cannot make them believe."""

import unittest

from faults import visit
from http_fronts import AtHttp, HttpServer, HttpVisitor, request, response
from namespaces import Network
from support import HOST, show_address

TRUSTED, ELSEWHERE = "127.0.0.2", "127.0.0.3"
SPOOFED = ("X-Forwarded-For: 198.51.100.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example",
           "Forwarded: for=198.51.100.9;proto=https;host=evil.example", "X-Real-IP: 198.51.100.9",
           "X-Forwarded-User: admin", "X-Forwarded-Port: 1", "X-Forwarded-Server: evil",
           "X_Forwarded_For: 198.51.100.9", "X-Forwarded_For: 198.51.100.9", "x_real_ip: 198.51.100.9")


class Visitors(AtHttp):
    def told(self, *lines, source=None, secured=False, method="GET", host="app.example.com"):
        visitor = self.secured_visitor(host) if secured else self.visitor(source=source)
        self.assertEqual(visitor.ask(host, "/", method, *lines).word, "here")
        return self.server.requests[-1]

    def test_a_field_that_connection_names_is_written_nevertheless(self):
        """Or else a visitor could take away what we say."""
        self.open()
        self.server = self.serve()
        seen = self.told("Connection: X-Forwarded-For, X-Forwarded-Proto, Forwarded")
        self.assertEqual(seen.get("x-forwarded-for"), HOST)
        self.assertEqual(seen.get("x-forwarded-proto"), "http")
        self.assertTrue(seen.get("forwarded"))

    def test_over_https_the_server_is_told_so(self):
        self.certificate("app.example.com")
        self.open()
        self.server = self.serve(outside="https://app")
        seen = self.told(secured=True)
        self.assertEqual(seen.get("x-forwarded-proto"), "https")
        self.assertIn("proto=https", seen.get("forwarded"))

    def test_a_program_of_this_machine_is_believed_and_added_to(self):
        """Such as a web server in front."""
        self.open()
        self.server = self.serve()
        seen = self.told("X-Forwarded-For: 198.51.100.9, 203.0.113.1", "X-Forwarded-Proto: https",
                         "X-Forwarded-Host: public.example", source=TRUSTED)
        self.assertEqual(seen.get("x-forwarded-for"), f"198.51.100.9, 203.0.113.1, {TRUSTED}")
        self.assertEqual(seen.get("x-forwarded-proto"), "https")
        self.assertEqual(seen.get("x-forwarded-host"), "public.example")
        self.assertIn(f"for={TRUSTED}", seen.get("forwarded"))
        self.assertEqual(self.told(source=TRUSTED).get("x-forwarded-for"), TRUSTED)

    def test_who_a_load_balancer_names_is_the_visitor(self):
        self.open("--accept-proxy-from", f"{TRUSTED}/32")
        self.server = self.serve()
        visitor = self.visitor(source=TRUSTED)
        visitor.say(b"PROXY TCP4 198.51.100.7 203.0.113.9 4321 443\r\n" + request("app.example.com"))
        self.assertEqual(visitor.answer().word, "here")
        self.assertEqual(self.server.requests[-1].get("x-forwarded-for"), "198.51.100.7")
        visitor = self.visitor(source=TRUSTED)
        visitor.say(b"PROXY TCP6 2001:db8::7 2001:db8::1 4321 443\r\n" + request("app.example.com"))
        self.assertEqual(visitor.answer().word, "here")
        self.assertEqual(self.server.requests[-1].get("x-forwarded-for"), "2001:db8::7")
        self.assertIn('for="[2001:db8::7]"', self.server.requests[-1].get("forwarded"))

    def test_fields_of_one_hop_are_not_passed_on(self):
        self.open()
        self.server = self.serve()
        seen = self.told("Connection: keep-alive, X-Mine", "X-Mine: 1", "Keep-Alive: timeout=5", "Proxy-Connection: x",
                         "Proxy-Authorization: Basic YTpi", "TE: gzip, trailers", "Upgrade: websocket", "X-Other: 2",
                         "Accept: a", "Accept: b", "Cookie: c=d")
        for name in ("keep-alive", "proxy-connection", "proxy-authorization", "x-mine", "upgrade"):
            self.assertEqual(seen.all(name), [], name)
        self.assertEqual(seen.get("te"), "trailers")
        self.assertEqual(seen.get("x-other"), "2")
        self.assertEqual(seen.all("accept"), ["a", "b"])
        self.assertEqual(seen.get("cookie"), "c=d")

    def test_fields_of_one_hop_of_an_answer_are_not_passed_on(self):
        self.open()
        self.server = self.serve(lambda asked, connection: response(
            "here", "200 OK", "Connection: keep-alive, X-Mine", "X-Mine: 1", "Keep-Alive: timeout=5",
            "Set-Cookie: a=b", "Set-Cookie: c=d", "Proxy-Authenticate: Basic", "X-Other: \u00e4"))
        answer = self.visitor().ask("app.example.com")
        for name in ("keep-alive", "x-mine", "connection", "proxy-authenticate"):
            self.assertEqual(answer.all(name), [], name)
        self.assertEqual(answer.all("set-cookie"), ["a=b", "c=d"])
        self.assertEqual(answer.get("x-other"), "\u00e4")


class FromElsewhere(AtHttp):
    """Visitors of another machine: those of this one are trusted."""

    def setUp(self):
        self.network = self.enterContext(Network())
        self.enterContext(self.network.remote.entered())
        super().setUp()

    def visit_from_there(self):
        with self.network.origin.entered():
            return self.enterContext(HttpVisitor(visit(self.http)))

    def open_there(self, *flags):
        self.open(*flags, http=f"{Network.REMOTE}:0")
        return self.serve()

    def check_believed_nothing(self, seen):
        self.assertEqual(seen.get("x-forwarded-for"), Network.ORIGIN)
        self.assertEqual(seen.get("x-forwarded-proto"), "http")
        self.assertEqual(seen.get("x-forwarded-host"), "app.example.com")
        self.assertEqual(seen.get("forwarded"), f"for={Network.ORIGIN};host=app.example.com;proto=http")
        for word in ("198.51.100.9", "evil", "admin"):
            self.assertNotIn(word, seen.head.decode())

    def test_a_visitor_who_is_not_trusted_is_believed_nothing_at_any_request(self):
        server = self.open_there()
        visitor = self.visit_from_there()
        for _ in range(3):
            self.assertEqual(visitor.ask("app.example.com", "/", "GET", *SPOOFED).word, "here")
            self.check_believed_nothing(server.requests[-1])
        self.assertEqual(visitor.ask("app.example.com", "/", "GET", "X-Forwarded-For : 198.51.100.9").status, 400)

    def test_a_stream_that_one_who_is_trusted_has_used_is_believed_nothing_by_the_next(self):
        server = self.open_there()
        for _ in range(5):
            with HttpVisitor(visit(self.http)) as near:  # from the machine's own address, not from loopback
                near.ask("app.example.com")
            with self.visit_from_there() as far:
                self.assertEqual(far.ask("app.example.com", "/", "GET", *SPOOFED).word, "here")
            self.check_believed_nothing(server.requests[-1])

    def test_a_network_of_trusted_is_believed(self):
        server = self.open_there("--trusted", f"{Network.ORIGIN}/32")
        visitor = self.visit_from_there()
        visitor.ask("app.example.com", "/", "GET", "X-Forwarded-For: 198.51.100.9", "X-Forwarded-Proto: https")
        self.assertEqual(server.requests[-1].get("x-forwarded-for"), f"198.51.100.9, {Network.ORIGIN}")
        self.assertEqual(server.requests[-1].get("x-forwarded-proto"), "https")


class HostHeader(AtHttp):
    def test_the_server_sees_the_host_that_the_origin_proxy_says_and_the_visitors_beside_it(self):
        self.open()
        server = self.serve(flags=["--host-header", "localhost:5173"])
        visitor = self.visitor()
        for _ in range(2):
            self.assertEqual(visitor.ask("app.example.com").word, "here")
            self.assertEqual(server.requests[-1].get("host"), "localhost:5173")
            self.assertEqual(server.requests[-1].get("x-forwarded-host"), "app.example.com")
            self.assertIn("host=app.example.com", server.requests[-1].get("forwarded"))

    def test_what_the_remote_proxy_says_wins(self):
        self.open(config='[services.app]\nkind = "http"\nhosts = ["app"]\nhost-header = "remote.internal"\n'
                         '[services.other]\nkind = "http"\nhosts = ["other"]\n')
        server = self.enterContext(HttpServer("here"))
        path = self.write("origin.toml", f'remote-proxy-addr = "{self.control}"\nsecret-file = "{self.files["A"]}"\n'
                          'host-header = "origin.internal"\n' + "".join(
                              f'[services.{name}]\norigin-server-addr = "{show_address(server.address)}"\n'
                              for name in ("app", "other")))
        self.start("origin-proxy", "--config", path).wait_line("^ready ", stream="stdout")
        for name, host in (("app", "remote.internal"), ("other", "origin.internal")):
            self.assertEqual(self.visitor().ask(f"{name}.example.com").word, "here")
            self.assertEqual(server.requests[-1].get("host"), host)

    def test_each_service_of_a_file_has_its_own(self):
        self.open()
        one, two = self.enterContext(HttpServer("one")), self.enterContext(HttpServer("two"))
        path = self.write("origin.toml", f'remote-proxy-addr = "{self.control}"\nsecret-file = "{self.files["A"]}"\n'
                          f'[services.one]\norigin-server-addr = "{show_address(one.address)}"\n'
                          'outside = "http://one"\nhost-header = "one.internal"\n'
                          f'[services.two]\norigin-server-addr = "{show_address(two.address)}"\n'
                          'outside = "http://two"\n')
        self.start("origin-proxy", "--config", path).wait_line("^ready ", stream="stdout")
        visitor = self.visitor()
        for _ in range(3):
            for host in ("one", "two"):
                self.assertEqual(visitor.ask(f"{host}.example.com").word, host)
        self.assertEqual({each.get("host") for each in one.requests}, {"one.internal"})
        self.assertEqual({each.get("host") for each in two.requests}, {"two.example.com"})


class SharedStreams(AtHttp):
    def test_requests_of_several_visitors_on_one_stream_have_their_own_addresses(self):
        self.open()
        server = self.serve()
        for turn in range(5):
            for source in (HOST, TRUSTED, ELSEWHERE):
                with HttpVisitor(visit(self.http)) if source == HOST else self.visitor(source=source) as visitor:
                    self.assertEqual(visitor.ask("app.example.com", f"/{source}").word, "here")
        self.assertLess(server.connections, 15)
        for each in server.requests:
            self.assertEqual(each.target, f"/{each.get('x-forwarded-for')}")


if __name__ == "__main__":
    unittest.main()
