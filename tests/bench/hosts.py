"""Others that find a service by the Host of each request, without TLS: how each is configured, started and ended."""

import fronts
from contenders import HOST, NAME, Contender, find, free_port, version_of

# Either hop reads the requests, lends each free connection to every visitor, and holds back no event.
HAPROXY = f"""\
global
    nbthread 2
    maxconn 9000
    maxpipes 500
defaults
    mode http
    option splice-auto
    backlog 4096
    http-reuse always
    option http-no-delay
    timeout connect 5s
    timeout client 5m
    timeout server 5m
frontend visitors
    bind {{host}}:{{port}}
    use_backend bench if {{{{ hdr(host) -i {NAME} }}}}
backend bench
    server next {{host}}:{{next}}
"""


def _haproxy(path):
    def launch(self, origin):
        outside, middle = free_port(), free_port()
        for name, port, following in (("inner", middle, origin), ("outer", outside, middle)):
            config = self.write(f"{name}.cfg", HAPROXY.format(host=HOST, port=port, next=following))
            self.run([path, "-db", "-f", config], name)
        return outside

    return Contender("haproxy-host", version_of(path, "-v"), launch, ["http"], "http")


def _frp(frpc, frps):
    def launch(self, origin):
        control, outside = free_port(), free_port()
        server = f'bindAddr = "{HOST}"\nproxyBindAddr = "{HOST}"\nbindPort = {control}\nvhostHTTPPort = {outside}\n'
        client = f'serverAddr = "{HOST}"\nserverPort = {control}\ntransport.tls.enable = false\n'
        client += f'[[proxies]]\nname = "bench"\ntype = "http"\nlocalIP = "{HOST}"\nlocalPort = {origin}\n'
        client += f'customDomains = ["{NAME}"]\n'
        # The client gives up if nobody listens yet.
        self.run([frps, "-c", self.write("server.toml", server)], "server").wait_for("started successfully")
        self.run([frpc, "-c", self.write("client.toml", client)], "client")
        return outside

    return Contender("frp-host", version_of(frpc, "--version"), launch, ["http"], "http")


def _piko(path):
    def launch(self, origin):
        ports = {room: free_port() for room in ("proxy", "upstream", "admin", "gossip")}
        agent = free_port()
        server = [path, "server", "--log.level", "error"]
        for room, port in ports.items():
            server += [f"--{room}.bind-addr", f"{HOST}:{port}"]
        self.run(server, "server")
        # The first label of the Host leads to the endpoint of that name.
        client = [path, "agent", "http", NAME.split(".")[0], f"{HOST}:{origin}", "--log.level", "error"]
        client += ["--connect.url", f"http://{HOST}:{ports['upstream']}", "--server.bind-addr", f"{HOST}:{agent}"]
        self.run(client, "agent")
        return ports["proxy"]

    return Contender("piko", version_of(path, "--version"), launch, ["http"], "http")


def peers(tunnel):
    """Those that are installed. `tunnel`: (contender, origin port) -> port of this project's tunnel, which it starts."""
    haproxy, nginx, frpc, frps, piko = (find(program) for program in ("haproxy", "nginx", "frpc", "frps", "piko"))
    found = []
    if haproxy:
        found.append(_haproxy(haproxy))
    if nginx:
        found.append(fronts.nginx(nginx, "http", tunnel, way="http"))
    if frpc and frps:
        found.append(_frp(frpc, frps))
    if piko:
        found.append(_piko(piko))
    return found
