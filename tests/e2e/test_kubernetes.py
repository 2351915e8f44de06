"""The manifests for Kubernetes: valid by its schemas, and a tunnel when this machine plays what they say, with files laid
out as Kubernetes does it, and Pods that are replaced one after the other."""

import os
import random
import shutil
import unittest

import yaml

from faults import Wire
from fronts import Crowd, web
from origins import SocketOrigin
from packages_made import VERSION
from played import PACKAGING, Played, read
from programs import HOST, REPO, free_port, poll, run
from support import show_address
from test_programs import program


class Kubernetes(Played):
    timeout = 600

    @staticmethod
    def validator():
        """kubernetes-validate with its schemas: PyPI has it, and Debian does not."""
        place = os.path.join(REPO, "build/tools/kubernetes-validate-1.37.0")
        if not os.path.isdir(place):
            new = f"{place}.{os.getpid()}"
            done = run(["/usr/bin/python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                        "--no-compile", "--target", new, "kubernetes-validate==1.37.0"], check=False, timeout=300)
            if done.returncode != 0:
                shutil.rmtree(new, ignore_errors=True)
                raise unittest.SkipTest(f"pip cannot install kubernetes-validate: {done.stderr.strip()[-300:]}")
            try:
                os.rename(new, place)
            except OSError:  # another test was first
                shutil.rmtree(new)
        return ["env", f"PYTHONPATH={place}", "/usr/bin/python3", os.path.join(place, "bin/kubernetes-validate")]

    def test_the_manifests_fit_the_schemas_of_the_first_version_with_sidecars_and_of_a_new_one(self):
        validate = self.validator()
        paths = [os.path.join(PACKAGING, "kubernetes", f"{name}.yaml")
                 for name in ("remote-proxy", "origin-proxy", "secret")]
        for version in ("1.29", "1.37"):
            done = run([*validate, "--strict", "--kubernetes-version", version, *paths], check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual((done.stdout + done.stderr).count(" passed for resource "), 8)
        text = read("kubernetes/origin-proxy.yaml").replace("restartPolicy:", "restartPolcy:")
        wrong = self.write("wrong.yaml", text)
        self.assertNotEqual(run([*validate, "--strict", wrong], check=False).returncode, 0)

    def mount(self, name, files):
        """A folder as Kubernetes fills it: links to a folder that is replaced as a whole."""
        place = os.path.join(self.folder, name)
        os.makedirs(place, exist_ok=True)
        data = f"..data-{len(os.listdir(place))}"
        os.mkdir(os.path.join(place, data))
        for file, text in files.items():
            self.write(os.path.join(name, data, file), text.rstrip("\n"), mode=0o644)
            if not os.path.lexists(os.path.join(place, file)):
                os.symlink(os.path.join("..data", file), os.path.join(place, file))
        os.symlink(data, os.path.join(place, "..data_tmp"))
        os.rename(os.path.join(place, "..data_tmp"), os.path.join(place, "..data"))
        return place

    def test_the_empty_secret_of_the_file_lets_no_program_start(self):
        for name in ("remote-proxy", "origin-proxy"):
            text = self.manifests("secret")["Secret"]["stringData"]["secret"]
            path = os.path.join(self.mount(f"secret-{name}", {"secret": text}), "secret")
            words = ["--control-addr", ":1", "--outside-addr", ":2"] if name == "remote-proxy" else \
                ["--remote-proxy-addr", ":1", "--origin-server-addr", ":2"]
            code, _, err = program(name, *words, "--secret-file", path)
            self.assertEqual(code, 2, err)
            self.assertIn(path, err)

    def test_the_pods_make_a_tunnel_and_their_probes_say_so_and_a_new_configmap_is_read(self):
        manifests = self.manifests("remote-proxy")
        [remote] = manifests["StatefulSet"]["spec"]["template"]["spec"]["containers"]
        [origin] = self.manifests("origin-proxy")["Deployment"]["spec"]["template"]["spec"]["initContainers"]
        self.assertEqual((remote["image"], origin["image"]), (f"remote-proxy:{VERSION}", f"origin-proxy:{VERSION}"))
        control, outside = (HOST, free_port()), (HOST, free_port())
        with open(self.secret, encoding="ascii") as file:
            secret = os.path.join(self.mount("tunnel", {"secret": file.read()}), "secret")
        text = manifests["ConfigMap"]["data"]["remote-proxy.toml"]
        for theirs, ours in (('":9001"', f'"{show_address(control)}"'), ('":9000"', f'"{show_address(outside)}"'),
                             ("/run/secrets/tunnel/secret", secret)):
            self.assertEqual(text.count(theirs), 1, theirs)
            text = text.replace(theirs, ours)
        configuration = self.mount("configuration", {"remote-proxy.toml": text})
        words = [word.replace("/etc/remote-proxy", configuration) for word in remote["args"]]
        started = self.start("remote-proxy", {}, *words)
        started.wait_line("^ready ", stream="stdout")
        self.assertEqual(self.ask(self.probe(remote, "liveness")), 0)

        with web("app") as app:
            environment = {each["name"]: each.get("value", "a-pod") for each in origin["env"]}
            self.assertEqual(environment["ORIGIN_PROXY_SECRET_FILE"], "/run/secrets/tunnel/secret")
            self.assertEqual(environment["ORIGIN_PROXY_SERVICE"], "web=localhost:8080")
            environment.update(ORIGIN_PROXY_SECRET_FILE=secret, ORIGIN_PROXY_REMOTE_PROXY_ADDR=show_address(control),
                               ORIGIN_PROXY_SERVICE=f"web={show_address(app.address)}")
            self.start("origin-proxy", environment).wait_line("^ready ", stream="stdout")
            self.assertIn("app", self.word(outside))
            for kind in ("startup", "liveness", "readiness"):
                self.assertEqual(self.ask(self.probe(origin, kind)), 0, kind)
            self.mount("configuration", {"remote-proxy.toml": f"max-connections = 7\n{text}"})
            started.wait_line("max-connections")
            self.assertIn("app", self.word(outside))
            started.stop(code=0)
            poll(lambda: self.ask(self.probe(origin, "readiness")) == 1, "not ready without a remote proxy")
            self.assertEqual(self.ask(self.probe(origin, "liveness")), 0)


class Service(Wire):
    """Leads visitors to each of its Pods by chance."""

    def __init__(self, *pods):
        self.pods = list(pods)
        super().__init__(None)

    @property
    def target(self):
        return random.choice(self.pods)

    @target.setter
    def target(self, _):
        pass


class Application(SocketOrigin):
    """A web server that answers with its word, and fails its health check before it ends."""

    def __init__(self, word):
        self.is_ending = False
        self._word = word.encode()
        super().__init__(self._answer)

    def _answer(self, connection):
        is_check = b" /healthz " in connection.recv(1 << 16)
        status = b"503 Service Unavailable" if is_check and self.is_ending else b"200 OK"
        connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" %
                           (status, len(self._word), self._word))


class Rollout(Played):
    timeout = 300

    def start_pod(self, name, control, outside):
        pod = self.start("remote-proxy", {}, "--control-addr", show_address(control), "--service",
                         f"web={show_address(outside)}", "--secret-file", self.secret, pod=name)
        pod.wait_line("^ready ", stream="stdout")
        return pod

    def start_sidecar(self, name, control, server, count=1):
        pod = self.start("origin-proxy", {}, "--remote-proxy-addr", control, "--service",
                         f"web={show_address(server.address)}", "--secret-file", self.secret, "--name", name,
                         "--health-check", "http:/healthz", "--health-check-interval", "200ms", pod=name)
        pod.wait_line("^ready ", stream="stdout", count=count)
        return pod

    def test_no_visitor_is_refused_while_one_pod_of_the_remote_proxy_after_the_other_is_replaced(self):
        """As Kubernetes does it with what is in the manifest: a Pod leaves the Service, stops after a pause, and a new
        one is in the Service again once it is ready."""
        text = read("kubernetes/remote-proxy.yaml")
        manifests = {each["metadata"]["name"]: each for each in yaml.safe_load_all(text) if each["kind"] == "Service"}
        for number in range(2):
            self.assertTrue(manifests[f"remote-proxy-control-{number}"]["spec"]["publishNotReadyAddresses"])
        pod = self.manifests("remote-proxy")["StatefulSet"]["spec"]["template"]["spec"]["containers"][0]
        self.assertIn("sleep", pod["lifecycle"]["preStop"])
        ready = self.probe(pod, "readiness")

        addresses = {name: ((HOST, free_port()), (HOST, free_port())) for name in ("pod-0", "pod-1")}
        pods = {name: self.start_pod(name, *each) for name, each in addresses.items()}
        self.assertEqual([self.ask(ready, name) for name in pods], [1, 1])
        with Application("app") as app, Service(*(outside for _, outside in addresses.values())) as service:
            both = ",".join(show_address(control) for control, _ in addresses.values())
            self.start_sidecar("app", both, app, count=2)
            with Crowd(lambda: self.word(service.address), count=8) as crowd:
                for name, (control, outside) in addresses.items():
                    self.assertEqual(self.ask(ready, name), 0)
                    service.pods.remove(outside)
                    crowd.wait_more(40)  # those on their way to it are served in the pause
                    pods[name].stop(code=0)
                    crowd.wait_more(40)
                    self.start_pod(name, control, outside)
                    poll(lambda: self.ask(ready, name) == 0, "the new one is ready")
                    service.pods.append(outside)
                    crowd.wait_more(40)
            self.assertEqual(crowd.failed, [])
            self.assertEqual(set(crowd.served), {"app"})

    def test_no_visitor_is_refused_while_one_pod_of_the_application_after_the_other_is_replaced(self):
        """As Kubernetes does it with what is in the manifest: the application stops, then its sidecar. Here it is one
        that fails its health check before it closes its socket, which would reset those in the queue there."""
        sidecar = self.manifests("origin-proxy")["Deployment"]["spec"]["template"]["spec"]["initContainers"][0]
        ready = self.probe(sidecar, "readiness")
        control, outside = (HOST, free_port()), (HOST, free_port())
        self.start_pod("remote", control, outside)
        apps, pods = [], []

        def start():
            apps.append(Application(f"app-{len(apps)}"))
            self.enterContext(apps[-1])
            name = f"pod-{len(pods)}"
            pods.append(self.start_sidecar(name, show_address(control), apps[-1]))
            poll(lambda: self.ask(ready, name) == 0, "the Pod is ready")

        start()
        start()
        with Crowd(lambda: self.word(outside), count=8) as crowd:
            for number in range(2):
                start()  # maxSurge
                crowd.wait_more(fits=lambda word: word == f"app-{len(apps) - 1}")
                apps[number].is_ending = True
                pods[number].wait_line("unhealthy")
                crowd.wait_more(40)  # those on their way to it are served
                before = len(crowd.served)
                crowd.wait_more(40)
                self.assertNotIn(f"app-{number}", crowd.served[before:])
                pods[number].stop(code=0)
                crowd.wait_more(40)
        self.assertEqual(crowd.failed, [])
