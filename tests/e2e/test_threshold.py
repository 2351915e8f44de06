"""threshold's usage example, step by step: the clients, PUT /tunnels, visitors, and a service that moves."""

import json
import os
import shutil
import socket
import unittest

from faults import receive, refuses, visit
from managing import Crowd, Guest, ManagedByHand, named, served_by, thousand_tunnels, tunnel
from origins import HttpOrigin, SocketOrigin
from support import HOST, MACHINE, free_port, need, poll, run
from trust import folder, make_certificates, origin_flags, remote_flags


def threshold_listener(connection):
    """Takes a header of the PROXY protocol and 16 bytes, and answers with 3."""
    header = b""
    while not header.endswith(b"\r\n"):
        header += receive(connection, 1)
    said = receive(connection, 16)
    connection.sendall(b"asd")
    return header, said


def connected(*, before=False):
    return {"CurrentState": "ClientConnected", "LastState": "ClientDisconnected" if before else "ClientUnknown"}


class Threshold(ManagedByHand):
    """Two clients, by secrets."""

    def setUp(self):
        super().setUp()
        self.path, self.files = self.secrets("TestClient1", "TestClient2")
        self.program, self.control, self.api = self.managed_remote("--secrets-file", self.path)

    def come(self, name, *servers):
        return self.client(self.control, name, self.files, *servers)

    def leave(self, program, name):
        self.end(program)
        poll(lambda: self.api.get("/clients")[name]["CurrentState"] == "ClientDisconnected", f"{name} is gone")


class UsageExample(Threshold):
    def test_the_example_of_threshold_works_step_by_step(self):
        port = free_port()
        self.assertEqual(self.api.get("/ping"), "pong")
        self.assertEqual(self.api.get("/clients"), {})
        with SocketOrigin(threshold_listener) as listener:
            self.come("TestClient1", listener)
            self.assertEqual(self.api.get("/clients"), {"TestClient1": connected()})
            self.assertEqual(self.api.get("/tunnels"), [])
            self.assertTrue(refuses((HOST, port)))
            wanted = [tunnel(port, "TestClient1", HaProxyProxyProtocol=True)]
            self.assertEqual(self.api.put(wanted), wanted)
            self.assertEqual(self.api.get("/tunnels"), wanted)
            with visit((HOST, port)) as sender:
                sender.sendall(b"0123456789abcdef")
                self.assertEqual(receive(sender, 3), b"asd")
                self.assertEqual(sender.recv(1), b"")
                source = sender.getsockname()
            poll(lambda: listener.results, "the listener is done")
            self.assertEqual(listener.results,
                             [(f"PROXY TCP4 {HOST} {HOST} {source[1]} {port}\r\n".encode(), b"0123456789abcdef")])

    def test_a_real_web_server_is_reached_by_curl_and_the_service_moves_to_the_second_client(self):
        port = free_port()

        def ask():
            return run([need("curl"), "-sS", "--max-time", "20", f"http://{HOST}:{port}/page"]).stdout

        with HttpOrigin({"page": b"of the first"}) as first, HttpOrigin({"page": b"of the second"}) as second:
            self.come("TestClient1", first)
            self.come("TestClient2", second)
            self.api.put([tunnel(port, "TestClient1")])
            self.assertEqual(ask(), "of the first")
            self.api.put([tunnel(port, "TestClient2")])
            self.assertEqual(ask(), "of the second")
            self.api.put([])
            self.assertTrue(refuses((HOST, port)))
            self.assertEqual(self.api.get("/clients"), {"TestClient1": connected(), "TestClient2": connected()})

    def test_the_address_is_asked_for_by_curl_over_tcp_as_threshold_does(self):
        where = f"{HOST}:{free_port()}"
        _, control, _ = self.remote("--secrets-file", self.path, "--management-addr", where)
        with named("first") as server:
            self.client(control, "TestClient1", self.files, server)
            port = free_port()
            body = json.dumps([tunnel(port, "TestClient1")])
            done = run([need("curl"), "-sS", "-X", "PUT", "-H", "Content-Type: application/json", "-d", body,
                        f"http://{where}/tunnels"])
            self.assertEqual(json.loads(done.stdout), json.loads(body))
            self.assertEqual(served_by((HOST, port)), "first")

    def test_a_client_that_left_and_came_again_says_so_and_its_tunnels_with_it(self):
        port = free_port()
        with named("first") as server:
            first = self.come("TestClient1", server)
            self.api.put([tunnel(port, "TestClient1")])
            self.assertEqual(served_by((HOST, port)), "first")
            self.leave(first, "TestClient1")
            self.assertEqual(self.api.get("/clients")["TestClient1"],
                             {"CurrentState": "ClientDisconnected", "LastState": "ClientConnected"})
            self.assertEqual(self.api.get("/tunnels"), [tunnel(port, "TestClient1")])
            self.api.put([tunnel(port, "TestClient1")])  # the same as before needs nobody
            self.come("TestClient1", server)
            self.assertEqual(self.api.get("/clients")["TestClient1"], connected(before=True))
            self.assertEqual(served_by((HOST, port)), "first")


class Moves(Threshold):
    def test_a_service_moves_while_visitors_come_and_none_is_refused_and_the_established_one_lives_on(self):
        port = free_port()
        with named("first") as first, named("second") as second:
            self.come("TestClient1", first)
            self.come("TestClient2", second)
            self.api.put([tunnel(port, "TestClient1")])
            with Guest((HOST, port)) as guest, Crowd((HOST, port)) as crowd:
                crowd.wait_more()
                for client in ("TestClient2", "TestClient1") * 10 + ("TestClient2",):
                    self.api.put([tunnel(port, client)])
                    guest.talks()
                    crowd.wait_more(5)
                self.assertEqual(guest.served_by, "first")
                self.assertEqual(served_by((HOST, port)), "second")
            self.assertEqual(crowd.failed, [])
            self.assertEqual(set(crowd.served), {"first", "second"})

    def test_a_tunnel_moves_to_another_service_of_the_same_client_and_gets_a_header_or_none(self):
        port = free_port()
        with named("first") as first, named("other") as other:
            self.come("TestClient1", first, other)
            self.api.put([tunnel(port, "TestClient1")])
            with Guest((HOST, port)) as guest:
                self.api.put([tunnel(port, "TestClient1", "service1")])
                self.assertEqual(served_by((HOST, port)), "other")
                self.api.put([tunnel(port, "TestClient1", "service1", HaProxyProxyProtocol=True)])
                with Guest((HOST, port)) as told:
                    self.assertEqual(receive(told.connection, 11), b"PROXY TCP4 ")
                guest.talks()
                self.assertEqual(guest.served_by, "first")

    def test_one_that_moves_to_a_client_without_the_service_waits_for_it(self):
        port = free_port()
        with named("first") as first, named("second") as second:
            self.come("TestClient1", first)
            lacking, _ = self.origin(self.control, "--secret-file", self.files["TestClient2"],
                                     *self.offer(second, "another"))
            self.api.put([tunnel(port, "TestClient1")])
            self.api.put([tunnel(port, "TestClient2")])
            self.assertEqual(self.api.get(f"/v1/services/{HOST}:{port}")["origins"], [])
            self.end(lacking)
            self.come("TestClient2", second)
            poll(lambda: self.api.get(f"/v1/services/{HOST}:{port}")["origins"] == [f"TestClient2/{MACHINE}"],
                 "it is served")
            self.assertEqual(served_by((HOST, port)), "second")

    def test_others_come_and_go_and_a_visitor_of_one_that_stays_or_goes_notices_nothing(self):
        stays, goes, comes = free_port(), free_port(), free_port()
        with named("first") as server, named("second") as second:
            self.come("TestClient1", server)
            self.come("TestClient2", second)
            self.api.put([tunnel(stays, "TestClient1"), tunnel(goes, "TestClient2")])
            with Guest((HOST, stays)) as guest, Guest((HOST, goes)) as left, Crowd((HOST, stays)) as crowd:
                for _ in range(5):
                    self.api.put([tunnel(stays, "TestClient1"), tunnel(comes, "TestClient2")])
                    self.assertTrue(refuses((HOST, goes)))
                    self.assertEqual(served_by((HOST, comes)), "second")
                    guest.talks()
                    left.talks()
                    self.api.put([tunnel(goes, "TestClient2"), tunnel(stays, "TestClient1")])
                    self.assertTrue(refuses((HOST, comes)))
                    self.assertEqual(served_by((HOST, goes)), "second")
                    crowd.wait_more(5)
                self.api.put([])
                for port in (stays, goes, comes):
                    self.assertTrue(refuses((HOST, port)))
                guest.talks()
                left.talks()
                # A tunnel that is gone keeps nobody alive who leaves.
                left.connection.shutdown(socket.SHUT_WR)
                self.assertEqual(left.how_it_ends(), "end of stream")
                crowd.failed.clear()  # it was refused at the end, as it should be
                self.api.put([tunnel(stays, "TestClient1")])
                crowd.wait_more(5)

    def test_all_addresses_and_one_of_them_follow_each_other_at_one_port(self):
        port = free_port()
        with named("first") as server, named("second") as second:
            self.come("TestClient1", server)
            self.come("TestClient2", second)
            every = tunnel(port, "TestClient2", ListenAddress="0.0.0.0")
            for wanted, answers in (([tunnel(port, "TestClient1")], "first"), ([every], "second"),
                                    ([tunnel(port, "TestClient1")], "first")):
                self.assertEqual(self.api.put(wanted), wanted)
                self.assertEqual(served_by((HOST, port)), answers)

    def test_a_thousand_tunnels_open_and_close_at_once(self):
        with named("first") as server:
            self.come("TestClient1", server)
            port = free_port()
            all_of_them = thousand_tunnels(port, "TestClient1")
            self.api.put(all_of_them)
            self.assertEqual(len(self.api.get("/v1/services?limit=1000")["services"]), 1000)
            for each in all_of_them[::100]:
                self.assertEqual(served_by((each["ListenAddress"], port)), "first")
            self.api.put(all_of_them[:1])
            self.assertTrue(refuses((all_of_them[-1]["ListenAddress"], port)))
            self.assertEqual(served_by((all_of_them[0]["ListenAddress"], port)), "first")


class MutualTls(ManagedByHand):
    def test_clients_are_named_by_their_certificates(self):
        place = folder("threshold")
        clients, files = {}, None
        for name in ("TestClient1", "TestClient2"):
            files = make_certificates(place, name=name, renew=files is not None)
            kept = {each: os.path.join(folder(f"{name}-{each}"), "file.pem") for each in ("client", "client_key")}
            for each, path in kept.items():
                shutil.copy(getattr(files, each), path)
            clients[name] = ["--tls-ca", files.ca, "--tls-cert", kept["client"], "--tls-key", kept["client_key"]]
        self.assertEqual(origin_flags(files)[:2], clients["TestClient1"][:2])
        _, control, api = self.managed_remote(*remote_flags(files))
        port = free_port()
        with named("first") as first, named("second") as second:
            self.origin(control, *clients["TestClient1"], *self.offer(first))
            self.assertEqual(api.get("/clients"), {"TestClient1": connected()})
            self.origin(control, *clients["TestClient2"], *self.offer(second))
            self.assertEqual(api.get("/clients"), {"TestClient1": connected(), "TestClient2": connected()})
            self.assertTrue(api.get("/v1/origins/TestClient1")["encrypted"])
            api.put([tunnel(port, "TestClient1")])
            with Guest((HOST, port)) as guest:
                self.assertEqual(guest.served_by, "first")
                api.put([tunnel(port, "TestClient2")])
                self.assertEqual(served_by((HOST, port)), "second")
                guest.talks()


    def test_of_a_certificate_for_name_at_domain_the_client_is_the_name(self):
        files = make_certificates(folder("threshold-at"), name="TestClient1@example.com")
        _, control, api = self.managed_remote(*remote_flags(files))
        port, other = free_port(), free_port()
        with named("first") as first:
            self.origin(control, *origin_flags(files), *self.offer(first))
            self.assertEqual(api.get("/clients"), {"TestClient1": connected()})
            api.put([tunnel(port, "TestClient1"), tunnel(other, "TestClient1@example.com")])
            self.assertEqual(served_by((HOST, port)), "first")
            self.assertEqual(served_by((HOST, other)), "first")
            api.put([tunnel(port, "TestClient1")])
            self.assertEqual(served_by((HOST, port)), "first")
            self.assertEqual(api.ask("PUT", "/tunnels", [tunnel(other, "TestClient")]).status, 404)


class Refusals(Threshold):
    """After each of them nothing has changed."""

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.server = self.enterContext(named("first"))
        self.come("TestClient1", self.server)
        self.wanted = [tunnel(self.port, "TestClient1")]
        self.api.put(self.wanted)
        self.guest = self.enterContext(Guest((HOST, self.port)))

    def refused(self, status, body, *, says="", method="PUT", path="/tunnels", **options):
        with self.subTest(body if not isinstance(body, str) else body[:100]):
            services = self.api.get("/v1/services")
            answer = self.api.ask(method, path, body, **options)
            self.check(status, answer, says)
            after = self.api.get("/v1/services")
            for all_of_them in (services, after):  # what goes up with each guest
                for each in all_of_them["services"]:
                    each["visitors_total"] = each["bytes_to_origin"] = each["bytes_to_visitor"] = each["visitors"] = 0
            self.assertEqual(after, services)
            return answer

    def check(self, status, answer, says=""):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.content_type, "text/plain; charset=utf-8")
        self.assertEqual(answer.text.count("\n"), 1)
        self.assertTrue(answer.text.startswith(f"{status} "))
        self.assertIn(says, answer.text)
        self.assertEqual(self.api.get("/tunnels"), self.wanted)
        self.guest.talks()
        self.assertEqual(served_by((HOST, self.port)), "first")

    def with_one_more(self, **changes):
        return [*self.wanted, {**tunnel(free_port(), "TestClient1"), **changes}]

    def test_an_address_that_is_none_or_not_of_this_machine_is_400(self):
        for address in ("localhost", "", "127.0.0.1:80", "127.0.0", "999.0.0.1", "[::1]"):
            self.refused(400, self.with_one_more(ListenAddress=address), says="tunnel 2 ")
        for address in ("192.0.2.77", "2001:db8::77"):
            self.refused(400, self.with_one_more(ListenAddress=address))

    def test_an_address_that_needs_an_interface_and_names_none_is_400(self):
        for address in ("fe80::1", "ff02::1"):
            self.refused(400, self.with_one_more(ListenAddress=address))

    def test_an_address_of_an_interface_that_is_not_there_is_400(self):
        self.refused(400, self.with_one_more(ListenAddress="::1%nowhere0"))

    def test_an_address_to_which_nobody_can_connect_is_400(self):
        for address in ("224.0.0.1", "255.255.255.255"):
            self.refused(400, self.with_one_more(ListenAddress=address))

    def test_an_unknown_path_and_a_client_that_is_not_known_or_has_left_is_404(self):
        self.refused(404, self.wanted, path="/tunnel")
        self.refused(404, self.wanted, path="/tunnels/")
        self.refused(404, self.wanted, path="/v1/tunnels")
        self.refused(404, self.with_one_more(ClientIdentifier="TestClient2"), says="not known")
        second = self.come("TestClient2", self.server)
        self.leave(second, "TestClient2")
        self.refused(404, self.with_one_more(ClientIdentifier="TestClient2"), says="not connected")
        # Nor does one go over to it.
        self.refused(404, [{**self.wanted[0], "ClientIdentifier": "TestClient2"}], says="not connected")

    def test_another_method_is_405_and_is_told_which_there_are(self):
        for method in ("POST", "DELETE", "PATCH", "OPTIONS"):
            answer = self.refused(405, self.wanted, method=method)
            self.assertEqual(answer.headers["Allow"], "GET, HEAD, PUT")

    def test_a_port_of_another_program_or_of_a_service_of_the_options_is_409(self):
        with socket.create_server((HOST, 0)) as other:
            port = other.getsockname()[1]
            self.refused(409, self.with_one_more(ListenPort=port))
            # Not even when others before it could be opened.
            self.refused(409, [*self.with_one_more(), *self.with_one_more(ListenPort=port)[1:]])
        named_port = free_port()
        _, control, api = self.managed_remote("--secrets-file", self.path, "--service", f"web={HOST}:{named_port}")
        self.client(control, "TestClient1", self.files, self.server)
        for address in (HOST, "0.0.0.0"):
            answer = api.ask("PUT", "/tunnels", [tunnel(named_port, "TestClient1", ListenAddress=address)])
            self.assertEqual(answer.status, 409, answer)
            self.assertIn('"web"', answer.text)
        self.assertEqual(api.get("/tunnels"), [])
        self.assertEqual([each["name"] for each in api.get("/v1/services")["services"]], ["web"])

    def test_what_is_no_json_by_its_content_type_is_415(self):
        for other in (None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "multipart/form-data"):
            self.refused(415, self.with_one_more(), content_type=other)
        self.assertEqual(self.api.ask("PUT", "/tunnels", self.wanted, content_type="application/json; charset=utf-8").status,
                         200)

    def test_what_is_no_list_of_tunnels_is_422(self):
        self.refused(422, "")
        self.refused(422, "no JSON")
        self.refused(422, json.dumps(self.with_one_more())[:-1])
        self.refused(422, json.dumps(self.wanted) + "]")
        self.refused(422, b"[\"\xff\"]")
        for other in ("{}", "null", "7", '"tunnels"', "true"):
            self.refused(422, other, says="a list")
        for other in ("[7]", "[null]", "[[]]", '["tunnel"]'):
            self.refused(422, other, says="is no object")
        self.refused(422, "[" * 100 + "]" * 100, says="too deeply")
        self.refused(422, "[" * 500_000, says="too deeply")
        twice = json.dumps(self.with_one_more()).replace('"ListenPort":', '"ListenPort": 1, "ListenPort":')
        self.refused(422, twice, says="twice")
        self.refused(422, self.with_one_more(ListenHostname="a key of nobody"), says="ListenHostname")
        self.refused(422, [tunnel(1 + n, "TestClient1") for n in range(1001)], says="more than 1000")

    def test_a_wrong_value_is_422_and_said_with_the_number_of_the_tunnel(self):
        wrong = {"ListenPort": ["9000", 0, -1, 65536, 9000.0, 1e3, 1 << 70, None, True, [9000]],
                 "HaProxyProxyProtocol": ["true", 1, None, {}],
                 "ListenAddress": [None, 7, [HOST], "1" * 257],
                 "ListenHostnameGlob": [None, 7, "*" * 257],
                 "BackEndService": [None, 7, "", "no name", "a" * 257, "a\nb"],
                 "ClientIdentifier": [None, 7, "", "a" * 257]}
        for key, values in wrong.items():
            for value in values:
                self.refused(422, self.with_one_more(**{key: value}), says="tunnel 2 ")
        for key in ("ListenPort", "ListenAddress", "BackEndService", "ClientIdentifier"):
            more = self.with_one_more()
            del more[1][key]
            self.refused(422, more, says=key)

    def test_a_glob_that_is_no_host_name_is_422(self):
        for glob in ("**", "?", " ", "a.*.example.com", "a*.example.com", "*example.com", "10.0.0.1", "[a-z].example.com"):
            self.refused(422, self.with_one_more(ListenHostnameGlob=glob), says="tunnel 2 has a ListenHostnameGlob")
            self.refused(422, [{**self.wanted[0], "ListenHostnameGlob": glob}], says="tunnel 1 ")

    def test_two_tunnels_of_one_address_and_one_host_name_are_422(self):
        self.refused(422, [*self.wanted, *self.wanted], says="tunnel 2 ")
        more = self.with_one_more(ListenHostnameGlob="app.example.com")
        for other in ("app.example.com", "APP.example.com."):
            self.refused(422, [*more, {**more[1], "ListenHostnameGlob": other}], says="tunnel 3 ")
        self.refused(422, [*self.wanted, {**self.wanted[0], "ListenHostnameGlob": ""}], says="tunnel 2 ")

    def test_a_body_that_is_too_long_is_413_and_one_in_chunks_411(self):
        head = "PUT /tunnels HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        for size in ((1 << 20) + 1, 1 << 40):
            self.check(413, self.api.raw(f"{head}Content-Length: {size}\r\n\r\n[".encode()))
        self.check(413, self.api.ask("PUT", "/tunnels", " " * (1 << 20) + "[]"))
        self.check(411, self.api.raw(f"{head}Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n".encode()))
        self.check(400, self.api.raw(f"{head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n[]".encode()))
        # One that is just short enough.
        spaces = (1 << 20) - len(json.dumps(self.wanted))
        self.assertEqual(self.api.put(" " * spaces + json.dumps(self.wanted)), self.wanted)

    def test_what_may_be_left_out_has_its_default(self):
        least = {key: value for key, value in self.wanted[0].items()
                 if key not in ("HaProxyProxyProtocol", "ListenHostnameGlob")}
        self.wanted = [{**self.wanted[0], "ListenHostnameGlob": ""}]
        self.assertEqual(self.api.put([least]), self.wanted)
        self.guest.talks()
        self.assertEqual(served_by((HOST, self.port)), "first")


if __name__ == "__main__":
    unittest.main()
