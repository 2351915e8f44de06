"""Thousands of strangers at the control address, and live traffic beside them: who is being served must not notice.

The figures are printed; docs/security.md quotes them.
"""

import collections
import contextlib
import multiprocessing
import os
import select
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from faults import SLOW, cpu_seconds, descriptors, echo, exchange, reset, resident_kib, visit
from origins import SocketOrigin
from support import HOST, Tunnel, binary, need, poll, run
from trust import folder, make_certificates, write_secret
from trust import origin_flags as flags_of_origin
from trust import remote_flags as flags_of_remote

STRANGERS = 5_000
RATE = 1_000  # of them a second: what two cores can make beside what is measured
PATIENCE = 60.0 if SLOW else 15.0  # the strangers are gone by then, whatever the remote proxy does
MOST_HANDSHAKES = 1_024  # remote_proxy.cpp: connections that have not said who they are
FEW = 40  # descriptors of what else comes and goes meanwhile
GROWTH_KIB = 64 << 10  # 1,024 TLS connections in mid-handshake are 52 MiB
SLOWER = 10 if SLOW else 1
P99 = 0.25 * SLOWER  # seconds; a few ms mostly, but others may have the cores
BASELINE = 3.0
PARKED_FOR = 30.0  # origin-proxy/options/options.hpp: more may be parked after the visitors than before them
GUESSES, GUESSING = 50_000, 3.0
LOG_LINES = 10
ELSEWHERE = "127.0.0.9"  # where strangers come from who must not concern anybody else
FLOODING = 5.0
RATE_OF_SILENT = 4_000
SOON = 5.0 * SLOWER  # with a retry or two

# A fork would have the locks of our threads as they are at that moment.
processes = multiprocessing.get_context("spawn")


# ---- Live traffic, each client a process of its own, so that it measures the tunnel and not its neighbours here

def ask_over_fresh_connections(address, over, answers):
    seconds = []
    while not over.is_set():
        data = os.urandom(64)
        began = time.monotonic()
        with visit(address) as visitor:
            exchange(visitor, data)
        seconds.append(time.monotonic() - began)
        time.sleep(0.001)  # people pause too, and two cores are not many
    answers.put(("fresh connections", sorted(seconds)))


def ask_over_a_kept_connection(address, over, answers):
    seconds = []
    with visit(address) as visitor:
        while not over.is_set():
            data = os.urandom(64)
            began = time.monotonic()
            exchange(visitor, data)
            seconds.append(time.monotonic() - began)
            time.sleep(0.001)
    answers.put(("kept connection", sorted(seconds)))


def client(ask, address, over, answers):
    try:
        ask(address, over, answers)
    except Exception as error:  # shown by the test
        answers.put((ask.__name__, error))


def serve(ready, over):
    with SocketOrigin(echo) as origin:
        ready.put(origin.address)
        over.wait()


@contextlib.contextmanager
def echo_server():
    """The address of one in a process of its own."""
    ready, over = processes.Queue(), processes.Event()
    server = processes.Process(target=serve, args=(ready, over))
    server.start()
    try:
        yield ready.get(timeout=30)
    finally:
        over.set()
        server.join()


@contextlib.contextmanager
def live_traffic(address, figures):
    """Clients who ask all the time; afterwards `figures` has the seconds of each one's requests, sorted."""
    over, answers = processes.Event(), processes.Queue()
    clients = [processes.Process(target=client, args=(ask, address, over, answers))
               for ask in (ask_over_fresh_connections, ask_over_a_kept_connection)]
    for each in clients:
        each.start()
    try:
        yield
    finally:
        over.set()
        for _ in clients:
            who, seconds = answers.get(timeout=60)
            figures[who] = seconds
        for each in clients:
            each.join()


def quantile(ordered, part):
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def show(when, figures):
    for who, seconds in figures.items():
        print(f"{when:>20}, {who:>17}: {len(seconds):6} requests, p50 {quantile(seconds, 0.5) * 1e3:6.2f} ms, "
              f"p99 {quantile(seconds, 0.99) * 1e3:6.2f} ms, longest {seconds[-1] * 1e3:6.2f} ms", flush=True)


# ---- Strangers

def hello_of_python():
    """The ClientHello of a web client, which has no key to offer."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    web_client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="example.com")
    with contextlib.suppress(ssl.SSLWantReadError):
        web_client.do_handshake()
    return outgoing.read()


def hello_of_openssl():
    """The ClientHello of a client with a key of its own, under a name that an origin proxy could have."""
    with socket.create_server((HOST, 0)) as listener:
        with subprocess.Popen(
            [need("openssl"), "s_client", "-connect", "%s:%d" % listener.getsockname(), "-tls1_3",
             "-psk_identity", "c0123456789abcdef", "-psk", "00" * 32],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(10)
                hello = connection.recv(1 << 16)
            program.wait(10)
    return hello


KINDS = ("silent", "garbage", "an HTTP request", "a ClientHello", "half a ClientHello", "a byte a second")


def words_of(kind, hello):
    """What a stranger of that kind says at once, and what it goes on to say byte by byte."""
    return {
        "silent": (b"", b""),
        "garbage": (b"\0" + os.urandom(200), b""),
        "an HTTP request": (b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", b""),
        "a ClientHello": (hello, b""),
        "half a ClientHello": (hello[:len(hello) // 2], b""),
        "a byte a second": (hello[:1], hello[1:]),
    }[kind]


class Stranger:
    def __init__(self, address, kind, hello):
        self.kind = kind
        words, self.slowly = words_of(kind, hello)
        self.socket = socket.create_connection(address, 10)
        self.socket.setblocking(False)
        self.say(words)

    def say(self, words):
        with contextlib.suppress(OSError):  # it is closed, which is noticed by was_closed()
            self.socket.send(words)

    def go_on(self):
        if self.slowly:
            self.say(self.slowly[:1])
            self.slowly = self.slowly[1:]

    def was_closed(self):
        try:
            return not self.socket.recv(1 << 12)  # what is there is an alert, and the end comes behind it
        except BlockingIOError:
            return False
        except OSError:
            return True


def pester(address, hellos):
    """All strangers, at RATE a second; then waits until the remote proxy has closed each, or patience is over. Gives
    how many there were, how many of each kind were closed, and the seconds."""
    poller, here, closed = select.epoll(), {}, dict.fromkeys(KINDS, 0)
    began = time.monotonic()
    made, went_on = 0, began
    while (made < STRANGERS or here) and time.monotonic() - began < PATIENCE:
        turn = time.monotonic()
        while made < min(STRANGERS, int((turn - began) * RATE)) and time.monotonic() - turn < 0.1:
            stranger = Stranger(address, KINDS[made % len(KINDS)], hellos[made % 4 // 2])
            here[stranger.socket.fileno()] = stranger
            poller.register(stranger.socket, select.EPOLLIN)
            made += 1
        if turn - went_on > 1:
            went_on = turn
            for stranger in here.values():
                stranger.go_on()
        for number, _ in poller.poll(0.005 if made < STRANGERS else 0.1):
            if here[number].was_closed():
                stranger = here.pop(number)
                closed[stranger.kind] += 1
                stranger.socket.close()
    for stranger in here.values():
        stranger.socket.close()
    return made, closed, time.monotonic() - began


def guess_tickets(address):
    """Presents tickets that nobody was given, in plain frames, as fast as that goes. Gives how many, how many of them
    gained something, and the seconds."""
    began = time.monotonic()
    made = gained = 0
    waiting = []
    while made < GUESSES and time.monotonic() - began < GUESSING:
        ticket = struct.pack(">BH", 12, 16) + os.urandom(16)
        frame = struct.pack(">HB", 3 + len(ticket), 5) + ticket
        connection = socket.create_connection(address, 10)
        connection.sendall(b"\xf4TRP" + frame)
        waiting.append(connection)
        made += 1
        if len(waiting) == 64:
            gained += sum(map(gains_something, waiting))
            waiting.clear()
    seconds = time.monotonic() - began
    gained += sum(map(gains_something, waiting))
    return made, gained, seconds


def gains_something(connection):
    connection.settimeout(10)
    try:
        gained = len(connection.recv(1 << 16)) > 0
    except ConnectionResetError:
        gained = False
    reset(connection)  # else its port could not be used again for a minute
    return gained


def ask_for_certificates(address, hello):
    """From another address than the good ones: hellos that cost a signature each, as fast as that goes, which hang up
    when they have the answer. Gives how many there were."""
    began, made = time.monotonic(), 0
    waiting = collections.deque()
    while time.monotonic() - began < FLOODING:
        stranger = socket.socket()
        stranger.bind((ELSEWHERE, 0))
        stranger.settimeout(10)
        stranger.connect(address)
        stranger.send(hello)
        made += 1
        waiting.append(stranger)
        if len(waiting) > 300:
            answered = waiting.popleft()
            with contextlib.suppress(OSError):
                answered.recv(1)
            reset(answered)
    for stranger in waiting:
        reset(stranger)
    return made


def fill_the_table(address, over):
    """Silent connections from another address, RATE_OF_SILENT a second at most."""
    open_ones, began, made = collections.deque(), time.monotonic(), 0
    while not over.is_set():
        while made < (time.monotonic() - began) * RATE_OF_SILENT:
            stranger = socket.socket()
            stranger.bind((ELSEWHERE, 0))
            stranger.setblocking(False)
            stranger.connect_ex(address)
            open_ones.append(stranger)
            made += 1
            if len(open_ones) > 1_500:
                reset(open_ones.popleft())
        time.sleep(0.001)


@contextlib.contextmanager
def far_away(address, seconds):
    """The address of a line to `address` on which each byte takes so long."""
    over = threading.Event()
    listener = socket.create_server((HOST, 0))

    def carry(source, target):
        pieces = collections.deque()

        def arrive():
            while True:
                if not pieces:
                    time.sleep(0.005)
                    continue
                due, piece = pieces.popleft()
                time.sleep(max(0.0, due - time.monotonic()))
                with contextlib.suppress(OSError):
                    if not piece:
                        target.shutdown(socket.SHUT_WR)
                        return
                    target.sendall(piece)

        threading.Thread(target=arrive, daemon=True).start()
        piece = b"?"
        while piece:
            try:
                piece = source.recv(1 << 16)
            except OSError:
                piece = b""
            pieces.append((time.monotonic() + seconds, piece))

    def run_line():
        while not over.is_set():
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(address, 10)
            for ends in ((near, far), (far, near)):
                threading.Thread(target=carry, args=ends, daemon=True).start()

    threading.Thread(target=run_line, daemon=True).start()
    try:
        yield listener.getsockname()
    finally:
        over.set()
        listener.close()


def tell(done, target, arguments):
    try:
        done.put(target(*arguments))
    except Exception as error:  # raised by the test
        done.put(error)


class Figures:
    """The most that remote-proxy had while the block lasted."""

    def __init__(self, pid):
        self.pid = pid
        self.descriptors, self.resident = descriptors(pid), resident_kib(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self._over.wait(0.05):
            self.descriptors = max(self.descriptors, descriptors(self.pid))
            self.resident = max(self.resident, resident_kib(self.pid))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


# A data connection for each visitor, made when it comes, so that there are tickets to be guessed.
FRESH = ["--parked-connections", "0"]


class Strangers(unittest.TestCase):
    timeout = 300
    serial = True
    trust = ()

    def assert_served(self, figures):
        for who, seconds in figures.items():
            self.assertIsInstance(seconds, list, f"{who}: {seconds!r}")
            self.assertGreater(len(seconds), 100, who)
            self.assertLess(quantile(seconds, 0.99), P99, who)

    def run_alone(self, tunnel):
        """Live traffic without strangers; after it the programs have what they keep for the next visitors."""
        alone = {}
        with live_traffic(tunnel.outside, alone):
            time.sleep(BASELINE)
        self.assert_served(alone)
        show("without strangers", alone)

    def run_beside(self, tunnel, target, *arguments):
        """Live traffic beside a process that runs `target`; gives what that returns."""
        beside, done = {}, processes.Queue()
        with live_traffic(tunnel.outside, beside):
            strangers = processes.Process(target=tell, args=(done, target, arguments))
            strangers.start()
            try:
                result = done.get(timeout=PATIENCE + 30)
            finally:
                strangers.kill()
                strangers.join()
        if isinstance(result, Exception):
            raise result
        self.assert_served(beside)
        show("beside strangers", beside)
        return result

    def assert_summed_up(self, tunnel, count):
        """The log tells of each of them, in few lines; gives how many."""
        tunnel.origin.stop(code=0)
        tunnel.remote.stop(code=0)  # it writes what it has counted since its last line
        lines = [line for line in tunnel.log(tunnel.remote) if line["message"] != "visitor ended"]
        self.assertLessEqual(len(lines), LOG_LINES, lines)
        self.assertGreaterEqual(sum(line.get("count", 0) for line in lines), count, lines)
        return len(lines)

    def test_5000_strangers_of_all_kinds_do_not_slow_live_traffic_and_cost_a_bounded_amount(self):
        with tempfile.TemporaryDirectory() as folder, echo_server() as origin_server:
            secret = os.path.join(folder, "secret")
            with open(secret, "w", encoding="ascii") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(run([binary("remote-proxy"), "gen-secret"]).stdout)
            flags = ["--secret-file", secret]
            with Tunnel(origin_server, remote_flags=flags, origin_flags=flags) as tunnel:
                self.run_alone(tunnel)
                pid = tunnel.remote.pid
                at_rest, resident, cpu = descriptors(pid), resident_kib(pid), cpu_seconds(pid)
                with Figures(pid) as most:
                    made, closed, seconds = self.run_beside(
                        tunnel, pester, tunnel.control, [hello_of_python(), hello_of_openssl()])
                cpu = cpu_seconds(pid) - cpu
                self.assertEqual(made, STRANGERS)
                self.assertEqual(sum(closed.values()), made, f"every stranger is sent away: {closed}")
                self.assertLessEqual(most.descriptors, at_rest + MOST_HANDSHAKES + FEW)
                poll(lambda: descriptors(pid) <= at_rest, f"its descriptors are {at_rest} again", PARKED_FOR + 15)
                if not SLOW:  # a sanitizer keeps what was freed
                    self.assertLess(most.resident, resident + GROWTH_KIB)
                lines = self.assert_summed_up(tunnel, made)
                print(f"{made} strangers in {seconds:.1f} s; remote-proxy used {cpu:.2f} s of a core for them and the "
                      f"visitors, and had {at_rest} descriptors at rest, at most {most.descriptors}; resident "
                      f"{resident} KiB at rest, at most {most.resident} KiB; {lines} log lines", flush=True)

    def test_thousands_of_guessed_tickets_gain_nothing_and_the_visitors_are_served(self):
        with echo_server() as origin_server, Tunnel(origin_server, origin_flags=FRESH) as tunnel:
            self.run_alone(tunnel)
            made, gained, seconds = self.run_beside(tunnel, guess_tickets, tunnel.control)
            self.assertEqual(gained, 0)
            self.assertGreater(made, 1000 // SLOWER)
            lines = self.assert_summed_up(tunnel, made)
            print(f"{made} guessed tickets in {seconds:.1f} s, {lines} log lines", flush=True)

    def test_hellos_that_cost_a_signature_and_hang_up_slow_no_visitor_and_keep_no_origin_proxy_out(self):
        files = make_certificates(folder("signatures"))
        run([need("openssl"), "req", "-newkey", "rsa:4096", "-nodes", "-subj", "/CN=localhost",
             "-keyout", files.server_key, "-out", files.server + ".csr"])
        with open(files.server + ".names", "w", encoding="ascii") as file:
            file.write(f"subjectAltName=DNS:localhost,IP:{HOST}\n")
        run([need("openssl"), "x509", "-req", "-in", files.server + ".csr", "-CA", files.ca, "-CAkey", files.ca_key,
             "-days", "2", "-extfile", files.server + ".names", "-out", files.server])
        with echo_server() as origin_server, \
                Tunnel(origin_server, remote_flags=flags_of_remote(files), origin_flags=flags_of_origin(files),
                       trust="none") as tunnel:
            self.run_alone(tunnel)
            made = self.run_beside(tunnel, ask_for_certificates, tunnel.control, hello_of_python())
            self.assertGreater(made, 50)
            flood = processes.Process(target=ask_for_certificates, args=(tunnel.control, hello_of_python()))
            flood.start()
            try:
                tunnel.origin.stop(code=0)
                began = time.monotonic()
                tunnel.start_origin()
                print(f"{made} hellos for a certificate; beside more of them an origin proxy is there after "
                      f"{time.monotonic() - began:.1f} s", flush=True)
            finally:
                flood.kill()
                flood.join()

    def test_an_origin_proxy_far_away_logs_in_while_strangers_fill_the_table(self):
        with tempfile.TemporaryDirectory() as folder_of_secret, echo_server() as origin_server:
            secret = os.path.join(folder_of_secret, "secret")
            write_secret(secret)
            os.chmod(secret, 0o600)
            flags = ["--secret-file", secret]
            with Tunnel(origin_server, remote_flags=flags, origin_flags=flags, start=False, trust="none") as tunnel:
                tunnel.start_remote()
                over = processes.Event()
                strangers = processes.Process(target=fill_the_table, args=(tunnel.control, over))
                strangers.start()
                try:
                    poll(lambda: descriptors(tunnel.remote.pid) > MOST_HANDSHAKES, "the table is full", 30)
                    with far_away(tunnel.control, 0.06) as line:
                        began = time.monotonic()
                        tunnel.start_origin(remote_proxy=line)
                        took = time.monotonic() - began
                        print(f"beside {RATE_OF_SILENT} strangers a second an origin proxy with a round trip of 120 ms "
                              f"is there after {took:.1f} s", flush=True)
                        self.assertLess(took, SOON)
                        tunnel.origin.stop(code=0)
                finally:
                    over.set()
                    strangers.join(10)


if __name__ == "__main__":
    unittest.main()
