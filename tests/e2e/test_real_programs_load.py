"""iperf3 and wrk through the tunnel: sustained load, every byte and request accounted for."""

import json
import os
import re
import tempfile
import unittest

from origins import nginx
from support import HOST, Program, Tunnel, free_port, need, run

MIB = 1 << 20
# The iperf3 client tells the server to stop once it has sent everything, and what is still on its way then (in the
# buffers of six sockets) is not received. The tests with curl compare every byte.
MOST = 400 * MIB


class Iperf3ThroughTheTunnel(unittest.TestCase):
    def setUp(self):
        port = free_port()
        # Not wait_port(): iperf3 would take the probe for a client.
        self.enterContext(Program([need("iperf3"), "-s", "-B", HOST, "-p", port, "--forceflush"])).wait_line(
            "Server listening")
        self.address = (HOST, port)

    def measure(self, tunnel, *words):
        host, port = tunnel.outside
        answer = run([need("iperf3"), "-c", host, "-p", str(port), "-J", "--connect-timeout", "20000", *words],
                     check=False)
        report = json.loads(answer.stdout)
        self.assertNotIn("error", report)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        return report["end"]["sum_received"]["bytes"]

    def test_512_MiB_from_the_visitor_to_the_origin_server(self):
        """iperf3's server receives what its client was told to send."""
        with Tunnel(self.address) as tunnel:
            received = self.measure(tunnel, "-n", str(512 * MIB))
            self.assertGreater(received, MOST)
            for lines in tunnel.wait_visitors(2):  # its control connection and the one with the data
                self.assertEqual(len(lines), 2)
                self.assertGreaterEqual(max(line["up"] for line in lines), received)

    def test_512_MiB_from_the_origin_server_to_the_visitor(self):
        """The same with -R, where the server sends."""
        with Tunnel(self.address) as tunnel:
            received = self.measure(tunnel, "-R", "-n", str(512 * MIB))
            self.assertGreater(received, MOST)
            for lines in tunnel.wait_visitors(2):
                self.assertEqual(len(lines), 2)
                self.assertGreaterEqual(max(line["down"] for line in lines), received)

    def test_both_directions_at_the_same_time_on_four_connections_each(self):
        """--bidir: the connections share the way between the two programs, and all of them get through."""
        with Tunnel(self.address) as tunnel:
            received = self.measure(tunnel, "--bidir", "-P", "4", "-n", str(256 * MIB))
            self.assertGreater(received, 0)
            for lines in tunnel.wait_visitors(9):
                self.assertEqual(len(lines), 9)
                self.assertEqual(sum(line["up"] > MIB for line in lines), 4)
                self.assertEqual(sum(line["down"] > MIB for line in lines), 4)


class WrkThroughTheTunnel(unittest.TestCase):
    def test_two_seconds_of_requests_on_64_connections_have_no_error(self):
        """wrk sees no socket error and no answer but 200 from an nginx behind the tunnel."""
        wrk, connections = need("wrk"), 64
        content = os.urandom(16 * 1024)
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "page"), "wb") as file:
                file.write(content)
            server, port = nginx(folder, "nginx-origin.conf", ROOT=folder)
            with server, Tunnel((HOST, port)) as tunnel:
                host, outside = tunnel.outside
                report = run([wrk, "-t", "2", "-c", str(connections), "-d", "2s", "--timeout", "10s",
                              f"http://{host}:{outside}/page"]).stdout
                self.assertNotIn("Socket errors", report)
                self.assertNotIn("Non-2xx", report)
                requests = int(re.search(r"(\d+) requests in", report)[1])
                self.assertGreater(requests, connections)
                for lines in tunnel.wait_visitors(connections):
                    self.assertGreaterEqual(sum(line["down"] for line in lines), requests * len(content))


if __name__ == "__main__":
    unittest.main()
