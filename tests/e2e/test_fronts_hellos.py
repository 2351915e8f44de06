"""What visitors say first at an address that services share, good and bad; nobody else is hurt."""

import os
import socket
import ssl
import unittest

from faults import how_it_ends, visit
from fronts import (
    DECODE_ERROR, PROTOCOL_VERSION, RECORD_OVERFLOW, UNRECOGNIZED_NAME, AtFronts, alert_of, alert_to, all_of, authority,
    read_answer, secured, web, word_of, request_of)
from hellos import LARGEST_RECORD, TLS_1_1, client_hello, in_records, shake_hands
from support import HOST, need, run, show_address

NO_APPLICATION_PROTOCOL = 120
ENDED, OPAQUE = "one.example.com", "op.example.com"


class AtOneAddress(AtFronts):
    """TLS of `one` ends at the remote proxy, that of `op` at the origin server. A visitor of each stays."""

    flags = ()

    def setUp(self):
        super().setUp()
        authority().put(self.certificates, ENDED)
        self.with_secrets("A")
        self.front_address = self.front("--secrets-file", self.secrets_path, "--http-addr", f"{HOST}:0", *self.flags)
        one, opaque = self.enterContext(web("one")), self.enterContext(web("op", OPAQUE, "xn--bcher-kva.example.com"))
        self.offering("A", ("one", one, "https://one"), ("op", opaque, "tls://op"),
                   ("idn", opaque, "tls://xn--bcher-kva"))
        self.standing = [self.enterContext(secured(self.front_address, name)) for name in (ENDED, OPAQUE)]

    def nobody_is_hurt(self):
        for visitor in self.standing:
            visitor.sendall(request_of(visitor))
        self.assertEqual([read_answer(visitor) for visitor in self.standing], ["one", "op"])
        self.assertEqual([word_of(self.front_address, name) for name in (ENDED, OPAQUE)], ["one", "op"])

    def visit(self):
        return self.enterContext(visit(self.front_address))

    def is_told(self, alert, hello):
        with self.subTest(hello[:60]):
            with visit(self.front_address) as visitor:
                self.assertEqual(alert_to(visitor, hello), alert)
            self.assertTrue(self.refused("bad_hello")["reason"])
            self.nobody_is_hurt()


class BadHellos(AtOneAddress):
    def test_plain_http_is_told_that_this_is_https(self):
        for words in (b"GET / HTTP/1.1\r\nHost: one.example.com\r\n\r\n", b"POST /x HTTP/1.1\r\n\r\n",
                      b"HEAD / HTTP/1.0\r\n\r\n"):
            visitor = self.visit()
            visitor.sendall(words)
            answer = all_of(visitor)
            self.assertTrue(answer.startswith(b"HTTP/1.1 400 Bad Request\r\n"), answer)
            self.assertIn(b"this is HTTPS", answer)
        done = run([need("curl"), "-sS", "--noproxy", "*", f"http://{show_address(self.front_address)}/"])
        self.assertIn("this is HTTPS", done.stdout)
        self.refused("bad_hello")
        self.nobody_is_hurt()

    def test_a_hello_of_ssl_2_is_told_the_protocol_version(self):
        hello = bytes.fromhex("802e0103010015000000100700c00300800100800600400400800200800000") + os.urandom(16)
        self.is_told(PROTOCOL_VERSION, hello)

    def test_64_kib_of_junk_are_reset(self):
        for first in (b"\0", b"\xff", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x17\3\3\0\x20"):
            visitor = self.visit()
            try:
                visitor.sendall(first + os.urandom(1 << 16))
                self.assertEqual(how_it_ends(visitor), "reset", first)
            except (ConnectionResetError, BrokenPipeError):
                pass
        self.refused("bad_hello")
        self.nobody_is_hurt()

    def test_junk_that_begins_as_tls_does_is_told_what_is_wrong(self):
        self.is_told(DECODE_ERROR, b"\x16\3\1\0\x40\x02" + os.urandom(63))  # another message than a hello
        self.is_told(DECODE_ERROR, in_records(b"\1\0\0\x50" + b"\3\3" + b"\xff" * 78))

    def test_a_hello_of_more_than_16_kib_is_too_large(self):
        self.is_told(RECORD_OVERFLOW, in_records(client_hello(ENDED.encode(), padding=17_000), 2))

    def test_a_record_of_more_than_16_kib_is_too_large(self):
        self.is_told(RECORD_OVERFLOW, b"\x16\3\1" + (LARGEST_RECORD + 1).to_bytes(2, "big") + b"\1\0\x40\0")

    def test_a_hello_in_65_records_is_too_large(self):
        self.is_told(RECORD_OVERFLOW, in_records(client_hello(ENDED.encode()), 65))

    def test_what_is_no_host_name_is_an_unrecognized_one(self):
        label = b"a" * 62 + b"."
        for name in ((label * 5)[:255 - 12] + b"example.comm", (label * 5)[:256 - 12] + b"example.comm", b"a" * 300,
                     b"one.example.com\0", b"one\0.example.com", b"one..example.com", b".", b"..", b"127.0.0.1", b"::1",
                     "b\u00fccher.example.com".encode(), b"*.example.com", b"one example.com", b"one.example.com:443",
                     b""):
            with self.subTest(name):
                with visit(self.front_address) as visitor:
                    self.assertEqual(alert_to(visitor, in_records(client_hello(name))), UNRECOGNIZED_NAME)
        self.refused("unknown_host")
        self.nobody_is_hurt()

    def test_a_name_that_nobody_has_is_an_unrecognized_one(self):
        for name in ("nobody.example.com", "sub.one.example.com", "example.com", "localhost"):
            self.assertEqual(alert_of(self.front_address, name), UNRECOGNIZED_NAME, name)
        self.assertIn("nobody.example.com", self.refused("unknown_host")["reason"])
        self.nobody_is_hurt()

    def test_who_names_no_host_is_told_so(self):
        self.assertEqual(alert_of(self.front_address, None), UNRECOGNIZED_NAME)
        self.assertEqual(self.refused("no_host")["reason"], "it names no host")
        self.nobody_is_hurt()

    def test_tls_1_1_is_told_the_protocol_version(self):
        with visit(self.front_address) as visitor:
            self.assertEqual(alert_to(visitor, in_records(client_hello(ENDED.encode(), version=TLS_1_1))),
                             PROTOCOL_VERSION)
        self.refused("handshake_failed")
        self.nobody_is_hurt()

    def test_who_speaks_nothing_but_http_2_is_told_so_where_tls_ends_here(self):
        context = authority().trusting()
        context.set_alpn_protocols(["h2"])
        self.assertEqual(alert_of(self.front_address, ENDED, context), NO_APPLICATION_PROTOCOL)
        self.assertEqual(word_of(self.front_address, OPAQUE, context), "op")
        self.nobody_is_hurt()

    def test_half_a_hello_and_the_end_of_the_stream_ends_it(self):
        hello = in_records(client_hello(ENDED.encode()))
        for size in (3, 5, len(hello) // 2, len(hello) - 1):
            visitor = self.visit()
            visitor.sendall(hello[:size])
            visitor.shutdown(socket.SHUT_WR)
            self.assertIn(how_it_ends(visitor), ("reset", "end of stream"), size)
        self.refused("bad_hello", reason="it left within its hello")
        self.nobody_is_hurt()

    def test_who_says_nothing_and_leaves_is_nothing_to_speak_of(self):
        for _ in range(20):
            with visit(self.front_address):
                pass
        self.nobody_is_hurt()
        self.assertFalse([line for line in self.remote_program.texts("stderr") if "refused a visitor" in line])

    def test_tls_at_the_address_for_http_ends_clearly(self):
        where = self.addresses_there["http"]
        with visit(where) as visitor:
            visitor.sendall(in_records(client_hello(ENDED.encode())))
            answer = b""
            try:
                answer = all_of(visitor)
            except ConnectionResetError:
                pass
            self.assertFalse(answer and not answer.startswith((b"HTTP/1.1 400", b"\x15\3")), answer)
        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            secured(where, ENDED)
        self.nobody_is_hurt()


class GoodHellos(AtOneAddress):
    def word(self, name, say_first, context=None):
        """`say_first(raw, hello)` sends it."""
        with visit(self.front_address) as raw:
            return shake_hands(raw, name, context or authority().trusting(), lambda hello: say_first(raw, hello))[0]

    def test_a_hello_may_come_byte_by_byte(self):
        def say(raw, hello):
            for at in range(len(hello)):
                raw.sendall(hello[at:at + 1])
        for name, word in ((ENDED, "one"), (OPAQUE, "op")):
            self.assertEqual(self.word(name, say), word)

    def test_a_hello_may_come_in_2_to_64_records(self):
        for count in (2, 3, 7, 16, 32, 63, 64):
            for name, word in ((ENDED, "one"), (OPAQUE, "op")):
                with self.subTest(f"{name} in {count}"):
                    self.assertEqual(self.word(name, lambda raw, hello, count=count:
                                               raw.sendall(in_records(hello[5:], count))), word)

    def test_a_name_with_other_letters_is_found_by_its_ascii_form(self):
        self.assertEqual(word_of(self.front_address, "xn--bcher-kva.example.com"), "op")
        self.assertEqual(word_of(self.front_address, "b\u00fccher.example.com"), "op")

    def test_of_several_protocols_http_1_1_is_taken_where_tls_ends_here(self):
        context = authority().trusting()
        context.set_alpn_protocols(["h2", "http/1.1"])
        with secured(self.front_address, ENDED, context) as visitor:
            self.assertEqual(visitor.selected_alpn_protocol(), "http/1.1")
        with secured(self.front_address, ENDED) as visitor:
            self.assertIsNone(visitor.selected_alpn_protocol())

    def test_tls_1_2_and_1_3_are_spoken(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = authority().trusting(minimum_version=version, maximum_version=version)
            with secured(self.front_address, ENDED, context) as visitor:
                self.assertEqual(visitor.version(), version.name.replace("v1_", "v1."))
                visitor.sendall(request_of(visitor))
                self.assertEqual(read_answer(visitor), "one")


class WithADefault(AtOneAddress):
    flags = ("--service", "rest=tls://*")

    def test_a_service_of_all_names_has_who_names_none_and_those_whom_nobody_else_has(self):
        context = authority().trusting(check_hostname=False)
        with web("rest", "rest.example.net") as server:
            program = self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files["A"],
                                 "--service", f"rest={show_address(server.address)}", "--name", "rest")
            program.wait_line("^ready ", stream="stdout")
            for name in (None, "nobody.example.com", "rest.example.net"):
                self.assertEqual(word_of(self.front_address, name, context), "rest", name)
            self.nobody_is_hurt()
            with visit(self.front_address) as visitor:
                self.assertEqual(alert_to(visitor, in_records(client_hello(b"127.0.0.1"))), UNRECOGNIZED_NAME)


if __name__ == "__main__":
    unittest.main()
