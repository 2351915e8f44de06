"""Many origin proxies with one secret, each with a name and services of its own."""

import os
import signal
import time
import unittest

from faults import echo, exchange, visit
from origins import SocketOrigin
from support import HOST, MACHINE, Tunnel, free_port, show_address
from test_services import ByHand, saying, word_of
from trust import folder, write_secret

PROBE = 2.0
PROMPTLY = 5.0  # on a machine that does much else


class ManyMachines(ByHand):
    def one_secret(self):
        path = os.path.join(folder(self.id().rpartition(".")[2]), "secret")
        write_secret(path)
        return path

    def shared(self, ports):
        """The remote proxy, its control address, and the words of an origin proxy that opens `service` at `port`."""
        secret = self.one_secret()
        remote, control, _ = self.remote("--secret-file", secret, "--allow-ports", ",".join(map(str, ports)))

        def words(name, server, service, port):
            return ["--secret-file", secret, "--name", name,
                    "--service", f"{service}={show_address(server.address)}@{port}"]
        return remote, control, words

    @staticmethod
    def logged_in(remote):
        return [line["name"] for line in Tunnel.log(remote) if line["message"] == "origin proxy logged in"]

    def test_ten_machines_with_one_secret_are_served_side_by_side(self):
        ports = [free_port() for _ in range(10)]
        remote, control, words = self.shared(ports)
        for number, port in enumerate(ports):
            server = self.enterContext(saying(b"%d" % number))
            _, opened = self.origin(control, *words(f"m{number}", server, "ssh", port))
            self.assertEqual(opened["ssh"][1], port)
        for _ in range(3):
            self.assertEqual([word_of((HOST, port)) for port in ports], [b"%d" % number for number in range(10)])
        self.assertEqual(self.logged_in(remote), [f"m{number}" for number in range(10)])
        self.assertEqual([line for line in Tunnel.log(remote) if line["message"] == "lost the origin proxy"], [])

    def test_a_service_of_the_same_name_behind_another_secret_is_another_service(self):
        path, files = self.secrets("alice", "bob")
        ports = [free_port(), free_port()]
        with saying(b"alice") as of_alice, saying(b"bob") as of_bob:
            remote, control, _ = self.remote("--secrets-file", path, "--allow-ports", ",".join(map(str, ports)))
            for name, server, port in (("alice", of_alice, ports[0]), ("bob", of_bob, ports[1])):
                self.origin(control, "--secret-file", files[name],
                            "--service", f"ssh={show_address(server.address)}@{port}")
            self.assertEqual([word_of((HOST, port)) for port in ports], [b"alice", b"bob"])
            self.assertEqual(self.logged_in(remote), [f"alice/{MACHINE}", f"bob/{MACHINE}"])

    def test_a_port_in_use_is_said_to_be_whose_and_is_free_when_its_holder_hangs(self):
        port = free_port()
        remote, control, words = self.shared([port])
        with saying(b"attic") as at_attic, saying(b"shed") as at_shed:
            attic, _ = self.origin(control, *words("attic", at_attic, "ssh", port))
            shed, _ = self.origin(control, *words("shed", at_shed, "ssh", port), ready=False)
            shed.wait_line(f"in use by attic at {HOST}:", stream="stderr")
            time.sleep(3 * PROBE)  # it is asked again and again, and answers
            self.assertEqual(word_of((HOST, port)), b"attic")
            attic.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            shed.wait_line("service opened", stream="stderr")
            self.assertLess(time.monotonic() - began, PROBE + PROMPTLY)
            self.assertEqual(word_of((HOST, port)), b"shed")
            attic.send_signal(signal.SIGCONT)
            attic.wait_line(f"in use by shed at {HOST}:", stream="stderr")
            self.assertEqual(word_of((HOST, port)), b"shed")

    def test_a_machine_that_was_killed_or_lost_its_power_is_back_soon(self):
        port = free_port()
        remote, control, words = self.shared([port])
        with saying(b"here") as server:
            for signal_number, limit in ((signal.SIGKILL, PROMPTLY), (signal.SIGSTOP, PROBE + PROMPTLY)):
                first, _ = self.origin(control, *words("attic", server, "ssh", port))
                first.send_signal(signal_number)
                began = time.monotonic()
                again, opened = self.origin(control, *words("attic", server, "ssh", port))
                self.assertEqual(opened["ssh"][1], port)
                self.assertEqual(word_of((HOST, port)), b"here")
                self.assertLess(time.monotonic() - began, limit)
                first.kill()
                self.end(again)

    def test_a_second_machine_of_the_same_name_is_told_to_take_another(self):
        ports = [free_port(), free_port()]
        remote, control, words = self.shared(ports)
        with SocketOrigin(echo) as server, saying(b"second") as second:
            self.origin(control, *words("debian", server, "ssh", ports[0]))
            with visit((HOST, ports[0])) as visitor:
                twin, _ = self.origin(control, *words("debian", second, "ssh", ports[1]), ready=False)
                line = Tunnel.wait_log(twin, lambda line: "in use by debian at" in line.get("reason", ""))
                self.assertIn("--name", line["reason"])
                other, opened = self.origin(control, *words("debian", second, "web", ports[1]))
                self.assertEqual(word_of(opened["web"]), b"second")
                exchange(visitor)

    def test_without_a_secret_different_services_are_served_and_the_same_one_is_in_use(self):
        remote, control, outside = self.remote("--service", f"a={HOST}:0", "--service", f"b={HOST}:0")
        with saying(b"one") as one, saying(b"two") as two:
            def offer(server, *names):
                return [word for name in names for word in ("--service", f"{name}={show_address(server.address)}")]

            self.origin(control, *offer(one, "a"), "--name", "attic")
            second, opened = self.origin(control, *offer(two, "a", "b"), "--name", "shed")
            self.assertEqual(list(opened), ["b"])
            line = Tunnel.wait_log(second, lambda line: line.get("service") == "a")
            self.assertIn("in use by attic at", line["reason"])
            self.assertEqual((word_of(outside["a"]), word_of(outside["b"])), (b"one", b"two"))
            nameless, _ = self.origin(control, "--origin-server-addr", show_address(two.address), ready=False)
            nameless.wait_line('there is no service .*default.*a.*, .*b.*--service', stream="stderr")

    def test_the_name_comes_from_the_flag_the_environment_the_file_or_the_machine(self):
        secret = self.one_secret()
        config = os.path.join(os.path.dirname(secret), "origin.toml")
        with open(config, "w", encoding="ascii") as file:
            file.write('name = "from-file"\n')
        remote, control, outside = self.remote("--secret-file", secret, "--service", f"web={HOST}:0")
        with saying(b"here") as server:
            offer = ["--secret-file", secret, "--service", f"web={show_address(server.address)}"]
            for words, name in (((), MACHINE), (("--config", config), "from-file"), (("--name", "from.flag"), "from.flag")):
                program, _ = self.origin(control, *offer, *words)
                Tunnel.wait_log(remote, lambda line: (line["message"], line.get("name"))
                                == ("origin proxy logged in", name))
                self.end(program)
            wrong = self.start("origin-proxy", "--remote-proxy-addr", control, *offer, "--name", "a b")
            wrong.wait_exit(code=2)
            self.assertIn("--name", " ".join(wrong.texts("stderr")))


if __name__ == "__main__":
    unittest.main()
