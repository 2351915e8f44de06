"""What /proc tells about this machine and about programs on it."""

import os
import pathlib

TICK = 1 / os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
KERNEL_THREADS = 2  # the parent of them all; they work for whoever sends


def _fields(pid):
    # The name before the last ")" may hold anything.
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def children(pid):
    """Of this process; none if it has ended."""
    try:
        return [int(child) for task in pathlib.Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    except OSError:
        return []


def cpu_seconds(pids):
    """CPU time of these processes so far, with the threads that have ended."""
    total = 0
    for pid in pids:
        fields = _fields(pid)
        total += int(fields[11]) + int(fields[12])
    return total * TICK


def exact_cpu_seconds(pids):
    """Like cpu_seconds, in nanoseconds instead of ticks, but only of threads that are still there."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def resident_bytes(pids):
    return sum(int(_fields(pid)[21]) for pid in pids) * PAGE


class ForeignLoad:
    """CPU time that processes other than ours took, in cores.

    Taken process by process and not from the sums of /proc/stat: those are sampled 250 times a second,
    and book our own interrupts as nobody's. Time of a process that ends in between is not lost, since
    it goes over to its parent.
    """

    def __init__(self, own):
        self._own = own
        self._before = self._times()
        self._steal = self._stolen()

    def _times(self):
        times = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) in self._own:
                continue
            try:
                fields = _fields(entry)
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) != KERNEL_THREADS:
                times[entry] = (int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14]))
        return times

    @staticmethod
    def _stolen():
        return int(pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[8])

    def cores(self, seconds):
        after = self._times()
        conserved = sum(map(sum, after.values())) - sum(map(sum, self._before.values()))
        # Where a parent lets its children's time go, the first figure is too low.
        survivors = sum(time[0] - self._before.get(pid, (0, 0))[0] for pid, time in after.items())
        return (max(conserved, survivors) + self._stolen() - self._steal) * TICK / seconds


class Priority:
    """How nice this process and all it starts are, while the block lasts.

    Where the kernel groups processes by session, nice() only counts among those of one session, and
    the session as a whole competes with the others by a figure of its own.
    """

    GROUP = pathlib.Path("/proc/self/autogroup")

    def __init__(self, nice):
        self._nice = nice
        self._before = None

    def __enter__(self):
        if self._nice == 0:
            return
        os.nice(self._nice)
        if self.GROUP.exists() and _read("/proc/sys/kernel/sched_autogroup_enabled") == "1":
            before = self.GROUP.read_text().split()[-1]
            self.GROUP.write_text(str(self._nice))
            self._before = before

    def __exit__(self, *_):
        if self._before is not None:  # the session outlives us
            self.GROUP.write_text(self._before)


def _read(path):
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError:
        return "unknown"


def describe():
    models = [line.split(":")[1].strip() for line in _read("/proc/cpuinfo").splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0] if models else os.uname().machine,
        "cores": os.cpu_count(),
        "kernel": f"{os.uname().sysname} {os.uname().release}",
        "congestion control": _read("/proc/sys/net/ipv4/tcp_congestion_control"),
        "allowed to all": _read("/proc/sys/net/ipv4/tcp_allowed_congestion_control"),
        "user": "root" if os.geteuid() == 0 else "not root",
    }
