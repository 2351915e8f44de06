"""Slow and hostile visitors delay nobody."""

import contextlib
import os
import socket
import threading
import time
import unittest

from faults import PROMPTLY, visit
from http_fronts import AtHttp, HttpServer, HttpVisitor, request, response
from support import HOST, need, poll, run, show_address


class SlowAndHostile(AtHttp):
    serial = True
    timeout = 240

    def delays(self, count=30):
        """How long visitors wait for their answers, each over a connection of its own."""
        took = []
        for _ in range(count):
            began = time.monotonic()
            with HttpVisitor(visit(self.http)) as visitor:
                self.assertEqual(visitor.ask("app.example.com").word, "here")
            took.append(time.monotonic() - began)
        return sorted(took)

    def test_1000_slow_heads_delay_nobody_and_end_in_time(self):
        self.open()
        self.serve()
        slow = [visit(self.http) for _ in range(1000)]
        over = threading.Event()

        def drip():
            while not over.is_set():
                for each in slow:
                    try:
                        each.send(b"X")
                    except OSError:
                        pass
                over.wait(1)
        try:
            for each in slow:
                each.sendall(b"GET / HTTP/1.1\r\nHost: app.example.com\r\nX: ")
            thread = threading.Thread(target=drip, daemon=True)
            thread.start()
            took = self.delays()
            self.assertLess(took[len(took) // 2], PROMPTLY / 10)
            self.assertLess(took[-1], PROMPTLY)

            def ended():
                count = 0
                for each in slow:
                    each.setblocking(False)
                    try:
                        count += bool(each.recv(1000, socket.MSG_PEEK)) or 1
                    except BlockingIOError:
                        pass
                    except OSError:
                        count += 1
                return count == len(slow)
            poll(ended, "every slow one has its 408 or its end", 40, interval=0.5)
        finally:
            over.set()
            for each in slow:
                each.close()

    def test_silent_visitors_and_slow_readers_delay_nobody(self):
        self.open()
        self.serve(lambda asked, connection: response(b"x" * 3_000_000 if asked.target == "/big" else "here"))
        said = [request("app.example.com", "/big")] * 50 + [b""] * 500 + \
            [request("app.example.com", "/", "POST", "Content-Length: 1000") + b"x"] * 100
        with contextlib.ExitStack() as others:
            for each in said:
                others.enter_context(visit(self.http)).sendall(each)
            self.delays(1)  # until what the kernel takes of fifty answers is there, as with a plain port
            took = self.delays()
            self.assertLess(took[len(took) // 2], PROMPTLY / 10)
            self.assertLess(took[-1], PROMPTLY)

    def test_heads_of_random_bytes_harm_nobody(self):
        self.open()
        server = self.serve()
        for number in range(300):
            with visit(self.http) as raw:
                raw.settimeout(10)
                said = os.urandom(1 + number * 7)
                try:
                    raw.sendall(said if number % 2 else request("app.example.com") + said)
                    raw.shutdown(socket.SHUT_WR)
                    while raw.recv(1 << 16):
                        pass
                except ConnectionError:
                    pass
        self.assertTrue(all(each.method == "GET" and each.body == b"" for each in server.requests))
        self.assertLessEqual(len(server.requests), 150)
        self.assertLess(self.delays(5)[-1], PROMPTLY)

    def test_slowhttptest_leaves_the_service_available(self):
        program = need("slowhttptest")
        self.open(config='[services.any]\nkind = "http"\nhosts = ["*"]\n')
        server = self.enterContext(HttpServer("here"))
        self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files["A"],
                   "--service", f"any={show_address(server.address)}").wait_line("^ready ", stream="stdout")
        for mode in ("-H", "-B", "-X"):
            with self.subTest(mode):
                said = run([program, mode, "-c", "500", "-r", "200", "-i", "2", "-l", "8", "-p", "2", "-u",
                            f"http://{HOST}:{self.http[1]}/"], check=False).stdout
                self.assertRegex(said, r"service available:\S* +\S*YES")
                self.assertLess(self.delays(5)[-1], PROMPTLY)


if __name__ == "__main__":
    unittest.main()
