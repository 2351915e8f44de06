"""The cases, what is read from each, and one run of one of them."""

import dataclasses
import json
import pathlib
import select
import subprocess
import time

import contenders
import machine

RUN_LIMIT = 60.0
SETTLE = 3.0  # an idle visitor by Host gives back its stream in the first two seconds


@dataclasses.dataclass
class Metric:
    key: str
    title: str
    unit: str
    more_is_better: bool
    ratio: bool = True  # to direct; otherwise the figure itself


@dataclasses.dataclass
class Case:
    name: str
    arguments: list
    metrics: list
    work: str  # the key that says how much was done
    tolerated: float = 0.0  # errors for each unit of work that do not make the run a failed one
    family: str = "tunnels"  # which contenders take part
    by_wrk: bool = False  # the arguments are those of wrk
    fresh: bool = False  # memory that earlier cases left behind would hide what this one takes


@dataclasses.dataclass
class Sample:
    case: str
    contender: str
    round: int
    values: dict = dataclasses.field(default_factory=dict)
    errors: dict = dataclasses.field(default_factory=dict)
    failure: str = ""
    foreign: float = 0.0  # cores that others used meanwhile


def _rate(title):
    return Metric("per_second", title, "/s", True)


def _time(key, title):
    return Metric(key, title, "us", False)


def all_cases(quick, wrk=None):
    """`wrk`: its path, or None where it is not installed."""
    seconds = 0.5 if quick else 1.0
    cases = []

    def connect(name, title, at_once, protocol="raw", family="tunnels", first="first byte"):
        arguments = ["connect", "--at-once", at_once, "--seconds", seconds, "--visitors", 40000, "--protocol", protocol]
        metrics = [
            _rate(title),
            _time("first_byte_p50_us", f"{title}: {first} p50"),
            _time("first_byte_p99_us", f"{title}: {first} p99"),
        ]
        cases.append(Case(name, arguments, metrics, "connections", tolerated=0.01, family=family))

    for at_once in (1, 16, 128):
        connect(f"connect-{at_once}", f"new connections, {at_once} at once", at_once)

    def round_trips(name, title, pairs, size, metrics, protocol="raw", family="tunnels"):
        arguments = ["round-trips", "--visitors", pairs, "--size", size, "--seconds", seconds, "--protocol", protocol]
        cases.append(Case(name, arguments, metrics(title), "round_trips", family=family))

    times = lambda title: [_time("round_trip_p50_us", f"{title}: p50"), _time("round_trip_p99_us", f"{title}: p99")]
    round_trips("pingpong", "1-byte round trip", 1, 1, times)
    round_trips("small", "64 clients x 512 B", 64, 512, lambda title: [_rate(title), *times(title)])

    speeds = lambda title, direction: [
        Metric("gb_per_second", f"{title} {direction}", "GB/s", True),
        Metric("cpu_per_gb", f"{title} {direction}: CPU of the tunnel", "s/GB", False, ratio=False),
    ]

    def bulk(name, title, streams, protocol="raw", family="tunnels"):
        for direction in ("up", "down"):
            arguments = ["bulk", "--visitors", streams, "--direction", direction, "--seconds", 1.2 * seconds, "--protocol", protocol]
            cases.append(Case(f"{name}-{direction}", arguments, speeds(title, direction), "bytes", family=family))

    bulk("bulk-1", "bulk, 1 stream", 1)
    bulk("bulk-8", "bulk, 8 streams", 8)

    def idle(name, title, visitors, protocol="raw", family="tunnels"):
        metrics = [
            Metric("kib_per_visitor", f"{title}: memory for each", "KiB", False, ratio=False),
            Metric("idle_cpu", f"{title}: CPU", "% of a core", False, ratio=False),
        ]
        arguments = ["idle", "--visitors", visitors, "--seconds", RUN_LIMIT / 2, "--protocol", protocol]
        cases.append(Case(name, arguments, metrics, "held", family=family, fresh=True))

    for visitors in (2000,) if quick else (2000, 8000):
        idle(f"idle-{visitors}", f"{visitors:,} idle visitors", visitors)
    for name, visitors, title in (("half-close", 200, "answers after a half-close"), ("mixed", 64, "mixed sizes")):
        metrics = [Metric("failed", f"{title}: failed of {visitors}", "", False, ratio=False)]
        arguments = [name, "--visitors", visitors, "--at-once", 16]
        cases.append(Case(name, arguments, metrics, "visitors", tolerated=1.0))
    for pairs in (1, 64, 1024) if quick else (1, 4, 16, 64, 256, 1024, 4096):
        metrics = lambda title: [_rate(title), _time("round_trip_p99_us", f"{title}: p99")]
        round_trips(f"growth-{pairs}", f"{pairs:,} pair{'s' * (pairs > 1)} x 512 B", pairs, 512, metrics)

    # A prepared ClientHello and an echo: the routing alone. TLS between the ends costs the same for all.
    for at_once in (1, 16, 128):
        connect(f"sni-connect-{at_once}", f"new connections with a ClientHello, {at_once} at once", at_once, "hello", "sni")
    connect("sni-handshake-16", "TLS handshakes with the origin server, 16 at once", 16, "https", "sni", "answer")
    bulk("sni-bulk-8", "bulk behind a ClientHello, 8 streams", 8, "hello", "sni")
    for at_once in (1, 16):
        connect(f"https-connect-{at_once}", f"HTTPS, a handshake for each request, {at_once} at once", at_once, "https", "https", "answer")
    round_trips("https-requests", "HTTPS, 16 clients that stay", 16, 1, lambda title: [_rate(title), *times(title)], "https", "https")
    bulk("https-bulk-8", "bulk in HTTPS, 8 streams", 8, "https", "https")

    for pairs in (16, 256):
        title = f"HTTP, {pairs} clients that stay"
        name, metrics = f"http-requests-{pairs}", lambda title: [_rate(title), *times(title)]
        if wrk:
            cases.append(Case(name, wrk_arguments(wrk, pairs, seconds), metrics(title), "round_trips", family="http", by_wrk=True))
        else:
            round_trips(name, title, pairs, 1, metrics, "http", "http")
    connect("http-connect-16", "HTTP, a connection for each request, 16 at once", 16, "http", "http", "answer")
    for direction in ("up", "down"):
        arguments = ["bodies", "--visitors", 8, "--direction", direction, "--seconds", 1.2 * seconds]
        metrics = speeds("HTTP, bodies of 64 MiB, 8 at once", direction)
        cases.append(Case(f"http-bulk-8-{direction}", arguments, metrics, "bytes", family="http"))
    events = [_time("event_p50_us", "events to 16 clients: delay p50"), _time("event_p99_us", "events to 16 clients: delay p99")]
    arguments = ["events", "--visitors", 16, "--seconds", seconds]
    cases.append(Case("http-events", arguments, events, "events", family="http"))
    idle("http-idle-1000", "1,000 idle clients that stay", 1000, "http", "http")
    idle("http-upgraded-1000", "1,000 idle clients after an upgrade", 1000, "upgrade", "http")
    return cases


# What wrk counted, as the load generator prints it.
WRK_REPORT = """\
done = function(summary, latency, requests)
    local wrong = {}
    for what, times in pairs(summary.errors) do
        if times > 0 then table.insert(wrong, string.format('"%s": %d', what, times)) end
    end
    io.write(string.format('{"round_trips": %d, "per_second": %f, "round_trip_p50_us": %d, "round_trip_p99_us": %d, ' ..
        '"errors": {%s}}\\n', summary.requests, summary.requests / summary.duration * 1e6, latency:percentile(50),
        latency:percentile(99), table.concat(wrong, ', ')))
end
"""


def wrk_arguments(wrk, clients, seconds):
    """One thread, as the load generator has it, in whole seconds; the clients come at once when they have begun."""
    return [wrk, "-t1", f"-c{clients}", f"-d{max(1, round(2 * seconds))}", "-H", f"Host: {contenders.NAME}"]


def _hold_idle(visitors, contender, count):
    """Figures while the visitors are there and nothing moves."""
    before = {program.name: machine.resident_bytes(program.pids()) for program in contender.programs}
    client = subprocess.Popen(visitors, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if not select.select([client.stdout], [], [], RUN_LIMIT)[0]:
            raise contenders.Failed(f"{count} visitors did not get in within {RUN_LIMIT:.0f} s")
        result = json.loads(client.stdout.readline())
        time.sleep(SETTLE)
        memory = {program.name: machine.resident_bytes(program.pids()) - before[program.name] for program in contender.programs}
        begin, cpu = time.monotonic(), machine.exact_cpu_seconds(contender.pids())
        time.sleep(2)
        cpu = machine.exact_cpu_seconds(contender.pids()) - cpu
        result["idle_cpu"] = 100 * cpu / (time.monotonic() - begin)
        each = 1024 * max(result["held"], 1)
        result["kib_per_visitor"] = sum(memory.values()) / each
        result["kib_of_programs"] = {name: size / each for name, size in memory.items()}
        return result
    finally:
        client.stdin.close()
        try:
            client.wait(10)
        except subprocess.TimeoutExpired:
            client.kill()
            client.wait()
        client.stdout.close()


def _command(case, contender, load):
    where = f"{contenders.HOST}:{contender.port}"
    if not case.by_wrk:
        return [load, "run", *map(str, case.arguments), "--connect", where]
    script = pathlib.Path(contender.folder, "report.lua")
    script.write_text(WRK_REPORT)
    return [*case.arguments, "-s", script, f"http://{where}/"]


def _measure(case, contender, load):
    command = _command(case, contender, load)
    if case.fresh:
        return _hold_idle(command, contender, case.arguments[2])
    before = machine.cpu_seconds(contender.pids())
    try:
        client = subprocess.run(command, capture_output=True, text=True, timeout=RUN_LIMIT)
    except subprocess.TimeoutExpired:
        raise contenders.Failed(f"not over within {RUN_LIMIT:.0f} s") from None
    if client.returncode != 0:
        raise contenders.Failed(client.stderr.strip()[-200:] or f"load generator: exit code {client.returncode}")
    result = json.loads(client.stdout.splitlines()[-1])  # wrk says more above it
    cpu = machine.cpu_seconds(contender.pids()) - before
    if result.get("bytes") and contender.programs:
        result["cpu_per_gb"] = cpu / (result["bytes"] / 1e9)
    return result


def run(case, contender, round_, load, own_pids, start):
    sample = Sample(case.name, contender.name, round_)
    try:
        if case.fresh:
            contender.stop()
        start(contender)
        foreign = machine.ForeignLoad(own_pids())
        begin = time.monotonic()
        sample.values = _measure(case, contender, load)
        sample.foreign = foreign.cores(time.monotonic() - begin)
        dead = [program for program in contender.programs if not program.running()]
        if dead:
            raise contenders.Failed(f"{dead[0].name} died: {dead[0].last_words()}")
        sample.errors = sample.values.pop("errors")
        wrong, work = sum(sample.errors.values()), sample.values.get(case.work, 0)
        if wrong > case.tolerated * work or not work:
            worst = max(sample.errors, key=sample.errors.get, default="nothing was moved")
            sample.failure = f"{worst} ({wrong:,} times beside {work:,} {case.work.replace('_', ' ')})"
    except (contenders.Failed, OSError, ValueError) as error:
        sample.failure = str(error) or type(error).__name__
    return sample
