"""Names that go from one origin proxy to another while visitors come all the time: none of them notices."""

import signal
import unittest

from fronts import (
    AtFronts, Crowd, SlowWeb, authority, curl_word_of, read_answer, request_of, s_client, said_last, secured, web,
    word_of)
from support import DEADLINE, Tunnel, show_address

APP, OPAQUE = "app.example.com", "db.example.com"


class Moves(AtFronts):
    serial = True

    def setUp(self):
        super().setUp()
        authority().put(self.certificates, APP)
        self.with_secrets("A", "B")

    def test_origin_proxies_follow_each_other_and_no_visitor_fails(self):
        """A service of the remote proxy's file: either may serve it, so one is started before the other is stopped."""
        path = self.write("remote.toml", self.tables + '[services.app]\nkind = "https"\nhosts = ["app"]\n'
                          '[services.db]\nkind = "tls"\nhosts = ["db"]\n')
        front = self.front("--config", path)
        with web("A") as app_a, web("B") as app_b, web("A", OPAQUE) as db_a, web("B", OPAQUE) as db_b:
            servers = {"A": (app_a, db_a), "B": (app_b, db_b)}

            def start(name):
                app, db = servers[name]
                program = self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file",
                                     self.files[name], "--service", f"app={show_address(app.address)}",
                                     "--service", f"db={show_address(db.address)}")
                program.wait_line("^ready ", stream="stdout")
                return program

            present, name = start("A"), "A"
            with Crowd(lambda: word_of(front, APP)) as ended, Crowd(lambda: word_of(front, OPAQUE)) as opaque, \
                    Crowd(lambda: curl_word_of(front, APP), 1) as curls, \
                    Crowd(lambda: said_last(s_client(front, OPAQUE)), 1) as clients:
                crowds = (ended, opaque, curls, clients)
                for _ in range(4):
                    for crowd in crowds:
                        crowd.wait_more(5)
                    name = "B" if name == "A" else "A"
                    following = start(name)
                    present.stop(code=0)
                    present = following
                    for crowd in crowds:
                        crowd.wait_more(5, lambda word, wanted=name: word == wanted)
            for crowd in crowds:
                self.assertEqual(crowd.failed, [])
                self.assertEqual(set(crowd.served), {"A", "B"})

    def test_what_is_under_way_ends_with_the_origin_proxy_that_is_stopping(self):
        """A request, where each has an origin proxy found for it, else the connection."""
        path = self.write("remote.toml", self.tables + '[services.app]\nkind = "https"\nhosts = ["app"]\n'
                          '[services.db]\nkind = "tls"\nhosts = ["db"]\n')
        front = self.front("--config", path)
        with SlowWeb("A") as first, web("B") as second, web("A", OPAQUE) as db_first, web("B", OPAQUE) as db_second:
            def start(name, app, db):
                program = self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file",
                                     self.files[name], "--service", f"app={show_address(app.address)}",
                                     "--service", f"db={show_address(db.address)}")
                program.wait_line("^ready ", stream="stdout")
                return program

            present = start("A", first, db_first)
            with secured(front, APP) as visitor, secured(front, OPAQUE) as opaque:
                opaque.sendall(request_of(opaque))
                self.assertEqual(read_answer(opaque), "A")
                visitor.sendall(request_of(visitor))
                self.assertTrue(first.asked.acquire(timeout=DEADLINE))
                start("B", second, db_second)
                present.send_signal(signal.SIGTERM)
                Tunnel.wait_log(self.remote_program, lambda line: line["message"] == "origin proxy left")
                self.assertEqual([word_of(front, name) for name in (APP, OPAQUE)], ["B", "B"])
                first.answers.release()
                self.assertEqual(read_answer(visitor), "A")
                visitor.sendall(request_of(visitor))
                self.assertEqual(read_answer(visitor), "B")
                opaque.sendall(request_of(opaque))
                self.assertEqual(read_answer(opaque), "A")
            present.wait_exit(code=0)


if __name__ == "__main__":
    unittest.main()
