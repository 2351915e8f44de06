"""A certificate by certbot from an authority that looks at the address for HTTP, as in public: Let's Encrypt's own test
server, pebble (go install github.com/letsencrypt/pebble/v2/cmd/pebble@latest)."""

import json
import os
import shutil
import signal
import socket
import ssl
import unittest

from certificates import Authority
from faults import receive
from fronts import AtFronts, read_answer, secured, web, request_of
from origins import SocketOrigin
from support import HOST, Program, free_port, need, run, show_address

NAME = "app.example.com"


class Names(SocketOrigin):
    """A DNS server over TCP, as pebble asks it, by which every name has the address 127.0.0.1."""

    def __init__(self):
        super().__init__(self._answer)

    @staticmethod
    def _answer(connection):
        while size := connection.recv(2):
            query = receive(connection, int.from_bytes(size, "big"))
            end = 12
            while query[end]:
                end += 1 + query[end]
            question = query[12:end + 5]
            is_address = question[-4:-2] == b"\0\1"
            head = query[:2] + b"\x81\x80\0\1" + (b"\0\1" if is_address else b"\0\0") + bytes(4)
            answer = head + question
            if is_address:
                answer += b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(HOST)
            connection.sendall(len(answer).to_bytes(2, "big") + answer)


class Acme(AtFronts):
    def setUp(self):
        super().setUp()
        if not (shutil.which("pebble") or os.environ.get("PEBBLE")):
            self.skipTest("pebble is not installed")
        if not shutil.which("certbot"):
            self.skipTest("certbot is not installed")
        self.http = (HOST, free_port())
        self.webroot = self.folder.path("webroot")
        os.mkdir(self.webroot)

    def pebble(self, names):
        """Gives the address of its directory, and the file by which it is trusted."""
        api = Authority("pebble")
        certificate, key = api.put(self.folder.path(""), "localhost", file="pebble")
        self.acme_port = free_port()
        settings = {"listenAddress": f"{HOST}:{self.acme_port}", "managementListenAddress": f"{HOST}:{free_port()}",
                    "certificate": certificate, "privateKey": key, "httpPort": self.http[1], "tlsPort": free_port(),
                    "ocspResponderURL": "", "externalAccountBindingRequired": False}
        config = self.write("pebble.json", json.dumps({"pebble": settings}))
        program = Program([os.environ.get("PEBBLE") or "pebble", "-config", config, "-dnsserver",
                           show_address(names.address)], name="pebble",
                          env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"})
        self.enterContext(program)
        program.wait_port(self.acme_port)
        self.management = settings["managementListenAddress"]
        return f"https://localhost:{self.acme_port}/dir", api.ca

    def certbot(self, *words):
        place = self.folder.path("letsencrypt")
        return run([need("certbot"), *words, "--server", self.directory, "--config-dir", place, "--work-dir",
                    self.folder.path("work"), "--logs-dir", self.folder.path("logs"), "--non-interactive"],
                   env={"REQUESTS_CA_BUNDLE": self.directory_ca}, timeout=100)

    def reload(self):
        lines = len(self.remote_program.lines)
        self.remote_program.send_signal(signal.SIGHUP)
        self.remote_program.wait_line(" reloaded", start=lines)

    @staticmethod
    def serial(front):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with secured(front, NAME, context) as visitor:
            visitor.sendall(request_of(visitor))
            assert read_answer(visitor) == "app"
            return visitor.getpeercert(binary_form=True)

    def test_certbot_gets_a_certificate_through_the_address_for_http_and_a_reload_shows_it(self):
        self.with_secrets("A")
        live = self.folder.path("letsencrypt/live")
        os.makedirs(live)
        front = self.front("--secrets-file", self.secrets_path, "--http-addr", show_address(self.http),
                           "--acme-webroot", self.webroot, certificates=live)
        with Names() as names, web("app") as server:
            self.directory, self.directory_ca = self.pebble(names)
            program = self.offering("A", ("app", server, "https://app"), ("other", server, "tls://other"))
            self.declined(program, "app", "no_certificate")
            self.certbot("certonly", "--webroot", "-w", self.webroot, "-d", NAME, "--agree-tos", "-m", "me@example.com",
                         "--key-type", "ecdsa")
            self.assertIn("fullchain.pem", os.listdir(os.path.join(live, NAME)))
            self.reload()
            program.wait_line(r"^ready .*app=https://app.example.com|service opened service=app")
            first = self.serial(front)
            # A renewal, while the service is there.
            self.certbot("renew", "--force-renewal", "--no-random-sleep-on-renew")
            self.assertEqual(self.serial(front), first)
            self.reload()
            self.assertNotEqual(self.serial(front), first)


if __name__ == "__main__":
    unittest.main()
