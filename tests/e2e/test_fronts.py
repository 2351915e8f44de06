"""Many names at one port: each visitor reaches the server of the name that it asks for, and no other."""

import concurrent.futures
import re
import unittest

from faults import Wire
from fronts import AtFronts, authority, curl_word_of, s_client, said_last, web, word_of
from support import Tunnel, parse_address, poll, show_address


class ByName(AtFronts):
    def setUp(self):
        super().setUp()
        for name in ("one.example.com", "two.example.com", "*.wild.example.com"):
            authority().put(self.certificates, name)

    def test_each_of_five_names_of_three_origin_proxies_is_reached_at_one_port_and_no_other(self):
        self.with_secrets("A", "B", "C")
        front = self.front("--secrets-file", self.secrets_path)
        whole = {label: f"{label}.example.com" for label in ("one", "two", "three", "four", "five")}
        with web("one") as one, web("two") as two, web("three", whole["three"]) as three, \
                web("four", whole["four"]) as four, web("five", whole["five"]) as five:
            self.offering("A", ("web", one, "https://one"), ("mail", three, "tls://three"))
            self.offering("B", ("web", four, "tls://four"), ("app", two, "https://two.example.com"))
            self.offering("C", ("web", five, "tls://five.example.com"))
            wanted = list(whole) * 12
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                self.assertEqual(list(pool.map(lambda label: word_of(front, whole[label]), wanted)), wanted)
                self.assertEqual(list(pool.map(lambda label: curl_word_of(front, whole[label]), whole)), list(whole))
            for label, name in whole.items():
                said = s_client(front, name, "-verify_return_error", "-verify_hostname", name)
                self.assertIn("Verification: OK", said)
                self.assertEqual(said_last(said), label)

    def test_upper_case_and_a_trailing_dot_are_the_same_name(self):
        self.with_secrets("A")
        front = self.front("--secrets-file", self.secrets_path)
        with web("one") as one, web("three", "three.example.com") as three:
            self.offering("A", ("one", one, "https://ONE.Example.com."), ("three", three, "tls://Three"))
            careless = authority().trusting(check_hostname=False)
            for label in ("one", "three"):
                for name in (f"{label}.example.com", f"{label.upper()}.EXAMPLE.com", f"{label}.example.com."):
                    with self.subTest(name):
                        self.assertEqual(word_of(front, name, careless), label)
                self.assertEqual(curl_word_of(front, f"{label.upper()}.Example.COM"), label)

    def test_the_most_specific_name_goes_first_whichever_came_first(self):
        self.with_secrets("A", allow={"A": ["*.wild.example.com", "*.deep.wild.example.com", "wild.example.com"]})
        authority().put(self.certificates, "*.deep.wild.example.com")
        authority().put(self.certificates, "exact.wild.example.com", "x.y.wild.example.com")
        front = self.front("--config", self.folder.path("remote.toml"))
        with web("any") as every, web("deep") as deep, web("exact") as exact:
            wide = ("any", every, "https://*.wild.example.com")
            for order in ((wide, ("deep", deep, "https://*.deep.wild.example.com"),
                           ("exact", exact, "https://exact.wild.example.com")),) * 2:
                program = self.offering("A", *order)
                for name, word in (("exact", "exact"), ("other", "any"), ("x.deep", "deep"), ("deep", "any"),
                                   ("x.y", "any")):
                    with self.subTest(name):
                        self.assertEqual(word_of(front, f"{name}.wild.example.com"), word)
                self.end(program)

    def test_a_name_of_the_options_is_preferred_to_a_wildcard_of_an_origin_proxy(self):
        text = self.with_secrets("A", "B", allow={"A": ["*.wild.example.com"]})
        with open(text, encoding="ascii") as file:
            tables = file.read()
        self.write("remote.toml", tables + '[services.fixed]\nkind = "https"\nhosts = ["a.wild.example.com"]\n')
        front = self.front("--config", text)
        with web("any") as every, web("fixed") as fixed:
            self.offering("A", ("any", every, "https://*.wild.example.com"))
            program = self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files["B"],
                                 "--service", f"fixed={show_address(fixed.address)}")
            program.wait_line("^ready ", stream="stdout")
            self.assertEqual(word_of(front, "a.wild.example.com"), "fixed")
            self.assertEqual(word_of(front, "b.wild.example.com"), "any")


class RandomLabels(AtFronts):
    def setUp(self):
        super().setUp()
        authority().put(self.certificates, "*.example.com")
        self.with_secrets("A", "B")

    def test_a_random_label_stays_when_the_control_connection_is_lost_and_differs_for_each_service(self):
        front = self.front("--secrets-file", self.secrets_path)
        with web("one") as one, web("two") as two, Wire(parse_address(self.control)) as wire:
            self.control = show_address(wire.address)
            program = self.offering("A", ("one", one, "https://"), ("two", two, "https://"))
            hosts = self.hosts_of(program)
            self.assertEqual(sorted(hosts), ["one", "two"])
            self.assertNotEqual(hosts["one"], hosts["two"])
            for label, host in hosts.items():
                self.assertRegex(host, r"^[a-z0-9]{8,}\.example\.com$")
                self.assertEqual(word_of(front, host), label)
            lines = len(program.lines)
            wire.cut()
            Tunnel.wait_log(program, lambda line: line["message"] == "logged in", start=lines)
            poll(lambda: self.words(front, hosts) == ["one", "two"], "both are reached by their names again")
            shown = [each["outside"] for each in self.api.get("/v1/services")["services"]]
            self.assertEqual(sorted(re.findall(r"//(.*?):", " ".join(shown))), sorted(hosts.values()))

    def test_another_origin_proxy_gets_other_random_labels(self):
        self.front("--secrets-file", self.secrets_path)
        with web("one") as one:
            first = self.offering("A", ("one", one, "https://"))
            second = self.offering("B", ("one", one, "https://"))
            self.assertNotEqual(self.hosts_of(first)["one"], self.hosts_of(second)["one"])

    @staticmethod
    def words(front, hosts):
        try:
            return [word_of(front, hosts[name]) for name in sorted(hosts)]
        except OSError:
            return None


if __name__ == "__main__":
    unittest.main()
