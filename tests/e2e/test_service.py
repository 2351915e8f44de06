"""The programs under a service manager, which these tests play: what it is told, its watchdog, its credentials."""

import os
import re
import signal
import socket
import tempfile
import time
import unittest

from faults import echo, exchange, refuses, visit, wait_served
from origins import SocketOrigin
from programs import HOST, REPO, Program, binary, free_port, need, poll, run
from supervised import ServiceManager, activated, other_threads, standing
from support import Tunnel, show_address
from trust import write_secret

UNITS = os.path.join(REPO, "packaging/systemd")


class Supervised(unittest.TestCase):
    trust = ()

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tunnel-service-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.chmod(self.folder, 0o755)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)


class Notifications(Supervised):
    def managers(self):
        return ServiceManager(self.path("remote")), ServiceManager(f"@tunnel-{os.getpid()}-{time.monotonic_ns()}")

    def tunnel(self, origin, remote, local, **options):
        return Tunnel(origin.address, remote_options={"env": remote.environment()},
                      origin_options={"env": local.environment()}, **options)

    def test_both_are_ready_only_once_they_serve_and_say_how_many_visitors_there_are(self):
        remote, local = self.managers()
        with SocketOrigin(echo) as origin, self.tunnel(origin, remote, local, start=False, fixed_ports=True) as tunnel:
            tunnel.start_origin(wait=False)
            local.wait("STATUS=0 visitors, 1 services, logged in to 0 of 1 remote proxies")
            self.assertEqual(local.count("READY=1"), 0)
            tunnel.start_remote(wait=False)
            remote.wait("READY=1")
            with visit(tunnel.control):  # at once: it listens
                pass
            self.assertIn("logged in to 1 of 1", local.wait("READY=1"))
            with visit(tunnel.outside) as visitor:
                exchange(visitor)
                remote.wait("STATUS=1 visitors, 1 services, 1 origin proxies")
                local.wait("STATUS=1 visitors, 1 services, logged in to 1 of 1 remote proxies")
            for manager, program in ((remote, tunnel.remote), (local, tunnel.origin)):
                program.send_signal(signal.SIGTERM)
                self.assertIn("\nEXTEND_TIMEOUT_USEC=40000000", manager.wait("STOPPING=1"))  # the grace period, and 10 s
                program.wait_exit(code=0)
                self.assertEqual(manager.count("READY=1"), 1)

    def test_a_reload_is_told_with_its_begin_and_end_whether_it_goes_well_or_not(self):
        remote, local = self.managers()
        file = self.write("remote.toml", 'grace-period = "7s"\n')
        with SocketOrigin(echo) as origin, self.tunnel(origin, remote, local,
                                                       remote_flags=["--config", file]) as tunnel:
            remote.wait("READY=1")
            for text, told in (('grace-period = "8s"\n', "options have changed"), ("nonsense = 1\n", "cannot reload")):
                start = len(remote.messages)
                self.write("remote.toml", text)
                tunnel.remote.send_signal(signal.SIGHUP)
                tunnel.remote.wait_line(told, stream="stderr")
                remote.wait("READY=1", start=start)
                first, second = [each for each in remote.texts(start) if not each.startswith("STATUS=")]
                self.assertRegex(first, r"^RELOADING=1\nMONOTONIC_USEC=\d+$")
                self.assertTrue(second.startswith("READY=1\n"), second)

    def test_a_change_of_the_user_and_the_sandbox_leave_the_way_to_the_service_manager_open(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        remote, local = self.managers()
        flags = ["--user", "nobody", "--sandbox", "on"]
        with SocketOrigin(echo) as origin, self.tunnel(origin, remote, local, remote_flags=flags,
                                                       origin_flags=flags) as tunnel:
            for manager in (remote, local):
                manager.wait("READY=1")
            with visit(tunnel.outside) as visitor:
                exchange(visitor)
                for manager in (remote, local):
                    manager.wait("STATUS=1 visitors")

    def test_a_service_manager_that_is_gone_is_missed_by_nobody(self):
        options = {"env": {"NOTIFY_SOCKET": self.path("nobody"), "WATCHDOG_USEC": "1000"}}
        with SocketOrigin(echo) as origin, Tunnel(origin.address, remote_options=options,
                                                  origin_options=options) as tunnel:
            wait_served(tunnel.outside)


class Watchdog(Supervised):
    serial = True
    interval = 0.9

    def is_fed(self, manager, seconds):
        start = len(manager.messages)
        time.sleep(seconds)
        return manager.count("WATCHDOG=1", start)

    def test_it_is_fed_at_a_third_of_its_interval_and_not_while_any_thread_stands(self):
        if os.geteuid() != 0:
            self.skipTest("only root can stop threads of a process whose memory is private")
        manager = ServiceManager(self.path("notify"))
        with SocketOrigin(echo) as origin, \
                Tunnel(origin.address, remote_flags=["--relay-threads", "2", "--management-addr", f"{HOST}:0"],
                       remote_options={"env": manager.environment(self.interval)}) as tunnel:
            manager.wait("WATCHDOG=1")
            self.assertIn(self.is_fed(manager, 4 * self.interval / 3 + 0.1), (2, 3, 4, 5))
            others = other_threads(tunnel.remote.pid)
            self.assertTrue(others)
            for stopped in ([tunnel.remote.pid], others):  # the control plane, and the relay's other worker
                with self.subTest(stopped=len(stopped)):
                    with standing(*stopped):
                        # One may have been on its way, and the others may have had their turn before.
                        self.assertLessEqual(self.is_fed(manager, 2 * self.interval), 2)
                        self.assertEqual(self.is_fed(manager, 2 * self.interval), 0)
                    start = len(manager.messages)
                    manager.wait("WATCHDOG=1", start=start)  # and it lives on
            wait_served(tunnel.outside)

    def test_it_is_fed_until_the_last_visitor_has_left(self):
        manager = ServiceManager(self.path("notify"))
        with SocketOrigin(echo) as origin, \
                Tunnel(origin.address, remote_options={"env": manager.environment(self.interval)}) as tunnel:
            with visit(tunnel.outside) as visitor:
                exchange(visitor)
                tunnel.remote.send_signal(signal.SIGTERM)
                manager.wait("STOPPING=1")
                start = len(manager.messages)
                manager.wait("WATCHDOG=1", start=start)
                manager.wait("STATUS=stopping: 1 visitors", start=start)
            tunnel.remote.wait_exit(code=0)

    def test_a_watchdog_of_another_process_is_not_fed(self):
        manager = ServiceManager(self.path("notify"))
        variables = {**manager.environment(0.03), "WATCHDOG_PID": "1"}
        with SocketOrigin(echo) as origin, Tunnel(origin.address, remote_options={"env": variables}) as tunnel:
            wait_served(tunnel.outside)
            self.assertEqual(manager.count("WATCHDOG=1"), 0)


class Sockets(Supervised):
    """As ListenStream= of systemd hands them over."""

    def listening(self):
        # Not at a port that the kernel chooses: it would be given up whenever nobody listens.
        listening = socket.create_server((HOST, free_port()), backlog=64)
        self.addCleanup(listening.close)
        return listening

    def is_listening(self, listening):
        return listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1

    def flags(self, control, *others):
        return ["--control-addr", show_address(control.getsockname()), *others]

    def test_visitors_and_origin_proxies_who_come_before_the_start_are_served(self):
        control, outside, https = self.listening(), self.listening(), self.listening()
        path = self.path("management.sock")
        management = socket.socket(socket.AF_UNIX)
        self.addCleanup(management.close)
        management.bind(path)
        management.listen()
        with SocketOrigin(echo) as origin, Tunnel(origin.address, start=False) as tunnel:
            tunnel.control, tunnel.outside = control.getsockname(), outside.getsockname()
            early = [visit(tunnel.outside) for _ in range(20)]
            tunnel.start_origin(wait=False)
            tunnel.remote_flags = ["--https-addr", show_address(https.getsockname()), "--domain", "a.example",
                                   "--management-addr", f"unix:{path}"]
            tunnel.remote_options = activated(outside, https, management, control)
            tunnel.start_remote(wait=False)
            for each in early:
                with each:
                    exchange(each)
            with visit(https.getsockname()):
                pass
            run([binary("remote-proxy"), "status", "--management-addr", f"unix:{path}"])
        for each in (control, outside, https, management):
            self.assertTrue(self.is_listening(each))
        self.assertTrue(os.path.exists(path))

    def test_they_listen_again_for_the_next_start_also_if_nobody_served_at_the_end(self):
        control, outside = self.listening(), self.listening()
        with SocketOrigin(echo) as origin, Tunnel(origin.address, start=False) as tunnel:
            tunnel.control, tunnel.outside = control.getsockname(), outside.getsockname()
            for kill in (False, True):
                tunnel.remote_options = activated(control, outside)
                tunnel.start_remote()
                tunnel.start_origin()
                tunnel.origin.stop(code=0)
                poll(lambda: refuses(tunnel.outside), "the outside address refuses")
                tunnel.remote.kill() if kill else tunnel.remote.stop(code=0)
                self.assertNotEqual(self.is_listening(outside), kill)
            tunnel.remote_options = activated(control, outside)
            tunnel.start_remote()
            tunnel.start_origin()
            wait_served(tunnel.outside)

    def test_one_that_no_option_names_or_that_does_not_listen_is_refused_in_words(self):
        control, other = self.listening(), self.listening()
        flags = self.flags(control, "--outside-addr", f"{HOST}:0")
        with Program([binary("remote-proxy"), *flags], **activated(control, other)) as program:
            program.wait_exit(code=2)
            program.wait_line(f"{re.escape(show_address(other.getsockname()))}, which no option names", stream="stderr")
        with socket.socket(type=socket.SOCK_DGRAM) as datagrams, \
                Program([binary("remote-proxy"), *flags], **activated(control, datagrams)) as program:
            program.wait_exit(code=2)
            program.wait_line("LISTEN_FDS: descriptor 4 .* is no stream socket that listens", stream="stderr")

    def test_the_example_tool_of_systemd_starts_the_program_at_the_first_visitor(self):
        control, outside = free_port(), free_port()
        argv = [need("systemd-socket-activate"), "-l", f"{HOST}:{control}", "-l", f"{HOST}:{outside}",
                binary("remote-proxy"), "--control-addr", f"{HOST}:{control}", "--outside-addr", f"{HOST}:{outside}"]
        with SocketOrigin(echo) as origin, Program(argv) as program:
            program.wait_line("Listening on", count=2, stream="stderr")
            with visit((HOST, outside)) as early:
                program.wait_line("^ready ", stream="stdout")
                flags = ["--remote-proxy-addr", f"{HOST}:{control}", "--origin-server-addr", show_address(origin.address)]
                with Program([binary("origin-proxy"), *flags]):
                    exchange(early)


class Credentials(Supervised):
    def setUp(self):
        super().setUp()
        self.secret = write_secret(self.path("secret"))
        self.options = {"env": {"CREDENTIALS_DIRECTORY": self.folder}}

    def tunnel(self, origin, **options):
        return Tunnel(origin.address, remote_options=self.options, origin_options=self.options, trust="none", **options)

    def test_without_another_secret_it_is_the_one_that_was_handed_over_and_a_reload_reads_it_again(self):
        flags = ["--user", "nobody"] if os.geteuid() == 0 else []
        with SocketOrigin(echo) as origin, self.tunnel(origin, remote_flags=flags, origin_flags=flags) as tunnel:
            wait_served(tunnel.outside)
            self.assertNotIn("THERE IS NO SECRET", tunnel.remote.output())
            self.assertNotIn("not encrypted", tunnel.remote.output())
            write_secret(self.path("secret"))
            tunnel.remote.send_signal(signal.SIGHUP)
            tunnel.wait_log(tunnel.remote, lambda line: line["message"].startswith("a secret is no longer trusted"))
            self.assertNotIn(self.secret, tunnel.remote.output() + tunnel.origin.output())

    def test_what_the_configuration_says_wins(self):
        os.mkdir(self.path("other"))
        write_secret(self.path("other/secret"))
        flags = ["--secret-file", self.path("other/secret")]
        self.write("secret", "")  # which is not read, then
        with SocketOrigin(echo) as origin, self.tunnel(origin, remote_flags=flags, origin_flags=flags) as tunnel:
            wait_served(tunnel.outside)

    def test_an_empty_one_is_refused_and_none_is_no_error(self):
        self.write("secret", "\n")
        addresses = ["--control-addr", f"{HOST}:0", "--outside-addr", f"{HOST}:0"]
        with Program([binary("remote-proxy"), *addresses], **self.options) as program:
            program.wait_exit(code=2)
            program.wait_line(re.escape(self.path("secret")), stream="stderr")
        os.remove(self.path("secret"))
        with Program([binary("remote-proxy"), *addresses], **self.options) as program:
            program.wait_line("^ready ", stream="stdout")


class Units(Supervised):
    """The units as systemd reads them."""

    def units(self):
        return [f"{UNITS}/{name}.service" for name in ("remote-proxy", "origin-proxy")]

    def test_they_score_two_or_less(self):
        for unit in self.units():
            shown = run([need("systemd-analyze"), "security", "--offline=true", "--no-pager", unit])
            self.assertEqual(shown.stderr, "")
            score = float(re.search(r"exposure level for \S+: ([\d.]+)", shown.stdout)[1])
            self.assertLessEqual(score, 2.0, shown.stdout)

    def test_the_configurations_to_begin_with_pass_check(self):
        write_secret(self.path("secret"))
        for name in ("remote-proxy", "origin-proxy"):
            with open(os.path.join(REPO, f"packaging/etc/{name}.toml"), encoding="utf-8") as file:
                text = file.read()
            if name == "origin-proxy":  # which gets it as a credential
                text = text.replace("#secret-file", "secret-file")
            for given, lines in (("as it is", text), ("with all examples", re.sub(r"^#(?=[a-z\[])", "", text, flags=re.M))):
                if given != "as it is":  # those that go together
                    lines = re.sub(r"^(tls-|certificates|origin-server-addr).*\n", "", lines, count=0, flags=re.M)
                    lines = lines.replace("[services.app]", '[services.app]\norigin-server-addr = "localhost:8000"')
                path = self.write("example.toml", re.sub(r"/(run|etc|var/log|var/lib)/[a-z-]+/", f"{self.folder}/", lines))
                shown = run([binary(name), "check", "--config", path], check=False)
                self.assertEqual((shown.returncode, shown.stdout, shown.stderr), (0, "ok\n", ""), f"{given}: {lines}")

    def test_systemd_finds_nothing_wrong_with_them(self):
        root = self.path("root")
        for program in ("usr/bin/remote-proxy", "usr/bin/origin-proxy"):
            os.makedirs(os.path.dirname(f"{root}/{program}"), exist_ok=True)
            with open(f"{root}/{program}", "w", encoding="ascii") as file:
                os.fchmod(file.fileno(), 0o755)
        folder = f"{root}/etc/systemd/system"
        os.makedirs(folder)
        names = sorted(name for name in os.listdir(UNITS) if not name.endswith(".conf"))
        self.assertEqual(len(names), 3)
        os.mkdir(f"{folder}/remote-proxy.service.d")
        for name, place in (*((name, name) for name in names),
                            ("remote-proxy-credential.conf", "remote-proxy.service.d/credential.conf")):
            with open(f"{UNITS}/{name}", encoding="utf-8") as source:
                self.write(f"root/etc/systemd/system/{place}", source.read())
        # Those of the system that ours name.
        for name in ("basic.target", "sysinit.target", "shutdown.target", "network-online.target", "sockets.target",
                     "multi-user.target", "system.slice", "-.mount", "tmp.mount", "umount.target", "local-fs.target"):
            kind = name.rpartition(".")[2]
            self.write(f"root/etc/systemd/system/{name}",
                       "[Unit]\nDefaultDependencies=no\n" + ("[Mount]\nWhat=tmpfs\nWhere=%f\n" if kind == "mount" else ""))
        shown = run([need("systemd-analyze"), "verify", "--man=no", f"--root={root}",
                     *[f"{folder}/{name}" for name in names]], check=False)
        self.assertEqual((shown.returncode, shown.stdout, shown.stderr), (0, "", ""))
