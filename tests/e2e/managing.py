"""Asking the management interface: requests, the stream of events, and programs that are started with one."""

import contextlib
import http.client
import json
import os
import re
import socket
import threading

from faults import exchange, how_it_ends, receive, visit
from origins import SocketOrigin
from support import DEADLINE, HOST, parse_address, poll, show_address
from test_management import Folder
from test_services import ByHand

JSON = "application/json"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.text = status, headers, body.decode()

    @property
    def content_type(self):
        return self.headers.get("Content-Type")

    def json(self):
        return json.loads(self.text)

    def __repr__(self):
        return f"{self.status} {self.text[:1000]!r}"


class _Connection(http.client.HTTPConnection):
    """Over TCP or a socket file."""

    def __init__(self, where, timeout):
        self._path = where.removeprefix("unix:") if where.startswith("unix:") else None
        super().__init__("localhost" if self._path else where, timeout=timeout)

    def connect(self):
        if not self._path:
            return super().connect()
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Api:
    """`where` is an address or unix:PATH. A connection for each request, so that it may be asked from any thread."""

    def __init__(self, where, token=None):
        self.where, self.token = where, token

    def ask(self, method, path, body=None, *, content_type=JSON, **headers):
        """`body` is sent as JSON unless it is text already."""
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        if method not in ("GET", "HEAD") and content_type:
            headers["Content-Type"] = content_type
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        with contextlib.closing(_Connection(self.where, DEADLINE)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())

    def get(self, path, status=200):
        return self._expect(status, self.ask("GET", path), path)

    def post(self, path, status=200):
        return self._expect(status, self.ask("POST", path), path)

    def put(self, tunnels, status=200):
        return self._expect(status, self.ask("PUT", "/tunnels", tunnels), "/tunnels")

    @staticmethod
    def _expect(status, answer, path):
        if answer.status != status:
            raise AssertionError(f"{path}: {status} was expected, and not {answer}")
        return answer.json() if answer.content_type == JSON else answer.text

    def connect(self):
        """For whoever says by hand what he says."""
        connection = _Connection(self.where, DEADLINE)
        connection.connect()
        return connection.sock

    def raw(self, request):
        """The answer to these bytes, up to the end of the stream."""
        with self.connect() as connection:
            connection.sendall(request)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return Answer(answer.status, answer.headers, answer.read())

    def events(self):
        return Events(self)


class Events:
    """What /v1/events tells from the moment on in which this is entered: pairs of a type and an object."""

    def __init__(self, api):
        self._connection = _Connection(api.where, None)
        headers = {"Authorization": f"Bearer {api.token}"} if api.token else {}
        self._connection.request("GET", "/v1/events", headers=headers)
        self._socket = self._connection.sock
        self._answer = self._connection.getresponse()
        self.status, self.headers = self._answer.status, self._answer.headers
        self.seen = []

    def _read(self):
        kind = None
        with contextlib.suppress(OSError, ValueError):
            for line in self._answer:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    self.seen.append((kind, json.loads(value)))

    def of(self, kind):
        return [data for each, data in list(self.seen) if each == kind]

    def wait(self, kind, fits=lambda data: True):
        """The first of this type that fits."""
        return poll(lambda: next((data for data in self.of(kind) if fits(data)), None), f"an event {kind}")

    def __enter__(self):
        if self.status != 200:
            raise AssertionError(f"no events: {self.status} {self._answer.read()}")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._connection.close()
        self._answer.close()


def tunnel(port, client, service="fooService", **others):
    """One as PUT /tunnels takes it, and GET gives it."""
    return {"HaProxyProxyProtocol": False, "ListenAddress": HOST, "ListenHostnameGlob": "*", "ListenPort": port,
            "BackEndService": service, "ClientIdentifier": client, **others}


def thousand_tunnels(port, client, service="fooService"):
    """At one port, since loopback has addresses enough."""
    return [tunnel(port, client, service, ListenAddress=f"127.0.{1 + n // 250}.{1 + n % 250}") for n in range(1000)]


def named(name):
    """An origin server that says its name first, in one line, and then echoes."""
    def serve(connection):
        connection.sendall(name.encode() + b"\n")
        with contextlib.suppress(OSError):
            while data := connection.recv(1 << 16):
                connection.sendall(data)
    return SocketOrigin(serve)


class Guest:
    """A visitor of a server that is `named`."""

    def __init__(self, address):
        self.connection = visit(address)
        self.served_by = b""
        while not self.served_by.endswith(b"\n"):
            self.served_by += receive(self.connection, 1)
        self.served_by = self.served_by.decode().strip()
        self.address = show_address(self.connection.getsockname())

    def talks(self):
        exchange(self.connection, os.urandom(1000))

    def how_it_ends(self):
        return how_it_ends(self.connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


def served_by(address):
    with Guest(address) as guest:
        return guest.served_by


class Crowd:
    """Guests who come one after the other while the block lasts: `served` are the names of who served each, `failed`
    those for whom something went wrong."""

    def __init__(self, address, count=2):
        self.served, self.failed = [], []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._come, args=(address,), daemon=True) for _ in range(count)]

    def _come(self, address):
        while not self._over.is_set():
            try:
                with Guest(address) as guest:
                    guest.talks()
                    self.served.append(guest.served_by)
            except (OSError, AssertionError) as error:
                self.failed.append(repr(error))

    def wait_more(self, count=20):
        """Until so many more have been served."""
        enough = len(self.served) + count
        poll(lambda: len(self.served) >= enough or self.failed, "more guests are served")

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()


class ManagedByHand(ByHand):
    """Programs that are started by hand, each with a management interface at a socket file."""

    def setUp(self):
        self.folder = self.enterContext(Folder())
        self._count = 0

    def management(self, name):
        self._count += 1
        return self.folder.socket(f"{name}-{self._count}")

    def managed_remote(self, *flags):
        """The program, its control address and Api."""
        where = self.management("remote")
        program, control, _ = self.remote("--management-addr", where, *flags)
        return program, control, Api(where)

    def managed_origin(self, control, *flags):
        """The program and its Api."""
        where = self.management("origin")
        program, _ = self.origin(control, "--management-addr", where, *flags)
        return program, Api(where)

    def offer(self, server, name="fooService"):
        """The words by which an origin proxy offers a server."""
        return ["--service", f"{name}={show_address(server.address)}"]

    def client(self, control, name, files, *servers):
        """An origin proxy of this name that offers a server, or several by their names."""
        words = [word for number, server in enumerate(servers)
                 for word in self.offer(server, "fooService" if number == 0 else f"service{number}")]
        return self.origin(control, "--secret-file", files[name], *words)[0]

    def outside_of(self, api, name):
        return parse_address(api.get(f"/v1/services/{name}")["outside"])


def routes_in(*paths):
    """Those that the source texts of a program name: (method, path) pairs."""
    found = set()
    for path in paths:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        found |= {("get", where) for where in re.findall(r'\bget\(\s*"(/[^"]*)"', text)}
        found |= {("post", where) for where in re.findall(r'\bpost\(\s*"(/[^"]*)"', text)}
        found |= set(re.findall(r'\brouter\.add\(\s*Method::(\w+),\s*"(/[^"]*)"', text))
    return found
