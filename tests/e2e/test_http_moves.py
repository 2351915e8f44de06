"""Names that come, go and move while requests for them come all the time: none that is safe fails."""

import contextlib
import signal
import threading
import unittest

from faults import visit
from http_fronts import AtHttp, HttpServer, HttpVisitor, request
from support import Tunnel, binary, poll, run, show_address


class Requests:
    """Visitors who ask again and again over connections that they keep while the block lasts. `words` are the answers
    of status 200, `failed` all else; a connection that is closed between two requests is no failure, as for a browser:
    the request is sent once more over a new one."""

    def __init__(self, address, host, count=4, close_each=None):
        self.words, self.failed, self.opened = [], [], 0
        self._address, self._host, self._close_each = address, host, close_each
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._come, daemon=True) for _ in range(count)]

    def _ask(self, visitor):
        visitor.say(request(self._host))
        first = visitor.connection.recv(1 << 16)  # as long as nothing has come it may be sent again
        if not first:
            raise ConnectionResetError
        visitor.reader.buffer += first
        return visitor.answer()

    def _come(self):
        visitor, used = None, 0
        while not self._over.is_set():
            try:
                if visitor is None:
                    visitor, used = HttpVisitor(visit(self._address)), 0
                    self.opened += 1
                try:
                    answer = self._ask(visitor)
                except (ConnectionResetError, BrokenPipeError) as error:
                    visitor.connection.close()
                    visitor = None
                    if used == 0:
                        self.failed.append(f"a new connection: {error!r}")
                    continue
                used += 1
                if answer.status == 200:
                    self.words.append(answer.word)
                else:
                    self.failed.append(f"{answer.status} {answer.word}")
                if answer.get("connection") == "close" or used == self._close_each:
                    visitor.connection.close()
                    visitor = None
            except (OSError, AssertionError) as error:
                self.failed.append(repr(error))
                visitor = None
        if visitor:
            visitor.connection.close()

    def wait_more(self, count=20, fits=lambda word: True):
        before = len(self.words)
        poll(lambda: sum(map(fits, self.words[before:])) >= count or self.failed, "more requests are answered")

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()


class Moves(AtHttp):
    serial = True

    def provider(self, name, server, *flags):
        """An origin proxy that serves app of the remote proxy's file."""
        program = self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files[name],
                             "--service", f"app={show_address(server.address)}", *flags)
        program.wait_line("^ready ", stream="stdout")
        return program

    def open_app(self, *flags, more=""):
        self.open(*flags, origins=("A", "B"), config=f'[services.app]\nkind = "http"\nhosts = ["app"]\n{more}')
        return {name: self.enterContext(HttpServer(name)) for name in ("A", "B")}

    def crowds(self, host="app.example.com"):
        """Those who keep their connection, and those who have a new one for each request."""
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        kept = stack.enter_context(Requests(self.http, host))
        fresh = stack.enter_context(Requests(self.http, host, 2, close_each=1))
        return stack, (kept, fresh)

    def test_origin_proxies_follow_each_other_and_no_request_fails(self):
        servers = self.open_app()
        present, name = self.provider("A", servers["A"]), "A"
        stack, crowds = self.crowds()
        with stack:
            for _ in range(4):
                for crowd in crowds:
                    crowd.wait_more(20)
                name = "B" if name == "A" else "A"
                following = self.provider(name, servers[name])
                present.stop(code=0)
                present = following
                for crowd in crowds:
                    crowd.wait_more(20, lambda word, wanted=name: word == wanted)
        for crowd in crowds:
            self.assertEqual(crowd.failed, [])
            self.assertEqual(set(crowd.words), {"A", "B"})

    def test_after_a_drain_requests_go_to_the_other_and_none_fails(self):
        servers = self.open_app()
        self.provider("A", servers["A"])
        self.provider("B", servers["B"])
        stack, crowds = self.crowds()
        with stack:
            for drained, other in (("A", "B"), ("B", "A")) * 2:
                run([binary("remote-proxy"), "drain", "--management-addr", self.api.where, "--origin", drained])
                for crowd in crowds:
                    crowd.wait_more(50, lambda word, wanted=other: word == wanted)
                before = len(servers[drained].requests)
                for crowd in crowds:
                    crowd.wait_more(50)
                self.assertLessEqual(len(servers[drained].requests) - before, 8)
                run([binary("remote-proxy"), "resume", "--management-addr", self.api.where, "--origin", drained])
        for crowd in crowds:
            self.assertEqual(crowd.failed, [])

    def test_a_reload_moves_a_name_and_requests_of_kept_connections_follow(self):
        self.open(origins=("A",), config='[services.old]\nkind = "http"\nhosts = ["app"]\n'
                  '[services.new]\nkind = "http"\nhosts = ["other"]\n')
        servers = {name: self.enterContext(HttpServer(name)) for name in ("old", "new")}
        self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files["A"],
                   *(word for name, server in servers.items()
                     for word in ("--service", f"{name}={show_address(server.address)}"))
                   ).wait_line("^ready ", stream="stdout")
        stack, crowds = self.crowds()
        with stack:
            for has_app, has_other in (("new", "old"), ("old", "new")) * 3:
                for crowd in crowds:
                    crowd.wait_more(20)
                self.write("remote.toml", f'{self.tables}[services.{has_app}]\nkind = "http"\nhosts = ["app"]\n'
                           f'[services.{has_other}]\nkind = "http"\nhosts = ["other"]\n')
                self.remote_program.send_signal(signal.SIGHUP)
                for crowd in crowds:
                    crowd.wait_more(20, lambda word, wanted=has_app: word == wanted)
        for crowd in crowds:
            self.assertEqual(crowd.failed, [])
        self.assertLess(crowds[0].opened, 10)  # their connections are kept meanwhile

    def test_a_name_that_is_gone_is_a_404_at_the_next_request_of_a_kept_connection(self):
        self.open(config='[services.app]\nkind = "http"\nhosts = ["app"]\n')
        server = self.enterContext(HttpServer("here"))
        self.provider("A", server)
        visitor = self.visitor()
        self.assertEqual(visitor.ask("app.example.com").word, "here")
        self.write("remote.toml", self.tables + '[services.app]\nkind = "http"\nhosts = ["renamed"]\n')
        self.remote_program.send_signal(signal.SIGHUP)
        poll(lambda: visitor.ask("app.example.com").status == 404, "the name is gone")
        self.assertEqual(visitor.ask("renamed.example.com").word, "here")

    def test_an_answer_that_has_begun_is_finished_by_an_origin_proxy_that_stops(self):
        servers = self.open_app()
        go_on = threading.Event()

        def slow(asked, connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
            go_on.wait(20)
            return b"more"
        server = self.enterContext(HttpServer(slow))
        first = self.provider("A", server)
        visitor = self.visitor()
        visitor.say(request("app.example.com"))
        self.assertEqual(visitor.reader.head().status, 200)
        self.provider("B", servers["B"])
        first.send_signal(signal.SIGTERM)
        Tunnel.wait_log(self.remote_program, lambda line: line["message"] == "origin proxy left")
        go_on.set()
        self.assertEqual(visitor.reader.take(8), b"halfmore")
        self.assertEqual(visitor.ask("app.example.com").word, "B")  # the next one goes elsewhere
        first.wait_exit(code=0)

    def test_an_origin_proxy_that_is_killed_under_load_costs_at_most_what_was_under_way(self):
        servers = self.open_app("--pairing-timeout", "2s")
        first = self.provider("A", servers["A"])
        self.provider("B", servers["B"])
        stack, crowds = self.crowds()
        with stack:
            for crowd in crowds:
                crowd.wait_more(50)
            first.kill()
            for crowd in crowds:
                before = len(crowd.words)
                poll(lambda crowd=crowd, before=before: len(crowd.words) > before + 200, "B serves all")
        for crowd in crowds:
            self.assertLessEqual(len(crowd.failed), 6, crowd.failed)  # as many as there are visitors


if __name__ == "__main__":
    unittest.main()
