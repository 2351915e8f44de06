"""Who may have a name: it belongs to the first who claims it, for as long as he is there and a while longer."""

import signal
import time
import unittest

from fronts import AtFronts, authority, web, word_of
from support import HOST, Tunnel, poll, show_address

APP = "app.example.com"
PATIENCE = 1.0


class Claims(AtFronts):
    """Two origin proxies with secrets of their own, A and B."""

    def setUp(self):
        super().setUp()
        authority().put(self.certificates, APP)
        self.with_secrets("A", "B")
        self.first, self.second = self.enterContext(web("first")), self.enterContext(web("second"))

    def start_front(self, *flags):
        return self.front("--secrets-file", self.secrets_path, "--pairing-timeout", f"{PATIENCE:g}s", *flags)

    def is_declined(self, program, service, code, says):
        """On both sides, with words."""
        for each in (self.remote_program, program):
            line = self.declined(each, service, code)
            self.assertIn(says, line["reason"])
        self.assertTrue(self.declined(program, service, code)["hint"])


class Refused(Claims):
    def test_a_name_that_another_has_is_refused_with_words_on_both_sides(self):
        front = self.start_front()
        self.offering("A", ("web", self.first, "https://app"))
        second = self.offering("B", ("mine", self.second, "tls://app"), wait=False)
        self.is_declined(second, "mine", "host_taken", "app.example.com")
        self.assertEqual(word_of(front, APP), "first")

    def test_a_second_service_of_one_origin_proxy_cannot_have_its_name_either(self):
        front = self.start_front()
        program = self.offering("A", ("web", self.first, "https://app"), ("zwei", self.second, "tls://app.example.com"))
        self.is_declined(program, "zwei", "host_taken", '"web"')
        self.assertEqual(word_of(front, APP), "first")

    def test_a_name_that_is_not_allowed_is_refused_and_it_is_said_which_are(self):
        self.with_allowed({"A": ["*.a.example.net"]})
        self.front("--config", self.folder.path("remote.toml"))
        names = {"other": "example.org", "deep": "a.b.example.com", "wide": "*.example.com", "all": "*",
                 "apex": "example.com", "mine": "x.y.a.example.net", "label": "label"}
        program = self.offering("A", *[(name, self.first, f"tls://{host}") for name, host in names.items()])
        for service in ("other", "deep", "wide", "all", "apex"):
            self.is_declined(program, service, "host_not_allowed", "NAME.example.com, *.a.example.net")
        self.assertEqual(self.hosts_of(program), {"mine": "x.y.a.example.net", "label": "label.example.com"})
        # What one may have is not what another may have.
        second = self.offering("B", ("mine", self.second, "tls://z.a.example.net"), wait=False)
        self.is_declined(second, "mine", "host_not_allowed", "NAME.example.com")

    def with_allowed(self, allow):
        for name, hosts in allow.items():
            listed = ", ".join(f'"{host}"' for host in hosts)
            self.tables = self.tables.replace(f"[origins.{name}]\n", f"[origins.{name}]\nallow-hosts = [{listed}]\n")
        return self.write("remote.toml", self.tables)

    def test_a_name_whose_tls_would_end_here_is_refused_without_a_certificate(self):
        front = self.start_front()
        program = self.offering("A", ("bare", self.first, "https://bare"), ("web", self.first, "https://app"))
        self.is_declined(program, "bare", "no_certificate", "bare.example.com")
        self.assertEqual(word_of(front, APP), "first")

    def test_without_an_address_for_names_the_service_is_refused(self):
        _, self.control, _ = self.remote("--secrets-file", self.secrets_path, "--service", f"other={HOST}:0")
        program = self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files["A"],
                             "--service", f"web={show_address(self.first.address)}@tls://app.example.com")
        self.assertIn("--https-addr", self.declined(program, "web", "not_allowed")["reason"])

    def test_without_a_secret_nobody_may_choose_a_name(self):
        self.front()
        program = self.start("origin-proxy", "--remote-proxy-addr", self.control, "--service",
                             f"web={show_address(self.first.address)}@tls://app")
        self.assertIn("--secret-file", self.declined(program, "web", "not_allowed")["reason"])

    def test_the_remote_proxy_does_not_start_with_names_and_nothing_to_reach_them_at(self):
        named, somewhere = ["--service", "web=https://app.example.com"], ["--outside-addr", f"{HOST}:0"]
        https, domain = ["--https-addr", f"{HOST}:0"], ["--domain", "example.com"]
        for flags, says in ((named, "--https-addr"), (domain + somewhere, "--https-addr"),
                            (["--certificates", self.certificates, *somewhere], "--https-addr"),
                            (named + https, "--certificates"),
                            (["--acme-webroot", self.certificates, *https, *domain], "--http-addr")):
            with self.subTest(flags):
                program = self.start("remote-proxy", "--control-addr", f"{HOST}:0", *flags)
                program.wait_exit(code=2)
                self.assertIn(says, program.output())

    def test_the_remote_proxy_takes_no_pattern_that_is_none(self):
        for name in ("a..example.com", "10.0.0.1", "b\u00fccher.example", "*a.example.com", "a.*.example.com", "x" * 64,
                     "https://app.example.com/path", "app.example.com:443", "-.", ""):
            with self.subTest(name):
                program = self.start("origin-proxy", "--remote-proxy-addr", f"{HOST}:1", "--secret-file",
                                     self.files["A"], "--service", f"web={HOST}:1@tls://{name or '/x'}")
                program.wait_exit(code=2)


class Waiting(Claims):
    def both(self):
        """A has the name, and B waits for it; A's file, too."""
        front = self.start_front()
        path = self.origin_file(["web", "other"])
        first = self.start("origin-proxy", "--remote-proxy-addr", self.control, "--config", path)
        first.wait_line("^ready ", stream="stdout")
        second = self.offering("B", ("mine", self.second, "https://app"), wait=False)
        self.declined(second, "mine", "host_taken")
        self.assertEqual(word_of(front, APP), "first")
        return front, first, second

    def origin_file(self, services):
        names = {"web": "https://app", "other": "tls://other"}
        return self.write("origin.toml", f'secret-file = "{self.files["A"]}"\n' + "".join(
            f'[services.{each}]\norigin-server-addr = "{show_address(self.first.address)}"\noutside = "{names[each]}"\n'
            for each in services))

    def test_who_waits_gets_the_name_when_the_first_withdraws_it(self):
        front, first, second = self.both()
        self.origin_file(["other"])
        first.send_signal(signal.SIGHUP)
        second.wait_line(r"^ready .*mine=https://app.example.com", stream="stdout")
        self.assertEqual(word_of(front, APP), "second")
        # And back.
        self.origin_file(["web", "other"])
        first.send_signal(signal.SIGHUP)
        self.declined(first, "web", "host_taken")
        self.assertEqual(word_of(front, APP), "second")
        self.end(second)
        poll(lambda: self.is_served_by(front, "first"), "the first has it again")

    def test_who_waits_gets_the_name_when_the_first_leaves(self):
        front, first, second = self.both()
        first.stop(code=0)
        second.wait_line(r"^ready .*mine=https://app.example.com", stream="stdout")
        self.assertEqual(word_of(front, APP), "second")

    def test_after_a_kill_who_waits_gets_the_name_when_the_time_has_passed_and_not_before(self):
        front, first, second = self.both()
        first.kill()
        lost = Tunnel.wait_log(self.remote_program, lambda line: line["message"] == "lost the origin proxy")
        second.wait_line(r"^ready .*mine=https://app.example.com", stream="stdout")
        opened = Tunnel.wait_log(self.remote_program, lambda line: line["message"] == "service opened" and
                                 line.get("name", "").startswith("B/"))
        self.assertGreaterEqual(seconds_of(opened) - seconds_of(lost), PATIENCE - 0.1)
        self.assertEqual(word_of(front, APP), "second")

    def test_after_a_kill_the_same_origin_proxy_gets_its_name_back_at_once_although_another_waits(self):
        front = self.front("--secrets-file", self.secrets_path, "--pairing-timeout", "30s")
        offered = ("web", self.first, "https://app")
        first = self.offering("A", offered)
        second = self.offering("B", ("mine", self.second, "https://app"), wait=False)
        self.declined(second, "mine", "host_taken")
        first.kill()
        Tunnel.wait_log(self.remote_program, lambda line: line["message"] == "lost the origin proxy")
        began = time.monotonic()
        self.offering("A", offered)
        self.assertEqual(word_of(front, APP), "first")
        self.assertLess(time.monotonic() - began, 15)

    @staticmethod
    def is_served_by(front, word):
        try:
            return word_of(front, APP) == word
        except OSError:
            return False


def seconds_of(line):
    hours, minutes, seconds = line["time"].partition("T")[2].rstrip("Z").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


if __name__ == "__main__":
    unittest.main()
