"""In small what scripts/scale.py measures: many services, origin proxies, reloads and ends."""

import shutil
import unittest

import scale
from trust import folder


class Scale(unittest.TestCase):
    trust = ()
    serial = True

    def measure(self, measurement, **options):
        place = folder(self.id().rpartition(".")[2])
        self.addCleanup(shutil.rmtree, place)
        result = measurement(place, **options)
        self.assertEqual(result.problems, [], result.figures)

    def need(self, name):
        if scale.bench_program(name) is None:
            self.skipTest(f"{name} is built in release builds alone")

    def test_hundreds_of_services_are_soon_there_and_cost_little(self):
        self.need("tunnel-bench")
        self.measure(scale.services, count=400, rounds=0)

    def test_fifty_origin_proxies_come_back_at_once_and_none_is_refused(self):
        self.need("tunnel-origins")
        self.measure(scale.storm, count=50)

    def test_so_do_fifty_who_prove_their_secrets_without_encryption(self):
        self.need("tunnel-origins")
        self.measure(scale.storm, count=50, encrypted=False)

    def test_no_visitor_notices_that_both_programs_reload_again_and_again(self):
        self.measure(scale.reloads, count=10)

    def test_of_two_origin_proxies_one_is_killed_again_and_again_and_only_its_own_visitors_notice(self):
        self.measure(scale.kills, seconds=6.0, every=2.0, away=0.5)


if __name__ == "__main__":
    unittest.main()
