"""Two machines and the cable between them, made of network namespaces.

    with Network() as network:
        network.remote.run("ip", "address", "show")
        with network.remote.entered():
            socket.create_server(...)           # made there, usable from anywhere
        network.unplug("origin")                # packets vanish; both ends still see a link

DistantNetwork is the same with a cable on which packets take their time.
"""

import atexit
import contextlib
import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import sys
import unittest

from support import HERE, need

_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_libc = ctypes.CDLL(None, use_errno=True)


def _ip(*words):
    done = subprocess.run([need("ip"), *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def _set_namespace(descriptor):
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def _skipped_without_right_to(do_this):
    """Only root may do such things, and in many containers not even root."""
    try:
        yield
    except (AssertionError, OSError) as error:
        if os.environ.get("CI") == "true":
            raise
        raise unittest.SkipTest(f"no right to {do_this} ({error})") from None


class Namespace:
    """One machine. `within` goes to Program; `files` are those which stand in for files of /etc there, by name."""

    def __init__(self, name, files):
        self.name = name
        # `ip netns exec` puts each file of this folder over the one in /etc, for that command alone.
        self._files = f"/etc/netns/{name}"
        self.within = [need("ip"), "netns", "exec", name]
        _ip("netns", "add", name)
        for file_name, text in files.items():
            os.makedirs(self._files, exist_ok=True)
            self.rewrite(file_name, text)
        self.ip("link", "set", "lo", "up")

    def ip(self, *words):
        _ip("-n", self.name, *words)

    def rewrite(self, name, text):
        """Give one of the files another text, which running programs see too."""
        with open(f"{self._files}/{name}", "w", encoding="ascii") as file:
            file.write(text)

    @contextlib.contextmanager
    def entered(self):
        """Sockets made in this block, by this thread, belong to the namespace."""
        with open("/proc/thread-self/ns/net", "rb") as ours, open(f"/run/netns/{self.name}", "rb") as theirs:
            _set_namespace(theirs.fileno())
            try:
                yield
            finally:
                _set_namespace(ours.fileno())

    def open_tun(self, name):
        """A new network interface that is up, whose packets are read from the descriptor and written to it."""
        with self.entered():
            tun = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
        self.ip("link", "set", name, "up")
        return tun

    def remove(self):
        if os.path.exists(f"/run/netns/{self.name}"):
            _ip("netns", "delete", self.name)
        shutil.rmtree(self._files, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(self._files))  # if it was ours alone


class Network:
    """The namespaces `remote` and `origin`, each with an interface `cable` that leads to a bridge in a third one."""

    REMOTE, ORIGIN = "10.99.0.1", "10.99.0.2"
    # For documentation, RFC 3849: unlike fd00::/8 preferred to IPv4 by every resolver.
    REMOTE_V6, ORIGIN_V6 = "2001:db8::1", "2001:db8::2"

    def __init__(self, *, v4=True, v6=False, files=None):
        """`files` stand in for files of /etc on the origin proxy's machine."""
        self._v4, self._v6, self._files = v4, v6, files or {}
        self._all = []

    def _add(self, part, files):
        self._all.append(Namespace(f"tunnel-{part}-{os.getpid()}", files))
        return self._all[-1]

    def __enter__(self):
        need("ip")
        atexit.register(self._remove)
        try:
            self._build()
        except BaseException:
            self._remove()
            raise
        return self

    def _build(self):
        with _skipped_without_right_to("create network namespaces"):
            self.middle = self._add("middle", {})
        self.middle.ip("link", "add", "bridge", "type", "bridge")
        self.middle.ip("link", "set", "bridge", "up")
        self.remote = self._connect("remote", self.REMOTE, self.REMOTE_V6, {})
        self.origin = self._connect("origin", self.ORIGIN, self.ORIGIN_V6, self._files)

    def _connect(self, part, v4, v6, files):
        machine = self._add(part, files)
        self.middle.ip("link", "add", part, "type", "veth", "peer", "name", "cable", "netns", machine.name)
        self.middle.ip("link", "set", part, "master", "bridge", "up")
        if self._v4:
            machine.ip("address", "add", f"{v4}/24", "dev", "cable")
        if self._v6:  # without duplicate detection, which takes a second or two
            machine.ip("address", "add", f"{v6}/64", "dev", "cable", "nodad")
        machine.ip("link", "set", "cable", "up")
        return machine

    def unplug(self, part):
        """From now on packets to and from this machine vanish, while its interface stays up."""
        self.middle.ip("link", "set", part, "nomaster")

    def plug_in(self, part):
        self.middle.ip("link", "set", part, "master", "bridge")

    def _remove(self):
        atexit.unregister(self._remove)
        while self._all:
            self._all.pop().remove()

    def __exit__(self, *_):
        self._remove()
        return False


class DistantNetwork(Network):
    """The same two machines, but a packet takes `delay` seconds from one to the other (many kernels come without netem,
    which could do that too). There is IPv4 alone."""

    def __init__(self, delay):
        super().__init__()
        self._delay = delay
        self._cable, self._ends = None, []

    def _build(self):
        with _skipped_without_right_to("create network namespaces"):
            self.remote = self._add("remote", {})
        self.origin = self._add("origin", {})
        with _skipped_without_right_to("create TUN devices"):
            for machine, address in ((self.remote, self.REMOTE), (self.origin, self.ORIGIN)):
                self._ends.append(machine.open_tun("cable"))
                machine.ip("address", "add", f"{address}/24", "dev", "cable")
        self._cable = subprocess.Popen(
            [sys.executable, "-B", os.path.join(HERE, "long_cable.py"), *map(str, self._ends), str(self._delay)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=self._ends)
        self._cable.stdout.readline()

    def _command(self, *words):
        print(*words, file=self._cable.stdin, flush=True)
        if self._cable.stdout.readline() != "done\n":
            raise AssertionError("the long cable has ended")

    def unplug(self, part):
        """One cable, so it does not matter whose end."""
        self._command("unplug")

    def plug_in(self, part):
        self._command("plug_in")

    def forget(self, silence):
        """What a middle box does to connections that were silent for so many seconds: from now on their packets vanish,
        and neither end is told."""
        self._command("forget", silence)

    def _remove(self):
        if self._cable:
            self._cable.stdin.close()
            self._cable.wait()
            self._cable.stdout.close()
            self._cable = None
        while self._ends:
            os.close(self._ends.pop())
        super()._remove()
