"""The compose files: valid for docker-compose, and a tunnel when this machine plays what they say."""

import os
import re
import shutil
import ssl

import yaml

import documents
from fronts import web
from origins import fill
from packages_made import VERSION
from played import PACKAGING, Played, read
from programs import HOST, Program, free_port, need, run, user_name
from support import show_address
from trust import make_certificates

SECRET = "/run/secrets/tunnel-secret"


class Compose(Played):
    def configuration(self, folder, **environment):
        """What compose makes of a file."""
        done = run([need("docker-compose"), "--file", os.path.join(PACKAGING, "compose", folder, "compose.yaml"),
                    "config"], env=environment)
        return yaml.safe_load(done.stdout)

    def test_both_files_are_good_and_name_the_images_of_this_version(self):
        server = self.configuration("server")["services"]
        sidecar = self.configuration("sidecar", REMOTE_PROXY="example.com:9001")["services"]
        for name, services in (("remote-proxy", server), ("origin-proxy", sidecar)):
            self.assertEqual(services[name]["image"], f"{name}:{VERSION}")
            self.assertTrue(services[name]["read_only"])
            self.assertEqual(services[name]["cap_drop"], ["ALL"])
        self.assertEqual([name for name, each in sidecar.items() if "ports" in each], [])
        done = run([need("docker-compose"), "--file", os.path.join(PACKAGING, "compose/sidecar/compose.yaml"),
                    "config"], check=False, env={"REMOTE_PROXY": ""})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("the public server, such as example.com:9001", done.stderr)

    def test_the_address_of_the_public_server_may_be_in_a_file_as_the_page_about_it_says(self):
        place = shutil.copytree(os.path.join(PACKAGING, "compose/sidecar"), os.path.join(self.folder, "sidecar"))
        line = re.search(r"^echo REMOTE_PROXY=.* > \.env$", documents.read("docs/containers.md"), re.M)[0]
        run(["sh", "-c", line], cwd=place)
        services = yaml.safe_load(run([need("docker-compose"), "config"], cwd=place).stdout)["services"]
        self.assertEqual(services["origin-proxy"]["environment"]["ORIGIN_PROXY_REMOTE_PROXY_ADDR"],
                         "tunnel.example.com:9001")

    def nginx(self, port, outside):
        """A real one with the file of the set-up, and addresses of this machine."""
        files = make_certificates(os.path.join(self.folder, "certificates"), "localhost")
        text = read("compose/server/nginx.conf")
        for theirs, ours in (("listen 443 ssl", f"listen {HOST}:{port} ssl http2"),
                             ("listen 80", f"listen {HOST}:{free_port()}"),
                             ("http://remote-proxy:9000", f"http://{show_address(outside)}"),
                             ("/etc/nginx/certificates/fullchain.pem", files.server),
                             ("/etc/nginx/certificates/privkey.pem", files.server_key),
                             ("    http2 on;\n", "")):  # nginx before 1.25.1 has it beside listen
            self.assertEqual(text.count(theirs), 1, theirs)
            text = text.replace(theirs, ours)
        site = self.write("site.conf", text)
        main = fill("nginx-main.conf", os.path.join(self.folder, "nginx.conf"), USER=user_name(), FOLDER=self.folder,
                    SITE=site)
        started = Program([need("nginx"), "-e", "stderr", "-p", self.folder, "-c", main])
        self.addCleanup(started.stop)
        started.wait_port(port)
        return ssl.create_default_context(cafile=files.ca)

    def test_a_visitor_of_https_reaches_the_application_through_nginx_and_both_programs(self):
        remote = self.configuration("server")["services"]["remote-proxy"]
        control, outside, port = (HOST, free_port()), (HOST, free_port()), free_port()
        self.assertEqual((remote["environment"]["REMOTE_PROXY_CONTROL_ADDR"],
                          remote["environment"]["REMOTE_PROXY_OUTSIDE_ADDR"]), (":9001", ":9000"))
        self.start("remote-proxy", {**remote["environment"], "REMOTE_PROXY_CONTROL_ADDR": show_address(control),
                                    "REMOTE_PROXY_OUTSIDE_ADDR": show_address(outside),
                                    "REMOTE_PROXY_SECRET_FILE": self.secret}).wait_line("^ready ", stream="stdout")
        self.assertEqual(self.ask(remote["healthcheck"]["test"][1:]), 1)
        context = self.nginx(port, outside)
        with web("app") as app:
            services = self.configuration("sidecar", REMOTE_PROXY=show_address(control))["services"]
            environment = services["origin-proxy"]["environment"]
            self.assertEqual(environment["ORIGIN_PROXY_SECRET_FILE"], SECRET)
            self.assertEqual(environment["ORIGIN_PROXY_ORIGIN_SERVER_ADDR"], "app:80")
            self.start("origin-proxy", {**environment, "ORIGIN_PROXY_SECRET_FILE": self.secret,
                                        "ORIGIN_PROXY_ORIGIN_SERVER_ADDR": show_address(app.address)})\
                .wait_line("^ready ", stream="stdout")
            self.assertIn("app", self.word((HOST, port), context))
            for service in (remote, services["origin-proxy"]):
                self.assertEqual(self.ask(service["healthcheck"]["test"][1:]), 0)
