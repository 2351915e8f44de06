"""Origin servers and fronts which several tests share."""

import hashlib
import http.server
import os
import socket
import ssl
import threading

from support import HERE, HOST, Program, free_port, need, poll, show_address, user_name


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def file_sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in two writes, and Nagle's algorithm would hold back the second one.
    disable_nagle_algorithm = True

    def _answer(self, status, body=b""):
        self.server.owner.note(self)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        body = self.server.owner.files.get(self.path.strip("/"))
        self._answer(404) if body is None else self._answer(200, body)

    def do_PUT(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.owner.files[self.path.strip("/")] = body
        self._answer(201)

    def log_message(self, *_):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class HttpOrigin:
    """An HTTP/1.1 server on a thread: GET and PUT of `files` (name -> bytes); `requests` are those it answered."""

    def __init__(self, files=None):
        self.files = dict(files or {})
        self.requests = []
        self._lock = threading.Lock()
        self._server = _Server((HOST, 0), _Handler)
        self._server.owner = self
        self.address = self._server.server_address[:2]

    def note(self, handler):
        with self._lock:
            self.requests.append({"method": handler.command, "path": handler.path, "headers": dict(handler.headers),
                                  "peer": handler.client_address})

    def peers(self):
        with self._lock:
            return {request["peer"] for request in self.requests}

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class SocketOrigin:
    """A server on a thread that hands each accepted connection to `serve(connection)`; what serve returns is kept in
    `results`, what it raises in `errors`."""

    def __init__(self, serve):
        self.results, self.errors = [], []
        self._serve = serve
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.address = self._listener.getsockname()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection):
        with connection:
            try:
                self.results.append(self._serve(connection))
            except Exception as error:  # shown by the test, which alone knows whether it is a failure
                self.errors.append(error)

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def fill(template, target, **values):
    """Write conf/<template> to `target` with each @NAME@ replaced."""
    with open(os.path.join(HERE, "conf", template), encoding="utf-8") as file:
        text = file.read()
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
    return target


def _or_kill(process, wait):
    """A server that does not come up must not outlive the test."""
    try:
        wait()
    except BaseException as error:
        process.kill()
        error.add_note(process.output())
        raise


def nginx(folder, site, **values):
    """Start nginx with the site conf/<site>; gives (program, port) once it listens."""
    program = need("nginx")
    port = free_port()
    site_path = fill(site, os.path.join(folder, "site.conf"), PORT=f"{HOST}:{port}", **values)
    conf = fill("nginx-main.conf", os.path.join(folder, "nginx.conf"), USER=user_name(), FOLDER=folder,
                SITE=site_path)
    process = Program([program, "-e", "stderr", "-p", folder, "-c", conf], name="nginx")
    _or_kill(process, lambda: process.wait_port(port))
    return process, port


def nginx_front(folder, outside):
    return nginx(folder, "nginx-site.conf", OUTSIDE=show_address(outside))


def caddy_front(folder, outside, name):
    """Start Caddy with HTTPS for https://<name>:<port>; gives (program, port, root certificate) once it can serve."""
    program = need("caddy")
    port = free_port()
    caddyfile = fill("Caddyfile", os.path.join(folder, "Caddyfile"), SITE=f"https://{name}:{port}",
                     OUTSIDE=show_address(outside))
    conf = fill("Caddyfile.test", os.path.join(folder, "Caddyfile.test"), CADDYFILE=caddyfile)
    places = {"HOME": folder, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
    process = Program([program, "run", "--adapter", "caddyfile", "--config", conf], name="caddy", env=places)
    root = os.path.join(folder, "caddy/pki/authorities/local/root.crt")

    def handshake():
        # Caddy listens, and even says that it has the certificate, a moment before it can serve it.
        try:
            with socket.create_connection((HOST, port), 5) as raw, \
                    ssl.create_default_context(cafile=root).wrap_socket(raw, server_hostname=name):
                return True
        except OSError:
            return False
    _or_kill(process, lambda: poll(handshake, "Caddy serves its certificate", interval=0.05))
    return process, port, root
