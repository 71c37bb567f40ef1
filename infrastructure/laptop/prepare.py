"""Puts into the stand-in what an account has where pipelines/etl.toml and failing.toml run: functions, clusters, task
definitions.

    python prepare.py PIPELINES

PIPELINES is the folder with `etl/` and `failing/` in it, as ECS tasks see it. boto3 finds endpoint and credentials in the
environment. Run again, it updates what is there.
"""

import io
import json
import os
import sys
import zipfile

import boto3

HERE = os.path.dirname(os.path.abspath(__file__))
PIPELINES = os.path.join(HERE, "..", "..", "pipelines")
CLUSTERS = ["weather", "shop"]
IMAGE = "localhost/bunsui-etl:laptop"

# Function -> handler: the same that `local.handler` says in etl.toml and failing.toml.
ETL = {
    "etl-extract": "extract.handler",
    "etl-monthly": "monthly.handler",
    "etl-report": "report.handler",
}
# These name files from the pipeline's folder, so their archive has it as its root.
FAILING = {
    "failing-load": "failing.load.handler",
    "failing-totals": "failing.totals.handler",
    "failing-alarm": "failing.alarm.handler",
}

NOTIFY = '''\
"""Lambda handler: here is nobody to tell, so the log has to do."""


def handler(event, context):
    print(event["text"])
    return {"sent": True}
'''

PUBLISH = '''\
"""Lambda handler: there is no page to put the total on."""


def handler(event, context):
    print("total: {}".format(event["total"]))
    return {"published": True}
'''

# Task definition -> script.
SCRIPTS = {
    "etl-transform": "etl/transform.py",
    "etl-verify": "etl/verify.py",
    "failing-export": "failing/export.py",
    "failing-audit": "failing/audit.py",
}


def archive(files):
    """Name -> content, as a zip whose bytes depend on nothing else."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, content)
    return out.getvalue()


def scripts(pipeline, root):
    """What a pipeline's functions are made of, named from a folder: the scripts without their tests, and the data."""
    files = {}
    for folder, _, names in os.walk(os.path.join(PIPELINES, pipeline)):
        for name in names:
            if name.endswith((".py", ".csv", ".jsonl")) and not name.startswith("test_"):
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    files[os.path.relpath(path, root).replace(os.sep, "/")] = file.read()
    return files


def put_function(client, name, handler, code):
    configuration = dict(
        FunctionName=name,
        Handler=handler,
        Runtime="python3.11",
        Role="arn:aws:iam::{}:role/{}".format(os.environ["AWS_ACCESS_KEY_ID"], name),
        Timeout=60,
        MemorySize=256,
    )
    try:
        client.create_function(Code={"ZipFile": code}, **configuration)
    except client.exceptions.ResourceConflictException:
        client.update_function_configuration(**configuration)
        client.get_waiter("function_updated").wait(FunctionName=name)
        client.update_function_code(FunctionName=name, ZipFile=code)


def put_task_definition(client, family, script, pipelines):
    container = {
        "name": "main",
        "image": IMAGE,
        "essential": True,
        "memory": 256,
        "command": ["python3", script],
        "workingDirectory": pipelines,
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": "/ecs/" + family,
                "awslogs-region": client.meta.region_name,
                "awslogs-stream-prefix": family.partition("-")[0],
                "awslogs-create-group": "true",
            },
        },
    }
    # Each registration is a new revision: only what differs is registered.
    known = client.list_task_definitions(familyPrefix=family, status="ACTIVE")["taskDefinitionArns"]
    if known:
        definition = client.describe_task_definition(taskDefinition=family)["taskDefinition"]
        there = definition["containerDefinitions"][0]
        if all(there.get(key) == value for key, value in container.items()):
            return
    # The role with which its containers write to the bucket; nobody is asked for it here.
    role = "arn:aws:iam::{}:role/{}".format(os.environ["AWS_ACCESS_KEY_ID"], family)
    client.register_task_definition(family=family, taskRoleArn=role, containerDefinitions=[container])


def main():
    (pipelines,) = sys.argv[1:]
    # boto3 reads AWS_DEFAULT_REGION; AWS_REGION is what every other SDK reads.
    session = boto3.Session(region_name=os.environ["AWS_REGION"])

    functions = session.client("lambda")
    sources = {
        **{name: (handler, scripts("etl", os.path.join(PIPELINES, "etl"))) for name, handler in ETL.items()},
        **{name: (handler, scripts("failing", PIPELINES)) for name, handler in FAILING.items()},
        "failing-publish": ("publish.handler", {"publish.py": PUBLISH}),
        "notify": ("notify.handler", {"notify.py": NOTIFY}),
    }
    for name, (handler, files) in sources.items():
        put_function(functions, name, handler, archive(files))
    for name in sources:
        functions.get_waiter("function_active_v2").wait(FunctionName=name)

    containers = session.client("ecs")
    for cluster in CLUSTERS:
        containers.create_cluster(clusterName=cluster)
    for family, script in SCRIPTS.items():
        put_task_definition(containers, family, script, pipelines)
    print(json.dumps({"functions": [*sources], "clusters": CLUSTERS, "task definitions": [*SCRIPTS]}))


if __name__ == "__main__":
    main()
