"""Lambda handler: one HTML page with a chart and a table; it needs nothing from anywhere else.

payload: {"year", "days", "temperature", "rain", "wind": results of monthly.py (wind may be null), "target"}
result:  {"report": …, "months": 12}
"""

import html

import storage

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --rain: #3b82c4; --high: #d9542b; --low: #2b8a8a; --line: #8886; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
figure {{ margin: 1.5rem 0; }}
svg {{ width: 100%; height: auto; }}
svg text {{ font: 12px system-ui, sans-serif; fill: currentColor; }}
.grid {{ stroke: var(--line); }}
.rain {{ fill: var(--rain); }}
.high, .low {{ fill: none; stroke-width: 2.5; }}
.high {{ stroke: var(--high); }}
.low {{ stroke: var(--low); stroke-dasharray: 6 3; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }}
th:first-child {{ text-align: left; }}
footer {{ margin-top: 2rem; font-size: .85rem; opacity: .75; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{summary}</p>
<figure>
{chart}
<figcaption>Bars: rain in mm (left). Solid line: highest temperature, dashed: lowest, in °C (right).</figcaption>
</figure>
{table}
<footer>Daily observations by NOAA, through the vega-datasets collection. Made by bunsui, pipelines/etl.toml.</footer>
</body>
</html>
"""

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 900, 360, 50, 50, 20, 40


def ticks(low, high, step):
    """Round numbers that enclose both."""
    first = int(low // step) * step
    last = -int(-high // step) * step
    return list(range(first, max(last, first + step) + 1, step))


def chart(temperature, rain):
    """An inline SVG: rain as bars, highest and lowest temperatures as lines."""
    totals = [month[0] for month in rain["months"]]
    lows = [month[1] for month in temperature["months"]]
    highs = [month[2] for month in temperature["months"]]
    rain_ticks, degree_ticks = ticks(0, max(totals), 50), ticks(min(lows), max(highs), 10)
    inner = HEIGHT - TOP - BOTTOM
    slot = (WIDTH - LEFT - RIGHT) / len(totals)

    def y(value, scale):
        return round(TOP + inner * (1 - (value - scale[0]) / (scale[-1] - scale[0])), 1)

    def x(index):
        return round(LEFT + slot * (index + 0.5), 1)

    parts = ['<svg viewBox="0 0 {} {}" role="img" aria-label="rain and temperature by month">'.format(WIDTH, HEIGHT)]
    for tick in rain_ticks:
        at = y(tick, rain_ticks)
        parts.append('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'.format(LEFT, WIDTH - RIGHT, at, at))
        parts.append('<text x="{}" y="{}" text-anchor="end">{}</text>'.format(LEFT - 8, at + 4, tick))
    for tick in degree_ticks:
        parts.append('<text x="{}" y="{}">{}°</text>'.format(WIDTH - RIGHT + 8, y(tick, degree_ticks) + 4, tick))
    for index, total in enumerate(totals):
        at = y(total, rain_ticks)
        parts.append(
            '<rect class="rain" x="{}" y="{}" width="{}" height="{}"><title>{}: {} mm</title></rect>'.format(
                round(x(index) - slot * 0.32, 1), at, round(slot * 0.64, 1), round(HEIGHT - BOTTOM - at, 1),
                MONTHS[index], total,
            )
        )
        parts.append('<text x="{}" y="{}" text-anchor="middle">{}</text>'.format(x(index), HEIGHT - 16, MONTHS[index]))
    for name, values in (("high", highs), ("low", lows)):
        points = " ".join("{},{}".format(x(index), y(value, degree_ticks)) for index, value in enumerate(values))
        parts.append('<polyline class="{}" points="{}"/>'.format(name, points))
    parts.append("</svg>")
    return "\n".join(parts)


def table(statistics):
    """All figures. `statistics`: name -> result, without those that are missing."""
    head = ["<th>Month</th>"]
    for name, statistic in statistics.items():
        for column in statistic["columns"]:
            unit = "" if column == "wet days" else ", " + statistic["unit"]
            head.append("<th>{} {}{}</th>".format(name, html.escape(column), html.escape(unit)))
    rows = []
    for index in range(len(next(iter(statistics.values()))["months"])):
        cells = ["<th>{}</th>".format(MONTHS[index])]
        for statistic in statistics.values():
            cells += ["<td>{}</td>".format(figure) for figure in statistic["months"][index]]
        rows.append("<tr>{}</tr>".format("".join(cells)))
    return "<table>\n<thead><tr>{}</tr></thead>\n<tbody>\n{}\n</tbody>\n</table>".format(
        "".join(head), "\n".join(rows)
    )


def summary(event):
    totals = [month[0] for month in event["rain"]["months"]]
    wet_days = sum(month[1] for month in event["rain"]["months"])
    hottest = max(month[2] for month in event["temperature"]["months"])
    text = "{} days, {:.0f} mm of rain on {} of them, most in {}; the hottest day had {} °C.".format(
        event["days"], sum(totals), wet_days, MONTHS[totals.index(max(totals))], hottest
    )
    return text if event["wind"] else text + " There are no figures of the wind: that job failed."


def handler(event, context):
    statistics = {name: event[name] for name in ("temperature", "rain", "wind") if event[name]}
    page = PAGE.format(
        title="Seattle's weather in {}".format(event["year"]),
        summary=html.escape(summary(event)),
        chart=chart(event["temperature"], event["rain"]),
        table=table(statistics),
    )
    report = storage.write_text(event["target"], page)
    print("open {}".format(report))
    return {"report": report, "months": len(event["rain"]["months"])}
