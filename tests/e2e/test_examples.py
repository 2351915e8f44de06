"""The set-ups of docs/examples run as they are written, but for addresses and files of this machine."""

import os
import re
import socket
import subprocess

from faults import refuses, visit
from http_fronts import HttpServer, HttpVisitor
from origins import SocketOrigin
from programs import REPO
from support import HOST, Program, binary, free_port, parse_address, poll, show_address
from test_configuration import Files
from test_documentation import USERS
from test_programs import program
from test_services import word_of
from trust import write_secret


class Example(Files):
    """One folder of them."""

    name = ""

    def setUp(self):
        super().setUp()
        self.control = (HOST, free_port())
        self.ports = {}    # of this machine, for those in the files
        self.servers = {}  # addresses of this machine, for those in the files
        self.secrets = {}  # files of this machine

    def text(self, file):
        with open(os.path.join(REPO, "docs/examples", self.name, file), encoding="utf-8") as example:
            return example.read()

    def port(self, example):
        if example not in self.ports:
            self.ports[example] = free_port()
        return self.ports[example]

    def serve(self, example, word):
        """An origin server in the place of one of the files; it may be told who the visitor is, first."""
        def answer(connection):
            connection.settimeout(0.2)
            try:
                connection.recv(1000)
            except TimeoutError:
                pass
            connection.sendall(word)

        server = SocketOrigin(answer)
        self.enterContext(server)
        self.servers[example] = show_address(server.address)

    def secret(self, of=""):
        path = os.path.join(self.folder, f"secret{of}")
        if not os.path.exists(path):
            write_secret(path)
        return path

    def secret_text(self, of):
        with open(self.secret(of), encoding="ascii") as secret:
            return secret.read().strip()

    def here(self, file, of=""):
        """The file with what this machine has; nothing else may differ."""
        text = self.text(file)
        text = text.replace("0.0.0.0:9001", show_address(self.control))
        text = text.replace("example.com:9001", show_address(self.control))
        text = re.sub(r'secret-file = "[^"]*"', f'secret-file = "{self.secret(of)}"', text)
        text = re.sub(r'secret = "an-example-[0-9]-([a-z]+)-[^"]*"',
                      lambda found: f'secret = "{self.secret_text(found[1])}"', text)
        text = re.sub(r'(outside-addr = ")(?:0\.0\.0\.0|127\.0\.0\.1):(\d+)"',
                      lambda found: f'{found[1]}{HOST}:{self.port(found[2])}"', text)
        for example, server in self.servers.items():
            text = text.replace(f'origin-server-addr = "{example}"', f'origin-server-addr = "{server}"')
        return self.write(os.path.join(of or "all", file), text)

    def run_program(self, name, path):
        code, out, err = program(name, "check", "--config", path)
        self.assertEqual((code, out), (0, "ok\n"), err)
        started = Program([binary(name), "--config", path], name=name)
        self.addCleanup(self.end, started)
        return started

    @staticmethod
    def end(started):
        if started.running:
            started.stop(code=0)

    def remote(self, file="remote-proxy.toml", of=""):
        started = self.run_program("remote-proxy", self.here(file, of))
        started.wait_line(r"^ready control=", stream="stdout")
        return started

    def origin(self, file="origin-proxy.toml", of=""):
        """The program, and where its services are open by what it says."""
        started = self.run_program("origin-proxy", self.here(file, of))
        ready = started.wait_line(r"^ready remote=\S+(.*)$", stream="stdout")[1]
        return started, {name: parse_address(address) for name, address in re.findall(r" (\S+)=(\S+)", ready)}

    def outside(self, example):
        return HOST, self.ports[example]


class Web(Example):
    name = "web"

    def test_one_web_server_is_reached(self):
        self.serve("localhost:8000", b"web")
        self.remote()
        self.origin()
        self.assertEqual(word_of(self.outside("9000")), b"web")


class ServicesOfOneMachine(Example):
    name = "services"

    def test_ssh_postgres_and_a_game_server_of_one_machine_are_reached(self):
        words = {"22": ("2222", b"ssh"), "5432": ("5432", b"postgres"), "27015": ("27015", b"game")}
        for inside, (_, word) in words.items():
            self.serve(f"localhost:{inside}", word)
        self.remote()
        self.origin()
        for outside, word in words.values():
            self.assertEqual(word_of(self.outside(outside)), word)


class HttpByHost(Example):
    name = "http"

    def here(self, file, of=""):
        path = super().here(file, of)
        with open(path, encoding="utf-8") as written:
            text = written.read()
        text = text.replace('"0.0.0.0:80"', f'"{HOST}:{self.port("80")}"')
        text = text.replace("/etc/origin-proxy/users.htpasswd", self.write("users.htpasswd", USERS))
        with open(path, "w", encoding="utf-8") as written:
            written.write(text)
        return path

    def ask(self, label, *lines):
        with HttpVisitor(visit(self.outside("80"))) as visitor:
            return visitor.ask(f"{label}.tunnel.example.com", "/", "GET", *lines)

    def test_each_name_leads_to_its_server_and_one_needs_a_login(self):
        words = {"5173": "vite", "8000": "files", "8001": "status"}
        servers = {}
        for inside, word in words.items():
            servers[word] = self.enterContext(HttpServer(word))
            self.servers[f"localhost:{inside}"] = show_address(servers[word].address)
        self.remote()
        for file in ("vite.toml", "files.toml"):
            self.run_program("origin-proxy", self.here(file)).wait_line("^ready ", stream="stdout")
        self.assertEqual(self.ask("files").word, "files")
        self.assertEqual(self.ask("status").word, "status")
        self.assertEqual(self.ask("dev").status, 401)
        self.assertEqual(self.ask("other").status, 404)
        self.assertEqual(servers["vite"].requests, [])


class Team(Example):
    name = "team"

    def here(self, file, of=""):
        path = super().here(file, of)
        with open(path, encoding="utf-8") as written:
            text = written.read()
        for example in ("20000-20099", "20100-20199", "9000"):
            first = self.port(example.partition("-")[0])
            text = text.replace(f'"{example}"', f'"{first}"')
        text = text.replace("9000]", f"{self.port('9000')}]")
        if file == "remote-proxy.toml":
            text = f'pairing-timeout = "1s"\n{text}'  # for so long a port is kept for one who is gone
        text = re.sub(r'outside-addr = ":(\d+)"', lambda found: f'outside-addr = ":{self.port(found[1])}"'
                      if found[1] != "0" else found[0], text)
        with open(path, "w", encoding="utf-8") as written:
            written.write(text)
        return path

    def test_a_team_shares_a_remote_proxy_and_nobody_takes_a_port_of_another(self):
        for inside, word in (("8000", b"blog"), ("5173", b"preview"), ("3000", b"api")):
            self.serve(f"localhost:{inside}", word)
        self.remote()
        alice, opened = self.origin("alice.toml", "alice")
        _, of_bob = self.origin("bob.toml", "bob")
        self.assertEqual(word_of(opened["blog"]), b"blog")
        self.assertEqual(word_of(of_bob["api"]), b"api")
        self.assertEqual(of_bob["api"][1], self.ports["9000"])
        # Of the range in the example this test has one port, and the blog has it.
        self.assertNotIn("preview", opened)
        self.end(alice)
        poll(lambda: refuses(self.outside("20000")), "the port is closed when nobody serves it")
        thief = self.run_program("origin-proxy", self.write(
            "thief.toml", f'remote-proxy-addr = "{show_address(self.control)}"',
            f'secret-file = "{self.secret("alice")}"', "[services.api]", 'origin-server-addr = ":1"',
            f'outside-addr = ":{self.ports["9000"]}"', "[services.other]", 'origin-server-addr = ":1"',
            f'outside-addr = ":{self.ports["20100"]}"'))
        for _ in range(2):
            thief.wait_line("the remote proxy does not open a service")
        self.assertEqual(word_of(of_bob["api"]), b"api")


class Fail2ban(Example):
    name = "fail2ban"

    def run_action(self, which, ip, file):
        """A line of the action as fail2ban runs it, with its tags replaced."""
        line = re.search(rf"^{which} = (.*)$", self.text("action.conf"), re.M)[1]
        tags = dict(re.findall(r"^(at|file) = (.*)$", self.text("action.conf"), re.M), ip=ip, file=file)
        command = re.sub(r"<(\w+)>", lambda tag: tags[tag[1]], line)
        self.assertEqual(subprocess.run(["sh", "-c", command], check=False, timeout=20).returncode, 0, command)

    def test_whom_fail2ban_bans_is_reset_by_the_remote_proxy_until_it_is_unbanned(self):
        banned = self.write("banned.toml", self.text("banned.toml").rstrip())
        self.serve("server", b"web")
        remote = self.write("remote.toml", f'control-addr = "{show_address(self.control)}"', "watch = true",
                            f'outside-addr = "{HOST}:{self.port("1")}"', 'include = ["banned.toml"]')
        self.run_program("remote-proxy", remote).wait_line("^ready")
        self.run_program("origin-proxy", self.write(
            "origin.toml", f'remote-proxy-addr = "{show_address(self.control)}"',
            f'origin-server-addr = "{self.servers["server"]}"')).wait_line("^ready")

        def is_served(source):
            with socket.socket() as visitor:
                visitor.settimeout(20)
                visitor.bind((source, 0))
                try:
                    visitor.connect(self.outside("1"))
                    return visitor.recv(10) == b"web"
                except ConnectionError:
                    return False

        self.assertTrue(is_served("127.0.0.2"))
        for ip in ("127.0.0.2", "2001:db8::7", "127.0.0.3"):
            self.run_action("actionban", ip, banned)
        poll(lambda: not is_served("127.0.0.2") and not is_served("127.0.0.3"), "both are banned")
        self.assertTrue(is_served("127.0.0.4"))
        self.run_action("actionunban", "127.0.0.2", banned)
        poll(lambda: is_served("127.0.0.2"), "one is served again")
        self.assertFalse(is_served("127.0.0.3"))


class Balanced(Example):
    name = "balanced"

    def test_two_origin_proxies_serve_one_service_and_one_of_them_while_the_other_is_away(self):
        self.remote()
        self.serve("localhost:8000", b"cellar")
        cellar, _ = self.origin("cellar.toml", "cellar")
        self.serve("localhost:8000", b"roof")
        self.origin("roof.toml", "roof")
        where = self.outside("9000")
        poll(lambda: {word_of(where) for _ in range(8)} == {b"cellar", b"roof"}, "both get visitors")
        self.end(cellar)
        self.assertEqual({word_of(where) for _ in range(8)}, {b"roof"})
