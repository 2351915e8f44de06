"""Origin servers that are looked at again and again, and who gets the visitors meanwhile."""

import contextlib
import http.client
import http.server
import threading
import unittest

from support import HOST, MACHINE, Tunnel, free_port, show_address
from test_commands import ask, rows
from test_management import Folder
from test_services import ByHand


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with self.server.owner.lock:
            self.server.owner.requests.append((self.path, self.headers["Host"]))
        body = self.server.owner.name
        self.send_response(self.server.owner.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Named:
    """An HTTP server that answers its name, with a status that the test sets."""

    def __init__(self, name, port=0):
        self.name, self.status, self.requests, self.lock = name, 200, [], threading.Lock()
        self._server = http.server.ThreadingHTTPServer((HOST, port), _Handler)
        self._server.daemon_threads, self._server.owner = True, self
        self.address = self._server.server_address[:2]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def get(address):
    """Status and body of one visit."""
    with contextlib.closing(http.client.HTTPConnection(*address, timeout=20)) as visitor:
        visitor.request("GET", "/")
        answer = visitor.getresponse()
        return answer.status, answer.read()


def unhealthy(line):
    return line["message"] == "an origin server is unhealthy"


def healthy_again(line):
    return line["message"] == "an origin server is healthy again"


class HealthChecks(ByHand):
    def two(self, roof, cellar, *checks):
        """The programs remote proxy, roof and cellar, and the outside address that both serve in turn."""
        path, files = self.secrets("roof", "cellar")
        config = f"{path}.config"
        with open(config, "w", encoding="ascii") as file:
            file.write(f'[services.web]\noutside-addr = "{HOST}:0"\nbalance = "round-robin"\n')
        remote, control, outside = self.remote("--secrets-file", path, "--config", config)
        origins = [self.origin(control, "--secret-file", files[name], "--health-check-interval", "50ms", *checks,
                               "--service", f"web={show_address(address)}")[0]
                   for name, address in (("roof", roof), ("cellar", cellar))]
        return remote, *origins, outside["web"]

    def changes(self, *programs):
        """How many lines of each log tell of a server that became unhealthy, and healthy again."""
        return [[sum(is_so(line) for line in Tunnel.log(program)) for is_so in (unhealthy, healthy_again)]
                for program in programs]

    def test_a_server_that_answers_503_gets_no_visitors_until_it_answers_200(self):
        with Named(b"roof") as roof, Named(b"cellar") as cellar:
            remote, at_roof, at_cellar, outside = self.two(roof.address, cellar.address, "--health-check", "http:/healthz")
            self.assertEqual({get(outside) for _ in range(10)}, {(200, b"roof"), (200, b"cellar")})
            roof.status = 503
            line = Tunnel.wait_log(remote, unhealthy)
            self.assertEqual((line["service"], line["name"], line["reason"]), ("web", f"roof/{MACHINE}", "it answers 503"))
            self.assertEqual({get(outside) for _ in range(50)}, {(200, b"cellar")})
            roof.status = 200
            Tunnel.wait_log(remote, healthy_again)
            self.assertEqual({get(outside) for _ in range(10)}, {(200, b"roof"), (200, b"cellar")})
            self.assertEqual(self.changes(remote, at_roof, at_cellar), [[1, 1], [1, 1], [0, 0]])
            checks = [request for request in roof.requests if request[0] == "/healthz"]
            self.assertEqual(set(checks), {("/healthz", show_address(roof.address))})

    def test_a_server_that_goes_and_comes_back_costs_no_visitor_anything(self):
        port = free_port()
        with Named(b"cellar") as cellar:
            with Named(b"roof", port):
                remote, at_roof, _, outside = self.two((HOST, port), cellar.address, "--health-check", "tcp")
                self.assertEqual({get(outside) for _ in range(10)}, {(200, b"roof"), (200, b"cellar")})
            for _ in range(50):  # before it is noticed, and after
                self.assertEqual(get(outside), (200, b"cellar"))
            line = Tunnel.wait_log(remote, unhealthy)
            self.assertEqual(line["reason"], "Connection refused")
            with Named(b"roof", port):
                Tunnel.wait_log(remote, healthy_again)
                self.assertEqual({get(outside) for _ in range(10)}, {(200, b"roof"), (200, b"cellar")})
                self.assertEqual(self.changes(remote, at_roof), [[1, 1], [1, 1]])

    def test_the_only_server_is_visited_although_its_checks_fail(self):
        with Named(b"alone") as server:
            server.status = 500
            with Tunnel(server.address, origin_flags=["--health-check", "http", "--health-check-interval", "20ms"],
                        trust="none") as tunnel:
                for program in (tunnel.remote, tunnel.origin):
                    tunnel.wait_log(program, unhealthy)
                self.assertEqual(get(tunnel.outside), (500, b"alone"))

    def test_the_status_of_the_origin_proxy_shows_the_health_of_each_server(self):
        with Named(b"alone") as server, Folder() as folder:
            where = folder.socket("own")
            with Tunnel(server.address, origin_flags=["--management-addr", where, "--health-check", "http",
                                                      "--health-check-interval", "20ms"], trust="none") as tunnel:
                self.assertEqual(rows(ask("origin-proxy", "status", "--management-addr", where), "SERVICE")[0]["HEALTH"],
                                 "healthy")
                server.status = 500
                tunnel.wait_log(tunnel.origin, unhealthy)
                self.assertEqual(rows(ask("origin-proxy", "status", "--management-addr", where), "SERVICE")[0]["HEALTH"],
                                 "unhealthy")


if __name__ == "__main__":
    unittest.main()
