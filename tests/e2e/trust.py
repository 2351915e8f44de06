"""How the two programs trust each other: the flags for it, with a secret and certificates of this run of the tests.

TUNNEL_TRUST says which of MODES a test runs in, unless it asks for one itself. A test that is not meant for all of them
says so by an attribute of its class or function:

    trust = ("none",)   its subject is the plain protocol
    trust = ()          it chooses for itself, or no mode makes a difference: run once
"""

import functools
import os
import tempfile
import types

from programs import REPO, binary, run

MODES = ("none", "secret", "certificates")
# By which names and addresses the tests let an origin proxy reach a remote proxy, namespaces.py included.
HOSTS = ("localhost", "127.0.0.1", "::1", "10.99.0.1", "2001:db8::1", "moving", "twin")

_folder = None  # removed when the process ends


def folder(name):
    """A new folder, for files of this process."""
    global _folder
    if _folder is None:
        _folder = tempfile.TemporaryDirectory(prefix="tunnel-trust-")
    path = os.path.join(_folder.name, name)
    os.mkdir(path, 0o700)
    return path


def write_secret(path):
    """A new secret into a file, as people do it; gives the secret."""
    run(["sh", "-c", '"$0" gen-secret > "$1"', binary("remote-proxy"), path])
    with open(path, encoding="ascii") as file:
        return file.read().strip()


def make_certificates(path, *hosts, name="origin", renew=False):
    """Gives the paths by name: ca, server, server_key, client, client_key."""
    options = ["--name", name, *(["--renew"] if renew else [])]
    run([os.path.join(REPO, "scripts/make-certs.sh"), *options, path, *(hosts or HOSTS)])
    files = {each: os.path.join(path, f"{each.replace('_', '-')}.pem")
             for each in ("ca", "ca_key", "server", "server_key", "client", "client_key")}
    return types.SimpleNamespace(**files)


def remote_flags(files):
    return ["--tls-cert", files.server, "--tls-key", files.server_key, "--tls-client-ca", files.ca]


def origin_flags(files):
    return ["--tls-ca", files.ca, "--tls-cert", files.client, "--tls-key", files.client_key]


@functools.cache
def flags(mode):
    """Those of remote-proxy and those of origin-proxy."""
    if mode == "secret":
        path = os.path.join(folder("secret"), "secret")
        write_secret(path)
        return ("--secret-file", path), ("--secret-file", path)
    if mode == "certificates":
        files = make_certificates(folder("certificates"))
        return tuple(remote_flags(files)), tuple(origin_flags(files))
    if mode != "none":
        raise AssertionError(f"TUNNEL_TRUST is one of {', '.join(MODES)}, and not {mode}")
    return (), ()


def mode_of_this_run():
    return os.environ.get("TUNNEL_TRUST", "none")


class TwoSecrets:
    """Two secrets that a remote-proxy takes, of which an origin-proxy uses one: change() it and send SIGHUP, and the
    origin-proxy logs in anew."""

    def __init__(self, path):
        self._used, self._other, origins = (os.path.join(path, name) for name in ("used", "other", "origins.toml"))
        secrets = [write_secret(each) for each in (self._used, self._other)]
        with open(origins, "w", encoding="utf-8") as file:
            file.write(f'[origins.attic]\nsecrets = ["{secrets[0]}", "{secrets[1]}"]\n')
        os.chmod(origins, 0o600)
        self.remote_flags, self.origin_flags = ["--secrets-file", origins], ["--secret-file", self._used]

    def change(self):
        os.rename(self._used, self._used + ".new")
        os.rename(self._other, self._used)
        os.rename(self._used + ".new", self._other)
