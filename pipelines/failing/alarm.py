"""Lambda handler that runs when something failed; here it only says whom it would call."""


def handler(event, context):
    print("would page whoever is on call: {}".format(event["text"]))
    return {"rang": True}
