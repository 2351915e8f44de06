"""The management interface asked by the programs that ask such interfaces: load balancers, curl, wget, and by hand."""

import os
import re
import socket
import unittest

from faults import echo
from origins import SocketOrigin
from support import HOST, Program, Tunnel, need, parse_address, poll, run
from test_management import TOKEN, Folder, address_of, bearer, status

CHECKS = {
    "get": "option httpchk GET /ready",
    "head": "option httpchk HEAD /ready",
    "options": "option httpchk OPTIONS /ready",
    "default": "option httpchk",
    "http11": "option httpchk\n  http-check send meth GET uri /ready ver HTTP/1.1 hdr Host localhost",
    "query": "option httpchk GET /healthz?from=haproxy",
    "text": "option httpchk GET /ping\n  http-check expect string pong",
}


def states(path):
    """What HAProxy thinks of its servers: status by backend."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(path)
        asking.sendall(b"show stat\n")
        text = b"".join(iter(lambda: asking.recv(1 << 16), b"")).decode()
    names, *lines = text.lstrip("# ").splitlines()
    rows = [dict(zip(names.split(","), line.split(","))) for line in lines if line]
    return {row["pxname"]: row["status"] for row in rows if row["svname"] == "one"}


def balancer(folder, where, checks):
    """HAProxy that checks the server at `where` in each of these ways; the program and its socket."""
    backends = "".join(f"backend {name}\n  {check}\n  server one {where} check inter 200ms fall 2 rise 1\n"
                       for name, check in checks.items())
    path = folder.file("haproxy.cfg", f"""
global
  stats socket {folder.path("stats")} level admin
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
{backends}""")
    return Program([need("haproxy"), "-db", "-f", path], name="haproxy"), folder.path("stats")


class Clients(unittest.TestCase):
    trust = ()

    def setUp(self):
        self.folder = self.enterContext(Folder())
        self.server = self.enterContext(SocketOrigin(echo))

    def tunnel(self, *flags, **options):
        tunnel = self.enterContext(Tunnel(self.server.address, remote_flags=[
            "--management-addr", f"{HOST}:0", *flags], **options))
        return tunnel

    def raw(self, where, request):
        """Everything that is answered to these bytes."""
        with socket.create_connection(parse_address(where), 20) as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(1 << 16), b""))

    def test_haproxy_finds_it_up_however_it_checks_and_down_while_nothing_is_served(self):
        tunnel = self.tunnel(fixed_ports=True)
        where = address_of(tunnel, tunnel.remote)
        program, stats = balancer(self.folder, where, CHECKS)
        with program:
            poll(lambda: os.path.exists(stats), "HAProxy runs")
            everywhere = {name: "UP" for name in CHECKS}
            poll(lambda: states(stats) == everywhere, "all checks find it up")
            tunnel.origin.stop(code=0)
            ready = ("get", "head", "options", "http11")
            expected = {name: "DOWN" if name in ready else "UP" for name in CHECKS}
            poll(lambda: {name: each.split()[0] for name, each in states(stats).items()} == expected,
                 "those that ask whether it is ready find it down")

    def test_curl_and_wget_get_their_answers_in_each_way_of_asking(self):
        tunnel = self.tunnel()
        where = address_of(tunnel, tunnel.remote)
        port = where.rpartition(":")[2]
        for flags in (["--http1.0"], ["--http1.1"], ["-X", "OPTIONS"], ["--head"], ["-H", "Connection: close"],
                      ["--http1.0", "-H", "Host:"], ["-H", f"Host: LOCALHOST.:{port}"], ["-H", "hOST: [::1]"],
                      ["--http2"], ["--proxy", f"http://{where}"], ["--request-target", "http://localhost/ping"],
                      ["-X", "OPTIONS", "--request-target", "*"], ["--path-as-is", "--request-target", "/%70ing?a=b"]):
            with self.subTest(" ".join(flags)):
                self.assertIn(status(where, "/ping", *flags), (200, 204))
        for flags, expected in ((["-H", "Host: evil.example"], 421), (["-H", "Host: localhost.evil.example"], 421),
                                (["--request-target", "http://evil.example/ping"], 421),
                                (["--request-target", "*"], 400), (["-H", "Host:"], 400)):
            with self.subTest(" ".join(flags)):
                self.assertEqual(status(where, "/ping", *flags), expected)
        got = run([need("wget"), "-q", "-O", "-", f"http://{where}/ping", f"http://{where}/healthz"])
        self.assertEqual(got.stdout, "pongok\n")
        chunked = run([need("curl"), "-sS", "-i", "-X", "PUT", "-H", "Content-Type: application/json", "-H",
                       "Transfer-Encoding: chunked", "-d", "[]", f"http://{where}/tunnels"]).stdout
        self.assertRegex(chunked, r"^HTTP/1.1 411 ")

    def test_a_connection_is_kept_as_each_version_has_it(self):
        tunnel = self.tunnel()
        where = address_of(tunnel, tunnel.remote)
        kept = b"GET /ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        answers = self.raw(where, kept * 3 + b"\r\nGET /ping HTTP/1.0\r\n\r\n")
        self.assertEqual(len(re.findall(rb"HTTP/1.1 200 OK", answers)), 4)
        self.assertEqual(len(re.findall(rb"(?i)connection: keep-alive", answers)), 3)
        self.assertEqual(len(re.findall(rb"(?i)connection: close", answers)), 1)

    def test_whoever_has_no_token_gets_one_answer_to_a_connection_however_much_is_asked(self):
        token = self.folder.file("token", TOKEN)
        tunnel = self.tunnel("--management-token-file", token)
        where = address_of(tunnel, tunnel.remote)
        request = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
        answers = self.raw(where, request % b"" * 1000)
        self.assertEqual(len(re.findall(rb"HTTP/1.1 \d+", answers)), 1)
        self.assertRegex(answers, rb"^HTTP/1.1 401 ")
        wrong = self.raw(where, request % (b"Authorization: Bearer %s\r\n" % TOKEN[::-1].encode()) * 1000)
        self.assertEqual(len(re.findall(rb"HTTP/1.1 401", wrong)), 1)
        self.assertEqual(status(where, "/ping", *bearer(TOKEN)), 200)


if __name__ == "__main__":
    unittest.main()
