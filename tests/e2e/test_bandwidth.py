"""Limits of bandwidth, with curl as the visitor and seconds of real time. That a rate is not exceeded holds on a
busy machine too; that it is reached to a few percent is only asked of bytes that two visitors got side by side."""

import contextlib
import http.server
import subprocess
import threading
import time
import unittest

from support import HOST, Tunnel

RATE = 2_000_000
FLAG = "2MB/s"
MEMORY = 0.05  # seconds' worth that may be caught up with at once


class Endless(http.server.BaseHTTPRequestHandler):
    """Sends without an end, and takes what it is sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"x" * 65536)

    def do_PUT(self):
        left = int(self.headers["Content-Length"])
        while left > 0:
            left -= len(self.rfile.read(min(left, 65536)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def web_server():
    server = http.server.ThreadingHTTPServer((HOST, 0), Endless)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address
    server.shutdown()
    server.server_close()


def download(outside, seconds):
    """A curl that stops after so long; it prints how many bytes it got."""
    return subprocess.Popen(["curl", "--silent", "--max-time", str(seconds), "--output", "/dev/null", "--write-out",
                             "%{size_download}", f"http://{outside[0]}:{outside[1]}/"],
                            stdout=subprocess.PIPE, text=True)


def size_of(curl):
    return int(curl.communicate(timeout=60)[0])


class Bandwidth(unittest.TestCase):
    def download(self, outside, seconds, visitors, rate=RATE):
        """What each of them got; together no more than the rate allows."""
        began = time.monotonic()
        curls = [download(outside, seconds) for _ in range(visitors)]
        sizes = [size_of(curl) for curl in curls]
        self.assertLessEqual(sum(sizes), rate * 1.02 * (time.monotonic() - began + MEMORY))
        self.assertGreaterEqual(sum(sizes), rate * seconds / 3)  # that anything came
        return sizes

    def test_two_downloads_share_the_limit_of_their_service_evenly(self):
        with web_server() as server, Tunnel(server, remote_flags=["--max-bandwidth-down", FLAG]) as tunnel:
            one, two = self.download(tunnel.outside, 4, 2)
            self.assertLess(max(one, two) / min(one, two), 1.6)  # they may not begin in the same instant

    def test_each_visitor_has_its_own_limit_and_that_of_the_origin_proxy_is_for_all(self):
        flags = ["--max-bandwidth-down-per-visitor", FLAG, "--max-bandwidth-down-per-origin", "4MB/s"]
        with web_server() as server, Tunnel(server, origin_flags=flags) as tunnel:
            self.download(tunnel.outside, 2, 1)
            self.download(tunnel.outside, 3, 4, 2 * RATE)

    def test_an_upload_keeps_its_limit_and_arrives_whole(self):
        with web_server() as server, Tunnel(server, remote_flags=["--max-bandwidth-up", FLAG]) as tunnel:
            size = 3_000_000
            began = time.monotonic()
            subprocess.run(["curl", "--silent", "--fail", "--max-time", "60", "--upload-file", "-",
                            "--header", f"Content-Length: {size}", "--header", "Expect:",
                            f"http://{tunnel.outside[0]}:{tunnel.outside[1]}/"],
                           input=b"x" * size, check=True, timeout=90)
            self.assertGreaterEqual(time.monotonic() - began, size / RATE * 0.98 - MEMORY)
