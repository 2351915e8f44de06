"""An origin proxy in a network from which only an HTTP or SOCKS5 proxy leads out: real proxies, and real transfers
through them in both directions."""

import json
import os
import random
import signal
import tempfile
import unittest
import urllib.request

from forward_proxies import PASSWORD, REMOTE_NAME, Squid, dante, microsocks
from origins import HttpOrigin
from support import HOST, Tunnel, binary, free_port, poll, run

SIZE = 5_000_000
FLAG = "--connect-through"


def body(seed):
    return random.Random(seed).randbytes(SIZE)


class ConnectThrough(unittest.TestCase):
    trust = ()

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.origin = self.enterContext(HttpOrigin({"big": body(1)}))

    def sub_folder(self, name):
        path = os.path.join(self.folder, name)
        os.mkdir(path)
        os.chmod(self.folder, 0o755)
        return path

    def password_file(self, password):
        path = os.path.join(self.folder, "password")
        with open(path, "w", encoding="utf-8") as file:
            file.write(password + "\n")
        os.chmod(path, 0o600)
        return path

    def tunnel(self, *flags, **options):
        return Tunnel(self.origin.address, origin_flags=flags, start=False, trust="secret", **options)

    def start(self, tunnel, name=None):
        """Both programs; the origin proxy is told this name for the remote proxy's host."""
        tunnel.start_remote()
        tunnel.start_origin(remote_proxy=(name or HOST, tunnel.control[1]))

    def transfer(self, tunnel):
        """Some MB down, some MB up, by several visitors one after the other."""
        url = f"http://{HOST}:{tunnel.outside[1]}"
        with urllib.request.urlopen(f"{url}/big", timeout=30) as answer:
            self.assertEqual(answer.read(), body(1))
        request = urllib.request.Request(f"{url}/up", data=body(2), method="PUT")
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.assertEqual(answer.status, 201)
        self.assertEqual(self.origin.files["up"], body(2))

    def assert_hidden(self, tunnel):
        for program in tunnel.programs:
            self.assertNotIn(PASSWORD, program.output())

    def logged_in(self, tunnel):
        return tunnel.wait_log(tunnel.origin, lambda line: line["message"] == "logged in")

    def code(self, tunnel, code):
        return tunnel.wait_log(tunnel.origin, lambda line: line.get("code") == code)


class HttpProxy(ConnectThrough):
    def test_all_connections_to_the_remote_proxy_go_through_squid_and_none_to_the_origin_server(self):
        """squid looks the name up, which nobody else can, and sees control and data connections."""
        squid = self.enterContext(Squid(self.sub_folder("squid")))
        management = f"{HOST}:{free_port()}"
        with self.tunnel(FLAG, squid.url, "--management-addr", management) as tunnel:
            self.start(tunnel, REMOTE_NAME)
            self.assertEqual(self.logged_in(tunnel)["through"], squid.url)
            self.transfer(tunnel)
            shown = run([binary("origin-proxy"), "status", "--management-addr", management]).stdout
            self.assertIn(f"{REMOTE_NAME}:{tunnel.control[1]} is reached through {squid.url}\n", shown)
            status = json.loads(run([binary("origin-proxy"), "status", "--json", "--management-addr",
                                     management]).stdout)
            self.assertEqual(status["status"]["remotes"][0]["through"], squid.url)
            tunnel.origin.stop(code=0)
            wanted = f"CONNECT {REMOTE_NAME}:{tunnel.control[1]}"
            targets = poll(lambda: len(squid.targets()) >= 2 and squid.targets(), "squid logs what it has passed on")
            self.assertEqual(set(targets), {wanted})

    def test_a_login_is_read_out_of_a_file_and_again_at_a_reload(self):
        """With a wrong password the log says so; SIGHUP reads the right one."""
        squid = self.enterContext(Squid(self.sub_folder("squid"), password=PASSWORD))
        path = self.password_file("another")
        with self.tunnel(FLAG, squid.url_of_user, f"{FLAG}-password-file", path) as tunnel:
            tunnel.start_remote()
            tunnel.start_origin(wait=False)
            refused = self.code(tunnel, "proxy_login_refused")
            self.assertIn(f"{squid.url_of_user}: it answers 407", refused["reason"])
            self.password_file(PASSWORD)
            tunnel.origin.send_signal(signal.SIGHUP)
            tunnel.wait_origin_ready()
            self.transfer(tunnel)
            self.assert_hidden(tunnel)

    def test_what_squid_does_not_allow_is_told_with_its_words(self):
        """As most proxies of companies do, it lets out a few ports only."""
        squid = self.enterContext(Squid(self.sub_folder("squid"), rules="acl https port 443\nhttp_access allow https"))
        with self.tunnel(FLAG, squid.url) as tunnel:
            tunnel.start_remote()
            tunnel.start_origin(wait=False)
            refused = self.code(tunnel, "proxy_refused")
            self.assertIn("403 Forbidden; many proxies let out port 443 only", refused["reason"])

    def test_a_proxy_that_goes_away_and_comes_back_is_used_again(self):
        """Meanwhile the log says that it cannot be reached, and nobody goes around it."""
        first, second = self.sub_folder("first"), self.sub_folder("second")
        squid = self.enterContext(Squid(first))
        with self.tunnel(FLAG, squid.url) as tunnel:
            self.start(tunnel)
            self.transfer(tunnel)
            squid.process.kill()
            self.code(tunnel, "proxy_unreachable")
            before = len(tunnel.origin.lines)
            self.enterContext(Squid(second, port=squid.port))
            tunnel.origin.wait_line("logged in", start=before)
            self.transfer(tunnel)


class Environment(ConnectThrough):
    def test_HTTPS_PROXY_is_followed_with_its_login_and_NO_PROXY_excepts_from_it(self):
        """The password stands in the variable's URL, and is shown nowhere."""
        squid = self.enterContext(Squid(self.sub_folder("squid"), password="word"))
        env = {"HTTPS_PROXY": f"http://ann:word@{HOST}:{squid.port}"}
        with self.tunnel(origin_options={"env": env}) as tunnel:
            self.start(tunnel)
            self.assertEqual(self.logged_in(tunnel)["through"], squid.url_of_user)
            told = tunnel.wait_log(tunnel.origin, lambda line: line["message"] == "connections go through a proxy")
            self.assertEqual(told["said-by"], "HTTPS_PROXY")
            self.transfer(tunnel)
            self.assertNotIn("ann:word", tunnel.origin.output())
            tunnel.origin.stop(code=0)
            poll(lambda: len(squid.targets()) >= 2, "squid logs what it has passed on")
        for more in ({"NO_PROXY": "example.com,127.0.0.0/8"}, {"no_proxy": "*"}):
            with self.subTest(**more), self.tunnel(
                    origin_options={"env": {"HTTPS_PROXY": f"http://{HOST}:1", **more}}) as tunnel:
                self.start(tunnel)
                self.assertNotIn("through", self.logged_in(tunnel))

    def test_connect_through_off_ignores_the_environment(self):
        """A proxy there that nobody can reach does no harm."""
        with self.tunnel(FLAG, "off", origin_options={"env": {"ALL_PROXY": f"socks5://{HOST}:1"}}) as tunnel:
            self.start(tunnel)
            self.transfer(tunnel)


class Socks5Proxy(ConnectThrough):
    def test_all_goes_through_dante_which_looks_the_name_up(self):
        """Without a login."""
        process, url = dante(self.folder)
        self.enterContext(process)
        with self.tunnel(FLAG, url) as tunnel:
            self.start(tunnel, "localhost")
            self.assertEqual(self.logged_in(tunnel)["through"], url)
            self.transfer(tunnel)

    def test_all_goes_through_microsocks_which_wants_a_login(self):
        """With a wrong one the log says so."""
        process, url = microsocks()
        self.enterContext(process)
        path = self.password_file("another")
        with self.tunnel(FLAG, url, f"{FLAG}-password-file", path) as tunnel:
            tunnel.start_remote()
            tunnel.start_origin(wait=False)
            self.assertIn("it refuses the login", self.code(tunnel, "proxy_login_refused")["reason"])
            self.password_file(PASSWORD)
            tunnel.origin.send_signal(signal.SIGHUP)
            tunnel.wait_origin_ready()
            self.transfer(tunnel)
            self.assert_hidden(tunnel)


if __name__ == "__main__":
    unittest.main()
