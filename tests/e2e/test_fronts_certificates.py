"""Certificates by name: the layouts in which they come, which one a visitor is shown, and what is said of bad ones."""

import os
import shutil
import unittest

from certificates import RSA
from fronts import AtFronts, authority, curl_word_of, s_client, said_last, web, word_of
from support import HOST

ONE, TWO = "one.example.com", "two.example.com"


def serial_in(text):
    """That of the certificate which s_client shows."""
    return text.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END")[0]


class Certificates(AtFronts):
    def setUp(self):
        super().setUp()
        self.with_secrets("A")
        self.one = self.enterContext(web("one"))
        self.two = self.enterContext(web("two"))

    def open_both(self, *flags, certificates=None):
        front = self.front("--secrets-file", self.secrets_path, *flags, certificates=certificates)
        self.offering("A", ("one", self.one, "https://one"), ("two", self.two, "https://two"))
        return front


class Layouts(Certificates):
    def test_the_folder_of_certbot_is_read_through_its_links(self):
        place = self.folder.path("letsencrypt")
        authority().put_as_certbot(place, ONE)
        live = authority().put_as_certbot(place, TWO, "www.example.com")
        front = self.open_both(certificates=live)
        self.assertEqual([word_of(front, ONE), curl_word_of(front, TWO)], ["one", "two"])

    def test_the_folder_of_lego_is_read_with_its_wildcards_and_without_its_issuers(self):
        place = self.folder.path("lego")
        os.mkdir(place)
        authority().put_as_lego(place, "*.example.com")
        authority().put_as_lego(place, ONE)
        self.assertEqual(sorted(os.listdir(place))[:2], ["_.example.com.crt", "_.example.com.issuer.crt"])
        front = self.open_both(certificates=place)
        self.assertEqual([word_of(front, ONE), curl_word_of(front, TWO)], ["one", "two"])
        for name in (ONE, TWO):  # its own is preferred
            self.assertIn(f"subject=CN = {name if name == ONE else '*.example.com'}", s_client(front, name))

    def test_several_folders_are_read(self):
        live = authority().put_as_certbot(self.folder.path("letsencrypt"), ONE)
        authority().put(self.certificates, TWO)
        front = self.open_both("--certificates", live)
        self.assertEqual([word_of(front, ONE), word_of(front, TWO)], ["one", "two"])

    def test_a_folder_of_one_certificate_may_be_given_itself(self):
        place = self.folder.path("letsencrypt")
        authority().put_as_certbot(place, ONE, TWO)
        front = self.open_both(certificates=os.path.join(place, "live", ONE))
        self.assertEqual([word_of(front, ONE), word_of(front, TWO)], ["one", "two"])

    def test_a_configuration_file_may_say_the_folders(self):
        authority().put(self.certificates, ONE, TWO)
        config = self.write("remote.toml", f'certificates = ["{self.certificates}"]\nhttps-addr = ["{HOST}:0"]\n'
                            'domain = "example.com"\n' + self.tables)
        _, self.control, there = self.remote("--config", config)
        self.offering("A", ("one", self.one, "https://one"))
        self.assertEqual(word_of(there["https"], ONE), "one")


class Kinds(Certificates):
    def test_of_an_rsa_and_an_ecdsa_certificate_a_visitor_is_shown_the_one_that_it_can_verify(self):
        authority().put(self.certificates, ONE, TWO, file="ecdsa")
        authority().put(self.certificates, ONE, file="rsa", kind=RSA)
        front = self.open_both()
        for words, kind in ((["-sigalgs", "ECDSA+SHA256"], "ECDSA"),
                            (["-sigalgs", "RSA-PSS+SHA256:RSA+SHA256"], "RSA-PSS"),
                            (["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "RSA"),
                            (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "ECDSA")):
            with self.subTest(words):
                said = s_client(front, ONE, "-verify_return_error", *words)
                self.assertRegex(said, rf"Peer signature type: {kind}")
                self.assertEqual(said_last(said), "one")
        # Of the other name there is one kind only.
        said = s_client(front, TWO, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256", check=False)
        self.assertIn("handshake failure", said)

    def test_of_two_for_one_name_the_one_that_is_good_for_longer_is_shown(self):
        authority().put(self.certificates, ONE, TWO, file="a", days=50)
        authority().put(self.certificates, ONE, file="b", days=70)
        authority().put(self.certificates, ONE, file="c", days=60)
        front = self.open_both()
        with open(os.path.join(self.certificates, "b.crt"), encoding="ascii") as file:
            self.assertEqual(serial_in(s_client(front, ONE)), serial_in(file.read()))


class Refused(Certificates):
    def does_not_start(self, says, certificates=None):
        """Nor does `check` find it good."""
        flags = ["--control-addr", f"{HOST}:0", "--https-addr", f"{HOST}:0", "--secrets-file", self.secrets_path,
                 "--domain", "example.com", "--certificates", certificates or self.certificates]
        for words in ([], ["check"]):
            program = self.start("remote-proxy", *words, *flags)
            program.wait_exit(code=2)
            self.assertIn(says, program.output())

    def test_a_certificate_without_its_key_is_refused_at_the_start(self):
        certificate, key = authority().put(self.certificates, ONE)
        os.remove(key)
        self.does_not_start(f"there is no key for the certificate in {certificate}")

    def test_a_key_of_another_certificate_is_refused_at_the_start(self):
        _, key = authority().put(self.certificates, ONE)
        _, other = authority().put(self.certificates, TWO)
        shutil.copy(other, key)
        self.does_not_start(key)

    def test_what_is_no_certificate_is_refused_at_the_start(self):
        certificate, _ = authority().put(self.certificates, ONE)
        with open(certificate, "w", encoding="ascii") as file:
            file.write("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
        self.does_not_start(certificate)

    def test_a_folder_that_is_not_there_is_refused_at_the_start(self):
        missing = self.folder.path("missing")
        self.does_not_start(missing, missing)

    def test_a_folder_with_other_things_is_refused_at_the_start_and_an_empty_one_is_not(self):
        front = self.front("--secrets-file", self.secrets_path)
        self.assertTrue(front)
        self.remote_program.wait_line("there is no certificate in .* yet")
        with open(os.path.join(self.certificates, "server.pem"), "w", encoding="ascii") as file:
            file.write("something")
        self.does_not_start("there is no certificate in")

    def test_one_that_has_expired_is_shown_and_warned_of(self):
        certificate, _ = authority().put(self.certificates, ONE, TWO, days=-1)
        front = self.open_both()
        self.remote_program.wait_line(rf"warn .*{certificate}.*it expired at")
        self.assertEqual(said_last(s_client(front, ONE, "-no_check_time", "-verify_return_error")), "one")


if __name__ == "__main__":
    unittest.main()
