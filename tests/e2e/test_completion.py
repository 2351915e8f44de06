"""What `completion bash|zsh|fish` prints, in the real shells: words of the command line, and names of the program that
runs."""

import contextlib
import os
import pty
import re
import select
import shutil
import socket
import subprocess
import threading
import time
import unittest

from faults import DEADLINE, echo
from origins import SocketOrigin
from support import HOST, binary, missing, need, run
from test_management import Folder, managed
from trust import folder

PROGRAMS = ("remote-proxy", "origin-proxy")
BASH_COMPLETION = "/usr/share/bash-completion/bash_completion"


def environment(**others):
    """With the programs under test in front of all others, and nothing of the person who runs the tests."""
    path = os.pathsep.join([*(os.path.dirname(binary(name)) for name in PROGRAMS), os.environ["PATH"]])
    home = folder(f"home-{time.monotonic_ns()}")
    return {"PATH": path, "HOME": home, "TERM": "xterm", "LANG": "C.UTF-8", "LINES": "200", "COLUMNS": "300", **others}


class Shell:
    """An interactive shell on a terminal, at which somebody types."""

    def __init__(self, argv, lines, env, cwd):
        self._main, side = pty.openpty()
        self.process = subprocess.Popen(argv, stdin=side, stdout=side, stderr=side, start_new_session=True, env=env,
                                        cwd=cwd)
        os.close(side)
        self.seen = ""
        for line in lines:
            self.type(line + "\r")
        self.type("echo IS''READY\r")
        self.wait(r"\nISREADY")

    def type(self, text):
        os.write(self._main, text.encode())

    def wait(self, pattern):
        end = time.monotonic() + DEADLINE
        while not (found := re.search(pattern, self.seen, re.DOTALL)):
            if not select.select([self._main], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"no {pattern!r} in {self.seen!r}")
            self.seen += os.read(self._main, 1 << 16).decode(errors="replace")
            self.seen = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", self.seen)  # colours and the like
        before, self.seen = self.seen[:found.end()], self.seen[found.end():]
        return found, before

    def completed(self, text):
        """The words of the line after TAB."""
        self.type(f"{text}\t")
        self.type("\x01echo LI''NE:\x05\r")  # to its beginning, and to its end
        return self.wait(r"\nLINE:([^\r\n]*)")[0][1].rstrip()

    def listed(self, text, *wanted):
        """What is shown after TAB, with all the words that are wanted."""
        self.type(f"{text}\t")
        shown = self.wait("".join(rf"(?=.*[\r\n ]{re.escape(word)}[\r\n ])" for word in wanted))[1]
        self.type("\x15echo DO''NE\r")
        return shown + self.wait(r"\nDONE")[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self._main)


def bash(env, cwd):
    if not os.path.exists(BASH_COMPLETION):
        missing("bash-completion")
    lines = [f"source {BASH_COMPLETION}", *(f'source <({name} completion bash)' for name in PROGRAMS),
             "bind 'set show-all-if-ambiguous on'", "bind 'set completion-query-items 0'",
             "bind 'set page-completions off'", "bind 'set enable-bracketed-paste off'"]
    return Shell([need("bash"), "--norc", "--noprofile", "-i"], lines, env, cwd)


def zsh(env, cwd):
    functions = folder(f"fpath-{time.monotonic_ns()}")
    for name in PROGRAMS:
        with open(os.path.join(functions, f"_{name}"), "w", encoding="utf-8") as file:
            file.write(run([binary(name), "completion", "zsh"]).stdout)
    lines = [f"fpath=({functions} $fpath)", "autoload -U compinit", f"compinit -u -d {functions}/dump", "bindkey -e",
             "setopt no_always_last_prompt no_nomatch auto_list no_list_beep no_prompt_cr no_prompt_sp", "LISTMAX=9999",
             "unset zle_bracketed_paste", "PS1='$ '"]
    return Shell([need("zsh"), "-f", "-i"], lines, env, cwd)


class Fish:
    """`complete -C` says what TAB would."""

    def __init__(self, env, cwd):
        self._fish, self._env, self._cwd = need("fish"), env, cwd
        self._scripts = [run([binary(name), "completion", "fish"]).stdout for name in PROGRAMS]

    def _candidates(self, text):
        script = "\n".join([*self._scripts, "complete -C $argv[1]"])
        done = subprocess.run([self._fish, "--no-config", "-c", script, text], env=self._env, cwd=self._cwd, text=True,
                              capture_output=True, timeout=60, check=True)
        if done.stderr:
            raise AssertionError(done.stderr)
        return [line.partition("\t")[0] for line in done.stdout.splitlines()]

    def completed(self, text):
        before, _, last = text.rpartition(" ")
        fitting = [each for each in self._candidates(text) if each.startswith(last)]
        return f"{before} {fitting[0]}" if len(fitting) == 1 else text

    def listed(self, text, *wanted):
        found = self._candidates(text)
        missing = [word for word in wanted if word not in found]
        if missing:
            raise AssertionError(f"no {missing} in {found}")
        return " ".join(found)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


SHELLS = {"bash": bash, "zsh": zsh, "fish": Fish}


def each_shell(test):
    """Runs it in one shell after the other; one that is not installed is skipped."""
    def in_all(self):
        for name, shell in SHELLS.items():
            with self.subTest(shell=name):
                test(self, shell)
    in_all.__name__ = test.__name__
    return in_all


class Answering:
    """A management interface that answers the same to all, or nothing."""

    def __init__(self, path, body):
        self._body, self._open = body, []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(path)
        self._socket.listen(16)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self._open.append(connection)
                if self._body is not None:
                    connection.recv(1 << 16)
                    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(self._body)}\r\n\r\n{self._body}"
                    connection.sendall(answer.encode())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for each in (self._socket, *self._open):
            each.close()


class Words(unittest.TestCase):
    """What needs no program that runs."""

    trust = ()

    def setUp(self):
        self.folder = folder(self.id().rpartition(".")[2])
        self.addCleanup(shutil.rmtree, self.folder)
        for name in ("mine.toml", "with space.toml"):
            with open(os.path.join(self.folder, name), "w", encoding="ascii") as file:
                file.write("")
        os.mkdir(os.path.join(self.folder, "pages"))

    @each_shell
    def test_commands_flags_values_and_files_are_completed(self, shell):
        with shell(environment(), self.folder) as at:
            for typed, whole in (("remote-proxy dr", "remote-proxy drain"),
                                 ("remote-proxy --pairing-t", "remote-proxy --pairing-timeout"),
                                 ("remote-proxy visitors --or", "remote-proxy visitors --origin"),
                                 ("remote-proxy check --pairing-t", "remote-proxy check --pairing-timeout"),
                                 ("remote-proxy --log-format js", "remote-proxy --log-format json"),
                                 ("remote-proxy --log-format=js", "remote-proxy --log-format=json"),
                                 ("remote-proxy -c mi", "remote-proxy -c mine.toml"),
                                 ("remote-proxy check mi", "remote-proxy check mine.toml"),
                                 ("remote-proxy --error-pages pa", "remote-proxy --error-pages pages"),
                                 ("remote-proxy completion z", "remote-proxy completion zsh"),
                                 ("remote-proxy help res", "remote-proxy help resume"),
                                 ("remote-proxy status --ca mi", "remote-proxy status --ca mine.toml"),
                                 ("remote-proxy status --management-addr un",
                                  "remote-proxy status --management-addr unix:"),
                                 ("origin-proxy sta", "origin-proxy status"),
                                 ("origin-proxy --proxy-protocol v2 --ret", "origin-proxy --proxy-protocol v2 --ret"),
                                 ("origin-proxy --max-ret", "origin-proxy --max-retries")):
                self.assertEqual(at.completed(typed).rstrip("/"), whole)  # zsh takes the slash away again
            shown = at.listed("remote-proxy ", "status", "visitors", "takeover" if self.has_takeover() else "version")
            self.assertNotIn("complete-names", shown)
            shown = at.listed("remote-proxy --sandbox ", "off", "required")
            self.assertNotIn("mine.toml", shown)
            self.assertNotIn("--control-addr", at.listed("remote-proxy reload --", "--json"))

    @staticmethod
    def has_takeover():
        return "\n  takeover" in run([binary("remote-proxy"), "--help"]).stdout

    def test_a_file_with_a_space_in_its_name_is_completed_as_one_word(self):
        for name in ("bash", "zsh"):
            with self.subTest(shell=name), SHELLS[name](environment(), self.folder) as at:
                self.assertEqual(at.completed("remote-proxy check wi"), "remote-proxy check with space.toml")

    def test_no_other_word_is_a_shell_and_each_program_completes_itself_alone(self):
        for name, other in (PROGRAMS, PROGRAMS[::-1]):
            wrong = run([binary(name), "completion", "bsh"], check=False)
            self.assertEqual((wrong.returncode, wrong.stdout), (2, ""))
            self.assertIn("did you mean bash?", wrong.stderr)
            none = run([binary(name), "completion"], check=False)
            self.assertEqual(none.returncode, 2)
            self.assertIn("completion bash|zsh|fish", none.stderr)
            for shell in SHELLS:
                self.assertNotIn(f"{other} completion", run([binary(name), "completion", shell]).stdout)


class Names(unittest.TestCase):
    """Those of services and origin proxies."""

    trust = ()

    @each_shell
    def test_names_are_those_of_the_program_that_runs(self, shell):
        with SocketOrigin(echo) as origin, Folder() as place:
            services = ["--service", f"games={HOST}:0", "--service", f"garden={HOST}:0"]
            tunnel, remote, _ = managed(origin, place, remote_flags=services, origin_flags=["--name", "cellar"],
                                        start=False, fixed_ports=True)
            with tunnel:
                tunnel.start_remote(wait=False).wait_line("^ready", stream="stdout")
                tunnel.start_origin()
                env = environment(REMOTE_PROXY_MANAGEMENT_ADDR=remote)
                with shell(env, place.path("")) as at:
                    self.assertEqual(at.completed("remote-proxy drain gam"), "remote-proxy drain games")
                    self.assertEqual(at.completed("remote-proxy visitors --service gar"),
                                     "remote-proxy visitors --service garden")
                    self.assertEqual(at.completed("remote-proxy visitors --origin ce"),
                                     "remote-proxy visitors --origin cellar")
                    self.assertEqual(at.completed("remote-proxy resume --origin ce"),
                                     "remote-proxy resume --origin cellar")
                    at.listed("remote-proxy drain ", "default", "games", "garden")
                with shell(environment(), place.path("")) as at:
                    for words in (f"drain --management-addr {remote} gam", f"drain --management-addr={remote} gam"):
                        self.assertEqual(at.completed(f"remote-proxy {words}"), f"remote-proxy {words}es")

    @each_shell
    def test_a_name_is_never_run_whatever_it_is(self, shell):
        with Folder() as place:
            names = ["$(touch hit)", "`touch hit`", "odd;touch hit", "it's", 'a"b', "web[0]"]
            body = '{"services": [%s]}' % ", ".join('{"name": "%s"}' % name.replace('"', '\\"') for name in names)
            where = place.socket("answers")
            env = environment(REMOTE_PROXY_MANAGEMENT_ADDR=where)
            with Answering(where.removeprefix("unix:"), body), shell(env, place.path("")) as at:
                at.completed("remote-proxy drain ")
                self.assertEqual(at.completed("remote-proxy drain web"), "remote-proxy drain web[0]")
                at.completed("remote-proxy drain odd")
                self.assertFalse(os.path.exists(place.path("hit")))

    def test_without_an_answer_there_are_no_names_and_nothing_is_said(self):
        with Folder() as place:
            silent = place.socket("silent")
            with Answering(silent.removeprefix("unix:"), None):
                for where in (silent, place.socket("nobody"), "nonsense:nonsense"):
                    began = time.monotonic()
                    done = run([binary("remote-proxy"), "complete-names", "services", "--management-addr", where],
                               check=False)
                    self.assertLess(time.monotonic() - began, 3)
                    self.assertEqual(done.stdout, "")
                    if where != "nonsense:nonsense":  # the shells do not show it
                        self.assertEqual((done.returncode, done.stderr), (1, ""))
                with bash(environment(REMOTE_PROXY_MANAGEMENT_ADDR=silent), place.path("")) as at:
                    self.assertEqual(at.completed("remote-proxy drain x"), "remote-proxy drain x")
                    self.assertNotIn("larm", at.seen)


if __name__ == "__main__":
    unittest.main()
