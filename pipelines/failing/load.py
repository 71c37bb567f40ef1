"""Lambda handler that succeeds: a file of JSON lines to a list."""

import json


def handler(event, context):
    with open(event["source"], encoding="utf-8") as file:
        orders = [json.loads(line) for line in file]
    print("{} orders".format(len(orders)))
    return {"orders": orders}
