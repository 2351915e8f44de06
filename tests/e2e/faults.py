"""What the tests of faults and limits share: visitors, servers that tell how a stream ended, a wire that can be cut,
and the figures of a process."""

import contextlib
import os
import resource
import select
import socket
import struct
import threading
import time

from support import DEADLINE, HOST, poll

# Short enough that a lost connection is noticed within a test, long enough for a machine that runs four at a time.
HEARTBEATS = ["--heartbeat-interval", "100ms", "--heartbeat-timeout", "1s"]
# Sanitizer builds take several times as long, and a promptness that is asserted must not fail for that.
SLOW = os.environ.get("TUNNEL_SLOW_BUILD") == "1"
PROMPTLY = 5.0 if SLOW else 1.0

# Both ends of a thousand visitors are sockets of the test, and 1024 is what a shell usually allows.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if 0 < _soft < 8192:  # negative: no limit
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192 if _hard < 0 else min(8192, _hard), _hard))


def visit(address, timeout=DEADLINE):
    visitor = socket.create_connection(address, timeout)
    visitor.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return visitor


def receive(connection, size):
    """Exactly `size` bytes."""
    parts = []
    while size > 0:
        part = connection.recv(min(size, 1 << 20))
        if not part:
            raise AssertionError(f"the stream ended {size} bytes too early")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def exchange(connection, data=b"are you there?"):
    """One round trip with an echoing origin server."""
    connection.sendall(data)
    answer = receive(connection, len(data))
    if answer != data:
        raise AssertionError(f"sent {data!r}, received {answer!r}")


def serves(address, timeout=1.0):
    """Whether a new visitor is served by an echoing origin server."""
    try:
        with visit(address, timeout) as visitor:
            exchange(visitor)
            return True
    except OSError:
        return False
    except AssertionError:  # the end of the stream instead of the echo
        return False


def wait_served(address, timeout=DEADLINE):
    """Wait until a new visitor is served; gives the seconds that took."""
    began = time.monotonic()
    poll(lambda: serves(address), f"a visitor of {address} is served", timeout)
    return time.monotonic() - began


def refuses(address):
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as probe:
        probe.settimeout(DEADLINE)
        try:
            probe.connect(address)
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:  # came in the moment in which the port was shut
            return False
        return False


def reset(connection):
    """Close with a reset instead of an end of stream."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def how_it_ends(connection):
    """Reads up to the end: "reset" or "end of stream"."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionResetError:
        return "reset"
    return "end of stream"


def visit_many(address, count):
    """That many visitors, without those who are reset so early that they are still connecting."""
    visitors = []
    for _ in range(count):
        with contextlib.suppress(ConnectionResetError):
            visitors.append(visit(address))
    return visitors


def how_a_visit_ends(address):
    """As how_it_ends() for a visitor who says nothing."""
    for visitor in visit_many(address, 1):
        with visitor:
            return how_it_ends(visitor)
    return "reset"


def echo(connection):
    """Serve as an echo; gives how the visitor's stream ended."""
    try:
        while data := connection.recv(1 << 16):
            connection.sendall(data)
    except (ConnectionResetError, BrokenPipeError):
        return "reset"
    return "end of stream"


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_share(pid, seconds=1.0):
    """The part of one core that a process uses, measured over `seconds`."""
    before = cpu_seconds(pid)
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / seconds


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Wire:
    """What lies between origin-proxy and remote-proxy: passes connections on to `target`, each of which can be cut.

    connections[0] is the control connection, unless that was made anew. While `down` new connections are reset at
    once; while `swallow` they are accepted and nothing of them is passed on. `hear` is called with all that passes,
    which each connection keeps then too, as far as it goes to `target`: `said`. What `change` makes of it is passed
    on instead."""

    def __init__(self, target, *, hear=None, change=None):
        self.target, self._hear, self._change = target, hear, change
        self.connections = []
        self.down = self.swallow = False
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.address = self._listener.getsockname()

    def cut(self, index=0):
        self.connections[index].cut()

    def cut_from(self, address):
        """Cut the connection that remote-proxy sees coming from this "ip:port"."""
        for connection in self.connections:
            if connection.seen_as == address:
                connection.cut()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.down:
                reset(near)
            elif self.swallow:
                self.connections.append(_Swallowed(near))
            else:
                self.connections.append(_Passed(near, self.target, self._hear, self._change))

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.connections:
            connection.cut()


class _Swallowed:
    seen_as = None

    def __init__(self, near):
        self._near = near

    def cut(self):
        if self._near.fileno() >= 0:
            reset(self._near)


class _Passed:
    def __init__(self, near, target, hear, change):
        self._ends = near, socket.create_connection(target)
        self._hear, self._change = hear, change
        self.said = bytearray()
        for end in self._ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.seen_as = "%s:%d" % self._ends[1].getsockname()
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self):
        """Reset both ends, as a middle box does that has forgotten the connection."""
        self._wake.close()
        self._thread.join()

    def _run(self):
        near, far = self._ends
        other = {near: far, far: near}
        open_ends = {near, far}
        try:
            while open_ends:
                readable = select.select([*open_ends, self._woken], [], [])[0]
                if self._woken in readable:
                    raise ConnectionAbortedError
                for end in readable:
                    data = end.recv(1 << 16)
                    if data and self._hear:
                        self._hear(data)
                        self.said += data if end is near else b""
                    if data:
                        other[end].sendall(self._change(data) if self._change else data)
                    else:
                        open_ends.remove(end)
                        other[end].shutdown(socket.SHUT_WR)
            near.close()
            far.close()
        except OSError:
            reset(near)
            reset(far)
        finally:
            self._woken.close()
