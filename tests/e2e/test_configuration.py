"""Configuration files of both programs: what is taken, what is refused and how, and that it can be printed."""

import os
import shutil
import signal
import unittest

from faults import echo, wait_served
from origins import SocketOrigin
from programs import REPO
from support import HOST, Program, Tunnel, binary, show_address
from test_programs import program
from trust import folder, write_secret

EXAMPLES = {name: os.path.join(REPO, f"docs/examples/{name}.toml") for name in ("remote-proxy", "origin-proxy")}
SECRET = "q3vU0mWcXz8Kd1JtR5yLhB7sNfPa2GoEi6TwVxYk9Qe"


class Files(unittest.TestCase):
    """What the classes below share."""

    trust = ()

    def setUp(self):
        self.folder = folder(self.id().rpartition(".")[2])
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, *lines, mode=0o600):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
        os.chmod(path, mode)
        return path


class Check(Files):
    def test_the_examples_in_the_documentation_are_good(self):
        for name, path in EXAMPLES.items():
            code, out, err = program(name, "check", "--config", path)
            self.assertEqual((code, out), (0, "ok\n"), err)

    def test_all_problems_are_told_at_once_with_their_lines_and_exit_2(self):
        path = self.write("bad.toml", 'control-addr = "nowhere"', "max-wating = 1", "[services.a]",
                          'outside-addr = ":80"', "[services.b]", 'outside-addr = "0.0.0.0:80"', 'kind = "udp"')
        for words in (["check"], []):
            code, out, err = program("remote-proxy", *words, "--config", path)
            self.assertEqual((code, out), (2, ""))
            lines = err.splitlines()
            for line, (number, text) in zip(lines, ((1, "control-addr: \"nowhere\" is not an address"),
                                                    (2, "'max-wating' has no meaning here, did you mean max-waiting?"),
                                                    (6, "services.b at 0.0.0.0:80 overlaps services.a"),
                                                    (7, "\"udp\" is not yet there"))):
                self.assertTrue(line.startswith(f"{path} line {number}: "), err)
                self.assertIn(text, line)
            self.assertEqual(len(lines), 4, err)

    def test_secrets_are_never_shown(self):
        for lines in ([f'[origins.a]\n"{SECRET}" = 1'], [f"[origins.a]\nsecret = {SECRET}"], [f'secret = "{SECRET}"'],
                      [f'[origins.a]\nsecret = "{SECRET}"\n[origins.b]\nsecret = "{SECRET}"'], [f"[{SECRET}]"]):
            path = self.write("bad.toml", 'control-addr = ":1"', 'outside-addr = ":2"', *lines)
            code, out, err = program("remote-proxy", "check", "--config", path)
            self.assertEqual((code, out), (2, ""))
            self.assertIn(f"{path} line ", err)
            self.assertNotIn(SECRET, err)

    def test_the_files_that_are_named_are_read_too(self):
        secret = self.write("secret", "short")
        path = self.write("c.toml", 'control-addr = ":1"', 'outside-addr = ":2"', f'secret-file = "{secret}"')
        code, out, err = program("remote-proxy", "check", "--config", path)
        self.assertEqual((code, out), (2, ""))
        self.assertIn(f"{secret}: the secret is too short", err)

    def test_a_file_with_secrets_that_others_may_read_is_warned_of(self):
        path = self.write("c.toml", 'control-addr = ":1"', 'outside-addr = ":2"', "[origins.a]",
                          f'secret = "{SECRET}"', mode=0o644)
        code, _, err = program("remote-proxy", "check", "--config", path)
        self.assertEqual(code, 0)
        self.assertIn("chmod 600", err)

    def test_included_files_are_read_and_named(self):
        self.write("conf.d/a.toml", "[services.a]", 'outside-addr = ":80"')
        path = self.write("top.toml", 'include = ["conf.d/*.toml"]', 'control-addr = ":1"')
        self.assertEqual(program("remote-proxy", "check", "--config", path)[1], "ok\n")
        second = self.write("conf.d/b.toml", "[services.a]", 'outside-addr = ":81"')
        code, _, err = program("remote-proxy", "check", "--config", path)
        self.assertEqual(code, 2)
        self.assertIn(f"{second} line 1: services.a is in {self.folder}/conf.d/a.toml line 1 too", err)


class Print(Files):
    def test_what_is_printed_says_the_same_when_it_is_read_again_once_the_secrets_are_put_in(self):
        for name, path in EXAMPLES.items():
            code, out, err = program(name, "print-config", "--config", path, "--grace-period=7s",
                                     env={f"{name.replace('-', '_').upper()}_LOG_LEVEL": "warn"})
            self.assertEqual(code, 0, err)
            for text in ('grace-period = "7s"', 'log-level = "warn"', "[services.web]"):
                self.assertIn(text, out)
            self.assertNotIn("an-example", out)
            masked = self.write("masked.toml", out)
            if name == "remote-proxy":
                code, _, err = program(name, "check", "--config", masked)
                self.assertEqual(code, 2)
                self.assertIn("masked", err)
            for number in range(out.count('"***"')):
                out = out.replace('"***"', f'"{number}{SECRET}"', 1)
            again = self.write("again.toml", out)
            code, twice, err = program(name, "print-config", "--config", again)
            self.assertEqual((code, err), (0, ""))
            self.assertEqual(twice, program(name, "print-config", "--config", self.write("twice.toml", out))[1])
            self.assertIn("[services.web]", twice)


class Run(Files):
    def test_both_programs_run_with_a_file_alone(self):
        secret = os.path.join(self.folder, "secret")
        text = write_secret(secret)
        with SocketOrigin(echo) as origin, Tunnel(origin.address, start=False, fixed_ports=True) as tunnel:
            control, outside = show_address(tunnel.control), show_address(tunnel.outside)
            remote = self.write("remote.toml", f'control-addr = "{control}"', f'outside-addr = "{outside}"',
                                "[origins.cellar]", f'secret = "{text}"')
            inside = self.write("origin.toml", f'remote-proxy-addr = "{control}"', f'secret-file = "{secret}"',
                                f'origin-server-addr = "{show_address(origin.address)}"')
            with Program([binary("remote-proxy"), "-c", remote]) as remote_proxy, \
                    Program([binary("origin-proxy")], env={"ORIGIN_PROXY_CONFIG": inside}) as origin_proxy:
                remote_proxy.wait_line(f"^ready control={control} outside={outside}$", stream="stdout")
                origin_proxy.wait_line("^ready", stream="stdout")
                wait_served(tunnel.outside)
                remote_proxy.wait_line("origin proxy logged in.*name=cellar", stream="stderr")

    def test_a_reload_reads_the_files_again_inside_the_sandbox_and_tells_all_that_is_wrong(self):
        conf = self.write("conf.d/a.toml", "max-waiting = 5")
        lines = ['include = "conf.d/*.toml"', f'control-addr = "{HOST}:0"', f'outside-addr = "{HOST}:0"']
        path = self.write("remote.toml", *lines)
        with Program([binary("remote-proxy"), "-c", path]) as remote:
            remote.wait_line("^ready", stream="stdout")
            self.write("remote.toml", *lines, "port = 1")
            self.write("conf.d/b.toml", "max-waiting = 6")
            remote.send_signal(signal.SIGHUP)
            remote.wait_line(f"cannot reload.*{path} line 4: 'port' has no meaning", stream="stderr")
            remote.wait_line(f"cannot reload.*b.toml line 1: 'max-waiting' is in {conf} line 1", stream="stderr")
            self.write("remote.toml", *lines)
            os.remove(conf)
            remote.send_signal(signal.SIGHUP)
            remote.wait_line("info +reloaded", stream="stderr")

    def test_with_watch_a_changed_file_is_reloaded_without_a_signal(self):
        lines = ["watch = true", 'include = "conf.d/*.toml"', f'control-addr = "{HOST}:0"',
                 f'outside-addr = "{HOST}:0"']
        os.mkdir(os.path.join(self.folder, "conf.d"))
        path = self.write("remote.toml", *lines)
        with Program([binary("remote-proxy"), "-c", path]) as remote:
            remote.wait_line("^ready", stream="stdout")
            self.write("conf.d/new.toml", "max-waiting = 5")
            remote.wait_line("info +reloaded", stream="stderr")
            self.write("conf.d/new.toml", "max-waiting = 0")
            remote.wait_line("cannot reload.*new.toml line 1: max-waiting", stream="stderr")
            self.write("conf.d/new.toml", "max-waiting = 6")
            remote.wait_line("info +reloaded", stream="stderr", count=2)

    def test_a_reload_applies_what_it_can_and_names_each_option_that_needs_a_restart(self):
        places = {"remote-proxy": (f'control-addr = "{HOST}:0"', f'outside-addr = "{HOST}:0"'),
                  "origin-proxy": (f'remote-proxy-addr = "{HOST}:1"', f'origin-server-addr = "{HOST}:1"')}
        needs = {"remote-proxy": {"control-addr": (f"{HOST}:0", f"{HOST}:1"), "max-waiting": ("4096", "7")},
                 "origin-proxy": {"dial-timeout": ("5s", "7s"), "parked-connections": ("auto", "3")}}
        both = {"management-addr": ("nothing", f"{HOST}:1"), "heartbeat-interval": ("5s", "1s"),
                "sandbox": ("on", "off"), "log-format": ("text", "json")}
        for name, lines in places.items():
            path = self.write(f"{name}.toml", 'log-level = "info"', *lines)
            with Program([binary(name), "-c", path]) as program_:
                program_.wait_line("ready control|cannot|lost|again", timeout=20)
                changed = {**needs[name], **both}
                lines = [line for line in lines if line.partition(" ")[0] not in changed]
                self.write(f"{name}.toml", 'log-level = "debug"', 'grace-period = "7s"', *lines,
                           *(f'{key} = "{to}"' for key, (_, to) in changed.items()))
                program_.send_signal(signal.SIGHUP)
                program_.wait_line("options have changed.*grace-period, log-level", stream="stderr")
                warned = "\n".join(program_.texts("stderr"))
                for key, (before, to) in changed.items():
                    self.assertIn(f"{key} changed from {before} to {to}: needs a restart", warned)
                self.assertEqual(warned.count("needs a restart"), len(changed))
                self.write(f"{name}.toml", 'log-level = "error"', 'grace-period = "7s"', *lines,
                           *(f'{key} = "{to}"' for key, (_, to) in changed.items()))
                start = len(program_.lines)
                program_.send_signal(signal.SIGHUP)
                program_.wait_line("options have changed.*log-level", stream="stderr", start=start)
                program_.send_signal(signal.SIGUSR1)
                program_.stop(code=0)
                self.assertEqual([line for line in program_.texts("stderr")[-3:] if "status" in line], [])


if __name__ == "__main__":
    unittest.main()
