"""One origin proxy that is logged in to two remote proxies."""

import os
import shutil
import signal
import threading
import unittest
import urllib.request

from faults import echo, exchange, how_it_ends, refuses, visit, wait_served
from origins import HttpOrigin, SocketOrigin
from programs import REPO
from support import HOST, Program, Tunnel, binary, free_port, poll, show_address
from test_programs import program as run_program
from trust import flags as flags_of_trust, folder, mode_of_this_run, write_secret

EXAMPLE = os.path.join(REPO, "docs/examples/origin-proxy-two-remote-proxies.toml")


class Remote:
    """A remote-proxy that keeps its ports when it is started again."""

    def __init__(self, name, *flags):
        self.name, self.flags = name, flags
        self.control, self.outside = (HOST, free_port()), (HOST, free_port())

    def start(self):
        self.program = Program([binary("remote-proxy"), "--control-addr", show_address(self.control), *self.flags],
                               name=self.name)
        self.program.wait_line("^ready", stream="stdout")
        return self


class SeveralRemotes(unittest.TestCase):
    def setUp(self):
        self.folder = folder(self.id().rpartition(".")[2])
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def running(self, program):
        self.addCleanup(lambda: program.running and program.stop(code=0))
        return program

    def remote(self, name, *flags):
        """With one outside address, and trust as in this run."""
        remote = Remote(name, *flags, *flags_of_trust(mode_of_this_run())[0])
        remote.flags += ("--outside-addr", show_address(remote.outside))
        self.running(remote.start().program)
        return remote

    def origin(self, server, *flags):
        return self.running(Program([binary("origin-proxy"), "--origin-server-addr", show_address(server.address),
                                     *flags_of_trust(mode_of_this_run())[1], *flags], name="origin-proxy"))

    def test_visitors_of_one_notice_nothing_while_the_other_is_killed_and_started_again(self):
        over, failures, served = threading.Event(), [], []

        def come_again_and_again(address):
            while not over.is_set():
                try:
                    with visit(address) as visitor:
                        exchange(visitor, os.urandom(10_000))
                    served.append(1)
                except (OSError, AssertionError) as error:
                    failures.append(error)
        one, other = self.remote("one"), self.remote("other")
        with SocketOrigin(echo) as server:
            origin = self.origin(server, "--remote-proxy-addr", show_address(one.control), "--remote-proxy-addr",
                                 show_address(other.control))
            for remote in (one, other):
                origin.wait_line(f"^ready remote={show_address(remote.control)} origin=\\S+ "
                                 f"outside={show_address(remote.outside)}$", stream="stdout")
            with visit(other.outside) as stays:
                exchange(stays)
                visitors = threading.Thread(target=come_again_and_again, args=(other.outside,))
                visitors.start()
                try:
                    for count in range(1, 4):
                        with visit(one.outside) as cut:
                            exchange(cut)
                            one.program.kill()
                            self.assertEqual(how_it_ends(cut), "reset")
                        Tunnel.wait_log(origin, lambda line: line["message"] == "lost the remote proxy" and
                                        line["remote"] == show_address(one.control), count=count)
                        done = len(served)
                        poll(lambda: len(served) > done + 20, "others are served while one remote proxy is gone")
                        exchange(stays)
                        self.running(one.start().program)
                        wait_served(one.outside)
                    exchange(stays, os.urandom(1 << 20))
                finally:
                    over.set()
                    visitors.join()
            self.assertEqual(failures, [])
            self.assertEqual(len([line for line in Tunnel.log(other.program)
                                  if line["message"] == "origin proxy logged in"]), 1)
            origin.stop(code=0)
            self.assertEqual(len(origin.texts("stdout")), 2)
            for remote in (one, other):
                self.assertTrue(refuses(remote.outside) or poll(lambda: refuses(remote.outside), "nobody is there"))

    def test_a_changed_file_adds_and_removes_remote_proxies_and_their_visitors_go_on(self):
        one, other = self.remote("one"), self.remote("other")

        def told(*remotes):
            addresses = ", ".join(f'"{show_address(remote.control)}"' for remote in remotes)
            return self.write("origin.toml", f"watch = true\nremote-proxy-addr = [{addresses}]\n")
        with SocketOrigin(echo) as server:
            origin = self.origin(server, "--config", told(one))
            wait_served(one.outside)
            with visit(one.outside) as visitor:
                exchange(visitor)
                told(one, other)
                wait_served(other.outside)
                told(other)
                poll(lambda: refuses(one.outside), "the remote proxy that is left has nobody any more")
                exchange(visitor)  # whom it had before
                self.write("origin.toml", "remote-proxy-addr = []\n")
                origin.wait_line("cannot reload, so nothing has changed", stream="stderr")
                wait_served(other.outside)
                exchange(visitor)
            self.assertEqual(len([line for line in Tunnel.log(other.program)
                                  if line["message"] == "origin proxy logged in"]), 1)

    def test_one_that_refuses_is_given_up_and_the_program_ends_when_all_are(self):
        one, nowhere = self.remote("one"), show_address((HOST, free_port()))
        with SocketOrigin(echo) as server:
            origin = self.origin(server, "--remote-proxy-addr", f"{nowhere},{show_address(one.control)}",
                                 "--max-retries", "1")
            Tunnel.wait_log(origin, lambda line: line["level"] == "error" and line["remote"] == nowhere)
            wait_served(one.outside)
            one.program.stop(code=0)
            origin.wait_exit(code=1)
            self.assertEqual([line["remote"] for line in Tunnel.log(origin) if line["level"] == "error"],
                             [nowhere, show_address(one.control)])

    def test_the_example_lets_visitors_reach_the_same_web_server_through_both(self):
        with open(EXAMPLE, encoding="utf-8") as file:
            text = file.read()
        remotes = []
        with HttpOrigin({"page": b"a page"}) as server:
            for name in ("paris", "tokyo"):
                remote = Remote(name)
                write_secret(self.path(name))
                remote.flags = ("--secret-file", self.path(name), "--service", f"web={show_address(remote.outside)}")
                self.running(remote.start().program)
                remotes.append(remote)
                for example, real in ((f"{name}.example.com:9001", show_address(remote.control)),
                                      (f"/etc/origin-proxy/{name}", self.path(name))):
                    self.assertEqual(text.count(example), 1)
                    text = text.replace(example, real)
            self.assertEqual(text.count("localhost:8000"), 1)
            config = self.write("origin.toml", text.replace("localhost:8000", show_address(server.address)))
            code, out, err = run_program("origin-proxy", "check", "--config", config)
            self.assertEqual((code, out), (0, "ok\n"), err)
            origin = self.running(Program([binary("origin-proxy"), "--config", config], name="origin-proxy"))
            origin.wait_line("^ready", stream="stdout", count=2)
            for remote in remotes:
                with urllib.request.urlopen(f"http://{show_address(remote.outside)}/page", timeout=20) as answer:
                    self.assertEqual(answer.read(), b"a page")
            # A reload inside the sandbox reads what stands in the tables too.
            write_secret(self.path("paris"))
            origin.send_signal(signal.SIGHUP)
            Tunnel.wait_log(origin, lambda line: line["level"] == "warn" and "log in" in line["message"] and
                            line["remote"] == show_address(remotes[0].control))
            wait_until_page = f"http://{show_address(remotes[1].outside)}/page"
            with urllib.request.urlopen(wait_until_page, timeout=20) as answer:
                self.assertEqual(answer.read(), b"a page")

    test_one_that_refuses_is_given_up_and_the_program_ends_when_all_are.trust = ("none",)
    test_the_example_lets_visitors_reach_the_same_web_server_through_both.trust = ()


if __name__ == "__main__":
    unittest.main()
