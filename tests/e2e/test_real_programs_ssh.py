"""OpenSSH through the tunnel: commands, scp, and a session that is silent for a while."""

import contextlib
import os
import subprocess
import tempfile
import time
import unittest

from origins import file_sha256, fill
from support import HOST, Program, Tunnel, free_port, need, run, user_name

FILE_SIZE = 50_000_000
IDLE_SECONDS = 5.0


class OpenSshThroughTheTunnel(unittest.TestCase):
    def setUp(self):
        sshd, keygen = need("sshd"), need("ssh-keygen")
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        for key in ("host_key", "user_key"):
            run([keygen, "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", os.path.join(self.folder, key)])
        if os.geteuid() == 0:
            # Built into sshd, which refuses to start without it; the service's unit would have made it.
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        port = free_port()
        conf = fill("sshd_config", os.path.join(self.folder, "sshd_config"), ADDRESS=HOST, FOLDER=self.folder)
        self.sshd = self.enterContext(Program([sshd, "-D", "-e", "-f", conf, "-p", port]))
        self.sshd.wait_line("Server listening on")
        self.server = (HOST, port)

    def options(self, tunnel, port_option):
        """Words for ssh and scp: our key alone, and the host key must be the one of our sshd."""
        host, port = tunnel.outside
        with open(os.path.join(self.folder, "host_key.pub"), encoding="ascii") as file:
            kind, key, _ = file.read().split()
        known_hosts = os.path.join(self.folder, "known_hosts")
        with open(known_hosts, "w", encoding="ascii") as file:
            file.write(f"[{host}]:{port} {kind} {key}\n")
        settings = ["BatchMode=yes", "IdentitiesOnly=yes", "IdentityAgent=none", "StrictHostKeyChecking=yes",
                    f"UserKnownHostsFile={known_hosts}", "GlobalKnownHostsFile=none", "ConnectTimeout=20",
                    f"User={user_name()}"]
        words = ["-F", "none", "-i", os.path.join(self.folder, "user_key"), port_option, str(port)]
        return words + [word for setting in settings for word in ("-o", setting)]

    @contextlib.contextmanager
    def tunnel(self, **options):
        try:
            with Tunnel(self.server, **options) as tunnel:
                yield tunnel
        except BaseException as error:
            error.add_note(self.sshd.output())
            raise

    def test_ssh_runs_a_command_and_gives_its_output_and_exit_code(self):
        """Input, output, errors and the exit code of the command all come through."""
        with self.tunnel() as tunnel:
            ssh = [need("ssh"), *self.options(tunnel, "-p"), HOST]
            answer = run([*ssh, "cat; echo trouble >&2; exit 42"], input="over the tunnel\n", check=False)
            self.assertEqual((answer.stdout, answer.returncode), ("over the tunnel\n", 42), answer.stderr)
            self.assertIn("trouble", answer.stderr)
            for lines in tunnel.wait_visitors(1):
                self.assertEqual(len(lines), 1)
                self.assertGreater(min(lines[0]["up"], lines[0]["down"]), 1000)

    def test_scp_copies_50_MB_there_and_back_unchanged(self):
        """The copy on the server and the copy of the copy have the checksum of the original."""
        original, there, back = (os.path.join(self.folder, name) for name in ("original", "there", "back"))
        with open(original, "wb") as file:
            file.write(os.urandom(FILE_SIZE))
        with self.tunnel() as tunnel:
            scp = [need("scp"), "-q", *self.options(tunnel, "-P")]
            run([*scp, original, f"{HOST}:{there}"])
            self.assertEqual(file_sha256(there), file_sha256(original))
            run([*scp, f"{HOST}:{there}", back])
            self.assertEqual(file_sha256(back), file_sha256(original))
            for there_line, back_line in tunnel.wait_visitors(2):
                self.assertGreater(there_line["up"], FILE_SIZE)
                self.assertGreater(back_line["down"], FILE_SIZE)

    def test_a_session_with_nothing_on_the_wire_stays_open(self):
        """A silent visitor is not a dead one: heartbeats watch the two programs, not the visitors."""
        # So short that several heartbeat timeouts would pass while the session is silent.
        flags = ["--heartbeat-interval", "250ms", "--heartbeat-timeout", "1s"]
        with self.tunnel(remote_flags=flags, origin_flags=flags) as tunnel:
            ssh = [need("ssh"), *self.options(tunnel, "-p"), HOST, "cat"]
            with subprocess.Popen(ssh, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as session:
                try:
                    session.stdin.write(b"before\n")
                    self.assertEqual(session.stdout.readline(), b"before\n")
                    time.sleep(IDLE_SECONDS)
                    self.assertEqual(tunnel.visitor_lines(), [])
                    session.stdin.write(b"after\n")
                    self.assertEqual(session.stdout.readline(), b"after\n")
                    session.stdin.close()
                    self.assertEqual(session.wait(20), 0)
                finally:
                    session.kill()
            for lines in tunnel.wait_visitors(1):
                self.assertEqual(len(lines), 1)
                self.assertGreaterEqual(lines[0]["duration"], IDLE_SECONDS)


if __name__ == "__main__":
    unittest.main()
