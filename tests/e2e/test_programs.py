"""What both programs are to the person who starts them: command line, environment, exit codes and signals."""

import unittest

from faults import echo, wait_served
from origins import SocketOrigin
from support import HOST, Program, Tunnel, binary, free_port, run, show_address
from test_management import Folder

ADDRESSES = {"remote-proxy": ["--control-addr", f"{HOST}:0", "--outside-addr", f"{HOST}:0"],
             "origin-proxy": ["--remote-proxy-addr", f"{HOST}:1", "--origin-server-addr", f"{HOST}:1"]}


def program(name, *words, env=None):
    """Run to the end; gives exit code, stdout and stderr."""
    done = run([binary(name), *words], env=env, check=False)
    return done.returncode, done.stdout, done.stderr


class MillionsOfLines(unittest.TestCase):
    trust = ()

    def test_lines_that_are_counted_are_not_kept_and_the_others_are(self):
        lines = 300_000
        script = f"""for i in $(seq {lines}); do echo "... info visitor ended visitor=$i" >&2; done; echo last >&2"""
        talker = Program(["bash", "-c", script], name="talker", counts=" visitor ended ")
        talker.wait_line("^last$", stream="stderr", timeout=60)
        self.assertEqual(talker.counted, lines)
        self.assertEqual(talker.texts(), ["last"])
        talker.wait_exit(code=0)


class CommandLine(unittest.TestCase):
    trust = ()

    def wrong(self, name, words, *expected, env=None):
        """Exit 2, nothing on stdout, and every expected word in the message."""
        code, out, err = program(name, *words, env=env)
        self.assertEqual((code, out), (2, ""), err)
        for text in expected:
            self.assertIn(text, err)

    def test_help_is_printed_on_stdout_with_every_flag_and_the_rule_for_variables_and_exits_0(self):
        own = {"remote-proxy": ["--control-addr", "--outside-addr", "--pairing-timeout", "--max-waiting"],
               "origin-proxy": ["--remote-proxy-addr", "--origin-server-addr", "--dial-timeout", "--max-retries"]}
        common = ["--half-close-timeout", "--idle-timeout", "--heartbeat-interval", "--heartbeat-timeout",
                  "--grace-period", "--sandbox", "--log-level", "--log-format", "--help", "--version"]
        for name, _ in ADDRESSES.items():
            code, out, err = program(name, "--help-all")
            self.assertEqual((code, err), (0, ""))
            for wanted in own[name] + common:
                self.assertIn(wanted, out)
            short = program(name, "--help")
            self.assertEqual((short, program(name, "help")), (program(name, "-h"), short))
            code, out, err = short
            self.assertEqual((code, err), (0, ""))
            for wanted in (*own[name][:2], "Examples:", "--help-all", "status", "reload", "check",
                           f"{name.replace('-', '_').upper()}_LOG_LEVEL"):
                self.assertIn(wanted, out)
            self.assertLessEqual(max(map(len, out.splitlines())), 100)

    def test_a_name_that_is_nearly_one_is_answered_with_the_one_that_was_meant(self):
        for words, meant in ((["--contol-addr", ":9001"], "--control-addr"), (["stat"], "status"),
                             (["--log-level", "wran"], "warn"), (["--control-addr", "9001"], ":9001"),
                             (["--heartbeat-timeout", "5"], "5s"), (["--deny", "10.0.0/8"], "10.0.0.0/8"),
                             (["--max-bandwidth-up", "10mbit"], "10Mbit/s")):
            self.wrong("remote-proxy", words, f"did you mean {meant}?")
        self.wrong("remote-proxy", ["--origin-server-addr", ":1"], "a flag of origin-proxy")
        self.wrong("remote-proxy", ["--control-addr", ":1", "--control-addr", ":2"], "--control-addr is given twice")

    def test_a_variable_that_is_nearly_one_is_warned_of(self):
        for name, addresses in ADDRESSES.items():
            prefix = name.replace("-", "_").upper()
            code, out, err = program(name, "check", *addresses, env={f"{prefix}_LOGLEVEL": "debug"})
            self.assertEqual((code, out), (0, "ok\n"))
            self.assertIn(f"did you mean {prefix}_LOG_LEVEL?", err)

    def test_the_version_is_printed_on_stdout_and_exits_0(self):
        for name, _ in ADDRESSES.items():
            for flag in ("--version", "-V", "-v", "version"):
                code, out, err = program(name, flag)
                self.assertEqual((code, err), (0, ""))
                self.assertRegex(out, rf"^{name} \d+\.\d+\.\d+\S*\n$")

    def test_an_unknown_flag_exits_2_and_is_named(self):
        for name, addresses in ADDRESSES.items():
            self.wrong(name, [*addresses, "--no-such-flag"], "--no-such-flag", "--help")

    def test_a_word_that_is_no_flag_exits_2_and_is_named(self):
        for name, addresses in ADDRESSES.items():
            self.wrong(name, [*addresses, "verbose"], "verbose")

    def test_a_missing_flag_exits_2_and_is_named(self):
        for name, addresses in ADDRESSES.items():
            self.wrong(name, addresses[:2], addresses[2])
            self.wrong(name, addresses[2:], addresses[0])
            self.wrong(name, [], "required")

    def test_a_flag_without_its_value_exits_2_and_is_named(self):
        for name, addresses in ADDRESSES.items():
            self.wrong(name, [*addresses, "--log-level"], "--log-level")

    def test_a_bad_duration_exits_2_and_names_flag_value_and_what_is_expected(self):
        for name, addresses in ADDRESSES.items():
            for value in ("5", "soon", "-5s", "5 s", "5days", "1.5s", "99999999999999999999s", ""):
                self.wrong(name, [*addresses, "--heartbeat-timeout", value],
                           "--heartbeat-timeout", f'"{value}"', "250ms, 5s, 2m or 1h")

    def test_a_heartbeat_of_0_exits_2_since_it_would_mean_never(self):
        for name, addresses in ADDRESSES.items():
            for flag in ("--heartbeat-interval", "--heartbeat-timeout"):
                self.wrong(name, [*addresses, flag, "0"], flag, '"0"')

    def test_a_bad_address_exits_2_and_names_flag_value_and_what_is_expected(self):
        for name, addresses in ADDRESSES.items():
            for value in ("9000", "localhost", "localhost:", "localhost:http", "localhost:65536", "::1:9000",
                          "[::1:9000", "a b:9000", "http://localhost:9000", ""):
                self.wrong(name, [addresses[0], value, *addresses[2:]], addresses[0], f'"{value}"',
                           "an address such as")

    def test_a_bad_number_or_choice_exits_2_and_names_flag_value_and_what_is_expected(self):
        for name, addresses in ADDRESSES.items():
            self.wrong(name, [*addresses, "--log-level", "loud"], "--log-level", '"loud"', "error, warn, info or debug")
            self.wrong(name, [*addresses, "--log-format", "xml"], "--log-format", '"xml"', "text or json")
        for name, flag, value in (("remote-proxy", "--max-waiting", "-1"), ("remote-proxy", "--max-waiting", "0"),
                                  ("origin-proxy", "--max-retries", "x")):
            self.wrong(name, [*ADDRESSES[name], flag, value], flag, f'"{value}"', "number")

    def test_a_bad_value_in_the_environment_exits_2_and_names_the_variable(self):
        for name, addresses in ADDRESSES.items():
            variable = name.replace("-", "_").upper() + "_IDLE_TIMEOUT"
            self.wrong(name, addresses, variable, '"often"', env={variable: "often"})

    def test_every_flag_may_come_from_the_environment(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, start=False, fixed_ports=True) as tunnel:
            control, outside = show_address(tunnel.control), show_address(tunnel.outside)
            with Program([binary("remote-proxy")], env={
                    "REMOTE_PROXY_CONTROL_ADDR": control, "REMOTE_PROXY_OUTSIDE_ADDR": outside}) as remote, \
                Program([binary("origin-proxy")], env={
                    "ORIGIN_PROXY_REMOTE_PROXY_ADDR": control, "ORIGIN_PROXY_LOG_LEVEL": "error",
                    "ORIGIN_PROXY_ORIGIN_SERVER_ADDR": show_address(origin.address)}) as origin_proxy:
                remote.wait_line(f"^ready control={control} outside={outside}$", stream="stdout")
                origin_proxy.wait_line("^ready", stream="stdout")
                wait_served(tunnel.outside)
                self.assertEqual(origin_proxy.stop(), 0)
                self.assertEqual(origin_proxy.texts("stderr"), [])

    def test_a_flag_wins_over_the_environment(self):
        port = free_port()
        words = ["--control-addr", f"{HOST}:0", "--outside-addr", f"{HOST}:{port}"]
        with Program([binary("remote-proxy"), *words], env={"REMOTE_PROXY_OUTSIDE_ADDR": f"{HOST}:1"}) as remote:
            remote.wait_line(f"outside={HOST}:{port}$", stream="stdout")


class Start(unittest.TestCase):
    trust = ()

    def test_a_file_that_is_missing_or_of_no_use_exits_2_and_its_flag_is_named_at_the_start_and_by_check(self):
        with Folder() as folder:
            weak, gone = folder.file("weak", "short\n"), folder.path("gone")
            for name, addresses in ADDRESSES.items():
                prefix = name.replace("-", "_").upper()
                for words, env, named in (
                        (["--secret-file", gone], {}, "--secret-file"), (["--secret-file", weak], {}, "--secret-file"),
                        ([], {f"{prefix}_SECRET_FILE": gone}, "--secret-file"),
                        ([], {f"{prefix}_SECRET": "short"}, f"{prefix}_SECRET"),
                        (["--tls-cert", gone, "--tls-key", gone], {}, "--tls-"),
                        (["--management-addr", f"{HOST}:0", "--management-token-file", weak], {},
                         "--management-token-file")):
                    for first in ([], ["check"]):
                        code, out, err = program(name, *first, *addresses, *words, env=env)
                        self.assertEqual((code, out), (2, ""), (first, words, err))
                        self.assertIn(named, err)

    def test_a_port_that_is_taken_exits_1_with_one_line_that_names_the_address(self):
        with SocketOrigin(echo) as server:
            taken = show_address(server.address)
            for flags in (["--control-addr", taken, "--outside-addr", f"{HOST}:0"],
                          ["--control-addr", f"{HOST}:0", "--outside-addr", taken]):
                code, out, err = program("remote-proxy", *flags)
                self.assertEqual((code, out, err.count("\n")), (1, "", 1), err)
                self.assertIn(taken, err)
                self.assertIn("in use", err)

    def test_an_address_that_this_machine_does_not_have_exits_1_and_is_named(self):
        code, out, err = program("remote-proxy", "--control-addr", "192.0.2.1:9001", "--outside-addr", f"{HOST}:0")
        self.assertEqual((code, out, err.count("\n")), (1, "", 1), err)
        self.assertIn("192.0.2.1:9001", err)

    def test_an_empty_host_means_every_address_of_the_machine(self):
        with SocketOrigin(echo) as origin:
            words = ["--control-addr", ":0", "--outside-addr", ":0"]
            with Program([binary("remote-proxy"), *words]) as remote:
                ready = remote.wait_line(r"control=\S+:(\d+) outside=\S+:(\d+)$", stream="stdout")
                with Program([binary("origin-proxy"), "--remote-proxy-addr", f":{ready[1]}", "--origin-server-addr",
                              f":{origin.address[1]}"]) as origin_proxy:
                    origin_proxy.wait_line("^ready", stream="stdout")
                    wait_served((HOST, int(ready[2])))

    def test_the_ready_lines_name_the_real_ports_and_are_all_that_is_on_stdout(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address) as tunnel:
            control, outside = show_address(tunnel.control), show_address(tunnel.outside)
            self.assertNotIn(":0", (control[-2:], outside[-2:]))
            wait_served(tunnel.outside)
            for program_ in (tunnel.origin, tunnel.remote):
                program_.stop(code=0)
            self.assertEqual(tunnel.remote.texts("stdout"), [f"ready control={control} outside={outside}"])
            self.assertEqual(tunnel.origin.texts("stdout"), [
                f"ready remote={control} origin={show_address(origin.address)} outside={outside}"])

    def test_the_ready_line_is_not_said_again_after_a_new_log_in(self):
        with SocketOrigin(echo) as origin, Tunnel(origin.address, fixed_ports=True) as tunnel:
            tunnel.restart_remote(kill=True)
            tunnel.wait_log(tunnel.origin, lambda line: line["message"] == "logged in", count=2)
            tunnel.origin.stop(code=0)
            self.assertEqual(len(tunnel.origin.texts("stdout")), 1)


if __name__ == "__main__":
    unittest.main()
