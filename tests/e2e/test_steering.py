"""Draining, resuming and closing by the management interface, seen from outside; lists, events, reload and roles."""

import contextlib
import os
import socket
import threading
import unittest

from faults import exchange, receive, refuses, visit
from managing import Api, Crowd, Events, Guest, ManagedByHand, named, served_by, thousand_tunnels, tunnel
from origins import SocketOrigin
from support import HOST, MACHINE, Program, Tunnel, free_port, poll, show_address
from test_management import READ_TOKEN, TOKEN
from trust import MODES, flags as flags_of_trust


class Two(ManagedByHand):
    """Two origin proxies, roof and cellar, that share "web"; "mail" is the cellar's alone."""

    balance = "round-robin"

    def setUp(self):
        super().setUp()
        self.path, self.files = self.secrets("roof", "cellar")
        self.servers = {name: self.enterContext(named(name)) for name in ("roof", "cellar")}
        config = self.folder.file("remote.toml", f'[services.web]\noutside-addr = "{HOST}:0"\nbalance = "{self.balance}"\n'
                                                 f'[services.mail]\noutside-addr = "{HOST}:0"\norigins = ["cellar"]\n')
        self.program, self.control, self.api = self.managed_remote("--secrets-file", self.path, "--config", config)
        self.programs = {name: self.come(name) for name in self.servers}
        self.web, self.mail = (self.outside_of(self.api, name) for name in ("web", "mail"))

    def come(self, name):
        words = [word for service in ("web", "mail") for word in self.offer(self.servers[name], service)]
        return self.origin(self.control, "--secret-file", self.files[name], *words)[0]

    def who_serve(self, count=20):
        return {served_by(self.web) for _ in range(count)}

    def origin_state(self, name):
        return self.api.get(f"/v1/origins/{name}")["state"]


class Services(Two):
    def test_a_drained_service_refuses_and_those_who_are_there_go_on_until_it_is_resumed(self):
        with Guest(self.web) as guest, Crowd(self.mail) as others:
            drained = self.api.post("/v1/services/web/drain")
            self.assertEqual((drained["state"], drained["visitors"]), ("drained", 1))
            self.assertTrue(refuses(self.web))
            guest.talks()
            self.api.post("/v1/services/web/drain")  # a second time is the same
            self.assertEqual(self.api.get("/v1/services/web")["state"], "drained")
            self.assertEqual(self.api.post("/v1/services/web/resume")["state"], "open")
            self.assertEqual(self.who_serve(), {"roof", "cellar"})
            self.assertEqual(self.api.post("/v1/services/web/resume")["state"], "open")
            guest.talks()
            others.wait_more()
        self.assertEqual(others.failed, [])

    def test_a_closed_service_resets_those_who_are_there_and_no_others(self):
        with Guest(self.web) as guest, Guest(self.mail) as other:
            self.assertEqual(self.api.post("/v1/services/web/close")["state"], "drained")
            self.assertEqual(guest.how_it_ends(), "reset")
            self.assertTrue(refuses(self.web))
            other.talks()
            poll(lambda: self.api.get("/v1/services/web")["visitors"] == 0, "nobody is counted any more")
            self.api.post("/v1/services/web/resume")
            self.assertEqual(self.who_serve(), {"roof", "cellar"})

    def test_an_origin_proxy_that_comes_does_not_open_a_service_that_is_drained(self):
        self.api.post("/v1/services/mail/drain")
        self.end(self.programs["cellar"])
        self.come("cellar")
        poll(lambda: self.api.get("/v1/services/mail")["origins"] == [f"cellar/{MACHINE}"], "it is served again")
        self.assertEqual(self.api.get("/v1/services/mail")["state"], "drained")
        self.assertTrue(refuses(self.mail))
        self.api.post("/v1/reload")
        self.assertTrue(refuses(self.mail))
        self.api.post("/v1/services/mail/resume")
        self.assertEqual(served_by(self.mail), "cellar")

    def test_draining_and_resuming_again_and_again_harms_nobody_who_is_there_and_leaks_nothing(self):
        with Guest(self.web) as guest:
            descriptors = len(os.listdir(f"/proc/{self.program.pid}/fd"))
            for _ in range(200):
                self.api.post("/v1/services/web/drain")
                self.api.post("/v1/services/web/resume")
            guest.talks()
            # Some that are parked come and go meanwhile; a leak would be one for each of the 200.
            self.assertLess(len(os.listdir(f"/proc/{self.program.pid}/fd")), descriptors + 20)
        self.assertEqual(self.who_serve(), {"roof", "cellar"})

    def test_a_tunnel_is_drained_and_resumed_as_every_service(self):
        port = free_port()
        self.api.put([tunnel(port, "roof", "web")])
        self.assertEqual(served_by((HOST, port)), "roof")
        with Guest((HOST, port)) as guest:
            self.api.post(f"/v1/services/{HOST}:{port}/drain")
            self.assertTrue(refuses((HOST, port)))
            guest.talks()
            self.api.put([tunnel(port, "cellar", "web")])  # it moves, and stays drained
            self.assertTrue(refuses((HOST, port)))
            self.api.post(f"/v1/services/{HOST}:{port}/resume")
            self.assertEqual(served_by((HOST, port)), "cellar")
            guest.talks()

    def test_a_service_that_an_origin_proxy_opened_stays_drained_when_that_comes_back(self):
        port = free_port()
        _, control, api = self.managed_remote("--secrets-file", self.path, "--allow-ports", f"{port}")
        words = ["--secret-file", self.files["roof"], "--service",
                 f"mine={show_address(self.servers['roof'].address)}@{port}"]
        origin, _ = self.origin(control, *words)
        shown = api.get("/v1/services/mine")
        self.assertEqual((shown["from"], shown["state"], shown["outside"]), ("origin", "open", f"[::]:{port}"))
        with Guest((HOST, port)) as guest:
            api.post("/v1/services/mine/drain")
            self.assertTrue(refuses((HOST, port)))
            guest.talks()
        # Nor is its address anybody else's.
        self.assertEqual(api.ask("PUT", "/tunnels", [tunnel(port, "roof", "mine")]).status, 409)
        self.end(origin)
        poll(lambda: api.get("/v1/origins")["origins"] == [], "it is gone")
        self.origin(control, *words)
        self.assertEqual(api.get("/v1/services/mine")["state"], "drained")
        self.assertTrue(refuses((HOST, port)))
        api.post("/v1/services/mine/resume")
        self.assertEqual(served_by((HOST, port)), "roof")

    def test_the_port_of_a_drained_service_is_nobody_elses(self):
        self.api.post("/v1/services/mail/drain")
        with self.assertRaises(OSError):
            socket.create_server(self.mail).close()
        self.assertEqual(self.api.put([], 200), [])
        answer = self.api.ask("PUT", "/tunnels", [tunnel(self.mail[1], "roof", "web")])
        self.assertEqual(answer.status, 409, answer)
        self.assertEqual(self.api.post("/v1/services/mail/resume")["state"], "open")
        self.assertEqual(served_by(self.mail), "cellar")


class Origins(Two):
    def test_of_two_the_drained_one_gets_no_more_visitors_and_those_whom_it_has_go_on(self):
        with Guest(self.web) as first, Guest(self.web) as second, Crowd(self.web) as crowd:
            crowd.wait_more()
            self.assertEqual({first.served_by, second.served_by}, {"roof", "cellar"})
            self.assertEqual(self.api.post("/v1/origins/roof/drain"), {"name": "roof", "state": "drained"})
            self.assertEqual(self.who_serve(), {"cellar"})
            self.assertEqual(self.origin_state("roof"), "drained")
            self.assertEqual(self.api.post("/v1/origins/roof/resume"), {"name": "roof", "state": "open"})
            self.assertEqual(self.who_serve(), {"roof", "cellar"})
            for guest in (first, second):
                guest.talks()
        self.assertEqual(crowd.failed, [])

    def test_a_drained_one_is_still_drained_after_it_has_come_back(self):
        self.api.post("/v1/origins/roof/drain")
        for end in (self.end, Program.kill):
            end(self.programs["roof"])
            poll(lambda: self.api.get("/clients")["roof"]["CurrentState"] == "ClientDisconnected", "it is gone")
            self.programs["roof"] = self.come("roof")
            self.assertEqual(self.origin_state("roof"), "drained")
            self.assertEqual(self.who_serve(), {"cellar"})
        # It can be resumed also while it is away.
        self.end(self.programs["roof"])
        poll(lambda: self.api.get("/clients")["roof"]["CurrentState"] == "ClientDisconnected", "it is gone")
        self.api.post("/v1/origins/roof/resume")
        self.come("roof")
        self.assertEqual(self.who_serve(), {"roof", "cellar"})

    def test_where_the_only_one_is_drained_the_service_refuses_until_it_is_resumed(self):
        with Guest(self.mail) as guest:
            self.api.post("/v1/origins/cellar/drain")
            poll(lambda: refuses(self.mail), "connecting is refused")
            self.assertEqual(self.who_serve(), {"roof"})
            self.api.post("/v1/origins/cellar/resume")
            self.assertEqual(served_by(self.mail), "cellar")
            guest.talks()

    def test_a_closed_one_loses_its_visitors_alone_and_comes_back_at_once(self):
        with Guest(self.web) as first, Guest(self.web) as second:
            lost, stays = (first, second) if first.served_by == "roof" else (second, first)
            self.assertEqual(self.api.post("/v1/origins/roof/close"), {"name": "roof", "state": "closed"})
            self.assertEqual(lost.how_it_ends(), "reset")
            stays.talks()
            self.assertEqual(self.api.get("/clients")["cellar"]["LastState"], "ClientUnknown")
            poll(lambda: self.api.get("/clients")["roof"]["CurrentState"] == "ClientConnected", "it is back")
            poll(lambda: self.who_serve() == {"roof", "cellar"}, "both serve again")
            self.assertEqual(self.api.get("/clients")["roof"]["LastState"], "ClientDisconnected")
            self.assertEqual(self.origin_state("roof"), "open")
            stays.talks()

    def test_they_are_shown_with_what_they_serve(self):
        with Guest(self.mail):
            shown = self.api.get("/v1/origins")["origins"]
            self.assertEqual([each["name"] for each in shown], [f"cellar/{MACHINE}", f"roof/{MACHINE}"])
            self.assertEqual([each["services"] for each in shown], [["mail", "web"], ["web"]])
            self.assertEqual([each["visitors"] for each in shown], [1, 0])
            for each in shown:
                self.assertTrue(each["encrypted"])
                self.assertGreater(each["seconds"], 0)
                self.assertLess(each["round_trip_seconds"], 1)
            self.assertEqual(self.api.get("/v1/origins/roof")["address"], shown[1]["address"])


class Visitors(Two):
    def visitors(self, query=""):
        return self.api.get(f"/v1/visitors{query}")["visitors"]

    def shown(self, guest):
        return next((each for each in self.visitors() if each["address"] == guest.address), None)

    def test_the_closed_one_is_reset_and_no_other(self):
        with Guest(self.web) as guest, Guest(self.web) as other:
            number = self.shown(guest)["id"]
            self.assertEqual(self.api.get(f"/v1/visitors/{number}")["address"], guest.address)
            self.assertEqual(self.api.post(f"/v1/visitors/{number}/close"), {"id": number, "state": "closed"})
            self.assertEqual(guest.how_it_ends(), "reset")
            other.talks()
            poll(lambda: self.api.ask("GET", f"/v1/visitors/{number}").status == 404, "it is gone")
            self.api.post(f"/v1/visitors/{number}/close", 404)
            Tunnel.wait_log(self.program, lambda line: line["message"] == "visitor ended"
                            and line["visitor"] == guest.address and line["code"] == "closed_by_management")

    def test_one_that_waits_is_shown_so_and_can_be_closed_and_the_next_is_served(self):
        self.programs["cellar"].kill()
        Tunnel.wait_log(self.program, lambda line: line["message"] == "lost the origin proxy")
        with visit(self.mail) as waiting:
            shown = poll(self.visitors, "it waits")[0]
            self.assertEqual((shown["state"], shown["origin"], shown["service"]), ("waiting", None, "mail"))
            self.assertEqual((shown["bytes_to_origin"], shown["bytes_to_visitor"]), (0, 0))
            self.assertEqual(self.api.get("/v1/status")["waiting"], 1)
            self.api.post(f"/v1/visitors/{shown['id']}/close")
            with self.assertRaises(ConnectionResetError):
                waiting.recv(1)
            self.assertEqual(self.visitors(), [])
        with visit(self.mail) as waiting:
            first = poll(self.visitors, "it waits")[0]
            self.come("cellar")
            self.assertEqual(waiting.recv(7), b"cellar\n")
            shown = self.visitors()[0]
            self.assertEqual((shown["id"], shown["state"], shown["origin"]), (first["id"], "served", f"cellar/{MACHINE}"))
            self.assertGreater(shown["seconds"], first["seconds"])

    def test_one_that_waits_is_reset_when_its_service_is_closed_and_not_when_it_is_drained(self):
        self.programs["cellar"].kill()
        Tunnel.wait_log(self.program, lambda line: line["message"] == "lost the origin proxy")
        with visit(self.mail) as waiting, visit(self.mail) as patient:
            poll(lambda: len(self.visitors("?service=mail")) == 2, "both wait")
            self.api.post("/v1/services/mail/drain")
            self.assertEqual(len(self.visitors("?service=mail")), 2)
            self.come("cellar")
            for each in (waiting, patient):
                self.assertEqual(each.recv(7), b"cellar\n")
            self.api.post("/v1/services/mail/close")
            for each in (waiting, patient):
                with self.assertRaises(ConnectionResetError):
                    each.recv(1)

    def test_pages_of_ten_give_each_of_25_exactly_once_while_others_come_and_go(self):
        with contextlib.ExitStack() as stack:
            guests = [stack.enter_context(Guest(self.web)) for _ in range(25)]
            crowd = stack.enter_context(Crowd(self.mail))
            crowd.wait_more(2)
            seen, after, pages = [], "", 0
            while True:
                page = self.api.get(f"/v1/visitors?limit=10&service=web&after={after}")
                seen += page["visitors"]
                pages += 1
                if "next" not in page:
                    break
                after = page["next"]
                crowd.wait_more(2)
            self.assertEqual(pages, 3)
            self.assertEqual([each["address"] for each in seen], [guest.address for guest in guests])
            numbers = [each["id"] for each in seen]
            self.assertEqual(numbers, sorted(set(numbers)))
            self.assertEqual(len(self.visitors("?limit=25&service=web")), 25)
            self.assertNotIn("next", self.api.get("/v1/visitors?limit=25&service=web"))
            self.assertIn("next", self.api.get("/v1/visitors?limit=24&service=web"))
        self.assertEqual(crowd.failed, [])

    def test_they_are_filtered_by_service_and_by_origin_proxy(self):
        with contextlib.ExitStack() as stack:
            guests = [stack.enter_context(Guest(self.web)) for _ in range(6)]
            guests.append(stack.enter_context(Guest(self.mail)))

            def expect(query, wanted):
                self.assertEqual([each["address"] for each in self.visitors(query)], [guest.address for guest in wanted])
            of_cellar = [guest for guest in guests if guest.served_by == "cellar"]
            expect("", guests)
            expect("?service=mail", guests[-1:])
            expect("?origin=cellar", of_cellar)
            expect("?service=web&origin=cellar", of_cellar[:-1])
            expect("?service=nothing", [])
            expect("?origin=nobody", [])
            expect("?service=m%61il", guests[-1:])

    def test_a_page_that_is_none_is_400(self):
        for query in ("limit=0", "limit=1001", "limit=-1", "limit=ten", "limit=", "limit=1.5", "after=last",
                      "limit=99999999999999999999"):
            self.assertEqual(self.api.ask("GET", f"/v1/visitors?{query}").status, 400, query)
        for path in ("services", "origins"):
            self.assertEqual(self.api.ask("GET", f"/v1/{path}?limit=0").status, 400, path)

    def test_a_badly_encoded_query_is_400_and_not_taken_for_none(self):
        with Guest(self.web):
            for query in ("service=%zz", "service=%0a", "origin=%f", "limit=%31%", "after=%00"):
                answer = self.api.ask("GET", f"/v1/visitors?{query}")
                with self.subTest(query):
                    self.assertEqual(answer.status, 400, answer)

    def test_services_come_in_pages_by_name(self):
        first = self.api.get("/v1/services?limit=1")
        self.assertEqual(([each["name"] for each in first["services"]], first["next"]), (["mail"], "mail"))
        second = self.api.get("/v1/services?limit=1&after=mail")
        self.assertEqual([each["name"] for each in second["services"]], ["web"])
        self.assertNotIn("next", second)


class Moving(ManagedByHand):
    """Visitors whose bytes move, or cannot, in every mode of trust."""

    def shown(self, guest):
        return next((each for each in self.api.get("/v1/visitors")["visitors"] if each["address"] == guest.address), None)

    def in_each_mode(self, *flags):
        """The outside address in each mode, while both programs run."""
        for mode in MODES:
            of_remote, of_origin = flags_of_trust(mode)
            with named("here") as server:
                remote, control, self.api = self.managed_remote("--outside-addr", f"{HOST}:0", *flags, *of_remote)
                origin, _ = self.origin(control, "--origin-server-addr", show_address(server.address), *of_origin)
                yield self.outside_of(self.api, "default")
                self.end(origin)
                self.end(remote)

    def close(self, guest):
        number = poll(lambda: self.shown(guest), "it is shown")["id"]
        self.api.post(f"/v1/visitors/{number}/close")
        poll(lambda: self.shown(guest) is None, "it is gone")

    def test_age_and_bytes_go_up_while_a_visitor_moves_them_and_it_is_closed_meanwhile(self):
        for outside in self.in_each_mode():
            closed = threading.Event()
            with Guest(outside) as guest:
                def move():
                    with contextlib.suppress(ConnectionError):
                        while True:
                            exchange(guest.connection, b"x" * (1 << 17))
                    closed.set()
                threading.Thread(target=move, daemon=True).start()
                first = last = poll(lambda: self.shown(guest), "it is shown")
                self.assertEqual((first["service"], first["state"]), ("default", "served"))
                for _ in range(5):
                    def more(than=last):
                        now = self.shown(guest)
                        return now if min(now[each] - than[each] for each in
                                          ("bytes_to_origin", "bytes_to_visitor")) > 1 << 17 else None
                    fresh = poll(more, "more bytes are shown each way")
                    self.assertGreater(fresh["seconds"], last["seconds"])
                    self.assertEqual(fresh["id"], first["id"])
                    last = fresh
                self.close(guest)
                self.assertTrue(closed.wait(20))

    def test_all_bytes_are_shown_of_one_who_rests(self):
        for outside in self.in_each_mode():
            with Guest(outside) as guest:
                exchange(guest.connection, b"x" * 100_000)
                poll(lambda: [self.shown(guest)[each] for each in ("bytes_to_origin", "bytes_to_visitor")]
                     == [100_000, 100_005], "all of them are shown")

    def test_one_who_does_not_read_is_closed(self):
        for outside in self.in_each_mode():
            with Guest(outside) as guest:
                guest.connection.settimeout(0.3)
                with self.assertRaises(TimeoutError):
                    while True:  # the echo has nowhere to go
                        guest.connection.sendall(b"x" * (1 << 20))
                self.close(guest)
                guest.connection.settimeout(20)
                self.assertEqual(guest.how_it_ends(), "reset")

    def test_one_who_has_finished_sending_and_still_receives_is_closed(self):
        def begin_an_answer(connection):
            connection.sendall(b"here\n")
            while connection.recv(100):
                pass
            connection.sendall(b"the beginning")
            with contextlib.suppress(ConnectionResetError):
                asked.wait(20)
        asked = threading.Event()
        for mode in MODES:
            of_remote, of_origin = flags_of_trust(mode)
            with self.subTest(mode), SocketOrigin(begin_an_answer) as server:
                _, control, self.api = self.managed_remote("--outside-addr", f"{HOST}:0", *of_remote)
                self.origin(control, "--origin-server-addr", show_address(server.address), *of_origin)
                with Guest(self.outside_of(self.api, "default")) as guest:
                    guest.connection.shutdown(socket.SHUT_WR)
                    self.assertEqual(receive(guest.connection, 13), b"the beginning")
                    self.close(guest)
                    self.assertEqual(guest.how_it_ends(), "reset")
        asked.set()

    def test_one_who_waits_for_bandwidth_is_closed(self):
        for outside in self.in_each_mode("--max-bandwidth-up-per-visitor", "10KiB/s"):
            with Guest(outside) as guest:
                guest.connection.settimeout(0.3)
                with self.assertRaises(TimeoutError):
                    while True:
                        guest.connection.sendall(b"x" * (1 << 20))
                self.close(guest)
                guest.connection.settimeout(20)
                self.assertEqual(guest.how_it_ends(), "reset")


class Reload(ManagedByHand):
    def test_both_programs_reload_by_request_and_say_what_is_wrong_with_a_broken_file(self):
        ports = {name: free_port() for name in ("stays", "comes")}

        def of_remote(*names):
            return self.folder.file("remote.toml", "".join(
                f'[services.{name}]\noutside-addr = "{HOST}:{ports[name]}"\n' for name in names))

        with named("here") as server:
            def of_origin(*names):
                return self.folder.file("origin.toml", "".join(
                    f'[services.{name}]\norigin-server-addr = "{show_address(server.address)}"\n' for name in names))

            _, control, remote = self.managed_remote("--config", of_remote("stays"))
            _, origin = self.managed_origin(control, "--config", of_origin("stays"))
            with Guest((HOST, ports["stays"])) as guest:
                of_remote("stays", "comes")
                of_origin("stays", "comes")
                for api in (remote, origin):
                    self.assertEqual(api.post("/v1/reload"), {"reloaded": True, "changed": ["services.comes"],
                                                                   "needs_restart": []})
                    self.assertEqual([each["name"] for each in api.get("/v1/services")["services"]], ["comes", "stays"])
                poll(lambda: remote.get("/v1/services/comes")["state"] == "open", "the new service is open")
                self.assertEqual(served_by((HOST, ports["comes"])), "here")
                for api, name in ((remote, "remote.toml"), (origin, "origin.toml")):
                    self.folder.file(name, "\nwhat is this?\n")
                    said = api.post("/v1/reload", 422)
                    self.assertIn("nothing has changed", said)
                    self.assertIn(f"{name} line 2", said)
                    self.assertEqual(served_by((HOST, ports["comes"])), "here")
                guest.talks()

    def test_of_two_mistakes_in_a_file_both_are_said_in_one_line(self):
        config = self.folder.file("remote.toml", f'outside-addr = "{HOST}:0"')
        _, _, api = self.managed_remote("--config", config)
        self.folder.file("remote.toml", "one = 1\ntwo = 2")
        said = api.post("/v1/reload", 422)
        self.assertIn("one", said)
        self.assertIn("two", said)
        self.assertEqual(said.count("\n"), 1, said)


class Roles(ManagedByHand):
    def test_the_read_token_is_good_for_looking_alone_and_no_token_for_nothing(self):
        tokens = ["--management-token-file", self.folder.file("token", TOKEN),
                  "--management-read-token-file", self.folder.file("read", READ_TOKEN)]
        _, control, anybody = self.managed_remote("--outside-addr", f"{HOST}:0", *tokens)
        with named("here") as server:
            _, own = self.managed_origin(control, "--origin-server-addr", show_address(server.address), *tokens)
            reader, admin = (Api(anybody.where, token) for token in (READ_TOKEN, TOKEN))
            looks = ["/ping", "/ready", "/metrics", "/clients", "/tunnels", "/v1/status", "/v1/services", "/v1/origins",
                     "/v1/visitors", "/v1/services/default", "/v1/origins/origin"]
            changes = [("PUT", "/tunnels", [])] + [("POST", path, None) for path in (
                "/v1/reload", "/v1/services/default/drain", "/v1/services/default/resume", "/v1/services/default/close",
                "/v1/origins/origin/drain", "/v1/origins/origin/resume", "/v1/origins/origin/close", "/v1/visitors/1/close")]
            with Guest(self.outside_of(admin, "default")) as guest:
                for path in looks:
                    self.assertEqual(anybody.ask("GET", path).status, 401, path)
                    reader.get(path)
                    admin.get(path)
                for method, path, body in changes:
                    self.assertEqual(anybody.ask(method, path, body).status, 401, path)
                    self.assertEqual(reader.ask(method, path, body).status, 403, path)
                    guest.talks()
                self.assertEqual(admin.get("/v1/services/default")["state"], "open")
                self.assertEqual(admin.get("/v1/origins/origin")["state"], "open")
                with reader.events() as events:
                    admin.post("/v1/services/default/close")
                    self.assertEqual(guest.how_it_ends(), "reset")
                    self.assertEqual(events.wait("visitor_closed")["code"], "closed_by_management")
                self.assertEqual(Api(own.where, READ_TOKEN).ask("POST", "/v1/reload").status, 403)
                Api(own.where, TOKEN).post("/v1/reload")


class Happens(ManagedByHand):
    """/v1/events, of a remote proxy without names that has a load balancer and an enemy."""

    balancer, enemy = "127.0.0.3", "127.0.0.4"

    def setUp(self):
        super().setUp()
        self.program, self.control, self.api = self.managed_remote(
            "--outside-addr", f"{HOST}:0", "--accept-proxy-from", self.balancer, "--deny", self.enemy)
        self.outside = self.outside_of(self.api, "default")
        self.server = self.enterContext(named("here"))

    def come(self, **options):
        return self.origin(self.control, "--service", f"default={show_address(self.server.address)}", **options)[0]

    def visit_from(self, source):
        """One who may have been reset by now."""
        visitor = socket.socket()
        visitor.bind((source, 0))
        with contextlib.suppress(ConnectionResetError):
            visitor.connect(self.outside)
        return visitor, show_address(visitor.getsockname())

    def test_each_is_told_with_what_belongs_to_it(self):
        with self.api.events() as events:
            self.assertEqual(events.headers["Content-Type"], "text/event-stream")
            self.assertEqual(events.headers["Cache-Control"], "no-store")
            origin = self.come()
            came = events.wait("origin_came")
            self.assertEqual(set(came), {"origin", "address", "version"})
            self.assertEqual((came["origin"], came["version"]), (MACHINE, self.api.get("/v1/status")["version"]))
            self.assertEqual(came["address"], self.api.get("/v1/origins/origin")["address"])

            rejected, _ = self.origin(self.control, "--origin-server-addr", show_address(self.server.address), ready=False)
            refusal = events.wait("log_in_rejected")
            self.assertEqual(set(refusal), {"address", "code", "reason"})
            self.assertEqual(refusal["code"], "in_use")
            rejected.stop()

            with Guest(self.outside) as guest:
                opened = events.wait("visitor_opened")
                self.assertEqual(set(opened), {"id", "address", "service"})
                self.assertEqual((opened["address"], opened["service"]), (guest.address, "default"))
                self.assertEqual(self.api.get(f"/v1/visitors/{opened['id']}")["address"], guest.address)
                guest.talks()
                self.assertEqual(events.of("visitor_closed"), [])
            closed = events.wait("visitor_closed")
            self.assertEqual(set(closed), {"id", "address", "service", "origin", "bytes_to_origin", "bytes_to_visitor",
                                           "seconds", "code", "reason"})
            self.assertEqual({key: closed[key] for key in ("id", "address", "service")}, opened)
            self.assertEqual((closed["origin"], closed["bytes_to_origin"], closed["bytes_to_visitor"], closed["code"]),
                             (MACHINE, 1000, 1005, "closed"))
            self.assertGreater(closed["seconds"], 0)

            enemy, address = self.visit_from(self.enemy)
            with enemy:
                denied = events.wait("visitor_refused", lambda data: data["limit"])
                self.assertEqual(set(denied), {"address", "service", "code", "reason", "limit"})
                self.assertEqual((denied["address"], denied["code"]), (address, "denied"))
            balancer, address = self.visit_from(self.balancer)
            with balancer:
                balancer.sendall(b"GET / HTTP/1.1\r\n\r\n")
                headless = events.wait("visitor_refused", lambda data: not data["limit"])
                self.assertEqual(headless["address"], address)
                self.assertEqual(headless["code"], "no_proxy_header")

            port = free_port()
            self.api.put([tunnel(port, "origin", "default")])
            self.assertEqual(events.wait("service_opened"), {"service": f"{HOST}:{port}"})
            self.api.put([])
            gone = events.wait("service_closed")
            self.assertEqual(set(gone), {"service", "reason"})
            self.assertEqual(gone["service"], f"{HOST}:{port}")

            self.end(origin)
            left = events.wait("origin_left")
            self.assertEqual(set(left), {"origin", "address", "code", "reason"})
            self.assertEqual((left["origin"], left["address"], left["code"]), (MACHINE, came["address"], "shutting_down"))
            self.assertEqual(events.of("lost"), [])

    def test_the_events_end_when_the_program_does(self):
        with self.api.events() as events:
            self.end(self.program)
            events._reader.join(20)
            self.assertFalse(events._reader.is_alive())

    def test_sixteen_may_listen_and_the_seventeenth_is_told_so_until_one_leaves(self):
        self.come()
        with contextlib.ExitStack() as stack:
            listeners = [stack.enter_context(self.api.events()) for _ in range(16)]
            self.assertEqual(self.api.ask("GET", "/v1/events").status, 503)
            with Guest(self.outside) as guest:
                for each in listeners:
                    each.wait("visitor_opened", lambda data: data["address"] == guest.address)
            listeners[0].__exit__()

            def may_listen():
                served_by(self.outside)  # whoever has gone shows when he is told something
                fresh = Events(self.api)
                with contextlib.closing(fresh._connection):
                    return fresh.status == 200
            poll(may_listen, "there is a place again", interval=0.05)

    def test_a_listener_that_does_not_read_is_told_how_many_it_lost_and_no_visitor_notices(self):
        self.come()
        port = free_port()
        wanted = thousand_tunnels(port, "origin", "default")
        rounds = 6
        with Guest(self.outside) as guest, Crowd(self.outside, 1) as crowd, self.api.events() as quick, \
                self.api.connect() as lazy:
            lazy.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            poll(lambda: lazy.recv(15, socket.MSG_PEEK), "it is answered")
            for _ in range(rounds):
                self.api.put(wanted)
                self.api.put([])
                guest.talks()
            crowd.wait_more()
            heard = b""
            while b"event: lost\n" not in heard:
                piece = lazy.recv(1 << 16)
                self.assertTrue(piece, "it was cut before it was told")
                heard += piece
            heard, _, rest = heard.partition(b"event: lost\ndata: ")
            while b"\n" not in rest:
                rest += lazy.recv(1 << 10)
            lost = int(rest.split(b'{"events":')[1].split(b"}")[0])
            kept = heard.count(b"\nevent: service_")
            self.assertGreater(lost, 0)
            self.assertGreater(kept, 1000)
            # Whoever reads loses nothing.
            poll(lambda: len(quick.of("service_closed")) == 1000 * rounds, "the other hears all of them")
            self.assertEqual(len(quick.of("service_opened")), 1000 * rounds)
            self.assertEqual(quick.of("lost"), [])
            self.assertLessEqual(kept + lost, 2 * 1000 * rounds + 2 * (len(crowd.served) + 10))
        self.assertEqual(crowd.failed, [])


if __name__ == "__main__":
    unittest.main()
