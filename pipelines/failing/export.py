"""A process that exits with 3 where nobody said where its output goes."""

import csv
import json
import os
import sys

orders = json.loads(os.environ["ORDERS"])
print("exporting {} orders".format(len(orders)), flush=True)  # before what follows on stderr

target = os.environ["TARGET"]
if not target:
    print("TARGET is empty: give the export a place, as in --param target=out/orders.csv", file=sys.stderr)
    sys.exit(3)

os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
with open(target, "w", encoding="utf-8", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["id", "article", "quantity", "price"])
    for order in orders:
        writer.writerow([order["id"], order["article"], order.get("quantity", ""), order["price"]])
print("wrote {}".format(os.path.abspath(target)))
