"""Lambda handler that raises KeyError where an order has no quantity."""


def amount(order):
    return order["quantity"] * order["price"]


def handler(event, context):
    total = 0
    for order in event["orders"]:
        if event["skip_malformed"] and "quantity" not in order:
            print("left out: {}".format(order["id"]))
            continue
        print("adding {}".format(order["id"]))
        total += amount(order)
    return {"total": round(total, 2)}
