"""What holds for services holds for their requests: limits, several origin proxies, health, stops, management."""

import concurrent.futures
import os
import signal
import socket
import threading
import time
import unittest

from faults import PROMPTLY, visit
from http_fronts import AtHttp, HttpServer, HttpVisitor, Reader, request, response
from support import HOST, Tunnel, binary, free_port, poll, run, show_address

APP = "app.example.com"


class OfServices(AtHttp):
    def provider(self, name, server, *flags):
        program = self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files[name],
                             "--service", f"app={show_address(server.address)}", *flags)
        program.wait_line("^ready ", stream="stdout")
        return program

    def open_app(self, *flags, more=""):
        self.open(*flags, origins=("A", "B"), config=f'[services.app]\nkind = "http"\nhosts = ["app"]\n{more}')

    def test_requests_are_spread_over_origin_proxies_as_visitors_are(self):
        self.open_app(more='balance = "round-robin"\n')
        servers = [self.enterContext(HttpServer(name)) for name in ("A", "B")]
        for name, server in zip(("A", "B"), servers):
            self.provider(name, server)
        for _ in range(40):
            with HttpVisitor(visit(self.http)) as visitor:
                self.assertIn(visitor.ask(APP).word, ("A", "B"))
        for server in servers:
            self.assertGreaterEqual(len(server.requests), 10)

    def test_an_unhealthy_server_gets_no_request(self):
        self.open_app()
        healthy = threading.Event()
        healthy.set()

        def serve(asked, connection):
            if asked.target == "/health":
                return response("", "200 OK" if healthy.is_set() else "500 Internal Server Error")
            return response("A")
        first, second = self.enterContext(HttpServer(serve)), self.enterContext(HttpServer("B"))
        checks = ["--health-check", "http:/health", "--health-check-interval", "100ms"]
        self.provider("A", first, *checks)
        visitor = self.visitor()
        self.assertEqual(visitor.ask(APP).word, "A")
        self.provider("B", second)
        healthy.clear()
        poll(lambda: {self.visitor().ask(APP).word for _ in range(4)} == {"B"}, "all go to B", interval=0.1)
        healthy.set()
        poll(lambda: "A" in {self.visitor().ask(APP).word for _ in range(4)}, "A serves again", interval=0.1)

    def test_a_server_at_a_unix_socket_is_reached(self):
        self.open()
        path = self.folder.path("app.sock")
        listener = self.enterContext(socket.socket(socket.AF_UNIX))
        listener.bind(path)
        listener.listen()

        def serve():
            while True:
                connection, _ = listener.accept()
                reader = Reader(connection)
                while reader.request() is not None:
                    connection.sendall(response("unix"))
        threading.Thread(target=serve, daemon=True).start()

        class Server:
            address = f"unix:{path}"
        self.offering("A", ("app", Server, "http://app"))
        visitor = self.visitor()
        for _ in range(3):
            self.assertEqual(visitor.ask(APP).word, "unix")

    def test_bandwidth_of_a_visitor_holds_for_requests(self):
        self.open(config='[services.app]\nkind = "http"\nhosts = ["app"]\n'
                  'max-bandwidth-down-per-visitor = "200KiB/s"\n')
        server = self.enterContext(HttpServer(b"x" * 100_000))
        self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files["A"],
                   "--service", f"app={show_address(server.address)}").wait_line("^ready ", stream="stdout")
        visitor = self.visitor()
        began = time.monotonic()
        for _ in range(8):
            self.assertEqual(len(visitor.ask(APP).body), 100_000)
        self.assertGreater(time.monotonic() - began, 1.5)

    def test_this_machine_has_no_limit_for_each_address(self):
        self.open(config='[services.app]\nkind = "http"\nhosts = ["app"]\nmax-connections-per-ip = 2\n'
                  'allow = ["127.0.0.0/8"]\n')
        server = self.enterContext(HttpServer("here"))
        self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files["A"],
                   "--service", f"app={show_address(server.address)}").wait_line("^ready ", stream="stdout")
        # This machine is trusted, so nothing is refused here, however many there are.
        visitors = [self.visitor() for _ in range(5)]
        self.assertEqual([each.ask(APP).status for each in visitors], [200] * 5)

    def test_the_idle_timeout_ends_an_answer_that_stands_still(self):
        self.open("--idle-timeout", "1s")
        self.serve(lambda asked, connection: response("here") if asked.target == "/" else
                   connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") or time.sleep(20))
        visitor = self.visitor()
        self.assertEqual(visitor.ask(APP).word, "here")
        visitor.say(request(APP, "/stands-still"))
        self.assertEqual(visitor.reader.head().status, 200)
        visitor.reader.take(4)
        began = time.monotonic()
        self.assertTrue(visitor.is_at_end())
        self.assertLess(time.monotonic() - began, 10)

    def test_an_origin_server_that_serves_one_connection_at_a_time_serves_many_visitors(self):
        """As some simple servers do, for which a connection that waits for its next request stands in the way."""
        self.open()
        turn = threading.Lock()

        class OneByOne(HttpServer):
            def _talk(self, connection):
                with turn:
                    return super()._talk(connection)
        server = self.enterContext(OneByOne("here"))
        self.offering("A", ("app", server, "http://app"), flags=["--reuse=false"])

        def come(_):
            with HttpVisitor(visit(self.http)) as visitor:
                return visitor.ask(APP).word
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            self.assertEqual(set(pool.map(come, range(12))), {"here"})


class Stops(AtHttp):
    def test_a_remote_proxy_that_stops_finishes_answers_and_does_not_wait_for_idle_visitors(self):
        self.open()
        go_on = threading.Event()

        def serve(asked, connection):
            if asked.target == "/":
                return response("here")
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
            go_on.wait(20)
            return b"more"
        self.serve(serve)
        idle = [self.visitor() for _ in range(5)]
        for each in idle:
            self.assertEqual(each.ask(APP).word, "here")
        silent = self.visitor()
        busy = self.visitor()
        busy.say(request(APP, "/slow"))
        self.assertEqual(busy.reader.head().status, 200)
        self.remote_program.send_signal(signal.SIGTERM)
        for each in [*idle, silent]:
            self.assertTrue(each.is_at_end())
        go_on.set()
        self.assertEqual(busy.reader.take(8), b"halfmore")
        self.remote_program.wait_exit(10, code=0)

    def test_a_remote_proxy_without_requests_under_way_stops_at_once(self):
        self.open()
        self.serve()
        for _ in range(10):
            visitor = self.visitor()
            self.assertEqual(visitor.ask(APP).word, "here")
        began = time.monotonic()
        self.remote_program.stop(code=0)
        self.assertLess(time.monotonic() - began, 3 * PROMPTLY)

    def test_a_remote_proxy_that_comes_back_serves_again(self):
        port, control = free_port(), free_port()
        secrets, files = self.secrets("A")
        flags = ["--control-addr", f"{HOST}:{control}", "--http-addr", f"{HOST}:{port}", "--domain", "example.com",
                 "--secrets-file", secrets]
        remote = self.start("remote-proxy", *flags)
        remote.wait_line("^ready ", stream="stdout")
        server = self.enterContext(HttpServer("here"))
        origin = self.start("origin-proxy", "--remote-proxy-addr", f"{HOST}:{control}", "--secret-file", files["A"],
                            "--service", f"app={show_address(server.address)}@http://app")
        origin.wait_line("^ready ", stream="stdout")
        with HttpVisitor(visit((HOST, port))) as visitor:
            self.assertEqual(visitor.ask(APP).word, "here")
        remote.kill()
        remote = self.start("remote-proxy", *flags)
        remote.wait_line("^ready ", stream="stdout")
        Tunnel.wait_log(origin, lambda line: line["message"] == "logged in", count=2)
        with HttpVisitor(visit((HOST, port))) as visitor:
            self.assertEqual(visitor.ask(APP).word, "here")


class Descriptors(AtHttp):
    serial = True

    def test_descriptors_of_both_programs_are_given_back(self):
        self.open()
        self.serve()

        def count(program):
            return len(os.listdir(f"/proc/{program.pid}/fd"))

        def come(number):
            with HttpVisitor(visit(self.http)) as visitor:
                for _ in range(number % 4):
                    visitor.ask(APP)
                visitor.ask("none.example.com")
                if number % 5 == 0:
                    visitor.say(request(APP))
        come(3)
        before = count(self.remote_program), count(self.program)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(come, range(400)))
        poll(lambda: count(self.remote_program) <= before[0] + 12 and count(self.program) <= before[1] + 12,
             f"about as many descriptors as before, {before}", 40, interval=0.5)

    def test_few_descriptors_leave_requests_that_are_under_way_alone(self):
        self.open()
        self.serve()
        run(["prlimit", f"--pid={self.remote_program.pid}", "--nofile=128:128"])
        kept = self.visitor()
        self.assertEqual(kept.ask(APP).word, "here")
        crowd = []
        for _ in range(200):
            try:
                crowd.append(visit(self.http, 2))
                crowd[-1].sendall(b"GET / HT")
            except OSError:
                pass
        for _ in range(20):
            self.assertIn(kept.ask(APP).status, (200, 503))
        for each in crowd:
            each.close()
        poll(lambda: self.served(), "others are served again", interval=0.2)

    def served(self):
        try:
            with HttpVisitor(visit(self.http, 2)) as visitor:
                return visitor.ask(APP).status == 200
        except (OSError, AssertionError):
            return False


class Management(AtHttp):
    def test_a_service_with_its_name_and_who_is_at_it_are_shown(self):
        self.open()
        self.serve()
        [service] = self.api.get("/v1/services")["services"]
        self.assertEqual(service["outside"], f"http://app.example.com:{self.http[1]}")
        visitor = self.visitor()
        self.assertEqual(visitor.ask(APP).word, "here")
        said = run([binary("remote-proxy"), "status", "--management-addr", self.api.where]).stdout
        self.assertIn("http://app.example.com", said)

    def test_a_visitor_who_is_closed_by_management_is_gone(self):
        self.open()
        self.serve(lambda asked, connection: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nforever") or time.sleep(20))
        visitor = self.visitor()
        visitor.say(request(APP))
        self.assertEqual(visitor.reader.head().status, 200)
        [shown] = poll(lambda: self.api.get("/v1/visitors")["visitors"], "the visitor is shown")
        self.api.ask("POST", f"/v1/visitors/{shown['id']}/close")
        with self.assertRaises(ConnectionResetError):
            while visitor.connection.recv(1000):
                pass
        Tunnel.wait_log(self.remote_program, lambda line: line.get("code") == "closed_by_management")


if __name__ == "__main__":
    unittest.main()
