"""The management interface over TLS, with and without certificates of clients, asked by curl."""

import re
import signal
import socket
import ssl
import time
import unittest

from faults import HEARTBEATS, echo, serves, wait_served
from origins import SocketOrigin
from support import HOST, Tunnel, binary, need, run
from test_management import Folder, address_of, bearer
from trust import folder, make_certificates

TOKEN = "a-token-for-the-tests-over-tls"


def curl(address, path, files, *flags):
    """Status and body that it answers over TLS; the exit code of curl and what it said, if there is no answer."""
    done = run([need("curl"), "-sS", "--max-time", "20", "-w", "\n%{http_code}", "--cacert", files.ca, *flags,
                f"https://{address}{path}"], check=False)
    if done.returncode != 0:
        return done.returncode, done.stderr
    body, _, code = done.stdout.rpartition("\n")
    return int(code), body


def own(files):
    return ("--cert", files.client, "--key", files.client_key)


class OverTls(unittest.TestCase):
    trust = ()

    def setUp(self):
        self.files = make_certificates(folder(self.id()), HOST, "localhost")
        self.flags = ["--management-tls-cert", self.files.server, "--management-tls-key", self.files.server_key]

    def tunnel(self, origin, *flags):
        return Tunnel(origin.address, remote_flags=["--management-addr", f"{HOST}:0", *self.flags, *flags, *HEARTBEATS],
                      origin_flags=HEARTBEATS)

    def test_it_answers_over_tls_alone_and_whoever_says_nothing_keeps_nobody_waiting(self):
        with SocketOrigin(echo) as origin, self.tunnel(origin) as tunnel:
            wait_served(tunnel.outside)
            where = address_of(tunnel, tunnel.remote)
            host, port = where.rsplit(":", 1)
            silent = [socket.create_connection((host, int(port)), timeout=10) for _ in range(5)]
            self.assertEqual(curl(where, "/ping", self.files), (200, "pong"))
            code, status = curl(where, "/v1/status", self.files)
            self.assertEqual(code, 200)
            self.assertIn('"program":"remote-proxy"', status)
            plain = run([need("curl"), "-sS", "--max-time", "20", f"http://{where}/ping"], check=False)
            self.assertNotEqual(plain.returncode, 0)
            self.assertEqual(curl(where, "/ping", self.files), (200, "pong"))
            for each in silent:
                each.close()
            self.assertTrue(serves(tunnel.outside))

    def test_without_a_certificate_of_the_authority_a_client_gets_nothing(self):
        strangers = make_certificates(folder(self.id() + ".strangers"), HOST)
        with SocketOrigin(echo) as origin, \
                self.tunnel(origin, "--management-tls-client-ca", self.files.ca) as tunnel:
            where = address_of(tunnel, tunnel.remote)
            self.assertEqual(curl(where, "/ping", self.files, *own(self.files)), (200, "pong"))
            json = ("-X", "POST", "-H", "Content-Type: application/json")
            code, _ = curl(where, "/v1/services/default/drain", self.files, *json, *own(self.files))
            self.assertEqual(code, 200)
            self.assertNotEqual(curl(where, "/ping", self.files)[0], 200)
            self.assertNotEqual(curl(where, "/ping", self.files, *own(strangers))[0], 200)

    def test_a_certificate_and_a_token_can_both_be_asked_for(self):
        with SocketOrigin(echo) as origin, Folder() as tokens:
            token = tokens.file("token", TOKEN)
            with self.tunnel(origin, "--management-tls-client-ca", self.files.ca,
                             "--management-token-file", token) as tunnel:
                where = address_of(tunnel, tunnel.remote)
                self.assertEqual(curl(where, "/ping", self.files, *own(self.files))[0], 401)
                self.assertEqual(curl(where, "/ping", self.files, *own(self.files), *bearer(TOKEN))[0], 200)

    def test_a_renewed_certificate_is_shown_after_a_reload_and_a_broken_one_is_not(self):
        with SocketOrigin(echo) as origin, self.tunnel(origin) as tunnel:
            where = address_of(tunnel, tunnel.remote)
            host, port = where.rsplit(":", 1)

            def shown():
                return ssl.get_server_certificate((host, int(port)))

            first = shown()
            with open(self.files.server, encoding="ascii") as file:
                good = file.read()
            with open(self.files.server, "w", encoding="ascii") as file:
                file.write("no certificate\n")
            code, problem = curl(where, "/v1/reload", self.files, "-X", "POST", "-H", "Content-Type: application/json")
            self.assertEqual(code, 422)
            self.assertIn(self.files.server, problem)
            self.assertEqual(shown(), first)
            with open(self.files.server, "w", encoding="ascii") as file:
                file.write(good)
            make_certificates(self.files.server.rsplit("/", 1)[0], HOST, "localhost", renew=True)
            code, _ = curl(where, "/v1/reload", self.files, "-X", "POST", "-H", "Content-Type: application/json")
            self.assertEqual(code, 200)
            self.assertNotEqual(shown(), first)
            _, told = curl(where, "/metrics", self.files)
            for result in ("success", "failure"):
                self.assertIn(f'tunnel_reloads_total{{result="{result}"}} 1\n', told)
            expires, = re.findall(rf'tunnel_certificate_expiry_timestamp_seconds{{file="{self.files.server}"}} (\d+)', told)
            self.assertGreater(int(expires), time.time())

    def test_a_certificate_that_expires_soon_is_warned_of_when_it_is_loaded(self):
        run([need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-subj", "/CN=soon", "-days", "1", "-keyout", self.files.server_key, "-out", self.files.server])
        with SocketOrigin(echo) as origin, self.tunnel(origin) as tunnel:
            wait_served(tunnel.outside)
            self.assertEqual([line for line in tunnel.log(tunnel.remote) if "concern" in line], [])
            run([need("openssl"), "x509", "-in", self.files.server, "-signkey", self.files.server_key, "-days", "-1",
                 "-out", self.files.server])
            tunnel.remote.send_signal(signal.SIGHUP)
            warning = tunnel.wait_log(tunnel.remote, lambda line: "concern" in line)
            self.assertEqual((warning["level"], warning["file"]), ("warn", self.files.server))
            self.assertIn("expired", warning["concern"])

    def test_all_addresses_are_for_those_with_a_certificate_or_a_token(self):
        refused = run([binary("remote-proxy"), "--control-addr", f"{HOST}:0", "--outside-addr", f"{HOST}:0",
                       "--management-addr", "0.0.0.0:0", *self.flags], check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--management-tls-client-ca", refused.stderr)
        for flags in (["--management-tls-client-ca", self.files.ca], ["--management-tls-cert", self.files.server]):
            wrong = run([binary("remote-proxy"), "--control-addr", f"{HOST}:0", "--outside-addr", f"{HOST}:0",
                         "--management-addr", f"{HOST}:0", *flags], check=False)
            self.assertEqual(wrong.returncode, 2)
            self.assertIn("--management-tls-key", wrong.stderr)
        at_a_file = run([binary("remote-proxy"), "--control-addr", f"{HOST}:0", "--outside-addr", f"{HOST}:0",
                         "--management-addr", "unix:/nonexistent/socket", *self.flags], check=False)
        self.assertEqual(at_a_file.returncode, 2)
        self.assertIn("with a port", at_a_file.stderr)
        with SocketOrigin(echo) as origin, \
                Tunnel(origin.address, origin_flags=HEARTBEATS,
                       remote_flags=["--management-addr", "0.0.0.0:0", *self.flags,
                                     "--management-tls-client-ca", self.files.ca, *HEARTBEATS]) as tunnel:
            where = address_of(tunnel, tunnel.remote).replace("0.0.0.0", HOST)
            self.assertEqual(curl(where, "/ping", self.files, *own(self.files)), (200, "pong"))
            self.assertFalse([line for line in tunnel.log(tunnel.remote) if "not encrypted" in line["message"]
                              and "management" in line["message"]])


if __name__ == "__main__":
    unittest.main()
