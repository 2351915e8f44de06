"""Ten thousand names at one port: how long the start takes, what each costs, and that the last is found like the
first."""

import statistics
import time
import unittest

from faults import SLOW, resident_kib
from fronts import AtFronts, alert_of, authority, web, word_of
from support import show_address

NAMES = 10_000
SERVED = 20  # of these an origin proxy offers the first and the last


class Many(AtFronts):
    serial = True
    timeout = 300

    def start_with(self, count):
        """Gives the address for TLS, the seconds until it was ready, and the memory that it takes then, in KiB."""
        path = self.write(f"many-{count}.toml", self.tables + "".join(
            f'[services.s{number}]\nkind = "tls"\nhosts = ["s{number}.example.com", "*.s{number}.example.com"]\n'
            for number in range(count)))
        began = time.monotonic()
        front = self.front("--config", path)
        return front, time.monotonic() - began, resident_kib(self.remote_program.pid)

    def median_refusal(self, front):
        """Of a look-up that finds a name which nobody serves, in milliseconds."""
        times = []
        for _ in range(50):
            began = time.monotonic()
            alert_of(front, "nobody.example.com")
            times.append(time.monotonic() - began)
        return 1000 * statistics.median(times)

    def median_answer(self, front, name):
        times = []
        for _ in range(50):
            began = time.monotonic()
            word_of(front, name, self.context)
            times.append(time.monotonic() - began)
        return 1000 * statistics.median(times)

    def test_ten_thousand_names_cost_little_and_the_last_is_found_like_the_first(self):
        self.with_secrets("A")
        last = f"s{NAMES - 1}.example.com"
        names = ("s0.example.com", last, f"deep.in.{last}")
        self.context = authority().trusting()
        front, few_took, few_kib = self.start_with(SERVED)
        few_refused = self.median_refusal(front)
        self.end(self.remote_program)
        front, many_took, many_kib = self.start_with(NAMES)
        many_refused = self.median_refusal(front)
        each = 1024 * (many_kib - few_kib) / (NAMES - SERVED)
        with web("many", *names) as server:
            where = show_address(server.address)
            self.origin(self.control, "--secret-file", self.files["A"], "--service", f"s0={where}",
                        "--service", f"s{NAMES - 1}={where}")
            medians = [self.median_answer(front, name) for name in names]
        print(f"\nready after {1000 * few_took:.0f} ms with {SERVED} services, {1000 * many_took:.0f} ms with {NAMES}; "
              f"{each:.0f} bytes for each service with two names; an unknown name {few_refused:.2f} ms and "
              f"{many_refused:.2f} ms; an answer by the first, the last and a wildcard "
              f"{', '.join(f'{each:.2f}' for each in medians)} ms")
        self.assertLess(each, 64 * 1024 if SLOW else 16 * 1024)
        self.assertLess(many_took, 60 if SLOW else 20)
        self.assertLess(many_refused, 5 * few_refused + 2)
        self.assertLess(max(medians), 5 * min(medians) + 5)


if __name__ == "__main__":
    unittest.main()
