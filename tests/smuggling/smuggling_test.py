"""Compares where messages end for this program and for other parsers: none of them may find another message in bytes
that ours passes on. Parsers that are not installed are left out. TUNNEL_MESSAGE_ENDS names the program of main.cpp;
TUNNEL_SEED and TUNNEL_MUTANTS ask for other and for more changes of the cases."""
import collections
import os
import random
import re
import subprocess
import unittest

from cases import CASES, CLOSED, MORE, NEXT_REQUEST, NEXT_RESPONSE, REFUSED, WHOLE

try:
    import h11
except ImportError:
    h11 = None

PROGRAM = os.environ["TUNNEL_MESSAGE_ENDS"]

Ends = collections.namedtuple("Ends", "at stop passed")


def ends_by_program(cases):
    """{name of the parser: Ends} for each case."""
    lines = "".join(f"{kind} {data.hex()}\n" for kind, _, data, _ in cases)
    output = subprocess.run([PROGRAM], input=lines, capture_output=True, text=True, check=True, timeout=60).stdout
    blocks = output.split("\n\n")[:-1]
    assert len(blocks) == len(cases), output
    for block in blocks:
        ends = {}
        for line in block.split("\n"):
            parser, at, stop, passed = re.fullmatch(r"(\S+) \[(.*)\] (\S+) (\d+)", line).groups()
            ends[parser] = Ends([int(each) for each in at.split(",") if each], stop, int(passed))
        yield ends


class H11:
    """One connection of h11, which gets the bytes one by one."""

    def __init__(self, kind):
        self.kind = kind
        self.at = []
        self.stop = None
        self.has_length = False
        self.method = b"HEAD" if kind == "response-to-head" else b"GET"
        self.connection = h11.Connection(h11.SERVER if kind == "request" else h11.CLIENT)
        self.ask()

    def ask(self):
        if self.kind != "request":
            self.connection.send(h11.Request(method=self.method, target="/", headers=[
                ("Host", "a"), ("Connection", "upgrade"), ("Upgrade", "x")]))
            self.connection.send(h11.EndOfMessage())

    def answer(self):
        if self.kind == "request":
            status = 405 if self.method == b"CONNECT" else 200
            self.connection.send(h11.Response(status_code=status, headers=[("Content-Length", "0")]))
            self.connection.send(h11.EndOfMessage())

    def take(self, count, event):
        """An event at the byte of this number."""
        if isinstance(event, h11.Request):
            self.method = event.method
        elif isinstance(event, h11.Response):
            self.has_length = any(name in (b"content-length", b"transfer-encoding") for name, _ in event.headers)
        elif isinstance(event, h11.InformationalResponse) and event.status_code == 101:
            self.at.append(count)
            self.stop = "upgraded"
        elif isinstance(event, h11.EndOfMessage):
            self.at.append(count)
            self.answer()
            if self.connection.our_state is h11.DONE and self.connection.their_state is h11.DONE:
                self.connection.start_next_cycle()
                self.ask()
            else:
                self.stop = "closed"

    def ends(self, data):
        for count in range(1, len(data) + 1):
            try:
                self.connection.receive_data(data[count - 1:count])
                while self.stop is None:
                    event = self.connection.next_event()
                    if event in (h11.NEED_DATA, h11.PAUSED):
                        break
                    self.take(count, event)
            except h11.RemoteProtocolError:
                self.stop = "refused"
            if self.stop is not None:
                return Ends(self.at, self.stop, count)
        in_body = self.kind != "request" and self.connection.their_state is h11.SEND_BODY
        return Ends(self.at, "until-end" if in_body and not self.has_length else "more", len(data))


def ends_by_all(cases):
    """The same, with h11."""
    for (kind, _, data, _), ends in zip(cases, ends_by_program(cases)):
        if h11:
            ends["h11"] = H11(kind).ends(data)
        yield ends


OTHERS = set(next(ends_by_all(CASES[:1]))) - {"ours"}

# What changes are made of.
BITS = (
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b"\0", b"\x0b", b"\x80", b"\xff", b":", b",", b";", b'"', b"\\",
    b"+", b"-", b"_", b"0", b"1", b"5", b"a", b"x", b"HTTP/1.0", b"0\r\n\r\n", b"Content-Length: 0\r\n",
    b"Content-Length: 1\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", NEXT_REQUEST, NEXT_RESPONSE,
    b"Upgrade: x\r\nConnection: upgrade\r\n")


def mutated(chance, count):
    """So many cases with a few changes each."""
    for _ in range(count):
        kind, name, data, _ = chance.choice(CASES)
        changed = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            begin = chance.randrange(len(changed) + 1)
            end = begin + chance.choice((0, 0, 1, 1, 2, 3))
            changed[begin:end] = chance.choice(BITS) if chance.random() < 0.7 else b""
        yield kind, name, bytes(changed), None


def contradicts(ours, other):
    """Whether the other parser finds another message in what ours passes on."""
    common = min(len(ours.at), len(other.at))
    if ours.at[:common] != other.at[:common]:
        return True
    if len(ours.at) > common:
        return other.stop in ("more", "until-end")
    if len(other.at) > common:
        # Nothing behind the last byte that ours passes on is ever seen by the other one.
        return other.at[common] < ours.passed
    return {ours.stop, other.stop} == {"more", "until-end"}


def is_as_expected(expected, ends, size):
    if expected == WHOLE:
        return ends.stop == "more" and ends.at[-1] == size
    if expected == MORE:
        return ends.stop == "more" and ends.at[-1:] != [size]
    if expected == CLOSED:
        return ends.stop == "closed" and ends.at
    if expected == REFUSED:
        return ends.stop == "refused" and not ends.at
    return ends.stop == expected


class Smuggling(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.results = []
        for (kind, name, data, expected), ends in zip(CASES, ends_by_all(CASES)):
            cls.results.append((f"{kind} {name}", data, expected, ends))

    def test_each_message_is_taken_or_refused_as_it_should_be(self):
        for name, data, expected, ends in self.results:
            with self.subTest(name):
                self.assertTrue(is_as_expected(expected, ends["ours"], len(data)), ends["ours"])

    def check_others(self, name, ends):
        differing = {each for each in ends if each != "ours" and contradicts(ends["ours"], ends[each])}
        self.assertFalse(differing, f"{name}: {ends}")

    @unittest.skipIf(not OTHERS, "no other parser is installed: python3-h11, libhttp-parser-dev, node-llhttp")
    def test_no_other_parser_finds_another_message_where_ours_refuses_none(self):
        for name, _, _, ends in self.results:
            with self.subTest(name):
                self.check_others(name, ends)

    @unittest.skipIf(not OTHERS, "no other parser is installed: python3-h11, libhttp-parser-dev, node-llhttp")
    def test_no_other_parser_does_so_after_a_few_changes_either(self):
        seed = int(os.environ.get("TUNNEL_SEED", 1))
        mutants = list(mutated(random.Random(seed), int(os.environ.get("TUNNEL_MUTANTS", 4000))))
        taken = 0
        for mutant, ends in zip(mutants, ends_by_all(mutants)):
            taken += bool(ends["ours"].at)
            self.check_others(mutant, ends)
        self.assertGreater(taken, len(mutants) // 20, "some of them are taken")


if __name__ == "__main__":
    unittest.main()
