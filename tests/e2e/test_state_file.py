"""What the management interface changed outlives the remote proxy, however that ends: --state-file."""

import http.client
import json
import os
import random
import shutil
import signal
import stat
import threading
import time
import unittest

from faults import SLOW, refuses
from managing import Api, Guest, ManagedByHand, named, served_by, tunnel
from support import HOST, MACHINE, Program, Tunnel, binary, free_port, poll, run


def kept_in(path):
    """What the file has, which must be whole."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)


class WithState(ManagedByHand):
    """A remote proxy with a state file, which can be started again at the same addresses; services "one" and "two"."""

    def setUp(self):
        super().setUp()
        self.path, self.files = self.secrets("TestClient1", "TestClient2")
        os.mkdir(self.folder.path("state"))
        self.state = self.folder.path("state/remote-proxy.json")
        self.ports = {name: free_port() for name in ("one", "two")}
        self.control = f"{HOST}:{free_port()}"
        self.api = Api(self.folder.socket("management"))
        self.flags = ["--control-addr", self.control, "--management-addr", self.api.where,
                      "--secrets-file", self.path, "--state-file", self.state]
        for name, port in self.ports.items():
            self.flags += ["--service", f"{name}={HOST}:{port}"]

    def begin(self):
        self.program = self.start("remote-proxy", *self.flags)
        self.program.wait_line(r"^ready ", stream="stdout")
        return self.program

    def begin_again(self, *, kill=False):
        self.program.kill() if kill else self.end(self.program)
        self.begin()

    def come(self, name, server):
        words = [word for service in ("one", "two", "fooService") for word in self.offer(server, service)]
        return self.origin(self.control, "--secret-file", self.files[name], *words)[0]

    def wait_here(self, origin, name="TestClient1"):
        """Until an origin proxy is back, which would rather wait a little longer."""
        def is_here():
            origin.send_signal(signal.SIGHUP)
            clients = self.api.get("/clients")
            return clients.get(name, {}).get("CurrentState") == "ClientConnected"
        poll(is_here, f"{name} is back", interval=0.05)

    def refused_start(self):
        """What it says when it does not start."""
        done = run([binary("remote-proxy"), *self.flags], check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        return done.stderr

    def write(self, text, mode=0o600):
        with open(self.state, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text if isinstance(text, str) else json.dumps(text))


class Kept(WithState):
    def test_what_was_changed_is_there_after_a_stop_and_after_a_kill(self):
        port = free_port()
        with named("first") as server:
            self.begin()
            first = self.come("TestClient1", server)
            second = self.come("TestClient2", server)
            wanted = [tunnel(port, "TestClient1"), tunnel(free_port(), "TestClient2", HaProxyProxyProtocol=True)]
            answer = self.api.ask("PUT", "/tunnels", wanted)
            self.assertEqual((answer.status, answer.headers["Tunnel-Kept"]), (200, "state-file"))
            self.assertEqual(self.api.ask("POST", "/v1/services/one/drain").headers["Tunnel-Kept"], "state-file")
            self.api.post("/v1/origins/TestClient2/drain")
            self.api.post("/v1/services/two/drain")
            self.api.post("/v1/services/two/resume")
            self.assertEqual(stat.S_IMODE(os.stat(self.state).st_mode), 0o600)
            for kill in (False, True):
                self.begin_again(kill=kill)
                self.assertEqual(self.api.get("/tunnels"), wanted)
                self.assertEqual(self.api.get("/v1/services/one")["state"], "drained")
                self.assertEqual(self.api.get("/v1/status")["kept"], "state-file")
                self.wait_here(first)
                self.wait_here(second, "TestClient2")
                self.assertEqual(served_by((HOST, port)), "first")
                self.assertEqual(served_by((HOST, self.ports["two"])), "first")
                self.assertEqual(self.api.get("/v1/services/one")["state"], "drained")
                self.assertTrue(refuses((HOST, self.ports["one"])))
                self.assertEqual(self.api.get("/v1/origins/TestClient1")["state"], "open")
                self.assertEqual(self.api.get("/v1/origins/TestClient2")["state"], "drained")
            self.api.post("/v1/services/one/resume")
            self.assertEqual(served_by((HOST, self.ports["one"])), "first")
            self.api.put([])
            self.api.post("/v1/origins/TestClient2/resume")
            self.begin_again(kill=True)
            self.assertEqual(self.api.get("/tunnels"), [])
            self.assertEqual(self.api.get("/v1/services/one")["state"], "closed")
            self.assertEqual(kept_in(self.state),
                             {"version": 1, "tunnels": [], "drained_services": [], "drained_origins": []})

    def test_that_a_tunnel_was_drained_is_forgotten_with_the_tunnel(self):
        port = free_port()
        with named("first") as server:
            self.begin()
            self.come("TestClient1", server)
            wanted = [tunnel(port, "TestClient1")]
            for _ in range(2):
                self.api.put(wanted)
                self.assertEqual(self.api.get(f"/v1/services/{HOST}:{port}")["state"], "open")
                self.api.post(f"/v1/services/{HOST}:{port}/drain")
                self.assertEqual(kept_in(self.state)["drained_services"], [f"{HOST}:{port}"])
                self.api.put([])
                # Nobody could resume it any more, and the file would never end to grow.
                self.assertEqual(kept_in(self.state)["drained_services"], [])

    def test_of_a_change_that_can_be_done_in_part_only_what_holds_is_said_and_kept(self):
        port = free_port()
        with named("first") as server, Program([binary("remote-proxy"), "--control-addr", f"{HOST}:0", "--outside-addr",
                                                f"127.0.0.2:{port}"]) as other:
            other.wait_line(r"^ready ", stream="stdout")
            self.begin()
            client = self.come("TestClient1", server)
            goes, comes = tunnel(port, "TestClient1"), tunnel(free_port(), "TestClient1")
            self.api.put([goes])
            # All addresses can be had only without the one that goes, and then another program is in the way.
            answer = self.api.ask("PUT", "/tunnels", [comes, tunnel(port, "TestClient1", ListenAddress="0.0.0.0")])
            self.assertEqual(answer.status, 409, answer)
            self.assertEqual(answer.headers["Tunnel-Kept"], "state-file")
            for _ in range(2):
                self.assertEqual(self.api.get("/tunnels"), [comes])
                self.assertEqual(kept_in(self.state)["tunnels"], [comes])
                self.assertTrue(refuses((HOST, port)))
                self.assertEqual(served_by((HOST, comes["ListenPort"])), "first")
                self.begin_again(kill=True)
                self.wait_here(client)
            self.api.put([goes])
            self.assertEqual(served_by((HOST, port)), "first")

    def test_without_a_state_file_a_change_holds_for_this_run_and_says_so(self):
        self.flags = self.flags[:self.flags.index("--state-file")] + self.flags[self.flags.index("--state-file") + 2:]
        self.begin()
        self.assertEqual(self.api.ask("POST", "/v1/services/one/drain").headers["Tunnel-Kept"], "this-run")
        self.assertEqual(self.api.get("/v1/status")["kept"], "this-run")
        self.begin_again()
        self.assertEqual(self.api.get("/v1/services/one")["state"], "closed")

    def test_nothing_is_written_while_nothing_is_changed(self):
        with named("first") as server:
            self.begin()
            self.come("TestClient1", server)
            self.assertEqual(served_by((HOST, self.ports["one"])), "first")
            self.api.ask("PUT", "/tunnels", "no JSON")
            self.api.post("/v1/services/three/drain", 404)
            self.end(self.program)
            self.assertEqual(os.listdir(os.path.dirname(self.state)), [])

    def test_it_is_written_inside_the_sandbox(self):
        self.begin()
        said = [line["message"] for line in Tunnel.log(self.program)]
        if any(each.startswith("no sandbox") for each in said):
            self.skipTest("this build or machine has no sandbox")
        self.api.post("/v1/services/one/drain")
        self.assertEqual(kept_in(self.state)["drained_services"], ["one"])

    def test_it_needs_a_management_address(self):
        at = self.flags.index("--management-addr")
        done = run([binary("remote-proxy"), *self.flags[:at], *self.flags[at + 2:]], check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("--management-addr", done.stderr)

    def test_a_tunnel_whose_port_another_program_has_at_the_start_is_missing_until_that_lets_it_go(self):
        port = free_port()
        with named("first") as server:
            self.begin()
            first = self.come("TestClient1", server)
            wanted = [tunnel(port, "TestClient1")]
            self.api.put(wanted)
            self.end(self.program)
            elsewhere = ["--control-addr", f"{HOST}:0", "--outside-addr", f"{HOST}:{port}"]
            with Program([binary("remote-proxy"), *elsewhere]) as other:
                other.wait_line(r"^ready ", stream="stdout")
                self.begin()
                Tunnel.wait_log(self.program, lambda line: line["level"] == "warn" and f"{HOST}:{port}" in str(line))
                self.assertEqual(self.api.get("/tunnels"), wanted)
            self.api.post("/v1/reload")
            self.wait_here(first)
            self.assertEqual(served_by((HOST, port)), "first")


class GivesWay(WithState):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.config = self.folder.path("remote.toml")
        at = self.flags.index("--service")
        self.flags = [*self.flags[:at], "--config", self.config]
        self.options(one=self.ports["one"])
        self.server = self.enterContext(named("first"))
        self.begin()
        self.client_program = self.come("TestClient1", self.server)
        self.api.put([tunnel(self.port, "TestClient1")])
        self.guest = self.enterContext(Guest((HOST, self.port)))

    def options(self, **services):
        self.folder.file("remote.toml", "".join(f'[services.{name}]\noutside-addr = "{HOST}:{port}"\n'
                                                for name, port in services.items()))

    def check_it_has_given_way(self):
        self.assertEqual(self.api.get("/tunnels"), [])
        self.assertEqual([each["name"] for each in self.api.get("/v1/services")["services"]], ["one", "two"])
        poll(lambda: self.api.get("/v1/services/two")["state"] == "open", "the service is served")
        self.assertEqual(served_by((HOST, self.port)), "first")

    def test_a_tunnel_gives_way_to_a_service_of_the_options_at_sighup_and_stays_away_after_a_restart(self):
        self.options(one=self.ports["one"], two=self.port)
        self.program.send_signal(signal.SIGHUP)
        poll(lambda: self.api.get("/tunnels") == [], "the tunnel has given way")
        self.check_it_has_given_way()
        self.guest.talks()
        self.begin_again(kill=True)
        self.wait_here(self.client_program)
        self.check_it_has_given_way()

    def test_a_tunnel_gives_way_to_a_service_of_the_options_at_a_reload_by_request_too(self):
        self.options(one=self.ports["one"], two=self.port)
        answer = self.api.ask("POST", "/v1/reload")
        self.assertEqual((answer.status, answer.headers["Tunnel-Kept"]), (200, "state-file"))
        self.check_it_has_given_way()
        self.guest.talks()
        self.begin_again(kill=True)
        self.wait_here(self.client_program)
        self.check_it_has_given_way()

    def test_a_tunnel_gives_way_to_a_service_that_the_options_name_at_the_start(self):
        self.options(one=self.ports["one"], two=self.port)
        self.begin_again(kill=True)
        self.wait_here(self.client_program)
        self.check_it_has_given_way()
        # Nor does it come back when that service is gone.
        self.options(one=self.ports["one"])
        self.api.post("/v1/reload")
        self.assertTrue(refuses((HOST, self.port)))


class OfNoUse(WithState):
    def test_a_broken_state_file_is_not_started_with_and_the_way_out_is_said(self):
        whole = {"version": 1, "tunnels": [tunnel(9000, "TestClient1")], "drained_services": ["one"], "drained_origins": []}
        broken = ["", "no JSON", "[]", "null", json.dumps(whole)[:-10], json.dumps(whole) + "}", {}, {**whole, "version": 2},
                  {**whole, "version": "1"}, {**whole, "more": 1}, {**whole, "tunnels": {}}, {**whole, "tunnels": [7]},
                  {**whole, "tunnels": whole["tunnels"] * 2}, {**whole, "drained_services": "one"},
                  {**whole, "drained_origins": [1]}, json.dumps(whole).replace("{", '{"version": 1, ', 1)]
        for each in broken:
            with self.subTest(each):
                self.write(each)
                said = self.refused_start()
                self.assertIn(self.state, said)
                self.assertIn("put it aside to begin without it", said)
                checked = run([binary("remote-proxy"), "check", *self.flags], check=False)
                self.assertEqual(checked.returncode, 2)
                self.assertIn(self.state, checked.stdout + checked.stderr)
        os.rename(self.state, self.state + ".aside")
        self.begin()
        self.assertEqual(self.api.get("/tunnels"), [])

    def test_a_folder_in_its_place_is_not_started_with(self):
        os.mkdir(self.state)
        self.assertIn(self.state, self.refused_start())

    def test_one_that_others_may_read_is_warned_of_and_theirs_no_more_after_a_change(self):
        self.write({"version": 1, "drained_services": ["one"]}, 0o644)
        self.begin()
        line = Tunnel.wait_log(self.program, lambda each: each.get("file") == self.state)
        self.assertEqual(line["level"], "warn")
        self.assertIn("chmod 600", line["message"])
        self.assertEqual(self.api.get("/v1/services/one")["state"], "drained")
        self.api.post("/v1/services/two/drain")
        self.assertEqual(stat.S_IMODE(os.stat(self.state).st_mode), 0o600)

    def test_where_it_cannot_be_written_a_change_is_507_and_holds(self):
        port = free_port()
        with named("first") as server:
            self.begin()
            self.come("TestClient1", server)
            shutil.rmtree(os.path.dirname(self.state))
            answer = self.api.ask("POST", "/v1/services/one/drain")
            self.assertEqual(answer.status, 507, answer)
            self.assertIn("only until the program ends", answer.text)
            self.assertIn(self.state, answer.text)
            self.assertTrue(refuses((HOST, self.ports["one"])))
            answer = self.api.ask("PUT", "/tunnels", [tunnel(port, "TestClient1")])
            self.assertEqual(answer.status, 507, answer)
            self.assertEqual(served_by((HOST, port)), "first")
            line = Tunnel.wait_log(self.program, lambda each: each["message"] == "a change is not kept")
            self.assertEqual(line["level"], "error")
            self.assertIn(self.state, line["reason"])

    def test_it_is_whole_again_with_the_first_change_that_can_be_written(self):
        self.begin()
        os.mkdir(self.state + ".new")  # which is where it writes first
        self.assertEqual(self.api.ask("POST", "/v1/services/one/drain").status, 507)
        os.rmdir(self.state + ".new")
        self.api.post("/v1/services/two/drain")
        self.assertEqual(kept_in(self.state)["drained_services"], ["one", "two"])

    def test_what_a_killed_program_left_of_a_new_file_is_no_trouble(self):
        self.write({"version": 1, "drained_services": ["one"]})
        with open(self.state + ".new", "w", encoding="utf-8") as file:
            file.write('{"version": 1, "drained_serv' + "x" * 10_000)
        self.begin()
        self.assertEqual(self.api.get("/v1/services/one")["state"], "drained")
        self.api.post("/v1/services/one/resume")
        self.assertEqual(kept_in(self.state)["drained_services"], [])
        self.assertEqual(os.listdir(os.path.dirname(self.state)), [os.path.basename(self.state)])

    def test_a_link_where_the_new_file_is_written_is_replaced_and_not_followed(self):
        victim = self.folder.file("victim", "of somebody else")
        os.symlink(victim, self.state + ".new")
        self.begin()
        self.api.post("/v1/services/one/drain")
        self.assertEqual(kept_in(self.state)["drained_services"], ["one"])
        with open(victim, encoding="utf-8") as file:
            self.assertEqual(file.read(), "of somebody else\n")


class AtRandom(WithState):
    """Tunnels, drains, origin proxies and restarts in any order; after each step every address is as it should be."""

    clients, services = ("TestClient1", "TestClient2"), ("one", "two", "fooService")

    def setUp(self):
        super().setUp()
        self.flags += ["--pairing-timeout", "100ms"]
        self.servers = {name: self.enterContext(named(name)) for name in self.clients}
        self.here = {}
        self.tunnels, self.drained, self.drained_clients = {}, set(), set()

    def server_of(self, name):
        """Who may serve this service now."""
        if name in self.drained:
            return set()
        clients = self.here if name in self.ports else {self.tunnels[name]["ClientIdentifier"]} & set(self.here)
        return set(clients) - self.drained_clients

    def is_served(self, name):
        clients = self.here if name in self.ports else [self.tunnels[name]["ClientIdentifier"]]
        shown = self.api.get(f"/v1/services/{name}")
        return shown["state"] == "open" and sorted(shown["origins"]) == sorted(f"{each}/{MACHINE}" for each in clients)

    def check(self):
        for name in [*self.ports, *self.tunnels]:
            address = (HOST, self.ports.get(name) or self.tunnels[name]["ListenPort"])
            expected = self.server_of(name)
            if not expected:
                poll(lambda: refuses(address), f"{name} refuses", 5)
            else:
                poll(lambda: self.is_served(name), f"{name} is served as it should be", 5)
                self.assertIn(served_by(address), expected)
        for port in self.all_ports:
            if f"{HOST}:{port}" not in self.tunnels:
                self.assertTrue(refuses((HOST, port)))
        self.assertEqual(self.api.get("/tunnels"), list(self.tunnels.values()))

    def put(self, chance):
        ready = sorted(self.here)
        wanted = {}
        for port in chance.sample(self.all_ports, chance.randrange(len(self.all_ports) + 1)):
            key = f"{HOST}:{port}"
            if ready and (key not in self.tunnels or chance.random() < 0.6):
                wanted[key] = tunnel(port, chance.choice(ready), chance.choice(self.services))
            elif key in self.tunnels:
                wanted[key] = self.tunnels[key]
        for key in [each for each in self.drained & set(self.tunnels) if each not in wanted]:
            self.api.post(f"/v1/services/{key}/resume")
            self.drained.remove(key)
        self.api.put(list(wanted.values()))
        self.tunnels = wanted

    def drain(self, chance):
        name = chance.choice([*self.ports, *self.tunnels])
        self.api.post(f"/v1/services/{name}/{'resume' if name in self.drained else 'drain'}")
        self.drained ^= {name}

    def drain_client(self, chance):
        name = chance.choice(self.clients)
        if name in self.drained_clients:
            self.api.post(f"/v1/origins/{name}/resume")
        elif name in self.here:
            self.api.post(f"/v1/origins/{name}/drain")
        else:
            return
        self.drained_clients ^= {name}

    def close_client(self, chance):
        for name in chance.sample(sorted(self.here), min(1, len(self.here))):
            self.api.post(f"/v1/origins/{name}/close")
            self.wait_here(self.here[name], name)

    def come_or_go(self, chance):
        name = chance.choice(self.clients)
        if name not in self.here:
            self.here[name] = self.come(name, self.servers[name])
            return
        program = self.here.pop(name)
        program.kill() if chance.random() < 0.5 else self.end(program)
        poll(lambda: self.api.get("/clients")[name]["CurrentState"] == "ClientDisconnected", f"{name} is gone")

    def restart(self, chance):
        self.begin_again(kill=chance.random() < 0.5)
        for name, program in self.here.items():
            self.wait_here(program, name)

    def test_whatever_is_changed_in_whichever_order_each_address_is_as_it_should_be(self):
        self.all_ports = [free_port() for _ in range(4)]
        seed = int(os.environ.get("TUNNEL_SEED") or random.randrange(1 << 30))
        chance = random.Random(seed)
        steps = [self.put] * 6 + [self.drain] * 3 + [self.drain_client, self.close_client, self.come_or_go, self.restart]
        self.begin()
        taken = []
        for _ in range(int(os.environ.get("TUNNEL_STEPS") or 60)):
            step = chance.choice(steps)
            taken.append(step.__name__)
            try:
                step(chance)
                self.check()
            except BaseException as error:
                error.add_note(f"seed {seed}, steps {taken}, tunnels {self.tunnels}, drained {self.drained}, "
                               f"{self.drained_clients}, here {set(self.here)}\n{self.program.output()}")
                raise


class Changes:
    """Makes changes one after the other on a thread. `sure` is what was answered with 200 last, `tried` the change that
    is under way."""

    def __init__(self, api, first, make):
        self.sure = self.tried = first
        self.count, self.wrong = 0, []
        self._api, self._make = api, make
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._over.is_set():
            request, self.tried = self._make(self.sure)
            try:
                answer = self._api.ask(*request)
            except (OSError, http.client.HTTPException):
                return  # it was killed
            if answer.status == 200:
                self.sure = self.tried
                self.count += 1
            elif answer.status == 404 and request[1] == "/tunnels":
                self.tried = self.sure  # its client is not back yet
            else:
                self.wrong.append(f"{request}: {answer}")
                return

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


class Killed(WithState):
    timeout = 300

    def test_killed_at_two_hundred_random_moments_it_has_each_time_kept_every_change_that_was_answered(self):
        ports = [free_port() for _ in range(6)]
        seed = random.randrange(1 << 30)
        chance = random.Random(seed)

        def drain(sure):
            name = chance.choice(("one", "two"))
            if name in sure:
                return ("POST", f"/v1/services/{name}/resume"), sure - {name}
            return ("POST", f"/v1/services/{name}/drain"), sure | {name}

        def put(_):
            some = chance.sample(ports, chance.randrange(len(ports)))
            wanted = [tunnel(port, "TestClient1", BackEndService="x" * chance.randrange(1, 60)) for port in some]
            return ("PUT", "/tunnels", wanted), wanted

        changed, left, ahead = {"drains": 0, "tunnels": 0}, 0, 0
        drained, tunnels = frozenset(), []
        with named("first") as server:
            self.begin()
            client = self.come("TestClient1", server)
            for number in range(40 if SLOW else 200):
                with self.subTest(number=number, seed=seed):
                    client.send_signal(signal.SIGHUP)  # it comes back at once
                    with Changes(self.api, drained, drain) as drains, Changes(self.api, tunnels, put) as puts:
                        time.sleep(chance.random() * 0.06)  # the moment
                        self.program.kill()
                    self.assertEqual(drains.wrong + puts.wrong, [])
                    left += os.path.exists(self.state + ".new")
                    if chance.random() < 0.2:  # while it starts, too
                        with Program([binary("remote-proxy"), *self.flags]) as starting:
                            time.sleep(chance.random() * 0.02)
                            starting.kill()
                    kept = kept_in(self.state) if os.path.exists(self.state) else {"drained_services": [], "tunnels": []}
                    drained, tunnels = frozenset(kept["drained_services"]), kept["tunnels"]
                    ahead += (drained != drains.sure) + (tunnels != puts.sure)
                    self.assertIn(drained, (drains.sure, drains.tried))
                    self.assertIn(tunnels, (puts.sure, puts.tried))
                    self.begin()
                    self.assertEqual(self.api.get("/tunnels"), tunnels)
                    states = self.api.get("/v1/services")["services"]
                    self.assertEqual({each["name"] for each in states if each["state"] == "drained"}, drained)
                    self.assertEqual({each["name"] for each in states} - {"one", "two"},
                                     {f"{HOST}:{each['ListenPort']}" for each in tunnels})
                    changed["drains"] += drains.count
                    changed["tunnels"] += puts.count
            print(f"changes {changed}, of which {ahead} were kept and not answered; unfinished files found {left}")
            self.assertGreater(min(changed.values()), 20)
            # And it goes on as ever.
            self.wait_here(client)
            self.api.put([tunnel(ports[0], "TestClient1")])
            self.assertEqual(served_by((HOST, ports[0])), "first")


if __name__ == "__main__":
    unittest.main()
