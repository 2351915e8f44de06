"""The tunnels that are compared: how each is configured, started and ended."""

import ctypes
import os
import pathlib
import random
import re
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import time

HOST = "127.0.0.1"
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


def _prepare_child():
    # Ends with us even if we are killed; and with as many descriptors as 8,000 visitors need.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Program:
    def __init__(self, argv, folder, name):
        self.name = name
        self.log = pathlib.Path(folder, f"{name}.log")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=folder, preexec_fn=_prepare_child
            )
        self.pid = self._process.pid

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
    """One way from a visitor to the origin server; programs run from start() to stop()."""

    def __init__(self, name, version, launch):
        self.name = name
        self.version = version
        self._launch = launch  # (contender, origin port) -> outside port
        self.folder = None
        self.programs = []
        self.port = None

    def run(self, argv, name):
        self.programs.append(Program([str(word) for word in argv], self.folder, name))
        return self.programs[-1]

    def write(self, name, text):
        path = pathlib.Path(self.folder, name)
        path.write_text(text)
        return path

    def pids(self):
        return [program.pid for program in self.programs]

    def start(self, folder, origin):
        """Does nothing if it runs. Ready means that a byte went there and back."""
        if self.port and all(program.running() for program in self.programs):
            return
        self.stop()
        self.folder = pathlib.Path(folder, self.name)
        self.folder.mkdir(exist_ok=True)
        try:
            port = self._launch(self, origin)
            self._wait_for_echo(port)
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

    def _wait_for_echo(self, port):
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            for program in self.programs:
                if not program.running():
                    raise Failed(f"{program.name} ended: {program.last_words()}")
            try:
                with socket.create_connection((HOST, port), 1) as visitor:
                    visitor.sendall(b"e")
                    if visitor.recv(1) == b"e":
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise Failed("no byte came through")


def _version(program, *flags):
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
    return Contender("direct", "", lambda _, origin: origin)


def ours(name, build, flags="", encrypted=False):
    build = pathlib.Path(build).resolve()
    remote, origin_proxy = (build / program / program for program in ("remote-proxy", "origin-proxy"))
    for program in (remote, origin_proxy):
        if not os.access(program, os.X_OK):
            raise SystemExit(f"{program} is not there: build it first, or choose another folder with --build")

    def launch(self, origin):
        extra = shlex.split(flags)
        if encrypted:
            secret = self.write("secret", subprocess.check_output([remote, "gen-secret"], text=True))
            secret.chmod(0o600)
            extra += ["--secret-file", str(secret)]
        outside = self.run([remote, "--control-addr", f"{HOST}:0", "--outside-addr", f"{HOST}:0", *extra], "remote-proxy")
        control, port = outside.wait_for(r"ready control=\S+?:(\d+) outside=\S+?:(\d+)").groups()
        inside = [origin_proxy, "--remote-proxy-addr", f"{HOST}:{control}", "--origin-server-addr", f"{HOST}:{origin}"]
        self.run([*inside, *extra], "origin-proxy").wait_for("ready remote=")
        return int(port)

    version = " ".join(filter(None, [_version(remote, "--version"), _commit(build.parent), flags]))
    return Contender(name, version, launch)


def _haproxy(path, encrypted=False):
    settings = """\
global
    nbthread 2
    maxconn 9000
    maxpipes 500
defaults
    mode tcp
    option splice-auto
    backlog 4096
    timeout connect 5s
    timeout client 5m
    timeout server 5m
listen hop
    bind {host}:{port} {bind}
    server next {host}:{next} {server}
"""

    def launch(self, origin):
        outside, middle = free_port(), free_port()
        accept = dial = ""
        if encrypted:
            certificate = _certificate(self)
            accept = f"ssl crt {certificate} ssl-min-ver TLSv1.3"
            dial = f"ssl ca-file {certificate} verify required ssl-min-ver TLSv1.3"
        for name, port, following in (("inner", middle, origin), ("outer", outside, middle)):
            inner = name == "inner"
            words = {"bind": accept if inner else "", "server": "" if inner else dial}
            config = self.write(f"{name}.cfg", settings.format(host=HOST, port=port, next=following, **words))
            self.run([path, "-db", "-f", config], name)
        return outside

    return Contender("haproxy-tls" if encrypted else "haproxy", _version(path, "-v"), launch)


def _certificate(contender):
    """A file with a certificate and its key, made for this run."""
    key, certificate = (pathlib.Path(contender.folder, name) for name in ("key.pem", "certificate.pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=IP:{HOST}", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )
    return contender.write("both.pem", certificate.read_text() + key.read_text())


def _rathole(path, encrypted=False):
    def launch(self, origin):
        control, outside = free_port(), free_port()
        server = f'[server]\nbind_addr = "{HOST}:{control}"\ndefault_token = "benchmark"\n'
        server += f'[server.services.bench]\nbind_addr = "{HOST}:{outside}"\n'
        client = f'[client]\nremote_addr = "{HOST}:{control}"\ndefault_token = "benchmark"\n'
        client += f'[client.services.bench]\nlocal_addr = "{HOST}:{origin}"\n'
        if encrypted:
            keys = subprocess.check_output([path, "--genkey"], text=True).split()
            private, public = keys[keys.index("Private") + 2], keys[keys.index("Public") + 2]
            server += f'[server.transport]\ntype = "noise"\n[server.transport.noise]\nlocal_private_key = "{private}"\n'
            client += f'[client.transport]\ntype = "noise"\n[client.transport.noise]\nremote_public_key = "{public}"\n'
        self.run([path, "--server", self.write("server.toml", server)], "server")
        self.run([path, "--client", self.write("client.toml", client)], "client")
        return outside

    return Contender("rathole-noise" if encrypted else "rathole", _version(path, "--version"), launch)


def _bore(path):
    def launch(self, origin):
        outside = free_port()
        self.run([path, "server", "--min-port", outside, "--max-port", outside], "server").wait_for("listening")
        self.run([path, "local", origin, "--to", HOST, "--port", outside], "client")
        return outside

    return Contender("bore", _version(path, "--version"), launch)


def _frp(frpc, encrypted=False):
    frps = _find("frps")
    if not frps:
        return None

    def launch(self, origin):
        control, outside = free_port(), free_port()
        tls = "true" if encrypted else "false"
        client = f'serverAddr = "{HOST}"\nserverPort = {control}\ntransport.tls.enable = {tls}\n'
        client += f'[[proxies]]\nname = "bench"\ntype = "tcp"\nlocalIP = "{HOST}"\nlocalPort = {origin}\n'
        client += f"remotePort = {outside}\n"
        server = f'bindAddr = "{HOST}"\nproxyBindAddr = "{HOST}"\nbindPort = {control}\n'
        # The client gives up if nobody listens yet.
        self.run([frps, "-c", self.write("server.toml", server)], "server").wait_for("started successfully")
        self.run([frpc, "-c", self.write("client.toml", client)], "client")
        return outside

    return Contender("frp-tls" if encrypted else "frp", _version(frpc, "--version"), launch)


def _chisel(path):
    def launch(self, origin):
        control, outside = free_port(), free_port()
        self.run([path, "server", "--host", HOST, "--port", control, "--reverse"], "server")
        way = f"R:{HOST}:{outside}:{HOST}:{origin}"
        self.run([path, "client", f"http://{HOST}:{control}", way], "client")
        return outside

    return Contender("chisel", _version(path, "--version"), launch)


def _find(program):
    cargo = os.path.expanduser("~/.cargo/bin")
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), cargo, "/usr/sbin"]))


def peers():
    """Those that are installed, and after them those that encrypt what passes between their ends."""
    known = {"haproxy": _haproxy, "rathole": _rathole, "bore": _bore, "frpc": _frp, "chisel": _chisel}
    paths = {program: _find(program) for program in known}
    found = [make(paths[program]) for program, make in known.items() if paths[program]]
    for program in ("haproxy", "rathole", "frpc"):
        if paths[program] and (program != "rathole" or _has_noise(paths[program])):
            found.append(known[program](paths[program], encrypted=True))
    return [contender for contender in found if contender]


def _has_noise(rathole):
    asked = subprocess.run([rathole, "--version"], capture_output=True, text=True, timeout=5)
    return "noise" in asked.stdout + asked.stderr
