"""Visitors of an address that services share who say nothing, or too slowly, and those who come meanwhile."""

import contextlib
import re
import statistics
import threading
import time
import unittest

from faults import SLOW, descriptors, how_it_ends, visit
from fronts import AtFronts, authority, secured, read_answer, web, word_of, request_of
from hellos import client_hello, in_records
from support import HOST, Tunnel, need, poll, run, show_address

ENDED, OPAQUE = "one.example.com", "op.example.com"
HANDSHAKE_TIMEOUT = 5.0
SILENT = 1000


class AtSilentFronts(AtFronts):
    serial = True

    def setUp(self):
        super().setUp()
        authority().put(self.certificates, ENDED)
        self.with_secrets("A")
        self.front_address = self.front("--secrets-file", self.secrets_path, "--http-addr", f"{HOST}:0")
        one, opaque = self.enterContext(web("one")), self.enterContext(web("op", OPAQUE))
        self.offering("A", ("one", one, "https://one"), ("op", opaque, "tls://op"))

    def counted(self, result):
        return int(re.search(rf'tunnel_front_visitors_total{{front="https",result="{result}"}} (\d+)',
                             self.api.get("/metrics"))[1])


class Silent(AtSilentFronts):
    def median(self, name, count=60):
        """How long it takes until a fresh visitor is answered, in seconds."""
        times = []
        for _ in range(count):
            began = time.monotonic()
            word_of(self.front_address, name, self.context)
            times.append(time.monotonic() - began)
        return statistics.median(times)

    def refusals(self):
        """How many the log has told of, as timeouts, and in how many lines."""
        lines = [line for line in Tunnel.log(self.remote_program)
                 if line["message"].startswith("refused a visitor of an address") and line["code"] == "timeout"]
        return sum(line["count"] for line in lines), len(lines)

    def test_a_thousand_silent_visitors_delay_nobody_and_are_ended_in_time(self):
        self.context = authority().trusting()
        self.median(ENDED, 5)
        alone = {name: self.median(name) for name in (ENDED, OPAQUE)}
        before = descriptors(self.remote_program.pid)
        with contextlib.ExitStack() as stack:
            began = time.monotonic()
            silent = [stack.enter_context(visit(self.front_address)) for _ in range(SILENT)]
            beside = {name: self.median(name, 30) for name in (ENDED, OPAQUE)}
            still_there = descriptors(self.remote_program.pid) - before
            self.assertLess(time.monotonic() - began, HANDSHAKE_TIMEOUT if not SLOW else 60)
            if not SLOW:
                self.assertGreaterEqual(still_there, SILENT - 50)  # others are just leaving
            for name in alone:
                self.assertLess(beside[name], 5 * alone[name] + 0.01, f"{name}: {alone[name]} s alone")
            self.assertEqual({how_it_ends(visitor) for visitor in silent}, {"reset"})
            took = time.monotonic() - began
            self.assertGreater(took, HANDSHAKE_TIMEOUT - 0.1)
            self.assertLess(took, HANDSHAKE_TIMEOUT + (20 if SLOW else 5))
        poll(lambda: self.counted("timeout") == SILENT, "all are counted")
        poll(lambda: descriptors(self.remote_program.pid) <= before + 5, "their descriptors are given back")
        self.remote_program.stop(code=0)
        told, lines = self.refusals()  # what is left, at the end
        self.assertEqual(told, SILENT)
        self.assertLess(lines, 5)

    def test_who_sends_a_byte_now_and_then_is_ended_in_time_too(self):
        hello = in_records(client_hello(ENDED.encode(), padding=4000))
        over = threading.Event()
        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            dribbling = [stack.enter_context(visit(self.front_address)) for _ in range(100)]

            def dribble():
                for byte in hello:
                    for visitor in dribbling:
                        with contextlib.suppress(OSError):
                            visitor.send(bytes([byte]))
                    if over.wait(0.05):
                        return
            thread = threading.Thread(target=dribble, daemon=True)
            thread.start()
            self.assertEqual(word_of(self.front_address, ENDED), "one")
            self.assertEqual({how_it_ends(visitor) for visitor in dribbling}, {"reset"})
            took = time.monotonic() - began
            over.set()
            thread.join()
        self.assertGreater(took, HANDSHAKE_TIMEOUT - 0.1)
        self.assertLess(took, HANDSHAKE_TIMEOUT + (20 if SLOW else 5))
        self.assertEqual(self.counted("timeout"), 100)

    def test_who_falls_silent_after_the_hello_is_ended_in_time_where_tls_ends_here(self):
        with contextlib.ExitStack() as stack:
            visitors = [stack.enter_context(visit(self.front_address)) for _ in range(200)]
            began = time.monotonic()
            for visitor in visitors:
                visitor.sendall(in_records(client_hello(ENDED.encode())))
            for name, word in ((ENDED, "one"), (OPAQUE, "op")):
                self.assertEqual(word_of(self.front_address, name), word)
            self.assertEqual({how_it_ends(visitor) for visitor in visitors}, {"reset"})
            self.assertLess(time.monotonic() - began, HANDSHAKE_TIMEOUT + (20 if SLOW else 5))
        poll(lambda: self.counted("timeout") == 200, "all are counted")

    def test_a_visitor_who_has_been_passed_on_may_be_silent_for_longer(self):
        """Where each request finds its service, the first of them must come in time, too."""
        with secured(self.front_address, ENDED) as ended, secured(self.front_address, OPAQUE) as opaque, \
                secured(self.front_address, ENDED) as asks_nothing, visit(self.front_address) as silent:
            ended.sendall(request_of(ended))
            self.assertEqual(read_answer(ended), "one")
            self.assertEqual(asks_nothing.recv(1), b"")
            self.assertEqual(how_it_ends(silent), "reset")  # as long as that takes
            for visitor, word in ((ended, "one"), (opaque, "op")):
                visitor.sendall(request_of(visitor))
                self.assertEqual(read_answer(visitor), word)


class SlowHttpTest(AtSilentFronts):
    timeout = 180

    def attack(self, url, *words, count=300):
        """Gives what slowhttptest says at its end; meanwhile visitors of both names come."""
        program = need("slowhttptest")
        served, failed, over = [], [], threading.Event()

        def come():
            while not over.is_set():
                try:
                    served.append(word_of(self.front_address, ENDED))
                except (OSError, AssertionError) as error:
                    failed.append(repr(error))
        thread = threading.Thread(target=come, daemon=True)
        thread.start()
        try:
            done = run([program, "-c", str(count), "-r", "200", "-i", "2", "-l", "15", "-p", "5", "-u", url, "-v", "1",
                        *words], timeout=60, check=False)
        finally:
            over.set()
            thread.join()
        self.assertEqual(failed, [])
        self.assertGreater(len(served), 20)
        return done.stdout + done.stderr

    def test_slow_heads_at_the_address_for_http_are_ended_and_it_stays_available(self):
        said = self.attack(f"http://{show_address(self.addresses_there['http'])}/", "-H")
        said = re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", said)
        self.assertEqual(set(re.findall(r"service available:\s*(\w+)", said)), {"YES"}, said)
        with visit(self.addresses_there["http"]) as visitor:
            visitor.sendall(b"GET / HTTP/1.1\r\nHost: one.example.com\r\n\r\n")
            self.assertIn(b"308", visitor.recv(1000))


if __name__ == "__main__":
    unittest.main()
