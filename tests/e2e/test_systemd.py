"""The units under a systemd that runs: its first process in a namespace, where the machine lets one be made."""

import os
import re
import sys
import time
import unittest

from booted import Booted
from programs import REPO, Program, binary, poll

UNITS = ("remote-proxy", "origin-proxy")
LOG = "[Service]\nStandardOutput=append:/run/{0}.log\nStandardError=append:/run/{0}.log\n"
# What is to be reached.
SERVER = """
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("127.0.0.1", 8000), Echo).serve_forever()
"""
VISIT = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20) as visitor:
    visitor.sendall(b"are you there?")
    print(visitor.recv(100).decode())
"""

BULK_VISIT = """
import os, socket, threading
sent = os.urandom(1 << 23)
with socket.create_connection(("127.0.0.1", 9000), 20) as visitor:
    def send():
        visitor.sendall(sent)
        visitor.shutdown(socket.SHUT_WR)
    threading.Thread(target=send).start()
    received = b"".join(iter(lambda: visitor.recv(1 << 20), b""))
print(sent == received)
"""
LONG_VISIT = """
import os, socket, time
with socket.create_connection(("127.0.0.1", 9000), 20) as visitor:
    for words in ("one", "two"):
        visitor.sendall(words.encode())
        print(visitor.recv(100).decode(), flush=True)
        while words == "one" and not os.path.exists("/tmp/go-on"):
            time.sleep(0.05)
"""


def text_of(path):
    with open(os.path.join(REPO, path), encoding="utf-8") as file:
        return file.read()


def system():
    files = {}
    for name in UNITS:
        files[f"/usr/bin/{name}"] = (binary(name),)
        files[f"/etc/systemd/system/{name}.service"] = text_of(f"packaging/systemd/{name}.service")
        files[f"/etc/systemd/system/{name}.service.d/log.conf"] = LOG.format(name)
        files[f"/etc/tmpfiles.d/{name}.conf"] = text_of(f"packaging/tmpfiles/{name}.conf")
        files[f"/etc/{name}/{name}.toml"] = text_of(f"packaging/etc/{name}.toml").replace(
            "tunnel.example.com:9001", "localhost:9001")
    files["/etc/server.py"] = SERVER
    files["/etc/systemd/system/server.service"] = f"[Service]\nExecStart={sys.executable} /etc/server.py\n"
    return Booted(files, UNITS)


class Systemd(unittest.TestCase):
    trust = ()
    timeout = 300

    def setUp(self):
        self.booted = self.enterContext(system())
        secret = self.booted.run("remote-proxy", "gen-secret").stdout
        for name in UNITS:
            self.booted.write(f"/etc/{name}/secret", secret, 0o600)  # root's alone
        self.booted.run("chown", "remote-proxy", "/etc/remote-proxy/secret")
        self.booted.ctl("start", "server")

    def log(self, name):
        return self.booted.read(f"/run/{name}.log")

    def visit(self, port=9000):
        self.assertEqual(self.booted.run("python3", "-c", VISIT, str(port)).stdout, "are you there?\n")

    def start(self):
        for name in UNITS:  # else the origin proxy may be too early, and has to try again
            self.booted.ctl("start", name)
            self.assertEqual(self.booted.show(name, "ActiveState"), "active")

    def test_both_programs_serve_with_all_that_the_units_forbid_and_say_how_they_are(self):
        for name in UNITS:  # as whoever has installed them does it first
            self.booted.run("systemd-tmpfiles", "--create", f"/etc/tmpfiles.d/{name}.conf")
            flags = ["--secret-file", f"/etc/{name}/secret"] if name == "origin-proxy" else []
            checked = self.booted.run(name, "check", "--config", f"/etc/{name}/{name}.toml", *flags)
            self.assertEqual((checked.stdout, checked.stderr), ("ok\n", ""))
        self.start()  # and it returns once they serve
        self.visit()
        self.assertEqual(self.booted.run("python3", "-c", BULK_VISIT).stdout, "True\n")
        for name in UNITS:
            log = self.log(name)
            self.assertNotIn("sandbox", log)  # all of it can be had
            self.assertNotRegex(log, r"Z (warn|error) ")
            self.assertNotIn("not encrypted", log)
            user = self.booted.run("stat", "-c", "%U", f"/proc/{self.booted.show(name, 'MainPID')}").stdout
            self.assertEqual(user, f"{name}\n")
        poll(lambda: self.booted.show("remote-proxy", "StatusText") == "0 visitors, 1 services, 1 origin proxies",
             "the status is told")
        # The commands find the program by the same file.
        for name in UNITS:
            shown = self.booted.run(name, "status", "--config", f"/etc/{name}/{name}.toml")
            self.assertEqual(shown.stderr, "")

        self.booted.ctl("reload", "origin-proxy")
        self.assertIn("reloaded", self.log("origin-proxy"))

    def test_a_reload_is_a_new_process_that_visitors_do_not_notice_and_a_refused_one_changes_nothing(self):
        self.start()
        with Program(self.booted.inside("python3", "-c", LONG_VISIT)) as visitor:
            visitor.wait_line("^one$", stream="stdout")
            former = self.booted.show("remote-proxy", "MainPID")
            path = "/etc/remote-proxy/remote-proxy.toml"
            before = self.booted.read(path)
            self.booted.write(path, before + "\n[services.web]\noutside-addr = '127.0.0.1:443'\n")
            self.booted.ctl("reload", "remote-proxy")
            main = poll(lambda: self.booted.show("remote-proxy", "MainPID") not in (former, "0") and
                        self.booted.show("remote-proxy", "MainPID"), "the new process is the main one")
            self.assertEqual(self.booted.show("remote-proxy", "ActiveState"), "active")
            self.visit()
            self.booted.write(path, before + "\nnonsense = 1\n")
            self.assertNotEqual(self.booted.ctl("reload", "remote-proxy", check=False).returncode, 0)
            self.assertEqual(self.booted.show("remote-proxy", "MainPID"), main)
            self.booted.run("touch", "/tmp/go-on")
            visitor.wait_line("^two$", stream="stdout")
            visitor.wait_exit(code=0)
        self.visit()
        poll(lambda: "1 origin proxies" in self.booted.show("remote-proxy", "StatusText"), "the new one tells its status")
        poll(lambda: self.booted.run("test", "-d", f"/proc/{former}", check=False).returncode != 0, "the former one ends")
        self.assertEqual(self.booted.show("remote-proxy", "ActiveState"), "active")
        self.booted.ctl("stop", "remote-proxy")
        self.assertEqual(self.booted.show("remote-proxy", "Result"), "success")

    def test_a_low_port_the_log_in_a_file_and_the_state_file_are_what_the_unit_leaves_open(self):
        path = "/etc/remote-proxy/remote-proxy.toml"
        before = self.booted.read(path)
        self.start()
        self.booted.write(path, before.replace(
            '#state-file', 'state-file').replace('#log-file', 'log-file').replace(
            'outside-addr = ":9000"', 'outside-addr = ":443"'))
        self.booted.ctl("restart", "remote-proxy")
        poll(lambda: self.booted.run("python3", "-c", VISIT, "443", check=False).returncode == 0, "a visitor is served")
        self.assertIn("visitor ended", self.booted.read("/var/log/remote-proxy/remote-proxy.log"))
        self.assertEqual(self.booted.run("stat", "-c", "%a %U", "/var/log/remote-proxy/remote-proxy.log").stdout,
                         "640 remote-proxy\n")

    def test_a_program_that_stands_is_started_again_and_a_wrong_configuration_is_not(self):
        self.booted.write("/etc/systemd/system/remote-proxy.service.d/watchdog.conf", "[Service]\nWatchdogSec=1s\n")
        self.booted.ctl("daemon-reload")
        self.start()
        before = self.booted.show("remote-proxy", "MainPID")
        time.sleep(2.5)  # it is fed
        self.booted.ctl("reload", "remote-proxy")
        poll(lambda: self.booted.show("remote-proxy", "MainPID") not in (before, "0"), "the new process is the main one")
        before = self.booted.show("remote-proxy", "MainPID")
        time.sleep(2.5)  # also by the new process
        self.assertEqual(self.booted.show("remote-proxy", "NRestarts"), "0")
        self.booted.run("kill", "-STOP", before)
        poll(lambda: self.booted.show("remote-proxy", "NRestarts") == "1" and
             self.booted.show("remote-proxy", "ActiveState") == "active", "it is started again")
        self.assertNotEqual(self.booted.show("remote-proxy", "MainPID"), before)
        self.booted.ctl("stop", "remote-proxy")
        self.booted.write("/etc/remote-proxy/remote-proxy.toml", "nonsense = 1\n")
        self.assertNotEqual(self.booted.ctl("start", "remote-proxy", check=False).returncode, 0)
        self.assertEqual(self.booted.show("remote-proxy", "ActiveState"), "failed")
        self.assertEqual(self.booted.show("remote-proxy", "NRestarts"), "0")

    def test_a_secret_that_only_root_can_read_is_handed_over_and_if_it_is_not_there_only_who_needs_it_does_not_start(self):
        # The origin proxy has it as a credential by its unit.
        self.booted.write("/etc/systemd/system/remote-proxy.service.d/credential.conf",
                          text_of("packaging/systemd/remote-proxy-credential.conf"))
        path = "/etc/remote-proxy/remote-proxy.toml"
        before = self.booted.read(path)
        self.booted.write(path, before.replace("secret-file", "#secret-file"))
        self.booted.run("chown", "root", "/etc/remote-proxy/secret")
        self.booted.ctl("daemon-reload")
        self.start()
        self.visit()
        self.assertIn("encrypted=yes", self.log("remote-proxy"))
        self.booted.ctl("reload", "remote-proxy")
        self.visit()
        self.booted.run("mv", "/etc/remote-proxy/secret", "/etc/remote-proxy/other")
        self.assertNotEqual(self.booted.ctl("restart", "remote-proxy", check=False).returncode, 0)
        self.assertIn("/run/credentials/remote-proxy.service/secret", self.log("remote-proxy"))
        self.booted.run("chown", "remote-proxy", "/etc/remote-proxy/other")
        self.booted.write(path, before.replace("/etc/remote-proxy/secret", "/etc/remote-proxy/other"))
        self.start()
        # The origin proxy was there before, and is about to try again.
        poll(lambda: self.booted.run("python3", "-c", VISIT, "9000", check=False).returncode == 0, "a visitor is served")

    def test_sockets_of_the_service_manager_keep_visitors_who_come_before_the_program(self):
        self.booted.write("/etc/systemd/system/remote-proxy.socket", re.sub(
            r"^ListenStream=.*$", "ListenStream=[::]:9001\nListenStream=[::]:9000",
            text_of("packaging/systemd/remote-proxy.socket"), flags=re.M))
        self.booted.ctl("daemon-reload")
        self.booted.ctl("start", "remote-proxy.socket")
        with Program(self.booted.inside("python3", "-c", VISIT, "9000")) as early:
            poll(lambda: self.booted.show("remote-proxy", "ActiveState") == "active", "the visitor starts the program")
            self.booted.ctl("start", "origin-proxy")
            early.wait_line("are you there", stream="stdout")
            early.wait_exit(code=0)
        self.booted.ctl("stop", "origin-proxy")  # the outside address refuses now
        self.booted.ctl("restart", "remote-proxy")
        self.booted.ctl("start", "origin-proxy")
        self.visit()
        self.assertEqual(self.booted.show("remote-proxy.socket", "ActiveState"), "active")
