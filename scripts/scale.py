#!/usr/bin/python3
"""Measures what many services, many origin proxies, many reloads and many ends cost, and whether anybody notices; and
how near to their limits of bandwidth visitors come.

Everything runs on loopback. Prints what was measured; exit 0 only if the targets are met: docs/performance.md has them.
"""

import argparse
import os
import pathlib
import resource
import sys
import tempfile

REPO = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPO / "tests" / "e2e"), str(REPO / "tests" / "bench")]
sys.dont_write_bytecode = True


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release", help="build folder; default: build/release")
    parser.add_argument("--nice", type=int, default=0, help="priority of all; root may give -15 where others work")
    commands = parser.add_subparsers(dest="measurement", required=True)

    def command(name, help_, **options):
        added = commands.add_parser(name, help=help_, description=help_)
        for option, (default, words) in options.items():
            added.add_argument(f"--{option}", type=type(default), default=default, help=f"{words}; default: {default}")
        return added

    command("services", "many services on one remote proxy: start, memory, rate of new connections (1 min)",
            count=(1000, "services"), rounds=(11, "rounds for the rate"), seconds=(1.0, "of each sample"))
    command("storm", "many origin proxies log in after a restart of the remote proxy (15 s)",
            count=(500, "origin proxies"), outage=(0.0, "seconds without a remote proxy")
            ).add_argument("--no-encryption", dest="encrypted", action="store_false", help="prove the secrets, but do not encrypt")
    command("reloads", "both programs reload under live traffic (2 min)",
            count=(200, "reloads of each"), pause=(0.1, "seconds between two"))
    command("kills", "two origin proxies for one service, of which one is killed again and again (3 min)",
            seconds=(180.0, "in all"), every=(5.0, "seconds between two kills"), away=(1.0, "seconds until it is started again"))
    command("limits", "downloads under a limit of bandwidth (1 min)", seconds=(5.0, "of each download"))
    return vars(parser.parse_args())


def main():
    options = arguments()
    os.environ["TUNNEL_BUILD"] = options.pop("build")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    import limited  # these are found through the paths above
    import machine
    import scale

    name = options.pop("measurement")
    measure = limited.limits if name == "limits" else getattr(scale, name)
    with tempfile.TemporaryDirectory(prefix="scale-") as folder, machine.Priority(options.pop("nice")):
        before = os.getloadavg()[0]
        result = measure(folder, **options)
    for words, value in result.figures:
        print(f"{words:<60} {value}")
    print(f"{'load of the machine before and after':<60} {before:.1f} {os.getloadavg()[0]:.1f}")
    for problem in result.problems[:20]:
        print(f"NOT AS IT SHOULD BE: {problem}", file=sys.stderr)
    if len(result.problems) > 20:
        print(f"and {len(result.problems) - 20} more", file=sys.stderr)
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
