"""A login in front of a service: --basic-auth-file of either program."""

import base64
import os
import signal
import time
import unittest

from http_fronts import AtHttp, HttpServer, request, response
from support import Tunnel, binary, need, poll, run, show_address


def basic(user, password):
    return f"Authorization: Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def htpasswd(path, **users):
    """As people do it: bcrypt of a low cost, so that the tests are quick."""
    lines = [run([need("htpasswd"), "-nbB", "-C", "4", user, password]).stdout.strip()
             for user, password in users.items()]
    with open(f"{path}.new", "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write("".join(f"{line}\n" for line in lines))
    os.replace(f"{path}.new", path)
    return path


class AtOrigin(AtHttp):
    """The file is the origin proxy's."""

    def setUp(self):
        super().setUp()
        self.file = htpasswd(self.folder.path("users"), alice="pass-7-word", bob="b:o:b")
        self.open_service()

    def open_service(self):
        self.open("--access-log")
        self.server = self.serve(flags=["--basic-auth-file", self.file])
        self.reloads = self.program

    def ask(self, *lines, visitor=None, source=None):
        return (visitor or self.visitor(source=source)).ask("app.example.com", "/", "GET", *lines)

    def test_without_a_login_there_is_a_401_and_the_server_hears_nothing(self):
        visitor = self.visitor()
        for lines in ((), ("Authorization: Bearer x",), ("Authorization: Basic",), ("Authorization: Basic %%%",)):
            answer = self.ask(*lines, visitor=visitor)
            self.assertEqual(answer.status, 401, lines)
            self.assertRegex(answer.get("www-authenticate"), r'^Basic realm="[^"]+", charset="UTF-8"$')
        self.assertEqual(self.server.requests, [])
        self.assertEqual(self.server.connections, 0)

    def test_with_a_login_the_server_is_told_who_it_is_and_no_password(self):
        visitor = self.visitor()
        for user, password in (("alice", "pass-7-word"), ("bob", "b:o:b"), ("alice", "pass-7-word")):
            self.assertEqual(self.ask(basic(user, password), "X-Forwarded-User: admin", visitor=visitor).word, "here")
            seen = self.server.requests[-1]
            self.assertEqual(seen.get("x-forwarded-user"), user)
            self.assertEqual(seen.all("authorization"), [])
        self.assertNotIn("pass-7", self.remote_program.output())
        self.assertNotIn(basic("alice", "pass-7-word").split()[-1], self.remote_program.output())

    def test_each_request_of_a_connection_needs_it(self):
        visitor = self.visitor()
        self.assertEqual(self.ask(basic("alice", "pass-7-word"), visitor=visitor).status, 200)
        self.assertEqual(self.ask(visitor=visitor).status, 401)
        self.assertEqual(self.ask(basic("alice", "wrong"), visitor=visitor).status, 401)
        self.assertEqual(self.ask(basic("nobody", "pass-7-word"), visitor=visitor).status, 401)
        self.assertEqual(self.ask(basic("alice", "pass-7-word"), visitor=visitor).status, 200)
        self.assertEqual(len(self.server.requests), 2)

    def test_pipelined_requests_with_and_without_a_login_are_told_apart(self):
        visitor = self.visitor()
        with_login, without = (request("app.example.com", "/", "GET", *lines)
                               for lines in ((basic("alice", "pass-7-word"),), ()))
        visitor.say((with_login + without) * 5)
        self.assertEqual([visitor.answer().status for _ in range(10)], [200, 401] * 5)
        self.assertEqual(len(self.server.requests), 5)

    def test_a_body_without_a_login_reaches_nobody(self):
        visitor = self.visitor()
        visitor.say(request("app.example.com", "/", "POST", body=request("app.example.com", "/smuggled", "GET",
                                                                         basic("alice", "pass-7-word"))))
        self.assertEqual(visitor.answer().status, 401)
        self.assertTrue(visitor.is_at_end())
        self.assertEqual(self.server.requests, [])

    def test_who_guesses_is_slowed_down_and_nobody_else(self):
        statuses = [self.ask(basic("alice", f"guess{number}"), source="127.0.0.2").status for number in range(20)]
        self.assertEqual(statuses[0], 401)
        self.assertEqual(set(statuses), {401, 429})
        self.assertLessEqual(statuses.count(401), 7)
        answer = self.ask(basic("alice", "again"), source="127.0.0.2")
        self.assertEqual(answer.status, 429)
        self.assertGreaterEqual(int(answer.get("retry-after")), 1)
        self.assertEqual(self.ask(basic("alice", "pass-7-word"), source="127.0.0.3").status, 200)
        poll(lambda: self.ask(basic("alice", "pass-7-word"), source="127.0.0.2").status == 200, "he may try again",
             interval=1)

    def test_a_password_that_is_right_is_checked_once_and_then_known(self):
        visitor = self.visitor()
        self.ask(basic("alice", "pass-7-word"), visitor=visitor)
        began = time.monotonic()
        for _ in range(300):
            self.assertEqual(self.ask(basic("alice", "pass-7-word")).status, 200)
        self.assertLess(time.monotonic() - began, 10)

    def test_a_reload_lets_in_who_is_new_and_no_more_who_is_gone(self):
        visitor = self.visitor()
        self.assertEqual(self.ask(basic("alice", "pass-7-word"), visitor=visitor).status, 200)
        self.assertEqual(self.ask(basic("carol", "new"), visitor=visitor).status, 401)
        htpasswd(self.file, carol="new", bob="b:o:b")
        self.reloads.send_signal(signal.SIGHUP)
        poll(lambda: self.ask(basic("carol", "new")).status == 200, "carol is let in", interval=1)
        self.assertEqual(self.ask(basic("alice", "pass-7-word"), visitor=visitor).status, 401)
        self.assertEqual(self.ask(basic("bob", "b:o:b"), visitor=visitor).status, 200)

    def test_a_file_that_is_wrong_leaves_what_there_was(self):
        with open(self.file, "w", encoding="ascii") as file:
            file.write("alice:plain\n")
        lines = len(self.reloads.lines)
        self.reloads.send_signal(signal.SIGHUP)
        self.reloads.wait_line("users", stream="stderr", start=lines)
        self.assertEqual(self.ask(basic("alice", "pass-7-word")).status, 200)
        self.assertEqual(self.ask(basic("alice", "plain")).status, 401)

    def test_curl_and_the_access_log_know_the_user(self):
        host, port = self.http
        done = run([need("curl"), "-sS", "--noproxy", "*", "-u", "alice:pass-7-word", "--resolve",
                    f"app.example.com:{port}:{host}", f"http://app.example.com:{port}/"])
        self.assertEqual(done.stdout, "here")
        line = Tunnel.wait_log(self.remote_program, lambda line: line["message"] == "request")
        self.assertEqual((line["user"], line["status"]), ("alice", 200))


class AtRemote(AtOrigin):
    """The same file, and the same tests, where the remote proxy has it."""

    def open_service(self):
        self.open("--access-log", config='[services.app]\nkind = "http"\nhosts = ["app"]\n'
                  f'basic-auth-file = "{self.file}"\n')
        self.server = self.enterContext(HttpServer("here"))
        self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files["A"],
                   "--service", f"app={show_address(self.server.address)}").wait_line("^ready ", stream="stdout")
        self.reloads = self.remote_program


class Files(AtHttp):
    def test_hashes_that_are_weak_are_refused_at_the_start(self):
        for line in ("alice:plain", "alice:$1$abc$0123456789012345678901", "alice:{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=",
                     "alice:$apr1$abc$0123456789012345678901", "alice", ""):
            path = self.write("users", f"{line}\n")
            done = run([binary("origin-proxy"), "check", "--remote-proxy-addr", ":1", "--service",
                        "app=:8000@http://app.example.com", "--basic-auth-file", path], check=False)
            self.assertEqual(done.returncode, 2, line)
            self.assertIn(path, done.stdout + done.stderr)

    def test_hashes_of_sha_crypt_and_yescrypt_are_known(self):
        self.open()
        lines = [f"sha{number}:{run([need('openssl'), 'passwd', f'-{number}', 'secret']).stdout.strip()}"
                 for number in (5, 6)]
        lines.append("yescrypt:$y$j9T$F5Jx5fExrKuPp53xLKQ..1$GmcwIgvdUC9qLWcKCi6gklUa1dM3ziD43YxYNURLKy0")
        path = self.write("users", "".join(f"{line}\n" for line in lines))
        self.serve(flags=["--basic-auth-file", path])
        for user in ("sha5", "sha6", "yescrypt"):
            answer = self.visitor().ask("app.example.com", "/", "GET", basic(user, "secret"))
            self.assertEqual(answer.status, 200, user)

    def test_a_service_without_http_cannot_have_one(self):
        path = htpasswd(self.folder.path("users"), alice="pass-7-word")
        done = run([binary("origin-proxy"), "check", "--remote-proxy-addr", ":1", "--service", "app=:8000@9000",
                    "--basic-auth-file", path], check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("basic-auth-file", done.stdout + done.stderr)

    def test_a_service_whose_visitors_cannot_be_asked_is_declined(self):
        """Its place is said by the remote proxy."""
        self.open(config='[services.app]\nkind = "tls"\nhosts = ["app"]\n')
        path = htpasswd(self.folder.path("users"), alice="pass-7-word")
        program = self.start("origin-proxy", "--remote-proxy-addr", self.control, "--secret-file", self.files["A"],
                             "--service", "app=:8000", "--basic-auth-file", path)
        declined = self.declined(program, "app", "not_allowed")
        self.assertIn("cannot be asked for the login", declined["reason"])
        self.assertEqual(self.visitors_of("app"), 0)

    def test_an_answer_of_401_of_the_server_is_its_own(self):
        self.open()
        self.serve(lambda asked, connection: response(asked.get("authorization") or "none", "401 Unauthorized",
                                                      'WWW-Authenticate: Basic realm="its own"'))
        answer = self.visitor().ask("app.example.com", "/", "GET", basic("a", "b"))
        self.assertEqual(answer.get("www-authenticate"), 'Basic realm="its own"')
        self.assertEqual(answer.word, basic("a", "b").partition(": ")[2])


if __name__ == "__main__":
    unittest.main()
