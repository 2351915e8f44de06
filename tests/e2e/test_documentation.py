"""The documents hold what they promise: links lead somewhere, examples pass check, flags and commands exist, the quick
start and the set-ups of README run as they are written."""

import glob
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import tempfile
import unittest

import documents
from fronts import read_answer, request_for, web
from origins import SocketOrigin
from programs import REPO
from support import HOST, Program, binary, free_port, need, parse_address, run
from test_configuration import Files
from test_programs import program
from test_services import saying, word_of
from trust import make_certificates, write_secret

COMMANDS = {"remote-proxy": ("status", "visitors", "drain", "resume", "reload", "takeover", "check", "print-config",
                             "gen-secret", "completion", "man", "help", "version"),
            "origin-proxy": ("status", "reload", "takeover", "check", "print-config", "gen-secret", "completion", "man",
                             "help", "version")}
# What `htpasswd -B` writes.
USERS = "alice:$2y$04$abcdefghijklmnopqrstuuPGZ4yUC5b0wXYvJtVmYq2b7uWvL4n8S\n"
# Of programs that are not ours.
FOREIGN_FLAGS = {"--secret", "--to", "--port", "--min-port", "--max-port",  # bore
                 "--detach", "--no-deps", "--restart", "--time"}  # docker


class Examples(Files):
    def check(self, name, text):
        """Whosever file it is, that program has nothing to say about it."""
        path = self.write(os.path.join(name, "example.toml"), text)
        code, out, err = program("remote-proxy", "check", path)
        if "this is a file for origin-proxy" in err:
            code, out, err = program("origin-proxy", "check", path)
        self.assertEqual((code, out), (0, "ok\n"), f"{name}: {err}\n{text}")

    def test_every_block_of_toml_in_the_text_passes_check_as_it_stands(self):
        count = 0
        for path in documents.names():
            for number, text in enumerate(documents.blocks(documents.read(path), "toml")):
                self.check(f"{path.replace('/', '-')}-{number}", text)
                count += 1
        self.assertGreaterEqual(count, 7)

    def test_every_example_file_passes_check_but_for_the_names_of_files_with_secrets(self):
        secret = os.path.join(self.folder, "secret")
        write_secret(secret)
        users = self.write("users.htpasswd", USERS)
        paths = glob.glob("docs/examples/**/*.toml", root_dir=REPO, recursive=True)
        self.assertGreaterEqual(len(paths), 10)
        for path in paths:
            text = re.sub(r'^secret-file = "[^"]*"', f'secret-file = "{secret}"', documents.read(path), flags=re.M)
            text = re.sub(r'^basic-auth-file = "[^"]*"', f'basic-auth-file = "{users}"', text, flags=re.M)
            if os.path.basename(path) == "banned.toml":  # it is to be included
                text = f'control-addr = ":1"\noutside-addr = ":2"\n{text}'
            self.check(path.replace("/", "-"), text)


class Pages(unittest.TestCase):
    """What can be seen without the programs."""

    trust = ()

    def test_every_relative_link_leads_to_a_file_and_every_anchor_to_a_heading(self):
        count = 0
        for name in documents.names():
            for link in documents.links(documents.read(name)):
                if re.match(r"[a-z]+:", link):
                    continue
                path, _, anchor = link.partition("#")
                target = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
                self.assertTrue(os.path.exists(os.path.join(REPO, target)), f"{name}: {link}")
                if anchor:
                    self.assertIn(anchor, documents.anchors(documents.read(target)), f"{name}: {link}")
                count += 1
        self.assertGreaterEqual(count, 100)

    def test_readme_is_short_and_no_line_is_longer_than_120_columns_but_in_tables_of_other_pages(self):
        self.assertLessEqual(len(documents.read("README.md").splitlines()), 200)
        for name in documents.written_by_hand():
            for number, line in enumerate(documents.read(name).splitlines(), 1):
                if name == "README.md" or not line.startswith("|"):
                    self.assertLessEqual(len(line), 120, f"{name}:{number}")

    def test_every_page_begins_with_a_heading_and_what_it_is_for_and_readme_leads_to_it(self):
        text = documents.read("README.md")
        for name in documents.written_by_hand():
            if name == "README.md":
                continue
            self.assertRegex(documents.read(name), r"\A# .+\n\nThis page ", name)
            self.assertRegex(text, rf"\]\({re.escape(name)}(#[^)]*)?\)", f"README.md does not lead to {name}")

    def test_every_file_of_the_repository_that_is_named_is_there(self):
        folders = "common|remote-proxy|origin-proxy|tests|scripts|docs|cmake|\\.ci"
        count = 0
        for name in documents.written_by_hand():
            for path in re.findall(rf"(?<![\w/.-])((?:{folders})/[\w./-]*\w)", documents.read(name)):
                if path.startswith(("remote-proxy/remote-proxy", "origin-proxy/origin-proxy")):
                    continue  # what is built
                self.assertTrue(os.path.exists(os.path.join(REPO, path)), f"{name}: {path}")
                count += 1
        self.assertGreaterEqual(count, 40)

    def test_the_rows_of_the_benchmark_in_readme_are_those_of_its_results(self):
        results = documents.read("docs/benchmark/results.md")
        header = re.search(r"^\| case \|.*$", results, re.M)[0].strip("| ").split(" | ")
        of_case = {row[0]: dict(zip(header, row)) for row in reversed(documents.table_rows(results, "case"))}
        text = documents.read("README.md")
        shown = re.search(r"^\| case \|.*$", text, re.M)[0].strip("| ").split(" | ")
        rows = documents.table_rows(text, "case")
        self.assertEqual(len(rows), 8)
        for row in rows:
            for column, figure in list(zip(shown, row))[1:]:
                self.assertEqual(figure.strip("*"), of_case[row[0]][column].strip("*"), f"{row[0]}, {column}")

    def test_every_path_of_the_management_interface_is_on_its_page(self):
        page = documents.read("docs/management.md")
        for name in documents.PROGRAMS:
            for path in re.findall(r"^  (/\S*):", documents.read(f"docs/openapi-{name}.yaml"), re.M):
                shown = path.replace("{name}", "NAME").replace("{id}", "ID")
                action = re.sub(r".*(?=/)", "", shown)
                self.assertRegex(page, rf"{re.escape(shown)}`|{re.escape(shown[:-len(action)])}\S*`.*`{action}`", path)

    def test_the_web_servers_in_front_are_configured_as_the_tests_do_it(self):
        def directives(text):
            lines = (re.sub(r"\s+", " ", re.sub(r"(^|\s)#.*", "", line)).strip() for line in text.splitlines())
            return [re.sub("@OUTSIDE@", "127.0.0.1:9000", re.sub("@SITE@", "tunnel.example.com", line))
                    for line in lines if line]

        caddy, nginx = (directives(block) for block in documents.blocks(documents.read("docs/https.md"), "", "nginx"))
        self.assertEqual(caddy, directives(documents.read("tests/e2e/conf/Caddyfile")))
        in_readme = [block for block in documents.blocks(documents.read("README.md"), "") if "reverse_proxy" in block]
        self.assertEqual([directives(block) for block in in_readme], [caddy])
        tested = directives(documents.read("tests/e2e/conf/nginx-site.conf"))
        self.assertEqual([line for line in nginx if not line.startswith(("ssl_", "server_name", "listen"))],
                         [line for line in tested if not line.startswith("listen")])

    @staticmethod
    def sources():
        """Of the programs, with each string in one piece."""
        text = "".join(documents.read(path) for top in ("common", *documents.PROGRAMS)
                       for path in glob.glob(f"{top}/**/*.cpp", root_dir=REPO, recursive=True))
        return re.sub(r'"\s*\n\s*"', "", text)

    def test_every_log_line_that_is_explained_exists(self):
        sources = self.sources()
        rows = documents.table_rows(documents.read("docs/operations.md"), "In the log of the origin proxy")
        self.assertGreaterEqual(len(rows), 7)
        for text, _ in rows:
            for line in re.findall(r"`([^`]+)`", text):
                for part in re.split("NAME|ADDRESS|…|dial:|Connection refused", line):  # these are put in
                    self.assertTrue(part.strip() in sources, line)

    def test_every_code_is_explained_and_no_other(self):
        codes = re.search(r"enum class Code .*?\{(.*?)\};", documents.read("common/base/code.hpp"), re.S)[1]
        rows = documents.table_rows(documents.read("docs/operations.md"), "Code")
        self.assertEqual(sorted(re.findall(r"^    (\w+),$", codes, re.M)),
                         sorted(code for cells in rows for code in re.findall(r"`(\w+)`", cells[0])))

    def test_every_metric_that_is_named_exists(self):
        sources = self.sources()
        for name in documents.written_by_hand():
            for metric in re.findall(r"`(tunnel_\w+)`", documents.read(name)):
                self.assertTrue(f'"{metric}"' in sources, f"{name}: {metric}")


def known_flags():
    """{program: every flag of it}, and {program: {command: every flag of it}}."""
    flags, of_command = {}, {}
    for name in documents.PROGRAMS:
        flags[name] = set(re.findall(r"(?<![\w-])(-[a-zA-Z]|--[a-z][a-z-]+)\b", program(name, "--help-all")[1]))
        of_command[name] = {}
        for command in COMMANDS[name]:
            text = program(name, command, "--help")[1]
            listed = set(re.findall(r"^  (?:-\w, )?(--[a-z][a-z-]+)", text, re.M)) | {"-c", "--help", "-h"}
            of_command[name][command] = flags[name] | listed if command in ("check", "print-config", "takeover") else listed
    return flags, of_command


class Keys(Files):
    """Those of tables in configuration files."""

    def known(self, name, table):
        """What the program expects, by its own words, when it meets another key."""
        err = program(name, "check", self.write("unknown.toml", f"[{table}.x]", "unknown = 1"))[2]
        return set(re.findall(r"[a-z]+(?:-[a-z]+)*", re.search(rf"'unknown' of {table}.x .* expected (.*)", err)[1]))

    def test_the_page_of_options_has_every_key_of_a_service_and_no_other(self):
        rows = documents.table_rows(documents.read("docs/configuration.md"), "Key of `[services.NAME]`")
        described = {name: set() for name in documents.PROGRAMS}
        for keys, side, _ in rows:
            self.assertIn(side, ("remote", "origin", "both"))
            names = re.findall(r"`([a-z-]+)`", keys)
            if "-per-visitor" in names:
                names.remove("-per-visitor")
                names += [f"{each}-per-visitor" for each in names]
            for name in documents.PROGRAMS:
                if side in (name.partition("-")[0], "both"):
                    described[name] |= set(names)
        for name in documents.PROGRAMS:
            self.assertEqual(described[name], self.known(name, "services"), name)

    def test_the_page_of_options_has_every_key_of_a_remote_proxy_and_no_other(self):
        section = documents.read("docs/configuration.md").partition("\n### Remote proxies\n")[2].partition("\n#")[0]
        described = set(re.findall(r"`([a-z-]+)`", section.partition("Its keys are")[2]))
        refused = {"secret"}  # known, so that it can be said where it belongs
        self.assertEqual(described, self.known("origin-proxy", "remote-proxies") - refused)

    def test_the_page_of_options_has_every_key_of_an_origin_proxy(self):
        section = documents.read("docs/configuration.md").partition("\n### Origin proxies\n")[2].partition("\n#")[0]
        described = set(re.findall(r"`([a-z-]+)`", section.partition("Its keys are")[2]))
        self.assertLessEqual(described, self.known("remote-proxy", "origins"))
        self.assertGreaterEqual(len(described), 6)


class Flags(unittest.TestCase):
    trust = ()

    def test_the_page_of_options_has_every_flag_with_its_default_and_no_other(self):
        text = documents.read("docs/configuration.md")
        sections = {heading.partition("\n")[0]: heading for heading in re.split(r"^## ", text, flags=re.M)}
        both = documents.table_rows(sections["Options of both"], "Flag")
        for name in documents.PROGRAMS:
            rows = documents.table_rows(sections[f"Options of {name}"], "Flag") + both
            described = {}
            for cells in rows:
                for flag in re.findall(r"`(--[a-z-]+)`", cells[0]):
                    self.assertNotIn(flag, described)
                    described[flag] = cells[1]
            helped = program(name, "--help-all")[1]
            options = re.split(r"^  (?=-)", helped, flags=re.M)[1:]
            flags = {re.search(r"--[a-z-]+", option)[0]: " ".join(option.split()) for option in options}
            self.assertEqual(set(described), set(flags), name)
            for flag, option in flags.items():
                default = re.search(r"\(default: ([^)]*)\)", option)
                if default and flag not in ("--name", "--relay-threads"):  # these depend on the machine
                    self.assertEqual(described[flag], default[1], flag)
                elif "(required)" in option:
                    self.assertIn("required", described[flag], flag)

    def test_every_flag_that_is_named_exists(self):
        flags, of_command = known_flags()
        ours = set().union(*flags.values(), *(each for commands in of_command.values() for each in commands.values()))
        scripts = "".join(documents.read(path) for path in
                          (*glob.glob("scripts/**/*.*", root_dir=REPO, recursive=True), "tests/e2e/run.py")
                          if "__" not in path)
        count = 0
        for name in documents.written_by_hand():
            for span in documents.code_spans(documents.read(name)):
                for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", span):
                    is_script = re.search(rf"{flag}\b|[\"']{flag[2:]}[\"']|\b{flag[2:]}=", scripts)
                    self.assertTrue(flag in ours | FOREIGN_FLAGS or is_script, f"{name}: {flag} in `{span}`")
                    count += 1
        self.assertGreaterEqual(count, 200)

    def test_every_variable_of_the_environment_that_is_named_belongs_to_a_flag(self):
        flags, _ = known_flags()
        for name in documents.written_by_hand():
            for prefix, rest in re.findall(r"\b(REMOTE|ORIGIN)_PROXY_([A-Z_]+[A-Z])\b", documents.read(name)):
                flag = f"--{rest.lower().replace('_', '-')}"
                self.assertTrue(flag in flags[f"{prefix.lower()}-proxy"] or rest == "SECRET", f"{name}: {flag}")


class CommandLines(unittest.TestCase):
    trust = ()
    timeout = 300

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="doc-")  # short: a socket is to be in it
        self.addCleanup(shutil.rmtree, self.folder)
        for name in ("secret", "S"):
            write_secret(os.path.join(self.folder, name))
        make_certificates(os.path.join(self.folder, "certs"), "example.com")
        for folder in ("etc/remote-proxy/certificates", "etc/letsencrypt/live", "var/lib/acme",
                       "var/lib/lego/certificates"):
            os.makedirs(os.path.join(self.folder, folder))
        with open(os.path.join(self.folder, "users.htpasswd"), "w", encoding="ascii") as file:
            file.write(USERS)
        os.chmod(self.folder, 0o755)  # for the user of --user
        with open(os.path.join(self.folder, "proxy-password"), "w", encoding="utf-8") as file:
            file.write("some words\n")
        os.chmod(file.name, 0o600)
        with open(os.path.join(self.folder, "secrets.toml"), "w", encoding="utf-8") as file:
            file.write('[origins.alice]\nsecret-file = "secret"\n')
        os.chmod(file.name, 0o600)
        for name, text in (("remote-proxy", 'control-addr = ":9001"\noutside-addr = ":9000"\n'),
                           ("origin-proxy", 'remote-proxy-addr = ":9001"\norigin-server-addr = ":8000"\n')):
            os.makedirs(os.path.join(self.folder, "default", name))
            for place in (".", f"default/{name}"):
                with open(os.path.join(self.folder, place, f"{name}.toml"), "w", encoding="utf-8") as file:
                    file.write(text)

    def here(self, program_name, word):
        """A word with a file or folder of this machine in the place of one of a reader's."""
        if word == "FILE":
            return f"{program_name}.toml"
        if re.match(r"(unix:)?/(run|etc|var|home)/", word):
            prefix, _, path = word.rpartition("unix:")
            path = f"{self.folder}{path}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if path.endswith(".toml"):
                shutil.copy(os.path.join(self.folder, f"{program_name}.toml"), path)
            return f"{'unix:' if prefix or word.startswith('unix:') else ''}{path}"
        return word

    def test_every_command_line_has_flags_that_exist_and_a_whole_one_passes_check(self):
        flags, of_command = known_flags()
        checked = 0
        for document in documents.written_by_hand():
            for name, words in documents.command_lines(documents.read(document)):
                shown = f"{document}: {name} {shlex.join(words)}"
                command = next((word for word in words if not word.startswith("-")), "") if \
                    not words[0].startswith("-") else ""
                if command and command != "…":
                    self.assertIn(command, COMMANDS[name], shown)
                known = of_command[name][command] if command in COMMANDS[name] else flags[name]
                for flag in documents.flags_in(words):
                    self.assertIn(flag, known, shown)
                asks = command and command not in ("check", "print-config")
                if asks or "…" in words or {"--help", "--help-all", "--version", "--tls-insecure"} & set(words):
                    continue
                rest = [self.here(name, word) for word in (words[1:] if command else words)]
                if {"--control-addr", "--remote-proxy-addr", "--config", "-c"}.isdisjoint(rest) and not command:
                    continue  # a part of one
                done = run([binary(name), "check", *rest], cwd=self.folder, check=False,
                           env={"XDG_CONFIG_HOME": os.path.join(self.folder, "default")})
                self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), f"{shown}\n{done.stderr}")
                checked += 1
        self.assertGreaterEqual(checked, 20)


class Readme(unittest.TestCase):
    """What a newcomer types, but for addresses of this machine."""

    trust = ()

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="readme-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.text = documents.read("README.md")
        self.env = {"PATH": os.pathsep.join([*(os.path.dirname(binary(name)) for name in documents.PROGRAMS),
                                             os.environ["PATH"]])}
        self.ports = {}

    def section(self, first, last):
        return self.text.partition(first)[2].partition(last)[0]

    def port(self, example):
        """A port of this machine, the same each time for one of the example's."""
        return str(self.ports.setdefault(example, free_port()))

    def here(self, line):
        """What a reader types or sees, on this machine."""
        line = line.replace("203.0.113.5", HOST).replace("example.com", "localhost")
        return re.sub(r"(?<=[:@])\d+\b", lambda found: self.port(found[0]), line)

    def serve(self, example, word):
        server = saying(word)
        self.enterContext(server)
        self.ports[example] = server.address[1]

    def serve_web(self, example, word):
        self.ports[example] = self.enterContext(web(word)).address[1]

    def start(self, line):
        words = shlex.split(self.here(line))
        started = Program([binary(words[0]), *words[1:]], cwd=self.folder, name=words[0])
        self.addCleanup(lambda: started.running and started.stop(code=0))
        return started

    def lines_of(self, section):
        return [line for block in documents.blocks(section, "sh")
                for line in re.sub(r"\\\n\s*", "", block).strip().split("\n")]

    def test_the_quick_start_shows_what_readme_says(self):
        section = self.section("\n## Quick start\n", "\n## ")
        make, remote, origin = self.lines_of(section)
        self.assertIn("gen-secret", make)
        ready_remote, ready_origin, ended = (block.strip() for block in documents.blocks(section, "console"))
        subprocess.run(["sh", "-c", make], cwd=self.folder, env={**os.environ, **self.env}, check=True, timeout=20)
        with SocketOrigin(lambda connection: (connection.recv(1000), connection.sendall(b"x" * 210))) as server:
            self.ports["8000"] = server.address[1]
            started = {}
            for line, ready in ((remote, ready_remote), (origin, ready_origin)):
                name = line.split()[0]
                started[name] = self.start(line)
                started[name].wait_line(f"^{re.escape(self.here(ready))}$", stream="stdout")
            url = re.search(r"`curl (http://example\.com:\d+/)`", section)[1]
            run([need("curl"), "--silent", "--show-error", "--noproxy", "*", "--http0.9", self.here(url)])
            self.assertRegex(ended, r"^\S+Z info  visitor ended visitor=\S+ up=\d+ down=210 duration=\S+s end=closed$")
            for each in started.values():
                each.wait_line(r"visitor ended visitor=\S+ up=\d+ down=210 duration=\S+s end=closed$")

    def set_up(self, title):
        return self.section(f"**{title}", "\n\n**") if f"**{title}" in self.text else self.fail(title)

    def reached(self, started):
        """Where the services of an origin proxy are open."""
        ready = started.wait_line(r"^ready remote=\S+(.*)$", stream="stdout")[1]
        return {name: parse_address(address) for name, address in re.findall(r" (\S+)=(\S+)", ready)}

    def test_many_names_on_one_port_are_reached(self):
        write_secret(os.path.join(self.folder, "secret"))
        made = make_certificates(os.path.join(self.folder, "made"), "app.tunnel.localhost", "db.tunnel.localhost")
        certificates = os.path.join(self.folder, "live", "app")
        os.makedirs(certificates)
        shutil.copy(made.server, os.path.join(certificates, "fullchain.pem"))
        shutil.copy(made.server_key, os.path.join(certificates, "privkey.pem"))
        self.serve_web("8000", "app")
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(made.server, made.server_key)

        def say_within_tls(connection):
            with own.wrap_socket(connection, server_side=True) as wrapped:
                wrapped.sendall(b"db")
                wrapped.recv(1000)
                wrapped.unwrap()

        server = SocketOrigin(say_within_tls)
        self.enterContext(server)
        self.ports["5432"] = server.address[1]
        remote, origin = self.lines_of(self.set_up("Many names on port 443."))
        self.start(remote.replace("/etc/letsencrypt/live", "live")).wait_line("^ready ", stream="stdout")
        self.start(origin).wait_line("^ready .* app=https://app.* db=tls://db", stream="stdout")
        trusting = ssl.create_default_context(cafile=made.ca)
        for name in ("app", "db"):
            with socket.create_connection((HOST, int(self.port("443"))), 20) as visitor, \
                    trusting.wrap_socket(visitor, server_hostname=f"{name}.tunnel.localhost") as wrapped:
                wrapped.sendall(request_for(f"{name}.tunnel.localhost"))
                self.assertEqual(read_answer(wrapped) if name == "app" else wrapped.recv(100).decode(), name)
        asked = run([need("curl"), "--silent", "--noproxy", "*", "--output", os.devnull, "--write-out", "%{redirect_url}",
                     "--resolve", f"app.tunnel.localhost:{self.port('80')}:{HOST}",
                     f"http://app.tunnel.localhost:{self.port('80')}/page?1"])
        self.assertEqual(asked.stdout, f"https://app.tunnel.localhost:{self.port('443')}/page?1")

    def test_names_without_tls_are_reached(self):
        write_secret(os.path.join(self.folder, "secret"))
        for port, word in (("8000", "app"), ("8001", "api")):
            self.serve_web(port, word)
        remote, origin = self.lines_of(self.set_up("Names without TLS**"))
        self.start(remote).wait_line("^ready ", stream="stdout")
        self.start(origin).wait_line("^ready .* app=http://app.* api=http://api", stream="stdout")
        with socket.create_connection((HOST, int(self.port("80"))), 20) as visitor:
            for name in ("app", "api", "app"):
                visitor.sendall(request_for(f"{name}.tunnel.localhost"))
                self.assertEqual(read_answer(visitor), name)

    def test_several_servers_of_one_machine_are_reached(self):
        write_secret(os.path.join(self.folder, "secret"))
        self.serve("8000", b"web")
        self.serve("22", b"ssh")
        remote, origin = self.lines_of(self.set_up("Several servers of one machine."))
        ready = self.start(remote).wait_line(r"^ready control=\S+(.*)$", stream="stdout")[1]
        self.start(origin).wait_line("^ready ", stream="stdout")
        outside = dict(re.findall(r" (\S+)=(\S+)", ready))
        for name in ("web", "ssh"):
            self.assertEqual(word_of((HOST, parse_address(outside[name])[1])), name.encode())

    def test_a_member_of_a_team_opens_a_port_of_theirs(self):
        section = self.section("**A team that shares one public server.**", "\n## ")
        [file] = documents.blocks(section, "toml")
        [origin] = self.lines_of(section)
        alice = write_secret(os.path.join(self.folder, "secret"))
        self.ports["20000"] = free_port()
        file = re.sub(r'(\[origins\.alice\]\nsecret = )"[^"]*"\nallow-ports = "20000-20099"',
                      rf'\1"{alice}"\nallow-ports = "{self.ports["20000"]}"', file)
        path = os.path.join(self.folder, "remote-proxy.toml")
        with open(path, "w", encoding="utf-8") as written:
            written.write(self.here(file))
        os.chmod(path, 0o600)
        self.serve("8000", b"blog")
        self.assertIn("`remote-proxy --config remote-proxy.toml`", re.sub(r"\s+", " ", section))
        self.start("remote-proxy --config remote-proxy.toml").wait_line("^ready ", stream="stdout")
        opened = self.reached(self.start(origin))
        self.assertEqual(word_of((HOST, opened["blog"][1])), b"blog")
        self.assertEqual(opened["blog"][1], self.ports["20000"])


if __name__ == "__main__":
    unittest.main()
