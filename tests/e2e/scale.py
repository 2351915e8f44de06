"""What happens with many services, many origin proxies, many reloads and many ends: four measurements, which
scripts/scale.py runs in full and test_scale.py in small.

Each takes the folder for its files and gives a Result: figures to be shown, and what is not as it should be.
"""

import collections
import contextlib
import dataclasses
import datetime
import json
import os
import random
import re
import signal
import socket
import statistics
import time

from faults import cpu_seconds, resident_kib
from programs import HOST, REPO, Program, binary, poll, run
from traffic import Servers, Visitors
from trust import write_secret

ALLOWED_START = 1.0
ALLOWED_KIB = 7
ALLOWED_LOSS = 0.05
ALLOWED_LATE = 5.0


@dataclasses.dataclass
class Result:
    figures: list = dataclasses.field(default_factory=list)  # (words, value)
    problems: list = dataclasses.field(default_factory=list)

    def add(self, words, value):
        self.figures.append((words, value))

    def check(self, holds, problem):
        if not holds:
            self.problems.append(problem)


def bench_program(name):
    """Path of a program that only release builds have; None where there is none."""
    path = os.path.join(REPO, os.environ.get("TUNNEL_BUILD", "build/release"), "tests/bench", name)
    return path if os.access(path, os.X_OK) else None


def free_ports(count):
    """The first of so many free ports in a row, below the range from which the kernel takes those of outgoing
    connections."""
    for _ in range(1000):
        first = random.randrange(18000, 32000 - count)
        with contextlib.ExitStack() as probes, contextlib.suppress(OSError):
            for port in range(first, first + count):
                probes.enter_context(socket.socket()).bind((HOST, port))
            return first
    raise AssertionError(f"no {count} free ports in a row")


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path + ".new", "w", encoding="ascii", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
        file.write(text)
    os.replace(path + ".new", path)
    return path


def start(programs, name, *flags, ready=True):
    """Gives the program and the seconds until it was ready."""
    began = time.monotonic()
    program = programs.enter_context(Program([binary(name), *map(str, flags)], name=name))
    if ready:
        program.wait_line("^ready ", stream="stdout")
    return program, time.monotonic() - began


def start_server(programs):
    """The origin server of tunnel-bench; gives where it is."""
    server = programs.enter_context(Program([bench_program("tunnel-bench"), "serve"]))
    port = server.wait_line(r"listening (\d+)", stream="stdout")[1]
    return f"{HOST}:{port}"


def control_of(remote):
    return remote.wait_line(r"^ready control=(\S+)", stream="stdout")[1]


# ---- Many services


class ServedPair:
    """Both programs with `count` services, all of one origin server."""

    def __init__(self, programs, folder, count, origin_server):
        self.count, self.first = count, free_ports(count)
        tables = [f'[services.s{i}]\noutside-addr = "{HOST}:{self.first + i}"\n' for i in range(count)]
        path = write(folder, f"remote-{count}.toml", f'control-addr = "{HOST}:0"\n' + "".join(tables))
        self.remote, self.remote_seconds = start(programs, "remote-proxy", "--config", path)
        tables = [f'[services.s{i}]\norigin-server-addr = "{origin_server}"\n' for i in range(count)]
        path = write(folder, f"origin-{count}.toml", f'remote-proxy-addr = "{control_of(self.remote)}"\n' + "".join(tables))
        self.origin, self.origin_seconds = start(programs, "origin-proxy", "--config", path)
        ready = self.origin.wait_line("^ready (.*)", stream="stdout")[1]
        if ready.count(" s") != count:
            raise AssertionError(f"of {count} services these are open: {ready}")

    def kib(self):
        return resident_kib(self.remote.pid), resident_kib(self.origin.pid)

    def cpu(self):
        return cpu_seconds(self.remote.pid) + cpu_seconds(self.origin.pid)

    def rate(self, load, seconds, ports):
        """New connections a second over so many of the services, and microseconds of CPU for each."""
        before = self.cpu()
        done = run([load, "run", "connect", "--connect", f"{HOST}:{self.first}", "--ports", str(ports), "--at-once", "16",
                    "--visitors", "1000000", "--seconds", str(seconds)], timeout=60 + seconds)
        result = json.loads(done.stdout)
        if result["errors"]:
            raise AssertionError(f"visitors failed: {result['errors']}")
        return result["per_second"], 1e6 * (self.cpu() - before) / result["connections"]


def services(folder, count=1000, rounds=11, seconds=1.0):
    """Start, memory, and the rate of new connections, of `count` services beside one."""
    load, result = bench_program("tunnel-bench"), Result()
    with contextlib.ExitStack() as programs:
        server = start_server(programs)
        one = ServedPair(programs, folder, 1, server)
        many = ServedPair(programs, folder, count, server)
        time.sleep(1)
        for name, seconds_taken in (("remote-proxy", many.remote_seconds), ("origin-proxy", many.origin_seconds)):
            result.add(f"{name} is ready with {count} services after", f"{seconds_taken:.3f} s")
            result.check(seconds_taken < ALLOWED_START, f"{name} took {seconds_taken:.3f} s to start")
        for name, most, least in zip(("remote-proxy", "origin-proxy"), many.kib(), one.kib()):
            kib = (most - least) / (count - 1)
            result.add(f"{name}: resident memory of each idle service", f"{kib:.2f} KiB")
            result.check(kib <= ALLOWED_KIB, f"{name} takes {kib:.2f} KiB for a service")
        check_each(many, load)
        if rounds:
            compare_rates(result, one, many, load, rounds, seconds)
    return result


def check_each(pair, load):
    done = run([load, "run", "connect", "--connect", f"{HOST}:{pair.first}", "--ports", str(pair.count), "--visitors",
                str(pair.count), "--at-once", "16", "--seconds", "30"])
    served = json.loads(done.stdout)
    if served["errors"] or served["connections"] != pair.count:
        raise AssertionError(f"of {pair.count} services {served['connections']} served a visitor: {served['errors']}")


def compare_rates(result, one, many, load, rounds, seconds):
    """In turn, each time in another order, since the machine changes faster than programs do."""
    cases = {"one service": (one, 1), "one of many": (many, 1), "all of many": (many, many.count)}
    samples = collections.defaultdict(list)
    for round_ in range(rounds + 1):
        names = list(cases)
        for name in names[round_ % 3:] + names[:round_ % 3]:
            pair, ports = cases[name]
            sample = pair.rate(load, seconds, ports)
            if round_:  # the first warms up
                samples[name].append(sample)
    for name, figures in samples.items():
        rates, cpu = zip(*figures)
        result.add(f"new connections, {name}", f"{statistics.median(rates):,.0f} /s, {statistics.median(cpu):.0f} us of CPU each")
    for name in ("one of many", "all of many"):
        ratios = sorted(mine[0] / base[0] for mine, base in zip(samples[name], samples["one service"]))
        ratio = statistics.median(ratios)
        result.add(f"new connections, {name}, to one service", f"{ratio:.3f} (rounds {ratios[0]:.2f} to {ratios[-1]:.2f})")
        result.check(ratio >= 1 - ALLOWED_LOSS, f"the rate of {name} is {ratio:.3f} of that of one service")


# ---- Many origin proxies


def storm(folder, count=500, outage=0.0, encrypted=True):
    """`count` origin proxies come back after their remote proxy was killed, and started again `outage` s later."""
    result = Result()
    first = free_ports(count)
    flags = [] if encrypted else ["--no-encryption"]
    with contextlib.ExitStack() as programs:
        server = start_server(programs)
        secrets = [write_secret(os.path.join(folder, "secret")) for _ in range(count)]
        config = f'control-addr = "{HOST}:{free_ports(1)}"\npairing-timeout = "30s"\n'
        config += "" if encrypted else 'encryption = "off"\n'
        config += "".join(f'[origins.o{i}]\nsecret = "{secret}"\nallow-ports = "{first + i}"\n'
                          for i, secret in enumerate(secrets))
        config = write(folder, "remote.toml", config)
        remote, _ = start(programs, "remote-proxy", "--config", config)
        players = programs.enter_context(Program(
            [bench_program("tunnel-origins"), "--remote-proxy-addr", control_of(remote), "--origin-server-addr", server,
             "--secrets", write(folder, "secrets", "\n".join(secrets) + "\n"), "--first-port", str(first), *flags]))
        players.wait_line(f"^ready origins={count}$", timeout=60, stream="stdout")
        remote.kill()
        time.sleep(outage)
        again, _ = start(programs, "remote-proxy", "--config", config)
        ready = datetime.datetime.now(datetime.timezone.utc)
        poll(lambda: sum("service opened" in text for text in again.texts("stderr")) >= count,
             f"{count} services are open again", timeout=60 + 2 * outage)
        judge_storm(result, count, ready, again, players)
        check_each(type("Opened", (), {"first": first, "count": count}), bench_program("tunnel-bench"))
        result.add("memory of the remote proxy for each", f"{resident_kib(again.pid) / count:.0f} KiB")
        result.add("memory of the load tool for each", f"{resident_kib(players.pid) / count:.0f} KiB")
    return result


def time_of(line):
    return datetime.datetime.fromisoformat(line.split()[0].replace("Z", "+00:00"))


def judge_storm(result, count, ready, remote, players):
    """Who was told to wait may be back by then, and 5 s. Which of them was which does not show; that their order is
    the same is what makes the two lists fit best."""
    planned, refused = [], []
    for line in players.texts("stderr"):
        if found := re.search(r"(lost|cannot log in to|) ?(?:the )?remote proxy.* reason=(.*) failures=\d+ retry-in=([\d.]+)s", line):
            next_try = time_of(line) + datetime.timedelta(seconds=float(found[3]))
            if time_of(line) >= ready:
                refused.append(found[2])
            if next_try >= ready:
                planned.append(next_try)
    back = sorted({re.search(r"service=(\S+)", line)[1]: time_of(line)
                   for line in remote.texts("stderr") if "service opened" in line}.values())
    late = [(came - due).total_seconds() for came, due in zip(back, sorted(planned))]
    result.add(f"{count} origin proxies are back after", f"{(back[-1] - ready).total_seconds():.2f} s")
    result.add("the last was to try again after", f"{(max(planned, default=ready) - ready).total_seconds():.2f} s")
    result.add("the latest behind its back-off", f"{max(late, default=0.0):.2f} s")
    rejected = [line for line in remote.texts("stderr") if re.search("rejected|closed a conn|ignored a conn", line)]
    result.add("refused", str(len(refused) + len(rejected)))
    result.check(len(back) == count, f"only {len(back)} of {count} are back")
    result.check(max(late, default=0.0) <= ALLOWED_LATE, f"one was back {max(late, default=0.0):.2f} s after its back-off")
    for line in rejected + [f"an origin proxy failed after the restart: {reason}" for reason in refused]:
        result.check(False, line)


# ---- Many reloads and many ends


class Team:
    """A remote proxy and origin proxies by name, each with a secret, that all serve "echoes" and "greets"."""

    def __init__(self, programs, folder, names):
        self.programs, self.folder, self.names = programs, folder, names
        self.servers = programs.enter_context(Servers(names))
        self.secrets = {name: write_secret(os.path.join(folder, name)) for name in names}
        self.ports = dict(zip(("echoes", "greets", "other", "extra", "spare"), range(free_ports(5), 1 << 16)))
        self.control = f"{HOST}:{free_ports(1)}"
        self.remote, _ = start(programs, "remote-proxy", "--config", self.write_remote())
        self.origins = {name: start(programs, "origin-proxy", "--config", self.write_origin(name))[0] for name in names}

    def outside(self):
        return {service: (HOST, self.ports[service]) for service in ("echoes", "greets")}

    def write_remote(self, number=0):
        """The file as it is at the reload of this number: beside what stays, there is something else in each."""
        lines = [f'control-addr = "{self.control}"', f"max-connections = {number + 5000}"]
        lines += [f'allow-ports = ["{self.ports["spare"]}"]'] if number % 3 == 0 else []
        for name, secret in self.secrets.items():
            lines += [f"[origins.{name}]", f'secret = "{secret}"']
        if number % 4 == 1:
            lines += ["[origins.guest]", f'secret = "a-guest-{number:03}-q3vU0mWcXz8Kd1JtR5yLhB7sNfPa2Go"']
        for service in ("echoes", "greets"):
            lines += [f"[services.{service}]", f'outside-addr = "{HOST}:{self.ports[service]}"']
        if number % 5 != 2:
            port = self.ports["other"] if number % 2 else self.ports["extra"]
            lines += ["[services.other]", f'outside-addr = "{HOST}:{port}"', f"max-connections = {number + 1}",
                      f'balance = "{("least", "round-robin")[number % 2]}"', f'deny = ["192.0.2.{number % 250}"]']
        return write(self.folder, "remote.toml", "\n".join(lines) + "\n")

    def write_origin(self, name, number=0):
        lines = [f'remote-proxy-addr = "{self.control}"', f'secret-file = "{self.folder}/{name}"']
        for service in ("echoes", "greets"):
            host, port = self.servers.address(name, service)
            lines += [f"[services.{service}]", f'origin-server-addr = "{host}:{port}"', 'proxy-protocol = "v1"']
        if number % 3 != 2:
            lines += ["[services.other]", f'origin-server-addr = "{HOST}:{1 + number}"',
                      f'proxy-protocol = "{("off", "v2")[number % 2]}"']
        if number % 4 == 1:
            lines += ["[services.mine]", f'origin-server-addr = "{HOST}:{1 + number}"',
                      f'outside-addr = ":{self.ports["spare"]}"']
        return write(self.folder, f"{name}.toml", "\n".join(lines) + "\n")


def reload_and_wait(program):
    lines = len(program.lines)
    program.send_signal(signal.SIGHUP)
    program.wait_line(" reloaded| cannot reload", start=lines)
    bad = [text for text in program.texts("stderr")[-50:] if "cannot reload" in text]
    if bad:
        raise AssertionError(bad[0])


def reloads(folder, count=200, pause=0.1):
    """Both programs are told `count` times to read files in which something else has changed each time."""
    result = Result()
    with contextlib.ExitStack() as programs:
        team = Team(programs, folder, ["cellar"])
        visitors = programs.enter_context(Visitors(team.outside()))
        began = time.monotonic()
        for number in range(1, count + 1):
            team.write_remote(number)
            team.write_origin("cellar", number)
            time.sleep(pause)
            reload_and_wait(team.remote)
            time.sleep(pause)
            reload_and_wait(team.origins["cellar"])
        seconds = time.monotonic() - began
        came, failed = visitors.failures()
        result.add(f"{count} reloads of each program in", f"{seconds:.1f} s")
        result.add("visitors meanwhile", f"{came:,}")
        result.add("failed", str(len(failed)))
        ends = ends_by_visitor(team.remote)
        for visit in failed:
            result.check(False, f"{visit.service}: {visit.error}, {dict(ends.get(visit.address, []))}")
        result.check(came > 20 * count, f"only {came} visitors came")
    return result


def ends_by_visitor(remote):
    """What the remote proxy says of how each ended: [(time, words)] by "ip:port", as one port may serve several."""
    ends = collections.defaultdict(list)
    for line in remote.texts("stderr"):
        if found := re.search(r'visitor ended visitor=(\S+) .*end="?(.*?)"?( service=.*)?$', line):
            ends[found[1]].append((line.split()[0], found[2]))
    return ends


# What the remote proxy says of a visitor that had been joined with its origin server, and of one whose first bytes went
# with the announcement.
STARTED = "reset by the origin side"
UNNOTICED = 0.5  # seconds for which the remote proxy may take one that is dead for alive, on a machine that is busy
FIRST_BYTES_GONE = "its first bytes went to an origin proxy that is gone"


def kills(folder, seconds=180.0, every=5.0, away=1.0):
    """Of two origin proxies for the same services one is killed every `every` s, and started again `away` s later."""
    result = Result()
    with contextlib.ExitStack() as programs:
        team = Team(programs, folder, ["roof", "cellar"])
        visitors = programs.enter_context(Visitors(team.outside()))
        killed = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            name = team.names[len(killed) % 2]
            time.sleep(every - away)
            killed.append((time.monotonic(), name))
            team.origins[name].kill()
            time.sleep(away)
            team.origins[name] = start(programs, "origin-proxy", "--config", os.path.join(folder, f"{name}.toml"))[0]
        came, failed = visitors.failures()
        result.add("kills", str(len(killed)))
        result.add("visitors meanwhile", f"{came:,}")
        judge_kills(result, failed, killed, team)
        result.check(came > 100 * len(killed), f"only {came} visitors came")
    return result


def judge_kills(result, failed, killed, team):
    """Each that failed must have been with the one that was killed: served by it, or at its origin server, or, by what
    the remote proxy logs, with its first bytes sent there."""
    reached, ends = collections.defaultdict(list), ends_by_visitor(team.remote)
    for address, label, when in team.servers.reached():
        reached[address].append((when, label))
    kinds = collections.Counter()
    for visit in failed:
        during = {name for when, name in killed if visit.began - UNNOTICED <= when <= visit.ended}
        at = {label for when, label in reached[visit.address] if visit.began <= when <= visit.ended}
        words = [end for _, end in ends.get(visit.address, [])]
        if at & during:
            kinds["served by the one that was killed" if visit.received else "at its origin server already"] += 1
        elif during and STARTED in words:  # and at its origin server, which was too slow to read who it is
            kinds["joined with its origin server by the one that was killed"] += 1
        elif visit.service == "echoes" and during and FIRST_BYTES_GONE in words:
            kinds["first bytes sent to the one that was killed"] += 1
        else:
            result.check(False, f"{visit.service}: {visit.error}, after {visit.ended - visit.began:.2f} s, at {sorted(at)}, "
                                f"received {visit.received}, killed meanwhile {sorted(during)}, {words}")
    result.add("failed", str(len(failed)))
    for kind, number in kinds.items():
        result.add(f"of them {kind}", str(number))
