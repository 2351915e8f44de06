"""HTTP and SOCKS5 proxies that lead out: squid, Dante and microsocks."""

import os
import shutil

from origins import _or_kill
from support import HOST, Program, free_port, need, run

# A name that nobody can look up but the squid that is started here.
REMOTE_NAME = "remote.only-the-proxy-knows.example"
USER, PASSWORD = "ann", "a word:of@hers"


class Squid:
    """squid, which lets out connections to any port; with `password`, only those of USER."""

    def __init__(self, folder, *, password=None, rules="http_access allow all", port=None):
        program, self.port = need("squid"), port or free_port()
        self.log = os.path.join(folder, "access.log")
        login = ""
        if password:
            path = os.path.join(folder, "users")
            with open(path, "w", encoding="utf-8") as file:
                file.write(run([need("htpasswd"), "-ni", USER], input=password).stdout)
            login, rules = f"auth_param basic program /usr/lib/squid/basic_ncsa_auth {path}\n" \
                "auth_param basic children 1\nacl known proxy_auth REQUIRED", "http_access allow known"
        hosts, self._conf = os.path.join(folder, "hosts"), os.path.join(folder, "squid.conf")
        with open(hosts, "w", encoding="utf-8") as file:
            file.write(f"{HOST} {REMOTE_NAME}\n")
        with open(self._conf, "w", encoding="utf-8") as file:
            file.write(f"""
http_port {HOST}:{self.port}
pid_filename none
hosts_file {hosts}
access_log stdio:{self.log}
cache_log stdio:{folder}/cache.log
coredump_dir {folder}
cache deny all
pinger_enable off
shutdown_lifetime 0 seconds
{login}
{rules}
http_access deny all
""")
        if os.geteuid() == 0:  # squid becomes this user
            os.chmod(folder, 0o755)
            shutil.chown(folder, "proxy", "proxy")
        self.url = f"http://{HOST}:{self.port}"
        self.url_of_user = f"http://{USER}@{HOST}:{self.port}"
        self.process = Program([program, "-N", "-f", self._conf, "-n", f"t{self.port}"], name="squid")
        _or_kill(self.process, lambda: self.process.wait_port(self.port))

    def targets(self):
        """What it was asked for and has ended, [method host:port]."""
        with open(self.log, encoding="utf-8") as file:
            asked = [line.split()[5:7] for line in file]
        return [f"{method} {target}" for method, target in asked if method != "-"]  # wait_port() asks for nothing

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.running:
            self.process.kill()


def dante(folder):
    """A SOCKS5 proxy without logins; gives (program, URL)."""
    program, port, path = need("danted"), free_port(), os.path.join(folder, "danted.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"""
logoutput: stderr
internal: {HOST} port = {port}
external: {HOST}
clientmethod: none
socksmethod: none
client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
""")
    process = Program([program, "-f", path, "-p", os.path.join(folder, "danted.pid")], name="danted")
    _or_kill(process, lambda: process.wait_port(port))
    return process, f"socks5://{HOST}:{port}"


def microsocks():
    """A SOCKS5 proxy that wants the login of USER; gives (program, URL with the user)."""
    program, port = need("microsocks"), free_port()
    process = Program([program, "-i", HOST, "-p", port, "-u", USER, "-P", PASSWORD], name="microsocks")
    _or_kill(process, lambda: process.wait_port(port))
    return process, f"socks5://{USER}@{HOST}:{port}"
