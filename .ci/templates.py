"""Part of .ci/templates: what its tools cannot do by themselves. `prepare` comes before checkov, `report` after it.

checkov says nothing of a policy in which it finds an `!If`, or a list that comes from a parameter: such a rule neither passes nor
fails. So it is also given each template as CloudFormation would resolve it, once with every condition true and once with none.
"""

import json
import pathlib
import re
import sys

import yaml

MANAGED, INLINE = 6144, 10240  # IAM's limits in characters, blanks not counted: a managed policy; all inline policies of a role
MARKER = re.compile(r"(?m)^( *)# bunsui:operations$")
USUAL = {
    "AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "123456789012", "AWS::URLSuffix": "amazonaws.com",
    "BucketName": "bunsui-data", "Pipeline": "etl",
}
LONGEST = {
    "AWS::Partition": "aws-us-gov", "AWS::Region": "ap-southeast-1", "AWS::AccountId": "123456789012", "AWS::URLSuffix": "amazonaws.com.cn",
    "Prefix": "p" * 31 + "-", "BucketName": "b" * 63, "Pipeline": "p" * 64,
    "Functions": "f" * 64, "Clusters": "c" * 64, "LogGroups": "l" * 64,
    "KmsKey": "arn:aws-us-gov:kms:ap-southeast-1:123456789012:key/mrk-" + "0" * 32,
}
NO_VALUE = object()


class Loader(yaml.SafeLoader):
    """Reads `!Sub x` as {"Fn::Sub": "x"}."""


def tagged(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    text = loader.construct_scalar(node)
    return {name: text.split(".") if suffix == "GetAtt" else text}


Loader.add_multi_constructor("!", tagged)


def load(path):
    return yaml.load(pathlib.Path(path).read_text(), Loader)


def operations():
    """A policy such as `bunsui deploy` makes it of what the plugins `lambda` and `ecs` say."""
    arn = "arn:aws:{}:eu-west-1:123456789012:{}".format

    def allow(actions, resources, **more):
        return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}

    statements = [
        allow(["lambda:InvokeFunction"], [arn("lambda", "function:etl-extract"), arn("lambda", "function:notify:live")]),
        allow(["ecs:RunTask"], arn("ecs", "task-definition/etl-transform:*"),
              Condition={"ArnEquals": {"ecs:cluster": arn("ecs", "cluster/weather")}}),
        allow(["ecs:StopTask", "ecs:DescribeTasks"], "*"),
        allow(["iam:PassRole"], "arn:aws:iam::123456789012:role/*",
              Condition={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}),
        allow(["events:PutTargets", "events:PutRule", "events:DescribeRule"],
              arn("events", "rule/StepFunctionsGetEventsForECSTaskRule")),
        allow(["s3:GetObject"], "arn:aws:s3:::lake/outputs/*"),
    ]
    return {"PolicyName": "operations", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}


def fill(text):
    """The template of execution roles with its marker replaced. JSON is YAML as well, so the policy goes in as one line."""
    filled, count = MARKER.subn(lambda at: f"{at[1]}- {json.dumps(operations())}", text)
    if count != 1:
        sys.exit(f"the line `# bunsui:operations` is there {count} times, not once")
    return filled


def resolve(value, values, holds):
    """What CloudFormation would make of it; `holds` is what every condition is."""
    if isinstance(value, list):
        return [item for item in (resolve(item, values, holds) for item in value) if item is not NO_VALUE]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Ref"}:
        return NO_VALUE if value["Ref"] == "AWS::NoValue" else values.get(value["Ref"], value)
    if set(value) == {"Fn::If"}:
        return resolve(value["Fn::If"][1 if holds else 2], values, holds)
    if set(value) == {"Fn::Sub"}:
        text = re.sub(r"\$\{([\w:]+)\}", lambda name: values.get(name[1], name[0]), value["Fn::Sub"])
        return {"Fn::Sub": text} if "${" in text else text
    resolved = {key: resolve(item, values, holds) for key, item in value.items()}
    return {key: item for key, item in resolved.items() if item is not NO_VALUE}


def defaults(template):
    """Each parameter's default; a list where it is one."""
    return {
        name: str(of["Default"]).split(",") if of["Type"] == "CommaDelimitedList" else str(of["Default"])
        for name, of in template["Parameters"].items() if "Default" in of
    }


def resolved(template, holds):
    values = {**defaults(template), **USUAL}
    kept = {name: of for name, of in template["Resources"].items() if holds or "Condition" not in of}
    resources = resolve(kept, values, holds)
    for resource in resources.values():
        resource.pop("Condition", None)
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}


def prepare(folder, *templates):
    """Into `folder`: execution-role.yaml as `bunsui deploy` leaves it, and resolved/, all templates in both ways."""
    target = pathlib.Path(folder)
    (target / "resolved").mkdir(parents=True)
    for path in map(pathlib.Path, templates):
        text = path.read_text()
        if path.name == "execution-role.yaml":
            text = fill(text)
            (target / path.name).write_text(text)
        for holds in (True, False):
            document = json.dumps(resolved(yaml.load(text, Loader), holds), indent=1)
            (target / "resolved" / f"{path.stem}-{'with' if holds else 'without'}.json").write_text(document)


def sizes(path, values, holds):
    """Name, characters and limit of each policy that the template makes."""
    template = load(path)
    values = {**USUAL, **defaults(template), **values}
    for name, resource in template["Resources"].items():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            documents, limit = [properties["PolicyDocument"]], MANAGED
        elif resource["Type"] == "AWS::IAM::Role" and "Policies" in properties:
            documents, limit = [of["PolicyDocument"] for of in resolve(properties["Policies"], values, holds)], INLINE
        else:
            continue
        texts = (json.dumps(resolve(document, values, holds), separators=(",", ":")) for document in documents)
        yield name, sum(map(len, texts)), limit


def report(judged, *templates):
    """Says what checkov found, how large policies are, and one line in all. `judged` is checkov's JSON."""
    found, policies = [], 0
    for path in templates:
        usual, longest = sizes(path, {}, False), sizes(path, LONGEST, True)
        for (name, least, limit), (_, most, _) in zip(usual, longest):
            print(f"  {path} {name}: {least} characters with the defaults, {most} with the longest values, of {limit}")
            policies += 1
            if most > limit:
                found.append(f"{path} {name}: {most} characters, more than IAM takes")

    of = json.loads(pathlib.Path(judged).read_text())
    passed, failed, skipped = (of["results"][f"{what}_checks"] for what in ("passed", "failed", "skipped"))
    for check in failed:
        found.append(f"{check['file_path']} {check['resource']}: {check['check_id']}, {check['check_name']}")
    for check in skipped:
        if not (check["check_result"].get("suppress_comment") or "").strip():
            found.append(f"{check['file_path']} {check['resource']}: {check['check_id']} is passed over without a reason")
    if of["summary"]["parsing_errors"]:
        found.append(f"checkov could not read {of['summary']['parsing_errors']} files")

    # What checkov does not say is as telling: a rule passed over that it never asks, a policy that it does not look at.
    used = {(check["resource"].split(".")[-1], check["check_id"]) for check in skipped}
    judged_resources = {check["resource"].split(".")[-1] for check in passed + skipped}
    for path in templates:
        for name, resource in load(path)["Resources"].items():
            for rule in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
                if (name, rule["id"]) not in used:
                    found.append(f"{path} {name}: {rule['id']} is passed over, but checkov does not ask it of this")
            if resource["Type"] in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Role") and name not in judged_resources:
                found.append(f"{path} {name}: checkov says nothing of it")

    if found:
        sys.exit("\n".join(found))
    print(f"{len(templates)} templates are well: cfn-lint found nothing; of checkov's rules {len(passed)} passed, none failed, "
          f"{len(used)} are passed over with a reason; {policies} policies are within IAM's limits")


if __name__ == "__main__":
    {"prepare": prepare, "report": report}[sys.argv[1]](*sys.argv[2:])
