"""The management interface of both programs, asked by curl over a socket file and over TCP, inside the sandbox."""

import os
import socket
import stat
import tempfile
import time
import unittest

from faults import HEARTBEATS, echo, exchange, serves, visit, wait_served
from origins import SocketOrigin
from support import HOST, Program, Tunnel, binary, free_port, need, poll, run, show_address

TOKEN = "an-admin-token-for-the-tests"
READ_TOKEN = "a-read-token-for-the-tests"


def curl(where, path, *flags):
    """Status, headers and body of what `where` (an address, or unix:PATH) answers."""
    over = ["--unix-socket", where.removeprefix("unix:")] if where.startswith("unix:") else []
    host = "localhost" if over else where
    done = run([need("curl"), "-sS", "-i", "--max-time", "20", *over, *flags, f"http://{host}{path}"])
    head, _, body = done.stdout.replace("\r\n", "\n").partition("\n\n")
    return int(head.split()[1]), head, body


def status(where, path, *flags):
    return curl(where, path, *flags)[0]


def bearer(token):
    return ("-H", f"Authorization: Bearer {token}")


def metrics(where, *flags):
    """Every sample: a dict of numbers by name and labels."""
    code, _, body = curl(where, "/metrics", *flags)
    if code != 200:
        raise AssertionError(f"/metrics answered {code}: {body}")
    return {name: float(value) for name, value in
            (line.rsplit(" ", 1) for line in body.splitlines() if not line.startswith("#"))}


class Folder:
    """Holds the socket files, and files with tokens."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="management-")
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def path(self, name):
        return os.path.join(self._folder.name, name)

    def socket(self, name):
        return f"unix:{self.path(name)}"

    def file(self, name, text):
        with open(self.path(name), "w", opener=lambda path, flags: os.open(path, flags, 0o600),
                  encoding="ascii") as file:
            file.write(text + "\n")
        return self.path(name)


def managed(origin, folder, remote_flags=(), origin_flags=(), **options):
    """A tunnel of which both programs have a management interface at a socket file."""
    remote, own = folder.socket("remote"), folder.socket("origin")
    tunnel = Tunnel(origin.address, remote_flags=["--management-addr", remote, *HEARTBEATS, *remote_flags],
                    origin_flags=["--management-addr", own, *HEARTBEATS, *origin_flags], **options)
    return tunnel, remote, own


def address_of(tunnel, program):
    """Where its management interface is, as the log says."""
    return tunnel.wait_log(program, lambda line: line["message"] == "management")["address"]


class Asked(unittest.TestCase):
    trust = ()

    def test_both_programs_answer_at_a_socket_file_that_is_its_owners_alone_and_gone_at_the_end(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, remote, own = managed(origin, folder)
            with tunnel:
                wait_served(tunnel.outside)
                for where in (remote, own):
                    mode = os.stat(where.removeprefix("unix:")).st_mode
                    self.assertTrue(stat.S_ISSOCK(mode))
                    self.assertEqual(stat.S_IMODE(mode), 0o600)
                    self.assertEqual(curl(where, "/ping")[2], "pong")
                    self.assertEqual(status(where, "/healthz"), 200)
                    self.assertEqual(status(where, "/ready"), 200)
                    self.assertEqual(status(where, "/nothing"), 404)
                    code, head, _ = curl(where, "/ping", "-X", "PUT", "-H", "Content-Type: application/json")
                    self.assertEqual(code, 405)
                    self.assertIn("\nAllow: GET, HEAD", head)
                    self.assertEqual(curl(where, "/ping", "--head")[0], 200)
                tunnel.origin.stop(code=0)
                tunnel.remote.stop(code=0)
                self.assertEqual(os.listdir(os.path.dirname(folder.path("remote"))), [])

    def test_a_socket_file_that_a_killed_program_left_is_taken_over_and_one_in_use_is_not(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, remote, _ = managed(origin, folder, fixed_ports=True)
            with tunnel:
                tunnel.restart_remote(kill=True)
                self.assertEqual(status(remote, "/ping"), 200)
                second = run([binary("remote-proxy"), "--control-addr", f"{HOST}:0", "--outside-addr", f"{HOST}:0",
                              "--management-addr", remote], check=False)
                self.assertEqual(second.returncode, 1)
                self.assertIn(remote, second.stderr)
                self.assertEqual(status(remote, "/ping"), 200)

    def test_ready_follows_the_control_connection_on_both_sides(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, remote, own = managed(origin, folder, start=False, fixed_ports=True)
            with tunnel:
                tunnel.start_remote()
                code, _, body = curl(remote, "/ready")
                self.assertEqual((code, body), (503, "503 Service Unavailable: no origin proxy for default\n"))
                self.assertEqual(status(remote, "/healthz"), 200)
                tunnel.start_origin()
                self.assertEqual(status(own, "/ready"), 200)
                poll(lambda: status(remote, "/ready") == 200, "the remote proxy is ready")
                tunnel.remote.kill()
                poll(lambda: status(own, "/ready") == 503, "the origin proxy is not ready any more")
                tunnel.start_remote()
                poll(lambda: status(own, "/ready") == 200, "the origin proxy is ready again")
                tunnel.origin.kill()
                poll(lambda: status(remote, "/ready") == 503, "the remote proxy is not ready any more")

    def test_while_it_stops_a_program_is_not_ready_and_says_so(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, remote, _ = managed(origin, folder)
            with tunnel, visit(tunnel.outside) as visitor:
                exchange(visitor)
                tunnel.remote.send_signal(15)
                poll(lambda: status(remote, "/ready") == 503, "the remote proxy is stopping")
                self.assertIn("shutting down", curl(remote, "/ready")[2])

    def test_a_program_that_stops_leaves_its_management_address_to_its_successor_at_once(self):
        for kind in ("socket file", "port"):
            with self.subTest(kind), SocketOrigin(echo) as origin, Folder() as folder:
                where = [folder.socket("remote"), folder.socket("origin")] if kind == "socket file" else \
                    [show_address((HOST, free_port())) for _ in range(2)]
                tunnel = Tunnel(origin.address, fixed_ports=True, remote_flags=["--management-addr", where[0]],
                                origin_flags=["--management-addr", where[1]])
                with tunnel, visit(tunnel.outside) as visitor:
                    exchange(visitor)
                    former = tunnel.remote, tunnel.origin
                    for program, address in zip(former, where):
                        program.send_signal(15)
                        poll(lambda: status(address, "/ready") == 503, "it answers while it stops")
                    began = time.monotonic()
                    tunnel.start_remote()
                    tunnel.start_origin()
                    for address in where:
                        poll(lambda: status(address, "/ready") == 200, "the successor answers")
                    self.assertLess(time.monotonic() - began, 5)
                    exchange(visitor)
                    for program in former:
                        self.assertTrue(program.running)
                        tunnel.wait_log(program, lambda line: line["message"].endswith("goes to a successor"))
                    visitor.close()
                    for program in former:
                        program.wait_exit(5, code=0)
                    for address in where:  # its former holder has not taken it away
                        self.assertEqual(status(address, "/ready"), 200)

    def test_a_program_that_does_not_stop_keeps_its_management_address(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            for where in (folder.socket("remote"), show_address((HOST, free_port()))):
                with Tunnel(origin.address, remote_flags=["--management-addr", where]):
                    began = time.monotonic()
                    done = run([binary("remote-proxy"), "--control-addr", f"{HOST}:0", "--outside-addr",
                                          f"{HOST}:0", "--management-addr", where], check=False)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn("ddress already in use", done.stderr)
                    self.assertLess(time.monotonic() - began, 5)
                    self.assertEqual(status(where, "/ping"), 200)

    def test_over_tcp_a_foreign_host_is_refused_and_a_token_read_again_at_sighup(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            token = folder.file("token", TOKEN)
            flags = ["--management-addr", f"{HOST}:0", "--management-token-file", token,
                     "--management-read-token-file", folder.file("read", READ_TOKEN)]
            with Tunnel(origin.address, remote_flags=flags, origin_flags=flags) as tunnel:
                for program in (tunnel.remote, tunnel.origin):
                    where = address_of(tunnel, program)
                    self.assertEqual(status(where, "/ping"), 401)
                    self.assertEqual(status(where, "/ping", *bearer("something-else-16-bytes")), 401)
                    self.assertEqual(status(where, "/ping", *bearer(TOKEN)), 200)
                    self.assertEqual(status(where, "/ping", *bearer(READ_TOKEN)), 200)
                    self.assertEqual(status(where, "/ping", "-H", "Host: evil.example", *bearer(TOKEN)), 421)
                    self.assertNotIn(TOKEN, program.output())
                where = address_of(tunnel, tunnel.remote)
                folder.file("token", "short")
                tunnel.remote.send_signal(1)
                tunnel.wait_log(tunnel.remote, lambda line: line["level"] == "error" and token in str(line))
                self.assertEqual(status(where, "/ping", *bearer(TOKEN)), 200)
                folder.file("token", TOKEN[::-1])
                tunnel.remote.send_signal(1)
                poll(lambda: status(where, "/ping", *bearer(TOKEN[::-1])) == 200, "the new token is good")
                self.assertEqual(status(where, "/ping", *bearer(TOKEN)), 401)

    def test_an_address_that_others_reach_is_refused_without_a_token_and_warned_of_with_one(self):
        addresses = {"remote-proxy": ["--control-addr", f"{HOST}:0", "--outside-addr", f"{HOST}:0"],
                     "origin-proxy": ["--remote-proxy-addr", f"{HOST}:1", "--origin-server-addr", f"{HOST}:1"]}
        with Folder() as folder:
            token = folder.file("token", TOKEN)
            for name, flags in addresses.items():
                command = [binary(name), *flags, "--management-addr", "0.0.0.0:0"]
                done = run(command, check=False)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn("--management-token-file", done.stderr)
                self.assertIn("unix:PATH", done.stderr)
                with Program([*command, "--management-token-file", token], name=name) as program:
                    program.wait_line(r"not encrypted.*other machines", stream="stderr")

    def test_it_is_off_unless_it_is_asked_for(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address) as tunnel:
            for program in (tunnel.remote, tunnel.origin):
                self.assertNotIn("management", program.output())


class Metrics(unittest.TestCase):
    trust = ()

    def test_they_count_what_happens_and_keep_the_rules_of_prometheus(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            tunnel, remote, own = managed(origin, folder)
            with tunnel:
                wait_served(tunnel.outside)
                tunnel.wait_visitors(1)
                before, before_own = metrics(remote), metrics(own)
                with visit(tunnel.outside) as visitor:
                    exchange(visitor, b"x" * 1000)
                    self.assertEqual(metrics(remote)['tunnel_visitors{service="default"}'], 1)
                    self.assertEqual(metrics(own)["tunnel_visitors"], 1)
                tunnel.wait_visitors(2)
                after, after_own = metrics(remote), metrics(own)

                def grown(name, by):
                    self.assertEqual(after[name] - before[name], by, name)

                def grown_own(name, by):
                    self.assertEqual(after_own[name] - before_own[name], by, name)

                self.assertEqual(after['tunnel_visitors{service="default"}'], 0)
                grown('tunnel_visitors_total{service="default"}', 1)
                grown("tunnel_pairing_seconds_count", 1)
                grown_own("tunnel_visitors_total", 1)
                grown_own("tunnel_origin_dial_seconds_count", 1)
                for direction in ("to_origin", "to_visitor"):
                    grown(f'tunnel_visitor_bytes_total{{service="default",direction="{direction}"}}', 1000)
                    grown_own(f'tunnel_visitor_bytes_total{{direction="{direction}"}}', 1000)
                self.assertEqual(after["tunnel_origin_proxies"], 1)
                self.assertEqual(after["tunnel_log_ins_total"], 1)
                there = show_address(tunnel.control)
                self.assertEqual(after_own[f'tunnel_logged_in{{remote="{there}"}}'], 1)
                self.assertEqual(after_own[f'tunnel_log_ins_total{{remote="{there}"}}'], 1)
                for program, seen in ((tunnel.remote, after), (tunnel.origin, after_own)):
                    really = len(os.listdir(f"/proc/{program.pid}/fd"))
                    # The connection that asked is one more.
                    self.assertAlmostEqual(seen["process_open_fds"], really, delta=4)
                    self.assertGreater(seen["process_resident_memory_bytes"], 1 << 20)
                    self.assertLess(next(value for name, value in seen.items()
                                         if name.startswith("tunnel_control_round_trip_seconds")), 1)
                for where in (remote, own):
                    checked = run([need("promtool"), "check", "metrics"], input=curl(where, "/metrics")[2])
                    self.assertEqual(checked.stdout + checked.stderr, "")

    def test_refused_visitors_are_counted_by_reason(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            where = folder.socket("remote")
            flags = ["--management-addr", where, "--deny", HOST]
            with Tunnel(origin.address, remote_flags=flags) as tunnel:
                self.assertFalse(serves(tunnel.outside))
                self.assertEqual(metrics(where)['tunnel_visitors_refused_total{reason="denied"}'], 1)


class Hostile(unittest.TestCase):
    trust = ()

    def test_a_thousand_silent_clients_keep_no_visitor_waiting_and_are_let_go(self):
        with SocketOrigin(echo) as origin:
            with Tunnel(origin.address, remote_flags=["--management-addr", f"{HOST}:0"]) as tunnel:
                host, port = address_of(tunnel, tunnel.remote).split(":")
                silent = [socket.create_connection((host, int(port))) for _ in range(1000)]
                for _ in range(20):
                    self.assertTrue(serves(tunnel.outside))
                for client in silent:
                    client.settimeout(20)
                    while client.recv(4096):
                        pass
                    client.close()
                self.assertEqual(status(f"{host}:{port}", "/ping"), 200)


if __name__ == "__main__":
    unittest.main()
