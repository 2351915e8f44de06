"""Real clients and servers that meet by name: git, MQTT, a browser, HTTP/2."""

import http.server
import os
import re
import shutil
import subprocess
import threading
import unittest

from fronts import AtFronts, authority, web
from origins import fill
from programs import missing
from support import HOST, Program, free_port, need, run, show_address, user_name
from trust import folder

ENDED, OPAQUE = "one.example.com", "op.example.com"
HTTP_BACKEND = "/usr/lib/git-core/git-http-backend"


class Clients(AtFronts):
    """One server is reached by two names: TLS of the one ends at the remote proxy, that of the other at the server, if
    it has one that speaks it."""

    def setUp(self):
        super().setUp()
        authority().put(self.certificates, ENDED)
        self.with_secrets("A")
        self.front_address = self.front("--secrets-file", self.secrets_path)

    def reach(self, **servers):
        """`one` without TLS, `op` with it; (host, port) each."""
        kinds = {"one": "https", "op": "tls"}
        words = [word for label, address in servers.items()
                 for word in ("--service", f"{label}={show_address(address)}@{kinds[label]}://{label}")]
        self.origin(self.control, "--secret-file", self.files["A"], *words)

    def key_pair(self, name):
        return authority().put(folder(self.id().rpartition(".")[2] + "-" + name), name, file="server")


class _GitHandler(http.server.BaseHTTPRequestHandler):
    """CGI as git's own server for HTTP wants it."""

    protocol_version = "HTTP/1.0"

    def _serve(self):
        path, _, query = self.path.partition("?")
        size = self.headers.get("Content-Length")
        environment = {
            **os.environ, "GIT_PROJECT_ROOT": self.server.root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_USER": "me", "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", "")}
        if size:
            environment["CONTENT_LENGTH"] = size
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while part := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(part))
                self.rfile.readline()
            body = b"".join(parts)
            environment["CONTENT_LENGTH"] = str(len(body))
        else:
            body = self.rfile.read(int(size or 0))
        answer = subprocess.run([HTTP_BACKEND], env=environment, input=body, stdout=subprocess.PIPE, check=True).stdout
        head, _, rest = answer.partition(b"\r\n\r\n")
        status = re.search(rb"Status: (.*)\r?\n?", head)
        line = b"HTTP/1.0 " + (status[1].strip() if status else b"200 OK")
        self.wfile.write(line + b"\r\n" + head + b"\r\n\r\n" + rest)

    do_GET = do_POST = _serve

    def log_message(self, *_):
        pass


class Git(Clients):
    def test_git_clones_and_pushes_over_https(self):
        git = need("git")
        if not os.path.exists(HTTP_BACKEND):
            missing("git http-backend")
        place = folder("git")
        env = {"HOME": place, "GIT_CONFIG_NOSYSTEM": "1", "GIT_SSL_CAINFO": authority().ca, "GIT_TERMINAL_PROMPT": "0",
               **{f"GIT_{who}_{what}": "me@example.com" for who in ("AUTHOR", "COMMITTER")
                  for what in ("NAME", "EMAIL")}}

        def call(*words, cwd=place):
            return run([git, *words], env=env, cwd=cwd)

        call("init", "-q", "--bare", "-b", "main", "shared.git")
        call("-C", "shared.git", "config", "http.receivepack", "true")
        server = http.server.ThreadingHTTPServer((HOST, 0), _GitHandler)
        server.root, server.daemon_threads = place, True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.reach(one=server.server_address)
        # git has no option for an address beside the name, but curl's own way to tell it one.
        url = f"https://{ENDED}:{self.front_address[1]}/shared.git"
        tell = ["-c", f"http.curloptResolve={ENDED}:{self.front_address[1]}:{HOST}"]
        call("init", "-q", "-b", "main", "work")
        work = os.path.join(place, "work")
        content = os.urandom(3 << 20)
        with open(os.path.join(work, "large"), "wb") as file:
            file.write(content)
        call("add", "large", cwd=work)
        call("commit", "-q", "-m", "large", cwd=work)
        call(*tell, "push", "-q", url, "main", cwd=work)
        call(*tell, "clone", "-q", url, "other")
        with open(os.path.join(place, "other", "large"), "rb") as file:
            self.assertEqual(file.read(), content)


class Mqtt(Clients):
    def test_messages_go_to_a_broker_that_is_found_by_its_name(self):
        """Clients can be told no other address than their name, so this is a name of this machine."""
        broker, publish, subscribe = (need(name) for name in ("mosquitto", "mosquitto_pub", "mosquitto_sub"))
        secured = free_port()
        certificate, key = self.key_pair("localhost")
        config = self.write("mosquitto.conf", f"""
listener {secured} {HOST}
allow_anonymous true
certfile {certificate}
keyfile {key}
user {user_name()}
""")
        process = self.enterContext(Program([broker, "-c", config], name="mosquitto"))
        process.wait_port(secured)
        service = '[services.mqtt]\nkind = "tls"\nhosts = ["localhost"]\n'
        config = self.write("mqtt.toml", self.tables + service)
        _, control, there = self.remote("--config", config, "--https-addr", f"{HOST}:0")
        self.origin(control, "--secret-file", self.files["A"], "--service", f"mqtt={HOST}:{secured}")
        where = ["-h", "localhost", "-p", str(there["https"][1]), "--cafile", authority().ca, "-t", "news"]
        with Program([subscribe, *where, "-C", "2", "-d"], name="mosquitto_sub", within=["stdbuf", "-oL"]) as listener:
            listener.wait_line("SUBACK|Subscribed")
            for word in ("first", "second"):
                run([publish, *where, "-m", word, "-q", "1"])
            listener.wait_exit(code=0)
            self.assertEqual([line for line in listener.texts("stdout") if line in ("first", "second")],
                             ["first", "second"])


class Browser(Clients):
    def test_a_browser_shows_the_page_of_each_name(self):
        chromium = shutil.which("chromium")
        if not chromium:
            self.skipTest("chromium is not installed")
        place = folder("chromium")
        with web("one") as one, web("op", OPAQUE) as opaque:
            self.reach(one=one.address, op=opaque.address)
            for name, word in ((ENDED, "one"), (OPAQUE, "op")):
                page = run([chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                            f"--user-data-dir={place}/{word}", "--ignore-certificate-errors", "--no-first-run",
                            "--disable-background-networking", f"--host-resolver-rules=MAP * {HOST}", "--dump-dom",
                            f"https://{name}:{self.front_address[1]}/"], timeout=90).stdout
                self.assertRegex(page, f"<body>.*{word}.*</body>")


class PostgreSql(Clients):
    def test_psql_connects_with_tls_from_its_first_byte(self):
        version = int(re.search(r"(\d+)\.", run([need("psql"), "--version"]).stdout)[1])
        if version < 17:
            self.skipTest(f"psql {version} has no sslnegotiation=direct, 17 has")
        with web("op", OPAQUE) as opaque:  # it need not be a real one: what counts is that psql's hello is understood
            self.reach(op=opaque.address)
            done = run([need("psql"), f"host={OPAQUE} hostaddr={HOST} port={self.front_address[1]} sslmode=require "
                        "sslnegotiation=direct connect_timeout=5"], check=False)
            self.assertNotIn("unrecognized name", done.stderr)
            self.assertGreater(self.visitors_of("A/op"), 0)


class Http2(Clients):
    timeout = 300

    def test_h2spec_finds_the_same_through_an_opaque_name_as_without(self):
        h2spec = shutil.which("h2spec") or os.environ.get("H2SPEC")
        if not h2spec:
            self.skipTest("h2spec is not installed: go install github.com/summerwind/h2spec/cmd/h2spec@latest")
        certificate, key = self.key_pair("localhost")
        place = folder("h2spec")
        with open(os.path.join(place, "index.html"), "w", encoding="ascii") as file:
            file.write("page\n" * 20000)
        site = os.path.join(place, "h2.conf")
        with open(site, "w", encoding="ascii") as file:
            file.write(f"server {{ listen @PORT@ ssl http2; ssl_certificate {certificate}; ssl_certificate_key {key};\n"
                       f"root {place}; }}\n")
        process, port = self.nginx_of(place, site)
        self.addCleanup(process.stop)
        path = self.write("h2.toml", self.tables + '[services.web]\nkind = "tls"\nhosts = ["localhost"]\n')
        _, control, there = self.remote("--config", path, "--https-addr", f"{HOST}:0")
        self.origin(control, "--secret-file", self.files["A"], "--service", f"web={HOST}:{port}")

        def cases(port):
            done = run([h2spec, "-t", "-k", "-h", "localhost", "-p", str(port), "-o", "1", "-j", f"{place}/{port}.xml"],
                       timeout=250, check=False)
            with open(f"{place}/{port}.xml", encoding="utf-8") as file:
                text = file.read()
            failed = set(re.findall(r'<testcase package="([^"]*)" classname="([^"]*)"[^>]*>\s*<failure', text))
            return re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout)[0], failed

        direct, through = cases(port), cases(there["https"][1])
        print(f"direct: {direct[0]}; through a name: {through[0]}")
        self.assertEqual(through, direct)

    @staticmethod
    def nginx_of(place, site):
        port = free_port()
        with open(site, encoding="ascii") as file:
            text = file.read().replace("@PORT@", f"{HOST}:{port}")
        with open(site, "w", encoding="ascii") as file:
            file.write(text)
        conf = fill("nginx-main.conf", os.path.join(place, "nginx.conf"), USER=user_name(), FOLDER=place, SITE=site)
        process = Program([need("nginx"), "-e", "stderr", "-p", place, "-c", conf], name="nginx")
        process.wait_port(port)
        return process, port


if __name__ == "__main__":
    unittest.main()
