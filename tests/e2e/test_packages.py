"""The packages for Debian, as apt installs, upgrades, removes and purges them in an empty root."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from programs import REPO, need, run

PACKAGES = ("remote-proxy", "origin-proxy", "tunneled-reverse-proxy-doc")
PROGRAMS = PACKAGES[:2]
# Stands in for systemctl, which runs both services: it notes what is asked of it. The process of remote-proxy is one
# whose file is gone, so nobody has taken over from it; that of origin-proxy is not.
SYSTEMCTL = """#!/bin/sh
echo "$@" >>/var/log/systemctl
case "$*" in *MainPID*remote-proxy*) cat /var/log/old ;; *MainPID*) cat /var/log/new ;; esac
"""
UPGRADE = """set -e
cp /usr/bin/sleep /tmp/old
/tmp/old 1000 & echo $! >/var/log/old
sleep 1000 & echo $! >/var/log/new
until grep -q old /proc/$(cat /var/log/old)/comm; do sleep 0.1; done
rm /tmp/old
apt-get -q -y install remote-proxy origin-proxy tunneled-reverse-proxy-doc
"""


def version_of(package):
    return run(["dpkg-deb", "--field", package, "Version"]).stdout.strip()


class Packages(unittest.TestCase):
    trust = ()
    timeout = 600

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root may change the root")
        if os.path.realpath(os.environ.get("TUNNEL_BUILD", "build/release")) != os.path.join(REPO, "build/release"):
            raise unittest.SkipTest("not the release build")
        if shutil.which("mmdebstrap") is None or not os.path.exists("/etc/debian_version"):
            raise unittest.SkipTest("no mmdebstrap")
        made = run([os.path.join(REPO, "scripts/package.sh"), "deb"], timeout=300).stdout.split()
        cls.packages = sorted(os.path.join(REPO, path) for path in made if path.endswith(".deb"))
        cls.version = version_of(cls.packages[0])

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tunnel-packages-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.chmod(self.folder, 0o755)
        self.root = os.path.join(self.folder, "root")

    def path(self, name):
        return os.path.join(self.root, name.lstrip("/"))

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def inside(self, *words, **options):
        """Runs a command in the root, where /proc is, and the network."""
        script = 'mount -t proc proc "$0/proc" && mount -t devtmpfs dev "$0/dev" 2>/dev/null; exec chroot "$0" "$@"'
        return run(["unshare", "--mount", "--pid", "--fork", "--propagation", "private", "sh", "-c", script, self.root,
                    "env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "DEBIAN_FRONTEND=noninteractive", *words], timeout=300, **options).stdout

    def apt(self, *words):
        return self.inside("apt-get", "-q", "-y", "-o", "Acquire::Retries=3", "--no-install-recommends", *words)

    def make_root(self):
        release = run(["sed", "-n", "s/^VERSION_CODENAME=//p", "/etc/os-release"]).stdout.strip()
        mirror = os.environ.get("TUNNEL_MIRROR", "http://deb.debian.org/debian")
        with subprocess.Popen(["mmdebstrap", "--quiet", "--variant=apt", "--components=main",
                               "--aptopt=Acquire::Retries \"3\"", release, self.root, mirror],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as made:
            said = made.communicate(timeout=300)[0]
        if made.returncode != 0:
            self.fail(f"mmdebstrap: {said[-2000:]}")
        shutil.copy("/etc/resolv.conf", self.path("etc/resolv.conf"))
        os.mkdir(self.path("repository"))
        with open(self.path("etc/apt/sources.list.d/own.list"), "w", encoding="ascii") as file:
            file.write("deb [trusted=yes] file:/repository ./\n")

    def publish(self, packages):
        """The repository has these now."""
        for old in glob.glob(self.path("repository/*")):
            os.remove(old)
        for package in packages:
            shutil.copy(package, self.path("repository"))
        index = run(["dpkg-scanpackages", "--multiversion", "."], cwd=self.path("repository")).stdout
        with open(self.path("repository/Packages"), "w", encoding="utf-8") as file:
            file.write(index)
        self.apt("update")

    def older(self, package):
        """The same one as if it were of the version before."""
        tree = tempfile.mkdtemp(dir=self.folder)
        run(["dpkg-deb", "--raw-extract", package, tree])
        control = os.path.join(tree, "DEBIAN/control")
        with open(control, encoding="utf-8") as file:
            text = re.sub(r"(?m)^Version: .*$", "Version: 0.0.1-1", file.read())
        with open(control, "w", encoding="utf-8") as file:
            file.write(text)
        built = os.path.join(self.folder, f"older-{os.path.basename(package)}")
        run(["dpkg-deb", "--root-owner-group", "--build", tree, built])
        return built

    def files(self):
        """All of the root but what dpkg, apt and logs keep."""
        found = run(["find", ".", "-xdev", "(", "-path", "./var/lib/dpkg", "-o", "-path", "./var/lib/apt", "-o", "-path",
                     "./var/cache", "-o", "-path", "./var/log", "-o", "-path", "./repository", "-o", "-path", "./proc", "-o",
                     "-path", "./dev", ")", "-prune", "-o", "-print"], cwd=self.root)
        return set(found.stdout.split("\n"))

    def installed(self, package):
        return self.inside("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package)

    def look_at_installed(self):
        for name in PROGRAMS:
            self.assertRegex(self.inside(f"/usr/bin/{name}", "--version"), rf"^{name} \d")
            self.assertRegex(self.read("etc/passwd"), rf"(?m)^{name}:x:\d+:\d+:.*:/usr/sbin/nologin$")
            self.assertRegex(self.read("etc/group"), rf"(?m)^{name}:x:")
            unit = f"lib/systemd/system/{name}.service"
            self.assertIn(f"ExecStart=/usr/bin/{name} ", self.read(unit))
            # Who installs a program has not yet said what it is to do.
            self.assertEqual(glob.glob(self.path(f"etc/systemd/system/*/{name}*")), [])
            self.assertTrue(os.path.exists(self.path(f"usr/share/doc/{name}/copyright")))
            self.assertTrue(os.path.exists(self.path(f"etc/{name}/{name}.toml")))
        self.assertTrue(os.path.exists(self.path("usr/share/doc/tunneled-reverse-proxy-doc/examples")))
        self.assertEqual(self.inside("dpkg", "--verify", *PACKAGES), "")

    def test_lintian_finds_nothing_and_their_version_is_that_of_the_project(self):
        with open(os.path.join(REPO, "CMakeLists.txt"), encoding="utf-8") as file:
            version = re.search(r"^project\(tunneled-reverse-proxy VERSION (\S+)", file.read(), re.MULTILINE)[1]
        self.assertEqual(len(self.packages), len(PACKAGES))
        for package in self.packages:
            self.assertRegex(version_of(package), rf"^{re.escape(version)}-1\+\w+$")
        said = run([need("lintian"), "--allow-root", "--fail-on", "error,warning", *self.packages], check=False)
        self.assertEqual((said.returncode, said.stdout), (0, ""), said.stderr)

    def test_they_are_installed_upgraded_removed_and_purged_without_a_trace(self):
        self.make_root()
        at_first = self.files()
        self.publish([self.older(package) for package in self.packages])
        self.apt("install", *PACKAGES)
        self.assertEqual(self.installed("remote-proxy"), "installed 0.0.1-1")
        self.look_at_installed()

        own = "control-addr = \":7001\" # our own\n"
        with open(self.path("etc/remote-proxy/remote-proxy.toml"), "w", encoding="ascii") as file:
            file.write(own)
        users = self.read("etc/passwd")
        self.publish(self.packages)
        self.upgrade_what_runs()
        for name in PACKAGES:
            self.assertEqual(self.installed(name), f"installed {self.version}")
        self.assertEqual(self.read("etc/remote-proxy/remote-proxy.toml"), own)
        self.assertEqual(self.read("etc/passwd"), users)

        for name in ("remote-proxy", "origin-proxy"):
            os.makedirs(self.path(f"var/lib/{name}"), exist_ok=True)
            open(self.path(f"var/lib/{name}/state"), "w", encoding="ascii").close()
        self.apt("remove", *PACKAGES)
        self.assertFalse(os.path.exists(self.path("usr/bin/remote-proxy")))
        self.assertEqual(self.read("etc/remote-proxy/remote-proxy.toml"), own)
        self.assertTrue(os.path.exists(self.path("var/lib/remote-proxy/state")))

        self.apt("purge", "--auto-remove", *PACKAGES)
        left = {name for name in self.files() - at_first if not name.startswith(("./tmp", "./etc/apt"))}
        # Users stay, as Debian wants it, and so does what they are kept in; ldconfig and dpkg have caches.
        self.assertEqual({name for name in left if "proxy" in name or "tunnel" in name}, set())
        self.assertRegex(self.read("etc/passwd"), r"(?m)^remote-proxy:")

    def upgrade_what_runs(self):
        os.makedirs(self.path("run/systemd/system"))
        self.write_program("usr/bin/systemctl", SYSTEMCTL)
        self.write_program("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 0\n")
        self.inside("sh", "-c", UPGRADE)
        asked = self.read("var/log/systemctl").splitlines()
        for name in PROGRAMS:
            self.assertIn(f"reload {name}.service", asked)
        self.assertEqual([line for line in asked if "restart" in line], ["--quiet --system restart remote-proxy.service"])
        self.assertEqual([line for line in asked if "stop" in line.split()], [])
        for name in ("usr/bin/systemctl", "usr/sbin/policy-rc.d"):
            os.remove(self.path(name))
        os.rmdir(self.path("run/systemd/system"))

    def write_program(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(self.path(name), 0o755)


if __name__ == "__main__":
    unittest.main()
