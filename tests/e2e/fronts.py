"""Services that share an address: servers that say who they are, visitors who ask by name, and the two programs."""

import contextlib
import functools
import os
import re
import socket
import ssl
import threading

from certificates import Authority
from faults import visit
from managing import Api, ManagedByHand
from origins import SocketOrigin
from support import DEADLINE, HOST, Tunnel, need, parse_address, poll, run, show_address

DOMAIN = "example.com"
# What the remote proxy says at the front, and what TLS calls it.
UNRECOGNIZED_NAME, DECODE_ERROR, RECORD_OVERFLOW, PROTOCOL_VERSION = 112, 50, 22, 70


@functools.cache
def authority():
    return Authority("fronts")


def _answer_requests(word, connection):
    """HTTP, as far as it is needed: the body of each answer is the word. Gives what was asked."""
    asked = b""
    while True:
        with contextlib.suppress(OSError):
            while piece := connection.recv(1 << 16):
                asked += piece
                for _ in range(piece.count(b"\r\n\r\n")):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(word), word))
                if b"Connection: close" in asked:
                    break
        return asked


def web(word, *names):
    """A web server that answers everything with the word; it ends TLS itself if it has names."""
    context = authority().serving(*names) if names else None

    def serve(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is None:
            return _answer_requests(word.encode(), connection)
        with context.wrap_socket(connection, server_side=True) as secured:
            asked = _answer_requests(word.encode(), secured)
            with contextlib.suppress(OSError):
                secured.unwrap()
            return asked
    return SocketOrigin(serve)


class SlowWeb(SocketOrigin):
    """One that answers when it is told to: `asked` counts requests, `answers` are those that it may answer."""

    def __init__(self, word):
        self.asked, self.answers = threading.Semaphore(0), threading.Semaphore(0)

        def serve(connection):
            asked = b""
            while piece := connection.recv(1 << 16):
                asked += piece
                for _ in range(piece.count(b"\r\n\r\n")):
                    self.asked.release()
                    self.answers.acquire(timeout=DEADLINE)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" %
                                       (len(word), word.encode()))
            return asked
        super().__init__(serve)


REQUEST = b"GET / HTTP/1.1\r\nHost: somebody\r\n\r\n"


def request_for(name, *, last=False):
    return f"GET / HTTP/1.1\r\nHost: {name or 'somebody'}\r\n{'Connection: close' if last else 'X: x'}\r\n\r\n".encode()


def request_of(visitor):
    """To the name that its handshake was for."""
    return request_for(getattr(visitor, "server_hostname", None))


def read_answer(connection):
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(1 << 16)
        if not piece:
            raise AssertionError(f"no answer, but {answer!r}")
        answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    size = int(re.search(rb"Content-Length: (\d+)", head)[1])
    while len(body) < size:
        piece = connection.recv(1 << 16)
        if not piece:
            raise AssertionError(f"the answer ends after {body!r}")
        body += piece
    return body.decode()


def said_last(text):
    """The body of an answer in what s_client() gives."""
    return re.search(r"HTTP/1.1 200 OK.*?\n\s*\n([A-Za-z]+?)(closed)?(?![A-Za-z])", text, re.S)[1]


def secured(address, name, context=None, timeout=DEADLINE):
    """A visitor whose handshake is done."""
    raw = visit(address, timeout)
    try:
        return (context or authority().trusting()).wrap_socket(raw, server_hostname=name, suppress_ragged_eofs=False)
    except BaseException:
        raw.close()
        raise


def word_of(address, name, context=None, timeout=DEADLINE):
    """Who answers to this name."""
    with secured(address, name, context, timeout) as visitor:
        visitor.sendall(request_of(visitor))
        return read_answer(visitor)


def curl_word_of(address, name, *words):
    host, port = address
    return run([need("curl"), "-sS", "--noproxy", "*", "--max-time", "20", "--cacert", authority().ca, "--resolve",
                f"{name}:{port}:{host}", *words, f"https://{name}:{port}/"]).stdout


def s_client(address, name, *words, check=True):
    """All that openssl's client says, with what the server has answered; it waits for the end of the stream."""
    done = run([need("openssl"), "s_client", "-connect", show_address(address), "-CAfile", authority().ca,
                "-servername", name, "-ign_eof", *words], input=request_for(name, last=True).decode(), check=check)
    return done.stdout + done.stderr


def alert_of(address, name, context=None):
    """The number of the alert that a visitor gets instead of a handshake."""
    context = context or ssl._create_unverified_context()  # pylint: disable=protected-access
    with visit(address) as raw:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        talk = context.wrap_bio(incoming, outgoing, server_hostname=name)
        with contextlib.suppress(ssl.SSLWantReadError):
            talk.do_handshake()
        return alert_to(raw, outgoing.read())


def alert_to(raw, hello):
    """The same for a visitor who says this."""
    raw.sendall(hello)
    answer = all_of(raw)
    if len(answer) != 7 or answer[0] != 21 or answer[3:6] != b"\x00\x02\x02":
        raise AssertionError(f"no fatal alert, but {answer!r}")
    return answer[6]


def all_of(connection):
    """All that comes up to the end of the stream."""
    said = b""
    while piece := connection.recv(1 << 16):
        said += piece
    return said


class Crowd:
    """Visitors who come one after the other to a name while the block lasts. `served` are the words of those who
    answered, `failed` what went wrong."""

    def __init__(self, visit_once, count=3):
        self.served, self.failed = [], []
        self._visit, self._over = visit_once, threading.Event()
        self._threads = [threading.Thread(target=self._come, daemon=True) for _ in range(count)]

    def _come(self):
        while not self._over.is_set():
            try:
                self.served.append(self._visit())
            except (OSError, AssertionError) as error:
                self.failed.append(repr(error))

    def wait_more(self, count=20, fits=lambda word: True):
        """Until so many more have been served, of those that fit."""
        before = len(self.served)
        poll(lambda: sum(map(fits, self.served[before:])) >= count or self.failed, "more visitors are served")

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()


class AtFronts(ManagedByHand):
    """A remote proxy with --https-addr, --certificates and --domain, and origin proxies with secrets of their own."""

    def setUp(self):
        super().setUp()
        self.certificates = self.folder.path("certificates")
        os.mkdir(self.certificates)
        self.secrets_path = self.files = None

    def with_secrets(self, *names, allow=None):
        """An origin proxy for each name; `allow` are the names of hosts by the names of origin proxies."""
        self.secrets_path, self.files = self.secrets(*names)
        with open(self.secrets_path, encoding="ascii") as file:
            self.tables = file.read()
        for name, hosts in (allow or {}).items():
            listed = ", ".join(f'"{host}"' for host in hosts)
            self.tables = self.tables.replace(f"[origins.{name}]\n", f"[origins.{name}]\nallow-hosts = [{listed}]\n")
        return self.write("remote.toml", self.tables)

    def write(self, name, text):
        path = self.folder.path(name)
        with open(f"{path}.new", "w", encoding="utf-8", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
            file.write(text)
        os.replace(f"{path}.new", path)
        return path

    def front(self, *flags, domain=DOMAIN, certificates=None, https=f"{HOST}:0"):
        """Starts the remote proxy; gives its address for TLS. `remote`, `control`, `api` and `addresses` tell more."""
        where = self.management("remote")
        all_flags = ["--https-addr", https, "--management-addr", where, "--certificates",
                     certificates or self.certificates, *(["--domain", domain] if domain else []), *flags]
        self.remote_program, self.control, self.addresses_there = self.remote(*all_flags)
        self.api = Api(where)
        return self.addresses_there["https"]

    def offering(self, name, *services, wait=True, flags=()):
        """Starts an origin proxy; each service is (name, server, names behind @). Gives the program; `hosts_of` tells
        where its services are open."""
        words = [word for service, server, outside in services
                 for word in ("--service", f"{service}={show_address(server.address)}@{outside}")]
        program = self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files[name],
                             *words, *flags)
        if wait:
            program.wait_line(r"^ready remote=", stream="stdout")
        return program

    @staticmethod
    def hosts_of(program, count=1):
        """Host names by the names of services, as the latest ready line has them."""
        line = program.wait_line(r"^ready remote=\S+(.*)$", stream="stdout", count=count)[1]
        return {name: re.sub(r":\d+$", "", where.partition("://")[2])
                for name, where in re.findall(r" (\S+)=(\S+)", line)}

    def addresses(self, text):
        found = re.findall(r" (\S+)=(\S+)", text)
        return {name: parse_address(where) for name, where in found if re.fullmatch(r"[\d.\[\]:a-f]+:\d+", where)}

    def declined(self, program, service, code):
        """What a program has logged of the service that was not opened."""
        return Tunnel.wait_log(program, lambda line: line.get("service") == service and line.get("code") == code)

    def refused(self, code, **fields):
        """What the remote proxy has logged of a visitor whom it did not pass on."""
        message = "refused a visitor of an address that services share"
        return Tunnel.wait_log(self.remote_program, lambda line: line["message"] == message and line["code"] == code and
                               fields.items() <= line.items())

    def visitors_of(self, service):
        return self.api.get(f"/v1/services/{service.replace('/', '%2F')}")["visitors_total"]
