"""Faults between two machines, each of which is a network namespace here."""

import contextlib
import re
import socket
import subprocess
import time
import unittest

from faults import PROMPTLY, echo, exchange, serves, visit
from namespaces import Network
from origins import SocketOrigin
from support import DEADLINE, HOST, Tunnel, poll

HEARTBEATS = ["--heartbeat-interval", "200ms", "--heartbeat-timeout", "1s"]
# After a fault of some seconds the back-off may wait up to 4 s, and lost packets are repeated after up to 2 s more.
RECOVERY = 15.0
CONTROL, OUTSIDE = 9001, 9000


def lost(line):
    return line["message"].startswith("lost the")


class Networks(unittest.TestCase):
    @contextlib.contextmanager
    def tunnel(self, *, control=f"{Network.REMOTE}:{CONTROL}", remote_proxy=None, origin_server=None, origin_flags=(),
               start=True, **options):
        """A network with the remote proxy on one machine, origin proxy and origin server on the other."""
        with Network(**options) as network:
            with network.origin.entered():
                server = SocketOrigin(echo)
            with server, Tunnel(server.address, start=False, remote_options={"within": network.remote.within},
                                origin_options={"within": network.origin.within}) as tunnel:
                host, _, port = (remote_proxy or control).rpartition(":")
                tunnel.control = control.rpartition(":")[0].strip("[]"), CONTROL
                tunnel.outside = tunnel.control[0], OUTSIDE
                tunnel.remote_flags = HEARTBEATS
                tunnel.origin_flags = [*HEARTBEATS, "--dial-timeout", "1s", *origin_flags]
                if origin_server:
                    tunnel.origin_server = origin_server, server.address[1]
                tunnel.start_remote()
                if start:
                    tunnel.start_origin(remote_proxy=(host.strip("[]"), int(port)))
                yield tunnel, network

    @staticmethod
    def visit(tunnel, network):
        """A visitor on the remote proxy's machine, whose way to it is not part of the fault."""
        with network.remote.entered():
            return visit(tunnel.outside)

    def wait_served(self, tunnel, network, timeout=RECOVERY):
        def served():
            with network.remote.entered():
                return serves(tunnel.outside)
        poll(served, "a visitor is served", timeout)

    def silence(self, part):
        with self.tunnel() as (tunnel, network), self.visit(tunnel, network) as old:
            exchange(old)
            network.unplug(part)
            for program in (tunnel.remote, tunnel.origin):
                line = tunnel.wait_log(program, lost, 5)
                self.assertEqual(line["code"], "heartbeat_timeout")
            network.plug_in(part)
            self.wait_served(tunnel, network)
            exchange(old, b"you are back")  # TCP itself gets a visitor over an outage that is short

    def test_traffic_flows_again_after_a_partition_that_silently_drops_all_packets_of_the_origin_proxy(self):
        self.silence("origin")

    def test_traffic_flows_again_after_a_partition_that_silently_drops_all_packets_of_the_remote_proxy(self):
        self.silence("remote")

    def test_a_partition_shorter_than_the_heartbeat_timeout_is_not_noticed_by_anybody(self):
        with self.tunnel() as (tunnel, network), self.visit(tunnel, network) as old:
            exchange(old)
            network.unplug("origin")
            time.sleep(0.4)
            network.plug_in("origin")
            exchange(old)
            self.wait_served(tunnel, network)
            for program in (tunnel.remote, tunnel.origin):
                self.assertFalse(any(map(lost, tunnel.log(program))))

    def test_a_visitor_who_comes_during_a_partition_is_served_when_it_heals(self):
        with self.tunnel() as (tunnel, network):
            network.unplug("origin")
            with self.visit(tunnel, network) as visitor:
                visitor.sendall(b"patience")
                tunnel.wait_log(tunnel.remote, lost, 5)
                network.plug_in("origin")
                visitor.settimeout(RECOVERY)
                self.assertEqual(visitor.recv(100), b"patience")

    def test_an_interface_that_goes_down_and_up_is_survived(self):
        with self.tunnel() as (tunnel, network):
            self.wait_served(tunnel, network)
            network.origin.ip("link", "set", "cable", "down")
            tunnel.wait_log(tunnel.origin, lost, 5)
            network.origin.ip("link", "set", "cable", "up")
            self.wait_served(tunnel, network)

    def test_the_origin_proxy_returns_when_the_address_of_its_machine_has_changed(self):
        with self.tunnel() as (tunnel, network):
            self.wait_served(tunnel, network)
            # One that is cut off in the middle of its end would live as long as the kernel tries.
            tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "visitor ended")
            network.origin.ip("address", "delete", f"{Network.ORIGIN}/24", "dev", "cable")
            network.origin.ip("address", "add", "10.99.0.77/24", "dev", "cable")
            self.wait_served(tunnel, network)
            line = tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "origin proxy logged in", count=2)
            self.assertTrue(line["origin"].startswith("10.99.0.77:"), line)

    def test_everything_works_where_there_is_only_ipv6(self):
        control = f"[{Network.REMOTE_V6}]:{CONTROL}"
        with self.tunnel(control=control, v4=False, v6=True) as (tunnel, network):
            self.wait_served(tunnel, network)
            line = tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "visitor ended")
            self.assertTrue(line["visitor"].startswith(f"[{Network.REMOTE_V6}]:"), line)

    def test_the_remote_proxys_name_may_have_an_address_that_does_not_answer_before_the_one_that_does(self):
        """RFC 8305: the next address is tried after a quarter of a second, not when the first has failed."""
        dead = "2001:db8::dead"
        with self.tunnel(v6=True, files={"hosts": f"{dead} twin\n{Network.REMOTE} twin\n"}, start=False,
                         origin_flags=["--dial-timeout", "20s"]) as (tunnel, network):
            began = time.monotonic()
            tunnel.start_origin(remote_proxy=("twin", CONTROL))
            self.assertLess(time.monotonic() - began, 0.25 + PROMPTLY)
            self.assert_was_tried(network, dead)
            self.wait_served(tunnel, network)

    def test_the_origin_servers_name_may_have_an_address_that_does_not_answer_before_the_one_that_does(self):
        dead = "2001:db8::dead"
        with self.tunnel(v6=True, files={"hosts": f"{dead} twin\n{HOST} twin\n"}, origin_server="twin",
                         origin_flags=["--dial-timeout", "20s"]) as (tunnel, network):
            began = time.monotonic()
            with self.visit(tunnel, network) as visitor:
                exchange(visitor)
            self.assertLess(time.monotonic() - began, 0.25 + PROMPTLY)
            self.assert_was_tried(network, dead)
            for _ in range(5):  # and what was learned is remembered
                began = time.monotonic()
                with self.visit(tunnel, network) as visitor:
                    exchange(visitor)
                self.assertLess(time.monotonic() - began, 0.2 * PROMPTLY)

    def assert_was_tried(self, network, address):
        """Else the test would prove nothing: the kernel looked for that neighbour."""
        shown = subprocess.run([*network.origin.within, "ip", "-6", "neighbour", "show"], capture_output=True,
                               text=True, check=True).stdout
        self.assertRegex(shown, re.escape(address))

    def test_the_remote_proxys_name_is_looked_up_afresh_for_every_try(self):
        """A machine that moves: the name gets its new address while the origin proxy runs."""
        with self.tunnel(files={"hosts": "10.99.0.200 moving\n"}, start=False) as (tunnel, network):
            tunnel.start_origin(remote_proxy=("moving", CONTROL), wait=False)
            tunnel.wait_log(tunnel.origin, lambda line: line["message"].startswith("cannot log in"))
            network.origin.rewrite("hosts", f"{Network.REMOTE} moving\n")
            tunnel.wait_origin_ready()
            self.wait_served(tunnel, network)

    def test_an_origin_server_whose_name_was_known_is_reached_while_the_name_server_is_silent(self):
        """What was true a moment ago is better than nothing."""
        files = {"hosts": f"{HOST} known\n", "resolv.conf": f"nameserver {Network.REMOTE}\n"}
        with self.tunnel(files=files, origin_server="known") as (tunnel, network), \
                network.remote.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent_name_server:
            silent_name_server.bind((Network.REMOTE, 53))
            self.wait_served(tunnel, network)
            network.origin.rewrite("hosts", "")
            end = time.monotonic() + 8  # the origin proxy asks again when what it knows is some seconds old
            while time.monotonic() < end:
                self.assertTrue(serves(tunnel.outside, DEADLINE))
                time.sleep(0.5)
            silent_name_server.setblocking(False)
            self.assertIn(b"known", silent_name_server.recv(512), "it was asked")


if __name__ == "__main__":
    unittest.main()
