"""Real web servers in front, which send requests for all names down the connections that they keep: each request finds
its own service."""

import concurrent.futures
import os
import re
import threading
import unittest

import documents
from faults import visit
from http_fronts import AtHttp, HttpServer, HttpVisitor, request, response
from origins import _or_kill, fill
from support import HOST, Program, free_port, need, run, show_address, user_name

NAMES = ("one", "two", "three")


def of_the_page(language, first_word):
    """The block of docs/http.md that begins so."""
    return next(block for block in documents.blocks(documents.read("docs/http.md"), language)
                if block.startswith(first_word))


def nginx_in_front(folder, outside):
    """As the page has it, but that it keeps one connection for the requests of all names, and has no TLS here."""
    program, port = need("nginx"), free_port()
    text = of_the_page("nginx", "upstream").replace("127.0.0.1:9080", show_address(outside))
    text = text.replace("listen 443 ssl", f"listen {HOST}:{port} default_server").replace("keepalive 16", "keepalive 1")
    text = re.sub(r" *ssl_certificate.*\n", "", text)
    site = os.path.join(folder, "site.conf")
    with open(site, "w", encoding="ascii") as file:
        file.write(text)
    conf = fill("nginx-main.conf", os.path.join(folder, "nginx.conf"), USER=user_name(), FOLDER=folder, SITE=site)
    process = Program([program, "-e", "stderr", "-p", folder, "-c", conf], name="nginx")
    _or_kill(process, lambda: process.wait_port(port))
    return process, (HOST, port)


def haproxy_in_front(folder, outside):
    """The same."""
    program, port = need("haproxy"), free_port()
    text = of_the_page("", "frontend").replace("127.0.0.1:9080", f"{show_address(outside)} pool-max-conn 1")
    text = text.replace("bind :443 ssl crt /etc/haproxy/certs", f"bind {HOST}:{port}")
    path = os.path.join(folder, "haproxy.cfg")
    with open(path, "w", encoding="ascii") as file:
        file.write("global\n    nbthread 1\ndefaults\n    timeout connect 5s\n    timeout client 60s\n"
                   f"    timeout server 60s\n{text}")
    process = Program([program, "-db", "-f", path], name="haproxy")
    _or_kill(process, lambda: process.wait_port(port))
    return process, (HOST, port)


class Behind(AtHttp):
    front_of = staticmethod(nginx_in_front)

    def setUp(self):
        super().setUp()
        self.open("--access-log")
        self.servers = {name: self.enterContext(HttpServer(self.say(name))) for name in NAMES}
        self.offering("A", *((name, server, f"http://{name}") for name, server in self.servers.items()))
        place = self.folder.path("front")
        os.mkdir(place)
        os.chmod(place, 0o755)
        program, self.front_address = self.front_of(place, self.http)
        self.enterContext(program)

    @staticmethod
    def say(name):
        return lambda asked, connection: response(f"{name} {asked.target} {len(asked.body)}")

    def visitors_seen(self):
        """Connections that came to the remote proxy, by what it tells of requests."""
        return {line["visitor"] for line in self.access_lines()}

    def test_names_that_alternate_find_their_services_over_one_connection_from_the_front(self):
        visitor = self.visitor(self.front_address)
        for number in range(60):
            name = NAMES[number % 3]
            self.assertEqual(visitor.ask(f"{name}.example.com", f"/{number}").word, f"{name} /{number} 0")
        self.assertLess(len(self.visitors_seen()), 6)
        for name, server in self.servers.items():
            self.assertEqual(len(server.requests), 20)
            self.assertEqual({each.get("host") for each in server.requests}, {f"{name}.example.com"})
            for each in server.requests:
                self.assertIn(each.get("x-forwarded-proto"), ("http", "https"))
                self.assertEqual(each.get("x-forwarded-for").split(", "), [HOST, HOST])
                self.assertEqual(each.get("x-forwarded-host"), f"{name}.example.com")

    def test_what_a_visitor_of_the_front_says_of_himself_reaches_no_server(self):
        visitor = self.visitor(self.front_address)
        visitor.ask("one.example.com", "/", "GET", "X-Forwarded-For: 198.51.100.9", "X-Forwarded-Host: evil.example",
                    "Forwarded: for=198.51.100.9;host=evil.example", "X-Forwarded-Proto: gopher")
        head = self.servers["one"].requests[-1].head.decode()
        for word in ("198.51.100.9", "evil", "gopher"):
            self.assertNotIn(word, head)

    def test_events_come_through_at_once(self):
        go_on = threading.Event()

        def stream(asked, connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            go_on.wait(20)
            return b"0\r\n\r\n"
        server = self.enterContext(HttpServer(stream))
        self.offering("A", ("events", server, "http://events"), flags=["--name", "second"])
        visitor = self.visitor(self.front_address)
        visitor.say(request("events.example.com"))
        self.assertEqual(visitor.reader.head().status, 200)
        self.assertEqual(visitor.reader.take(8), b"5\r\nfirst")
        go_on.set()

    def test_many_visitors_at_once_with_bodies_of_both_kinds(self):
        def come(number):
            with HttpVisitor(visit(self.front_address)) as visitor:
                for turn in range(20):
                    name, size = NAMES[(number + turn) % 3], turn * 997
                    target = f"/{number}/{turn}"
                    if turn % 2:
                        visitor.say(request(f"{name}.example.com", target, "POST", body=b"x" * size))
                    else:
                        visitor.say(request(f"{name}.example.com", target, "POST", "Transfer-Encoding: chunked") +
                                    (b"%x\r\n%s\r\n" % (size, b"x" * size) if size else b"") + b"0\r\n\r\n")
                    if visitor.answer().word != f"{name} {target} {size}":
                        return f"{name} {target}"
            return None
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            self.assertEqual([each for each in pool.map(come, range(36)) if each], [])

    def test_names_that_nobody_has_between_others_keep_the_connection(self):
        visitor = self.visitor(self.front_address)
        for _ in range(20):
            self.assertEqual(visitor.ask("one.example.com").word, "one / 0")
            self.assertEqual(visitor.ask("none.example.com").status, 404)
        self.assertLess(len(self.visitors_seen()), 6)

    def test_pipelined_requests_are_answered_in_their_order(self):
        visitor = self.visitor(self.front_address)
        order = [NAMES[number * 7 % 3] for number in range(30)]
        visitor.say(b"".join(request(f"{name}.example.com", f"/{number}") for number, name in enumerate(order)))
        self.assertEqual([visitor.answer().word for _ in order],
                         [f"{name} /{number} 0" for number, name in enumerate(order)])

    def test_under_load_no_request_fails(self):
        said = run([need("wrk"), "-t", "1", "-c", "16", "-d", "2s", "-s", self.lua(),
                    f"http://{show_address(self.front_address)}/"], timeout=60).stdout
        self.assertNotIn("Socket errors", said)
        self.assertNotIn("Non-2xx", said)
        self.assertRegex(said, r"wrong: 0\n")
        self.assertGreater(int(re.search(r"(\d+) requests in", said)[1]), 100)

    test_under_load_no_request_fails.serial = True

    def lua(self):
        """Requests of all names in turn, whose answers have to be from that server."""
        return self.write("names.lua", """
local names, count, queue, first = {"one", "two", "three"}, 0, {}, 1
wrong = 0
threads = {}
function setup(thread) table.insert(threads, thread) end
function request()
    count = count + 1
    return wrk.format("GET", "/", {Host = names[count % 3 + 1] .. ".example.com"})
end
function response(status, headers, body)
    if not (body == "one / 0" or body == "two / 0" or body == "three / 0") then wrong = wrong + 1 end
end
function done(summary, latency, requests)
    local all = 0
    for _, thread in ipairs(threads) do all = all + thread:get("wrong") end
    print("wrong: " .. all)
end
""")


class BehindHaproxy(Behind):
    front_of = staticmethod(haproxy_in_front)


if __name__ == "__main__":
    unittest.main()
