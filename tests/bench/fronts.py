"""What serves many names at one port: this project's own fronts, and others' in front of its tunnel.

`sni`: led by the name in the ClientHello, TLS ends at the origin server. `https`: TLS ends here. What is behind all of
them, in plain, is the same: between the ends of a tunnel nothing is encrypted, so that this shows no difference.
What reads requests without TLS is in hosts.py.
"""

import getpass
import pathlib
import shlex
import signal

import contenders
from contenders import HOST, NAME, Contender, find, free_port, version_of

MODULES = [pathlib.Path(folder, "ngx_stream_module.so") for folder in ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules")]


def ours(name, build, flags, kind):
    """`kind`: what stands before the name of a service, tls, https or http."""
    build = pathlib.Path(build).resolve()

    def launch(self, origin):
        port = free_port()
        # Only an origin proxy that has proved who it is may have a name.
        extra = [*contenders.secret(self, build), "--encryption", "off", *shlex.split(flags)]
        front = ["--http-addr" if kind == "http" else "--https-addr", f"{HOST}:{port}", "--allow-hosts", NAME]
        if kind == "https":
            front += ["--certificates", self.shared]
        outside = self.run([build / "remote-proxy/remote-proxy", "--control-addr", f"{HOST}:0", *front, *extra], "remote-proxy")
        control = outside.wait_for(r"ready control=\S+?:(\d+)").group(1)
        inside = [build / "origin-proxy/origin-proxy", "--remote-proxy-addr", f"{HOST}:{control}"]
        inside += ["--service", f"bench={HOST}:{origin}@{kind}://{NAME}"]
        self.run([*inside, *extra], "origin-proxy").wait_for("ready remote=")
        return port

    family = "sni" if kind == "tls" else kind
    suffix, speaks = ("host", "http") if kind == "http" else (family, "tls")
    return Contender(f"{name}-{suffix}", contenders.version_of_build(build, flags), launch, [family], speaks)


HAPROXY = """\
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
frontend outside
    bind {host}:{port} {bind}
{rules}
backend bench
    server next {host}:{next}
"""

HAPROXY_RULES = {
    "sni": f"""\
    tcp-request inspect-delay 5s
    tcp-request content accept if {{ req.ssl_hello_type 1 }}
    use_backend bench if {{ req.ssl_sni -i {NAME} }}
""",
    "https": "    default_backend bench\n",
}


def _haproxy(path, family, tunnel):
    def launch(self, origin):
        port = free_port()
        bind = f"ssl crt {self.shared}/both.pem ssl-min-ver TLSv1.3" if family == "https" else ""
        words = {"host": HOST, "port": port, "bind": bind, "rules": HAPROXY_RULES[family], "next": tunnel(self, origin)}
        config = self.write("haproxy.cfg", HAPROXY.format(**words))
        self.run([path, "-db", "-f", config], "haproxy")
        return port

    return Contender(f"haproxy-{family}", version_of(path, "-v"), launch, [family], "tls")


NGINX = """\
{module}
user {user};
daemon off;
pid {folder}/nginx.pid;
worker_processes 2;
worker_rlimit_nofile 20000;
error_log stderr error;
events {{ worker_connections 9000; }}
"""

NGINX_TLS = """\
        ssl_certificate {certificates}/{name}.crt;
        ssl_certificate_key {certificates}/{name}.key;
        ssl_protocols TLSv1.3;
"""

NGINX_SNI = """\
stream {{
    upstream bench {{ server {host}:{next}; }}
    map $ssl_preread_server_name $chosen {{ {name} bench; }}
    server {{
        listen {host}:{port} backlog=4096 reuseport;
        ssl_preread on;
        proxy_pass $chosen;
    }}
}}
"""

NGINX_HTTPS = f"""\
stream {{{{
    server {{{{
        listen {{host}}:{{port}} ssl backlog=4096 reuseport;
{NGINX_TLS}
        proxy_pass {{host}}:{{next}};
    }}}}
}}}}
"""

NGINX_HTTP = """\
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 100000000;
    client_max_body_size 0;
    upstream bench {{
        server {host}:{next};
        keepalive 256;
        keepalive_requests 100000000;
    }}
    map $http_upgrade $hop {{ default upgrade; '' ''; }}
    server {{
        listen {host}:{port} {ssl} backlog=4096 reuseport;
        server_name {name};
{tls}
        location / {{
            proxy_pass http://bench;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;
            proxy_set_header Host $host;
            proxy_set_header Connection $hop;
            proxy_set_header Upgrade $http_upgrade;
        }}
    }}
}}
"""


def nginx(path, family, tunnel, way="stream"):
    """In front of `tunnel`, as peers() has it. `way`: http if it reads requests, else stream."""
    module = next((file for file in MODULES if file.exists()), None)
    settings = NGINX_HTTP if way == "http" else {"sni": NGINX_SNI, "https": NGINX_HTTPS}[family]

    def launch(self, origin):
        port = free_port()
        words = {"host": HOST, "name": NAME, "port": port, "certificates": self.shared, "folder": self.folder}
        words["ssl"], words["tls"] = ("ssl", NGINX_TLS.format(**words)) if family == "https" else ("", "")
        words |= {"user": getpass.getuser(), "next": tunnel(self, origin)}
        words["module"] = f"load_module {module};" if module and way == "stream" else ""
        config = self.write("nginx.conf", (NGINX + settings).format(**words))
        self.run([path, "-p", self.folder, "-e", "stderr", "-c", config], "nginx", signal.SIGTERM)
        return port

    name = "nginx-host" if family == "http" else "nginx-http" if way == "http" else f"nginx-{family}"
    return Contender(name, version_of(path, "-v"), launch, [family], "http" if family == "http" else "tls")


SNIPROXY = """\
user {user}
error_log {{
    filename {folder}/sniproxy.errors
    priority error
}}
listen {host}:{port} {{
    proto tls
    table bench
}}
table bench {{
    ^bench\\.example$ {host}:{next}
}}
"""


def _sniproxy(path, tunnel):
    def launch(self, origin):
        port = free_port()
        words = {"user": getpass.getuser(), "folder": self.folder, "host": HOST, "port": port, "next": tunnel(self, origin)}
        config = self.write("sniproxy.conf", SNIPROXY.format(**words))
        self.run([path, "-f", "-n", "20000", "-c", config], "sniproxy", signal.SIGTERM)
        return port

    return Contender("sniproxy", version_of(path, "-V"), launch, ["sni"], "tls")


def peers(tunnel):
    """Those that are installed. `tunnel`: (contender, origin port) -> port of this project's tunnel, which it starts."""
    haproxy, nginx_path, sniproxy = (find(program) for program in ("haproxy", "nginx", "sniproxy"))
    found = []
    for family in ("sni", "https"):
        if haproxy:
            found.append(_haproxy(haproxy, family, tunnel))
        if nginx_path:
            found.append(nginx(nginx_path, family, tunnel))
    if nginx_path:
        found.append(nginx(nginx_path, "https", tunnel, way="http"))
    if sniproxy:
        found.append(_sniproxy(sniproxy, tunnel))
    return found
