"""Origin servers at a Unix socket."""

import concurrent.futures
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

from faults import exchange, receive, visit, wait_served
from origins import sha256
from proxies import nginx_site
from support import HOST, Tunnel
from test_proxy_protocol import VISITOR, ask

MIB = 1 << 20

# A server as others write them, in a process of its own so that it can be killed.
ECHO = """
import socketserver, sys

class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while piece := self.request.recv(1 << 16):
            self.request.sendall(piece)

class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

Server(sys.argv[1], Echo).serve_forever()
"""


class UnixServers(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.path = os.path.join(self.folder, "app.sock")

    def echo_server(self):
        server = subprocess.Popen([sys.executable, "-B", "-c", ECHO, self.path])
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        return server

    def test_nginx_at_a_unix_socket_knows_the_visitors_address_by_either_version(self):
        site, _ = nginx_site(self.folder, self.path)
        with site:
            for version in ("v1", "v2"):
                with Tunnel(f"unix:{self.path}", origin_flags=["--proxy-protocol", version]) as tunnel:
                    for _ in range(5):
                        answer, source = ask(tunnel.outside)
                        self.assertEqual(answer, [VISITOR, str(source), str(tunnel.outside[1])], version)

    def test_many_visitors_of_a_unix_socket_get_their_own_bytes_and_their_ends(self):
        self.echo_server()
        with Tunnel(f"unix:{self.path}") as tunnel:
            wait_served(tunnel.outside)

            def client(number):
                data = os.urandom((number % 4) * MIB + number)
                with visit(tunnel.outside) as visitor:
                    sending = threading.Thread(target=lambda: (visitor.sendall(data),
                                                               visitor.shutdown(socket.SHUT_WR)))
                    sending.start()
                    back = receive(visitor, len(data))
                    self.assertEqual(visitor.recv(1), b"")
                    sending.join()
                return sha256(back) == sha256(data)

            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                self.assertEqual(list(pool.map(client, range(1, 101))), [True] * 100)

    def test_a_server_at_a_unix_socket_that_is_killed_and_comes_back_is_found_again(self):
        server = self.echo_server()
        with Tunnel(f"unix:{self.path}") as tunnel:
            wait_served(tunnel.outside)
            server.send_signal(signal.SIGKILL)
            server.wait()
            with visit(tunnel.outside) as visitor:
                self.assertRaises(ConnectionResetError, visitor.recv, 1)
            line = tunnel.wait_log(tunnel.origin, lambda line: line.get("code") == "origin_server_refused")
            self.assertIn(f"unix:{self.path}", line["end"])
            os.unlink(self.path)
            self.echo_server()
            wait_served(tunnel.outside)

    def test_a_service_at_a_unix_socket_is_given_on_the_command_line(self):
        self.echo_server()
        with Tunnel(None, start=False) as tunnel:
            tunnel.start_remote()
            tunnel.origin = tunnel._launch("origin-proxy", [
                "--remote-proxy-addr", f"{HOST}:{tunnel.control[1]}", *tunnel.trust_of_origin,
                "--service", f"default=unix:{self.path}"], {})
            wait_served(tunnel.outside)
            with visit(tunnel.outside) as visitor:
                exchange(visitor)


if __name__ == "__main__":
    unittest.main()
