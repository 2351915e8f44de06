"""Whom the two proxies trust: secrets, certificates, several origin proxies, and that nobody else sees a thing."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import ssl
import stat
import threading
import unittest

from faults import PROMPTLY, Wire, echo, exchange, how_it_ends, receive, refuses, visit, wait_served
from origins import SocketOrigin
from support import HOST, MACHINE, Program, Tunnel, binary, poll, run, show_address
from test_programs import ADDRESSES
from trust import folder, make_certificates, origin_flags, remote_flags, write_secret

PROGRAMS = ("remote-proxy", "origin-proxy")
MARKER = b"a text that nobody on the way should read"


def variable(name):
    return name.replace("-", "_").upper() + "_SECRET"


def write(path, text, mode=0o600):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def secret_flags(path):
    return ["--secret-file", path]


def logged_in(line):
    return line["message"] == "origin proxy logged in"


def refused(line):
    return line["message"].startswith(("cannot log in", "lost the remote proxy"))


def visit_all_the_time(address, over, failures):
    """Visitors one after the other, until `over` is set."""
    while not over.is_set():
        try:
            with visit(address) as visitor:
                exchange(visitor)
        except (OSError, AssertionError) as error:
            failures.append(error)


class Trust(unittest.TestCase):
    """What the classes below share."""

    trust = ()

    def setUp(self):
        self.folder = folder(self.id().rpartition(".")[2])
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def new_secret(self, name="secret"):
        """Gives file and text."""
        return self.path(name), write_secret(self.path(name))

    def certificates(self, folder_name="certificates", *hosts, **options):
        return make_certificates(self.path(folder_name), *hosts, **options)

    @contextlib.contextmanager
    def tunnel(self, remote=(), origin=(), *, start=True, **options):
        with SocketOrigin(echo) as server, Tunnel(server.address, trust="none", remote_flags=remote,
                                                  origin_flags=origin, start=start, **options) as tunnel:
            yield tunnel

    def output(self, tunnel):
        return "\n".join(program.output(limit=1 << 30) for program in tunnel.programs)

    def assert_served(self, tunnel, *, encrypted):
        wait_served(tunnel.outside)
        for program in (tunnel.remote, tunnel.origin):
            line = tunnel.wait_log(program, lambda line: line["message"].endswith("logged in"))
            self.assertEqual(line["encrypted"], "yes" if encrypted else "no")

    @contextlib.contextmanager
    def refusal(self, remote, origin, *reasons, **options):
        """The origin proxy is told why it may not log in, and visitors find nobody."""
        with self.tunnel(remote, origin, start=False, **options) as tunnel:
            tunnel.start_remote()
            tunnel.start_origin(wait=False)
            line = tunnel.wait_log(tunnel.origin, refused)
            for reason in reasons:
                self.assertIn(reason, line["reason"])
            self.assertTrue(refuses(tunnel.outside))
            self.assertEqual(tunnel.origin.texts("stdout"), [])
            self.assertFalse(any(map(logged_in, tunnel.log(tunnel.remote))))
            yield tunnel

    def assert_refused(self, *arguments, **options):
        with self.refusal(*arguments, **options):
            pass

    def wrong(self, name, words, *expected, secrets=(), env=None, code=2):
        """Run to its end: the exit code, every expected word in its one message, and no secret."""
        done = run([binary(name), *ADDRESSES[name], *words], env=env, check=False)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        for text in expected:
            self.assertIn(text, done.stderr)
        for secret in secrets:
            self.assertNotIn(secret, done.stdout + done.stderr)


class Secrets(Trust):
    def test_gen_secret_makes_a_file_for_its_owner_alone_with_43_characters_that_differ_each_time(self):
        secrets = set()
        for name in PROGRAMS:
            path = self.path(name)
            run(["sh", "-c", 'umask 022; "$0" gen-secret > "$1"', binary(name), path])
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            with open(path, encoding="ascii") as file:
                text = file.read()
            self.assertRegex(text, r"^[A-Za-z0-9_-]{43}\n$")
            secrets.add(text)
        self.assertEqual(len(secrets), 2)

    def test_gen_secret_says_so_if_it_cannot_write(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            with Program(["sh", "-c", f'exec "$0" gen-secret >&{full.fileno()}', binary("remote-proxy")],
                         pass_fds=[full.fileno()]) as program:
                program.wait_exit(code=1)
                self.assertIn("cannot write the secret", program.output())

    def test_with_one_secret_on_both_sides_visitors_are_served_encrypted_and_neither_log_has_a_warning(self):
        path, secret = self.new_secret()
        with self.tunnel(secret_flags(path), secret_flags(path)) as tunnel:
            self.assert_served(tunnel, encrypted=True)
            for program in (tunnel.origin, tunnel.remote):
                program.stop(code=0)
                self.assertEqual([line for line in tunnel.log(program) if line["level"] != "info"], [])
            self.assertNotIn(secret, self.output(tunnel))

    def test_the_secret_may_come_from_the_environment_instead(self):
        _, secret = self.new_secret()
        with self.tunnel(remote_options={"env": {variable("remote-proxy"): secret}},
                         origin_options={"env": {variable("origin-proxy"): secret}}) as tunnel:
            self.assert_served(tunnel, encrypted=True)

    def test_one_side_may_have_it_from_a_file_and_the_other_from_the_environment(self):
        path, secret = self.new_secret()
        with self.tunnel(secret_flags(path), origin_options={"env": {variable("origin-proxy"): secret}}) as tunnel:
            self.assert_served(tunnel, encrypted=True)

    def test_a_file_that_is_no_secret_is_refused_with_its_name_and_the_way_out_and_not_shown(self):
        _, good = self.new_secret("good")
        way_out = "remote-proxy gen-secret > FILE"
        for text, reason in (("tooshort7", "too short"), ("", "no secret in it"), (" \n\n", "no secret in it"),
                             (f"{good}\n{good[::-1]}\n", "several lines"), ("a" * 43, "too short")):
            path = write(self.path("secret"), text)
            for name in PROGRAMS:
                with self.subTest(name, text=text):
                    self.wrong(name, secret_flags(path), path, reason, way_out, code=2,
                               secrets=[text.strip()] * bool(text.strip()) + [good])
                    if text:
                        self.wrong(name, [], variable(name), reason, way_out, env={variable(name): text},
                                   secrets=[text.strip()] * bool(text.strip()) + [good])

    def test_a_file_that_is_not_there_or_is_a_folder_or_too_large_is_refused_with_its_name(self):
        large = write(self.path("large"), "x" * 5000)
        for path, reason in ((self.path("missing"), "No such file"), (self.folder, "folder"), (large, "4096")):
            for name in PROGRAMS:
                with self.subTest(name, path=path):
                    self.wrong(name, secret_flags(path), f"cannot read {path}", reason, code=2)

    def test_a_file_that_others_can_read_gives_a_warning_that_names_chmod_600(self):
        path, _ = self.new_secret()
        os.chmod(path, 0o644)
        with self.tunnel(secret_flags(path), secret_flags(path)) as tunnel:
            for program in (tunnel.remote, tunnel.origin):
                line = tunnel.wait_log(program, lambda line: line["level"] == "warn")
                self.assertIn("chmod 600", line["message"])
                self.assertEqual(line["file"], path)
            self.assert_served(tunnel, encrypted=True)

    def test_a_secret_on_the_command_line_is_refused_with_the_reason_and_what_instead_and_not_shown(self):
        for name in PROGRAMS:
            for words in (["--secret", "Xyzzy123"], ["--secret=Xyzzy123"]):
                self.wrong(name, words, "ps", "--secret-file", variable(name), secrets=["Xyzzy123"])

    def test_a_secret_in_a_file_and_another_in_the_environment_are_refused(self):
        path, secret = self.new_secret()
        for name in PROGRAMS:
            self.wrong(name, secret_flags(path), "environment", "--secret-file", env={variable(name): secret},
                       secrets=[secret])

    def test_flags_that_contradict_each_other_are_refused(self):
        path, _ = self.new_secret()
        files = self.certificates()
        pair = ["--tls-cert", files.server, "--tls-key", files.server_key]
        for name in PROGRAMS:
            self.wrong(name, pair[:2], "--tls-cert", "--tls-key")
            self.wrong(name, pair[2:], "--tls-cert", "--tls-key")
            self.wrong(name, [*pair, *secret_flags(path)], "one of them")
            self.wrong(name, [*pair, "--encryption", "off"], "--encryption off")
            self.wrong(name, ["--encryption", "perhaps"], '"perhaps"', "auto, off or tls")
        self.wrong("remote-proxy", ["--secrets-file", path, *secret_flags(path)], "--secrets-file")
        self.wrong("origin-proxy", ["--tls-insecure", *secret_flags(path)], "one of them")

    def test_a_remote_proxy_that_is_asked_for_tls_and_has_nothing_for_it_is_refused(self):
        """It would serve in the clear, and let anybody in."""
        files = self.certificates()
        self.wrong("remote-proxy", ["--encryption", "tls"], "--encryption tls", "--tls-cert", "--secret-file")
        self.wrong("remote-proxy", ["--tls-client-ca", files.ca], "--tls-client-ca", "--tls-cert")

    def test_a_secret_with_encryption_tls_is_what_it_is_without(self):
        path, _ = self.new_secret()
        flags = [*secret_flags(path), "--encryption", "tls"]
        with self.tunnel(flags, flags) as tunnel:
            self.assert_served(tunnel, encrypted=True)

    def test_files_of_certificates_that_are_no_good_are_refused_with_their_names(self):
        files = self.certificates()
        missing, garbage = self.path("missing.pem"), write(self.path("garbage.pem"), "garbage")
        for name in PROGRAMS:
            for bad in (missing, garbage):
                self.wrong(name, ["--tls-cert", bad, "--tls-key", files.server_key], bad, code=2)
                self.wrong(name, ["--tls-cert", files.server, "--tls-key", bad], bad, code=2)
            self.wrong(name, ["--tls-cert", files.server, "--tls-key", files.client_key], files.client_key,
                       "is not of the certificate in", code=2)
        for bad in (missing, garbage):
            self.wrong("origin-proxy", ["--tls-ca", bad], bad, code=2)
            self.wrong("remote-proxy", ["--tls-cert", files.server, "--tls-key", files.server_key, "--tls-client-ca",
                                        bad], bad, code=2)


class SecretsThatDoNotFit(Trust):
    """Each is told on the origin proxy's side, by a line that says what to do."""

    def test_another_secret_is_refused(self):
        (one, _), (other, _) = self.new_secret("one"), self.new_secret("other")
        self.assert_refused(secret_flags(one), secret_flags(other), "does not know this secret", "--secret-file")

    def test_an_origin_proxy_without_a_secret_is_refused_where_there_is_one(self):
        path, _ = self.new_secret()
        self.assert_refused(secret_flags(path), [], "encrypted connections only", "--secret-file")

    def test_an_origin_proxy_with_a_secret_does_not_trust_a_remote_proxy_without(self):
        path, _ = self.new_secret()
        self.assert_refused([], secret_flags(path), "does not encrypt", "--secret-file")

    def test_a_secret_on_one_side_and_certificates_on_the_other_are_told_apart_from_a_wrong_secret(self):
        path, _ = self.new_secret()
        files = self.certificates()
        pair = ["--tls-cert", files.server, "--tls-key", files.server_key]
        for flags in (["--tls-ca", files.ca], ["--tls-insecure"], ["--encryption", "tls"]):
            self.assert_refused(secret_flags(path), flags, "asks for a secret and has no certificate", "--secret-file")
        for flags in (pair, [*pair, "--tls-client-ca", files.ca]):
            self.assert_refused(flags, secret_flags(path), "has a secret, and the remote proxy none but a certificate",
                                "--tls-ca")
        self.assert_refused(pair, [], "encrypted connections only", "--tls-ca")

    def test_the_remote_proxy_says_in_its_own_words_why_certificates_do_not_fit(self):
        files = self.certificates()
        pair = ["--tls-cert", files.server, "--tls-key", files.server_key]
        for remote, origin, reason in (
                (pair, ["--encryption", "tls"], "does not trust the certificate that it is shown here"),
                ([*pair, "--tls-client-ca", files.ca], ["--tls-ca", files.ca], "the peer shows no certificate")):
            with self.refusal(remote, origin, "certificate") as tunnel:
                tunnel.wait_log(tunnel.remote, lambda line: reason in line.get("reason", ""))

    def test_encryption_that_is_off_on_one_side_alone_is_refused(self):
        path, _ = self.new_secret()
        off = [*secret_flags(path), "--encryption", "off"]
        self.assert_refused(secret_flags(path), off, "encrypted connections only", "--encryption off")
        self.assert_refused(off, secret_flags(path), "does not encrypt", "--encryption off")

    def test_with_encryption_off_the_secret_is_asked_for_all_the_same(self):
        (one, _), (other, _) = self.new_secret("one"), self.new_secret("other")
        off = ["--encryption", "off"]
        self.assert_refused([*secret_flags(one), *off], [*secret_flags(other), *off], "does not know this secret",
                            "--secret-file")
        self.assert_refused([*secret_flags(one), *off], off, "asks for a secret", "--secret-file")
        self.assert_refused(off, [*secret_flags(one), *off], "has no secret", "--secret-file")

    def test_with_encryption_off_and_the_same_secret_visitors_are_served_and_the_log_says_not_encrypted(self):
        path, _ = self.new_secret()
        off = [*secret_flags(path), "--encryption", "off"]
        with self.tunnel(off, off) as tunnel:
            self.assert_served(tunnel, encrypted=False)
            tunnel.wait_log(tunnel.remote, lambda line: "not encrypted" in line["message"])

    def test_without_a_secret_the_log_warns_that_anybody_may_be_the_origin_proxy(self):
        with self.tunnel() as tunnel:
            self.assert_served(tunnel, encrypted=False)
            tunnel.wait_log(tunnel.remote, lambda line: line["level"] == "warn" and "no secret" in line["message"])

    def test_an_origin_proxy_gets_in_as_soon_as_its_file_has_the_right_secret(self):
        (right, _), (used, _) = self.new_secret("right"), self.new_secret("used")
        with self.refusal(secret_flags(right), secret_flags(used), "does not know this secret") as tunnel:
            shutil.copy(right, used)
            tunnel.origin.send_signal(signal.SIGHUP)
            tunnel.wait_origin_ready()
            self.assert_served(tunnel, encrypted=True)

    def test_a_restarted_origin_proxy_takes_its_own_place_over_at_once(self):
        """With a name it is the same wherever it runs; without one it would be asked whether it is still there."""
        path, _ = self.new_secret()
        with self.tunnel(secret_flags(path), secret_flags(path)) as tunnel:
            tunnel.origin.send_signal(signal.SIGSTOP)
            former = tunnel.origin
            tunnel.start_origin()
            wait_served(tunnel.outside)
            former.kill()


class Certificates(Trust):
    def shown(self, tunnel):
        """The certificate that the remote proxy shows to whoever asks."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(tunnel.control, 10) as raw, context.wrap_socket(raw) as connection:
            return ssl.DER_cert_to_PEM_cert(connection.getpeercert(True))

    @staticmethod
    def text(path):
        with open(path, encoding="ascii") as file:
            return file.read()

    def test_make_certs_makes_keys_for_their_owner_alone_and_overwrites_nothing_unasked(self):
        files = self.certificates()
        for key in (files.ca_key, files.server_key, files.client_key):
            self.assertEqual(stat.S_IMODE(os.stat(key).st_mode), 0o600)
        run(["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", files.ca, files.server])
        run(["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", files.ca, files.client])
        before = {path: self.text(path) for path in vars(files).values()}
        with self.assertRaisesRegex(AssertionError, "there already"):
            self.certificates()
        self.assertEqual({path: self.text(path) for path in before}, before)
        self.assertEqual(len(os.listdir(self.path("certificates"))), 6)
        self.certificates(renew=True)
        self.assertEqual([path for path in before if self.text(path) == before[path]], [files.ca, files.ca_key])

    def test_certificates_on_both_sides_serve_encrypted_and_the_log_has_the_name_in_the_origin_proxys(self):
        files = self.certificates(name="cellar")
        with self.tunnel(remote_flags(files), origin_flags(files)) as tunnel:
            self.assert_served(tunnel, encrypted=True)
            self.assertEqual(tunnel.wait_log(tunnel.remote, logged_in)["name"], f"cellar/{MACHINE}")
            for program in (tunnel.origin, tunnel.remote):
                program.stop(code=0)
                self.assertEqual([line for line in tunnel.log(program) if line["level"] != "info"], [])

    def test_a_certificate_for_another_host_is_refused_naming_the_host(self):
        files = self.certificates("certificates", "elsewhere.example")
        self.assert_refused(remote_flags(files), origin_flags(files), HOST, "mismatch", "not trusted")

    def test_the_name_in_the_certificate_may_be_another_than_that_of_the_address_if_it_is_told(self):
        files = self.certificates("certificates", "elsewhere.example")
        told = [*origin_flags(files), "--tls-server-name", "elsewhere.example"]
        with self.tunnel(remote_flags(files), told) as tunnel:
            self.assert_served(tunnel, encrypted=True)
        told[-1] = "nowhere.example"
        self.assert_refused(remote_flags(files), told, "nowhere.example", "mismatch")

    def test_a_certificate_of_an_authority_that_is_unknown_is_refused(self):
        files, others = self.certificates(), self.certificates("others")
        self.assert_refused(remote_flags(files), ["--tls-ca", others.ca], HOST, "not trusted")
        self.assert_refused(remote_flags(files), ["--encryption", "tls"], HOST, "not trusted")

    def test_tls_insecure_serves_and_warns_at_every_start(self):
        files = self.certificates()
        remote = ["--tls-cert", files.server, "--tls-key", files.server_key]
        with self.tunnel(remote, ["--tls-insecure"]) as tunnel:
            self.assert_served(tunnel, encrypted=True)
            tunnel.restart_origin()
            self.assert_served(tunnel, encrypted=True)
            for program in tunnel.programs[1:]:
                tunnel.wait_log(program, lambda line: line["level"] == "warn" and "--tls-insecure" in line["message"])
            # Encrypted, but nobody is asked who it is.
            tunnel.wait_log(tunnel.remote, lambda line: line["level"] == "warn" and "no secret" in line["message"])

    def test_an_origin_proxy_without_the_certificate_that_is_asked_for_is_refused(self):
        files = self.certificates()
        self.assert_refused(remote_flags(files), ["--tls-ca", files.ca], "certificate", "--tls-cert")

    def test_an_origin_proxy_with_a_certificate_of_another_authority_is_refused(self):
        files, others = self.certificates(), self.certificates("others")
        self.assert_refused(remote_flags(files), ["--tls-ca", files.ca, "--tls-cert", others.client, "--tls-key",
                                                  others.client_key], "certificate", "--tls-cert")

    def test_an_origin_proxy_that_shows_the_remote_proxys_kind_of_certificate_is_refused(self):
        files = self.certificates()
        self.assert_refused(remote_flags(files), ["--tls-ca", files.ca, "--tls-cert", files.server, "--tls-key",
                                                  files.server_key], "certificate")

    def test_an_origin_proxy_with_certificates_does_not_trust_a_remote_proxy_without_encryption(self):
        files = self.certificates()
        self.assert_refused([], origin_flags(files), "does not encrypt")

    def test_renewed_certificates_are_taken_at_sighup_and_nobody_is_cut(self):
        files = self.certificates()
        with self.tunnel(remote_flags(files), origin_flags(files)) as tunnel, visit(tunnel.outside) as visitor:
            exchange(visitor)
            old = self.shown(tunnel)
            self.assertEqual(old, self.text(files.server))
            self.certificates(renew=True)
            self.assertEqual(self.shown(tunnel), old)  # not before it is told to
            tunnel.remote.send_signal(signal.SIGHUP)
            tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "reloaded")
            self.assertNotEqual(self.shown(tunnel), old)
            self.assertEqual(self.shown(tunnel), self.text(files.server))
            exchange(visitor)
            wait_served(tunnel.outside)
            tunnel.origin.send_signal(signal.SIGHUP)
            tunnel.wait_log(tunnel.remote, logged_in, count=2)
            exchange(visitor)
            wait_served(tunnel.outside)

    def test_a_new_authority_for_origin_proxies_is_taken_at_sighup(self):
        files, others = self.certificates(), self.certificates("others")
        with self.tunnel(remote_flags(files), origin_flags(files)) as tunnel, visit(tunnel.outside) as visitor:
            exchange(visitor)
            shutil.copy(others.ca, self.path("new"))
            os.replace(self.path("new"), files.ca)  # of which the origin proxy has read the old one
            tunnel.remote.send_signal(signal.SIGHUP)
            tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "reloaded")
            exchange(visitor)
            tunnel.origin.send_signal(signal.SIGHUP)
            tunnel.wait_log(tunnel.origin, lambda line: refused(line) and line["code"] == "untrusted_certificate")
            exchange(visitor)

    def test_a_broken_new_file_leaves_everything_as_it_was_and_the_log_says_so(self):
        files = self.certificates()
        with self.tunnel(remote_flags(files), origin_flags(files)) as tunnel, visit(tunnel.outside) as visitor:
            exchange(visitor)
            old = self.shown(tunnel)
            for path, program in ((files.server, tunnel.remote), (files.client_key, tunnel.origin)):
                write(path, "garbage")
                program.send_signal(signal.SIGHUP)
                line = tunnel.wait_log(program, lambda line: "cannot reload" in line["message"])
                self.assertEqual(line["level"], "error")
                self.assertIn("nothing has changed", line["message"])
                self.assertIn(path, line["reason"])
            self.assertEqual(self.shown(tunnel), old)
            exchange(visitor)
            wait_served(tunnel.outside)
            self.assertEqual(len([line for line in tunnel.log(tunnel.remote) if logged_in(line)]), 1)


class SecretsFile(Trust):
    """Several origin proxies, each with a name."""

    def setUp(self):
        super().setUp()
        self.file = self.path("origins.toml")
        self.secrets = {name: self.new_secret(name)[1] for name in ("attic", "cellar", "next")}

    def write_file(self, **origins):
        """`name="attic"`: the origin proxy's name and whose secrets it has."""
        lines = []
        for name, those in origins.items():
            those = [those] if isinstance(those, str) else those
            lines.append(f"[origins.{name}]")
            quoted = ", ".join(f'"{self.secrets[each]}"' for each in those)
            lines.append(f"secret = {quoted}" if len(those) == 1 else f"secrets = [{quoted}]")
        write(self.path("new"), "\n".join(lines) + "\n")
        os.replace(self.path("new"), self.file)

    def reload(self, tunnel, **origins):
        self.write_file(**origins)
        before = len(tunnel.remote.lines)
        tunnel.remote.send_signal(signal.SIGHUP)
        tunnel.wait_log(tunnel.remote, lambda line: line["message"] == "reloaded", start=before)

    def assert_no_secret(self, tunnel, *further):
        for text in [self.output(tunnel), *further]:
            for secret in self.secrets.values():
                self.assertNotIn(secret, text)

    def flags(self, name):
        return secret_flags(self.path(name))

    def other_origin(self, tunnel, name):
        return Program([binary("origin-proxy"), "--remote-proxy-addr", show_address(tunnel.control),
                        "--origin-server-addr", show_address(tunnel.origin_server), *self.flags(name)], name=name)

    def test_an_origin_proxy_that_is_taken_out_loses_its_session_and_the_other_one_takes_the_place(self):
        self.write_file(attic="attic", cellar="cellar")
        with self.tunnel(["--secrets-file", self.file], self.flags("attic")) as tunnel:
            self.assert_served(tunnel, encrypted=True)
            self.assertEqual(tunnel.wait_log(tunnel.remote, logged_in)["name"], f"attic/{MACHINE}")
            with self.other_origin(tunnel, "cellar") as cellar, visit(tunnel.outside) as visitor:
                cellar.wait_line(f"in use by attic/{MACHINE} at {HOST}:", stream="stderr")
                exchange(visitor)
                self.reload(tunnel, cellar="cellar")
                line = tunnel.wait_log(tunnel.origin, refused)
                self.assertEqual((line["code"], line["reason"]), ("not_trusted", "its secret is no longer good"))
                cellar.wait_line("^ready", stream="stdout")
                self.assertEqual(tunnel.wait_log(tunnel.remote, logged_in, count=2)["name"], f"cellar/{MACHINE}")
                self.assertEqual(how_it_ends(visitor), "reset")  # nobody else may read on
                wait_served(tunnel.outside)
                tunnel.wait_log(tunnel.origin, lambda line: refused(line)
                                and "does not know this secret" in line["reason"])
                cellar.stop(code=0)
                self.assert_no_secret(tunnel, cellar.output())

    def test_a_secret_that_is_replaced_ends_the_visitors_of_who_knows_only_the_old_one(self):
        self.write_file(attic="attic")
        with self.tunnel(["--secrets-file", self.file], self.flags("attic")) as tunnel, \
                visit(tunnel.outside) as visitor:
            exchange(visitor)
            self.reload(tunnel, attic="next")
            self.assertEqual(how_it_ends(visitor), "reset")
            tunnel.wait_log(tunnel.origin, lambda line: refused(line)
                            and "does not know this secret" in line["reason"])
            self.assert_no_secret(tunnel)

    def test_an_origin_proxy_moves_to_its_second_secret_without_an_outage(self):
        self.write_file(attic="attic")
        over, failures = threading.Event(), []
        shutil.copy(self.path("attic"), self.path("used"))
        with self.tunnel(["--secrets-file", self.file], self.flags("used")) as tunnel, \
                visit(tunnel.outside) as visitor:
            visitors = threading.Thread(target=visit_all_the_time, args=(tunnel.outside, over, failures))
            visitors.start()
            try:
                exchange(visitor)
                self.reload(tunnel, attic=["attic", "next"])
                shutil.copy(self.path("next"), self.path("used"))
                tunnel.origin.send_signal(signal.SIGHUP)
                self.assertEqual(tunnel.wait_log(tunnel.remote, logged_in, count=2)["name"], f"attic/{MACHINE}")
                self.reload(tunnel, attic="next")
                tunnel.wait_visitors(len(tunnel.visitor_lines()) + 5)
                exchange(visitor)
            finally:
                over.set()
                visitors.join()
            self.assertEqual(failures, [])
            self.assertEqual(len([line for line in tunnel.log(tunnel.remote) if logged_in(line)]), 2)
            self.assertEqual([line for line in tunnel.log(tunnel.origin) if refused(line)], [])
            self.assert_no_secret(tunnel)

    def test_names_work_without_encryption_too(self):
        self.write_file(attic="attic", cellar=["cellar", "next"])
        off = ["--encryption", "off"]
        with self.tunnel(["--secrets-file", self.file, *off], [*self.flags("next"), *off]) as tunnel:
            self.assert_served(tunnel, encrypted=False)
            self.assertEqual(tunnel.wait_log(tunnel.remote, logged_in)["name"], f"cellar/{MACHINE}")
            self.reload(tunnel, attic="attic", cellar="cellar")
            tunnel.wait_log(tunnel.origin, lambda line: refused(line) and line["code"] == "not_trusted")
            self.assert_no_secret(tunnel)

    def test_a_broken_file_is_refused_at_the_start_with_file_and_line_and_without_what_stands_there(self):
        secret = self.secrets["attic"]
        for text, line, reason in (
                (f'[origins.attic]\nsecret = "{secret}\n', 2, "this line cannot be read"),
                (f"[origins.attic]\nsecret = {secret}\n", 2, "this line cannot be read"),
                (f'[origins.attic]\n\nsecert = "{secret}"\n', 3, "secert"),
                (f'secret = "{secret}"\n', 1, "[origins.NAME]"),
                ('[origins.attic]\nsecret = "short"\n', 2, "too short"),
                (f'[origins.a]\nsecret = "{secret}"\n[origins.b]\nsecret = "{secret}"\n', 4, "origins.a"),
                ("", 0, "no origins")):
            with self.subTest(text):
                write(self.file, text)
                self.wrong("remote-proxy", ["--secrets-file", self.file], f"{self.file} line {line}" if line else
                           self.file, reason, secrets=[secret], code=2)

    def test_a_broken_file_changes_nothing_at_sighup_and_the_log_says_so(self):
        self.write_file(attic="attic", cellar="cellar")
        with self.tunnel(["--secrets-file", self.file], self.flags("attic")) as tunnel, \
                visit(tunnel.outside) as visitor:
            exchange(visitor)
            write(self.file, f'[origins.attic]\nsecret = "{self.secrets["next"]}\n')
            tunnel.remote.send_signal(signal.SIGHUP)
            line = tunnel.wait_log(tunnel.remote, lambda line: "cannot reload" in line["message"])
            self.assertEqual(line["level"], "error")
            self.assertIn(f"{self.file} line 2", line["reason"])
            exchange(visitor)
            tunnel.restart_origin(kill=True)
            self.assertEqual(tunnel.wait_log(tunnel.remote, logged_in, count=2)["name"], f"attic/{MACHINE}")
            wait_served(tunnel.outside)
            self.assert_no_secret(tunnel)


class OnTheWay(Trust):
    """What can be had by who sits between the two proxies."""

    def recorded(self, remote, origin, *flags):
        """All that passes while a visitor says the marker, and who that was."""
        heard = []
        with self.tunnel(remote, [*origin, *flags], start=False) as tunnel:
            tunnel.start_remote()
            with Wire(tunnel.control, hear=heard.append) as wire:
                tunnel.start_origin(remote_proxy=wire.address)
                with visit(tunnel.outside) as visitor:
                    exchange(visitor, MARKER)
                    who = show_address(visitor.getsockname()).encode()
                tunnel.wait_visitors(1)
                tunnel.origin.stop(code=0)
        return b"".join(heard), who

    def ways(self):
        """Parked connections, and one made for the visitor."""
        for flags in ([], ["--parked-connections", "0"]):
            with self.subTest(flags):
                yield flags

    def test_with_a_secret_neither_it_nor_visitors_nor_what_they_say_can_be_read(self):
        path, secret = self.new_secret()
        for flags in self.ways():
            heard, who = self.recorded(secret_flags(path), secret_flags(path), *flags)
            self.assertGreater(len(heard), 2 * len(MARKER))
            # The visitor's address stands beside its ticket, in one frame.
            for text in (MARKER, secret.encode(), who):
                self.assertNotIn(text, heard)

    def test_with_certificates_neither_visitors_nor_what_they_say_can_be_read(self):
        files = self.certificates(name="cellar")
        for flags in self.ways():
            heard, who = self.recorded(remote_flags(files), origin_flags(files), *flags)
            for text in (MARKER, who, b"cellar", b"PRIVATE"):
                self.assertNotIn(text, heard)

    def test_without_a_secret_all_of_it_can_be_read(self):
        for flags in self.ways():
            heard, who = self.recorded([], [], *flags)
            for text in (MARKER, who):
                self.assertIn(text, heard)

    def test_with_encryption_off_the_secret_cannot_be_read_but_all_else_can(self):
        path, secret = self.new_secret()
        off = [*secret_flags(path), "--encryption", "off"]
        for flags in self.ways():
            heard, who = self.recorded(off, off, *flags)
            for text in (MARKER, who):
                self.assertIn(text, heard)
            self.assertNotIn(secret.encode(), heard)

    def test_what_was_recorded_lets_nobody_in_who_plays_it_again(self):
        """Each of the origin proxy's connections once more, while it is logged in and a visitor comes."""
        path, _ = self.new_secret()
        for encryption in ("auto", "off"):
            flags = [*secret_flags(path), "--encryption", encryption]
            with self.subTest(encryption), self.tunnel(flags, flags, start=False) as tunnel:
                tunnel.start_remote()
                with Wire(tunnel.control, hear=lambda _: None) as wire:
                    tunnel.start_origin(remote_proxy=wire.address)
                    for _ in range(3):
                        wait_served(tunnel.outside)
                    said = [bytes(connection.said) for connection in wire.connections]
                    with contextlib.ExitStack() as stack:
                        for words in said:
                            stack.enter_context(visit(tunnel.control)).sendall(words)
                        for _ in range(5):
                            wait_served(tunnel.outside)
                    self.assertEqual(len([line for line in tunnel.log(tunnel.remote) if logged_in(line)]), 1)
                    tunnel.origin.stop(code=0)

    def test_a_byte_that_is_changed_on_the_way_cuts_the_visitor_instead_of_reaching_the_origin_server(self):
        path, _ = self.new_secret()
        changing = threading.Event()

        def change(data):
            return bytes([*data[:-1], data[-1] ^ 1]) if changing.is_set() else data
        with self.tunnel(secret_flags(path), [*secret_flags(path), "--parked-connections", "0"],
                         start=False) as tunnel:
            tunnel.start_remote()
            with Wire(tunnel.control, change=change) as wire:
                tunnel.start_origin(remote_proxy=wire.address)
                with visit(tunnel.outside) as visitor:
                    exchange(visitor)
                    changing.set()
                    visitor.sendall(MARKER)
                    self.assertEqual(how_it_ends(visitor), "reset")
                    changing.clear()
                wait_served(tunnel.outside)
                tunnel.origin.stop(code=0)


class Hidden(Trust):
    """The secret itself, from all others on the two machines."""

    def running(self, tunnel):
        return [program for program in tunnel.programs if program.running]

    def assert_hidden(self, tunnel, *secrets):
        texts = [self.output(tunnel)]
        for program in self.running(tunnel):
            for name in ("cmdline", "environ"):
                # Not even its own user may read the environment, only root.
                with contextlib.suppress(*([PermissionError] if os.geteuid() else [])), \
                        open(f"/proc/{program.pid}/{name}", encoding="utf-8", errors="replace") as file:
                    texts.append(file.read())
        for text in texts:
            for secret in secrets:
                self.assertNotIn(secret, text)

    def test_no_secret_shows_in_any_output_command_line_or_environment(self):
        path, secret = self.new_secret()
        other, wrong = self.new_secret("other")
        names = write(self.path("origins.toml"), f'[origins.attic]\nsecrets = ["{wrong}", "{secret}"]\n')
        both = secret, wrong
        debug = ["--log-level", "debug"]
        served = {
            "files": (secret_flags(path), secret_flags(path), {}),
            "json": ([*secret_flags(path), "--log-format", "json"], [*secret_flags(path), "--log-format", "json"], {}),
            "not encrypted": ([*secret_flags(path), "--encryption", "off"],
                              [*secret_flags(path), "--encryption", "off"], {}),
            "a file of names": (["--secrets-file", names], secret_flags(path), {}),
            "environment": ([], [], {"remote_options": {"env": {variable("remote-proxy"): secret}},
                                     "origin_options": {"env": {variable("origin-proxy"): secret}}})}
        for what, (remote, origin, options) in served.items():
            with self.subTest(what), self.tunnel(remote + debug, origin + debug, **options) as tunnel:
                wait_served(tunnel.outside)
                for program in self.running(tunnel):
                    program.send_signal(signal.SIGHUP)
                tunnel.wait_log(tunnel.remote, lambda line: line["message"].endswith("eloaded"))
                self.assert_hidden(tunnel, *both)
                for program in (tunnel.origin, tunnel.remote):
                    program.stop(code=0)
                self.assert_hidden(tunnel, *both)
        refused_ones = {
            "wrong": (secret_flags(path), secret_flags(other)), "none": (secret_flags(path), []),
            "only here": ([], secret_flags(path)),
            "wrong, not encrypted": ([*secret_flags(path), "--encryption", "off"],
                                     [*secret_flags(other), "--encryption", "off"])}
        for what, (remote, origin) in refused_ones.items():
            with self.subTest(what), self.refusal(remote + debug, origin + debug) as tunnel:
                self.assert_hidden(tunnel, *both)

    def test_no_core_file_is_written_and_no_other_process_of_the_same_user_may_look_in(self):
        _, secret = self.new_secret()
        # Files in /proc that are root's, and not the user's, say nothing about a process of root.
        somebody = {"user": "nobody"} if os.geteuid() == 0 else {}
        try:
            run([binary("remote-proxy"), "--version"], **somebody)
        except PermissionError:
            self.skipTest("the build lies where only root may go")
        with self.tunnel(remote_options={"env": {variable("remote-proxy"): secret}, **somebody},
                         origin_options={"env": {variable("origin-proxy"): secret}, **somebody}) as tunnel:
            for program in (tunnel.remote, tunnel.origin):
                with open(f"/proc/{program.pid}/limits", encoding="ascii") as limits:
                    core = next(line for line in limits if line.startswith("Max core file size"))
                self.assertEqual(core.split()[4:6], ["0", "0"])
                self.assertEqual(os.stat(f"/proc/{program.pid}/environ").st_uid, 0)


class Streams(Trust):
    def test_large_bodies_arrive_unchanged_both_ways_and_each_side_may_finish_first(self):
        body = os.urandom(1 << 20) * 24
        checksum = hashlib.sha256(body).hexdigest()

        def all_of(connection):
            seen = hashlib.sha256()
            while data := connection.recv(1 << 18):
                seen.update(data)
            return seen.hexdigest()

        def answer(connection):
            """Finishes first if asked to; else answers when the visitor has finished."""
            first = receive(connection, 1) == b"f"
            if first:
                connection.sendall(body)
                connection.shutdown(socket.SHUT_WR)
            seen = all_of(connection)
            if not first:
                connection.sendall(body)
            return seen
        path, _ = self.new_secret()
        files = self.certificates()
        for remote, origin in ((secret_flags(path),) * 2, (remote_flags(files), origin_flags(files))):
            for flags in ([], ["--parked-connections", "0"]):
                with self.subTest(origin[0], flags=flags), SocketOrigin(answer) as server, \
                        Tunnel(server.address, trust="none", remote_flags=remote,
                               origin_flags=[*origin, *flags]) as tunnel:
                    for kind in (b"f", b"l"):
                        with visit(tunnel.outside) as visitor:
                            visitor.sendall(kind)
                            if kind == b"f":
                                self.assertEqual(all_of(visitor), checksum)
                            visitor.sendall(body)
                            visitor.shutdown(socket.SHUT_WR)
                            self.assertEqual(all_of(visitor), checksum if kind == b"l" else hashlib.sha256().hexdigest())
                    poll(lambda: len(server.results) == 2, "the origin server has finished")
                    self.assertEqual(server.results, [checksum] * 2)
                    for lines in tunnel.wait_visitors(2):
                        self.assertEqual([line["end"] for line in lines], ["closed"] * 2)


if __name__ == "__main__":
    unittest.main()
