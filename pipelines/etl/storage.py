"""Files by address: a path on a laptop, `s3://bucket/key` on AWS.

The jobs give each other addresses, so this is the only place that knows where files are.
"""

import os
import tempfile


def is_remote(address):
    return address.startswith("s3://")


def split(address):
    """`s3://bucket/a/b` -> ("bucket", "a/b")."""
    bucket, _, key = address[len("s3://"):].partition("/")
    return bucket, key


def read_text(address):
    if is_remote(address):
        bucket, key = split(address)
        return client().get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8")
    with open(address, encoding="utf-8", newline="") as file:
        return file.read()


def write_text(address, text):
    """Writes all or nothing, and gives the address under which others find it."""
    if is_remote(address):
        bucket, key = split(address)
        client().put_object(Bucket=bucket, Key=key, Body=text.encode("utf-8"))
        return address
    path = os.path.abspath(address)
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    descriptor, scratch = tempfile.mkstemp(dir=folder, prefix=".writing-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise
    return path


def client():
    import boto3  # part of Lambda's Python; nobody needs it on a laptop

    return boto3.client("s3")
