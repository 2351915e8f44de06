"""Several services through one remote proxy, of one or several origin proxies."""

import concurrent.futures
import os
import re
import signal
import socket
import unittest

from faults import echo, exchange, refuses, visit, wait_served
from origins import SocketOrigin
from support import HOST, Program, Tunnel, binary, free_port, parse_address, poll, show_address
from trust import flags as flags_of_trust, folder, write_secret


def saying(word):
    """An origin server that says one word, and ends."""
    return SocketOrigin(lambda connection: connection.sendall(word))


def word_of(address):
    with socket.create_connection(address, 20) as visitor:
        said = b""
        while piece := visitor.recv(100):
            said += piece
        return said


class ByHand(unittest.TestCase):
    """Programs that are started by hand, since there is no one outside address."""

    trust = ()

    def start(self, name, *flags):
        program = Program([binary(name), *flags], name=name)
        self.addCleanup(self.end, program)
        return program

    def end(self, program):
        if program.running:
            program.stop(code=0)

    def remote(self, *flags):
        """The program, its control address and the outside addresses by name."""
        program = self.start("remote-proxy", "--control-addr", f"{HOST}:0", *flags)
        ready = program.wait_line(r"^ready control=(\S+)(.*)$", stream="stdout")
        return program, ready[1], self.addresses(ready[2])

    def origin(self, control, *flags, ready=True):
        """The program, and where its services are open; it waits until the remote proxy has answered for each."""
        program = self.start("origin-proxy", "--remote-proxy-addr", control, *flags)
        if not ready:
            return program, {}
        return program, self.addresses(program.wait_line(r"^ready remote=\S+(.*)$|no service is open")[1] or "")

    @staticmethod
    def addresses(text):
        return {name: parse_address(address) for name, address in re.findall(r" (\S+)=(\S+)", text)}

    def secrets(self, *names):
        """--secrets-file with these names, and the file with the secret of each."""
        place = folder("-".join(self.id().split(".")[-2:]))
        files, tables = {}, []
        for name in names:
            files[name] = os.path.join(place, name)
            tables.append(f'[origins.{name}]\nsecret = "{write_secret(files[name])}"\n')
        path = os.path.join(place, "secrets.toml")
        with open(path, "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write("".join(tables))
        return path, files


class Services(ByHand):
    def test_each_service_of_one_origin_proxy_reaches_its_own_server(self):
        for mode in ("none", "secret", "certificates"):
            of_remote, of_origin = flags_of_trust(mode)
            with self.subTest(mode), saying(b"web") as web, saying(b"mail") as mail:
                remote, control, outside = self.remote(
                    "--service", f"web={HOST}:0", "--service", f"mail={HOST}:0", *of_remote)
                origin, opened = self.origin(
                    control, "--service", f"web={show_address(web.address)}",
                    "--service", f"mail={show_address(mail.address)}", *of_origin)
                self.assertEqual(opened, outside)
                with concurrent.futures.ThreadPoolExecutor(8) as pool:
                    words = list(pool.map(word_of, [outside["web"], outside["mail"]] * 50))
                self.assertEqual(words, [b"web", b"mail"] * 50)
                poll(lambda: len([line for line in Tunnel.log(remote) if line["message"] == "visitor ended"]) == 100,
                     "every visitor is logged")
                for line in Tunnel.log(remote):
                    if line["message"] == "visitor ended":
                        self.assertIn(line["service"], ("web", "mail"))
                self.end(origin)
                self.end(remote)

    def test_an_origin_proxy_opens_a_port_that_it_is_allowed_and_no_other(self):
        secret = os.path.join(folder("allowed"), "secret")
        write_secret(secret)
        port, other = free_port(), free_port()
        with saying(b"here") as server:
            remote, control, _ = self.remote("--secret-file", secret, "--allow-ports", f"{port}")
            where = show_address(server.address)
            _, opened = self.origin(control, "--secret-file", secret, "--service", f"one={where}@{port}",
                                    "--service", f"two={where}@{other}")
            self.assertEqual(list(opened), ["one"])
            self.assertEqual(opened["one"][1], port)
            self.assertEqual(word_of((HOST, port)), b"here")
            self.assertTrue(refuses((HOST, other)))
            declined = Tunnel.wait_log(remote, lambda line: line["message"] == "declined a service")
            self.assertEqual(declined["code"], "not_allowed")
            self.assertIn(f"port {other} is not one of those", declined["reason"])

    def test_without_a_secret_only_the_services_of_the_remote_proxy_are_opened(self):
        port = free_port()
        with saying(b"here") as server:
            remote, control, outside = self.remote("--service", f"web={HOST}:0", "--allow-ports", f"{port}")
            where = show_address(server.address)
            _, opened = self.origin(control, "--service", f"web={where}", "--service", f"mine={where}@{port}")
            self.assertEqual(opened, outside)
            self.assertTrue(refuses((HOST, port)))
            self.assertEqual(word_of(outside["web"]), b"here")

    def test_of_two_origin_proxies_one_is_killed_and_the_other_serves_all_who_come_after(self):
        path, files = self.secrets("roof", "cellar")
        with SocketOrigin(echo) as server:
            remote, control, outside = self.remote("--secrets-file", path, "--service", f"web={HOST}:0")
            offer = ["--service", f"web={show_address(server.address)}"]
            roof, _ = self.origin(control, "--secret-file", files["roof"], *offer)
            cellar, _ = self.origin(control, "--secret-file", files["cellar"], *offer)
            visitors = [visit(outside["web"]) for _ in range(20)]
            for visitor in visitors:
                exchange(visitor)
            roof.kill()
            Tunnel.wait_log(remote, lambda line: line["message"] == "lost the origin proxy")
            for _ in range(50):
                with visit(outside["web"]) as visitor:
                    exchange(visitor)
            alive = 0
            for visitor in visitors:
                with visitor:
                    try:
                        exchange(visitor)
                        alive += 1
                    except (ConnectionError, AssertionError):
                        pass
            # They had been shared out evenly.
            self.assertEqual(alive, 10)
            self.end(cellar)

    def test_an_origin_proxy_whose_server_is_down_costs_nobody_a_connection(self):
        path, files = self.secrets("roof", "cellar")
        with SocketOrigin(echo) as server:
            remote, control, outside = self.remote("--secrets-file", path, "--service", f"web={HOST}:0")
            self.origin(control, "--secret-file", files["roof"], "--service", f"web={HOST}:{free_port()}")
            self.origin(control, "--secret-file", files["cellar"], "--service", f"web={show_address(server.address)}")
            for _ in range(50):
                with visit(outside["web"]) as visitor:
                    exchange(visitor)

    def test_a_service_that_is_declined_opens_when_the_other_origin_proxy_is_gone(self):
        path, files = self.secrets("roof", "cellar")
        port = free_port()
        with saying(b"roof") as first, saying(b"cellar") as second:
            remote, control, _ = self.remote("--secrets-file", path, "--allow-ports", f"{port}", "--pairing-timeout", "1s")
            roof, opened = self.origin(control, "--secret-file", files["roof"],
                                       "--service", f"web={show_address(first.address)}@{port}")
            cellar = self.start("origin-proxy", "--remote-proxy-addr", control, "--secret-file", files["cellar"],
                                "--service", f"web={show_address(second.address)}@{port}")
            Tunnel.wait_log(cellar, lambda line: line["message"].startswith("no service is open"))
            self.assertEqual(word_of((HOST, port)), b"roof")
            self.assertEqual([line for line in cellar.lines if line.stream == "stdout"], [])
            roof.stop(code=0)
            cellar.wait_line(rf"^ready .*web=.*:{port}", stream="stdout")
            self.assertEqual(word_of((HOST, port)), b"cellar")

    def test_all_services_come_back_after_the_remote_proxy_was_restarted(self):
        ports = [free_port() for _ in range(3)]
        flags = [word for port in ports for word in ("--service", f"s{port}={HOST}:{port}")]
        control = f"{HOST}:{free_port()}"
        with SocketOrigin(echo) as server:
            first = self.start("remote-proxy", "--control-addr", control, *flags)
            first.wait_line(r"^ready ", stream="stdout")
            where = show_address(server.address)
            self.origin(control, *[word for port in ports for word in ("--service", f"s{port}={where}")])
            first.send_signal(signal.SIGKILL)
            first.wait_exit()
            second = self.start("remote-proxy", "--control-addr", control, *flags)
            second.wait_line(r"^ready ", stream="stdout")
            for port in ports:
                wait_served((HOST, port))

    def test_files_of_both_programs_are_read_again_and_nobody_notices_whose_service_stays(self):
        place = folder("reload")
        write_secret(os.path.join(place, "secret"))
        ports = {name: free_port() for name in ("stays", "goes", "comes")}

        def write(name, *tables):
            path = os.path.join(place, name)
            with open(path, "w", encoding="ascii", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
                file.write(f'secret-file = "{place}/secret"\n' + "".join(tables))
            return path

        def outside(name):
            return f'[services.{name}]\noutside-addr = "{HOST}:{ports[name]}"\n'

        with SocketOrigin(echo) as server:
            def inside(name):
                return f'[services.{name}]\norigin-server-addr = "{show_address(server.address)}"\n'

            of_remote = write("remote.toml", outside("stays"), outside("goes"))
            of_origin = write("origin.toml", inside("stays"), inside("goes"))
            remote, control, _ = self.remote("--config", of_remote)
            origin, opened = self.origin(control, "--config", of_origin)
            self.assertEqual(sorted(opened), ["goes", "stays"])
            with visit((HOST, ports["stays"])) as visitor, visit((HOST, ports["goes"])) as served:
                for each in (visitor, served):
                    exchange(each)
                for _ in range(5):
                    write("remote.toml", outside("stays"), outside("comes"))
                    write("origin.toml", inside("stays"), inside("comes"))
                    for program in (remote, origin):
                        program.send_signal(signal.SIGHUP)
                    wait_served((HOST, ports["comes"]))
                    poll(lambda: refuses((HOST, ports["goes"])), "the service that is gone is refused")
                    with visit((HOST, ports["stays"])) as fresh:
                        exchange(fresh)
                    write("remote.toml", "what is this?\n")  # changes nothing
                    lines = len(remote.lines)
                    remote.send_signal(signal.SIGHUP)
                    remote.wait_line("cannot reload, so nothing has changed", start=lines)
                    with visit((HOST, ports["comes"])) as fresh:
                        exchange(fresh)
                    write("remote.toml", outside("stays"), outside("goes"))
                    write("origin.toml", inside("stays"), inside("goes"))
                    for program in (remote, origin):
                        program.send_signal(signal.SIGHUP)
                    wait_served((HOST, ports["goes"]))
                    poll(lambda: refuses((HOST, ports["comes"])), "so is the other")
                for each in (visitor, served):
                    exchange(each)
