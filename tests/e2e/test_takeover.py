"""A new process takes over from the one that runs, and visitors do not notice."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time

from faults import exchange, receive, visit
from fronts import AtFronts, Crowd, authority, secured, web, word_of
from http_fronts import HttpVisitor, request
from managing import Api
from origins import SocketOrigin
from programs import Program, binary, free_port, need
from support import HOST, Tunnel, poll, show_address

# More by hand: TUNNEL_UPGRADES=50 TUNNEL_CROWDS=4.
UPGRADES = int(os.environ.get("TUNNEL_UPGRADES", "5"))
CROWDS = int(os.environ.get("TUNNEL_CROWDS", "1"))
SERVES = r"^ready control="


def echo():
    def serve(connection):
        with contextlib.suppress(OSError):
            while data := connection.recv(1 << 16):
                connection.sendall(data)
    return SocketOrigin(serve)


def exchange_once(address):
    with visit(address) as visitor:
        exchange(visitor)
    return "echo"


class Keeping:
    """A visitor who keeps its connection for one request after the other, as long as the answers allow it."""

    def __init__(self, connect, host):
        self._connect, self._host, self._visitor = connect, host, None
        self.connections = 0

    def ask(self):
        if self._visitor is None:
            self._visitor = HttpVisitor(self._connect())
            self.connections += 1
        answer = self._visitor.ask(self._host)
        if answer.get("connection") == "close":
            self._visitor.connection.close()
            self._visitor = None
        return answer.body.decode()


class Streaming(threading.Thread):
    """A visitor who sends and receives without a pause, and finds out whether a byte is lost."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.connection, self.over, self.failed, self.sent = visit(address), False, None, 0
        self.start()

    def run(self):
        generator = random.Random(1)
        try:
            while not self.over:
                exchange(self.connection, generator.randbytes(60_000))
                self.sent += 60_000
        except (OSError, AssertionError) as error:
            self.failed = error


class AtTakeover(AtFronts):
    """Addresses have fixed ports, so that each process has the same command line."""

    def setUp(self):
        super().setUp()
        self.socket = self.folder.path("takeover")
        self.words = []

    def end(self, program):
        if program.running:
            self.assertIn(program.stop(), (0, -signal.SIGTERM))  # one that has left may be ending just now

    def launch(self, name, *words, **options):
        program = Program([binary(name), *words], name=name, **options)
        self.addCleanup(self.end, program)
        return program

    def start_remote(self, *flags, **options):
        self.control = f"{HOST}:{free_port()}"
        self.words = ["--control-addr", self.control, "--takeover-socket", self.socket, "--grace-period",
                      "300s", *flags]
        program = self.launch("remote-proxy", *self.words, **options)
        program.wait_line(SERVES, stream="stdout")
        return program

    def take_over(self, wait=True, words=None, **options):
        program = self.launch("remote-proxy", "takeover", *(words or self.words), **options)
        if wait:
            program.wait_line(SERVES, stream="stdout")
        return program

    def left(self, program):
        poll(lambda: not program.running, "the former process has no visitors left, and ends")
        program.wait_exit(code=0)


class Takeover(AtTakeover):
    timeout = 300

    def test_nobody_of_any_kind_notices_one_upgrade_after_the_other(self):
        for name in ("app", "opaque"):
            authority().put(self.certificates, f"{name}.example.com")
        secrets = self.with_secrets("house")
        port, own, https, http = (free_port() for _ in range(4))
        managed = self.management("remote")
        with echo() as server, web("app") as app, web("opaque", "opaque.example.com") as opaque:
            self.start_remote(
                "--secrets-file", secrets, "--service", f"echo={HOST}:{port}", "--https-addr", f"{HOST}:{https}",
                "--http-addr", f"{HOST}:{http}", "--certificates", self.certificates, "--domain", "example.com",
                "--allow-ports", f"{own}", "--management-addr", managed, "--state-file", self.folder.path("state"))
            origin = self.offering("house", ("app", app, "https://app"), ("site", app, "http://site"),
                                   ("opaque", opaque, "tls://opaque"), ("own", server, f"{own}"), wait=False,
                                   flags=["--service", f"echo={show_address(server.address)}"])
            origin.wait_line(r"^ready remote=", stream="stdout")
            api = Api(managed)
            streaming = [Streaming((HOST, port)), Streaming((HOST, own))]
            idle, half = visit((HOST, own)), visit((HOST, port))
            half.sendall(b"half")
            half.shutdown(socket.SHUT_WR)
            keeping = [Keeping(lambda: visit((HOST, http)), "site.example.com"),
                       Keeping(lambda: secured((HOST, https), "app.example.com"), "app.example.com")]
            once = [lambda: exchange_once((HOST, port)), lambda: exchange_once((HOST, own)),
                    lambda: word_of((HOST, https), "app.example.com"),
                    lambda: word_of((HOST, https), "opaque.example.com"),
                    lambda: Keeping(lambda: visit((HOST, http)), "site.example.com").ask()]
            crowds = [Crowd(each, CROWDS) for each in once] + [Crowd(each.ask, 1) for each in keeping]
            with contextlib.ExitStack() as stack:
                for crowd in crowds:
                    stack.enter_context(crowd)
                for _ in range(UPGRADES):
                    for crowd in crowds:
                        crowd.wait_more(5)
                    self.take_over()
                    exchange(idle)
                    self.assertEqual(api.get("/v1/status")["stopping"], False)
                for crowd in crowds:
                    crowd.wait_more(5)
            for crowd in crowds:
                self.assertEqual(crowd.failed, [])
            for each in streaming:
                each.over = True
                each.join()
                self.assertIsNone(each.failed)
                self.assertGreater(each.sent, 0)
            self.assertEqual(receive(half, 4), b"half")
            self.assertEqual(half.recv(1), b"")
            # Each answer but the first after an upgrade keeps the connection.
            self.assertLessEqual(keeping[0].connections, 2 * UPGRADES + 1)

    def test_visitors_of_http_who_have_not_asked_yet_are_answered_by_the_former_process(self):
        secrets = self.with_secrets("house")
        http = free_port()
        with web("app") as app:
            self.start_remote("--secrets-file", secrets, "--http-addr", f"{HOST}:{http}", "--domain", "example.com")
            self.offering("house", ("site", app, "http://site"))
            visitors = [HttpVisitor(visit((HOST, http))) for _ in range(60)]  # more than connections that are parked
            visitors[0].ask("site.example.com")
            self.take_over()
            for each in visitors:
                each.say(request("site.example.com"))
            for each in visitors:
                answer = each.answer()
                self.assertEqual((answer.status, answer.get("connection")), (200, "close"))
                each.connection.close()

    def test_the_former_process_ends_when_its_last_visitor_has_left(self):
        with echo() as server:
            port = free_port()
            former = self.start_remote("--outside-addr", f"{HOST}:{port}")
            self.launch("origin-proxy", "--remote-proxy-addr", self.control, "--origin-server-addr",
                        show_address(server.address)).wait_line(r"^ready", stream="stdout")
            with visit((HOST, port)) as visitor:
                exchange(visitor)
                self.take_over()
                exchange(visitor)
                self.assertTrue(former.running)
            self.left(former)
            exchange_once((HOST, port))

    def test_what_was_chosen_and_what_was_changed_stays(self):
        secrets = self.with_secrets("house")
        first, last, https = free_port(), free_port(), free_port()
        managed = self.management("remote")
        with echo() as server:
            former = self.start_remote(
                "--secrets-file", secrets, "--allow-ports", f"{min(first, last)}-{max(first, last)}", "--https-addr",
                f"{HOST}:{https}", "--domain", "example.com", "--management-addr", managed)
            origin = self.offering("house", ("any", server, "0"), ("random", server, "tls://"))
            api = Api(managed)
            before = {each["name"]: (each["outside"], each["state"]) for each in api.get("/v1/services")["services"]}
            name = next(each for each in before if each.endswith("any"))
            api.post(f"/v1/services/{name.replace('/', '%2F')}/drain")
            self.take_over()
            self.left(former)

            def after():
                return {each["name"]: (each["outside"], each["state"])
                        for each in api.get("/v1/services")["services"]}
            expected = {**before, name: (before[name][0], "drained")}
            poll(lambda: after() == expected, f"{expected} is there again, and not {after()}")
            self.assertTrue(origin.running)


class Failures(AtTakeover):
    timeout = 240

    def start_both(self, server):
        self.outside = (HOST, free_port())
        self.program = self.start_remote("--outside-addr", show_address(self.outside), "--management-addr",
                                         self.management("remote"))
        self.launch("origin-proxy", "--remote-proxy-addr", self.control, "--origin-server-addr",
                    show_address(server.address)).wait_line(r"^ready", stream="stdout")

    def test_when_the_new_process_is_killed_at_any_moment_the_running_one_goes_on(self):
        with echo() as server:
            self.start_both(server)
            with Crowd(lambda: exchange_once(self.outside), 2) as crowd:
                for step in range(10):
                    crowd.wait_more(3)
                    new = self.take_over(wait=False)
                    time.sleep(step * 0.004)  # what is tested is any moment
                    new.kill()
                    # Either it has served, and its visitors ended with it, or nobody has noticed.
                    with contextlib.suppress(AssertionError):
                        crowd.wait_more(3)
                    if any("another process serves" in text for text in self.program.texts("stderr")):
                        return
                    self.assertEqual(crowd.failed, [])
                    self.assertTrue(self.program.running)

    def successor_by_hand(self):
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(peer.close)
        peer.settimeout(20)
        peer.connect(self.socket)
        return peer

    @staticmethod
    def say(peer, **words):
        peer.send(json.dumps(words).encode())

    @staticmethod
    def hear(peer):
        text, descriptors, _, _ = socket.recv_fds(peer, 1 << 16, 200)
        for each in descriptors:
            os.close(each)
        return json.loads(text) if text else None

    def test_a_successor_that_ends_at_any_step_changes_nothing(self):
        hello = {"kind": "hello", "lowest": 1, "highest": 1, "program": "remote-proxy", "program_version": "9"}
        with echo() as server:
            self.start_both(server)
            with Crowd(lambda: exchange_once(self.outside), 2) as crowd:
                for steps in range(4):
                    peer = self.successor_by_hand()
                    if steps > 0:
                        self.say(peer, **hello)
                    if steps > 1:
                        self.assertEqual(self.hear(peer)["uses"][0], "control")
                        self.say(peer, kind="ready")
                    if steps > 2:
                        self.assertEqual(self.hear(peer)["kind"], "sockets")
                        self.assertEqual(self.hear(peer)["kind"], "state")
                    peer.close()
                    crowd.wait_more(10)
                self.assertEqual(crowd.failed, [])

    def test_other_versions_other_programs_and_nonsense_are_refused_in_words(self):
        with echo() as server:
            self.start_both(server)
            hello = {"kind": "hello", "lowest": 1, "highest": 1, "program": "remote-proxy", "program_version": "9"}
            for change, words in (({"lowest": 7, "highest": 8}, "versions 7 to 8"),
                                  ({"lowest": -3, "highest": 0}, "versions -3 to 0"),
                                  ({"program": "origin-proxy"}, "cannot take it over"),
                                  ({"kind": "ready"}, "no hello")):
                peer = self.successor_by_hand()
                self.say(peer, **{**hello, **change})
                answer = self.hear(peer)
                self.assertEqual(answer["kind"], "refused")
                self.assertIn(words, answer["why"])
            for nonsense in (b"{", b"[" * 60000, b"\x00" * 100, b'{"kind": 7}', b'{"kind": "hello"}'):
                peer = self.successor_by_hand()
                peer.send(nonsense)
                with contextlib.suppress(ConnectionResetError):  # it has not read all
                    self.assertIsNone(self.hear(peer))
            later = self.successor_by_hand()
            self.say(later, **{**hello, "highest": 5, "of_later_versions": {"a": [1]}})
            self.assertEqual(self.hear(later)["kind"], "sockets")
            later.close()
            exchange_once(self.outside)
            new = self.take_over()
            exchange_once(self.outside)
            self.assertTrue(new.running)

    def test_a_configuration_that_is_wrong_and_one_that_cannot_listen_leave_the_running_one_alone(self):
        with echo() as server, socket.create_server((HOST, 0)) as taken:
            self.start_both(server)
            for words in (["--max-connections", "none"], ["--service", f"x={show_address(taken.getsockname())}"],
                          ["--secret-file", "/nowhere"]):
                new = self.take_over(wait=False, words=[*self.words, *words])
                self.assertNotEqual(new.wait_exit(), 0)
                exchange_once(self.outside)
            nobody = self.take_over(wait=False, words=["--control-addr", self.control, "--outside-addr",
                                                       f"{HOST}:0", "--takeover-socket",
                                                       self.folder.path("nobody")])
            nobody.wait_exit(code=1)
            nobody.wait_line("no program that could be taken over listens")
            unnamed = self.take_over(wait=False, words=["--control-addr", self.control, "--outside-addr", f"{HOST}:0"])
            unnamed.wait_exit(code=2)
            unnamed.wait_line("takeover needs --takeover-socket")
            second = self.launch("remote-proxy", "--control-addr", f"{HOST}:0", "--outside-addr", f"{HOST}:0",
                                 "--takeover-socket", self.socket)
            second.wait_exit(code=1)
            second.wait_line("put the word takeover before the first flag")

    def test_another_user_takes_nothing_over_and_gives_nothing(self):
        setpriv = [need("setpriv"), "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        with echo() as server:
            self.start_both(server)
            os.chmod(os.path.dirname(self.socket), 0o755)
            os.chmod(self.socket, 0o666)  # as if somebody had opened it
            stranger = Program([*setpriv, binary("remote-proxy"), "takeover", *self.words], name="stranger")
            self.assertNotEqual(stranger.wait_exit(), 0)
            Tunnel.wait_log(self.program, lambda line: line.get("peer") == "uid 65534")
            # And who waits for a successor in the place of the running program.
            trap = os.path.join(self.folder.path("trap"))
            os.mkdir(trap)
            os.chmod(trap, 0o777)
            script = ("import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); "
                      f"s.bind('{trap}/t'); s.listen(); print('ready', flush=True); s.accept()[0].recv(10)")
            with Program([*setpriv, "/usr/bin/python3", "-c", script], name="trap") as waits:
                waits.wait_line("ready")
                new = self.take_over(wait=False, words=["--control-addr", f"{HOST}:0", "--outside-addr",
                                                        f"{HOST}:0", "--takeover-socket", f"{trap}/t"])
                new.wait_exit(code=1)
                new.wait_line("another user's")
            exchange_once(self.outside)

    def test_in_the_background_the_command_says_whether_it_went_well(self):
        with echo() as server:
            self.start_both(server)
            words = [binary("remote-proxy"), "takeover", "--background", *self.words]
            with open(self.folder.path("log"), "w", encoding="utf-8") as log:
                wrong = [*words, "--service", f"x=192.0.2.1:{free_port()}"]
                self.assertEqual(subprocess.run(wrong, check=False, stdout=log, stderr=log, timeout=60).returncode, 1)
                exchange_once(self.outside)
                # In a group of its own, which ends with the test.
                child = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
                self.addCleanup(os.killpg, child.pid, signal.SIGTERM)
                self.assertEqual(child.wait(60), 0)
            self.left(self.program)
            exchange_once(self.outside)


    def test_a_successor_that_is_too_slow_ends_and_the_running_one_goes_on(self):
        with echo() as server:
            self.start_both(server)
            hello = {"kind": "hello", "lowest": 1, "highest": 1, "program": "remote-proxy", "program_version": "9"}
            peer = self.successor_by_hand()
            self.say(peer, **hello)
            self.hear(peer)
            self.say(peer, kind="ready")
            self.assertEqual(self.hear(peer)["kind"], "sockets")
            self.assertEqual(self.hear(peer)["kind"], "state")
            peer.settimeout(40)  # it waits for 20 s
            self.assertEqual(self.hear(peer)["kind"], "refused")
            exchange_once(self.outside)

    def test_who_hears_that_the_running_one_goes_on_ends_without_harm(self):
        with echo() as server:
            self.start_both(server)
            exchange_once(self.outside)
            path = self.folder.path("by-hand")
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
                listening.bind(path)
                listening.listen()
                new = self.take_over(wait=False, words=["--control-addr", self.control, "--outside-addr",
                                                        show_address(self.outside), "--takeover-socket", path])
                with listening.accept()[0] as peer, self.successor_by_hand() as behind:
                    behind.send(peer.recv(1 << 16))
                    text, descriptors, _, _ = socket.recv_fds(behind, 1 << 16, 200)
                    socket.send_fds(peer, [text], [*descriptors[:-1], listening.fileno()])
                    for each in descriptors:
                        os.close(each)
                    self.assertEqual(json.loads(peer.recv(1 << 16))["kind"], "ready")
                    self.say(peer, kind="sockets", uses=[], last=True)
                    self.say(peer, kind="state", text=json.dumps({"saved": json.dumps({
                        "version": 1, "tunnels": [], "drained_services": [], "drained_origins": []}), "open": [],
                        "offered": [], "hosts": {}}), last=True)
                    self.assertEqual(json.loads(peer.recv(1 << 16))["kind"], "serving")
                    self.say(peer, kind="refused", why="it was too slow")
                    new.wait_exit(code=1)
                    new.wait_line("the running program goes on: it was too slow")
            for _ in range(20):
                exchange_once(self.outside)
            self.assertTrue(Api(self.words[-1]).get("/v1/status"))

    def test_after_a_failure_the_management_address_is_there(self):
        with echo() as server:
            self.start_both(server)
            new = self.take_over(wait=False, words=[*self.words, "--state-file", "/nowhere/state"])
            self.assertNotEqual(new.wait_exit(), 0)
            self.assertEqual(Api(self.words[-1]).get("/v1/status")["stopping"], False)
            self.take_over()
            self.assertEqual(Api(self.words[-1]).get("/v1/status")["stopping"], False)

    def test_a_relative_path_of_the_management_address_is_taken_over_too(self):
        with echo() as server:
            place = self.folder.path("place")
            os.mkdir(place)
            port = free_port()
            program = self.start_remote("--outside-addr", f"{HOST}:{port}", "--management-addr", "unix:m", cwd=place)
            self.launch("origin-proxy", "--remote-proxy-addr", self.control, "--origin-server-addr",
                        show_address(server.address)).wait_line(r"^ready", stream="stdout")
            self.take_over(cwd=place)
            self.left(program)
            self.assertEqual(Api(f"unix:{place}/m").get("/v1/status")["stopping"], False)

    def test_while_one_ends_the_next_can_start_without_taking_over(self):
        with echo() as server:
            self.start_both(server)
            with visit(self.outside) as visitor:
                exchange(visitor)
                self.program.send_signal(signal.SIGTERM)
                self.program.wait_line("stopping", stream="stderr")
                poll(lambda: not os.path.exists(self.socket), "the takeover socket is given up")

                def starts():
                    new = self.launch("remote-proxy", *self.words)
                    with contextlib.suppress(AssertionError):
                        return new.wait_line(SERVES, stream="stdout")
                    return None
                poll(starts, "the next one starts")
                exchange(visitor)


class OriginTakeover(AtTakeover):
    def test_an_origin_proxy_is_replaced_and_nobody_notices(self):
        with echo() as server:
            port = free_port()
            self.start_remote("--outside-addr", f"{HOST}:{port}")
            words = ["--remote-proxy-addr", self.control, "--origin-server-addr", show_address(server.address),
                     "--takeover-socket", self.folder.path("origin"), "--management-addr", self.management("origin")]
            program = self.launch("origin-proxy", *words)
            program.wait_line(r"^ready", stream="stdout")
            streaming = Streaming((HOST, port))
            with visit((HOST, port)) as idle, Crowd(lambda: exchange_once((HOST, port)), 2) as crowd:
                for _ in range(UPGRADES):
                    crowd.wait_more(5)
                    former, program = program, self.launch("origin-proxy", "takeover", *words)
                    program.wait_line(r"^ready", stream="stdout")
                    crowd.wait_more(5)
                    exchange(idle)
                    self.assertTrue(former.running or former is not None)
                self.assertEqual(crowd.failed, [])
            streaming.over = True
            streaming.join()
            self.assertIsNone(streaming.failed)
            self.assertEqual(Api(words[-1]).get("/v1/status")["stopping"], False)

    def test_one_that_cannot_log_in_does_not_take_over(self):
        with echo() as server:
            port = free_port()
            secrets, files = self.secrets("house", "other")
            self.start_remote("--outside-addr", f"{HOST}:{port}", "--secrets-file", secrets)
            words = ["--remote-proxy-addr", self.control, "--origin-server-addr", show_address(server.address),
                     "--takeover-socket", self.folder.path("origin")]
            running = self.launch("origin-proxy", *words, "--secret-file", files["house"])
            running.wait_line(r"^ready", stream="stdout")
            wrong = self.folder.path("wrong")
            with open(wrong, "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(os.urandom(32).hex())
            new = self.launch("origin-proxy", "takeover", *words, "--secret-file", wrong)
            new.wait_exit(code=1)
            poll(lambda: self.is_served((HOST, port)), "the running one goes on")
            self.assertTrue(running.running)

    @staticmethod
    def is_served(address):
        try:
            return exchange_once(address)
        except (OSError, AssertionError):
            return False
