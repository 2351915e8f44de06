"""One picture of a report."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as pyplot  # noqa: E402  the backend has to be chosen first
import matplotlib.ticker as ticker  # noqa: E402

OURS = ["#1558b0", "#0f8a7e", "#7b3fb5", "#b5521b"]
PEERS = ["#9aa3ad", "#b9b096", "#c3a5a5", "#a9b8a4", "#c9ced4"]
INK = "#24292f"

# case, key, title; what a reader asks first comes first
PANELS = [
    ("bulk-8-up", "gb_per_second", "Bulk, 8 streams up\nspeed, 1 = without tunnel"),
    ("bulk-8-down", "gb_per_second", "Bulk, 8 streams down\nspeed, 1 = without tunnel"),
    ("bulk-8-down", "cpu_per_gb", "CPU of the tunnel, 8 streams down\nseconds per GB, less is better"),
    ("small", "per_second", "64 clients x 512 B\nrequests/s, 1 = without tunnel"),
    ("pingpong", "round_trip_p50_us", "1-byte round trip\ntime, 1 = without tunnel, less is better"),
    ("connect-1", "first_byte_p50_us", "New connection to first byte\ntime, 1 = without tunnel, less is better"),
    ("connect-16", "per_second", "New connections, 16 at once\nper second, 1 = without tunnel"),
    ("sni-connect-16", "per_second", "By SNI: new connections, 16 at once\nper second, 1 = without tunnel"),
    ("sni-bulk-8-down", "gb_per_second", "By SNI: bulk, 8 streams down\nspeed, 1 = without tunnel"),
    ("https-connect-16", "per_second", "HTTPS: handshakes with a request, 16 at once\nper second, 1 = without tunnel"),
    ("https-requests", "per_second", "HTTPS: 16 clients that stay\nrequests/s, 1 = without tunnel"),
    ("https-bulk-8-up", "gb_per_second", "HTTPS: bulk, 8 streams up\nspeed, 1 = without tunnel"),
    ("https-bulk-8-down", "gb_per_second", "HTTPS: bulk, 8 streams down\nspeed, 1 = without tunnel"),
    ("http-requests-16", "per_second", "HTTP: 16 clients that stay\nrequests/s, 1 = without tunnel"),
    ("http-requests-256", "per_second", "HTTP: 256 clients that stay\nrequests/s, 1 = without tunnel"),
    ("http-connect-16", "per_second", "HTTP: a connection for each request, 16 at once\nper second, 1 = without tunnel"),
    ("http-events", "event_p99_us", "HTTP: p99 of an event's delay\ntime, 1 = without tunnel, less is better"),
    ("http-bulk-8-up", "gb_per_second", "HTTP: bodies of 64 MiB, 8 up\nspeed, 1 = without tunnel"),
    ("http-bulk-8-down", "gb_per_second", "HTTP: bodies of 64 MiB, 8 down\nspeed, 1 = without tunnel"),
    ("http-upgraded-1000", "kib_per_visitor", "HTTP: 1,000 idle clients after an upgrade\nKiB of memory for each, less is better"),
    ("idle-8000", "kib_per_visitor", "8,000 idle visitors\nKiB of memory for each, less is better"),
    ("idle-2000", "kib_per_visitor", "2,000 idle visitors\nKiB of memory for each, less is better"),
]


def draw(report, project, path, caption):
    """`project`: the names to show up as this project's."""
    tunnels = [name for name in report.names if name != "direct"]
    colors = dict(zip([name for name in tunnels if name in project], OURS * 9))
    colors |= dict(zip([name for name in tunnels if name not in project], PEERS * 9))
    panels = [panel for panel in PANELS if any(_shown(report, panel, name) is not None for name in tunnels)]
    if ("idle-8000", "kib_per_visitor") in [panel[:2] for panel in panels]:
        panels = [panel for panel in panels if panel[0] != "idle-2000"]
    growth = [case for case in report.cases if case.name.startswith("growth-")]
    panels += [None, None] if len(growth) > 1 else []
    if not panels:
        return False
    # Text stays text, and the same figures give the same file.
    settings = {"svg.fonttype": "none", "svg.hashsalt": "tunnel", "font.family": "sans-serif", "text.color": INK}
    with pyplot.rc_context(settings | {"axes.edgecolor": "#d0d7de", "xtick.color": INK, "ytick.color": INK}):
        columns = min(2, len(panels))
        rows = -(-len(panels) // columns)
        most = max(len(_present(report, panel, tunnels)) for panel in panels if panel) if any(panels) else len(tunnels)
        height = 0.75 + 0.27 * most
        figure, axes = pyplot.subplots(rows, columns, figsize=(5.2 * columns, max(height, 1.9) * rows + 0.5), squeeze=False)
        figure.patch.set_facecolor("white")
        flat = list(axes.flat)
        for axis, panel in zip(flat, panels):
            if panel:
                _bars(axis, report, panel, _present(report, panel, tunnels), colors, project, most)
        for axis in flat[len(panels) :]:
            axis.set_visible(False)
        if len(growth) > 1:
            last = flat[len(panels) - 2 : len(panels)]
            _growth(last[0], report, growth, "per_second", colors, project, "Round trips/s by concurrent pairs, 512 B")
            _growth(last[1], report, growth, "round_trip_p99_us", colors, project, "Their p99 in ms, less is better", 1e-3)
        figure.text(0.01, 0.004, caption, fontsize=7, color="#57606a")
        figure.tight_layout(rect=(0, 0.015, 1, 1), h_pad=1.6, w_pad=2)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
    return True


def _shown(report, panel, name):
    cell = report.cell(panel[0], panel[1], name)
    return cell.shown if cell else None


def _present(report, panel, names):
    """Those who take part in the panel's case."""
    return [name for name in names if report.cell(panel[0], panel[1], name)]


def _plain(axis, title):
    axis.set_title(title, fontsize=9, loc="left", color=INK)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.tick_params(labelsize=8, length=0)


def _bars(axis, report, panel, tunnels, colors, project, most):
    _plain(axis, panel[2])
    values = [_shown(report, panel, name) for name in tunnels]
    widest = max(value for value in values if value is not None) or 1
    relative = "without tunnel" in panel[2]
    for place, (name, value) in enumerate(zip(tunnels, values)):
        weight = "bold" if name in project else "normal"
        axis.barh(place, value or 0, color=colors[name], height=0.68)
        failed = report.cell(panel[0], panel[1], name) is not None and value is None
        text = "failed" if failed else "" if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"
        axis.text((value or 0) + widest * 0.015, place, text, va="center", fontsize=8, fontweight=weight)
    if relative:
        axis.axvline(1, color=INK, linewidth=0.8, linestyle=(0, (3, 3)))
    axis.set_yticks(range(len(tunnels)), tunnels)
    for label, name in zip(axis.get_yticklabels(), tunnels):
        label.set_fontweight("bold" if name in project else "normal")
    axis.set_ylim(most - 0.5, -0.6)  # bars of the same height everywhere
    axis.set_xlim(0, max(widest * 1.14, 1.05 if relative else 0))
    axis.xaxis.set_visible(False)
    axis.spines["bottom"].set_visible(False)


def _growth(axis, report, cases, key, colors, project, title, scale=1):
    _plain(axis, title)
    for name in report.names:
        points = [
            (case.arguments[2], cell.value * scale)
            for case in cases
            if (cell := report.cell(case.name, key, name)) and cell.shown is not None
        ]
        if not points:
            continue
        mine = name in project
        style = {"color": colors.get(name, INK), "linewidth": 2.4 if mine else 1.3, "zorder": 3 if mine else 2}
        style |= {"linestyle": (0, (3, 3))} if name == "direct" else {"marker": "o", "markersize": 4 if mine else 3}
        axis.plot(*zip(*points), label=name, **style)
    axis.set_xscale("log", base=4)
    axis.set_yscale("log")
    axis.set_xticks([case.arguments[2] for case in cases], [f"{case.arguments[2]:,}" for case in cases])
    axis.xaxis.set_minor_locator(ticker.NullLocator())
    axis.yaxis.set_minor_formatter(ticker.NullFormatter())
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axis.grid(axis="y", color="#eaeef2", linewidth=0.8)
    axis.legend(fontsize=7, frameon=False, ncols=2)
