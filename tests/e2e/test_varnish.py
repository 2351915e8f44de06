"""Cases of varnishtest, which is both the visitor and the server."""

import glob
import os
import unittest

from http_fronts import AtHttp
from support import HERE, HOST, free_port, need, run, show_address


class Server:
    """One that a case starts at this address."""

    def __init__(self):
        self.address = HOST, free_port()


class Varnishtest(AtHttp):
    timeout = 180

    def run_case(self, name):
        app, other = Server(), Server()
        self.open()
        self.offering("A", ("app", app, "http://app"), ("other", other, "http://other"))
        done = run([need("varnishtest"), "-t", "20", "-D", f"http={show_address(self.http)}",
                    "-D", f"app={show_address(app.address)}", "-D", f"other={show_address(other.address)}",
                    os.path.join(HERE, "varnish", f"{name}.vtc")], check=False)
        self.assertEqual(done.returncode, 0, f"{name}\n{done.stdout[-6000:]}{done.stderr}")

    def test_hosts(self):
        self.run_case("hosts")

    def test_pipelined(self):
        self.run_case("pipelined")

    def test_chunked(self):
        self.run_case("chunked")

    def test_continue(self):
        self.run_case("continue")

    def test_no_body(self):
        self.run_case("no_body")

    def test_refused(self):
        self.run_case("refused")

    def test_broken(self):
        self.run_case("broken")

    def test_until_end(self):
        self.run_case("until_end")

    def test_every_case_is_run(self):
        there = {os.path.basename(path).removesuffix(".vtc") for path in glob.glob(os.path.join(HERE, "varnish/*.vtc"))}
        self.assertEqual({f"test_{name}" for name in there} | {"test_every_case_is_run"},
                         {name for name in dir(self) if name.startswith("test_")})


if __name__ == "__main__":
    unittest.main()
