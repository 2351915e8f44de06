"""A systemd that is the first process of a namespace, on a copy-on-write view of this machine's files.

    with Booted({"/etc/systemd/system/a.service": text}) as booted:
        booted.ctl("start", "a")
"""

import os
import shutil
import subprocess
import tempfile
import textwrap
import unittest

from programs import need, poll, run

# What units have as dependencies by default; none of the machine's own services is started.
_TARGETS = ("sysinit", "basic", "network-online", "network", "sockets", "multi-user", "shutdown", "umount", "final")
# {top}: a folder for all that is written.
_BOOT = textwrap.dedent("""
    set -e
    mount -t tmpfs -o mode=755 tunnel-booted {top}
    mkdir {top}/upper {top}/work {top}/root
    cp -a {files}/. {top}/upper/
    mount -t overlay -o lowerdir=/,upperdir={top}/upper,workdir={top}/work tunnel-booted {top}/root
    cd {top}/root
    mount -t proc proc proc
    mount -t sysfs -o ro sysfs sys
    mount -t tmpfs tunnel-booted sys/fs/cgroup
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 tunnel-booted run
    mount -t tmpfs -o mode=1777 tunnel-booted tmp
    mount -t tmpfs -o mode=755 tunnel-booted dev
    for device in null zero full random urandom tty; do
        touch dev/$device; mount --bind /dev/$device dev/$device
    done
    mkdir dev/shm dev/pts
    mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    rm -rf lib/systemd/system/*.wants etc/systemd/system/*.wants
    ip link set lo up
    pivot_root . mnt
    umount -l /mnt
    mount --make-rshared /
    exec env -i container=tunnel-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=tunnel-test.target \
        --log-target=null --show-status=no
    """)


class Booted:
    """`files` are written before the boot, by their paths; `users` get an entry each in /etc/passwd and /etc/group. Skips
    the test where a machine does not let this be done."""

    def __init__(self, files, users=()):
        self._files = dict(files)
        for target in _TARGETS:
            self._files[f"/etc/systemd/system/{target}.target"] = "[Unit]\nDefaultDependencies=no\n"
        self._files["/etc/systemd/system/tunnel-test.target"] = "[Unit]\nDefaultDependencies=no\n"
        for path, form in (("/etc/passwd", "{0}:x:{1}:{1}::/nonexistent:/usr/sbin/nologin\n"), ("/etc/group", "{0}:x:{1}:\n")):
            with open(path, encoding="utf-8") as file:
                self._files[path] = file.read() + "".join(form.format(user, 64100 + number)
                                                         for number, user in enumerate(users))
        self._process = self._group = None

    def __enter__(self):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root can boot a system")
        for program in ("systemctl", "unshare", "nsenter", "ip"):
            need(program)
        self._folder = tempfile.mkdtemp(prefix="tunnel-booted-")
        try:
            self._boot()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _boot(self):
        files = os.path.join(self._folder, "files")
        for path, content in self._files.items():
            os.makedirs(os.path.dirname(files + path), exist_ok=True)
            if isinstance(content, tuple):  # the path of a program
                shutil.copy(content[0], files + path)
                continue
            with open(files + path, "w", encoding="utf-8") as file:
                file.write(content)
        top = os.path.join(self._folder, "top")
        os.mkdir(top)
        self._enter_group()
        self._process = subprocess.Popen(
            ["unshare", "--pid", "--mount", "--uts", "--ipc", "--cgroup", "--net", "--fork", "--kill-child",
             "--propagation", "private", "sh", "-c", _BOOT.format(top=top, files=files)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0,
            preexec_fn=lambda: self._join_group())
        try:
            self.pid = poll(self._first_process, "the first process", 10)
            poll(lambda: self.ctl("is-active", "tunnel-test.target", check=False).stdout == "active\n", "systemd", 20)
        except AssertionError as error:
            self._process.kill()
            raise unittest.SkipTest(f"no systemd can be booted here: {error} {self._process.stdout.read()}") from None

    def _enter_group(self):
        for folder in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
            if os.path.exists(f"{folder}/cgroup.procs"):
                self._group = f"{folder}/tunnel-booted-{os.getpid()}"
                try:
                    os.mkdir(self._group)
                    return
                except OSError as error:
                    self._group = None
                    raise unittest.SkipTest(f"no control group can be made here: {error}") from None
        raise unittest.SkipTest("there are no control groups of the second kind here")

    def _join_group(self):
        with open(f"{self._group}/cgroup.procs", "w", encoding="ascii") as file:
            file.write("0")

    def _first_process(self):
        if self._process.poll() is not None:
            raise AssertionError("it ended")
        try:
            with open(f"/proc/{self._process.pid}/task/{self._process.pid}/children", encoding="ascii") as file:
                children = file.read().split()
            if not children:
                return None
            with open(f"/proc/{children[0]}/comm", encoding="ascii") as file:
                return int(children[0]) if file.read() == "systemd\n" else None
        except FileNotFoundError:
            return None

    def run(self, *argv, **options):
        """A program inside."""
        return run(self.inside(*argv), **options)

    def inside(self, *argv):
        """The words for a program inside that lasts."""
        return ["nsenter", "-t", str(self.pid), "--all", *argv]

    def ctl(self, *words, **options):
        return self.run("systemctl", "--no-pager", *words, **options)

    def show(self, unit, name):
        return self.ctl("show", "--value", "-p", name, unit).stdout.rstrip("\n")

    def read(self, path):
        return self.run("cat", path).stdout

    def write(self, path, text, mode=0o644):
        self.run("sh", "-c", f'umask 077; cat > "$0"; chmod {mode:o} "$0"', path, input=text)

    def __exit__(self, *_):
        if self._process is not None:
            self._process.kill()  # and the first process with it, and all others with that
            self._process.wait()
            self._process.stdout.close()
        if self._group:
            # The last of them may still be on their way.
            poll(self._remove_groups, "the control groups are gone")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _remove_groups(self):
        for folder, _, _ in sorted(os.walk(self._group), reverse=True):
            try:
                os.rmdir(folder)
            except OSError:
                return False
        return True
