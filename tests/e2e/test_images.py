"""The container images: what is in them, and a tunnel out of both, run by a real runtime (runc) and in a plain chroot.

There is no container engine here; an engine runs an image as runc does, with the same file for it that umoci makes."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from faults import visit
from fronts import Crowd, read_answer, request_for, web
from origins import HttpOrigin
from packages_made import VERSION, make
from programs import HOST, Program, free_port, need, poll, run
from support import parse_address, ready_line, show_address
from trust import write_secret

NAMES = ("remote-proxy", "origin-proxy")
UID = 65532
SECRET = "/run/secrets/tunnel-secret"
BODY = os.urandom(3_000_000)


class Images:
    """Those of this checkout, removed with this object."""

    def __init__(self):
        if os.geteuid() != 0:
            raise unittest.SkipTest("images are made and run by root alone")
        for tool in ("buildah", "jq", "skopeo", "umoci"):
            need(tool)
        self._folder = tempfile.TemporaryDirectory(prefix="images-")
        self.folder = self._folder.name
        os.chmod(self.folder, 0o755)  # for the user of the images
        self.paths = make("image", self.folder)
        architecture = run(["dpkg", "--print-architecture"]).stdout.strip()
        self.oci, self.docker = ({name: os.path.join(self.folder, f"{name}-{VERSION}-linux-{architecture}.{kind}")
                                  for name in NAMES} for kind in ("oci", "docker.tar"))

    def unpack(self, name, place):
        run([need("umoci"), "unpack", "--image", f"{self.oci[name]}:{VERSION}", place])
        with open(os.path.join(place, "config.json"), encoding="utf-8") as file:
            return json.load(file)


class Contents(unittest.TestCase):
    trust = ()
    timeout = 900

    def test_an_image_has_its_program_certificates_and_licences_and_no_shell(self):
        images = Images()
        self.assertEqual(sorted(images.paths), sorted([*images.oci.values(), *images.docker.values()]))
        for name in NAMES:
            with tempfile.TemporaryDirectory() as place:
                images.unpack(name, os.path.join(place, "bundle"))
                root = os.path.join(place, "bundle/rootfs")
                files = {os.path.relpath(os.path.join(folder, file), root)
                         for folder, _, found in os.walk(root) for file in found}
                doc = f"usr/share/doc/{name}"
                self.assertEqual({file for file in files if not file.startswith(doc)},
                                 {f"usr/bin/{name}", "etc/passwd", "etc/group", "etc/nsswitch.conf",
                                  "etc/ssl/certs/ca-certificates.crt"})
                self.assertLessEqual({f"{doc}/copyright", f"{doc}/licenses/openssl", f"{doc}/sbom.spdx.json"}, files)
                for folder, mode in (("run", 0o1777), ("var/lib", 0o700)):
                    info = os.stat(os.path.join(root, folder, name))
                    self.assertEqual((info.st_uid, info.st_gid, info.st_mode & 0o7777), (UID, UID, mode))
                writable = run(["find", root, "-uid", str(UID), "-o", "-perm", "/7022", "!", "-type", "l"]).stdout
                self.assertEqual(set(writable.split()), {f"{root}/run/{name}", f"{root}/var/lib/{name}"})

    def test_an_image_says_what_it_is_and_how_it_is_run_and_a_second_one_has_the_same_bytes(self):
        images = Images()
        for name in NAMES:
            prefix = name.upper().replace("-", "_")
            for source in (f"oci:{images.oci[name]}:{VERSION}", f"docker-archive:{images.docker[name]}"):
                config = json.loads(run([need("skopeo"), "inspect", "--config", "--raw", source]).stdout)["config"]
                self.assertEqual((config["User"], config["Entrypoint"]), (f"{UID}:{UID}", [f"/usr/bin/{name}"]))
                self.assertIn(f"{prefix}_MANAGEMENT_ADDR=unix:/run/{name}/management.sock", config["Env"])
                self.assertEqual(config["Labels"]["org.opencontainers.image.version"], VERSION)
                if source.startswith("docker"):  # OCI has no place for it
                    self.assertEqual(config["Healthcheck"]["Test"], ["CMD", f"/usr/bin/{name}", "status"])
            archive = json.loads(run(["tar", "-xOf", images.docker[name], "manifest.json"]).stdout)
            self.assertEqual(archive[0]["RepoTags"], [f"docker.io/library/{name}:{VERSION}"])

        with tempfile.TemporaryDirectory() as again:
            make("image", again)
            run(["diff", "-r", images.folder, again])


class Run(unittest.TestCase):
    """Both images as containers, with the addresses of this machine, a mounted secret and no other argument."""

    trust = ()
    timeout = 900

    def setUp(self):
        self.images = Images()
        self.folder = tempfile.mkdtemp(prefix="run-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)
        self.secret = os.path.join(self.folder, "secret")
        write_secret(self.secret)
        os.chmod(self.secret, 0o400)
        os.chown(self.secret, UID, UID)

    def transfer(self, start):
        """A body to and fro; `start` is given a program's name and environment, and gives the Program."""
        with HttpOrigin() as server:
            remote = start("remote-proxy", {"REMOTE_PROXY_CONTROL_ADDR": f"{HOST}:0",
                                            "REMOTE_PROXY_SECRET_FILE": SECRET,
                                            "REMOTE_PROXY_OUTSIDE_ADDR": f"{HOST}:0"})
            control, outside = remote.wait_line(ready_line("control", "outside"), stream="stdout")
            origin = start("origin-proxy", {"ORIGIN_PROXY_REMOTE_PROXY_ADDR": control,
                                            "ORIGIN_PROXY_SECRET_FILE": SECRET,
                                            "ORIGIN_PROXY_ORIGIN_SERVER_ADDR": "%s:%d" % server.address})
            origin.wait_line(ready_line("remote", "origin", "outside"), stream="stdout")
            url = "http://%s:%d/file" % parse_address(outside)
            body, back = (os.path.join(self.folder, name) for name in ("body", "back"))
            with open(body, "wb") as file:
                file.write(BODY)
            curl = [need("curl"), "--silent", "--show-error", "--fail", "--noproxy", "*"]
            run([*curl, "--upload-file", body, url])
            run([*curl, "--output", back, url])
            with open(back, "rb") as file:
                self.assertEqual(file.read(), BODY)
        return remote, origin

    def command(self, name):
        """How a health check asks, out of the image."""
        config = run([need("skopeo"), "inspect", "--config", "--raw", f"docker-archive:{self.images.docker[name]}"])
        return json.loads(config.stdout)["config"]["Healthcheck"]["Test"][1:]

    def test_in_a_chroot_both_programs_tunnel_and_status_says_ready(self):
        roots = {}

        def inside(name):
            process = roots[name][1]["process"]
            words = [need("chroot"), f"--userspec={process['user']['uid']}:{process['user']['gid']}", "--groups=",
                     roots[name][0]]
            return ["env", "-i", *process["env"], *words], process["args"]

        def start(name, env):
            place = os.path.join(self.folder, name)
            roots[name] = os.path.join(place, "rootfs"), self.images.unpack(name, place)
            os.mkdir(os.path.join(roots[name][0], "run/secrets"))
            shutil.copy2(self.secret, roots[name][0] + SECRET)
            os.chown(roots[name][0] + SECRET, UID, UID)
            before, words = inside(name)
            variables = [f"{key}={value}" for key, value in env.items()]
            program = Program([*before[:2], *variables, *before[2:], *words], name=name)
            self.addCleanup(program.kill)
            return program

        remote, origin = self.transfer(start)
        for name in NAMES:
            answer = run([*inside(name)[0], *self.command(name)]).stdout
            self.assertIn(": ready\n", answer)
        remote.stop(code=0)
        ask = [*inside("origin-proxy")[0], *self.command("origin-proxy")]
        poll(lambda: run(ask, check=False).returncode == 1, "the origin proxy is not ready without a remote proxy")
        origin.stop(code=0)

    def runc(self):
        """runc, which has made the secret meanwhile; skips where the kernel lets nobody make a container."""
        runc = [need("runc"), "--root", os.path.join(self.folder, "runc")]
        place = os.path.join(self.folder, "try")
        self.bundle(place, "remote-proxy", {}, ["gen-secret"])
        done = run([*runc, "run", "--bundle", place, f"try-{os.getpid()}"], check=False)
        if done.returncode != 0:
            raise unittest.SkipTest(f"runc cannot make a container here: {done.stderr.strip()[-300:]}")
        with open(self.secret, "w", encoding="ascii") as file:
            file.write(done.stdout)
        return runc

    def bundle(self, place, name, env, arguments=(), shared=None):
        """What runc starts: the image without capabilities, with a root that cannot be written to, and the network of
        this machine, where the tunnel's other end, the visitors and the server are. `shared` is the folder that it has
        as its /run/NAME, instead of one of its own."""
        config = self.images.unpack(name, place)
        process = config["process"]
        process.update(terminal=False, capabilities={})
        process["args"] += arguments
        process["env"] += [f"{key}={value}" for key, value in env.items()]
        config["root"]["readonly"] = True
        own = {"type": "tmpfs", "source": "tmpfs",
               "options": ["nosuid", "nodev", "noexec", "mode=1777"]}  # as in the compose files
        given = {"type": "bind", "source": shared, "options": ["bind"]}
        config["mounts"] = [mount for mount in config["mounts"] if mount["type"] != "cgroup"]
        config["mounts"] += [{"destination": f"/run/{name}", **(given if shared else own)},
                             {"destination": SECRET, "type": "bind", "source": self.secret, "options": ["bind", "ro"]}]
        config["linux"]["namespaces"] = [space for space in config["linux"]["namespaces"]
                                         if space["type"] not in ("network", "cgroup")]
        os.mkdir(os.path.join(place, "rootfs/run/secrets"))  # a runtime makes it before the root is read-only
        open(os.path.join(place, "rootfs") + SECRET, "xb").close()
        with open(os.path.join(place, "config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)

    def container(self, runc, identity, *what, **options):
        place = os.path.join(self.folder, identity)
        self.bundle(place, *what, **options)
        program = Program([*runc, "run", "--bundle", place, identity], name=identity)
        self.addCleanup(subprocess.run, [*runc, "delete", "--force", identity], check=False, stderr=subprocess.DEVNULL)
        self.addCleanup(program.kill)
        return program

    def test_in_containers_both_programs_tunnel_without_capabilities_and_with_nothing_to_write_to(self):
        runc = self.runc()
        names = {name: f"{name}-{os.getpid()}" for name in NAMES}
        remote, origin = self.transfer(lambda name, env: self.container(runc, names[name], name, env))
        for name in NAMES:
            for command in (self.command(name), [name, "status"]):  # the second one as one types it
                self.assertIn(": ready\n", run([*runc, "exec", names[name], *command]).stdout)
        for program in (remote, origin):  # as PID 1 of its container
            program.stop(code=0, number=signal.SIGTERM)

    def test_a_second_container_with_the_network_of_the_host_takes_over_and_no_visitor_is_refused(self):
        runc = self.runc()
        shared = os.path.join(self.folder, "shared")
        os.mkdir(shared, 0o700)
        os.chown(shared, UID, UID)
        control, outside = (HOST, free_port()), (HOST, free_port())
        env = {"REMOTE_PROXY_CONTROL_ADDR": show_address(control), "REMOTE_PROXY_OUTSIDE_ADDR": show_address(outside),
               "REMOTE_PROXY_SECRET_FILE": SECRET, "REMOTE_PROXY_TAKEOVER_SOCKET": "/run/remote-proxy/takeover.sock"}
        old = self.container(runc, f"old-{os.getpid()}", "remote-proxy", env, shared=shared)
        old.wait_line("^ready ", stream="stdout")
        with web("app") as app:
            self.container(runc, f"origin-{os.getpid()}", "origin-proxy", {
                "ORIGIN_PROXY_REMOTE_PROXY_ADDR": show_address(control), "ORIGIN_PROXY_SECRET_FILE": SECRET,
                "ORIGIN_PROXY_ORIGIN_SERVER_ADDR": show_address(app.address)}).wait_line("^ready ", stream="stdout")

            def word():
                with visit(outside) as visitor:
                    visitor.sendall(request_for("localhost", last=True))
                    return read_answer(visitor)

            with Crowd(word, count=8) as crowd:
                crowd.wait_more()
                identity = f"new-{os.getpid()}"
                self.container(runc, identity, "remote-proxy", env, ["takeover"], shared=shared).wait_line(
                    "^ready ", stream="stdout")
                old.wait_exit(code=0)
                crowd.wait_more(100)
                self.assertIn(": ready\n", run([*runc, "exec", identity, "remote-proxy", "status"]).stdout)
            self.assertEqual(crowd.failed, [])
