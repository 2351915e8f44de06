"""Looks for leaks: many visitors and many reconnects, after which both programs must be back where they were.

    soak.py [VISITORS] [RECONNECTS]     100000 and 200 unless told; scripts/soak.sh runs it

Prints a table and exits 0 if every visitor was served, the descriptors of both programs are those after the warm-up,
and their resident memory is no more than 2 MiB above it.
"""

import multiprocessing
import signal
import socket
import sys
import threading
import time

from faults import descriptors, echo, exchange, resident_kib
from origins import SocketOrigin
from support import Tunnel, poll
from trust import TwoSecrets, folder

WARM_UP = 2_000
ALLOWED_KIB = 2 << 10
PROCESSES, THREADS = 2, 8
# A closed connection blocks its port for a minute, so one address has not enough ports for all visitors.
SOURCES = [f"127.0.0.{number}" for number in range(2, 18)]
IP_BIND_ADDRESS_NO_PORT = 24  # choose the port when the target is known: one port may then serve several targets
QUIET = 60.0
LINES_PER_SECOND = 5_000  # at least, that are read of what both programs log


def visit_once(outside, number, data):
    with socket.socket() as visitor:
        visitor.settimeout(30)
        visitor.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        visitor.bind((SOURCES[number % len(SOURCES)], 0))
        visitor.connect(outside)
        exchange(visitor, data)


def visit_often(outside, numbers, served, failures):
    """One process of visitors, as many at a time as it has threads."""
    lock = threading.Lock()
    left = iter(numbers)
    data = bytes(1000)

    def work():
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                return
            try:
                visit_once(outside, number, data)
                with served.get_lock():
                    served.value += 1
            except (OSError, AssertionError) as error:
                failures.put(f"visitor {number}: {error!r}")
    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def serve(ready, over):
    with SocketOrigin(echo) as origin:
        ready.put(origin.address)
        over.wait()


class Visitors:
    """`count` visitors, who have begun when this has been made."""

    def __init__(self, outside, count):
        self.count = count
        self.served, self._failures = multiprocessing.Value("q", 0), multiprocessing.Queue()
        self._processes = [multiprocessing.Process(
            target=visit_often, args=(outside, range(part, count, PROCESSES), self.served, self._failures))
            for part in range(PROCESSES)]
        for process in self._processes:
            process.start()

    def under_way(self):
        return any(process.is_alive() for process in self._processes)

    def failures(self):
        """What went wrong, once all are done."""
        told = []
        while self.under_way() or not self._failures.empty():
            while not self._failures.empty():
                told.append(self._failures.get())
            time.sleep(0.05)
        return told + ["a visitor was not counted"] * (self.count - self.served.value - len(told))


def reconnect(tunnel, secrets, times, visitors):
    """Spread over the visitors, each when the one before is done; gives how many were made while visitors came."""
    made_among_visitors = 0
    for number in range(times):
        due = visitors.count * number // times
        while visitors.under_way() and visitors.served.value < due:
            time.sleep(0.01)
        made_among_visitors += visitors.under_way()
        seen = len(tunnel.origin.lines), len(tunnel.remote.lines)
        secrets.change()
        tunnel.origin.send_signal(signal.SIGHUP)
        tunnel.origin.wait_line("logged in remote=", start=seen[0])
        tunnel.remote.wait_line("origin proxy logged in", start=seen[1])
    return made_among_visitors


def wait_logged(tunnel, count):
    """Wait until both programs have logged the end of `count` visitors."""
    poll(lambda: min(program.counted for program in (tunnel.remote, tunnel.origin)) >= count,
         f"both programs have logged the end of {count} visitors", QUIET + count / LINES_PER_SECOND, interval=0.1)


def figures(tunnel):
    return {program.name: (descriptors(program.pid), resident_kib(program.pid))
            for program in (tunnel.remote, tunnel.origin)}


def quiet_figures(tunnel, wanted=None):
    """The figures once nothing changes any more; with `wanted`, once they are as good as those, if that happens."""
    last, since, end = None, 0.0, time.monotonic() + QUIET
    while time.monotonic() < end:
        now = figures(tunnel)
        if now != last:
            last, since = now, time.monotonic()
        if time.monotonic() - since > 2 and (wanted is None or not worse(wanted, now)):
            break
        time.sleep(0.1)
    return figures(tunnel)


def worse(before, after):
    """What is not back where it was."""
    found = []
    for name, (fds, kib) in before.items():
        if after[name][0] > fds:  # fewer: parked connections that nobody needed are closed
            found.append(f"{name}: {after[name][0]} descriptors instead of {fds}")
        if after[name][1] > kib + ALLOWED_KIB:
            found.append(f"{name}: {after[name][1] - kib} KiB more resident memory, {ALLOWED_KIB} are allowed")
    return found


def show(before, after):
    print(f"{'':14} {'descriptors':>23} {'resident memory, KiB':>31}")
    print(f"{'':14} {'before':>11} {'after':>11} {'before':>11} {'after':>9} {'change':>9}")
    for name, (fds, kib) in before.items():
        print(f"{name:14} {fds:11} {after[name][0]:11} {kib:11} {after[name][1]:9} {after[name][1] - kib:+9}")


def main(visitors=100_000, reconnects=200):
    secrets = TwoSecrets(folder("soak"))
    counting = {"counts": " visitor ended "}  # a line for each visitor
    ready, over = multiprocessing.Queue(), multiprocessing.Event()
    server = multiprocessing.Process(target=serve, args=(ready, over))
    server.start()
    try:
        with Tunnel(ready.get(timeout=30), remote_flags=[*secrets.remote_flags, "--encryption", "off"],
                    origin_flags=[*secrets.origin_flags, "--encryption", "off"], remote_options=counting,
                    origin_options=counting, trust="none") as tunnel:
            failures = Visitors(tunnel.outside, WARM_UP).failures()
            before = quiet_figures(tunnel)
            began = time.monotonic()
            many = Visitors(tunnel.outside, visitors)
            among = reconnect(tunnel, secrets, reconnects, many)
            failures += many.failures()
            taken = time.monotonic() - began
            wait_logged(tunnel, WARM_UP + visitors - len(failures))
            after = quiet_figures(tunnel, before)
    finally:
        over.set()
        server.join()
    print(f"{visitors} visitors and {reconnects} reconnects, {among} of these among visitors, in {taken:.0f} s "
          f"({visitors / taken:.0f} visitors/s), after {WARM_UP} visitors to warm up")
    show(before, after)
    problems = failures[:20] + [f"{len(failures)} visitors were not served"] * bool(failures) + worse(before, after)
    print("\n".join(problems) or "nothing leaked, every visitor was served")
    return 1 if problems else 0


if __name__ == "__main__":
    if not all(word.isdigit() and int(word) > 0 for word in sys.argv[1:3]) or len(sys.argv) > 3:
        sys.exit(__doc__)
    sys.exit(main(*map(int, sys.argv[1:])))
