"""Redis through the tunnel: redis-benchmark and redis-cli."""

import csv
import os
import tempfile
import unittest

from support import HOST, Program, Tunnel, free_port, need, run


class RedisThroughTheTunnel(unittest.TestCase):
    def setUp(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        port = free_port()
        self.enterContext(Program([need("redis-server"), "--bind", HOST, "--port", port, "--save", "", "--appendonly",
                                   "no", "--dir", folder])).wait_line("Ready to accept connections")
        self.address = (HOST, port)

    def client(self, program, address, *words, **options):
        host, port = address
        return run([need(program), "-h", host, "-p", str(port), *words], **options)

    def calls(self, command):
        """How often the server, asked directly, has run a command."""
        statistics = self.client("redis-cli", self.address, "INFO", "commandstats").stdout
        prefix = f"cmdstat_{command}:calls="
        return sum(int(line[len(prefix):].split(",")[0]) for line in statistics.splitlines()
                   if line.startswith(prefix))

    def benchmark(self, tunnel, requests, clients, *words):
        answer = self.client("redis-benchmark", tunnel.outside, "-n", str(requests), "-c", str(clients), "--csv",
                             "-t", "set,get", *words)
        rates = {row["test"]: float(row["rps"]) for row in csv.DictReader(answer.stdout.splitlines())}
        self.assertEqual(sorted(rates), ["GET", "SET"])
        self.assertGreater(min(rates.values()), 0)
        self.assertNotIn("rror", answer.stdout + answer.stderr)
        self.assertEqual((self.calls("set"), self.calls("get")), (requests, requests))

    def test_redis_benchmark_runs_without_an_error(self):
        """50 clients at once, a request and an answer at a time; the server counts every one of them."""
        with Tunnel(self.address) as tunnel:
            self.benchmark(tunnel, 2000, 50)
            tunnel.wait_visitors(100)

    def test_redis_benchmark_runs_with_pipelining(self):
        """Sixteen requests of a kilobyte on the wire at once on each connection."""
        with Tunnel(self.address) as tunnel:
            self.benchmark(tunnel, 10_000, 10, "-P", "16", "-d", "1024")
            tunnel.wait_visitors(20)

    def test_a_value_of_5_MB_is_stored_and_read_back(self):
        """SET from redis-cli's standard input, GET to its standard output: the same bytes, zeros and newlines too."""
        value = os.urandom(5_000_000)
        with Tunnel(self.address) as tunnel:
            answer = self.client("redis-cli", tunnel.outside, "-x", "SET", "big", input=value, text=False)
            self.assertEqual(answer.stdout.strip(), b"OK")
            length = self.client("redis-cli", self.address, "STRLEN", "big").stdout
            self.assertEqual(length.strip(), str(len(value)))
            back = self.client("redis-cli", tunnel.outside, "--raw", "GET", "big", text=False).stdout
            self.assertTrue(back == value + b"\n", "the value differs")
            for there_line, back_line in tunnel.wait_visitors(2):
                self.assertGreater(there_line["up"], len(value))
                self.assertGreater(back_line["down"], len(value))


if __name__ == "__main__":
    unittest.main()
