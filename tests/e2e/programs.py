"""Starting, watching and stopping real programs for the end-to-end tests."""

import collections
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
HOST = "127.0.0.1"
# Generous: a deadline only ever costs time in a run that fails anyway, and the sanitizer builds are slow.
DEADLINE = 30.0
# Of the machine, whose proxy is not for what is tested here.
PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")
# What an origin proxy calls itself unless it is told a name.
MACHINE = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:64]

Line = collections.namedtuple("Line", "stream text")


def need(program):
    """Path of a program; where it is missing, a failure in CI and a skipped test elsewhere."""
    # Debian keeps servers in sbin and the PostgreSQL ones out of PATH altogether.
    folders = [os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]
    postgres = "/usr/lib/postgresql"
    if os.path.isdir(postgres):
        versions = sorted(os.listdir(postgres), key=lambda v: [int(n) for n in re.findall(r"\d+", v)], reverse=True)
        folders += [os.path.join(postgres, version, "bin") for version in versions]
    found = shutil.which(program, path=os.pathsep.join(folders))
    return found or missing(program)


def missing(what):
    if os.environ.get("CI") == "true":
        raise AssertionError(f"{what} is not installed: see tests/e2e/packages.txt")
    raise unittest.SkipTest(f"{what} is not installed")


def binary(name):
    """Path of remote-proxy or origin-proxy in the build under test; never skipped, since it is what we test."""
    path = os.path.join(REPO, os.environ.get("TUNNEL_BUILD", "build/release"), name, name)
    if not os.access(path, os.X_OK):
        raise AssertionError(f"{path} is not there: build it first, or set TUNNEL_BUILD")
    return path


def user_name():
    """Who we really are: getpass.getuser() would believe variables that sudo and containers leave wrong."""
    return pwd.getpwuid(os.geteuid()).pw_name


_handed_out = set()


def free_port():
    """A loopback port nobody listens on, below the range from which the kernel picks ports of outgoing connections
    (a port from that range could be taken between this call and the moment the server binds it)."""
    for _ in range(1000):
        port = random.randrange(18000, 32000)
        if port in _handed_out:
            continue
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        _handed_out.add(port)
        return port
    raise AssertionError("no free port found")


def poll(condition, what, timeout=DEADLINE, interval=0.01):
    """First true value that condition() returns; an AssertionError naming `what` after the deadline."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        time.sleep(interval)


def run(argv, *, timeout=60.0, input=None, env=None, check=True, text=True, **options):
    """Run a client to its end; a failure shows everything it printed. Gives a subprocess.CompletedProcess."""
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, **(env or {})}, text=text, process_group=0, **options,
    ) as process:
        late = False
        try:
            out, err = process.communicate(input, timeout)
        except subprocess.TimeoutExpired:
            late = True
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if late or (check and process.returncode != 0):
        how = f"did not end within {timeout:g} s" if late else f"ended with {process.returncode}"
        raise AssertionError(f"{' '.join(map(str, argv))} {how}\nstdout: {out[-4000:]!r}\nstderr: {err[-4000:]!r}")
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


class Program:
    """A long-running process in a process group of its own, whose whole output is kept, but for lines that are only
    counted."""

    started = []  # all of them, see turns.py

    def __init__(self, argv, *, name=None, env=None, rlimits=None, within=(), counts=None, **options):
        """`within` are words that come first and replace themselves by the program, such as `ip netns exec NAME`;
        `rlimits` as in {"nofile": "64:64"} (the options of prlimit); `options` go to subprocess.Popen
        (cwd, user, preexec_fn ...); a value None in `env` removes that variable. Lines of stderr that contain `counts`
        are not kept but counted in `counted`: there may be millions of them."""
        self.argv = [str(word) for word in argv]
        self.name = name or os.path.basename(self.argv[0])
        self.lines = []
        self.counted, self._counts = 0, counts
        self._changed = threading.Condition()
        self._suspended = False
        # prlimit replaces itself by the program, so the limit holds from its first instruction and the pid is its own.
        limits = [f"--{limit}={value}" for limit, value in (rlimits or {}).items()]
        prefix = [*within, *(["prlimit", *limits, "--"] if limits else [])]
        environment = {**os.environ, **dict.fromkeys(PROXY_VARIABLES), **(env or {})}
        self.process = subprocess.Popen(
            prefix + self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={key: value for key, value in environment.items() if value is not None},
            text=True, errors="backslashreplace", process_group=0, **options)
        Program.started.append(self)
        self._readers = [threading.Thread(target=self._read, args=pair, daemon=True)
                         for pair in (("stdout", self.process.stdout), ("stderr", self.process.stderr))]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process.poll() is None

    def _read(self, stream, pipe):
        with pipe:
            for text in pipe:
                if self._counts and stream == "stderr" and self._counts in text:
                    self.counted += 1  # this thread alone writes it
                    continue
                with self._changed:
                    self.lines.append(Line(stream, text.rstrip("\n")))
                    self._changed.notify_all()

    def output(self, limit=20000):
        """What the program printed so far, for failure messages."""
        with self._changed:
            text = "\n".join(f"{line.stream}: {line.text}" for line in self.lines)
        state = "running" if self.running else f"exit {self.process.returncode}"
        return f"--- {self.name} (pid {self.pid}, {state}) {' '.join(self.argv[1:])}\n{text[-limit:]}"

    def texts(self, stream=None):
        with self._changed:
            return [line.text for line in self.lines if stream in (None, line.stream)]

    def wait_line(self, wanted, timeout=DEADLINE, *, stream=None, count=1, start=0):
        """Wait for the count-th line that fits, beginning with line number `start` (take len(program.lines) before an
        action to ignore what was printed earlier). `wanted` is a regular expression or a predicate on the text;
        gives the match or the predicate's value."""
        test = wanted if callable(wanted) else re.compile(wanted).search
        end = time.monotonic() + timeout
        position, seen = start, 0
        with self._changed:
            while True:
                for line in self.lines[position:]:
                    position += 1
                    found = stream in (None, line.stream) and test(line.text)
                    seen += bool(found)
                    if found and seen == count:
                        return found
                ended = not any(reader.is_alive() for reader in self._readers)
                if (ended and position == len(self.lines)) or time.monotonic() > end:
                    break
                self._changed.wait(0.05)
        raise AssertionError(f"{self.name}: no line {wanted!r} (saw {seen} of {count})\n{self.output()}")

    def wait_port(self, port, timeout=DEADLINE):
        """Wait until a connection to this loopback port is accepted, for servers that do not say when they are up."""
        def connects():
            if not self.running:
                raise AssertionError(f"ended before it listened on {port}\n{self.output()}")
            with socket.socket() as probe:
                return probe.connect_ex((HOST, port)) == 0
        poll(connects, f"{self.name} listens on {port}", timeout)

    def send_signal(self, number):
        self._suspended = number == signal.SIGSTOP or (self._suspended and number != signal.SIGCONT)
        self.process.send_signal(number)

    def wait_exit(self, timeout=DEADLINE, *, code=None):
        """Wait for the end (and for the last of the output); with `code`, assert the exit code (-9 for SIGKILL)."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {timeout:g} s\n{self.output()}") from None
        for reader in self._readers:
            reader.join(5)
        if code is not None and status != code:
            raise AssertionError(f"{self.name} ended with {status}, expected {code}\n{self.output()}")
        return status

    def kill(self):
        """SIGKILL to the whole group, children included."""
        if self.running:
            os.killpg(self.pid, signal.SIGKILL)
        return self.wait_exit()

    def stop(self, timeout=DEADLINE, *, code=None, number=signal.SIGTERM):
        """Ask it to end, then kill it; with `code`, being late or another exit code is a failure."""
        if self.running:
            self.send_signal(number)
            if self._suspended:
                # It would keep the other signal pending for ever. Never to a process that runs: a leak checker at
                # work at its exit waits for a SIGSTOP, which SIGCONT discards.
                self.send_signal(signal.SIGCONT)
        try:
            return self.wait_exit(timeout, code=code)
        finally:
            if self.running:
                self.kill()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        try:
            self.stop(10)
        except AssertionError:
            pass  # stop() has killed it; how a foreign server ends is not what is tested
        if error is not None:
            error.add_note(self.output())
        return False
