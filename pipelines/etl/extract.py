"""Lambda handler: takes one year out of the raw table.

payload: {"year": 2015, "target": "out/raw/….csv"}
result:  {"target": …, "rows": 365}
"""

import csv
import io
import os

import storage

RAW = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "seattle-weather.csv")


def handler(event, context):
    year = event["year"]
    reader = csv.reader(io.StringIO(storage.read_text(RAW)))
    header = next(reader)
    rows = [row for row in reader if row[0].startswith("{}/".format(year))]
    if not rows:
        raise ValueError("the table has no rows of {}".format(year))

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    target = storage.write_text(event["target"], out.getvalue())
    print("{} rows of {} in {}".format(len(rows), year, target))
    return {"target": target, "rows": len(rows)}
