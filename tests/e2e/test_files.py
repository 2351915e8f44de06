"""Files in all the ways in which they are given, replaced and read again, and whom the program runs as."""

import os
import pwd
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from faults import echo, refuses, wait_served
from origins import SocketOrigin
from support import HOST, Program, Tunnel, binary, free_port, poll, show_address
from test_configuration import SECRET, Files
from test_programs import program

NOBODY = 65534


def is_bound(port):
    """A service without an origin proxy is bound, and does not listen."""
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


class Reloads(Files):
    """One more service in the file after it was replaced."""

    def start(self, path, *, user=None, flags=()):
        options = {"user": user, "group": user, "extra_groups": []} if user is not None else {}
        remote = Program([binary("remote-proxy"), "--config", path, *flags], name="remote-proxy", cwd="/", **options)
        self.addCleanup(lambda: remote.running and remote.kill())
        remote.wait_line(r"^ready control=", stream="stdout")
        return remote

    def text(self, *more):
        lines = [f'control-addr = "{HOST}:0"']
        for number, port in enumerate(more):
            lines += [f"[services.s{number}]", f'outside-addr = "{HOST}:{port}"']
        return "".join(f"{line}\n" for line in lines)

    def put(self, path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o644)

    def path(self, name):
        return os.path.join(self.folder, name)

    def check(self, name, prepare, change, **options):
        """`prepare` and `change` get a text; the first answers the path that the program is given."""
        for flags in ([], ["--watch"]):
            with self.subTest(name, flags=flags):
                self.folder = self.enterContext(tempfile.TemporaryDirectory())
                os.chmod(self.folder, 0o755)
                one, two = free_port(), free_port()
                path = prepare(self.text(one))
                remote = self.start(path, flags=flags, **options)
                change(self.text(one, two))
                if not flags:
                    remote.send_signal(signal.SIGHUP)
                poll(lambda: is_bound(two), f"the new service is open: {name} {flags}")
                remote.stop(code=0)

    def test_a_configuration_is_read_again_whatever_took_its_place(self):
        def renamed(text):
            self.put(self.path("new"), text)
            os.rename(self.path("new"), self.path("c.toml"))

        def plain(text):
            self.put(self.path("c.toml"), text)
            return self.path("c.toml")

        def release(text, name="r1"):
            self.put(self.path(f"{name}/conf/c.toml"), text)
            os.symlink(name, self.path("next"))
            os.rename(self.path("next"), self.path("current"))
            return self.path("current/conf/c.toml")

        def chain(text):
            self.put(self.path("deep/..1/c.toml"), text)
            os.symlink("..1", self.path("deep/..data"))
            os.symlink("..data/c.toml", self.path("deep/c.toml"))
            os.makedirs(self.path("app"))
            os.symlink("../deep/c.toml", self.path("app/first"))
            os.symlink("first", self.path("app/c.toml"))
            return self.path("app/c.toml")

        def swapped(text):
            self.put(self.path("deep/..2/c.toml"), text)
            os.symlink("..2", self.path("deep/..tmp"))
            os.rename(self.path("deep/..tmp"), self.path("deep/..data"))
            os.remove(self.path("deep/..1/c.toml"))
            os.rmdir(self.path("deep/..1"))

        def new_folder(text):
            os.rename(self.path("f"), self.path("old"))
            self.put(self.path("f/c.toml"), text)

        def in_folder(text):
            self.put(self.path("f/c.toml"), text)
            return self.path("f/c.toml")

        def link_elsewhere(text):
            self.put(self.path("elsewhere/x.toml"), text)
            os.remove(self.path("c.toml"))
            os.symlink("elsewhere/x.toml", self.path("c.toml"))

        self.check("written in place", plain, plain)
        self.check("renamed over it", plain, renamed)
        self.check("a release folder", release, lambda text: release(text, "r2"))
        self.check("a chain of links", chain, swapped)
        self.check("a new folder in its place", in_folder, new_folder)
        self.check("a link in its place", plain, link_elsewhere)
        if os.geteuid() == 0:
            self.check("renamed over it, as nobody", plain, renamed, user=NOBODY)
    
    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_files_of_root_alone_are_read_again_with_user(self):
        secret = self.write("secret", SECRET)
        os.chmod(self.folder, 0o700)
        one, two = free_port(), free_port()
        path = self.path("c.toml")
        self.put(path, f'secret-file = "{secret}"\nuser = "nobody"\n' + self.text(one))
        os.chmod(path, 0o600)
        remote = self.start(path)
        with open(f"/proc/{remote.pid}/status", encoding="ascii") as lines:
            ids = {line.split()[0]: line.split()[1:] for line in lines if line.startswith(("Uid", "Gid", "Groups"))}
        nobody = pwd.getpwnam("nobody")
        self.assertEqual(ids["Uid:"], [str(nobody.pw_uid)] * 4)
        self.assertEqual(ids["Gid:"], [str(nobody.pw_gid)] * 4)
        self.assertNotIn("0", ids["Groups:"])
        self.put(self.path("new"), f'secret-file = "{secret}"\nuser = "nobody"\n' + self.text(one, two))
        os.rename(self.path("new"), path)
        remote.send_signal(signal.SIGHUP)
        poll(lambda: is_bound(two), "the new service is open")
        remote.stop(code=0)

    def test_a_new_secret_file_that_the_configuration_names_is_read_by_a_reload(self):
        control, outside = free_port(), free_port()
        path = self.path("c.toml")
        head = f'control-addr = "{HOST}:{control}"\noutside-addr = "{HOST}:{outside}"\n'
        self.put(path, head + f'[origins.a]\nsecret-file = "{self.write("a/secret", SECRET)}"\n')
        remote = self.start(path)
        new = self.write("quite/elsewhere/secret", SECRET[::-1])
        self.put(path, head + f'[origins.b]\nsecret-file = "{new}"\n')
        remote.send_signal(signal.SIGHUP)
        with SocketOrigin(echo) as origin:
            proxy = Program([binary("origin-proxy"), "--remote-proxy-addr", show_address((HOST, control)),
                             "--origin-server-addr", show_address(origin.address), "--secret-file", new],
                            name="origin-proxy")
            self.addCleanup(lambda: proxy.running and proxy.kill())
            wait_served((HOST, outside))
            proxy.stop(code=0)
        remote.stop(code=0)

    def test_a_configuration_from_a_pipe_stays_what_it_was_and_the_log_says_so(self):
        port = free_port()
        fifo = self.path("c.toml")
        os.mkfifo(fifo)
        remote = Program([binary("remote-proxy"), "--config", fifo], name="remote-proxy")
        self.addCleanup(lambda: remote.running and remote.kill())
        self.put(fifo, self.text(port))
        remote.wait_line(r"^ready control=", stream="stdout")
        Tunnel.wait_log(remote, lambda line: line["level"] == "warn" and "cannot read it again" in line["message"])
        remote.send_signal(signal.SIGHUP)
        Tunnel.wait_log(remote, lambda line: line["message"] == "reloaded")
        Tunnel.wait_log(remote, lambda line: line["level"] == "warn" and "stays as it was" in line["message"])
        self.assertTrue(is_bound(port))
        remote.stop(code=0)

    def test_a_reload_that_hangs_at_a_fifo_keeps_no_visitor_waiting(self):
        secret = self.write("secret", SECRET)
        with SocketOrigin(echo) as origin, Tunnel(
                origin.address, trust="none", remote_flags=["--secret-file", secret],
                origin_flags=["--secret-file", secret]) as tunnel:
            wait_served(tunnel.outside)
            os.remove(secret)
            os.mkfifo(secret, 0o600)
            tunnel.remote.send_signal(signal.SIGHUP)
            for _ in range(20):
                wait_served(tunnel.outside, timeout=1)
            tunnel.wait_log(tunnel.remote, lambda line: line["level"] == "error" and "nothing was written" in str(line))
            wait_served(tunnel.outside)


class UnixSockets(Files):
    def answering(self, name, word):
        """A server at a socket file that says one word; the path."""
        path = os.path.join(self.enterContext(tempfile.TemporaryDirectory()), name)
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(path)
        server.listen()

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(word)
        threading.Thread(target=serve, daemon=True).start()
        return path

    def test_a_reload_changes_which_unix_socket_is_served(self):
        control, outside = free_port(), free_port()
        remote = Program([binary("remote-proxy"), "--control-addr", f"{HOST}:{control}", "--service",
                          f"web={HOST}:{outside}"], name="remote-proxy")
        self.addCleanup(lambda: remote.running and remote.kill())

        def configuration(path):
            return self.write("o.toml", f'remote-proxy-addr = "{HOST}:{control}"', "[services.web]",
                              f'origin-server-addr = "{path}"')

        def answer():
            try:
                with socket.create_connection((HOST, outside), 5) as visitor:
                    return visitor.recv(100)
            except OSError:
                return b""
        origin = Program([binary("origin-proxy"), "--config", configuration(f"{HOST}:1")], name="origin-proxy")
        self.addCleanup(lambda: origin.running and origin.kill())
        origin.wait_line(r"^ready ", stream="stdout")
        for name, word in (("one", b"one"), ("two", b"two")):
            configuration("unix:" + self.answering(name, word))
            origin.send_signal(signal.SIGHUP)
            poll(lambda: answer() == word, f"{name} is served")
        origin.stop(code=0)
        remote.stop(code=0)


class Users(Files):
    def test_a_user_that_is_not_there_is_refused_by_check_and_at_the_start(self):
        flags = ["--control-addr", f"{HOST}:0", "--outside-addr", f"{HOST}:0", "--user"]
        code, _, err = program("remote-proxy", "check", *flags, "no-such-user")
        self.assertEqual(code, 2, err)
        self.assertIn("there is no such user", err)
        code, _, err = program("remote-proxy", *flags, "no-such-user")
        self.assertEqual(code, 2, err)
        self.assertIn("there is no such user", err)
        code, _, err = program("remote-proxy", "check", *flags, "a:b:c")
        self.assertEqual(code, 2, err)
        self.assertEqual(program("remote-proxy", "check", *flags, "nobody")[0], 0)
        self.assertIn('user = "nobody:nogroup"',
                      program("remote-proxy", "print-config", *flags, "nobody:nogroup")[1])

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_a_user_needs_root_and_a_low_port_says_what_it_needs(self):
        def as_nobody(*flags):
            result = subprocess.run([binary("remote-proxy"), "--control-addr", f"{HOST}:0", *flags], user=NOBODY,
                                    group=NOBODY, extra_groups=[], capture_output=True, text=True, timeout=20)
            return result.returncode, result.stderr
        code, err = as_nobody("--outside-addr", f"{HOST}:0", "--user", "daemon")
        self.assertEqual(code, 2, err)
        self.assertIn("needs a start as root", err)
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
            if int(file.read()) <= 443:
                self.skipTest("everybody may have port 443 here")
        code, err = as_nobody("--outside-addr", f"{HOST}:443")
        self.assertEqual(code, 1, err)
        for word in ("Permission denied", "CAP_NET_BIND_SERVICE", "setcap", "ip_unprivileged_port_start",
                     "AmbientCapabilities"):
            self.assertIn(word, err)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_the_socket_of_the_management_is_the_users_and_the_origin_proxy_serves_as_that_user(self):
        path = os.path.join(self.enterContext(tempfile.TemporaryDirectory()), "m.sock")
        flags = ["--user", "nobody"]
        with SocketOrigin(echo) as origin, Tunnel(
                origin.address, origin_flags=[*flags, "--management-addr", f"unix:{path}"],
                remote_flags=flags) as tunnel:
            wait_served(tunnel.outside)
            self.assertEqual(os.stat(path).st_uid, pwd.getpwnam("nobody").pw_uid)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            for each in (tunnel.remote, tunnel.origin):
                with open(f"/proc/{each.pid}/status", encoding="ascii") as lines:
                    ids = next(line.split()[1:] for line in lines if line.startswith("Uid"))
                self.assertEqual(ids, [str(pwd.getpwnam("nobody").pw_uid)] * 4)


class States(Files):
    def test_a_state_file_that_another_program_uses_is_refused_and_free_once_that_one_stops(self):
        path = self.write("state.json", '{"version": 1}')
        words = [binary("remote-proxy"), "--control-addr", f"{HOST}:0", "--management-addr", f"{HOST}:0",
                 "--state-file", path]
        first = Program(words, name="remote-proxy")
        self.addCleanup(lambda: first.running and first.kill())
        first.wait_line(r"^ready control=", stream="stdout")
        code, _, err = program("remote-proxy", *words[1:])
        self.assertEqual(code, 1, err)
        self.assertIn("is in use by another program", err)
        self.assertEqual(program("remote-proxy", "check", *words[1:])[0], 0)
        first.stop(code=0)
        second = Program(words, name="remote-proxy")
        self.addCleanup(lambda: second.running and second.kill())
        second.wait_line(r"^ready control=", stream="stdout")
        second.stop(code=0)


class Empty(Files):
    BASE = {"REMOTE_PROXY_CONTROL_ADDR": f"{HOST}:0", "REMOTE_PROXY_OUTSIDE_ADDR": f"{HOST}:0"}

    def check(self, **variables):
        result = subprocess.run([binary("remote-proxy"), "check"], env={**os.environ, **self.BASE, **variables},
                                capture_output=True, text=True, timeout=20)
        return result.returncode, result.stderr

    def test_an_empty_variable_that_says_whom_to_trust_is_refused_by_its_name(self):
        for name in ("SECRET", "SECRET_FILE", "SECRETS_FILE", "TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA",
                     "MANAGEMENT_TOKEN_FILE", "MANAGEMENT_READ_TOKEN_FILE", "MANAGEMENT_TLS_CLIENT_CA"):
            code, err = self.check(**{f"REMOTE_PROXY_{name}": ""})
            self.assertEqual(code, 2, name)
            self.assertIn(f"REMOTE_PROXY_{name}", err)

    def test_any_other_empty_variable_counts_as_not_set(self):
        for name in ("ALLOW", "MAX_CONNECTIONS", "CONFIG", "WATCH", "MANAGEMENT_ADDR", "LOG_LEVEL", "USER"):
            variables = {"REMOTE_PROXY_SECRET": "0123456789abcdef" * 2, f"REMOTE_PROXY_{name}": ""}
            self.assertEqual(self.check(**variables), (0, ""), name)


if __name__ == "__main__":
    unittest.main()
