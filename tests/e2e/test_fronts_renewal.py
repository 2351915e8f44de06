"""Certificates that are renewed, break or go while visitors come all the time."""

import os
import signal
import unittest

from fronts import (
    request_of, UNRECOGNIZED_NAME, AtFronts, Crowd, alert_of, authority, read_answer, s_client, secured, web, word_of)
from support import Tunnel, poll

ONE, TWO = "one.example.com", "two.example.com"


class Renewal(AtFronts):
    def setUp(self):
        super().setUp()
        self.with_secrets("A")
        self.one, self.two = self.enterContext(web("one")), self.enterContext(web("two"))

    def open_one(self, *flags, certificates=None):
        front = self.front("--secrets-file", self.secrets_path, *flags, certificates=certificates)
        self.offering("A", ("one", self.one, "https://one"), ("two", self.two, "https://two"))
        return front

    def reload(self, *, says="reloaded"):
        lines = len(self.remote_program.lines)
        self.remote_program.send_signal(signal.SIGHUP)
        return self.remote_program.wait_line(rf"^\S+ \w+ +.*{says}.*$", start=lines)[0]

    @staticmethod
    def serial(front, name=ONE):
        """Of the certificate that a fresh visitor, who is served, is shown."""
        with secured(front, name) as visitor:
            visitor.sendall(request_of(visitor))
            word = read_answer(visitor)
            if name != f"{word}.example.com":
                raise AssertionError(f"{name} is served by {word}")
            return visitor.getpeercert()["serialNumber"]

    def renew_under_load(self, front, renew, tell, times=3):
        """No visitor fails, and each time they are shown the new one."""
        with secured(front, ONE) as standing, Crowd(lambda: self.serial(front)) as crowd:
            standing.sendall(request_of(standing))
            self.assertEqual(read_answer(standing), "one")
            for _ in range(times):
                crowd.wait_more(5)
                before = crowd.served[-1]
                renew()
                tell()
                crowd.wait_more(10, lambda serial, before=before: serial != before)
                standing.sendall(request_of(standing))
                self.assertEqual(read_answer(standing), "one")
        self.assertEqual(crowd.failed, [])
        self.assertEqual(len(set(crowd.served)), times + 1)


class UnderLoad(Renewal):
    def test_one_that_is_replaced_is_shown_after_sighup_and_no_visitor_fails(self):
        authority().put(self.certificates, ONE)
        front = self.open_one()
        self.renew_under_load(front, lambda: authority().put(self.certificates, ONE), self.reload)

    def test_one_that_certbot_renews_is_shown_after_sighup(self):
        place = self.folder.path("letsencrypt")
        live = authority().put_as_certbot(place, ONE)
        front = self.open_one(certificates=live)
        self.renew_under_load(front, lambda: authority().put_as_certbot(place, ONE), self.reload)

    def test_one_that_is_replaced_is_shown_by_itself_with_watch(self):
        authority().put(self.certificates, ONE)
        front = self.open_one("--watch")
        self.renew_under_load(front, lambda: authority().put(self.certificates, ONE), lambda: None)

    def test_one_that_certbot_renews_is_shown_by_itself_with_watch(self):
        place = self.folder.path("letsencrypt")
        live = authority().put_as_certbot(place, ONE)
        front = self.open_one("--watch", certificates=live)
        self.renew_under_load(front, lambda: authority().put_as_certbot(place, ONE), lambda: None)


class Broken(Renewal):
    def test_one_that_is_broken_changes_nothing_and_the_file_is_named(self):
        certificate, key = authority().put(self.certificates, ONE)
        front = self.open_one()
        before = self.serial(front)
        with open(certificate, encoding="ascii") as file:
            good = file.read()
        with Crowd(lambda: self.serial(front)) as crowd:
            for nonsense in ("", "nonsense\n", good[:len(good) // 2]):
                with open(certificate, "w", encoding="ascii") as file:
                    file.write(nonsense)
                self.assertIn(certificate, self.reload(says="cannot reload, so nothing has changed"))
                crowd.wait_more(5)
            with open(certificate, "w", encoding="ascii") as file:
                file.write(good)
            os.rename(key, key + ".away")
            self.assertIn(certificate, self.reload(says="cannot reload, so nothing has changed"))
            crowd.wait_more(5)
            os.rename(key + ".away", key)
            self.reload()
            crowd.wait_more(5)
        self.assertEqual((crowd.failed, set(crowd.served)), ([], {before}))
        authority().put(self.certificates, ONE)
        self.reload()
        self.assertNotEqual(self.serial(front), before)

    def test_a_service_opens_when_its_certificate_comes(self):
        authority().put(self.certificates, ONE)
        front = self.open_one()
        self.declined(self.remote_program, "two", "no_certificate")
        self.assertEqual(alert_of(front, TWO), UNRECOGNIZED_NAME)
        authority().put(self.certificates, TWO)
        self.reload()
        Tunnel.wait_log(self.remote_program,
                        lambda line: line["message"] == "service opened" and line["service"] == "two")
        self.assertEqual([word_of(front, ONE), word_of(front, TWO)], ["one", "two"])

    def test_visitors_of_a_name_whose_certificate_has_gone_are_told_and_others_are_served(self):
        authority().put(self.certificates, ONE)
        certificate, key = authority().put(self.certificates, TWO)
        front = self.open_one()
        with secured(front, TWO) as standing:
            standing.sendall(request_of(standing))
            self.assertEqual(read_answer(standing), "two")
            for each in (certificate, key):
                os.remove(each)
            self.reload()
            self.assertEqual(alert_of(front, TWO), UNRECOGNIZED_NAME)
            self.assertEqual(word_of(front, ONE), "one")
            standing.sendall(request_of(standing))
            self.assertIn("503 Service Unavailable", read_answer(standing))
        authority().put(self.certificates, TWO)
        self.reload()
        poll(lambda: self.is_served(front), "the other is served again")

    @staticmethod
    def is_served(front):
        try:
            return word_of(front, TWO) == "two"
        except OSError:
            return False


class Resumption(Renewal):
    def test_a_session_is_resumed_across_a_reload(self):
        authority().put(self.certificates, ONE)
        front = self.open_one()
        for version in ("-tls1_2", "-tls1_3"):
            with self.subTest(version):
                session = self.folder.path("session" + version)
                self.assertIn("New, TLSv1", s_client(front, ONE, version, "-sess_out", session))
                self.assertIn("Reused, TLSv1", s_client(front, ONE, version, "-sess_in", session))
                self.reload()
                self.assertIn("Reused, TLSv1", s_client(front, ONE, version, "-sess_in", session))
                # Nor does it matter that the certificate is another one meanwhile.
                authority().put(self.certificates, ONE)
                self.reload()
                self.assertIn("Reused, TLSv1", s_client(front, ONE, version, "-sess_in", session))

    def test_no_session_is_resumed_under_another_name(self):
        authority().put(self.certificates, ONE)
        authority().put(self.certificates, TWO)
        front = self.open_one()
        for version in ("-tls1_2", "-tls1_3"):
            with self.subTest(version):
                session = self.folder.path("session" + version)
                s_client(front, ONE, version, "-sess_out", session)
                said = s_client(front, TWO, version, "-sess_in", session)
                self.assertIn("New, TLSv1", said)
                self.assertIn("subject=CN = two.example.com", said)


if __name__ == "__main__":
    unittest.main()
