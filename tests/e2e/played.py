"""Containers played by programs of this machine: what the compose files and the manifests for Kubernetes say about them,
for the tests of both."""

import os
import shutil
import socket
import tempfile

import yaml

from fronts import read_answer, request_for
from programs import REPO, Program, binary, run
from test_configuration import Files
from trust import write_secret

PACKAGING = os.path.join(REPO, "packaging")


def read(*names):
    with open(os.path.join(PACKAGING, *names), encoding="utf-8") as file:
        return file.read()


def prefix(name):
    return name.upper().replace("-", "_")


class Played(Files):
    """Containers as programs of this machine."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pods-")  # short: sockets are to be in it
        self.addCleanup(shutil.rmtree, self.folder)
        self.secret = os.path.join(self.folder, "secret")
        write_secret(self.secret)
        self.environment = {}  # of each program, the socket of its management interface included

    def start(self, name, environment, *words, pod=None):
        """As the image starts it; `pod` tells several of one program apart."""
        pod = pod or name
        path = os.path.join(self.folder, f"{pod}.sock")
        self.environment[pod] = {f"{prefix(name)}_MANAGEMENT_ADDR": f"unix:{path}", **environment}
        done = run([binary(name), "check", *words], env=self.environment[pod], check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), done.stderr)
        started = Program([binary(name), *words], name=pod, env=self.environment[pod])
        self.addCleanup(lambda: started.running and started.stop(code=0))
        return started

    def ask(self, command, pod=None):
        """The exit status of a probe."""
        name = os.path.basename(command[0])
        self.assertEqual(command[0], f"/usr/bin/{name}")
        return run([binary(name), *command[1:]], env=self.environment[pod or name], check=False).returncode

    @staticmethod
    def manifests(name):
        return {each["kind"]: each for each in yaml.safe_load_all(read(f"kubernetes/{name}.yaml"))}

    @staticmethod
    def probe(container, kind):
        return container[f"{kind}Probe"]["exec"]["command"]

    @staticmethod
    def word(address, context=None):
        """What a visitor gets."""
        with socket.create_connection(address, timeout=20) as visitor:
            if context is None:
                visitor.sendall(request_for("localhost", last=True))
                return read_answer(visitor)
            with context.wrap_socket(visitor, server_hostname="localhost") as secured:
                secured.sendall(request_for("localhost", last=True))
                return read_answer(secured)
