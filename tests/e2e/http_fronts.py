"""Services whose visitors speak HTTP: servers that record what they are asked, visitors who say every byte themselves,
and the two programs."""

import contextlib
import re
import socket
import threading

from faults import visit
from fronts import AtFronts, authority, secured
from origins import SocketOrigin
from support import HOST, Tunnel, parse_address

# A body until the end of the stream, in the place of a length.
UNTIL_END = object()


def fields_of(head):
    """Pairs of a name in small letters and a value, of a head in bytes without its empty line."""
    found = []
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        found.append((name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")))
    return found


class Message:
    """A request or an answer. `raw` is all of it as it came, `body` without the framing of chunks."""

    def __init__(self, head):
        self.head = head
        self.first_line = head.split(b"\r\n", 1)[0].decode("latin-1")
        self.fields = fields_of(head)
        self.body, self.trailers, self.raw = b"", [], b""

    def all(self, name):
        return [value for each, value in self.fields if each == name.lower()]

    def get(self, name):
        """The only value of a field, or None."""
        values = self.all(name)
        if len(values) > 1:
            raise AssertionError(f"more than one {name}: {self.head!r}")
        return values[0] if values else None

    @property
    def status(self):
        return int(self.first_line.split(" ")[1])

    @property
    def method(self):
        return self.first_line.split(" ")[0]

    @property
    def target(self):
        return self.first_line.split(" ")[1]

    @property
    def word(self):
        return self.body.decode()

    def __repr__(self):
        return f"{self.head!r} and {self.body[:200]!r}"


class Reader:
    """Messages of a connection, one after the other."""

    def __init__(self, connection):
        self._connection = connection
        self.buffer = b""

    def _more(self):
        piece = self._connection.recv(1 << 16)
        self.buffer += piece
        return bool(piece)

    def _need(self, fits, what):
        while not fits():
            if not self._more():
                raise AssertionError(f"the stream ends before {what}, after {self.buffer[-2000:]!r}")

    def take(self, size):
        self._need(lambda: len(self.buffer) >= size, f"{size} bytes")
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def line(self):
        self._need(lambda: b"\r\n" in self.buffer, "the end of a line")
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def head(self):
        """Of the next message; None: the stream ended in front of it."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                if self.buffer:
                    raise AssertionError(f"the stream ends within a head: {self.buffer[-2000:]!r}")
                return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return Message(head)

    def _chunks(self, message, on_body):
        raw = []
        while True:
            line = self.line()
            raw.append(line + b"\r\n")
            size = int(line.partition(b";")[0], 16)
            if size == 0:
                break
            piece = self.take(size)
            raw.append(piece + b"\r\n")
            on_body(piece)
            if self.take(2) != b"\r\n":
                raise AssertionError("a chunk does not end")
        while line := self.line():
            message.trailers.append(line.decode("latin-1"))
            raw.append(line + b"\r\n")
        return b"".join(raw) + b"\r\n"

    def rest(self):
        while self._more():
            pass
        taken, self.buffer = self.buffer, b""
        return taken

    def request(self):
        """The next one with its body; None at the end of the stream."""
        message = self.head()
        if message is None:
            return None
        raw = b""
        if "chunked" in (message.get("transfer-encoding") or "").lower():
            parts = []
            raw = self._chunks(message, parts.append)
            message.body = b"".join(parts)
        elif length := message.get("content-length"):
            raw = message.body = self.take(int(length))
        message.raw = message.head + b"\r\n\r\n" + raw
        return message

    def answer(self, to_head=False, interim=False):
        """The next answer with its body; interim ones are passed over unless they are wanted."""
        while True:
            message = self.head()
            if message is None:
                raise AssertionError("the stream ends in the place of an answer")
            if message.status >= 200 or message.status == 101 or interim:
                break
        if to_head or message.status < 200 or message.status in (204, 304):
            return message
        if "chunked" in (message.get("transfer-encoding") or "").lower():
            parts = []
            self._chunks(message, parts.append)
            message.body = b"".join(parts)
        elif message.get("content-length") is not None:
            message.body = self.take(int(message.get("content-length")))
        else:
            message.body = self.rest()
        return message


class HttpVisitor:
    """Says bytes, and reads answers."""

    def __init__(self, connection):
        self.connection = connection
        self.reader = Reader(connection)

    def say(self, text):
        self.connection.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))

    def ask(self, host, path="/", method="GET", *lines, body=b""):
        """Sends a request, and gives the answer to it."""
        self.say(request(host, path, method, *lines, body=body))
        return self.reader.answer(to_head=method == "HEAD")

    def answer(self, **options):
        return self.reader.answer(**options)

    def is_at_end(self):
        """Whether the stream ends here, by a clean end or a reset."""
        try:
            return not self.reader.buffer and not self.connection.recv(1)
        except ConnectionResetError:
            return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


def request(host, path="/", method="GET", *lines, body=b""):
    """Its bytes; the lines are further fields."""
    if body:
        lines = (*lines, f"Content-Length: {len(body)}")
    head = "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", f"Host: {host}", *lines))
    return head.encode("latin-1") + b"\r\n" + body


def response(word=b"", status="200 OK", *lines):
    """An answer with a length."""
    body = word if isinstance(word, bytes) else word.encode()
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines))
    return head.encode("latin-1") + b"\r\n" + body


class HttpServer(SocketOrigin):
    """Keeps what it is asked. `answer(request, connection)` gives bytes, or None if it has sent them itself; False ends
    the connection. A word stands for an answer of that word."""

    def __init__(self, answer):
        self.requests, self.connections = [], 0
        self._answer = answer if callable(answer) else lambda asked, connection: response(answer)
        self._lock = threading.Lock()
        super().__init__(self._talk)

    def _talk(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self.connections += 1
            number = self.connections
        reader = Reader(connection)
        with contextlib.suppress(OSError):
            while (asked := reader.request()) is not None:
                asked.connection = number
                with self._lock:
                    self.requests.append(asked)
                connection.reader = reader
                answer = self._answer(asked, connection)
                if answer is False:
                    break
                if answer:
                    connection.sendall(answer)

    def _handle(self, connection):
        super()._handle(_Connection(connection))

    @property
    def targets(self):
        with self._lock:
            return [each.target for each in self.requests]


class _Connection:
    """A socket that may have attributes."""

    def __init__(self, raw):
        self.raw, self.reader = raw, None

    def __getattr__(self, name):
        return getattr(self.raw, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.raw.close()


class AtHttp(AtFronts):
    """A remote proxy with --http-addr, --https-addr and a domain, and origin proxies with secrets of their own."""

    def open(self, *flags, origins=("A",), config=None, http=f"{HOST}:0"):
        """Starts the remote proxy. `http` and `https` are its addresses; a text of `config` is put behind the tables of
        origin proxies in its file."""
        self.with_secrets(*origins)
        self.config = self.write("remote.toml", self.tables + (config or ""))
        self.https = self.front("--http-addr", http, "--config", self.config, *flags)
        self.http = self.addresses_there["http"]

    def serve(self, answer="here", outside="http://app", name="app", *, origin="A", flags=()):
        """Starts a server and an origin proxy for it; `program` is the latter."""
        server = self.enterContext(HttpServer(answer))
        self.program = self.offering(origin, (name, server, outside), flags=flags)
        return server

    def visitor(self, address=None, source=None):
        address = address or self.http
        if source is None:
            return self.enterContext(HttpVisitor(visit(address)))
        raw = socket.create_connection(address, 30, (source, 0))
        return self.enterContext(HttpVisitor(raw))

    def secured_visitor(self, name):
        return self.enterContext(HttpVisitor(secured(self.https, name)))

    def certificate(self, *names):
        authority().put(self.certificates, *names)

    @staticmethod
    def own_address_of(program, name="app", count=1):
        """Where a service with an address of its own is open."""
        line = program.wait_line(r"^ready remote=\S+(.*)$", stream="stdout", count=count)[1]
        return parse_address(re.search(rf" {name}=(?:http://)?(\S+)", line)[1])

    def access_lines(self):
        return [line for line in Tunnel.log(self.remote_program) if line["message"] == "request"]
