"""The archive for any Linux: both programs without shared libraries, tried in roots that have nothing else."""

import contextlib
import json
import os
import re
import shutil
import socket
import tarfile
import tempfile
import threading
import unittest

from faults import echo, visit
from origins import SocketOrigin, file_sha256, sha256
from programs import HOST, REPO, Program, binary, need, run
from trust import make_certificates, write_secret

DNS_SERVER = "127.77.0.53"
PROGRAMS = ("remote-proxy", "origin-proxy")


def of_release():
    if os.path.realpath(os.environ.get("TUNNEL_BUILD", "build/release")) != os.path.join(REPO, "build/release"):
        raise unittest.SkipTest("not the release build")


def packed():
    """The paths of the archive, its SBOM and the sums, made of the release build."""
    of_release()
    made = run([os.path.join(REPO, "scripts/package.sh"), "tar"], timeout=280).stdout.split()
    return [os.path.join(REPO, path) for path in made]


def static_programs():
    """The folder of both, built if they are not, or if the release build is newer."""
    of_release()
    architecture = run([need("dpkg"), "--print-architecture"]).stdout.strip()
    folder = os.path.join(REPO, "build/packages/static", architecture)
    ages = [(os.path.join(folder, name), binary(name)) for name in PROGRAMS]
    if not all(os.path.exists(path) and os.path.getmtime(path) > os.path.getmtime(other) for path, other in ages):
        packed()
    return folder


class NameServer:
    """Answers every question for an IPv4 address with 127.0.0.1, and has no others."""

    def __enter__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((DNS_SERVER, 53))
        self.names = []
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()
        return self

    def _answer(self):
        with contextlib.suppress(OSError):
            while True:
                question, asker = self._socket.recvfrom(512)
                end = question.index(b"\0", 12) + 5
                asks_v4 = question[end - 4:end - 2] == b"\0\1"
                self.names.append(re.sub(rb"[\x01-\x20]", b".", question[13:end - 5]).decode())
                answer = question[:2] + b"\x81\x80\0\1" + (b"\0\1" if asks_v4 else b"\0\0") + bytes(4) + question[12:end]
                if asks_v4:
                    answer += b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(HOST)
                self._socket.sendto(answer, asker)

    def __exit__(self, *_):
        self._socket.close()


class InEmptyRoot(unittest.TestCase):
    """Both programs in a root that has nothing else."""

    trust = ()
    timeout = 300
    emulator = ()

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("only root may change the root")
        folder = tempfile.TemporaryDirectory(prefix="tunnel-static-")
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        os.chmod(self.root, 0o755)
        os.mkdir(os.path.join(self.root, "tmp"))
        for name in PROGRAMS:
            shutil.copy(os.path.join(self.programs(), name), self.root)

    def programs(self):
        """The folder where they are."""
        return static_programs()

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)

    def start(self, name, *flags, traced=False):
        prefix = [need("strace"), "-f", "-e", "trace=openat,open,execve,connect", "-o", f"{self.root}.trace"] if traced else []
        program = Program([*prefix, need("chroot"), self.root, *self.emulator, f"/{name}", *flags], name=name,
                          env={"SSL_CERT_FILE": None, "SSL_CERT_DIR": None})
        self.addCleanup(lambda: program.running and program.kill())  # and what it traces
        return program

    def start_both(self, remote_name, server_name, remote=(), origin=(), traced=False):
        """They are connected, and the visitors' address is returned."""
        server = self.enterContext(SocketOrigin(echo))
        remote_proxy = self.start("remote-proxy", "--control-addr", f"{HOST}:0", "--outside-addr", f"{HOST}:0",
                                  "--grace-period", "1s", *remote)
        control, outside = remote_proxy.wait_line(r"^ready control=\S+:(\d+) outside=\S+:(\d+)$").groups()
        origin_proxy = self.start("origin-proxy", "--remote-proxy-addr", f"{remote_name}:{control}",
                                  "--origin-server-addr", f"{server_name}:{server.address[1]}", "--grace-period", "1s",
                                  *origin, traced=traced)
        origin_proxy.wait_line("^ready ")
        return (HOST, int(outside)), remote_proxy, origin_proxy

    def transfer(self, outside):
        data = os.urandom(1 << 20)
        with visit(outside) as visitor:
            sender = threading.Thread(target=lambda: (visitor.sendall(data), visitor.shutdown(socket.SHUT_WR)))
            sender.start()
            received = b""
            while part := visitor.recv(1 << 16):
                received += part
            sender.join()
        self.assertEqual(sha256(received), sha256(data))


class StaticPrograms(InEmptyRoot):
    def test_a_root_without_anything_but_the_two_programs_is_enough(self):
        write_secret(os.path.join(self.root, "secret"))
        trusted = ("--secret-file", "/secret")
        outside, *_ = self.start_both("localhost", "localhost", trusted, trusted)
        self.transfer(outside)

    def test_names_are_found_in_the_hosts_file_and_by_dns_with_no_code_from_outside(self):
        self.write("etc/hosts", "127.0.0.1 hosted.example\n")
        self.write("etc/resolv.conf", f"nameserver {DNS_SERVER}\n")
        self.write("etc/nsswitch.conf", "hosts: mymodule [NOTFOUND=return] files dns\npasswd: sss files\ngroup: sss files\n")
        self.write("etc/passwd", "runner:x:1234:1235::/:/\n")
        self.write("etc/group", "runner:x:1235:\n")
        self.addCleanup(lambda: os.path.exists(f"{self.root}.trace") and os.remove(f"{self.root}.trace"))
        with NameServer() as names:
            outside, _, origin = self.start_both("served.example", "hosted.example", (), ("--user", "runner"), traced=True)
            self.transfer(outside)
            self.assertIn("served.example", names.names)
            self.assertNotIn("hosted.example", names.names)
        with open(f"{self.root}.trace", encoding="utf-8") as trace:
            calls = trace.read()
        of_programs = calls[calls.index('execve("/origin-proxy"'):]
        self.assertNotRegex(of_programs, r"\.so\b|ld\.so|gconv|nscd")
        self.assertEqual(of_programs.count("execve("), 1)

    def test_sandbox_and_another_user_hold_in_it_too(self):
        self.write("etc/passwd", "runner:x:1234:1235::/:/\n")
        self.write("etc/group", "runner:x:1235:\n")
        user = ("--user", "runner", "--sandbox", "required")
        outside, *programs = self.start_both("localhost", "localhost", user, user)
        self.transfer(outside)
        for program in programs:
            with open(f"/proc/{program.pid}/status", encoding="ascii") as status:
                shown = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
            self.assertEqual(shown["Seccomp"], "2")
            self.assertEqual(shown["Uid"].split(), ["1234"] * 4)
            self.assertEqual(shown["Gid"].split(), ["1235"] * 4)

    def test_the_authorities_that_this_or_that_distribution_trusts_are_found(self):
        files = make_certificates(os.path.join(self.root, "tmp/certificates"), HOST, "localhost")
        for name in ("ca", "server", "server_key", "client", "client_key"):
            shutil.copy(getattr(files, name), os.path.join(self.root, name))
        for bundle in ("etc/ssl/certs/ca-certificates.crt", "etc/pki/tls/certs/ca-bundle.crt", "etc/ssl/cert.pem"):
            with self.subTest(bundle), open(files.ca, encoding="ascii") as authority:
                self.write(bundle, authority.read())
                outside, *programs = self.start_both(
                    "localhost", "localhost",
                    ("--tls-cert", "/server", "--tls-key", "/server_key", "--tls-client-ca", "/ca"),
                    ("--tls-cert", "/client", "--tls-key", "/client_key"))
                self.transfer(outside)
                for program in programs:
                    program.process.terminate()
                    program.process.wait(30)
                os.remove(os.path.join(self.root, bundle))

    def test_they_are_loaded_at_an_address_that_nobody_can_foresee_and_need_no_loader(self):
        readelf = need("readelf")
        for name in PROGRAMS:
            path = os.path.join(self.root, name)
            self.assertRegex(run([readelf, "--wide", "--file-header", path]).stdout, r"Type:\s+DYN")
            segments = run([readelf, "--wide", "--program-headers", path]).stdout
            self.assertNotIn("INTERP", segments)
            self.assertRegex(segments, r"(?m)^\s+GNU_RELRO\s")
            self.assertRegex(segments, r"(?m)^\s+GNU_STACK(?:\s+0x\w+){5}\s+RW\s+0x")
            dynamic = run([readelf, "--wide", "--dynamic", path]).stdout
            self.assertNotIn("(NEEDED)", dynamic)
            self.assertRegex(dynamic, r"\(FLAGS_1\).*\bNOW\b.*\bPIE\b")

    def test_archive_sums_and_sbom_fit_together_and_packing_again_gives_the_same_bytes(self):
        with open(os.path.join(REPO, "CMakeLists.txt"), encoding="utf-8") as file:
            version = re.search(r"^project\(tunneled-reverse-proxy VERSION (\S+)", file.read(), re.MULTILINE)[1]
        made = packed()
        archive, sbom, sums = made
        self.assertIn(f"-{version}-linux-", archive)
        before = [file_sha256(path) for path in made]
        run(["sha256sum", "--check", "--strict", sums], cwd=os.path.dirname(sums))
        with tarfile.open(archive) as files:
            files.extractall(self.root)
        top = os.path.join(self.root, os.path.basename(archive).removesuffix(".tar.gz"))
        with open(sbom, encoding="utf-8") as file:
            listed = {each["name"]: each for each in json.load(file)["packages"]}
        for name in PROGRAMS:
            path = os.path.join(top, "bin", name)
            self.assertEqual(run([path, "--version"]).stdout, f"{name} {version}\n")
            self.assertEqual(listed[name]["checksums"][0]["checksumValue"], file_sha256(path))
            self.assertEqual(listed[name]["versionInfo"], version)
        installed = run(["dpkg-query", "-W", "-f", "${source:Version}", "libssl-dev"]).stdout
        self.assertEqual(listed["openssl"]["versionInfo"], installed)
        self.assertEqual(set(os.listdir(os.path.join(top, "licenses"))), set(listed) - set(PROGRAMS))
        self.assertTrue(before == [file_sha256(path) for path in packed()], "packed twice, it is not the same")


class OfAnotherArchitecture(InEmptyRoot):
    """For 64-bit ARM, where `scripts/package.sh tar --arch arm64` has cross-built them: that takes as long as a whole build."""

    emulator = ("/qemu",)

    def programs(self):
        of_release()
        folder = os.path.join(REPO, "build/packages/static/arm64")
        if not all(os.path.exists(os.path.join(folder, name)) for name in PROGRAMS):
            self.skipTest("not built for arm64")
        shutil.copy(need("qemu-aarch64-static"), os.path.join(self.root, "qemu"))
        return folder

    def test_bytes_pass_through_both_programs_as_an_emulator_runs_them(self):
        write_secret(os.path.join(self.root, "secret"))
        trusted = ("--secret-file", "/secret", "--sandbox", "off")  # the emulator's own calls would be refused
        outside, *_ = self.start_both("localhost", "localhost", trusted, trusted)
        self.transfer(outside)


if __name__ == "__main__":
    unittest.main()
