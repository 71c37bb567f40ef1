"""A Lambda handler: what it prints becomes log lines, what it returns becomes the job's output."""


def handler(event, context):
    text = "hello, {}".format(event["name"])
    print(text)
    return {"text": text}
