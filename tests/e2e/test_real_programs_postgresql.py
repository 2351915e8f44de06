"""PostgreSQL through the tunnel: psql, COPY, cancelling a query, pgbench."""

import hashlib
import os
import re
import shutil
import signal
import tempfile
import unittest

from support import HOST, Program, Tunnel, free_port, need, poll, run, user_name

ROWS = 200_000


def table():
    """Rows as COPY writes them: a number and a text that depends on it."""
    return "".join(f"{n}\t{hashlib.md5(str(n).encode()).hexdigest()}\n" for n in range(1, ROWS + 1))


class PostgreSqlThroughTheTunnel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        initdb, postgres = need("initdb"), need("postgres")
        need("psql"), need("pgbench")
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        data = os.path.join(folder, "data")
        cls.user, who = user_name(), {}
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root. Not by runuser, which would stand between us and the server's pid.
            cls.user, who = "postgres", {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(folder, "postgres", "postgres")
        run([initdb, "-D", data, "-U", cls.user, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            cwd=folder, **who)
        port = free_port()
        settings = {"listen_addresses": HOST, "port": port, "unix_socket_directories": "", "fsync": "off"}
        words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        # SIGINT is PostgreSQL's fast shutdown: SIGTERM would wait for clients that a failed test left behind.
        cls.server = Program([postgres, "-D", data, *words], cwd=folder, **who)
        cls.addClassCleanup(cls.server.stop, number=signal.SIGINT)
        cls.server.wait_line("database system is ready to accept connections")
        cls.address = (HOST, port)

    def environment(self, address):
        return {"PGHOST": address[0], "PGPORT": str(address[1]), "PGUSER": self.user, "PGDATABASE": "postgres",
                "PGCONNECT_TIMEOUT": "20"}

    def psql(self, address, *commands, **options):
        words = [word for command in commands for word in ("-c", command)]
        return run([need("psql"), "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", *words],
                   env=self.environment(address), **options).stdout

    def test_a_big_result_arrives_complete_and_in_order(self):
        """200 000 rows that psql reads are those which the same computation gives here."""
        with Tunnel(self.address) as tunnel:
            result = self.psql(tunnel.outside, f"SELECT n, md5(n::text) FROM generate_series(1, {ROWS}) n ORDER BY n")
            expected = table()
            self.assertEqual(result.count("\n"), ROWS)
            self.assertTrue(result == expected, "the rows differ")
            for lines in tunnel.wait_visitors(1):
                self.assertEqual(len(lines), 1)
                self.assertGreater(lines[0]["down"], len(expected))

    def test_copy_moves_a_table_in_and_out(self):
        """COPY FROM stores every row (the server counts and sums them), and COPY TO gives back the same bytes."""
        rows = table()
        with Tunnel(self.address) as tunnel:
            self.psql(tunnel.outside, "DROP TABLE IF EXISTS copied", "CREATE TABLE copied (n bigint, hash text)")
            self.psql(tunnel.outside, "COPY copied FROM STDIN", input=rows)
            count = self.psql(self.address, "SELECT count(*), sum(n), count(*) FILTER (WHERE hash = md5(n::text)) "
                                            "FROM copied")
            self.assertEqual(count.split(), [str(ROWS), str(ROWS * (ROWS + 1) // 2), str(ROWS)])
            back = self.psql(tunnel.outside, "COPY (SELECT * FROM copied ORDER BY n) TO STDOUT")
            self.assertTrue(back == rows, "the rows differ")
            for _, copy_in, copy_out in tunnel.wait_visitors(3):
                self.assertGreater(copy_in["up"], len(rows))
                self.assertGreater(copy_out["down"], len(rows))

    def test_ctrl_c_in_psql_cancels_the_running_query(self):
        """psql cancels through a second connection, while the first one waits for the answer."""
        with Tunnel(self.address) as tunnel:
            words = [need("psql"), "-X", "-v", "ON_ERROR_STOP=1", "-c", "SELECT pg_sleep(60)"]
            with Program(words, env=self.environment(tunnel.outside)) as psql:
                running = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"
                poll(lambda: self.psql(self.address, running), "the query runs", interval=0.05)
                psql.send_signal(signal.SIGINT)
                psql.wait_line("canceling statement due to user request", 20)
                psql.wait_exit(20, code=1)
            tunnel.wait_visitors(2)

    def test_pgbench_with_eight_clients_has_no_failed_transaction(self):
        """pgbench fills its tables through the tunnel and then runs all of its transactions."""
        with Tunnel(self.address) as tunnel:
            environment = self.environment(tunnel.outside)
            run([need("pgbench"), "-i", "-q", "-s", "2"], env=environment)
            filled = len(tunnel.wait_visitors(1)[0])
            answer = run([need("pgbench"), "-n", "-c", "8", "-j", "2", "-t", "100"], env=environment)
            self.assertIn("number of transactions actually processed: 800/800", answer.stdout)
            self.assertRegex(answer.stdout, re.compile(r"^number of failed transactions: 0 ", re.MULTILINE))
            self.assertNotIn("error", answer.stderr)
            # The history has a row for each committed transaction, whatever pgbench says.
            self.assertEqual(self.psql(self.address, "SELECT count(*) FROM pgbench_history").strip(), "800")
            tunnel.wait_visitors(filled + 8)


if __name__ == "__main__":
    unittest.main()
