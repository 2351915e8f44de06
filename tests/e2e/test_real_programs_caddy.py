"""Caddy in front of the remote proxy with HTTPS, configured as docs/https.md shows (conf/Caddyfile)."""

import os
import tempfile
import unittest

from origins import HttpOrigin, caddy_front, file_sha256, sha256
from support import HOST, Tunnel, need, run

MIB = 1 << 20
NAME = "app.example.test"
VISITOR = "127.0.0.2"  # not the address of Caddy, so that the header tells them apart


class CaddyInFront(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def curl(self, port, *words, check=True):
        """curl that knows where NAME lives, and trusts no certificate authority unless told."""
        return run([need("curl"), "--silent", "--show-error", "--fail", "--noproxy", "*", "--interface", VISITOR,
                    "--resolve", f"{NAME}:{port}:{HOST}", "--max-time", "30", *words], check=check)

    def test_https_is_ended_by_caddy_and_the_origin_server_learns_who_asked(self):
        """The certificate is valid for the name, and X-Forwarded-For, -Proto and -Host arrive."""
        with HttpOrigin({"": b"home"}) as origin, Tunnel(origin.address) as tunnel:
            front, port, root = caddy_front(self.folder, tunnel.outside, NAME)
            with front:
                url = f"https://{NAME}:{port}/"
                answer = self.curl(port, "--cacert", root, "-w", " %{ssl_verify_result} %{http_version}", url)
                self.assertEqual(answer.stdout, "home 0 2")
                # Proves that the line above did check the certificate.
                self.assertEqual(self.curl(port, url, check=False).returncode, 60)
            self.assertEqual(len(origin.requests), 1)
            headers = origin.requests[0]["headers"]
            self.assertEqual(headers["X-Forwarded-For"], VISITOR)
            self.assertEqual(headers["X-Forwarded-Proto"], "https")
            self.assertEqual(headers["X-Forwarded-Host"], f"{NAME}:{port}")
            tunnel.wait_visitors(1)

    def test_large_bodies_pass_in_both_directions(self):
        """32 MiB up and the same 32 MiB down again, over HTTPS."""
        source, target = (os.path.join(self.folder, name) for name in ("source", "target"))
        with open(source, "wb") as file:
            file.write(os.urandom(32 * MIB))
        with HttpOrigin() as origin, Tunnel(origin.address) as tunnel:
            front, port, root = caddy_front(self.folder, tunnel.outside, NAME)
            with front:
                self.curl(port, "--cacert", root, "-T", source, f"https://{NAME}:{port}/big")
                self.assertEqual(sha256(origin.files["big"]), file_sha256(source))
                self.curl(port, "--cacert", root, "-o", target, f"https://{NAME}:{port}/big")
                self.assertEqual(file_sha256(target), file_sha256(source))
            for lines in tunnel.wait_visitors(1):
                self.assertGreaterEqual(sum(line["up"] for line in lines), 32 * MIB)
                self.assertGreaterEqual(sum(line["down"] for line in lines), 32 * MIB)

    def test_many_requests_share_few_connections_through_the_tunnel(self):
        """200 requests on one HTTPS connection: right bodies, and upstream keep-alive instead of 200 visitors."""
        files = {f"{n}": f"content {n}\n".encode() for n in range(200)}
        with HttpOrigin(files) as origin, Tunnel(origin.address) as tunnel:
            front, port, root = caddy_front(self.folder, tunnel.outside, NAME)
            with front:
                answer = self.curl(port, "--cacert", root, f"https://{NAME}:{port}/[0-199]")
                self.assertEqual(answer.stdout.encode(), b"".join(files.values()))
            self.assertEqual(len(origin.requests), len(files))
            self.assertLessEqual(len(origin.peers()), 4)
            tunnel.wait_visitors(len(origin.peers()))


if __name__ == "__main__":
    unittest.main()
