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
    """A curl that stops after so long; its result is bytes and seconds."""
    return subprocess.Popen(["curl", "--silent", "--max-time", str(seconds), "--output", "/dev/null", "--write-out",
                             "%{size_download} %{time_total} %{time_starttransfer}", f"http://{outside[0]}:{outside[1]}/"],
                            stdout=subprocess.PIPE, text=True)


def result(curl):
    size, total, first = curl.communicate(timeout=60)[0].split()
    return int(size), float(total) - float(first)


class Bandwidth(unittest.TestCase):
    def assert_kept(self, size, seconds, rate=RATE):
        self.assertLessEqual(size, rate * 1.02 * (seconds + MEMORY + 0.05))  # and curl's own clock
        self.assertGreaterEqual(size, rate * seconds / 3)  # that anything came

    def test_two_downloads_share_the_limit_of_their_service_evenly(self):
        with web_server() as server, Tunnel(server, remote_flags=["--max-bandwidth-down", FLAG]) as tunnel:
            curls = [download(tunnel.outside, 4) for _ in range(2)]
            (one, seconds), (two, _) = map(result, curls)
            self.assert_kept(one + two, seconds + 0.1)
            self.assertLess(max(one, two) / min(one, two), 1.6)  # they may not begin in the same instant

    def test_each_visitor_has_its_own_limit_and_that_of_the_origin_proxy_is_for_all(self):
        flags = ["--max-bandwidth-down-per-visitor", FLAG, "--max-bandwidth-down-per-origin", "4MB/s"]
        with web_server() as server, Tunnel(server, origin_flags=flags) as tunnel:
            size, seconds = result(download(tunnel.outside, 2))
            self.assert_kept(size, seconds)
            curls = [download(tunnel.outside, 3) for _ in range(4)]
            sizes, times = zip(*map(result, curls))
            self.assert_kept(sum(sizes), max(times) + 0.1, 2 * RATE)

    def test_an_upload_keeps_its_limit_and_arrives_whole(self):
        with web_server() as server, Tunnel(server, remote_flags=["--max-bandwidth-up", FLAG]) as tunnel:
            size = 3_000_000
            began = time.monotonic()
            subprocess.run(["curl", "--silent", "--fail", "--max-time", "60", "--upload-file", "-",
                            "--header", f"Content-Length: {size}", "--header", "Expect:",
                            f"http://{tunnel.outside[0]}:{tunnel.outside[1]}/"],
                           input=b"x" * size, check=True, timeout=90)
            self.assertGreaterEqual(time.monotonic() - began, size / RATE * 0.98 - MEMORY)
