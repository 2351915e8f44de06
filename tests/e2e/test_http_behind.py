"""Real web servers in front, which send requests for all names down the connections that they keep: each request finds
its own service."""

import concurrent.futures
import os
import re
import unittest

from faults import visit
from http_fronts import AtHttp, HttpServer, HttpVisitor, request, response
from origins import _or_kill, fill
from support import HOST, Program, free_port, need, run, show_address, user_name

NAMES = ("one", "two", "three")


def nginx_in_front(folder, outside):
    """It keeps one connection, if it can, for the requests of all names."""
    program, port = need("nginx"), free_port()
    site = os.path.join(folder, "site.conf")
    with open(site, "w", encoding="ascii") as file:
        file.write(f"""
upstream tunnel {{
    server {show_address(outside)};
    keepalive 1;
}}
map $http_upgrade $connection_upgrade {{
    default upgrade;
    ''      '';
}}
server {{
    listen {HOST}:{port} default_server;
    client_max_body_size 0;
    location / {{
        proxy_pass http://tunnel;
        proxy_http_version 1.1;
        proxy_set_header Host              $http_host;
        proxy_set_header X-Forwarded-For   $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto https;
        proxy_set_header Upgrade           $http_upgrade;
        proxy_set_header Connection        $connection_upgrade;
    }}
}}
""")
    conf = fill("nginx-main.conf", os.path.join(folder, "nginx.conf"), USER=user_name(), FOLDER=folder, SITE=site)
    process = Program([program, "-e", "stderr", "-p", folder, "-c", conf], name="nginx")
    _or_kill(process, lambda: process.wait_port(port))
    return process, (HOST, port)


def haproxy_in_front(folder, outside):
    program, port = need("haproxy"), free_port()
    path = os.path.join(folder, "haproxy.cfg")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"""
global
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option forwardfor
    http-reuse always
listen all
    bind {HOST}:{port}
    http-request set-header X-Forwarded-Proto https
    server one {show_address(outside)} pool-max-conn 1
""")
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
                self.assertEqual(each.get("x-forwarded-proto"), "https")
                self.assertEqual(each.get("x-forwarded-for").split(", "), [HOST, HOST])

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
        self.assertGreater(int(re.search(r"(\d+) requests in", said)[1]), 500)

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
