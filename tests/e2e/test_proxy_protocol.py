"""The visitor's address, by the PROXY protocol: towards the origin server, and from a load balancer in front."""

import http.client
import socket
import tempfile
import unittest

from faults import echo, exchange, visit
from origins import SocketOrigin
from proxies import haproxy, nginx_site, nginx_stream
from support import HOST, Tunnel, poll

VISITOR = "127.0.0.2"  # whom nobody else is


def heard(connection):
    """What came up to `hello`, which is answered with `bye`; what came at all if that is all."""
    seen = b""
    while not seen.endswith(b"hello"):
        piece = connection.recv(4096)
        if not piece:
            return seen
        seen += piece
    connection.sendall(b"bye")
    return seen


def ask(address, source=VISITOR):
    """The answer to GET /, and the port from which it was asked."""
    connection = http.client.HTTPConnection(*address, timeout=20, source_address=(source, 0))
    connection.request("GET", "/")
    port = connection.sock.getsockname()[1]
    text = connection.getresponse().read().decode()
    connection.close()
    return text.split(), port


class WithAFolder(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    @staticmethod
    def said(origin):
        """What the origin server heard from visitors; the check whether somebody listens is a connection too, without
        a word."""
        return poll(lambda: [text for text in origin.results if text.endswith(b"hello")], "a visitor was heard")


class TowardsTheOriginServer(WithAFolder):
    def test_nginx_behind_the_tunnel_knows_the_visitors_address_by_either_version(self):
        site, port = nginx_site(self.folder)
        with site:
            for version in ("v1", "v2"):
                with Tunnel((HOST, port), origin_flags=["--proxy-protocol", version]) as tunnel:
                    for _ in range(5):
                        answer, source = ask(tunnel.outside)
                        self.assertEqual(answer, [VISITOR, str(source), str(tunnel.outside[1])], version)

    def test_haproxy_behind_the_tunnel_knows_the_visitors_address_by_either_version(self):
        with SocketOrigin(echo) as origin:
            behind, port = haproxy(self.folder, origin.address, takes_header=True)
            with behind:
                for version in ("v1", "v2"):
                    with Tunnel((HOST, port), origin_flags=["--proxy-protocol", version]) as tunnel:
                        with visit(tunnel.outside) as visitor:
                            exchange(visitor)
                            source = visitor.getsockname()
                        behind.wait_line(rf"connection of {source[0]}:{source[1]}\b")

    def test_the_header_comes_once_and_what_a_visitor_says_that_looks_like_one_is_data(self):
        lie = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello"
        with SocketOrigin(heard) as origin, Tunnel(origin.address, origin_flags=["--proxy-protocol", "v1"]) as tunnel:
            with socket.create_connection(tunnel.outside, 20) as visitor:
                visitor.sendall(lie)
                self.assertEqual(visitor.recv(10), b"bye")
                here = visitor.getsockname()
            expected = f"PROXY TCP4 {here[0]} {tunnel.outside[0]} {here[1]} {tunnel.outside[1]}\r\n".encode() + lie
            self.assertEqual(self.said(origin), [expected])


class FromALoadBalancer(WithAFolder):
    def tunnel(self, origin, accepts):
        return Tunnel(origin.address, remote_flags=["--accept-proxy-from", accepts],
                      origin_flags=["--proxy-protocol", "v1"])

    def assert_known_through(self, balancer, port):
        """The visitor's address comes through to the origin server, and into the log."""
        with balancer, socket.create_connection((HOST, port), 20, source_address=(VISITOR, 0)) as visitor:
            visitor.sendall(b"hello")
            self.assertEqual(visitor.recv(10), b"bye")
            return visitor.getsockname()

    def test_haproxy_in_front_tells_who_the_visitor_is_by_either_version(self):
        for version in ("v1", "v2"):
            with SocketOrigin(heard) as origin, self.tunnel(origin, HOST) as tunnel:
                balancer, port = haproxy(self.folder, tunnel.outside, sends_header=version)
                here = self.assert_known_through(balancer, port)
                self.assertEqual(self.said(origin), [f"PROXY TCP4 {here[0]} {HOST} {here[1]} {port}\r\nhello".encode()])
                tunnel.wait_log(tunnel.remote, lambda line: line.get("visitor") == f"{here[0]}:{here[1]}")

    def test_nginx_in_front_tells_who_the_visitor_is(self):
        with SocketOrigin(heard) as origin, self.tunnel(origin, f"{HOST}/32") as tunnel:
            balancer, port = nginx_stream(self.folder, tunnel.outside)
            here = self.assert_known_through(balancer, port)
            self.assertEqual(self.said(origin), [f"PROXY TCP4 {here[0]} {HOST} {here[1]} {port}\r\nhello".encode()])

    def test_a_header_from_anybody_else_is_the_visitors_own_data(self):
        lie = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello"
        with SocketOrigin(heard) as origin, self.tunnel(origin, "192.0.2.0/24") as tunnel:
            with socket.create_connection(tunnel.outside, 20) as visitor:
                visitor.sendall(lie)
                self.assertEqual(visitor.recv(10), b"bye")
            self.assertTrue(self.said(origin)[0].endswith(b"\r\n" + lie), origin.results)

    def test_a_header_from_anybody_else_is_reset_where_it_is_to_be_and_all_else_is_served(self):
        flags = ["--accept-proxy-from", "192.0.2.0/24", "--foreign-proxy-header", "reset"]
        lies = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0hello"
        with SocketOrigin(heard) as origin, Tunnel(origin.address, remote_flags=flags) as tunnel:
            for lie in lies:
                with socket.create_connection(tunnel.outside, 20) as visitor:
                    visitor.sendall(lie)
                    with self.assertRaises(ConnectionResetError):
                        visitor.recv(10)
            with socket.create_connection(tunnel.outside, 20) as visitor:
                visitor.sendall(b"P")
                visitor.sendall(b"OST hello")
                self.assertEqual(visitor.recv(10), b"bye")
            self.assertEqual(self.said(origin), [b"POST hello"])
            tunnel.wait_log(tunnel.remote, lambda line: line.get("code") == "foreign_proxy_header")
        balanced = ["--accept-proxy-from", HOST, "--foreign-proxy-header", "reset"]
        with SocketOrigin(heard) as origin, Tunnel(origin.address, remote_flags=balanced) as tunnel:
            balancer, port = haproxy(self.folder, tunnel.outside, sends_header="v2")
            self.assert_known_through(balancer, port)

    def test_a_load_balancer_that_sends_no_header_is_reset_and_nobody_else_waits_for_it(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, remote_flags=["--accept-proxy-from", HOST]) as tunnel:
            with socket.create_connection(tunnel.outside, 20) as silent, \
                    socket.create_connection(tunnel.outside, 20) as chatty:
                chatty.sendall(b"GET / HTTP/1.1\r\n\r\n")
                with self.assertRaises(ConnectionResetError):
                    chatty.recv(1)
                with socket.create_connection(tunnel.outside, 20, source_address=(VISITOR, 0)) as visitor:
                    exchange(visitor)  # whom no header is asked for
                with self.assertRaises(ConnectionResetError):
                    silent.recv(1)
            tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "reset a connection of a load balancer")
