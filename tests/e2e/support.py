"""The tunnel under test: remote-proxy and origin-proxy, started, watched, restarted and stopped.

    with Tunnel((HOST, port_of_the_origin_server)) as tunnel:
        socket.create_connection(tunnel.outside) ...
        remote_lines, origin_lines = tunnel.wait_visitors(1)

Leaving the block asks both programs to end and asserts that they do, with exit code 0 and without a sanitizer report;
a failing test shows the whole output of both.
"""

import json
import os
import re

from programs import DEADLINE, HERE, HOST, MACHINE, Program, binary, free_port, missing, need, poll, run, user_name
from trust import flags as flags_of_trust, mode_of_this_run

__all__ = ["DEADLINE", "HERE", "HOST", "MACHINE", "Program", "Tunnel", "binary", "free_port", "missing", "need",
           "parse_address", "parse_log_line", "poll", "run", "show_address", "user_name"]

_LOG_LINE = re.compile(
    r"(?P<time>\d{4}-\S+Z) (?P<level>error|warn|info|debug) +(?P<message>.*?)(?P<rest>( [\w-]+=.*)?)$")
_FIELD = re.compile(r'([\w-]+)=("(?:[^"\\]|\\.)*"|\S*)')
_SANITIZER = re.compile(r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|: runtime error:")


def show_address(address):
    if isinstance(address, str):  # unix:/path
        return address
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_address(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def parse_log_line(text):
    """A dict of the fields plus time, level and message, from a text or JSON log line; None for other lines."""
    if text.startswith("{"):
        return json.loads(text)
    line = _LOG_LINE.match(text)
    if not line:
        return None
    fields = {}
    for key, value in _FIELD.findall(line["rest"]):
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        elif value.isdigit():
            value = int(value)
        elif re.fullmatch(r"\d+\.\d+s", value):
            value = float(value[:-1])
        fields[key] = value
    return {**fields, **{key: line[key] for key in ("time", "level", "message")}}


def ready_line(*names):
    """For wait_line: the values of a ready line that has exactly these, be it text or JSON."""
    text = re.compile("^ready" + "".join(rf" {name}=(\S+)" for name in names) + "$")

    def fits(line):
        if line.startswith("{"):
            facts = json.loads(line)
            fits = facts.pop("message") == "ready" and list(facts) == ["time", "level", *names]
            return [facts[name] for name in names] if fits else None
        found = text.search(line)
        return list(found.groups()) if found else None
    return fits


class Tunnel:
    """`origin_server` is the (host, port), or the "unix:/path", that visitors shall reach. `*_flags` are further command line words, and
    `*_options` go to Program (env, rlimits, preexec_fn, cwd). With start=False nothing is started on entry: call
    start_remote() and start_origin(), for instance with something between the two programs. Tests that end
    remote-proxy and connect again should pass fixed_ports=True: port 0 gives a port from the range of outgoing
    connections, where a client retrying while nobody listens can meet itself, or hold the port the restart needs.
    `trust` is one of trust.MODES, that of this run unless told; a further origin proxy takes `trust_of_origin`."""

    def __init__(self, origin_server, *, remote_flags=(), origin_flags=(), remote_options=None, origin_options=None,
                 start=True, fixed_ports=False, exit_code=0, trust=None):
        self.origin_server = origin_server
        self.remote_flags, self.origin_flags = list(remote_flags), list(origin_flags)
        self.remote_options, self.origin_options = dict(remote_options or {}), dict(origin_options or {})
        self.control = (HOST, free_port() if fixed_ports else 0)
        self.outside = (HOST, free_port() if fixed_ports else 0)
        self.remote = self.origin = None
        self.programs = []  # every run, so that a failure also shows those which were replaced
        self._start, self._exit_code = start, exit_code
        self._trust_of_remote, self.trust_of_origin = flags_of_trust(trust or mode_of_this_run())

    @staticmethod
    def _last_of_each(flags):
        """A flag given twice is refused; here a test's own one stands in the place of a default."""
        once = ("--heartbeat-interval", "--heartbeat-timeout", "--dial-timeout", "--grace-period", "--log-level",
                "--pairing-timeout", "--half-close-timeout", "--idle-timeout", "--parked-connections", "--log-format")
        kept, words = [], list(flags)
        while words:
            word = words.pop(0)
            if word in once and word in words:
                words.pop(0)
            else:
                kept.append(word)
        return kept

    def _launch(self, name, flags, options):
        flags = self._last_of_each(flags)
        # The whole suite with the management interface on, in both programs: TUNNEL_MANAGEMENT=1.
        if os.environ.get("TUNNEL_MANAGEMENT") and "--management-addr" not in flags:
            flags = [*flags, "--management-addr", f"{HOST}:0"]
        program = Program([binary(name), *flags], name=name, **options)
        self.programs.append(program)
        return program

    def start_remote(self, *, wait=True):
        """Start remote-proxy; a second time it takes the ports of the first, so visitors find it again."""
        flags = ["--control-addr", show_address(self.control), "--outside-addr", show_address(self.outside),
                 *self._trust_of_remote]
        self.remote = self._launch("remote-proxy", flags + self.remote_flags, self.remote_options)
        if wait:
            ready = self.remote.wait_line(ready_line("control", "outside"), stream="stdout")
            self.control, self.outside = parse_address(ready[0]), parse_address(ready[1])
        return self.remote

    def start_origin(self, *, remote_proxy=None, wait=True):
        """Start origin-proxy; `remote_proxy` is the address it dials where that is not the control port itself."""
        flags = ["--remote-proxy-addr", show_address(remote_proxy or self.control),
                 "--origin-server-addr", show_address(self.origin_server), *self.trust_of_origin]
        self.origin = self._launch("origin-proxy", flags + self.origin_flags, self.origin_options)
        if wait:
            self.wait_origin_ready()
        return self.origin

    def wait_origin_ready(self, timeout=DEADLINE):
        return self.origin.wait_line(ready_line("remote", "origin", "outside"), timeout, stream="stdout")

    def restart_remote(self, *, kill=False, wait=True):
        self.remote.kill() if kill else self.remote.stop(code=0)
        return self.start_remote(wait=wait)

    def restart_origin(self, *, kill=False, remote_proxy=None, wait=True):
        self.origin.kill() if kill else self.origin.stop(code=0)
        return self.start_origin(remote_proxy=remote_proxy, wait=wait)

    @staticmethod
    def log(program):
        """The parsed log lines of a program."""
        return [line for line in map(parse_log_line, program.texts("stderr")) if line]

    @staticmethod
    def wait_log(program, predicate, timeout=DEADLINE, **options):
        """Wait for a log line whose parsed form fits `predicate`; gives the parsed form."""
        def fits(text):
            line = parse_log_line(text)
            return line if line and predicate(line) else None
        return program.wait_line(fits, timeout, stream="stderr", **options)

    def visitor_lines(self, program=None):
        """The parsed `visitor ended` lines of one program (remote-proxy unless told)."""
        return [line for line in self.log(program or self.remote) if line["message"] == "visitor ended"]

    def wait_visitors(self, count, timeout=DEADLINE):
        """Wait until both programs have logged the end of at least `count` visitors; gives both lists."""
        def enough():
            both = self.visitor_lines(self.remote), self.visitor_lines(self.origin)
            return both if min(map(len, both)) >= count else None
        try:
            return poll(enough, f"{count} `visitor ended` lines in both logs", timeout, interval=0.05)
        except AssertionError as error:
            seen = len(self.visitor_lines(self.remote)), len(self.visitor_lines(self.origin))
            raise AssertionError(f"{error}; remote-proxy logged {seen[0]}, origin-proxy {seen[1]}") from None

    def __enter__(self):
        try:
            if self._start:
                self.start_remote()
                self.start_origin()
        except BaseException as error:
            self._show(error)
            self._kill_all()
            raise
        return self

    def __exit__(self, kind, error, trace):
        if error is not None:
            self._show(error)
            self._kill_all()
            return False
        try:
            for program in (self.origin, self.remote):
                if program is not None and program.running:
                    program.stop(code=self._exit_code)
            for program in self.programs:
                report = next(filter(_SANITIZER.search, program.texts("stderr")), None)
                assert report is None, f"{program.name} reported: {report}\n{program.output()}"
        finally:
            self._kill_all()
        return False

    def _show(self, error):
        for program in self.programs:
            error.add_note(program.output())

    def _kill_all(self):
        for program in self.programs:
            if program.running:
                program.kill()
