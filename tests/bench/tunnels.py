"""Other tunnels: how each is configured, started and ended."""

import subprocess

from contenders import HOST, Contender, find, free_port, version_of


def _haproxy(path, encrypted=False):
    settings = """\
global
    nbthread 2
    maxconn 9000
    maxpipes 500
defaults
    mode tcp
    option splice-auto
    backlog 4096
    timeout connect 5s
    timeout client 5m
    timeout server 5m
listen hop
    bind {host}:{port} {bind}
    server next {host}:{next} {server}
"""

    def launch(self, origin):
        outside, middle = free_port(), free_port()
        accept = dial = ""
        if encrypted:
            certificate = self.shared / "both.pem"
            accept = f"ssl crt {certificate} ssl-min-ver TLSv1.3"
            dial = f"ssl ca-file {certificate} verify required ssl-min-ver TLSv1.3"
        for name, port, following in (("inner", middle, origin), ("outer", outside, middle)):
            inner = name == "inner"
            words = {"bind": accept if inner else "", "server": "" if inner else dial}
            config = self.write(f"{name}.cfg", settings.format(host=HOST, port=port, next=following, **words))
            self.run([path, "-db", "-f", config], name)
        return outside

    return Contender("haproxy-tls" if encrypted else "haproxy", version_of(path, "-v"), launch)


def _rathole(path, encrypted=False):
    def launch(self, origin):
        control, outside = free_port(), free_port()
        server = f'[server]\nbind_addr = "{HOST}:{control}"\ndefault_token = "benchmark"\n'
        server += f'[server.services.bench]\nbind_addr = "{HOST}:{outside}"\n'
        client = f'[client]\nremote_addr = "{HOST}:{control}"\ndefault_token = "benchmark"\n'
        client += f'[client.services.bench]\nlocal_addr = "{HOST}:{origin}"\n'
        if encrypted:
            keys = subprocess.check_output([path, "--genkey"], text=True).split()
            private, public = keys[keys.index("Private") + 2], keys[keys.index("Public") + 2]
            server += f'[server.transport]\ntype = "noise"\n[server.transport.noise]\nlocal_private_key = "{private}"\n'
            client += f'[client.transport]\ntype = "noise"\n[client.transport.noise]\nremote_public_key = "{public}"\n'
        self.run([path, "--server", self.write("server.toml", server)], "server")
        self.run([path, "--client", self.write("client.toml", client)], "client")
        return outside

    return Contender("rathole-noise" if encrypted else "rathole", version_of(path, "--version"), launch)


def _bore(path):
    def launch(self, origin):
        outside = free_port()
        self.run([path, "server", "--min-port", outside, "--max-port", outside], "server").wait_for("listening")
        self.run([path, "local", origin, "--to", HOST, "--port", outside], "client")
        return outside

    return Contender("bore", version_of(path, "--version"), launch)


def _frp(frpc, encrypted=False):
    frps = find("frps")
    if not frps:
        return None

    def launch(self, origin):
        control, outside = free_port(), free_port()
        tls = "true" if encrypted else "false"
        client = f'serverAddr = "{HOST}"\nserverPort = {control}\ntransport.tls.enable = {tls}\n'
        client += f'[[proxies]]\nname = "bench"\ntype = "tcp"\nlocalIP = "{HOST}"\nlocalPort = {origin}\n'
        client += f"remotePort = {outside}\n"
        server = f'bindAddr = "{HOST}"\nproxyBindAddr = "{HOST}"\nbindPort = {control}\n'
        # The client gives up if nobody listens yet.
        self.run([frps, "-c", self.write("server.toml", server)], "server").wait_for("started successfully")
        self.run([frpc, "-c", self.write("client.toml", client)], "client")
        return outside

    return Contender("frp-tls" if encrypted else "frp", version_of(frpc, "--version"), launch)


def _chisel(path):
    def launch(self, origin):
        control, outside = free_port(), free_port()
        self.run([path, "server", "--host", HOST, "--port", control, "--reverse"], "server")
        way = f"R:{HOST}:{outside}:{HOST}:{origin}"
        self.run([path, "client", f"http://{HOST}:{control}", way], "client")
        return outside

    return Contender("chisel", version_of(path, "--version"), launch)


def peers():
    """Those that are installed, and after them those that encrypt what passes between their ends."""
    known = {"haproxy": _haproxy, "rathole": _rathole, "bore": _bore, "frpc": _frp, "chisel": _chisel}
    paths = {program: find(program) for program in known}
    found = [make(paths[program]) for program, make in known.items() if paths[program]]
    for program in ("haproxy", "rathole", "frpc"):
        if paths[program] and (program != "rathole" or _has_noise(paths[program])):
            found.append(known[program](paths[program], encrypted=True))
    return [contender for contender in found if contender]


def _has_noise(rathole):
    asked = subprocess.run([rathole, "--version"], capture_output=True, text=True, timeout=5)
    return "noise" in asked.stdout + asked.stderr
