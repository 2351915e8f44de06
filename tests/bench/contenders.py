"""What is compared: how it is started and ended; and this project's own tunnel."""

import ctypes
import functools
import os
import pathlib
import random
import re
import resource
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import time

import machine

HOST = "127.0.0.1"
NAME = "bench.example"  # that visitors ask for who speak TLS or HTTP
ALL_FAMILIES = ("tunnels", "sni", "https", "http")
START_LIMIT = 15.0


class Failed(Exception):
    """What a table shows in place of a figure."""


def free_port():
    # Below the range from which the kernel takes the ports of outgoing connections.
    for _ in range(100):
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise Failed("no free port")


def _prepare_child(last_signal):
    # Ends with us even if we are killed; and with as many descriptors as 8,000 visitors need.
    ctypes.CDLL(None).prctl(1, last_signal)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Program:
    """`last_signal`: what it gets if we are killed; one that has children must be able to end them."""

    def __init__(self, argv, folder, name, last_signal=signal.SIGKILL):
        self.name = name
        self.log = pathlib.Path(folder, f"{name}.log")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                preexec_fn=functools.partial(_prepare_child, last_signal),
            )
        self.pid = self._process.pid

    def pids(self):
        return [self.pid, *machine.children(self.pid)]

    def running(self):
        return self._process.poll() is None

    def wait_for(self, pattern):
        """The match of `pattern` in what it printed."""
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            match = re.search(pattern, self.log.read_text(errors="replace"))
            if match:
                return match
            if not self.running():
                break
            time.sleep(0.01)
        raise Failed(f"{self.name} did not start: {self.last_words()}")

    def last_words(self):
        lines = re.sub(r"\x1b\[[0-9;]*m", "", self.log.read_text(errors="replace")).strip().splitlines()
        return lines[-1][:200] if lines else "it said nothing"

    def stop(self):
        for send in (self._process.terminate, self._process.kill):
            send()
            try:
                self._process.wait(2)
                return
            except subprocess.TimeoutExpired:
                pass


class Contender:
    """One way from a visitor to the origin server; programs run from start() to stop().

    `families`: of the cases it takes part in. `speaks`: only who speaks that gets in, "tls" or "http".
    """

    def __init__(self, name, version, launch, families=("tunnels",), speaks="anything"):
        self.name = name
        self.version = version
        self.families = families
        self._ask = {"tls": _ask_in_tls, "http": _ask_in_http}.get(speaks, _ask)
        self._launch = launch  # (contender, origin port) -> outside port
        self.folder = None
        self.shared = None  # what certificates() made
        self.programs = []
        self.port = None

    def run(self, argv, name, last_signal=signal.SIGKILL):
        self.programs.append(Program([str(word) for word in argv], self.folder, name, last_signal))
        return self.programs[-1]

    def write(self, name, text):
        path = pathlib.Path(self.folder, name)
        path.write_text(text)
        return path

    def pids(self):
        return [pid for program in self.programs for pid in program.pids()]

    def start(self, folder, origin):
        """Does nothing if it runs. Ready means that an answer came from the origin server."""
        if self.port and all(program.running() for program in self.programs):
            return
        self.stop()
        self.shared = certificates(folder)
        self.folder = pathlib.Path(folder, self.name)
        self.folder.mkdir(exist_ok=True)
        try:
            port = self._launch(self, origin)
            self._wait_for_answer(port)
        except OSError as error:
            self.stop()
            raise Failed(str(error)) from error
        except Failed:
            self.stop()
            raise
        self.port = port

    def stop(self):
        for program in reversed(self.programs):
            program.stop()
        self.programs = []
        self.port = None

    def _wait_for_answer(self, port):
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            for program in self.programs:
                if not program.running():
                    raise Failed(f"{program.name} ended: {program.last_words()}")
            try:
                if self._ask(port):
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise Failed("no byte came through")


def _ask(port):
    with socket.create_connection((HOST, port), 1) as visitor:
        visitor.sendall(b"e")
        return visitor.recv(1) == b"e"


def _is_answered(visitor):
    visitor.sendall(f"GET / HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
    return visitor.recv(100).startswith(b"HTTP/1.1 200 ")


def _ask_in_http(port):
    with socket.create_connection((HOST, port), 1) as visitor:
        return _is_answered(visitor)


def _ask_in_tls(port):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((HOST, port), 1) as outer, context.wrap_socket(outer, server_hostname=NAME) as visitor:
        return _is_answered(visitor)


def version_of(program, *flags):
    output = subprocess.run([program, *flags], capture_output=True, text=True, timeout=5)
    text = (output.stdout + output.stderr).strip()
    number = re.search(r"\b\d+\.\d+\.\d+\b\S*", text)
    return number.group() if number else text[:40]


def _commit(folder):
    asked = subprocess.run(
        ["git", "-C", folder, "describe", "--always", "--dirty"], capture_output=True, text=True, timeout=5
    )
    return asked.stdout.strip()


def direct():
    return Contender("direct", "", lambda _, origin: origin, ALL_FAMILIES)


def tunnel(build, flags="", encrypted=False):
    """Starts this project's two programs, for (contender, origin port); returns the outside port."""
    build = pathlib.Path(build).resolve()
    remote, origin_proxy = (build / program / program for program in ("remote-proxy", "origin-proxy"))
    for program in (remote, origin_proxy):
        if not os.access(program, os.X_OK):
            raise SystemExit(f"{program} is not there: build it first, or choose another folder with --build")

    def launch(self, origin):
        extra = shlex.split(flags) + (secret(self, build) if encrypted else [])
        outside = self.run([remote, "--control-addr", f"{HOST}:0", "--outside-addr", f"{HOST}:0", *extra], "remote-proxy")
        control, port = outside.wait_for(r"ready control=\S+?:(\d+) outside=\S+?:(\d+)").groups()
        inside = [origin_proxy, "--remote-proxy-addr", f"{HOST}:{control}", "--origin-server-addr", f"{HOST}:{origin}"]
        self.run([*inside, *extra], "origin-proxy").wait_for("ready remote=")
        return int(port)

    return launch


def ours(name, build, flags="", encrypted=False):
    # A port of one's own is what routing by SNI or by Host is measured against.
    families = ["tunnels"] if encrypted else ["tunnels", "sni", "http"]
    return Contender(name, version_of_build(build, flags), tunnel(build, flags, encrypted), families)


def secret(contender, build):
    """The flags of a fresh one."""
    file = contender.write("secret", subprocess.check_output([build / "remote-proxy/remote-proxy", "gen-secret"], text=True))
    file.chmod(0o600)
    return ["--secret-file", str(file)]


def version_of_build(build, flags):
    build = pathlib.Path(build).resolve()
    return " ".join(filter(None, [version_of(build / "remote-proxy/remote-proxy", "--version"), _commit(build.parent), flags]))


def certificates(folder):
    """A folder with a certificate NAME.crt, its key NAME.key, and both.pem with both; made once for each run."""
    certificates = pathlib.Path(folder, "certificates")
    if certificates.exists():
        return certificates
    certificates.mkdir()
    key, certificate = (certificates / f"{NAME}{suffix}" for suffix in (".key", ".crt"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},IP:{HOST}", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )
    pathlib.Path(certificates, "both.pem").write_text(certificate.read_text() + key.read_text())
    return certificates


def find(program):
    cargo = os.path.expanduser("~/.cargo/bin")
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), cargo, "/usr/sbin"]))
