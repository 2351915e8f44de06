#!/usr/bin/python3
"""Measures this project beside the other TCP tunnels that are installed, and without any tunnel.

Everything runs on loopback. In each round every case is run by each contender in turn, close together,
since the machine changes faster than programs do; a figure is the median over the rounds of its ratio
to the run without a tunnel. Writes results.md, results.json and results.svg to the folder of --out.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import signal
import statistics
import sys
import tempfile
import time

REPO = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO / "tests" / "bench"))
sys.dont_write_bytecode = True

import cases as bench_cases  # noqa: E402  found through the path above
import contenders as bench_contenders  # noqa: E402
import fronts as bench_fronts  # noqa: E402
import hosts as bench_hosts  # noqa: E402
import machine  # noqa: E402
import tunnels as bench_tunnels  # noqa: E402
from report import LOADED, Report  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help="default: 3, with --quick 1")
    parser.add_argument("--quick", action="store_true", help="shorter runs and fewer cases, for a first look")
    parser.add_argument("--cases", default="", help="comma-separated beginnings of names: connect,bulk-8,growth")
    parser.add_argument("--only", default="", help="comma-separated contenders beside direct: ours,haproxy")
    parser.add_argument(
        "--build",
        action="append",
        default=[],
        metavar="[NAME=]DIR",
        help="build folder of this project, several times to compare builds; default: ours=build/release",
    )
    parser.add_argument(
        "--flags",
        action="append",
        default=[],
        metavar="NAME=FLAGS",
        help="flags for both programs of the build of that name, to compare settings",
    )
    parser.add_argument("--load", help="path of tunnel-bench; default: that of build/release")
    parser.add_argument(
        "--retries", type=int, help=f"repeat a run while others use {LOADED} cores or more; default: 2, with --quick 0"
    )
    parser.add_argument(
        "--patience", type=float, default=0, metavar="MINUTES", help="how long in all to wait for others to be quiet, before runs"
    )
    parser.add_argument(
        "--nice", type=int, default=0, help="priority of everything that is measured; root may give -15 where others work"
    )
    parser.add_argument("--out", default=REPO / "docs" / "benchmark", type=pathlib.Path)
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    if options.retries is None:
        options.retries = 0 if options.quick else 2
    return options


def choose_contenders(options):
    flags = dict(pair.partition("=")[::2] for pair in options.flags)
    builds = [build if "=" in build else f"ours={build}" for build in options.build]
    builds = dict(build.split("=", 1) for build in builds) or {"ours": REPO / "build" / "release"}
    unknown = flags.keys() - builds.keys()
    if unknown:
        raise SystemExit(f"--flags: there is no build named {', '.join(unknown)}")
    ours = [bench_contenders.ours(name, folder, flags.get(name, "")) for name, folder in builds.items()]
    ours += [bench_contenders.ours(f"{name}-tls", folder, flags.get(name, ""), encrypted=True) for name, folder in builds.items()]
    fronts = [
        bench_fronts.ours(name, folder, flags.get(name, ""), kind)
        for kind in ("tls", "https", "http")
        for name, folder in builds.items()
    ]
    first = next(iter(builds))
    behind = bench_contenders.tunnel(builds[first], flags.get(first, ""))
    everybody = ours + bench_tunnels.peers() + fronts + bench_fronts.peers(behind) + bench_hosts.peers(behind)
    wanted = set(filter(None, options.only.split(",")))
    missing = wanted - {contender.name for contender in everybody} - {"direct"}
    if missing:
        raise SystemExit(f"--only: not found: {', '.join(sorted(missing))}")
    chosen = [contender for contender in everybody if not wanted or contender.name in wanted]
    return [bench_contenders.direct(), *chosen], [contender.name for contender in ours[: len(builds)] + fronts]


def choose_cases(options):
    beginnings = tuple(filter(None, options.cases.split(",")))
    chosen = [case for case in bench_cases.all_cases(options.quick, bench_contenders.find("wrk")) if not beginnings or case.name.startswith(beginnings)]
    if not chosen:
        raise SystemExit("--cases: nothing is named so")
    return chosen


class Benchmark:
    def __init__(self, options, contenders, cases, load, folder):
        self.options, self.contenders, self.cases, self.load, self.folder = options, contenders, cases, load, folder
        certificate = str(bench_contenders.certificates(folder) / "both.pem")
        self.origin = bench_contenders.Program([load, "serve", "--certificate", certificate], folder, "origin")
        self.samples = []
        self.patience = 60 * options.patience

    def run(self):
        port = int(self.origin.wait_for(r"listening (\d+)").group(1))
        start = lambda contender: contender.start(self.folder, port)  # noqa: E731
        for round_ in range(self.options.rounds):
            for place, case in enumerate(self.cases):
                order = [contender for contender in self.contenders if case.family in contender.families]
                order = [contender for contender in order if not (case.fresh and contender.name == "direct")]
                turn = (round_ + place) % len(order)
                for contender in order[turn:] + order[:turn]:
                    self._run_quietly(case, contender, round_, start)

    def _run_quietly(self, case, contender, round_, start):
        best = None
        for _ in range(1 + self.options.retries):
            self._wait_for_quiet()
            sample = bench_cases.run(case, contender, round_, self.load, self._own_pids, start)
            # A failure is not an effect of load that goes away by asking again.
            if best is None or sample.foreign < best.foreign or sample.failure:
                best = sample
            if sample.failure or sample.foreign < LOADED:
                break
        self.samples.append(best)
        print(f"{round_ + 1}/{self.options.rounds}  {case.name:<18} {contender.name:<13} {self._summary(case, best)}", flush=True)

    def _wait_for_quiet(self):
        while self.patience > 0:
            begin = time.monotonic()
            foreign = machine.ForeignLoad(self._own_pids())
            time.sleep(0.5)
            waited = time.monotonic() - begin
            if foreign.cores(waited) < LOADED:
                return
            self.patience -= waited

    @staticmethod
    def _summary(case, sample):
        if sample.failure:
            return f"failed: {sample.failure}"
        figures = [f"{metric.key}={sample.values.get(metric.key, 0):,.4g}" for metric in case.metrics if metric.key in sample.values]
        errors = [f"errors={sample.errors}"] if sample.errors else []
        return "  ".join(figures + errors + [f"foreign={sample.foreign:.2f}"])

    def _own_pids(self):
        programs = [self.origin] + [program for contender in self.contenders for program in contender.programs]
        return {os.getpid(), *(pid for program in programs for pid in program.pids())}

    def stop(self):
        for contender in self.contenders:
            contender.stop()
        self.origin.stop()


def write(options, report, project, about, elapsed, samples):
    options.out.mkdir(parents=True, exist_ok=True)
    loads = [sample.foreign for sample in samples]
    lines = [f"- {name}: {value}" for name, value in about.items() if not isinstance(value, dict)]
    lines += ["- versions: " + ", ".join(f"{name} {version}" for name, version in about["versions"].items() if version)]
    lines += [
        f"- {options.rounds} round{'s' * (options.rounds > 1)}{', --quick' * options.quick}{f', --nice {options.nice}' * bool(options.nice)}, {elapsed / 60:.1f} minutes; "
        f"foreign load: median {statistics.median(loads):.2f}, most {max(loads):.2f} cores"
    ]
    if noise := report.noise():
        worst = max(noise, key=noise.get)
        lines += [
            "- noise: a figure without a tunnel differs between the rounds by "
            f"{statistics.median(noise.values()):.0%} of itself in the middle, at most by {noise[worst]:.0%} ({worst})"
        ]
    table = report.as_markdown(lines)
    (options.out / "results.md").write_text(table)
    everything = {
        "about": about,
        "rounds": options.rounds,
        "quick": options.quick,
        "seconds": round(elapsed),
        "table": report.as_json(),
        "samples": [dataclasses.asdict(sample) for sample in samples],
    }
    (options.out / "results.json").write_text(json.dumps(everything, indent=1) + "\n")
    print(f"\n{table}")
    try:
        import chart
    except ImportError:
        print("no chart: python3-matplotlib is not installed")
        return
    disturbed = ", others disturbed some" if max(loads) > LOADED else ""
    caption = f"{about['cpu']}, {about['cores']} cores, {about['kernel']}, {about['congestion control']}; loopback; medians of {options.rounds}{disturbed}"
    chart.draw(report, project, options.out / "results.svg", caption)


def main():
    options = arguments()
    contenders, project = choose_contenders(options)
    cases = choose_cases(options)
    load = pathlib.Path(options.load or REPO / "build/release/tests/bench/tunnel-bench").resolve()
    if not os.access(load, os.X_OK):
        raise SystemExit(f"{load} is not there: build it first, or say where with --load")
    about = machine.describe()
    about["versions"] = {contender.name: contender.version for contender in contenders}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the finally below
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, machine.Priority(options.nice):
        benchmark = Benchmark(options, contenders, cases, str(load), folder)
        try:
            benchmark.run()
        except KeyboardInterrupt:
            print("interrupted: what is there so far", file=sys.stderr)
        finally:
            benchmark.stop()
    if benchmark.samples:
        report = Report(cases, contenders, benchmark.samples)
        write(options, report, project, about, time.monotonic() - begin, benchmark.samples)


if __name__ == "__main__":
    main()
