"""WebSockets by Host: a tunnel begins when the server says 101, and not before."""

import asyncio
import http
import os
import socket
import unittest

from faults import visit
from fronts import authority
from http_fronts import AtHttp, HttpServer, HttpVisitor, request, response
from origins import SocketOrigin
from support import HOST, missing, poll

try:
    import websockets
except ImportError:
    websockets = None

SIZES = (0, 1, 125, 126, 65535, 65536, 1 << 20)  # where the format of a frame's length changes, and up to 1 MiB
UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


async def echo(connection, *_):
    async for message in connection:
        await connection.send(message)


class Real(AtHttp):
    """The package `websockets` at both ends."""

    def setUp(self):
        super().setUp()
        if websockets is None:
            missing("python3-websockets")
        self.certificate("*.example.com")
        self.open()
        self.listener = self.enterContext(socket.create_server((HOST, 0)))

        class Server:
            address = self.listener.getsockname()
        self.program = self.offering("A", ("app", Server, "http://app"), ("ended", Server, "https://ended"))

    def uri(self, scheme):
        """With the options by which the name leads here."""
        host, port = self.http if scheme == "ws" else self.https
        name = "app.example.com" if scheme == "ws" else "ended.example.com"
        options = {"host": host, "port": port}
        if scheme == "wss":
            options |= {"ssl": authority().trusting(), "server_hostname": name}
        return f"{scheme}://{name}:{port}/", options

    def talk(self, conversation, *, schemes=("ws", "wss"), serve=echo, **server_options):
        plain = {"compression": None, "max_size": max(SIZES)}

        async def both(scheme):
            uri, options = self.uri(scheme)
            async with websockets.serve(serve, sock=self.listener.dup(), **plain, **server_options):
                await conversation(lambda: websockets.connect(uri, open_timeout=20, **plain, **options))
        for scheme in schemes:
            with self.subTest(scheme):
                asyncio.run(asyncio.wait_for(both(scheme), 60))

    def test_messages_of_all_sizes_are_echoed_and_pings_answered(self):
        async def exchange(connect):
            async with connect() as connection:
                for size in SIZES:
                    for message in (os.urandom(size), "é" * (size // 2)):
                        await connection.send(message)
                        answer = await connection.recv()
                        self.assertIs(type(answer), type(message))
                        self.assertTrue(answer == message, f"a {type(message).__name__} of {size} bytes differs")
                numbers = [str(n) for n in range(500)]
                sending = asyncio.create_task(self._send_all(connection, numbers))
                self.assertEqual([await connection.recv() for _ in numbers], numbers)
                await sending
                await (await connection.ping(b"are you there"))
        self.talk(exchange)

    @staticmethod
    async def _send_all(connection, messages):
        for message in messages:
            await connection.send(message)

    def test_close_codes_arrive_in_both_directions(self):
        ended = []

        async def close_after_ping(connection, *_):
            if await connection.recv() == "you":
                await (await connection.ping())
                await connection.close(4001, "seen enough")
            else:
                await connection.wait_closed()
                ended.append((connection.close_code, connection.close_reason))

        async def see(connect):
            async with connect() as connection:
                await connection.send("you")
                await connection.wait_closed()
                self.assertEqual((connection.close_code, connection.close_reason), (4001, "seen enough"))
            async with connect() as connection:
                await connection.send("I")
                await connection.close(4002, "enough for me")
            while not ended:
                await asyncio.sleep(0.01)
            self.assertEqual(ended.pop(), (4002, "enough for me"))
        self.talk(see, serve=close_after_ping)

    def test_100_at_once_are_told_apart(self):
        async def many(connect):
            async def one(number):
                async with connect() as connection:
                    for turn in range(10):
                        await connection.send(f"{number}/{turn}")
                        self.assertEqual(await connection.recv(), f"{number}/{turn}")
                        await asyncio.sleep(0)
            await asyncio.gather(*(one(number) for number in range(100)))
        self.talk(many)

    def test_one_that_is_silent_stays_and_serves_afterwards(self):
        async def wait(connect):
            async with connect() as connection:
                await connection.send("before")
                self.assertEqual(await connection.recv(), "before")
                await asyncio.sleep(15)  # longer than every wait for a head
                await connection.send("after")
                self.assertEqual(await connection.recv(), "after")
        self.talk(wait, schemes=("ws",), ping_interval=None)

    def test_a_server_that_refuses_the_handshake_is_heard(self):
        async def refuse(*_):
            return http.HTTPStatus.FORBIDDEN, [("X-Why", "no")], b"not you\n"

        async def see(connect):
            with self.assertRaises(websockets.InvalidStatusCode) as raised:
                async with connect():
                    pass
            self.assertEqual(raised.exception.status_code, 403)
        self.talk(see, process_request=refuse)

    def test_one_of_an_origin_proxy_that_stops_goes_on_within_the_grace_period(self):
        async def stop(connect):
            async with connect() as connection:
                await connection.send("before")
                await connection.recv()
                self.program.send_signal(15)
                await asyncio.sleep(0.5)
                await connection.send("after")
                self.assertEqual(await connection.recv(), "after")
            await asyncio.get_running_loop().run_in_executor(None, lambda: self.program.wait_exit(code=0))
        self.talk(stop, schemes=("ws",))


class ByHand(AtHttp):
    def raw_server(self, answer):
        """Says this to the first head, and then echoes; what came behind the head is echoed too."""
        def serve(connection):
            said = b""
            while b"\r\n\r\n" not in said:
                said += connection.recv(1000)
            head, _, rest = said.partition(b"\r\n\r\n")
            connection.sendall(answer + rest)
            while piece := connection.recv(1000):
                connection.sendall(piece)
            return head
        server = self.enterContext(SocketOrigin(serve))
        self.offering("A", ("app", server, "http://app"))
        return server

    def test_after_101_every_byte_passes_in_both_directions_and_ends_one_by_one(self):
        self.open()
        server = self.raw_server(SWITCHED + b"at once")
        visitor = self.visitor()
        visitor.say(request("app.example.com", "/", "GET", *UPGRADE))
        answer = visitor.answer()
        self.assertEqual((answer.status, answer.get("upgrade"), answer.get("connection").lower()),
                         (101, "websocket", "upgrade"))
        self.assertEqual(visitor.reader.take(7), b"at once")
        said = bytes(range(256)) + request("other.example.com") + b"\r\n\n\0" + os.urandom(100_000)
        visitor.say(said)
        self.assertEqual(visitor.reader.take(len(said)), said)
        visitor.connection.shutdown(socket.SHUT_WR)
        self.assertTrue(visitor.is_at_end())
        head = poll(lambda: server.results and server.results[0], "the server sees the end").lower()
        self.assertIn(b"\r\nupgrade: websocket", head)
        self.assertIn(b"\r\nconnection: upgrade", head)
        self.assertIn(b"\r\nsec-websocket-key: dghlihnhbxbszsbub25jzq==", head)

    def test_bytes_that_came_before_the_101_are_passed_on_after_it(self):
        self.open()
        self.raw_server(SWITCHED)
        visitor = self.visitor()
        visitor.say(request("app.example.com", "/", "GET", *UPGRADE) + b"early")
        self.assertEqual(visitor.answer().status, 101)
        self.assertEqual(visitor.reader.take(5), b"early")

    def test_without_a_101_the_connection_goes_on_as_http(self):
        """Whatever the server answers instead; and the next request may have another Host."""
        self.open()
        for status in ("200 OK", "400 Bad Request", "403 Forbidden", "426 Upgrade Required", "503 Service Unavailable"):
            with self.subTest(status):
                server = HttpServer(lambda asked, connection, status=status: response(asked.target, status))
                self.enterContext(server)
                program = self.offering("A", ("app", server, "http://app"), ("other", server, "http://other"))
                visitor = self.visitor()
                visitor.say(request("app.example.com", "/upgrade", "GET", *UPGRADE) +
                            request("other.example.com", "/next"))
                first, second = visitor.answer(), visitor.answer()
                self.assertEqual((first.status, first.word, second.word), (int(status[:3]), "/upgrade", "/next"))
                self.assertEqual(server.requests[1].get("host"), "other.example.com")
                self.end(program)

    def test_a_101_that_nobody_asked_for_is_a_502(self):
        self.open()
        self.raw_server(SWITCHED)
        visitor = self.visitor()
        self.assertEqual(visitor.ask("app.example.com").status, 502)

    def test_a_connection_that_was_upgraded_is_nobody_elses(self):
        self.open()
        server = self.raw_server(SWITCHED)
        for _ in range(5):
            with HttpVisitor(visit(self.http)) as visitor:
                visitor.say(request("app.example.com", "/", "GET", *UPGRADE))
                self.assertEqual(visitor.answer().status, 101)
                visitor.say(b"secret")
                self.assertEqual(visitor.reader.take(6), b"secret")
        poll(lambda: len(server.results) == 5, "each had its own connection")

    def test_an_upgrade_behind_other_requests_of_a_connection_is_one(self):
        self.open()

        def serve(asked, connection):
            if not asked.all("upgrade"):
                return response("plain")
            connection.sendall(SWITCHED)
            while piece := connection.recv(1000):
                connection.sendall(piece)
            return False
        self.serve(serve)
        visitor = self.visitor()
        for _ in range(3):
            self.assertEqual(visitor.ask("app.example.com").word, "plain")
        visitor.say(request("app.example.com", "/", "GET", *UPGRADE))
        self.assertEqual(visitor.answer().status, 101)
        visitor.say(b"hello")
        self.assertEqual(visitor.reader.take(5), b"hello")

    def test_a_service_with_a_login_asks_for_it_before_an_upgrade(self):
        self.open()
        path = self.write("users", "alice:$2y$04$abcdefghijklmnopqrstuuPGZ4yUC5b0wXYvJtVmYq2b7uWvL4n8S\n")
        server = self.serve(flags=["--basic-auth-file", path])
        visitor = self.visitor()
        visitor.say(request("app.example.com", "/", "GET", *UPGRADE))
        self.assertEqual(visitor.answer().status, 401)
        self.assertEqual(server.requests, [])


if __name__ == "__main__":
    unittest.main()
