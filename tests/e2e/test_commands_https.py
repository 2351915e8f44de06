"""Commands that ask a program which answers over HTTPS."""

import os
import socket
import unittest

from certificates import Authority
from faults import HEARTBEATS, echo, wait_served
from origins import SocketOrigin
from support import HOST, Tunnel
from test_commands import ask
from test_management import Folder, address_of
from trust import folder, make_certificates

TOKEN = "a-token-for-commands-over-https"


class OverHttps(unittest.TestCase):
    trust = ()

    def setUp(self):
        self.files = make_certificates(folder(self.id()), HOST, "localhost")
        self.flags = ["--management-tls-cert", self.files.server, "--management-tls-key", self.files.server_key]

    def tunnel(self, origin, *flags, where=f"{HOST}:0"):
        return Tunnel(origin.address, remote_flags=["--management-addr", where, *self.flags, *flags, *HEARTBEATS],
                      origin_flags=HEARTBEATS)

    def ask(self, tunnel, command, *words, code=0):
        where = address_of(tunnel, tunnel.remote)
        return ask("remote-proxy", *command.split(), "--management-addr", where, *words, code=code)

    def test_commands_know_the_program_by_its_own_certificate_or_by_an_authority(self):
        with SocketOrigin(echo) as origin, self.tunnel(origin) as tunnel:
            wait_served(tunnel.outside)
            for words in (self.flags, ["--ca", self.files.ca], ["--ca", self.files.ca, *self.flags],
                          ["--https", "--ca", self.files.ca]):
                self.assertIn(": ready", self.ask(tunnel, "status", *words))
            self.assertIn("is drained", self.ask(tunnel, "drain default", "--ca", self.files.ca))
            self.assertIn("is open", self.ask(tunnel, "resume default", *self.flags))
            self.assertIn("There are no visitors", self.ask(tunnel, "visitors", *self.flags))
            self.assertIn("reloaded", self.ask(tunnel, "reload", *self.flags))
            self.assertEqual(self.ask(tunnel, "complete-names services", *self.flags), "default\n")

    def test_the_file_of_the_program_is_enough(self):
        with SocketOrigin(echo) as origin, Folder() as place, self.tunnel(origin) as tunnel:
            file = place.file("remote-proxy.toml", "\n".join([
                f'control-addr = "{HOST}:0"', f'management-addr = "{address_of(tunnel, tunnel.remote)}"',
                f'management-tls-cert = "{self.files.server}"', f'management-tls-key = "{self.files.server_key}"']))
            wait_served(tunnel.outside)
            self.assertIn(": ready", ask("remote-proxy", "status", "--config", file))

    def test_at_all_addresses_the_program_is_asked_at_one_of_this_machine(self):
        with SocketOrigin(echo) as origin, \
                self.tunnel(origin, "--management-tls-client-ca", self.files.ca, where="0.0.0.0:0") as tunnel:
            wait_served(tunnel.outside)
            own = ["--cert", self.files.client, "--key", self.files.client_key]
            self.assertIn(": ready", self.ask(tunnel, "status", "--ca", self.files.ca, *own))

    def test_a_wrong_certificate_is_refused_in_words(self):
        strangers = make_certificates(folder(self.id() + ".strangers"), HOST, "localhost")
        others = make_certificates(folder(self.id() + ".others"), "elsewhere.example")
        with SocketOrigin(echo) as origin:
            with self.tunnel(origin) as tunnel:
                self.assertIn("is not trusted here", self.ask(tunnel, "status", "--ca", strangers.ca, code=1))
                self.assertIn("is not trusted here", self.ask(tunnel, "status", "--https", code=1))
                self.assertIn("shows another certificate than the one in --management-tls-cert",
                              self.ask(tunnel, "status", "--management-tls-cert", strangers.server,
                                       "--management-tls-key", strangers.server_key, code=1))
                self.assertIn("/nowhere/ca.pem", self.ask(tunnel, "status", "--ca", "/nowhere/ca.pem", code=2))
                self.assertIn("belong together", self.ask(tunnel, "status", "--cert", self.files.client, code=2))
            self.flags = ["--management-tls-cert", others.server, "--management-tls-key", others.server_key]
            with self.tunnel(origin) as tunnel:
                wait_served(tunnel.outside)
                self.assertIn(f"is not for {HOST}", self.ask(tunnel, "status", "--ca", others.ca, code=1))
                self.assertIn(": ready", self.ask(tunnel, "status", *self.flags))

    def test_a_certificate_that_has_expired_is_refused_however_it_is_known(self):
        authority = Authority("authority-of-an-expired-one")
        place = folder(self.id() + ".expired")
        certificate, key = (os.path.join(place, name) for name in ("cert", "key"))
        authority.sign(certificate, key, "localhost", days=-1)
        self.flags = ["--management-tls-cert", certificate, "--management-tls-key", key]
        with SocketOrigin(echo) as origin, self.tunnel(origin) as tunnel:
            where = address_of(tunnel, tunnel.remote).replace(HOST, "localhost")
            for words in (["--ca", authority.ca], self.flags):
                said = ask("remote-proxy", "status", "--management-addr", where, *words, code=1)
                self.assertIn("has expired", said)

    def test_after_a_renewal_the_program_has_to_show_the_new_certificate(self):
        with SocketOrigin(echo) as origin, self.tunnel(origin) as tunnel:
            wait_served(tunnel.outside)
            make_certificates(os.path.dirname(self.files.server), HOST, "localhost", renew=True)
            said = self.ask(tunnel, "status", *self.flags, code=1)
            self.assertIn("if that was renewed, send the program a SIGHUP", said)
            self.assertIn("reloaded", self.ask(tunnel, "reload", "--ca", self.files.ca))
            self.assertIn(": ready", self.ask(tunnel, "status", *self.flags))

    def test_a_client_certificate_and_a_token_are_shown_where_they_are_wanted(self):
        strangers = make_certificates(folder(self.id() + ".strangers"), HOST)
        own = ["--cert", self.files.client, "--key", self.files.client_key]
        with SocketOrigin(echo) as origin, Folder() as tokens:
            token = tokens.file("token", TOKEN)
            with self.tunnel(origin, "--management-tls-client-ca", self.files.ca,
                             "--management-token-file", token) as tunnel:
                wait_served(tunnel.outside)
                self.assertIn(": ready", self.ask(tunnel, "status", *self.flags, *own, "--management-token-file", token))
                self.assertIn("wants a token", self.ask(tunnel, "status", *self.flags, *own, code=1))
                wrong = ["--cert", strangers.client, "--key", strangers.client_key]
                for words in ([], wrong):
                    said = self.ask(tunnel, "status", *self.flags, *words, code=1)
                    self.assertIn("give a certificate that is known there by --cert and --key", said)
                said = self.ask(tunnel, "status", *self.flags, "--cert", self.files.client, "--key",
                                strangers.client_key, code=2)
                self.assertIn(self.files.client, said)

    def test_who_speaks_something_else_or_nothing_is_told_apart(self):
        with SocketOrigin(echo) as origin, Folder() as place:
            with Tunnel(origin.address, remote_flags=["--management-addr", f"{HOST}:0", *HEARTBEATS],
                        origin_flags=HEARTBEATS) as tunnel:
                self.assertIn("does not answer over HTTPS", self.ask(tunnel, "status", "--https", code=1))
            with self.tunnel(origin) as tunnel:
                self.assertIn("give --https or --ca", self.ask(tunnel, "status", code=1))
            with socket.create_server((HOST, 0)) as silent:
                where = f"{HOST}:{silent.getsockname()[1]}"
                said = ask("remote-proxy", "status", "--https", "--management-addr", where, code=1)
                self.assertIn("did not answer within", said)
            said = ask("remote-proxy", "status", "--https", "--management-addr", place.socket("x"), code=2)
            self.assertIn("want a --management-addr with a port", said)

    def test_an_origin_proxy_is_asked_in_the_same_way(self):
        with SocketOrigin(echo) as origin, \
                Tunnel(origin.address, remote_flags=HEARTBEATS,
                       origin_flags=["--management-addr", f"{HOST}:0", *self.flags, *HEARTBEATS]) as tunnel:
            wait_served(tunnel.outside)
            where = address_of(tunnel, tunnel.origin)
            self.assertIn(": ready", ask("origin-proxy", "status", "--management-addr", where, "--ca", self.files.ca))


if __name__ == "__main__":
    unittest.main()
