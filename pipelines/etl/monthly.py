"""Lambda handler: one statistic, month by month.

payload: {"statistic": "rain", "source": "….csv"}
result:  {"unit": "mm", "columns": ["total", "wet days"], "months": [[138.2, 19], …]}
"""

import csv
import io

import storage


def mean(values):
    return round(sum(values) / len(values), 1)


def temperature(rows):
    return [
        mean([float(row["mean"]) for row in rows]),
        min(float(row["low"]) for row in rows),
        max(float(row["high"]) for row in rows),
    ]


def rain(rows):
    amounts = [float(row["rain"]) for row in rows]
    return [round(sum(amounts), 1), sum(1 for amount in amounts if amount > 0)]


def wind(rows):
    speeds = [float(row["wind"]) for row in rows]
    return [mean(speeds), max(speeds)]


STATISTICS = {
    "temperature": ("°C", ["mean", "lowest", "highest"], temperature),
    "rain": ("mm", ["total", "wet days"], rain),
    "wind": ("m/s", ["mean", "strongest"], wind),
}


def handler(event, context):
    unit, columns, summarise = STATISTICS[event["statistic"]]
    months = {}
    for row in csv.DictReader(io.StringIO(storage.read_text(event["source"]))):
        months.setdefault(row["date"][:7], []).append(row)
    figures = [summarise(rows) for _, rows in sorted(months.items())]
    print("{}: {} months".format(event["statistic"], len(figures)))
    return {"unit": unit, "columns": columns, "months": figures}
