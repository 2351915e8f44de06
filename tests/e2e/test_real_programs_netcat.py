"""netcat through the tunnel: connections of which one side says first that it is done."""

import hashlib
import os
import unittest

from origins import SocketOrigin, sha256
from support import Tunnel, need, run

SIZE = 8 << 20


def received(connection):
    """Everything up to the end of the stream."""
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


class NetcatThroughTheTunnel(unittest.TestCase):
    def netcat(self, tunnel, *words, **options):
        host, port = tunnel.outside
        return run([need("nc"), *words, host, str(port)], text=False, **options)

    def test_a_visitor_that_is_done_sending_still_gets_the_answer(self):
        """nc -N shuts its sending side; the server, who only answers then, sees the end and is heard."""
        data = os.urandom(SIZE)
        with SocketOrigin(lambda connection: connection.sendall(sha256(received(connection)).encode())) as origin, \
                Tunnel(origin.address) as tunnel:
            answer = self.netcat(tunnel, "-N", input=data).stdout
            self.assertEqual(answer.decode(), sha256(data))
            self.assertEqual(origin.errors, [])
            for lines in tunnel.wait_visitors(1):
                self.assertEqual([(line["up"], line["down"]) for line in lines], [(SIZE, len(answer))])

    def test_the_last_bytes_of_a_server_that_closes_at_once_arrive(self):
        """A server that sends and closes without waiting: nc gets the whole of it, then the end of the stream."""
        data = os.urandom(SIZE)
        with SocketOrigin(lambda connection: connection.sendall(data)) as origin, Tunnel(origin.address) as tunnel:
            answer = self.netcat(tunnel, "-d").stdout
            self.assertEqual(hashlib.sha256(answer).hexdigest(), sha256(data))
            for lines in tunnel.wait_visitors(1):
                self.assertEqual([(line["up"], line["down"]) for line in lines], [(0, SIZE)])


if __name__ == "__main__":
    unittest.main()
