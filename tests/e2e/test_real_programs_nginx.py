"""nginx in front of the remote proxy, configured as docs/https.md shows (conf/nginx-site.conf)."""

import concurrent.futures
import contextlib
import http.client
import os
import tempfile
import unittest

from origins import HttpOrigin, nginx_front, sha256
from support import HOST, Tunnel

MIB = 1 << 20
VISITOR = "127.0.0.2"  # not the address of nginx, so that the header tells them apart


def connect(port):
    return http.client.HTTPConnection(HOST, port, timeout=20, source_address=(VISITOR, 0))


def ask(connection, method, path, body=None):
    connection.request(method, path, body)
    answer = connection.getresponse()
    return answer.status, answer.read()


def get_once(port, path):
    with contextlib.closing(connect(port)) as connection:
        return ask(connection, "GET", path)


class NginxInFront(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def test_many_requests_share_few_connections_through_the_tunnel(self):
        """400 requests by four clients at once: right bodies, and upstream keep-alive instead of 400 visitors."""
        clients, requests = 4, 100
        files = {f"{n}": os.urandom(1000 + 97 * n) for n in range(requests)}
        with HttpOrigin(files) as origin, Tunnel(origin.address) as tunnel:
            front, port = nginx_front(self.folder, tunnel.outside)

            def client(_):
                connection = connect(port)
                for name, content in files.items():
                    status, body = ask(connection, "GET", f"/{name}")
                    self.assertEqual((status, sha256(body)), (200, sha256(content)), name)
                connection.close()

            with front:
                with concurrent.futures.ThreadPoolExecutor(clients) as pool:
                    list(pool.map(client, range(clients)))
            self.assertEqual(len(origin.requests), clients * requests)
            self.assertLessEqual(len(origin.peers()), 2 * clients)
            for lines in tunnel.wait_visitors(len(origin.peers())):
                self.assertGreater(sum(line["down"] for line in lines), clients * sum(map(len, files.values())))

    def test_the_origin_server_learns_who_the_visitor_is(self):
        """X-Forwarded-For and -Proto tell the visitor's address and scheme, and Host is the one the visitor asked."""
        with HttpOrigin({"": b"home"}) as origin, Tunnel(origin.address) as tunnel:
            front, port = nginx_front(self.folder, tunnel.outside)
            with front:
                self.assertEqual(get_once(port, "/"), (200, b"home"))
            headers = origin.requests[0]["headers"]
            self.assertEqual(headers["X-Forwarded-For"], VISITOR)
            self.assertEqual(headers["X-Forwarded-Proto"], "http")
            self.assertEqual(headers["Host"], f"{HOST}:{port}")
            tunnel.wait_visitors(1)

    def test_large_bodies_pass_in_both_directions(self):
        """32 MiB up, larger than nginx allows unless told, and the same 32 MiB down again."""
        data = os.urandom(32 * MIB)
        with HttpOrigin() as origin, Tunnel(origin.address) as tunnel:
            front, port = nginx_front(self.folder, tunnel.outside)
            with front:
                connection = connect(port)
                self.assertEqual(ask(connection, "PUT", "/big", data), (201, b""))
                self.assertEqual(sha256(origin.files["big"]), sha256(data))
                status, body = ask(connection, "GET", "/big")
                self.assertEqual((status, sha256(body)), (200, sha256(data)))
                connection.close()
            for lines in tunnel.wait_visitors(1):
                self.assertGreaterEqual(sum(line["up"] for line in lines), len(data))
                self.assertGreaterEqual(sum(line["down"] for line in lines), len(data))

    def test_nginx_answers_502_until_an_origin_proxy_has_logged_in(self):
        """Before that the outside port refuses, which nginx turns into an answer at once; after it all is well."""
        with HttpOrigin({"": b"home"}) as origin, Tunnel(origin.address, start=False) as tunnel:
            tunnel.start_remote()
            front, port = nginx_front(self.folder, tunnel.outside)
            with front:
                self.assertEqual(get_once(port, "/")[0], 502)
                tunnel.start_origin()
                self.assertEqual(get_once(port, "/"), (200, b"home"))
            tunnel.wait_visitors(1)


if __name__ == "__main__":
    unittest.main()
