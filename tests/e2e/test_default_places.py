"""Where a configuration is found that nobody named, and where commands find the program that runs."""

import os
import shutil
import signal
import subprocess
import unittest

from faults import echo, wait_served
from origins import SocketOrigin
from support import HOST, Program, Tunnel, binary, missing, need, run
from test_management import HEARTBEATS, Folder
from test_programs import program
from trust import folder

GOOD = {"remote-proxy": f'control-addr = "{HOST}:0"\noutside-addr = "{HOST}:0"\nlog-level = "debug"\n',
        "origin-proxy": f'remote-proxy-addr = "{HOST}:1"\norigin-server-addr = "{HOST}:1"\nlog-level = "debug"\n'}


class OfAUser(unittest.TestCase):
    """With folders of a user of the machine, which his environment names."""

    trust = ()

    def setUp(self):
        self.folder = folder(self.id().rpartition(".")[2])
        self.addCleanup(shutil.rmtree, self.folder)
        self.env = {"XDG_CONFIG_HOME": self.folder, "HOME": "/nonexistent"}

    def write(self, name, text, below=""):
        path = os.path.join(self.folder, below, name, f"{name}.toml")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_a_file_of_the_default_place_is_read_and_told_where_no_flag_says_what_to_do(self):
        for name, text in GOOD.items():
            path = self.write(name, text)
            code, out, err = program(name, "check", env=self.env)
            self.assertEqual((code, out), (0, "ok\n"))
            self.assertIn(f"file={path}", err)
            code, out, _ = program(name, "print-config", "--log-format", "json", env=self.env)
            self.assertEqual(code, 0)
            self.assertTrue(out.startswith(f"# from {path}, the default place\n"), out)
            self.assertIn('log-level = "debug"\nlog-format = "json"\n', out)
            variable = name.replace("-", "_").upper()
            code, out, _ = program(name, "print-config",
                                   env={**self.env, f"{variable}_LOG_LEVEL": "warn",
                                        f"{variable}_SECRET": "not-read-by-anyone-0123456789abcdef-xyz"})
            self.assertEqual(code, 0)
            self.assertIn('log-level = "warn"\n', out)

    def test_without_the_variable_it_is_in_the_home(self):
        path = self.write("remote-proxy", GOOD["remote-proxy"], ".config")
        for env in ({"XDG_CONFIG_HOME": "", "HOME": self.folder}, {"XDG_CONFIG_HOME": "not/absolute", "HOME": self.folder}):
            code, _, err = program("remote-proxy", "check", env=env)
            self.assertEqual(code, 0)
            self.assertIn(f"file={path}", err)

    def test_whoever_says_what_to_do_is_not_changed_by_a_file_and_hears_of_it_when_something_lacks(self):
        path = self.write("remote-proxy", 'control-addr = "127.0.0.1:0"\nmax-waiting = 7\n')
        flags = ["--control-addr", f"{HOST}:0", "--outside-addr", f"{HOST}:0"]
        code, out, err = program("remote-proxy", "print-config", *flags, env=self.env)
        self.assertEqual((code, "max-waiting = 4096" in out, path in out + err), (0, True, False))
        env = {**self.env, "REMOTE_PROXY_CONTROL_ADDR": flags[1], "REMOTE_PROXY_OUTSIDE_ADDR": flags[3]}
        code, out, err = program("remote-proxy", "print-config", env=env)
        self.assertEqual((code, "max-waiting = 4096" in out, path in out + err), (0, True, False))
        code, _, err = program("remote-proxy", "--outside-addr", f"{HOST}:0", env=self.env)
        self.assertEqual(code, 2)
        self.assertIn(f"--control-addr is required; {path} is not read where there are flags: name it by --config", err)
        named = self.write("other", GOOD["remote-proxy"])
        code, out, err = program("remote-proxy", "print-config", "-c", named, env=self.env)
        self.assertEqual((code, "max-waiting = 4096" in out, path in out + err), (0, True, False))

    def test_what_is_wrong_in_it_is_told_with_its_name(self):
        path = self.write("origin-proxy", 'remote-proxy-addr = "a:1"\nnonsense = 1\n')
        for words in ([], ["check"]):
            code, out, err = program("origin-proxy", *words, env=self.env)
            self.assertEqual((code, out), (2, ""))
            self.assertIn(f"{path} line 2: 'nonsense'", err)
        self.write("origin-proxy", 'remote-proxy-addr = "a:1"\nlog-format = "json"\nnonsense = 1\n')
        self.assertTrue(program("origin-proxy", env=self.env)[2].startswith("{"))

    @unittest.skipUnless(os.geteuid() == 0, "needs the right to be another user")
    def test_one_that_this_user_may_not_read_is_told_in_words(self):
        path = self.write("remote-proxy", GOOD["remote-proxy"])
        os.chmod(path, 0o600)
        at = self.folder
        while at != "/":
            os.chmod(at, os.stat(at).st_mode | 0o055)
            at = os.path.dirname(at)
            if os.stat(at).st_mode & 0o001:
                break
        readable = os.path.join(self.folder, "bin")
        shutil.copy(binary("remote-proxy"), readable)
        done = subprocess.run([readable], env={**os.environ, **self.env}, user="nobody", text=True, capture_output=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"cannot read {path}: Permission denied", done.stderr)
        self.assertIn("This is the default file, read because no flag says what to do: start as a user who may read it",
                      done.stderr)

    def test_a_program_that_runs_with_it_reloads_it_and_with_flags_does_not(self):
        path = self.write("remote-proxy", GOOD["remote-proxy"])
        with Program([binary("remote-proxy")], name="remote-proxy", env=self.env) as started:
            started.wait_line(f"default configuration file does file={path}$", stream="stderr")
            started.wait_line("^ready", stream="stdout")
            with open(path, "a", encoding="utf-8") as file:
                file.write("max-connections = 7\n")
            started.send_signal(signal.SIGHUP)
            started.wait_line("options=max-connections", stream="stderr")
            with open(path, "a", encoding="utf-8") as file:
                file.write("nonsense = 7\n")
            started.send_signal(signal.SIGHUP)
            started.wait_line("line 5: 'nonsense'", stream="stderr")
            started.stop(code=0)
        flags = ["--control-addr", f"{HOST}:0", "--outside-addr", f"{HOST}:0"]
        with Program([binary("remote-proxy"), *flags], name="remote-proxy", env=self.env) as started:
            started.wait_line("^ready", stream="stdout")
            started.send_signal(signal.SIGHUP)
            started.wait_line("reload", stream="stderr")
            self.assertFalse([line for line in started.texts("stderr") if "nonsense" in line or path in line])
            started.stop(code=0)

    def test_commands_find_the_socket_of_a_user_and_say_where_they_looked(self):
        with Folder() as place:
            os.mkdir(place.path("remote-proxy"))
            where = place.socket("remote-proxy/management.sock")
            env = {**self.env, "XDG_RUNTIME_DIR": place.path("")}
            code, _, err = program("remote-proxy", "status", env=env)
            self.assertEqual(code, 2)
            for wanted in ("--management-addr is required", "/run/remote-proxy/management.sock",
                           where.removeprefix("unix:")):
                self.assertIn(wanted, err)
            with SocketOrigin(echo) as origin, \
                    Tunnel(origin.address, remote_flags=["--management-addr", where, *HEARTBEATS],
                           origin_flags=HEARTBEATS) as tunnel:
                wait_served(tunnel.outside)
                code, out, _ = program("remote-proxy", "status", env=env)
                self.assertEqual(code, 0)
                self.assertIn(where, out)
                other = {**env, "REMOTE_PROXY_MANAGEMENT_ADDR": place.socket("other")}
                self.assertIn("nobody listens", program("remote-proxy", "status", env=other)[2])


@unittest.skipUnless(os.geteuid() == 0, "needs the right to have folders of its own in the place of /etc and /run")
class OfTheMachine(unittest.TestCase):
    """In /etc and /run, which are other folders for these programs alone."""

    trust = ()
    script = ('mount -t tmpfs none /etc && mount -t tmpfs none /run && mkdir /etc/remote-proxy /run/remote-proxy && '
              'printf %s "$0" > /etc/remote-proxy/remote-proxy.toml && shift 0 && eval "$1"')

    def run_there(self, configuration, script, **env):
        unshare = need("unshare")
        if subprocess.run([unshare, "-m", "true"], capture_output=True, check=False).returncode != 0:
            missing("the right to unshare mounts")
        env = {"PATH": os.path.dirname(binary("remote-proxy")) + os.pathsep + os.environ["PATH"], "HOME": "/nonexistent",
               "XDG_CONFIG_HOME": "", **env}
        return run([unshare, "-m", "sh", "-c", self.script, configuration, script], env=env)

    def test_status_needs_no_flag_where_the_file_of_the_machine_names_the_socket(self):
        script = """remote-proxy > /run/out 2> /run/err & program=$!
            for i in $(seq 300); do grep -q ^ready /run/out && break; sleep 0.1; done
            head -1 /run/err; remote-proxy status; echo "status $?"
            remote-proxy reload; kill $program; wait $program; echo "end $?" """
        where = "unix:/run/remote-proxy/management.sock"
        done = self.run_there(f'{GOOD["remote-proxy"]}management-addr = "{where}"\n', script)
        for wanted in ("file=/etc/remote-proxy/remote-proxy.toml", f"at {where}: NOT READY", "status 1\n", "reloaded: ",
                       "end 0\n"):
            self.assertIn(wanted, done.stdout)

    def test_without_a_file_that_says_so_status_still_asks_at_the_socket_of_the_machine(self):
        script = """remote-proxy --control-addr 127.0.0.1:0 --outside-addr 127.0.0.1:0 \\
                --management-addr unix:/run/remote-proxy/management.sock > /run/out 2> /run/err & program=$!
            rm -r /etc/remote-proxy
            for i in $(seq 300); do grep -q ^ready /run/out && break; sleep 0.1; done
            remote-proxy status; kill $program; wait $program; echo "end $?" """
        done = self.run_there("", script)
        self.assertIn("at unix:/run/remote-proxy/management.sock: NOT READY", done.stdout)
        self.assertIn("end 0\n", done.stdout)

    def test_a_program_without_the_option_opens_no_socket_and_the_one_of_a_user_comes_first(self):
        script = """remote-proxy --control-addr 127.0.0.1:0 --outside-addr 127.0.0.1:0 > /run/out 2> /run/err & program=$!
            for i in $(seq 300); do grep -q ^ready /run/out && break; sleep 0.1; done
            ls -A /run/remote-proxy; kill $program; wait $program
            mkdir -p /run/home/.config/remote-proxy; echo 'nonsense = 1' > /run/home/.config/remote-proxy/remote-proxy.toml
            HOME=/run/home remote-proxy check 2>&1; true"""
        done = self.run_there(GOOD["remote-proxy"], script)
        self.assertIn("\n/run/home/.config/remote-proxy/remote-proxy.toml line 1: 'nonsense'", f"\n{done.stdout}")
        self.assertNotIn("management.sock", done.stdout)


if __name__ == "__main__":
    unittest.main()
