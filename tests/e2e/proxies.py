"""HAProxy and nginx at either end of the tunnel, speaking the PROXY protocol."""

import os

from origins import _or_kill, fill
from support import HOST, Program, free_port, need, show_address, user_name

# What each of them is told to make it send a header of this version.
SENT_BY_HAPROXY = {"v1": "send-proxy", "v2": "send-proxy-v2"}


def haproxy(folder, behind, *, takes_header=False, sends_header=None, name="haproxy"):
    """HAProxy that passes TCP on to `behind`; gives (program, port). In what it logs for each connection stands the
    visitor's address as HAProxy knows it."""
    program, port = need("haproxy"), free_port()
    accepts = " accept-proxy" if takes_header else ""
    sends = f" {SENT_BY_HAPROXY[sends_header]}" if sends_header else ""
    path = os.path.join(folder, f"{name}.cfg")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"""
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    log stdout format raw local0
    log-format "connection of %ci:%cp"
listen all
    bind {HOST}:{port}{accepts}
    server one {show_address(behind)}{sends}
""")
    process = Program([program, "-db", "-f", path], name=name)
    _or_kill(process, lambda: process.wait_port(port))
    return process, port


def nginx_stream(folder, behind):
    """nginx that passes TCP on to `behind` with a header of version 1; gives (program, port)."""
    program, port = need("nginx"), free_port()
    module = "/usr/lib/nginx/modules/ngx_stream_module.so"
    path = os.path.join(folder, "stream.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"""
daemon off;
user {user_name()};
pid {folder}/stream.pid;
{f"load_module {module};" if os.path.exists(module) else ""}
events {{ }}
stream {{
    server {{
        listen {HOST}:{port};
        proxy_pass {show_address(behind)};
        proxy_protocol on;
    }}
}}
""")
    process = Program([program, "-e", "stderr", "-p", folder, "-c", path], name="nginx")
    _or_kill(process, lambda: process.wait_port(port))
    return process, port


def nginx_site(folder, path=None):
    """nginx that takes a header of either version and answers with the visitor's address; gives (program, port). With
    `path` it listens at that Unix socket too."""
    program, port = need("nginx"), free_port()
    site = os.path.join(folder, "site.conf")
    with open(site, "w", encoding="utf-8") as file:
        file.write(f"""
server {{
    listen {HOST}:{port} proxy_protocol;
    {f"listen unix:{path} proxy_protocol;" if path else ""}
    location / {{
        return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_port\\n";
    }}
}}
""")
    conf = fill("nginx-main.conf", os.path.join(folder, "nginx.conf"), USER=user_name(), FOLDER=folder, SITE=site)
    process = Program([program, "-e", "stderr", "-p", folder, "-c", conf], name="nginx")
    _or_kill(process, lambda: process.wait_port(port))
    return process, port
