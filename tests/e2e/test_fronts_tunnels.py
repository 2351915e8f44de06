"""threshold's PUT /tunnels with several globs at one port: names by SNI, of two clients."""

import unittest

from fronts import request_of, AtFronts, Crowd, read_answer, secured, web, word_of
from managing import Api, tunnel
from support import HOST, free_port, poll


class Globs(AtFronts):
    """Two clients of one port."""

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.names = ("one.example.com", "two.example.com", "a.wild.example.com", "b.wild.example.com")
        self.with_secrets("TestClient1", "TestClient2")

    def start_all(self, *flags):
        self.remote_program, self.control, self.api = self.managed_remote("--secrets-file", self.secrets_path, *flags)

    def come(self, name, server):
        return self.client(self.control, name, self.files, server)

    def glob(self, glob, client, **others):
        return tunnel(self.port, client, ListenHostnameGlob=glob, **others)

    def word(self, name):
        return word_of((HOST, self.port), name)

    def test_two_globs_of_one_port_lead_to_two_clients_and_the_most_specific_goes_first(self):
        self.start_all()
        with web("first", *self.names) as first, web("second", *self.names) as second:
            self.come("TestClient1", first)
            self.come("TestClient2", second)
            wanted = [self.glob("*.wild.example.com", "TestClient1"), self.glob("a.wild.example.com", "TestClient2"),
                      self.glob("one.example.com", "TestClient1"), self.glob("*", "TestClient2")]
            for order in (wanted, wanted[::-1]):
                self.assertEqual(self.api.put(order), order)
                self.assertEqual(self.api.get("/tunnels"), order)
                self.assertEqual({name: self.word(name) for name in self.names},
                                 {"one.example.com": "first", "two.example.com": "second",
                                  "a.wild.example.com": "second", "b.wild.example.com": "first"})
            listed = [each["outside"] for each in self.api.get("/v1/services")["services"]]
            self.assertEqual(len(listed), 4)
            self.assertTrue(any("a.wild.example.com" in each for each in listed), listed)

    def test_a_glob_goes_over_to_the_other_client_and_no_visitor_fails(self):
        self.start_all()
        with web("first", *self.names) as first, web("second", *self.names) as second:
            self.come("TestClient1", first)
            self.come("TestClient2", second)
            self.api.put([self.glob("one.example.com", "TestClient1"), self.glob("two.example.com", "TestClient2")])
            with Crowd(lambda: self.word("one.example.com")) as moving, \
                    Crowd(lambda: self.word("two.example.com")) as standing:
                for client, word in (("TestClient2", "second"), ("TestClient1", "first")) * 10:
                    self.api.put([self.glob("one.example.com", client), self.glob("two.example.com", "TestClient2")])
                    moving.wait_more(5, lambda each, word=word: each == word)
                standing.wait_more(5)
            self.assertEqual((moving.failed, standing.failed), ([], []))
            self.assertEqual((set(moving.served), set(standing.served)), ({"first", "second"}, {"second"}))

    def test_one_is_taken_away_and_the_visitors_of_the_other_notice_nothing(self):
        self.start_all()
        with web("first", *self.names) as first, web("second", *self.names) as second:
            self.come("TestClient1", first)
            self.come("TestClient2", second)
            one, two = self.glob("one.example.com", "TestClient1"), self.glob("two.example.com", "TestClient2")
            self.api.put([one, two])
            with Crowd(lambda: self.word("two.example.com")) as crowd, \
                    secured((HOST, self.port), "one.example.com") as left:
                for _ in range(10):
                    self.api.put([two])
                    crowd.wait_more(5)
                    with self.assertRaises(OSError):
                        self.word("one.example.com")
                    self.api.put([two, one])
                    self.assertEqual(self.word("one.example.com"), "first")
                left.sendall(request_of(left))
                self.assertEqual(read_answer(left), "first")
            self.assertEqual(crowd.failed, [])

    def test_the_state_file_keeps_them_across_a_restart(self):
        state = self.folder.path("state.json")
        control = f"{HOST}:{free_port()}"
        flags = ["--secrets-file", self.secrets_path, "--state-file", state]

        def start_remote():
            where = self.management("remote")
            program = self.start("remote-proxy", "--control-addr", control, "--management-addr", where, *flags)
            program.wait_line("^ready ", stream="stdout")
            return program, where

        with web("first", *self.names) as first, web("second", *self.names) as second:
            program, where = start_remote()
            self.control, self.api = control, Api(where)
            self.come("TestClient1", first)
            self.come("TestClient2", second)
            wanted = [self.glob("one.example.com", "TestClient1"), self.glob("*.wild.example.com", "TestClient2")]
            self.api.put(wanted)
            self.assertEqual(self.word("one.example.com"), "first")
            self.end(program)
            _, where = start_remote()
            self.api = Api(where)
            self.assertEqual(self.api.get("/tunnels"), wanted)
            poll(lambda: self.are_served(), "both are reached again")

    def are_served(self):
        try:
            return [self.word(name) for name in ("one.example.com", "b.wild.example.com")] == ["first", "second"]
        except OSError:
            return False

    def test_one_of_them_is_drained_and_resumed_and_the_other_goes_on(self):
        self.start_all()
        with web("first", *self.names) as first, web("second", *self.names) as second:
            self.come("TestClient1", first)
            self.come("TestClient2", second)
            self.api.put([self.glob("one.example.com", "TestClient1"), self.glob("two.example.com", "TestClient2")])
            drained = next(each["name"] for each in self.api.get("/v1/services")["services"]
                           if "one.example.com" in each["name"])
            path = "/v1/services/" + drained.replace("/", "%2F")
            with Crowd(lambda: self.word("two.example.com"), 1) as crowd, \
                    secured((HOST, self.port), "one.example.com") as visitor:
                self.api.post(path + "/drain")
                with self.assertRaises(OSError):
                    self.word("one.example.com")
                visitor.sendall(request_of(visitor))
                self.assertEqual(read_answer(visitor), "first")
                crowd.wait_more(5)
                self.api.post(path + "/resume")
                self.assertEqual(self.word("one.example.com"), "first")
                crowd.wait_more(5)
            self.assertEqual(crowd.failed, [])

    def test_a_client_that_leaves_takes_only_its_own_globs_with_it(self):
        self.start_all("--pairing-timeout", "1s")
        with web("first", *self.names) as first, web("second", *self.names) as second:
            leaving = self.come("TestClient1", first)
            self.come("TestClient2", second)
            self.api.put([self.glob("one.example.com", "TestClient1"), self.glob("two.example.com", "TestClient2")])
            with Crowd(lambda: self.word("two.example.com"), 1) as crowd:
                self.end(leaving)
                poll(lambda: self.is_refused("one.example.com"), "visitors of the one are refused")
                crowd.wait_more(5)
                self.come("TestClient1", first)
                poll(lambda: not self.is_refused("one.example.com"), "they are served again")
            self.assertEqual(crowd.failed, [])

    def is_refused(self, name):
        try:
            return not self.word(name)
        except OSError:
            return True


if __name__ == "__main__":
    unittest.main()
