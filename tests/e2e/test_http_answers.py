"""Answers of the remote proxy itself: which for which cause, in which form; and what is told of requests."""

import json
import os
import signal
import socket
import unittest

from faults import visit
from fronts import authority
from http_fronts import AtHttp, HttpServer, HttpVisitor, request, response
from support import HOST, Tunnel, binary, free_port, need, poll, run, show_address

HTML, JSON, TEXT = "text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"


class ByCause(AtHttp):
    def check(self, answer, status, code):
        """An answer in JSON."""
        self.assertEqual(answer.status, status, answer)
        error = json.loads(answer.word)["error"]
        self.assertEqual((error["status"], error["code"]), (status, code))
        self.assertTrue(error["message"])

    def ask(self, host="app.example.com", *lines, method="GET", body=b""):
        return self.visitor().ask(host, "/", method, "Accept: application/json", *lines, body=body)

    def test_nobody_has_the_name(self):
        self.open()
        self.serve()
        for host in ("none.example.com", "127.0.0.1", "[::1]", "app.example.com.evil.example"):
            self.check(self.ask(host), 404, "unknown_host")

    def test_an_empty_host_names_nobody(self):
        self.open()
        self.serve()
        self.check(self.visitor().ask("", "/", "GET", "Accept: application/json"), 404, "unknown_host")

    def test_the_server_refuses(self):
        self.open()

        class Gone:
            address = (HOST, free_port())
        self.offering("A", ("app", Gone, "http://app"))
        visitor = self.visitor()
        for _ in range(3):  # and the connection goes on
            self.check(visitor.ask("app.example.com", "/", "GET", "Accept: application/json"), 502,
                       "origin_server_refused")

    def test_the_server_breaks_off(self):
        self.open()
        self.serve(lambda asked, connection: False)
        self.check(self.ask(), 502, "origin_broken")

    def test_the_server_speaks_something_else(self):
        self.open()
        self.serve(lambda asked, connection: b"220 mail.example.com ESMTP\r\n")
        self.check(self.ask(), 502, "bad_response")

    def test_no_origin_proxy_serves_the_name(self):
        self.open("--pairing-timeout", "300ms", config='[services.app]\nkind = "http"\nhosts = ["app"]\n')
        answer = self.ask()
        self.check(answer, 503, "no_origin_proxy")
        self.assertGreaterEqual(int(answer.get("retry-after")), 1)

    def test_the_origin_proxy_has_just_gone(self):
        self.open("--pairing-timeout", "300ms", config='[services.app]\nkind = "http"\nhosts = ["app"]\n')
        server = self.enterContext(HttpServer("here"))
        program = self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files["A"],
                             "--service", f"app={show_address(server.address)}")
        program.wait_line("^ready ", stream="stdout")
        self.assertEqual(self.ask().word, "here")
        program.kill()
        self.check(self.ask(), 503, "no_origin_proxy")
        program = self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files["A"],
                             "--service", f"app={show_address(server.address)}")
        program.wait_line("^ready ", stream="stdout")
        self.assertEqual(self.ask().word, "here")

    def test_the_server_takes_no_connection_in_time(self):
        self.open()
        # Its queue is full: a connection to it neither succeeds nor fails.
        full = self.enterContext(socket.socket())
        full.bind((HOST, 0))
        full.listen(0)
        waiting = []
        for _ in range(3):
            each = self.enterContext(socket.socket())
            each.setblocking(False)
            each.connect_ex(full.getsockname())
            waiting.append(each)

        class Full:
            address = full.getsockname()
        self.offering("A", ("app", Full, "http://app"), flags=["--dial-timeout", "300ms"])
        self.check(self.ask(), 504, "timeout")

    def test_a_head_that_does_not_come_in_time(self):
        self.open()
        self.serve()
        with visit(self.http) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\nHost: app.example.com\r\n")
            visitor = HttpVisitor(raw)
            self.assertEqual(visitor.answer().status, 408)
            self.assertTrue(visitor.is_at_end())

    def test_a_head_that_is_too_large(self):
        self.open()
        server = self.serve()
        visitor = self.visitor()
        self.assertEqual(visitor.ask("app.example.com", "/", "GET", "X: " + "a" * 30_000).word, "here")
        for lines in (["X: " + "a" * 40_000], [f"X-{n}: {n}" for n in range(200)]):
            visitor = self.visitor()
            visitor.say(request("app.example.com", "/", "GET", *lines))
            answer = visitor.answer()
            self.assertEqual(answer.status, 431)
            self.assertEqual(answer.get("connection"), "close")
        self.assertEqual(len(server.requests), 1)

    def test_networks_that_may_not_come_and_too_many_of_one_address(self):
        self.open(config='[services.app]\nkind = "http"\nhosts = ["app"]\ndeny = ["127.0.0.2/32"]\n'
                  '[services.few]\nkind = "http"\nhosts = ["few"]\nmax-connections = 1\n')
        server = self.enterContext(HttpServer("here"))
        self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files["A"],
                   "--service", f"app={show_address(server.address)}",
                   "--service", f"few={show_address(server.address)}").wait_line("^ready ", stream="stdout")
        denied = self.visitor(source="127.0.0.2")
        self.check(denied.ask("app.example.com", "/", "GET", "Accept: application/json"), 403, "not_allowed")
        self.assertEqual(denied.ask("few.example.com").word, "here")
        denied.connection.close()
        first = self.visitor()
        poll(lambda: first.ask("few.example.com").status == 200, "there is room for one", interval=0.2)
        answer = self.ask("few.example.com")
        self.check(answer, 503, "too_many")
        self.assertGreaterEqual(int(answer.get("retry-after")), 1)

    def test_a_drained_service(self):
        self.open()
        self.serve()
        visitor = self.visitor()
        self.assertEqual(visitor.ask("app.example.com").word, "here")
        [service] = [each["name"] for each in self.api.get("/v1/services")["services"]]
        run([binary("remote-proxy"), "drain", "--management-addr", self.api.where, service])
        self.check(self.ask(), 503, "no_origin_proxy")
        self.assertIn(visitor.ask("app.example.com").status, (200, 503))
        run([binary("remote-proxy"), "resume", "--management-addr", self.api.where, service])
        self.assertEqual(visitor.ask("app.example.com").word, "here")


class Forms(AtHttp):
    def setUp(self):
        super().setUp()
        self.pages = self.folder.path("pages")
        os.mkdir(self.pages)

    def test_accept_decides_between_a_page_json_and_a_line_of_text(self):
        self.open()
        visitor = self.visitor()
        browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
        for accept, content_type in ((browser, HTML), ("application/json", JSON), ("text/plain", TEXT), ("*/*", TEXT),
                                     ("application/json, text/plain, */*", JSON), ("text/html;q=0.1, text/plain", TEXT),
                                     ("application/problem+json", JSON), (None, TEXT), ("nonsense;;q=,,", TEXT)):
            with self.subTest(accept):
                lines = [f"Accept: {accept}"] if accept else []
                answer = visitor.ask("none.example.com", "/", "GET", *lines)
                self.assertEqual((answer.status, answer.get("content-type")), (404, content_type))
                self.assertEqual(answer.get("cache-control"), "no-store")
                self.assertEqual(int(answer.get("content-length")), len(answer.body))
                if content_type == HTML:
                    self.assertIn("default-src 'none'", answer.get("content-security-policy"))
                    self.assertIn("prefers-color-scheme", answer.word)
                    self.assertNotRegex(answer.word, r"(src|href)=|@import|url\(")
                if content_type == JSON:
                    self.assertEqual(json.loads(answer.word)["error"]["code"], "unknown_host")

    def test_nothing_that_a_visitor_says_is_html_on_the_page(self):
        self.open()
        visitor = self.visitor()
        visitor.say(b"GET /<script>alert(1)</script>?<b> HTTP/1.1\r\nHost: none.example.com\r\nAccept: text/html\r\n"
                    b"Referer: <script>\r\n\r\n")
        answer = visitor.answer()
        self.assertEqual(answer.status, 404)
        self.assertNotIn("<script", answer.word)
        self.assertNotIn("<b>", answer.word)

    def test_head_gets_no_body_and_the_connection_goes_on(self):
        self.open()
        visitor = self.visitor()
        answer = visitor.ask("none.example.com", "/", "HEAD")
        self.assertEqual(answer.status, 404)
        self.assertGreater(int(answer.get("content-length")), 0)
        self.assertEqual(visitor.ask("none.example.com").status, 404)

    def write_page(self, name, text):
        with open(os.path.join(self.pages, name), "w", encoding="utf-8") as file:
            file.write(text)

    def test_pages_of_a_folder_take_the_place_of_ours_and_a_reload_reads_them_again(self):
        self.write_page("404.html", "<p>nobody here ${status}</p>")
        self.write_page("error.html", "<p>something</p>")
        self.open("--error-pages", self.pages, config='[services.app]\nkind = "http"\nhosts = ["app"]\n')
        visitor = self.visitor()

        def page(host):
            return visitor.ask(host, "/", "GET", "Accept: text/html").word
        self.assertEqual(page("none.example.com"), "<p>nobody here ${status}</p>")
        self.assertEqual(page("app.example.com"), "<p>something</p>")
        self.assertEqual(visitor.ask("none.example.com").get("content-type"), TEXT)
        self.write_page("404.html", "<p>still nobody</p>")
        self.assertEqual(page("none.example.com"), "<p>nobody here ${status}</p>")
        self.remote_program.send_signal(signal.SIGHUP)
        poll(lambda: page("none.example.com") == "<p>still nobody</p>", "the page is read again")
        self.write_page("404.html", "x" * 300_000)  # too large: the reload fails, the pages stay
        lines = len(self.remote_program.lines)
        self.remote_program.send_signal(signal.SIGHUP)
        Tunnel.wait_log(self.remote_program, lambda line: "404.html" in json.dumps(line), start=lines)
        self.assertEqual(page("none.example.com"), "<p>still nobody</p>")

    def test_a_folder_without_a_page_is_refused_at_the_start_and_by_check(self):
        for words in ([], ["check"]):
            program = self.start("remote-proxy", *words, "--control-addr", f"{HOST}:0", "--http-addr", f"{HOST}:0",
                                 "--domain", "example.com", "--error-pages", self.pages)
            program.wait_exit(code=2)
            self.assertIn(f"{self.pages}: there is no page in it", program.output())

    def test_a_page_of_the_folder_is_not_used_for_an_answer_of_the_server(self):
        self.write_page("error.html", "<p>ours</p>")
        self.open("--error-pages", self.pages)
        self.serve(lambda asked, connection: response("its own", "404 Not Found"))
        answer = self.visitor().ask("app.example.com", "/", "GET", "Accept: text/html")
        self.assertEqual((answer.status, answer.word), (404, "its own"))


class Redirects(AtHttp):
    def open_both(self, *flags):
        self.certificate("*.example.com")
        self.open(*flags)
        server = self.enterContext(HttpServer("here"))
        self.offering("A", ("plain", server, "http://both"), ("ended", server, "https://both"),
                      ("only", server, "http://only"))
        return server

    def test_with_https_redirect_a_plain_request_for_a_name_of_both_is_sent_to_https(self):
        self.open_both("--https-redirect")
        visitor = self.visitor()
        for method in ("GET", "POST"):
            answer = visitor.ask("both.example.com", "/a?b", method)
            self.assertEqual((answer.status, answer.get("location")),
                             (308, f"https://both.example.com:{self.https[1]}/a?b"))
        self.assertEqual(visitor.ask("only.example.com").word, "here")
        self.assertEqual(self.secured_visitor("both.example.com").ask("both.example.com").word, "here")

    def test_curl_follows_it_and_a_body_is_sent_again(self):
        server = self.open_both("--https-redirect")
        resolve = [word for port in (self.http[1], self.https[1])
                   for word in ("--resolve", f"both.example.com:{port}:{HOST}")]
        done = run([need("curl"), "-sS", "--noproxy", "*", "-L", "--cacert", authority().ca, *resolve, "-d", "a=b",
                    f"http://both.example.com:{self.http[1]}/form"])
        self.assertEqual(done.stdout, "here")
        self.assertEqual((server.requests[-1].method, server.requests[-1].body), ("POST", b"a=b"))


class AccessLog(AtHttp):
    def test_each_request_has_one_line_without_its_query_and_the_line_is_bounded(self):
        self.open("--access-log")
        self.serve(lambda asked, connection: response(b"x" * 1000, "201 Created"))
        visitor = self.visitor()
        visitor.ask("app.example.com", "/path/to?secret=password")
        visitor.ask("app.example.com", "/" + "a" * 5000, "M" * 50)
        visitor.ask("app.example.com", "/%0a%22\"x\\y?z")
        visitor.ask("none.example.com", "/nobody?secret=password")
        poll(lambda: len(self.access_lines()) >= 3, "the lines are there")
        lines = self.access_lines()
        first = lines[0]
        self.assertEqual((first["method"], first["host"], first["path"], first["status"], first["service"]),
                         ("GET", "app.example.com", "/path/to", 201, "A/app"))
        self.assertTrue(first["visitor"].startswith(f"{HOST}:"))
        self.assertGreaterEqual(first["sent"], 1000)
        self.assertEqual(len(lines[1]["path"]), 200)
        self.assertEqual(lines[2]["path"], "/%0a%22\"x\\y")
        self.assertNotIn("password", self.remote_program.output())
        for text in self.remote_program.texts("stderr"):
            self.assertLess(len(text), 2000)
        last = poll(lambda: next((line for line in self.access_lines() if line["path"] == "/nobody"), None),
                    "an answer of our own has a line too", 3)
        self.assertEqual((last["status"], last["code"]), (404, "unknown_host"))

    def test_without_the_flag_there_is_none(self):
        self.open()
        self.serve()
        self.assertEqual(self.visitor().ask("app.example.com").word, "here")
        self.assertEqual(self.access_lines(), [])

    def test_thousands_of_requests_have_a_line_each(self):
        self.open("--access-log")
        self.serve()
        visitor = self.visitor()
        for _ in range(20):
            visitor.say(request("app.example.com") * 100)
            for _ in range(100):
                visitor.answer()
        poll(lambda: len(self.access_lines()) == 2000, "2,000 lines")


class Metrics(AtHttp):
    def test_requests_are_counted_by_service_and_class(self):
        self.open()
        statuses = {"/ok": "200 OK", "/new": "201 Created", "/moved": "302 Found", "/none": "404 Not Found",
                    "/broken": "500 Internal Server Error"}
        self.serve(lambda asked, connection: response(asked.target, statuses[asked.target]))
        visitor = self.visitor()
        for target in [*statuses, "/ok"]:
            visitor.ask("app.example.com", target)
        shown = self.api.get("/metrics")
        for status_class, count in (("2xx", 3), ("3xx", 1), ("4xx", 1), ("5xx", 1)):
            line = next((line for line in shown.splitlines() if line.startswith("tunnel_http_requests_total{") and
                         'service="A/app"' in line and f'class="{status_class}"' in line), None)
            self.assertIsNotNone(line, f"{status_class} in {shown}")
            self.assertEqual(float(line.rpartition(" ")[2]), count)

    def test_a_stranger_cannot_make_more_lines(self):
        self.open()
        self.serve()
        visitor = self.visitor()
        visitor.ask("app.example.com")
        before = len(self.api.get("/metrics").splitlines())
        for number in range(90):
            visitor = self.visitor() if number % 30 == 0 else visitor
            visitor.ask(f"none{number}.example.com", f"/{number}", f"METHOD{number}")
            visitor.ask("app.example.com", f"/{number}", f"METHOD{number}")
        self.assertLessEqual(len(self.api.get("/metrics").splitlines()), before + 8)


if __name__ == "__main__":
    unittest.main()
