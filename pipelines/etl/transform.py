"""What the container runs: cleans one year of daily rows.

environment: SOURCE, TARGET: addresses; BUNSUI_OUTPUT: where the result goes
result:      {"target": …, "days": 365, "missing": []}
"""

import csv
import datetime
import io
import json
import os

import storage

COLUMNS = ["date", "rain", "high", "low", "mean", "wind", "weather"]


def clean(row):
    """One raw row, with an ISO date and a mean temperature."""
    high, low = float(row["temp_max"]), float(row["temp_min"])
    if high < low:
        raise ValueError("{}: the high {} is below the low {}".format(row["date"], high, low))
    return {
        "date": row["date"].replace("/", "-"),
        "rain": float(row["precipitation"]),
        "high": high,
        "low": low,
        "mean": round((high + low) / 2, 2),
        "wind": float(row["wind"]),
        "weather": row["weather"],
    }


def missing_days(dates):
    """The days between the first and the last that have no row."""
    known = {datetime.date(*map(int, date.split("-"))) for date in dates}
    day, last = min(known), max(known)
    missing = []
    while day < last:
        day += datetime.timedelta(days=1)
        if day not in known:
            missing.append(day.isoformat())
    return missing


def transform(text):
    """Raw CSV -> clean CSV, days, missing days."""
    rows = [clean(row) for row in csv.DictReader(io.StringIO(text))]
    rows.sort(key=lambda row: row["date"])
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue(), len(rows), missing_days(row["date"] for row in rows)


def main():
    text, days, missing = transform(storage.read_text(os.environ["SOURCE"]))
    target = storage.write_text(os.environ["TARGET"], text)
    print("{} days, {} missing, in {}".format(days, len(missing), target))
    result = {"target": target, "days": days, "missing": missing}
    storage.write_text(os.environ["BUNSUI_OUTPUT"], json.dumps(result))


if __name__ == "__main__":
    main()
