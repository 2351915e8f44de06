"""Plays a service manager: listens where sd_notify(3) sends, and stops single threads of a program."""

import contextlib
import ctypes
import fcntl
import os
import socket
import sys
import threading
import time

from programs import DEADLINE

_libc = ctypes.CDLL(None, use_errno=True)
# ptrace(2)
_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17
_WALL = 0x40000000  # waitpid(2): of threads that are no children


class ServiceManager:
    """`name` is a path, or a name of the abstract namespace with an @ in front. Messages are kept with their times."""

    def __init__(self, name):
        self.name = name
        self.messages = []  # (seconds, text)
        self._changed = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + name[1:] if name.startswith("@") else name)
        if not name.startswith("@"):
            os.chmod(name, 0o666)
        threading.Thread(target=self._read, daemon=True).start()

    def environment(self, watchdog=None):
        """For Program; `watchdog` in seconds."""
        variables = {"NOTIFY_SOCKET": self.name}
        if watchdog is not None:
            variables["WATCHDOG_USEC"] = str(round(watchdog * 1e6))
        return variables

    def _read(self):
        while text := self._socket.recv(4096).decode():
            with self._changed:
                self.messages.append((time.monotonic(), text))
                self._changed.notify_all()

    def texts(self, start=0):
        with self._changed:
            return [text for _, text in self.messages[start:]]

    def wait(self, line, timeout=DEADLINE, start=0):
        """Wait for a message that has this line; gives the message."""
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                for _, text in self.messages[start:]:
                    if any(each.startswith(line) for each in text.split("\n")):
                        return text
                if time.monotonic() > end:
                    raise AssertionError(f"no {line!r} within {timeout:g} s, but {self.messages[start:]}")
                self._changed.wait(0.05)

    def count(self, line, start=0):
        return sum(line in text.split("\n") for text in self.texts(start))


@contextlib.contextmanager
def standing(*threads):
    """Within, these threads get no processor; all others of their process go on. Raises PermissionError where that is
    not allowed."""
    stopped = []
    try:
        for thread in threads:
            if _libc.ptrace(_SEIZE, thread, None, None) != 0:
                raise PermissionError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            stopped.append(thread)
            _libc.ptrace(_INTERRUPT, thread, None, None)
            os.waitpid(thread, _WALL)
        yield
    finally:
        for thread in stopped:
            _libc.ptrace(_DETACH, thread, None, None)


def other_threads(pid):
    return [int(each) for each in os.listdir(f"/proc/{pid}/task") if int(each) != pid]


_ACTIVATE = """
import os, sys
count = int(sys.argv[1])
for number, descriptor in enumerate(map(int, sys.argv[2:2 + count])):
    os.dup2(descriptor, 3 + number)
    os.set_inheritable(descriptor, False)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(count))
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
"""


def activated(*sockets):
    """Options for Program that hand these sockets over, as sd_listen_fds(3) has it."""
    # Not below the numbers that they are to get.
    copies = [fcntl.fcntl(each.fileno(), fcntl.F_DUPFD, 40) for each in sockets]
    return {"within": [sys.executable, "-c", _ACTIVATE, str(len(copies)), *map(str, copies)], "pass_fds": copies}
