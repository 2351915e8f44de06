"""Medians of the samples, as a table and as a chart."""

import statistics

LOADED = 0.15  # cores of foreign work from which a figure carries a star

# What stands above the table of each family of cases.
FAMILIES = {
    "tunnels": [],
    "sni": [
        "By SNI: visitors whose first bytes are a ClientHello. TLS ends at the origin server; or nobody does TLS, where",
        "the ClientHello is a prepared one. One whose name ends with -sni is led by the name in it, as sniproxy is;",
        "all but this project's are in front of its tunnel. The others have a port of their own:",
        "",
    ],
    "https": [
        "HTTPS: TLS 1.3 ends at this project's front, or at another in front of its tunnel; without a tunnel, at the",
        "origin server. nginx-http reads the requests, the others pass on bytes:",
        "",
    ],
    "http": [
        "HTTP by Host: the Host of each request leads one whose name ends with -host, and piko; nginx-host is in front of",
        "this project's tunnel, haproxy-host are two hops that both read the requests. ours has a port of its own, and",
        "passes on bytes:",
        "",
    ],
}

# How the name of a front of this project ends, its family, and the words for both.
FRONTS = {"-sni": ("sni", "By SNI"), "-host": ("http", "By Host")}


class Cell:
    """One figure of one contender over all rounds."""

    def __init__(self, metric, samples, directs):
        good = [sample for sample in samples if not sample.failure and metric.key in sample.values]
        self.failure = next((sample.failure for sample in samples if sample.failure), "")
        self.failed = len(samples) - len(good)
        self.values = [sample.values[metric.key] for sample in good]
        self.errors = {}
        for sample in samples:
            for what, times in sample.errors.items():
                self.errors[what] = self.errors.get(what, 0) + times
        pairs = [(sample, directs.get(sample.round)) for sample in good]
        self.ratios = [
            sample.values[metric.key] / direct.values[metric.key]
            for sample, direct in pairs
            if direct and direct.values.get(metric.key)
        ]
        # A ratio is as disturbed as the worse of its two runs.
        loads = [max(sample.foreign, direct.foreign if metric.ratio and direct else 0) for sample, direct in pairs]
        self.loaded = bool(loads) and statistics.median(loads) > LOADED
        shown = self.ratios if metric.ratio else self.values
        # Failing half the time is not a result.
        self.shown = statistics.median(shown) if shown and len(good) * 2 > len(samples) else None
        self.value = statistics.median(self.values) if self.values else None


def encrypts(name):
    """Whether a contender of this name encrypts what passes between its ends."""
    return name.endswith(("-tls", "-noise"))


class Report:
    def __init__(self, cases, contenders, samples):
        self.cases = cases
        self.names = [contender.name for contender in contenders]
        self.samples = samples
        self.cells = {}
        for case in cases:
            for metric in case.metrics:
                directs = {s.round: s for s in self._of(case.name, "direct") if not s.failure}
                for name in self.names:
                    of_name = self._of(case.name, name)
                    if of_name:
                        self.cells[case.name, metric.key, name] = Cell(metric, of_name, directs)

    def _of(self, case, contender):
        return [sample for sample in self.samples if (sample.case, sample.contender) == (case, contender)]

    def cell(self, case, key, name):
        return self.cells.get((case, key, name))

    def metrics(self):
        return [(case, metric) for case in self.cases for metric in case.metrics]

    def noise(self):
        """By what part of its median each figure of the runs without a tunnel differs between rounds."""
        spreads = {}
        for case, metric in self.metrics():
            cell = self.cell(case.name, metric.key, "direct")
            if cell and metric.ratio and len(cell.values) > 1 and cell.value:
                spreads[metric.title] = (max(cell.values) - min(cell.values)) / cell.value
        return spreads

    def as_json(self):
        return [
            {
                "case": case.name,
                "metric": metric.key,
                "title": metric.title,
                "unit": metric.unit,
                "more_is_better": metric.more_is_better,
                "contenders": {
                    name: {
                        "median": cell.value,
                        "median_ratio": statistics.median(cell.ratios) if cell.ratios else None,
                        "values": cell.values,
                        "ratios": cell.ratios,
                        "failed_rounds": cell.failed,
                        "loaded": cell.loaded,
                    }
                    for name in self.names
                    if (cell := self.cell(case.name, metric.key, name))
                },
            }
            for case, metric in self.metrics()
        ]

    def as_markdown(self, about):
        notes = {}  # (contender, what went wrong) -> the cases
        lines = [
            "Medians. For each tunnel: times what the same case measured without a tunnel in the same round,",
            "or, where a unit stands in the first column, the figure itself. The best tunnel is **bold**,",
            "and so is the best of those that encrypt, whose names end with -tls or -noise.",
            "",
            *self._tables(notes, ratios=True),
            *self._beside_own_port(),
            "The same in absolute figures:",
            "",
            *self._tables(notes, ratios=False),
            f"\\* other programs used more than {LOADED} cores meanwhile.",
            "",
            *(f"{place}. {name}, {', '.join(where)}: {what}" for place, ((name, what), where) in enumerate(notes.items(), 1)),
            "",
            *about,
        ]
        return "\n".join(lines) + "\n"

    def _beside_own_port(self):
        """By SNI and by Host, times the port of its own of the same build in the same round."""
        return [line for suffix, (family, words) in FRONTS.items() for line in self._front_beside_own_port(suffix, family, words)]

    def _front_beside_own_port(self, suffix, family, words):
        lines = []
        for name in self.names:
            port = name.removesuffix(suffix)
            for case, metric in self.metrics():
                if port == name or case.family != family or not metric.ratio:
                    continue
                values, ports = (self._by_round(case.name, metric.key, of) for of in (name, port))
                pairs = [(values[round_], ports[round_]) for round_ in values if ports.get(round_)]
                if not pairs:
                    continue
                text = number(statistics.median(value / own for value, own in pairs))
                if not metric.more_is_better:
                    text += f", {number(statistics.median(value - own for value, own in pairs))} {metric.unit} more"
                lines.append(f"- {metric.title}: {text} ({name} / {port})")
        about = f"{words}, times the same programs with a port of its own in the same round:"
        return [about, "", *lines, ""] if lines else []

    def _by_round(self, case, key, name):
        return {s.round: s.values[key] for s in self._of(case, name) if not s.failure and key in s.values}

    def _tables(self, notes, ratios):
        lines = []
        for family, about in FAMILIES.items():
            cases = {case.name for case in self.cases if case.family == family}
            names = [name for name in self.names if any(case in cases and name == of for case, _, of in self.cells)]
            if names:
                lines += [*(about if ratios else []), *self._table(family, names, notes, ratios), ""]
        return lines

    def _table(self, family, names, notes, ratios):
        rows = ["| case | better | " + " | ".join(names) + " |", "| --- | --- |" + " ---: |" * len(names)]
        for case, metric in self.metrics():
            if case.family != family:
                continue
            if not ratios and not metric.ratio:
                continue  # the first table has it
            title = metric.title if metric.ratio and ratios or not metric.unit else f"{metric.title}, {metric.unit}"
            row = [title, "more" if metric.more_is_better else "less"]
            best = {kind: self._best(case, metric, ratios, kind) for kind in (True, False)}
            row += [self._text(case, metric, name, ratios, best[encrypts(name)], notes) for name in names]
            rows.append("| " + " | ".join(row) + " |")
        return rows

    def _best(self, case, metric, ratios, encrypted):
        names = [name for name in self.names if name != "direct" and encrypts(name) == encrypted]
        cells = [self.cell(case.name, metric.key, name) for name in names]
        figures = [cell.shown if ratios else cell.value for cell in cells if cell and cell.shown is not None]
        return (max if metric.more_is_better else min)(figures) if len(set(figures)) > 1 else None

    def _text(self, case, metric, name, ratios, best, notes):
        cell = self.cell(case.name, metric.key, name)
        if cell is None or (name == "direct" and not cell.values and not cell.failure):
            return ""
        if cell.shown is None and cell.value is None or cell.shown is None and name != "direct" and cell.failed:
            return "failed" + self._note(notes, name, case, cell.failure or "no figure")
        if name == "direct" and ratios and metric.ratio:
            text = f"{number(cell.value)} {metric.unit}"
        else:
            value = cell.shown if ratios else cell.value
            if value is None:
                return number(cell.value) + " (no direct)"
            text = number(value)
        if name != "direct" and best is not None and (cell.shown if ratios else cell.value) == best:
            text = f"**{text}**"
        if cell.loaded:
            text += "\\*"
        if cell.errors or cell.failed:
            what = "; ".join(f"{times:,} x {what}" for what, times in cell.errors.items()) or cell.failure
            text += self._note(notes, name, case, what)
        return text

    @staticmethod
    def _note(notes, name, case, what):
        where = notes.setdefault((name, what), [])
        if case.name not in where:
            where.append(case.name)
        return f" <sup>{list(notes).index((name, what)) + 1}</sup>"


def number(value):
    if value is None:
        return "-"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
