"""docs/examples/monitoring: what the rules of Prometheus and the dashboard of Grafana ask for is there."""

import json
import os
import re
import shutil
import unittest
import urllib.parse
import urllib.request

import trust
from faults import HEARTBEATS, echo, exchange, visit
from origins import SocketOrigin
from programs import REPO
from promql import OF_THE_SCRAPE, Exposed, parse, samples
from support import HOST, Program, Tunnel, free_port, missing, need, poll, run
from test_management import TOKEN, Folder, curl, managed, metrics, status

try:
    import yaml
except ImportError:
    yaml = None

MONITORING = os.path.join(REPO, "docs/examples/monitoring")
# Of those that Grafana has, what this dashboard may show.
UNITS = {"none", "short", "s", "bytes", "Bps", "cps", "percentunit"}
COLUMNS = 24


def text_of(name):
    with open(os.path.join(MONITORING, name), encoding="utf-8") as file:
        return file.read()


def documents(name):
    if yaml is None:
        missing("python3-yaml")
    return yaml.safe_load(text_of(name))


def rules():
    return [rule for group in documents("alerts.yml")["groups"] for rule in group["rules"]]


def dashboard():
    return json.loads(text_of("grafana-dashboard.json"))


def panels():
    """Those that show something: a row is a heading."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def targets():
    """Each with the name of its panel."""
    return [(panel["title"], target) for panel in panels() for target in panel["targets"]]


def variables():
    return {each["name"]: each for each in dashboard()["templating"]["list"]}


def choices():
    """What fills a menu of the dashboard: of each the query's metric, and the label that is chosen from."""
    for name, each in variables().items():
        if each["type"] == "query":
            call = re.fullmatch(r"label_values\((.*), (\w+)\)", each["query"]["query"])
            yield name, call[1], call[2]


def copies(folder, **replaced):
    """The files in a folder; each of `replaced` is what one of them says and what it says here. Gives the path of the
    configuration."""
    for name in os.listdir(MONITORING):
        shutil.copy(os.path.join(MONITORING, name), folder)
    path = os.path.join(folder, "prometheus.yml")
    text = text_of("prometheus.yml")
    for old, new in replaced.values():
        if old not in text:
            raise AssertionError(f"prometheus.yml does not say {old}")
        text = text.replace(old, new)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


class Written(unittest.TestCase):
    trust = ()

    def test_promtool_finds_nothing_in_the_configuration_and_the_alert_rules_pass_their_tests(self):
        with Folder() as folder:
            token = folder.file("token", TOKEN)
            configuration = copies(folder.path(""), token=["/etc/prometheus/origin-proxy-token", token])
            for words in (["check", "config", configuration],
                          ["check", "rules", "--lint=all", "--lint-fatal", os.path.join(MONITORING, "alerts.yml")],
                          ["test", "rules", os.path.join(MONITORING, "alerts_test.yml")]):
                run([need("promtool"), *words])

    def test_each_alert_says_how_bad_it_is_and_what_to_do_and_is_seen_to_fire_and_not_to_fire(self):
        seen = {}
        for test in documents("alerts_test.yml")["tests"]:
            for case in test["alert_rule_test"]:
                seen.setdefault(case["alertname"], set()).add(bool(case.get("exp_alerts")))
        for rule in rules():
            with self.subTest(rule["alert"]):
                self.assertIn(rule["labels"]["severity"], ("critical", "warning"))
                self.assertRegex(rule["for"], r"^\d+m$")
                self.assertEqual(set(rule["annotations"]), {"summary", "description"})
                self.assertEqual(seen.pop(rule["alert"], None), {True, False})
        self.assertEqual(seen, {})

    def test_the_panels_of_the_dashboard_lie_beside_each_other_and_each_asks_for_something(self):
        every = dashboard()["panels"]
        numbers = [panel["id"] for panel in every]
        self.assertEqual(len(numbers), len(set(numbers)))
        taken = {}
        for panel in every:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], COLUMNS, panel["title"])
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    other = taken.setdefault((x, y), panel)
                    self.assertIs(other, panel, f"{panel['title']} lies on {other['title']}")
        for panel in panels():
            with self.subTest(panel["title"]):
                self.assertIn(panel["fieldConfig"]["defaults"]["unit"], UNITS)
                names = [target["refId"] for target in panel["targets"]]
                self.assertTrue(names)
                self.assertEqual(len(names), len(set(names)))
                for part in (panel, *panel["targets"]):
                    self.assertEqual(part["datasource"], {"type": "prometheus", "uid": "${datasource}"})

    def test_the_dashboard_has_the_variables_that_it_uses_and_uses_those_that_it_has(self):
        used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard()))) - {"__rate_interval", "__all"}
        self.assertEqual(used, set(variables()))


class Names(unittest.TestCase):
    """The names in all expressions, beside those of two programs that have all there is to tell."""

    trust = ()

    def setUp(self):
        folder = self.enterContext(Folder())
        origin = self.enterContext(SocketOrigin(echo))
        files = trust.make_certificates(trust.folder(self.id()), HOST)
        tunnel, remote, own = managed(origin, folder, trust.remote_flags(files),
                                      [*trust.origin_flags(files), "--health-check", "tcp"])
        with tunnel:
            with visit(tunnel.outside) as visitor:
                exchange(visitor)
            tunnel.wait_visitors(1)
            self.exposed = Exposed({"remote-proxy": samples(metrics(remote)), "origin-proxy": samples(metrics(own))})

    def test_every_metric_label_and_value_in_rules_and_dashboard_is_in_metrics(self):
        jobs = [job["job_name"] for job in documents("prometheus.yml")["scrape_configs"]]
        self.assertEqual(sorted(jobs), ["origin-proxy", "remote-proxy"])
        for rule in rules():
            self.assertEqual(self.exposed.complaints(rule["expr"]), [], rule["alert"])
        for panel, target in targets():
            self.assertEqual(self.exposed.complaints(target["expr"]), [], panel)
        for name, selector, label in choices():
            self.assertEqual(self.exposed.complaints(f"count by ({label}) ({selector})"), [], name)

    def test_the_series_that_the_alert_rules_are_tested_with_are_as_those_of_metrics(self):
        for test in documents("alerts_test.yml")["tests"]:
            for series in test["input_series"]:
                with self.subTest(series["series"]):
                    self.assertEqual(self.exposed.complaints(series["series"]), [])
                    (selector,), _ = parse(series["series"])
                    given = {label: value for label, _, value in selector.labels}
                    has = self.exposed.labels_of(given["job"], selector.metric)
                    self.assertEqual(set(given), OF_THE_SCRAPE if selector.metric == "up" else has)

    def test_what_is_misspelled_in_an_expression_is_noticed(self):
        good = ('sum by (instance, reason) (rate(tunnel_visitors_refused_total{job="remote-proxy",'
                'reason=~"late|no_room"}[5m])) / on (instance) group_left () up > 0.05')
        self.assertEqual(self.exposed.complaints(good), [])
        for right, wrong in (("refused_total", "refusd_total"), ("reason=~", "raeson=~"), ("late|", "lat|"),
                             ("|no_room", "|no_rom"), ("instance, reason", "instance, raeson"),
                             ("by (instance", "by (intsance"), ("on (instance", "on (intsance"),
                             ("remote-proxy", "remot-proxy"), ("remote-proxy", "origin-proxy"), ("up >", "upp >")):
            with self.subTest(wrong):
                self.assertNotEqual(self.exposed.complaints(good.replace(right, wrong)), [])


class Scraped(unittest.TestCase):
    """A real Prometheus with the example's configuration, but for addresses and a file of this machine."""

    trust = ()

    def ask(self, path, **query):
        url = f"http://{self.prometheus}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        return self.ask("query", query=expression)["result"]

    def start_prometheus(self, configuration):
        self.prometheus = f"{HOST}:{free_port()}"
        program = Program([need("prometheus"), "--config.file", configuration, "--web.listen-address", self.prometheus,
                           "--storage.tsdb.path", os.path.join(os.path.dirname(configuration), "data")])
        self.enterContext(program)
        program.wait_line("Server is ready to receive web requests")

    def test_prometheus_scrapes_both_programs_and_answers_every_query_of_the_dashboard(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            token = folder.file("token", TOKEN)
            remote, own = (f"{HOST}:{free_port()}" for _ in range(2))
            configuration = copies(
                folder.path(""),
                often=["_interval: 15s", "_interval: 1s"],
                remote=['["127.0.0.1:9057"]', f'["{remote}"]'],
                origin=['["cellar.internal:9057"]', f'["{own}"]'],
                token=["/etc/prometheus/origin-proxy-token", token])
            # By its secret the origin proxy has a name: an empty label is none to Prometheus.
            secrets = trust.TwoSecrets(folder.path(""))
            with Tunnel(origin.address, trust="none",
                        remote_flags=["--management-addr", remote, *secrets.remote_flags, *HEARTBEATS],
                        origin_flags=["--management-addr", own, "--management-read-token-file", token,
                                      *secrets.origin_flags, *HEARTBEATS]) as tunnel:
                with visit(tunnel.outside) as visitor:
                    exchange(visitor)
                tunnel.wait_visitors(1)
                self.start_prometheus(configuration)
                # A rate is between two.
                poll(lambda: len(self.query("up == 1 and count_over_time(up[1m]) > 2")) == 2, "both were scraped",
                     interval=0.2)
                for panel, target in targets():
                    with self.subTest(panel, expr=target["expr"]):
                        self.answers(target)
                self.rules_are_well()

    def answers(self, target):
        expression = target["expr"].replace("$__rate_interval", "1m")
        series = self.query(re.sub(r"\$\w+", ".*", expression))
        self.assertTrue(series)
        for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
            for each in series:
                self.assertIn(label, each["metric"])

    def rules_are_well(self):
        def looked_at():
            found = [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]
            return found if all(rule["health"] != "unknown" for rule in found) else None

        found = poll(looked_at, "the rules were looked at", interval=0.2)
        self.assertEqual({rule["name"] for rule in found}, {rule["alert"] for rule in rules()})
        for rule in found:
            self.assertEqual(rule["health"], "ok", rule)
            self.assertNotEqual(rule["state"], "firing", rule)

    def test_an_origin_proxy_is_scraped_through_its_own_tunnel(self):
        own = (HOST, free_port())
        with Tunnel(own, origin_flags=["--management-addr", f"{own[0]}:{own[1]}"]) as tunnel:
            outside = f"{tunnel.outside[0]}:{tunnel.outside[1]}"
            self.assertIn("tunnel_logged_in", curl(outside, "/metrics")[2])
            self.assertEqual(status(outside, "/metrics", "-H", "Host: evil.example"), 421)


if __name__ == "__main__":
    unittest.main()
