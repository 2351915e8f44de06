"""What holds for visitors of a name as for those of a port: limits, networks, drains, the PROXY header, and what is
told of them."""

import contextlib
import socket
import struct
import unittest

from fronts import AtFronts, SlowWeb, alert_of, authority, read_answer, request_of, secured, web, word_of
from hellos import shake_hands
from origins import SocketOrigin
from support import DEADLINE, HOST, Tunnel, binary, poll, run, show_address

APP, OPAQUE = "app.example.com", "db.example.com"
ELSEWHERE = "127.0.0.2"
VISITOR, AT = ("198.51.100.7", 4321), ("203.0.113.9", 443)


def word_from(source, address, name):
    raw = socket.create_connection(address, DEADLINE, (source, 0))
    try:
        with authority().trusting().wrap_socket(raw, server_hostname=name) as visitor:
            visitor.sendall(request_of(visitor))
            return read_answer(visitor)
    finally:
        raw.close()


class Limits(AtFronts):
    def open_both(self, of_app="", of_db="", flags=(), app=None):
        """Services of the remote proxy's file, app and db, with further keys of each; `app` may be its server."""
        authority().put(self.certificates, APP)
        self.with_secrets("A")
        path = self.write("remote.toml", self.tables + f'[services.app]\nkind = "https"\nhosts = ["app"]\n{of_app}\n'
                          f'[services.db]\nkind = "tls"\nhosts = ["db"]\n{of_db}\n')
        front = self.front("--config", path, *flags)
        app, db = app or self.enterContext(web("app")), self.enterContext(web("db", OPAQUE))
        program = self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files["A"],
                             "--service", f"app={show_address(app.address)}",
                             "--service", f"db={show_address(db.address)}")
        program.wait_line("^ready ", stream="stdout")
        return front

    def is_refused(self, front, name, source=HOST):
        """A reset, or where each request is answered, an answer that says so."""
        try:
            return word_from(source, front, name).startswith("503 ")
        except OSError:
            return True

    def test_one_name_is_full_and_the_other_is_not(self):
        front = self.open_both("max-connections = 2")
        with contextlib.ExitStack() as stack:
            visitors = [stack.enter_context(secured(front, APP)) for _ in range(2)]
            for visitor in visitors:
                visitor.sendall(request_of(visitor))
                self.assertEqual(read_answer(visitor), "app")
            self.assertTrue(self.is_refused(front, APP))
            self.assertEqual(word_of(front, OPAQUE), "db")
            refused = Tunnel.wait_log(self.remote_program, lambda line: line["message"] == "refused a visitor")
            self.assertEqual(refused["code"], "too_many")
            visitors.pop().close()
            poll(lambda: not self.is_refused(front, APP), "there is room again")
        self.assertRegex(self.api.get("/metrics"), r'tunnel_visitors_refused_total{reason="too_many"} [1-9]')

    def test_networks_are_allowed_and_denied_for_one_name(self):
        front = self.open_both(f'deny = ["{ELSEWHERE}/32"]', f'allow = ["{ELSEWHERE}/32"]')
        self.assertEqual(word_from(HOST, front, APP), "app")
        self.assertTrue(self.is_refused(front, APP, ELSEWHERE))
        self.assertEqual(word_from(ELSEWHERE, front, OPAQUE), "db")
        self.assertTrue(self.is_refused(front, OPAQUE))
        for code in ("denied", "not_allowed"):
            Tunnel.wait_log(self.remote_program, lambda line, code=code:
                            line["message"] == "refused a visitor" and line["code"] == code)

    def test_all_names_together_have_a_limit(self):
        front = self.open_both(flags=["--max-connections", "2"])
        with secured(front, APP) as first, secured(front, OPAQUE) as second:
            for visitor in (first, second):
                visitor.sendall(request_of(visitor))
                read_answer(visitor)
        poll(lambda: not self.is_refused(front, APP), "there is room again")

    def steer(self, verb, name):
        run([binary("remote-proxy"), verb, name, "--management-addr", self.api.where])

    def test_one_name_is_drained_and_resumed_and_the_other_goes_on(self):
        """What is under way ends well: a request, where each has a service found for it, else the connection."""
        app = self.enterContext(SlowWeb("app"))
        front = self.open_both(app=app)
        with secured(front, APP) as visitor, secured(front, OPAQUE) as opaque, self.api.events() as events:
            opaque.sendall(request_of(opaque))
            self.assertEqual(read_answer(opaque), "db")
            visitor.sendall(request_of(visitor))
            self.assertTrue(app.asked.acquire(timeout=DEADLINE))
            for name in ("app", "db"):
                self.steer("drain", name)
                self.assertTrue(self.is_refused(front, {"app": APP, "db": OPAQUE}[name]))
            app.answers.release()
            self.assertEqual(read_answer(visitor), "app")
            visitor.sendall(request_of(visitor))
            self.assertIn("503 Service Unavailable", read_answer(visitor))
            opaque.sendall(request_of(opaque))
            self.assertEqual(read_answer(opaque), "db")
            self.assertTrue(self.refused("service_closed")["reason"])
            self.steer("resume", "app")
            app.answers.release(2)
            visitor.sendall(request_of(visitor))
            self.assertEqual([read_answer(visitor), word_of(front, APP)], ["app", "app"])
            self.assertTrue(self.is_refused(front, OPAQUE))
            poll(lambda: events.seen, "the events tell of it")

    def test_status_metrics_and_events_have_the_names(self):
        front = self.open_both()
        with self.api.events() as events:
            self.assertEqual([word_of(front, APP), word_of(front, OPAQUE)], ["app", "db"])
            self.assertEqual(alert_of(front, "nobody.example.com"), 112)
            self.assertEqual(alert_of(front, None), 112)
            poll(lambda: sum("visitor" in kind for kind, _ in events.seen) >= 2, "events of visitors")
            self.assertTrue({"app", "db"} <= {data.get("service") for _, data in events.seen}, events.seen)
        shown = run([binary("remote-proxy"), "status", "--management-addr", self.api.where]).stdout
        self.assertIn(f"https://{APP}:{front[1]}", shown)
        self.assertIn(f"tls://{OPAQUE}:{front[1]}", shown)
        services = {each["name"]: each for each in self.api.get("/v1/services")["services"]}
        self.assertEqual({name: each["outside"] for name, each in services.items()},
                         {"app": f"https://{APP}:{front[1]}", "db": f"tls://{OPAQUE}:{front[1]}"})
        self.assertEqual([services[name]["visitors_total"] for name in ("app", "db")], [1, 1])
        metrics = self.api.get("/metrics")
        for result, count in (("passed_on", 2), ("unknown_host", 1), ("no_host", 1), ("bad_hello", 0)):
            self.assertIn(f'tunnel_front_visitors_total{{front="https",result="{result}"}} {count}', metrics)
        self.assertRegex(metrics, r'tunnel_\w*visitors\w*{service="app"} 1')


def header_v2(visitor, outside):
    return (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton(visitor[0]) + socket.inet_aton(outside[0]) +
            struct.pack("!HH", visitor[1], outside[1]))


def header_v1(visitor, outside):
    return f"PROXY TCP4 {visitor[0]} {outside[0]} {visitor[1]} {outside[1]}\r\n".encode()


def read_line(connection):
    line = b""
    while not line.endswith(b"\r\n"):
        line += connection.recv(1)
    return line


class Told(SocketOrigin):
    """A web server that takes a header of the PROXY protocol, version 1, and answers a request with it; over TLS if it
    has names."""

    def __init__(self, *names):
        context = authority().serving(*names) if names else None

        def serve(connection):
            header = read_line(connection)
            if context:
                connection = context.wrap_socket(connection, server_side=True)
            while read_line(connection) != b"\r\n":
                pass
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(header), header))
            connection.close()
        super().__init__(serve)


class ProxyHeader(AtFronts):
    def open_both(self, *flags):
        authority().put(self.certificates, APP)
        self.with_secrets("A")
        front = self.front("--secrets-file", self.secrets_path, *flags)
        app, db = self.enterContext(Told()), self.enterContext(Told(OPAQUE))
        self.offering("A", ("app", app, "https://app"), ("db", db, "tls://db"), flags=("--proxy-protocol", "v1"))
        return front

    def told(self, front, name, header=b"", source=HOST):
        with socket.create_connection(front, DEADLINE, (source, 0)) as raw:
            raw.sendall(header)
            with authority().trusting().wrap_socket(raw, server_hostname=name) as visitor:
                where = visitor.getsockname()
                visitor.sendall(request_of(visitor))
                return read_answer(visitor).encode(), where

    def test_the_origin_server_is_told_who_the_visitor_of_a_name_is(self):
        front = self.open_both()
        for name in (APP, OPAQUE):
            line, where = self.told(front, name, source=ELSEWHERE)
            self.assertEqual(line, header_v1(where, front))

    def test_what_a_load_balancer_in_front_says_is_believed_and_passed_on(self):
        front = self.open_both("--accept-proxy-from", "127.0.0.0/8")
        for name in (APP, OPAQUE):
            for header in (header_v1(VISITOR, AT), header_v2(VISITOR, AT)):
                self.assertEqual(self.told(front, name, header)[0], header_v1(VISITOR, AT))

    def test_header_and_hello_in_one_piece_or_byte_by_byte_are_told_apart(self):
        front = self.open_both("--accept-proxy-from", "127.0.0.0/8")
        for name in (APP, OPAQUE):
            for header in (header_v1(VISITOR, AT), header_v2(VISITOR, AT)):
                for size in (1 << 16, 1, 40):
                    with socket.create_connection(front, DEADLINE) as raw:
                        def say(hello, raw=raw, header=header, size=size):
                            words = header + hello
                            for at in range(0, len(words), size):
                                raw.sendall(words[at:at + size])
                        told, _ = shake_hands(raw, name, authority().trusting(), say)
                    self.assertEqual(told.encode(), header_v1(VISITOR, AT))

    def test_the_limits_are_those_of_the_visitor_and_not_of_the_load_balancer(self):
        front = self.open_both("--accept-proxy-from", "127.0.0.0/8", "--deny", f"{VISITOR[0]}/32")
        for name in (APP, OPAQUE):
            with self.assertRaises(OSError):
                self.told(front, name, header_v1(VISITOR, AT))
            self.assertEqual(self.told(front, name, header_v1(("198.51.100.8", 1), AT))[0],
                             header_v1(("198.51.100.8", 1), AT))

    def test_who_comes_from_the_load_balancer_without_a_header_is_refused(self):
        front = self.open_both("--accept-proxy-from", f"{ELSEWHERE}/32")
        with self.assertRaises(OSError):
            self.told(front, APP, source=ELSEWHERE)
        self.assertTrue(self.told(front, APP)[0].startswith(b"PROXY TCP4 127.0.0.1 "))
        Tunnel.wait_log(self.remote_program, lambda line: line.get("code") == "no_proxy_header")

    def test_a_header_of_nobody_who_may_send_one_is_no_hello(self):
        front = self.open_both()
        for header in (header_v1(VISITOR, AT), header_v2(VISITOR, AT)):
            with self.assertRaises(OSError):
                self.told(front, APP, header)
        self.refused("bad_hello")
        self.assertTrue(self.told(front, APP)[0])


if __name__ == "__main__":
    unittest.main()
