"""docs/openapi-*.yaml say what the management interfaces answer: every operation is played, and its answer compared."""

import contextlib
import os
import re
import signal
import unittest
import urllib.parse

from faults import visit
from managing import Guest, ManagedByHand, named, routes_in, tunnel
from programs import REPO
from support import HOST, free_port, missing, poll

try:
    import jsonschema
    import yaml
except ImportError:
    jsonschema = yaml = None

CHECKS = ("/ping", "/healthz", "/ready")  # load balancers may ask by OPTIONS, too
METHODS = ("get", "put", "post", "delete", "patch", "options", "trace")
# Where the program's routes are.
SOURCES = {"remote-proxy": ("remote-proxy/management/routes.cpp", "common/management/liveness.cpp"),
           "origin-proxy": ("origin-proxy/management/management.cpp", "common/management/liveness.cpp")}
# Nothing but another network or a broken system leads to these, since a drained service keeps its port; and the 503 comes
# while the program stops, which has a test of its own.
NOT_PROVOKED = {("remote-proxy", "post", "/v1/services/{name}/resume"): {400, 409, 500},
                ("remote-proxy", "put", "/tunnels"): {403, 500, 501, 503}}


def as_json_schema(node):
    """OpenAPI 3.0 has `nullable` where JSON Schema has one more type."""
    if isinstance(node, list):
        return [as_json_schema(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {key: as_json_schema(value) for key, value in node.items()}
    if node.get("nullable") is True:
        node["type"] = [node["type"], "null"]
    return node


class Description:
    def __init__(self, program):
        if jsonschema is None:
            missing("python3-jsonschema or python3-yaml")
        self.program = program
        with open(os.path.join(REPO, f"docs/openapi-{program}.yaml"), encoding="utf-8") as file:
            self.document = as_json_schema(yaml.safe_load(file))
        self._resolver = jsonschema.RefResolver.from_schema(self.document)
        self.paths = {path: {method for method in item if method in METHODS}
                      for path, item in self.document["paths"].items()}
        self.operations = {(method, path) for path, methods in self.paths.items() for method in methods}

    def resolve(self, node):
        return self._resolver.resolve(node["$ref"])[1] if "$ref" in node else node

    def operation(self, method, path):
        return self.document["paths"][path][method]

    def statuses(self, method, path):
        return {int(status) for status in self.operation(method, path)["responses"]}

    def parameters(self, method, path):
        item = self.document["paths"][path]
        return [self.resolve(each) for each in item.get("parameters", []) + item[method].get("parameters", [])]

    def errors(self, schema, value):
        """In what `value` differs from the schema."""
        validator = jsonschema.Draft4Validator(schema, resolver=self._resolver)
        return [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(value)]

    def body(self):
        """The schema of what PUT /tunnels takes."""
        return self.operation("put", "/tunnels")["requestBody"]["content"]["application/json"]["schema"]

    def objections(self, method, path, answer):
        """What the answer to this operation has that is not as described."""
        response = self.operation(method, path)["responses"].get(str(answer.status))
        if response is None:
            return [f"{answer.status} is not declared"]
        content = self.resolve(response)["content"]
        kind = answer.content_type.partition(";")[0]
        if kind not in content:
            return [f"the content is {kind}, declared is {', '.join(content)}"]
        if kind == "text/event-stream":
            return []
        value = answer.json() if kind == "application/json" else answer.text
        return self.errors(content[kind]["schema"], value)


class Described(unittest.TestCase):
    """What needs no program."""

    trust = ()

    def test_the_routes_of_the_source_text_are_those_of_the_files(self):
        for program, sources in SOURCES.items():
            with self.subTest(program):
                self.assertEqual(routes_in(*(os.path.join(REPO, each) for each in sources)),
                                 Description(program).operations)

    def test_every_operation_has_a_name_of_its_own_and_its_parameters(self):
        for program in SOURCES:
            described = Description(program)
            names = [described.operation(*each)["operationId"] for each in described.operations]
            self.assertEqual(len(names), len(set(names)))
            for method, path in described.operations:
                with self.subTest(program=program, method=method, path=path):
                    in_path = {each["name"] for each in described.parameters(method, path) if each["in"] == "path"}
                    self.assertEqual(in_path, set(re.findall(r"\{(\w+)\}", path)))
                    self.assertIn(200, described.statuses(method, path))
                    self.assertIn(described.operation(method, path)["tags"][0],
                                  [tag["name"] for tag in described.document["tags"]])

    def test_every_component_is_used(self):
        for program in SOURCES:
            with open(os.path.join(REPO, f"docs/openapi-{program}.yaml"), encoding="utf-8") as file:
                text = file.read()
            for kind, components in Description(program).document["components"].items():
                for name in components if kind != "securitySchemes" else ():
                    self.assertIn(f"#/components/{kind}/{name}\"", text, f"{program}: {name}")


class Player:
    """Plays operations and remembers which, with which statuses."""

    def __init__(self, test, api, program):
        self._test, self.api, self.described = test, api, Description(program)
        self.played = {each: set() for each in self.described.operations}

    def __call__(self, status, method, path, body=None, *, query="", content_type="application/json", **parameters):
        where = path.format(**{key: urllib.parse.quote(str(value), safe="") for key, value in parameters.items()})
        answer = self.api.ask(method.upper(), where + query, body, content_type=content_type)
        self.note(method, path, answer)
        self._test.assertEqual(answer.status, status, f"{method} {path}: {answer}")
        return answer

    def note(self, method, path, answer):
        with self._test.subTest(program=self.described.program, method=method, path=path, status=answer.status):
            self._test.assertEqual(self.described.objections(method, path, answer), [], answer)
        self.played[method, path].add(answer.status)

    def not_played(self):
        """What is declared, can be provoked, and was not."""
        missed = {}
        for (method, path), statuses in self.played.items():
            left = (self.described.statuses(method, path) - statuses
                    - NOT_PROVOKED.get((self.described.program, method, path), set()))
            if left:
                missed[f"{method} {path}"] = sorted(left)
        return missed

    def other_methods(self, *, service, origin="", visitor=1):
        """What is not declared is answered by 405, with those that are."""
        for path, methods in self.described.paths.items():
            where = path.format(name=origin if path.startswith("/v1/origins") else service, id=visitor)
            for method in METHODS:
                if method in methods:
                    continue
                answer = self.api.ask(method.upper(), where)
                with self._test.subTest(method=method, path=path):
                    if method == "options" and path in CHECKS:
                        self._test.assertEqual(answer.status, self.api.ask("GET", where).status, answer)
                        continue
                    self._test.assertEqual(answer.status, 405, answer)
                    allowed = set(answer.headers["Allow"].lower().split(", ")) - {"head"}
                    if path in CHECKS:
                        allowed.discard("options")
                    self._test.assertEqual(allowed, methods)
            head = self.api.ask("HEAD", where)
            with self._test.subTest(method="head", path=path):
                self._test.assertEqual((head.status, head.text), (200 if "get" in methods else 405, ""))


class Played(ManagedByHand):
    def setUp(self):
        super().setUp()
        self.path, self.files = self.secrets("cellar")
        os.mkdir(self.folder.path("state"))
        self.state = self.folder.path("state/state.json")
        self.config = self.folder.file("remote.toml", f'[services.web]\noutside-addr = "{HOST}:0"\n')
        self.program, self.control, self.api = self.managed_remote(
            "--secrets-file", self.path, "--config", self.config, "--state-file", self.state)
        self.server = self.enterContext(named("here"))

    def come(self):
        config = self.folder.file("origin.toml", f'[services.web]\norigin-server-addr = "{HOST}:{self.server.address[1]}"\n')
        return self.managed_origin(self.control, "--secret-file", self.files["cellar"], "--config", config)

    def guest(self):
        return self.enterContext(Guest(self.outside_of(self.api, "web")))

    def looks(self, play):
        """What changes nothing, with success."""
        for path in ("/ping", "/healthz", "/ready", "/metrics", "/clients", "/tunnels", "/v1/status", "/v1/services",
                     "/v1/origins", "/v1/visitors"):
            play(200, "get", path)
        for each in ("services", "origins", "visitors"):
            play(200, "get", f"/v1/{each}", query="?limit=1")
            play(400, "get", f"/v1/{each}", query="?limit=0")
        play(200, "get", "/v1/services/{name}", name="web")
        play(200, "get", "/v1/origins/{name}", name="cellar")
        play(200, "get", "/v1/visitors/{id}", id=self.api.get("/v1/visitors")["visitors"][0]["id"])

    def changes(self, play, status, tunnels):
        """What the state file keeps, and all of which ends as it was."""
        play(status, "put", "/tunnels", tunnels)
        narrow = self.api.get("/v1/origins")["origins"][0]["name"]
        self.assertTrue(narrow.startswith("cellar/"), narrow)
        play(status, "post", "/v1/origins/{name}/drain", name="cellar")
        play(409, "post", "/v1/origins/{name}/resume", name=narrow)
        play(status, "post", "/v1/origins/{name}/resume", name="cellar")
        for each in ("drain", "close", "resume"):
            play(status, "post", f"/v1/services/{{name}}/{each}", name="web")
        play(status, "post", "/v1/reload")

    def refusals(self, play, port):
        for kind, verbs in (("services", ("drain", "resume", "close")), ("origins", ("drain", "resume", "close"))):
            play(404, "get", f"/v1/{kind}/{{name}}", name="no/body")
            for verb in verbs:
                play(404, "post", f"/v1/{kind}/{{name}}/{verb}", name="nobody é")
                play(415, "post", f"/v1/{kind}/{{name}}/{verb}", name="web", content_type="text/plain")
        for number in ("4711", "none"):
            play(404, "get", "/v1/visitors/{id}", id=number)
            play(404, "post", "/v1/visitors/{id}/close", id=number)
        play(415, "post", "/v1/visitors/{id}/close", id=1, content_type=None)
        play(415, "post", "/v1/reload", content_type=None)
        play(400, "get", "/v1/visitors", query="?after=none")

        one = tunnel(port, "cellar", "web")
        play(400, "put", "/tunnels", [{**one, "ListenAddress": "192.0.2.77"}])
        play(404, "put", "/tunnels", [{**one, "ClientIdentifier": "nobody"}])
        play(422, "put", "/tunnels", "no JSON")
        play(409, "put", "/tunnels", [{**one, "ListenPort": self.outside_of(self.api, "web")[1]}])
        play(413, "put", "/tunnels", " " * (1 << 20) + "[]")
        play(415, "put", "/tunnels", [one], content_type="text/plain")
        play(422, "put", "/tunnels", [{**one, "ListenPort": "9000"}])
        play(422, "put", "/tunnels", [one, one])
        play.note("put", "/tunnels", self.api.raw(
            b"PUT /tunnels HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"))

    def test_remote_proxy_answers_as_its_file_says(self):
        play = Player(self, self.api, "remote-proxy")
        play(503, "get", "/ready")
        self.come()
        guest, port = self.guest(), free_port()
        play(200, "put", "/tunnels", [tunnel(port, "cellar", "web"), tunnel(free_port(), "cellar", "web")])
        self.looks(play)
        play.other_methods(service="web", origin="cellar")
        self.refusals(play, free_port())
        guest.talks()
        with contextlib.ExitStack() as stack:
            for _ in range(16):
                events = stack.enter_context(self.api.events())
                answer = self.api.ask("HEAD", "/ping")
                answer.status, answer.headers = events.status, events.headers
                play.note("get", "/v1/events", answer)
            play(503, "get", "/v1/events")
        play(200, "post", "/v1/visitors/{id}/close", id=self.api.get("/v1/visitors")["visitors"][0]["id"])
        self.assertEqual(guest.how_it_ends(), "reset")
        self.changes(play, 200, [tunnel(port, "cellar", "web")])
        self.folder.file("remote.toml", "what is this?")
        play(422, "post", "/v1/reload")
        self.folder.file("remote.toml", f'[services.web]\noutside-addr = "{HOST}:0"\n')
        os.mkdir(self.state + ".new")  # it cannot be written any more
        self.changes(play, 507, [])
        play(200, "post", "/v1/origins/{name}/close", name="cellar")
        self.assertEqual(play.not_played(), {})

    def test_what_is_away_or_waits_or_has_no_name_is_described_too(self):
        play = Player(self, self.api, "remote-proxy")
        origin, _ = self.come()
        outside = self.outside_of(self.api, "web")
        play(200, "put", "/tunnels", [tunnel(free_port(), "cellar", "nothing", ListenHostnameGlob="")])
        origin.kill()
        poll(lambda: self.api.get("/clients")["cellar"]["CurrentState"] == "ClientDisconnected", "it is gone")
        waiting = self.enterContext(visit(outside))
        poll(lambda: self.api.get("/v1/visitors")["visitors"], "a visitor waits")
        for path in ("/clients", "/tunnels", "/v1/status", "/v1/services", "/v1/origins", "/v1/visitors"):
            play(200, "get", path)
        self.assertEqual(self.api.get("/v1/visitors")["visitors"][0]["state"], "waiting")
        play(200, "post", "/v1/services/{name}/close", name="web")
        with self.assertRaises(ConnectionResetError):
            waiting.recv(1)

    def test_a_port_for_which_a_right_is_missing_is_refused_as_described(self):
        # Inside the sandbox nobody has it, root included.
        play = Player(self, self.api, "remote-proxy")
        self.come()
        answer = self.api.ask("PUT", "/tunnels", [tunnel(81, "cellar", "web", ListenAddress="127.0.77.1")])
        play.note("put", "/tunnels", answer)

    def test_what_it_answers_while_it_stops_is_described_too(self):
        play = Player(self, self.api, "remote-proxy")
        self.come()
        guest = self.guest()
        self.program.send_signal(signal.SIGTERM)
        poll(lambda: self.api.get("/v1/status")["stopping"], "it stops")
        for path in ("/clients", "/tunnels", "/v1/status", "/v1/services", "/v1/origins", "/v1/visitors"):
            play(200, "get", path)
        play(503, "get", "/ready")
        for each in ("drain", "resume"):  # done, but the state file may be a successor's already; so is the origin proxy
            play(507, "post", f"/v1/services/{{name}}/{each}", name="web")
        play(503, "put", "/tunnels", [tunnel(free_port(), "cellar", "web")])
        guest.talks()

    def test_origin_proxy_answers_as_its_file_says(self):
        _, api = self.come()
        self.guest().talks()
        play = Player(self, api, "origin-proxy")
        for path in ("/ping", "/healthz", "/ready", "/metrics", "/v1/status", "/v1/services"):
            play(200, "get", path)
        play(200, "get", "/v1/services", query="?limit=1")
        play(400, "get", "/v1/services", query="?limit=none")
        play(200, "get", "/v1/services/{name}", name="web")
        play(404, "get", "/v1/services/{name}", name="nothing")
        play.other_methods(service="web")
        play(415, "post", "/v1/reload", content_type="text/plain")
        play(200, "post", "/v1/reload")
        self.folder.file("origin.toml", "what is this?")
        play(422, "post", "/v1/reload")
        self.program.kill()
        poll(lambda: api.ask("GET", "/ready").status == 503, "it is not logged in any more")
        play(503, "get", "/ready")
        play(200, "get", "/v1/status")
        self.assertEqual(play.not_played(), {})

    def test_what_the_schema_of_tunnels_refuses_is_422_and_what_it_takes_is_not(self):
        described = Description("remote-proxy")
        self.come()
        one = tunnel(free_port(), "cellar", "web")
        values = {"ListenPort": ["9000", 0, 1, 65535, -1, 65536, 1.5, None, True, [9000]],
                  "HaProxyProxyProtocol": [True, "true", 1, None, {}],
                  "ListenAddress": [HOST, "::1", "", "localhost", None, 7, [HOST], "1" * 256, "1" * 257],
                  "ListenHostnameGlob": ["", "*", "*.a.b", "A.b.", "a*", "a..b", ".", None, 7, "*" * 256, "*" * 257],
                  "BackEndService": ["web", "another", "", None, 7, "no name", "a\nb", "a" * 257],
                  "ClientIdentifier": ["cellar", "", None, 7, "é" * 128, "a" * 256, "a" * 257],
                  "ListenHostname": ["a key of nobody"]}
        bodies = [[{**one, key: value}] for key, all_values in values.items() for value in all_values]
        bodies += [[{name: value for name, value in one.items() if name != key}] for key in one]
        bodies += [{}, None, 7, "tunnels", [], [7], [None], [[]], [{}]]
        bodies += [[tunnel(1 + n, "nobody") for n in range(count)] for count in (1000, 1001)]
        for body in bodies:
            with self.subTest(str(body)[:300]):
                answer = self.api.ask("PUT", "/tunnels", "null" if body is None else body)
                self.assertIn(answer.status, described.statuses("put", "/tunnels"))
                self.assertEqual(described.errors(described.body(), body) != [], answer.status == 422, answer)


if __name__ == "__main__":
    unittest.main()
