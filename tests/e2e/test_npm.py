"""npx starts an origin proxy: the packages as npm installs them from a registry on this machine.

The registry is a few lines here, or a real one: VERDACCIO names the program verdaccio (npm install verdaccio@5:
node_modules/.bin/verdaccio), to which npm then publishes."""

import base64
import contextlib
import glob
import hashlib
import http.server
import json
import os
import shutil
import signal
import socket
import tarfile
import tempfile
import threading
import unittest

from origins import HttpOrigin, SocketOrigin
from packages_made import VERSION, make
from programs import HOST, Program, free_port, need, poll, run
from support import Tunnel, show_address


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.server.answers.get(self.path)
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


class StaticRegistry:
    """What npm asks for to install these packages, and 404 for all others."""

    def __init__(self, paths):
        self._server = http.server.ThreadingHTTPServer((HOST, 0), _Handler)
        self.url = f"http://{HOST}:{self._server.server_port}"
        self._server.answers = {}
        for path in paths:
            with tarfile.open(path) as archive:
                about = json.load(archive.extractfile("package/package.json"))
            with open(path, "rb") as file:
                content = file.read()
            digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
            about["dist"] = {"tarball": f"{self.url}/{os.path.basename(path)}", "integrity": f"sha512-{digest}"}
            self._server.answers[f"/{os.path.basename(path)}"] = content
            self._server.answers[f"/{about['name']}"] = json.dumps(
                {"name": about["name"], "dist-tags": {"latest": VERSION}, "versions": {VERSION: about}}).encode()

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class RealRegistry:
    def __init__(self, program, paths, folder):
        self._program, self._paths, self._folder = program, paths, folder
        self._port = free_port()
        self.url = f"http://{HOST}:{self._port}"

    def __enter__(self):
        configuration = os.path.join(self._folder, "verdaccio.yaml")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(f"storage: {self._folder}/storage\nauth: {{htpasswd: {{file: {self._folder}/users}}}}\n"
                       "packages: {'**': {access: $all, publish: $all}}\nlog: {type: stdout, level: warn}\n")
        self._running = Program([self._program, "--config", configuration, "--listen", f"{HOST}:{self._port}"])
        self._running.wait_port(self._port)
        npmrc = os.path.join(self._folder, "npmrc")
        with open(npmrc, "w", encoding="utf-8") as file:
            file.write(f"//{HOST}:{self._port}/:_authToken=anybody\n")
        for path in self._paths:
            run(["npm", "publish", "--registry", self.url, "--userconfig", npmrc, path])
        return self

    def __exit__(self, *_):
        self._running.stop()


class Npm(unittest.TestCase):
    timeout = 900

    def setUp(self):
        for tool in ("npm", "npx", "jq"):
            if shutil.which(tool) is None:
                raise unittest.SkipTest(f"{tool} is not installed")
        self.folder = tempfile.mkdtemp(prefix="npm-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.paths = make("npm", os.path.join(self.folder, "packages"))
        verdaccio = os.environ.get("VERDACCIO")
        registry = self.enterContext(RealRegistry(verdaccio, self.paths, self.folder) if verdaccio
                                     else StaticRegistry(self.paths))
        # Nothing of the user who runs this, and nothing of the network.
        self.env = {"HOME": self.folder, "npm_config_registry": registry.url, "npm_config_audit": "false",
                    "npm_config_cache": os.path.join(self.folder, "cache"), "npm_config_update_notifier": "false",
                    "npm_config_fund": "false", "npm_config_userconfig": os.path.join(self.folder, "none")}
        self.project = os.path.join(self.folder, "project")
        os.mkdir(self.project)

    def install(self, *options):
        run(["npm", "install", *options, "origin-proxy"], cwd=self.project, env=self.env)
        return os.path.join(self.project, "node_modules/.bin/origin-proxy")


class Tunnelling(Npm):
    trust = ()

    def start(self, tunnel, server):
        tunnel.start_remote()
        tunnel.origin = Program(["npx", "--yes", "origin-proxy", "--remote-proxy-addr", show_address(tunnel.control),
                                 "--origin-server-addr", show_address(server.address), *tunnel.trust_of_origin],
                                name="npx", cwd=self.project, env=self.env)
        tunnel.programs.append(tunnel.origin)
        self.addCleanup(self.end, tunnel.origin)
        tunnel.wait_origin_ready()

    @staticmethod
    def end(program):
        """The program is in a process group of its own, and is told by npx alone."""
        if program.running:
            program.stop()

    def test_npx_fetches_a_program_that_tunnels_and_sigterm_ends_it_gently(self):
        content = os.urandom(2_000_000)
        with HttpOrigin({"file": content}) as server, Tunnel(server.address, start=False, trust="secret") as tunnel:
            self.start(tunnel, server)
            back = os.path.join(self.folder, "back")
            run([need("curl"), "--silent", "--fail", "--noproxy", "*", "--output", back,
                 "http://%s:%d/file" % tunnel.outside])
            with open(back, "rb") as file:
                self.assertEqual(file.read(), content)
            tunnel.origin.stop()  # npx alone is told, and ends at once
            tunnel.wait_log(tunnel.remote, lambda line: line.get("code") == "shutting_down")
            poll(lambda: not self.left(), "everything has ended")

    def left(self):
        """Processes out of this test's folder."""
        found = []
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            with contextlib.suppress(OSError), open(path, "rb") as file:
                if self.folder.encode() in file.read():
                    found.append(path)
        return found

    def test_a_signal_to_the_whole_group_reaches_the_program_once_and_visitors_may_finish(self):
        def serve(connection):
            connection.sendall(connection.recv(100))
            connection.sendall(connection.recv(100))

        with SocketOrigin(serve) as server, Tunnel(server.address, start=False, trust="secret") as tunnel:
            self.start(tunnel, server)
            with socket.create_connection(tunnel.outside, timeout=20) as visitor:
                visitor.sendall(b"before")
                self.assertEqual(visitor.recv(100), b"before")
                os.killpg(tunnel.origin.pid, signal.SIGINT)  # as a terminal does it, to npx and all of its children
                tunnel.origin.wait_line("stopping|shutting down|grace")
                visitor.sendall(b"after")
                self.assertEqual(visitor.recv(100), b"after")
            tunnel.origin.wait_exit()
            poll(lambda: not self.left(), "everything has ended")


class Starting(Npm):
    trust = ()

    def test_exit_status_and_output_are_those_of_the_program_and_what_is_missing_is_named(self):
        program = self.install()
        here = "origin-proxy-linux-x64" if os.uname().machine == "x86_64" else "origin-proxy-linux-arm64"
        self.assertEqual(sorted(os.listdir(os.path.join(self.project, "node_modules"))),
                         [".bin", ".package-lock.json", "origin-proxy", here])
        self.assertEqual(run([program, "version"]).stdout, f"origin-proxy {VERSION}\n")
        done = run([program, "--nonsense"], check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("--nonsense", done.stderr)

        shutil.rmtree(os.path.join(self.project, "node_modules", here))
        done = run([program, "version"], check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(f"origin-proxy: the package {here} is missing", done.stderr)
        [about] = glob.glob(os.path.join(self.project, "node_modules/origin-proxy/package.json"))
        with open(about, encoding="utf-8") as file:
            package = json.load(file)
        self.assertNotIn("scripts", package)  # nothing runs at installation
        package["optionalDependencies"] = {"origin-proxy-linux-s390x": VERSION}
        with open(about, "w", encoding="utf-8") as file:
            json.dump(package, file)
        done = run([program, "version"], check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, "there is no package for linux on .*, only origin-proxy-linux-s390x")

        # From files alone, as the page about it says.
        run(["npm", "install", "--global", "--prefix", self.project, *self.paths],
            env={**self.env, "npm_config_registry": f"http://{HOST}:9", "npm_config_fetch_retries": "0",
                 "npm_config_cache": os.path.join(self.folder, "empty")})
        self.assertEqual(run([os.path.join(self.project, "bin/origin-proxy"), "version"]).stdout,
                         f"origin-proxy {VERSION}\n")
