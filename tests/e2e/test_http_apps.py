"""Programs that people put behind a name: Vite with hot reload, Jupyter with kernels, a file server with ranges.

Debian has neither of the first two: VITE names the program vite (npm install vite: node_modules/.bin/vite), and JUPYTER
the program jupyter-server (pip install jupyter-server ipykernel). Without them, or on PATH, their tests are skipped.
"""

import asyncio
import hashlib
import json
import os
import re
import shutil
import struct
import threading
import unittest
import uuid
import zlib

from http_fronts import AtHttp, request
from origins import _or_kill, fill
from support import HOST, Program, free_port, missing, need, run, user_name

try:
    import websockets
except ImportError:
    websockets = None

NAME = "app.example.com"


def installed(variable, program):
    found = os.environ.get(variable) or shutil.which(program)
    if not found:
        raise unittest.SkipTest(f"{program} is not installed, and {variable} does not name it")
    return found


class App(AtHttp):
    """A program at a free port of this machine, and a remote proxy."""

    def setUp(self):
        super().setUp()
        if websockets is None:
            missing("python3-websockets")
        self.place = self.folder.path("app")
        os.mkdir(self.place)
        self.port = free_port()

    def run_app(self, argv, *, flags=(), **options):
        self.app = Program(argv, cwd=self.place, **options)
        self.enterContext(self.app)
        _or_kill(self.app, lambda: self.app.wait_port(self.port))

        class Server:
            address = HOST, self.port
        self.open()
        self.offering("A", ("app", Server, "http://app"), flags=flags)

    def put(self, name, text):
        with open(os.path.join(self.place, name), "w", encoding="utf-8") as file:
            file.write(text)

    def connect(self, path, origin=None, **options):
        """A WebSocket of a page that came from the name."""
        host, port = self.http
        return websockets.connect(f"ws://{NAME}:{port}{path}", host=host, port=port, open_timeout=20,
                                  origin=origin or f"http://{NAME}:{port}", max_size=None, **options)

    def host(self):
        return f"{NAME}:{self.http[1]}"


class Vite(App):
    def start_vite(self, flags):
        program = installed("VITE", "vite")
        self.put("index.html", '<!doctype html><div id="app"></div><script type="module" src="/main.js"></script>')
        self.put("main.js", 'import { word } from "./word.js"\n'
                 'document.getElementById("app").textContent = word\nimport.meta.hot?.accept()\n')
        self.put("word.js", 'export const word = "first"\n')
        self.put("package.json", '{"type": "module"}')
        self.run_app([program, "--host", HOST, "--port", str(self.port), "--strictPort", "--clearScreen", "false"],
                     flags=flags)

    def test_a_page_is_served_and_reloads_when_its_source_changes(self):
        self.start_vite(["--host-header", f"localhost:{self.port}"])
        visitor = self.visitor()
        page = visitor.ask(self.host(), "/", "GET", "Accept: text/html")
        self.assertEqual(page.status, 200, page)
        self.assertIn("/@vite/client", page.word)
        client = visitor.ask(self.host(), "/@vite/client").word
        self.assertIn("first", visitor.ask(self.host(), "/word.js").word)
        visitor.ask(self.host(), "/main.js")
        token = re.search(r'wsToken = "([^"]*)"', client)
        path = f"/?token={token[1]}" if token else "/"

        async def watch():
            async with self.connect(path, subprotocols=["vite-hmr"]) as socket:
                self.assertEqual(json.loads(await socket.recv())["type"], "connected")
                self.put("word.js", 'export const word = "second"\n')
                while (told := json.loads(await socket.recv()))["type"] not in ("update", "full-reload"):
                    pass
                return told
        told = asyncio.run(asyncio.wait_for(watch(), 30))
        self.assertTrue(told["type"] == "full-reload" or told["updates"], told)
        self.assertIn("second", visitor.ask(self.host(), f"/word.js?t={uuid.uuid4()}").word)

    def test_without_host_header_vite_knows_only_its_own_names(self):
        """Which is why the page about HTTP tells of the setting."""
        self.start_vite([])
        self.assertEqual(self.visitor().ask(self.host(), "/", "GET", "Accept: text/html").status, 403)


class Jupyter(App):
    timeout = 180

    def test_a_kernel_computes_through_its_websocket(self):
        program = installed("JUPYTER", "jupyter-server")
        token = "a-token-of-the-tests"
        self.run_app([program, "--no-browser", "--allow-root", f"--ServerApp.ip={HOST}",
                      f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0",
                      f"--IdentityProvider.token={token}",
                      "--ServerApp.allow_remote_access=True", "--ServerApp.trust_xheaders=True",
                      f"--ServerApp.root_dir={self.place}"],
                     env={"HOME": self.place, "JUPYTER_RUNTIME_DIR": self.place, "JUPYTER_PREFER_ENV_PATH": "1"})
        login = f"Authorization: token {token}"
        visitor = self.visitor()
        self.assertEqual(visitor.ask(self.host(), "/api/status").status, 403)
        self.assertEqual(visitor.ask(self.host(), "/api/status", "GET", login).status, 200)
        made = visitor.ask(self.host(), "/api/kernels", "POST", login, "Content-Type: application/json", body=b"{}")
        self.assertEqual(made.status, 201, made)
        kernel = json.loads(made.word)["id"]
        try:
            said = asyncio.run(asyncio.wait_for(self.compute(kernel, login.partition(": ")[2]), 90))
            self.assertEqual(said, "42\n")
        finally:
            self.assertEqual(visitor.ask(self.host(), f"/api/kernels/{kernel}", "DELETE", login).status, 204)

    async def compute(self, kernel, login):
        session = uuid.uuid4().hex
        header = {"msg_id": uuid.uuid4().hex, "username": "", "session": session, "msg_type": "execute_request",
                  "version": "5.3", "date": "2026-01-01T00:00:00Z"}
        content = {"code": "print(6 * 7)", "silent": False, "store_history": False, "user_expressions": {},
                   "allow_stdin": False}
        async with self.connect(f"/api/kernels/{kernel}/channels?session_id={session}",
                                extra_headers={"Authorization": login}) as socket:
            await socket.send(json.dumps({"channel": "shell", "header": header, "parent_header": {}, "metadata": {},
                                          "content": content, "buffers": []}))
            while True:
                told = json.loads(await socket.recv())
                if told["header"]["msg_type"] == "stream":
                    return told["content"]["text"]


class Files(AtHttp):
    """nginx as the origin server."""

    def setUp(self):
        super().setUp()
        self.place = self.folder.path("files")
        os.mkdir(self.place)
        os.chmod(self.place, 0o755)
        os.chmod(self.folder.path(""), 0o755)
        self.data = os.urandom(3_000_000)
        with open(os.path.join(self.place, "data.bin"), "wb") as file:
            file.write(self.data)
        port = free_port()
        site = self.write("files.conf", f"server {{ listen {HOST}:{port}; root {self.place}; autoindex on; }}\n")
        conf = fill("nginx-main.conf", self.folder.path("nginx.conf"), USER=user_name(), FOLDER=self.place, SITE=site)
        nginx = Program([need("nginx"), "-e", "stderr", "-p", self.place, "-c", conf], name="nginx")
        self.enterContext(nginx)
        _or_kill(nginx, lambda: nginx.wait_port(port))

        class Server:
            address = HOST, port
        self.open()
        self.offering("A", ("files", Server, "http://files"))

    def curl(self, path, *words):
        host, port = self.http
        return run([need("curl"), "-sS", "--noproxy", "*", "--resolve", f"files.example.com:{port}:{host}", *words,
                    f"http://files.example.com:{port}{path}"], text=False).stdout

    def test_ranges_conditions_and_a_listing(self):
        self.assertIn(b"data.bin", self.curl("/"))
        self.assertEqual(self.curl("/data.bin", "-r", "1000-1999"), self.data[1000:2000])
        self.assertEqual(self.curl("/data.bin", "-r", "-500"), self.data[-500:])
        visitor = self.visitor()
        whole = visitor.ask("files.example.com", "/data.bin", "HEAD")
        self.assertEqual(int(whole.get("content-length")), len(self.data))
        unchanged = visitor.ask("files.example.com", "/data.bin", "GET", f"If-None-Match: {whole.get('etag')}")
        self.assertEqual(unchanged.status, 304)
        several = visitor.ask("files.example.com", "/data.bin", "GET", "Range: bytes=0-9,100-109")
        self.assertEqual(several.status, 206)
        self.assertIn(self.data[100:110], several.body)
        self.assertEqual(visitor.ask("files.example.com", "/data.bin", "GET", "Range: bytes=9999999-").status, 416)

    def test_a_download_that_was_broken_off_is_taken_up_again(self):
        path = self.folder.path("part")
        with open(path, "wb") as file:
            file.write(self.data[:1_234_567])
        self.curl("/data.bin", "-C", "-", "-o", path)
        with open(path, "rb") as file:
            self.assertEqual(hashlib.sha256(file.read()).digest(), hashlib.sha256(self.data).digest())


class Browser(AtHttp):
    timeout = 180

    def picture_of(self, host, *flags):
        """The first pixel of what Chromium shows, as RGB."""
        path = self.folder.path("picture.png")
        run([self.chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-proxy-server", f"--user-data-dir={self.folder.path('chromium')}", "--window-size=800,600",
             f"--host-resolver-rules=MAP *.example.com {HOST}", f"--screenshot={path}", *flags,
             f"http://{host}.example.com:{self.http[1]}/"], timeout=90)
        with open(path, "rb") as file:
            picture = file.read()
        data, at = b"", 8
        while at < len(picture):
            size, kind = struct.unpack(">I4s", picture[at:at + 8])
            if kind == b"IDAT":
                data += picture[at + 8:at + 8 + size]
            at += size + 12
        # Whatever the filter of the first row is: left of the first pixel and above it there is nothing.
        return tuple(zlib.decompress(data)[1:4])

    def test_the_page_is_light_or_dark_as_the_browser_is(self):
        self.chromium = shutil.which("chromium")
        if not self.chromium:
            self.skipTest("chromium is not installed")
        self.open("--pairing-timeout", "300ms", config='[services.gone]\nkind = "http"\nhosts = ["gone"]\n')
        for host in ("none", "gone"):
            light = self.picture_of(host, "--blink-settings=preferredColorScheme=1")
            dark = self.picture_of(host, "--force-dark-mode", "--blink-settings=preferredColorScheme=0")
            self.assertGreater(min(light), 200, (host, light))
            self.assertLess(max(dark), 60, (host, dark))


class GrpcWeb(AtHttp):
    """The frames of gRPC-web, as a server that streams sends them."""

    def test_messages_arrive_one_by_one_and_the_status_behind_them(self):
        def frame(kind, content):
            return struct.pack(">BI", kind, len(content)) + content
        seen = []

        def serve(asked, connection):
            seen.append(asked.body)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web+proto\r\n"
                               b"Transfer-Encoding: chunked\r\n\r\n")
            for number in range(3):
                piece = frame(0, b"message %d" % number)
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                go_on.acquire()  # pylint: disable=consider-using-with
            piece = frame(0x80, b"grpc-status:0\r\n")
            return b"%x\r\n%s\r\n0\r\n\r\n" % (len(piece), piece)
        go_on = threading.Semaphore(0)
        self.open()
        self.serve(serve)
        visitor = self.visitor()
        for _ in range(2):
            asked = frame(0, b"a request")
            visitor.say(request(NAME, "/pkg.Service/Method", "POST", "Content-Type: application/grpc-web+proto",
                                "X-Grpc-Web: 1", "TE: trailers", body=asked))
            self.assertEqual(visitor.reader.head().status, 200)
            for number in range(3):
                size = int(visitor.reader.line(), 16)
                self.assertEqual(visitor.reader.take(size + 2), frame(0, b"message %d" % number) + b"\r\n")
                go_on.release()
            size = int(visitor.reader.line(), 16)
            self.assertEqual(visitor.reader.take(size + 7), frame(0x80, b"grpc-status:0\r\n") + b"\r\n0\r\n\r\n")
            self.assertEqual(seen[-1], asked)


if __name__ == "__main__":
    unittest.main()
