"""curl through the tunnel to an HTTP server."""

import concurrent.futures
import os
import tempfile
import unittest

from origins import HttpOrigin, file_sha256, sha256
from support import Tunnel, need, run, show_address

MIB = 1 << 20


def curl(*words):
    return run([need("curl"), "--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "50", *words])


class CurlThroughTheTunnel(unittest.TestCase):
    def test_a_download_of_64_MiB_arrives_unchanged(self):
        """What curl writes to disk has the checksum of what the origin server sent."""
        data = os.urandom(64 * MIB)
        with HttpOrigin({"big": data}) as origin, Tunnel(origin.address) as tunnel, \
                tempfile.TemporaryDirectory() as folder:
            target = os.path.join(folder, "big")
            curl("-o", target, f"http://{show_address(tunnel.outside)}/big")
            self.assertEqual(file_sha256(target), sha256(data))
            for (line, *others) in tunnel.wait_visitors(1):
                self.assertEqual(others, [])
                self.assertGreaterEqual(line["down"], len(data))

    def test_an_upload_of_64_MiB_arrives_unchanged(self):
        """What the origin server reads has the checksum of the file that curl sent."""
        data = os.urandom(64 * MIB)
        with HttpOrigin() as origin, Tunnel(origin.address) as tunnel, tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "big")
            with open(source, "wb") as file:
                file.write(data)
            curl("-T", source, f"http://{show_address(tunnel.outside)}/big")
            self.assertEqual(sha256(origin.files["big"]), sha256(data))
            for (line, *others) in tunnel.wait_visitors(1):
                self.assertEqual(others, [])
                self.assertGreaterEqual(line["up"], len(data))

    def test_parallel_downloads_and_uploads_do_not_mix(self):
        """Twelve curls at the same time, each with a content of its own, six in each direction."""
        contents = {f"file{n}": os.urandom(4 * MIB + n) for n in range(12)}
        down, up = list(contents)[:6], list(contents)[6:]
        with HttpOrigin({name: contents[name] for name in down}) as origin, Tunnel(origin.address) as tunnel, \
                tempfile.TemporaryDirectory() as folder:
            url = f"http://{show_address(tunnel.outside)}"
            for name in up:
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(contents[name])

            def transfer(name):
                path = os.path.join(folder, name)
                curl("-T" if name in up else "-o", path, f"{url}/{name}")
                self.assertEqual(file_sha256(path), sha256(contents[name]), name)
                self.assertEqual(sha256(origin.files[name]), sha256(contents[name]), name)

            with concurrent.futures.ThreadPoolExecutor(len(contents)) as pool:
                list(pool.map(transfer, contents))
            for lines in tunnel.wait_visitors(len(contents)):
                self.assertEqual(len({line["visitor"] for line in lines}), len(contents))

    def test_one_curl_sends_many_requests_over_one_connection(self):
        """HTTP keep-alive survives the tunnel: fifty requests, one visitor."""
        with HttpOrigin({"small": b"hello"}) as origin, Tunnel(origin.address) as tunnel:
            answer = curl(*[f"http://{show_address(tunnel.outside)}/small"] * 50)
            self.assertEqual(answer.stdout, "hello" * 50)
            for lines in tunnel.wait_visitors(1):
                self.assertEqual(len(lines), 1)
            self.assertEqual(len(origin.peers()), 1)


if __name__ == "__main__":
    unittest.main()
