"""Who may visit and how many: --max-connections, the limits per IP, --allow, --deny and --trusted."""

import contextlib
import socket
import time
import unittest

from faults import PROMPTLY, echo, exchange, how_a_visit_ends, reset, visit, wait_served
from namespaces import Network
from origins import SocketOrigin
from support import DEADLINE, HOST, Tunnel, poll

CONTROL, OUTSIDE = 9001, 9000
MANY = 20


def refusals(tunnel):
    return [line for line in tunnel.log(tunnel.remote) if line["message"] == "refused a visitor"]


class OnThisMachine(unittest.TestCase):
    @contextlib.contextmanager
    def tunnel(self, *flags, **options):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, remote_flags=flags, **options) as tunnel:
            yield tunnel

    def assert_reset(self, tunnel):
        began = time.monotonic()
        self.assertEqual(how_a_visit_ends(tunnel.outside), "reset")
        self.assertLess(time.monotonic() - began, PROMPTLY)

    def test_a_visitor_beyond_max_connections_is_reset_at_once_and_served_when_another_has_left(self):
        with self.tunnel("--max-connections", "3") as tunnel, contextlib.ExitStack() as stack:
            visitors = [stack.enter_context(visit(tunnel.outside)) for _ in range(3)]
            for visitor in visitors:
                exchange(visitor)
            for _ in range(MANY):
                self.assert_reset(tunnel)
            for visitor in visitors:
                exchange(visitor)
            visitors.pop().close()
            wait_served(tunnel.outside)

    def test_refused_visitors_are_summed_up_in_one_log_line(self):
        with self.tunnel("--max-connections", "1") as tunnel, visit(tunnel.outside) as visitor:
            exchange(visitor)
            for _ in range(MANY):
                self.assert_reset(tunnel)
            tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "refused a visitor")
            self.assertEqual(len(refusals(tunnel)), 1)
            exchange(visitor)
            visitor.close()
            tunnel.wait_visitors(1)
            self.assertEqual(len(tunnel.visitor_lines()), 1)
            tunnel.origin.stop(code=0)
            tunnel.remote.stop(code=0)
            first, rest = refusals(tunnel)
            self.assertEqual((first["count"], rest["count"], rest["total"]), (1, MANY - 1, MANY))
            self.assertEqual(first["code"], "too_many")

    def test_a_visitor_from_a_denied_network_is_reset(self):
        with self.tunnel("--deny", "192.0.2.0/24,127.0.0.0/8") as tunnel:
            self.assert_reset(tunnel)
            line = tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "refused a visitor")
            self.assertEqual(line["code"], "denied")

    def test_a_visitor_from_elsewhere_than_the_allowed_networks_is_reset(self):
        environment = {"env": {"REMOTE_PROXY_ALLOW": "192.0.2.0/24,127.0.0.3"}}
        with self.tunnel(remote_options=environment) as tunnel:
            self.assert_reset(tunnel)
            line = tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "refused a visitor")
            self.assertEqual(line["code"], "not_allowed")
            with socket.create_connection(tunnel.outside, DEADLINE, ("127.0.0.3", 0)) as visitor:
                exchange(visitor)

    def test_the_limits_per_ip_do_not_concern_the_web_server_in_front_on_this_machine(self):
        with self.tunnel("--max-connections-per-ip", "1", "--max-new-per-second-per-ip", "1") as tunnel, \
                contextlib.ExitStack() as stack:
            for visitor in [stack.enter_context(visit(tunnel.outside)) for _ in range(MANY)]:
                exchange(visitor)


class OnTheNetwork(unittest.TestCase):
    """Visitors with other addresses than those of loopback, on the remote proxy's machine. It listens for IPv4 and
    IPv6 on one socket."""

    OTHER = "10.99.0.11"
    SAME_64, OTHER_64 = "2001:db8::11", "2001:db8:0:1::1"

    @contextlib.contextmanager
    def tunnel(self, *flags):
        with Network(v6=True) as network:
            for address in (f"{self.OTHER}/32", f"{self.SAME_64}/128", f"{self.OTHER_64}/128"):
                network.remote.ip("address", "add", address, "dev", "lo", *(["nodad"] if ":" in address else []))
            with network.origin.entered():
                server = SocketOrigin(echo)
            with server, Tunnel(server.address, start=False, remote_flags=flags,
                                remote_options={"within": network.remote.within},
                                origin_options={"within": network.origin.within}) as tunnel:
                tunnel.control, tunnel.outside = (Network.REMOTE, CONTROL), ("::", OUTSIDE)
                tunnel.start_remote()
                tunnel.start_origin()
                self.network = network
                yield

    def visit(self, source=Network.REMOTE):
        """From the address of that name; to the remote proxy's of the same kind."""
        target = Network.REMOTE_V6 if ":" in source else Network.REMOTE
        with self.network.remote.entered():
            return socket.create_connection((target, OUTSIDE), DEADLINE, (source, 0))

    def serves(self, source=Network.REMOTE):
        try:
            with self.visit(source) as visitor:
                exchange(visitor)
        except ConnectionError:
            return False
        return True

    def test_a_visitor_beyond_its_addresss_limit_is_reset_and_others_are_served(self):
        with self.tunnel("--max-connections-per-ip", "2"), contextlib.ExitStack() as stack:
            visitors = [stack.enter_context(self.visit()) for _ in range(2)]
            for visitor in visitors:
                exchange(visitor)
            for _ in range(MANY):
                self.assertFalse(self.serves())
            self.assertTrue(self.serves(self.OTHER))
            reset(visitors.pop())
            poll(self.serves, "the next is served")
            exchange(visitors.pop())

    def test_the_addresses_of_one_ipv6_subscriber_share_a_limit(self):
        with self.tunnel("--max-connections-per-ip", "1"), self.visit(Network.REMOTE_V6) as visitor:
            exchange(visitor)
            self.assertFalse(self.serves(self.SAME_64))
            self.assertTrue(self.serves(self.OTHER_64))

    def test_so_many_new_visitors_of_one_address_are_served_each_second_and_others_are_not_affected(self):
        with self.tunnel("--max-new-per-second-per-ip", "2"):
            began = time.monotonic()
            served = sum(self.serves() for _ in range(MANY))
            self.assertGreaterEqual(served, 2)
            self.assertLessEqual(served, 2 + 2 * (time.monotonic() - began))
            self.assertTrue(self.serves(self.OTHER))
            poll(self.serves, "it may come again")

    def test_the_limits_per_ip_do_not_concern_trusted_networks(self):
        with self.tunnel("--max-connections-per-ip", "1", "--max-new-per-second-per-ip", "1",
                         "--trusted", f"{self.OTHER},2001:db8::/64"), contextlib.ExitStack() as stack:
            for source in (self.OTHER, self.SAME_64):
                for visitor in [stack.enter_context(self.visit(source)) for _ in range(MANY)]:
                    exchange(visitor)
            exchange(stack.enter_context(self.visit()))
            self.assertFalse(self.serves())

    def test_allowed_and_denied_networks_are_told_apart_on_a_socket_for_ipv4_and_ipv6(self):
        with self.tunnel("--allow", "10.99.0.0/24,2001:db8::/64", "--deny", f"{self.OTHER}", "--deny", self.SAME_64):
            self.assertTrue(self.serves(Network.REMOTE))
            self.assertTrue(self.serves(Network.REMOTE_V6))
            for source in (self.OTHER, self.SAME_64, self.OTHER_64):
                self.assertFalse(self.serves(source))


if __name__ == "__main__":
    unittest.main()
