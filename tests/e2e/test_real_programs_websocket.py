"""WebSockets through the tunnel, directly and behind nginx and Caddy."""

import asyncio
import os
import socket
import ssl
import tempfile
import unittest

from origins import caddy_front, nginx_front
from support import HOST, Tunnel, missing, show_address

try:
    import websockets
except ImportError:
    websockets = None

SIZES = (0, 1, 125, 126, 65535, 65536, 1 << 20)  # where the format of a frame's length changes, and up to 1 MiB
NAME = "app.example.test"


async def echo(connection, *_):
    async for message in connection:
        await connection.send(message)


class WebSocketsThroughTheTunnel(unittest.TestCase):
    def setUp(self):
        if websockets is None:
            missing("python3-websockets")
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.listener = self.enterContext(socket.create_server((HOST, 0)))
        self.address = self.listener.getsockname()

    def talk(self, uri, conversation, *, serve=echo, **options):
        """Run the server and one client in the same event loop, with a deadline for all of it."""
        # Compression would leave next to nothing of the text messages on the wire.
        plain = {"compression": None, "max_size": max(SIZES)}

        async def both():
            async with websockets.serve(serve, sock=self.listener.dup(), **plain):
                async with websockets.connect(uri, open_timeout=20, **plain, **options) as connection:
                    return await conversation(connection)
        return asyncio.run(asyncio.wait_for(both(), 40))

    async def exchange(self, connection):
        """Text and binary messages one by one, many on the wire at once, and a ping of ours."""
        for size in SIZES:
            for message in (os.urandom(size), "é" * (size // 2)):
                await connection.send(message)
                answer = await connection.recv()
                self.assertIs(type(answer), type(message))
                self.assertTrue(answer == message, f"a {type(message).__name__} of {size} bytes differs")
        numbers = [str(n) for n in range(500)]

        async def send_all():
            for number in numbers:
                await connection.send(number)
        sending = asyncio.create_task(send_all())
        self.assertEqual([await connection.recv() for _ in numbers], numbers)
        await sending
        await (await connection.ping(b"are you there"))

    def test_text_and_binary_messages_up_to_1_MiB_are_echoed(self):
        """Every message comes back as it was, of its own kind and in order, and pings are answered."""
        with Tunnel(self.address) as tunnel:
            self.talk(f"ws://{show_address(tunnel.outside)}/", self.exchange)
            for lines in tunnel.wait_visitors(1):
                self.assertEqual(len(lines), 1)
                self.assertGreater(min(lines[0]["up"], lines[0]["down"]), 2 << 20)

    def test_the_pings_of_the_server_are_answered_and_its_close_code_arrives(self):
        """The server pings, gets its pong, and closes with a code and reason which the client then sees."""
        async def ping_and_close(connection, *_):
            await (await connection.ping())
            await connection.close(4001, "seen enough")

        async def wait_for_the_end(connection):
            await connection.wait_closed()
            return connection.close_code, connection.close_reason

        with Tunnel(self.address) as tunnel:
            end = self.talk(f"ws://{show_address(tunnel.outside)}/", wait_for_the_end, serve=ping_and_close)
            self.assertEqual(end, (4001, "seen enough"))
            tunnel.wait_visitors(1)

    def test_messages_are_echoed_behind_nginx(self):
        """The upgrade headers in conf/nginx-site.conf let a WebSocket pass."""
        with Tunnel(self.address) as tunnel:
            front, port = nginx_front(self.folder, tunnel.outside)
            with front:
                self.talk(f"ws://{HOST}:{port}/", self.exchange)
            tunnel.wait_visitors(1)

    def test_messages_are_echoed_behind_caddy_over_https(self):
        """conf/Caddyfile needs no setting for a WebSocket; the client checks the certificate."""
        with Tunnel(self.address) as tunnel:
            front, port, root = caddy_front(self.folder, tunnel.outside, NAME)
            with front:
                self.talk(f"wss://{NAME}:{port}/", self.exchange, host=HOST, server_hostname=NAME,
                          ssl=ssl.create_default_context(cafile=root))
            tunnel.wait_visitors(1)


if __name__ == "__main__":
    unittest.main()
