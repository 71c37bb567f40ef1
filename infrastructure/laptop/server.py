"""Runs ministack with the places mended where it differs from AWS in a way that pipelines meet.

Each mend says how AWS does it. They replace functions of one version of ministack while it runs, never its files; any
other version is refused. `start` starts this, and says with LAPTOP_… in the environment what it has to know:

    LAPTOP_MINISTACK  the version of ministack that the mends are for
    LAPTOP_TASKS      `processes` or `containers`: what ECS tasks run as
    LAPTOP_GATEWAY    where a container finds this server
    LAPTOP_NETWORKS   from where containers come: networks, with spaces between
"""

import atexit
import contextvars
import copy
import importlib.metadata
import ipaddress
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid

EXPECTED = os.environ.get("LAPTOP_MINISTACK", "1.5.33")
FOUND = importlib.metadata.version("ministack")
if FOUND != EXPECTED:
    sys.exit("ministack {} is installed, and the mends here are for {}: install that one".format(FOUND, EXPECTED))

from ministack import app  # noqa: E402
from ministack.services import ecs, lambda_svc, stepfunctions  # noqa: E402

logger = logging.getLogger("laptop")
PROCESSES = os.environ.get("LAPTOP_TASKS", "processes") == "processes"
GATEWAY = "127.0.0.1" if PROCESSES else os.environ["LAPTOP_GATEWAY"]


# ── ECS tasks as processes ───────────────────────────────────────────────────────────────────────────────────────
# ministack drives a Docker client. Without Docker it says for ever that a task runs, and runs nothing. These two
# classes are as much of that client as it calls: everything else (states of tasks, logs, secrets) stays ministack's.


class Process:
    """What ministack takes for a container."""

    def __init__(self, command, folder, environment):
        self.id = uuid.uuid4().hex * 2
        self.attrs = {}
        self._code = None
        self._over = threading.Event()
        descriptor, self._output = tempfile.mkstemp(prefix="task-")
        with os.fdopen(descriptor, "wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        code = self._process.wait()
        # With a container's first process all others end.
        self._signal(signal.SIGKILL)
        # Who was killed by a signal has 128 more than its number, as in a container.
        self._code = code if code >= 0 else 128 - code
        self._over.set()

    def _signal(self, number):
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    @property
    def status(self):
        return "exited" if self._over.is_set() else "running"

    def reload(self):
        pass

    def wait(self):
        self._over.wait()
        return {"StatusCode": self._code}

    def stop(self, timeout=10):
        if not self._over.is_set():
            self._signal(signal.SIGTERM)
        if not self._over.wait(timeout):
            self._signal(signal.SIGKILL)
            self._over.wait()

    def remove(self, **_):
        self.stop(timeout=0)

    def logs(self, **_):
        """Whole lines, until there will be none any more."""
        rest = b""
        with open(self._output, "rb") as output:
            while True:
                over = self._over.is_set()
                lines, newline, rest = (rest + output.read()).rpartition(b"\n")
                yield lines + newline
                if over:
                    break
                self._over.wait(0.1)
        yield rest
        os.unlink(self._output)


class Engine:
    """What ministack takes for a Docker client, and for its `containers`."""

    def __init__(self):
        self.containers = self
        self._known = {}

    def run(self, image, command=None, entrypoint=None, working_dir=None, environment=None, **_):
        arguments = [*(entrypoint or []), *(command or [])]
        if not arguments:
            raise ValueError("{}: what the image runs is not known; the task has to have a command".format(image))
        surroundings = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "TMPDIR": tempfile.gettempdir()}
        process = Process(arguments, working_dir, {**surroundings, **environment})
        self._known[process.id] = process
        return process

    def get(self, identity):
        return self._known[identity]

    def list(self, **_):
        return [process for process in self._known.values() if process.status == "running"]

    def end(self):
        for process in self.list():
            process.stop(timeout=0)


if PROCESSES:
    engine = Engine()
    atexit.register(engine.end)
    ecs._get_docker = lambda: engine


# ── ECS ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def register_metadata(task, cluster, definition, container, launch_type, environment, host_mode, address):
    # AWS: SDKs in a task have the credentials of its account, and its region. ministack hands out credentials of no
    # account, by an address that SDKs refuse for not being loopback.
    token = real_register_metadata(
        task, cluster, definition, container, launch_type, environment, PROCESSES or host_mode, address or GATEWAY
    )
    _, _, _, region, account, _ = task.split(":", 5)
    for name in ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"):
        environment.pop(name, None)
    environment.update(AWS_ACCESS_KEY_ID=account, AWS_SECRET_ACCESS_KEY="any", AWS_EC2_METADATA_DISABLED="true")
    environment.update(AWS_REGION=region, AWS_DEFAULT_REGION=region)
    return token


def build_run_kwargs(container, *rest):
    # AWS: a container definition's entryPoint and workingDirectory count. ministack passes neither on.
    kwargs = real_build_run_kwargs(container, *rest)
    for key, name in (("entryPoint", "entrypoint"), ("workingDirectory", "working_dir")):
        if container.get(key):
            kwargs[name] = container[key]
    return kwargs


def stop_task(data):
    # AWS: containers are sent SIGTERM, SIGKILL after 30 s, and their exit codes say so. ministack says 0.
    cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
    task = cluster and ecs._resolve_task(data.get("task", ""), cluster)
    if task and task["lastStatus"] == "RUNNING":
        # Without these, nobody takes their end for one of their own.
        identities, task["_docker_ids"] = task["_docker_ids"], []
        for identity, container in zip(identities, task["containers"]):
            try:
                running = ecs._get_docker().containers.get(identity)
                running.stop(timeout=30)
                container["exitCode"] = running.wait()["StatusCode"]
                running.remove(v=True)
            except Exception as error:
                logger.warning("a container of %s is not stopped: %s", task["taskArn"], error)
    return real_stop_task(data)


real_register_metadata, ecs._register_metadata = ecs._register_metadata, register_metadata
real_build_run_kwargs, ecs._build_run_kwargs = ecs._build_run_kwargs, build_run_kwargs
real_stop_task, ecs._stop_task = ecs._stop_task, stop_task
ecs._ACTION_MAP["StopTask"] = stop_task


# ── Step Functions: ecs:runTask ──────────────────────────────────────────────────────────────────────────────────
current_execution = contextvars.ContextVar("current_execution", default=None)
current_deadline = contextvars.ContextVar("current_deadline", default=None)


def execute_task(state, state_input, execution, context):
    token = current_execution.set(execution)
    try:
        return real_execute_task(state, state_input, execution, context)
    finally:
        current_execution.reset(token)


def invoke_with_timeout(resource, arguments, seconds):
    token = current_deadline.set(time.monotonic() + seconds)
    try:
        return real_invoke_with_timeout(resource, arguments, seconds)
    finally:
        current_deadline.reset(token)


def fail_execution(execution, error, cause):
    # AWS: an execution that was stopped stays ABORTED, however the state ends that it was in.
    if execution["status"] == "RUNNING":
        real_fail_execution(execution, error, cause)


def pascal_case(value, name=""):
    """As Step Functions writes what services answer: names in PascalCase, times in milliseconds."""
    if isinstance(value, dict):
        return {key[:1].upper() + key[1:]: pascal_case(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [pascal_case(item) for item in value]
    if name in ecs._ECS_TIMESTAMP_FIELDS:
        return ecs._ts_to_epoch(value) * 1000
    return value


def run_task(resource, arguments):
    request = stepfunctions._pascal_to_camel(arguments)
    # AWS: a cluster that is not there is an error. ministack makes it.
    cluster = ecs._resolve_cluster_name(request.get("cluster", "default"))
    if cluster not in ecs._clusters:
        raise stepfunctions._ExecutionError("ECS.ClusterNotFoundException", "Cluster not found.")
    status, _, body = ecs._run_task(request)
    answer = json.loads(body)
    if status >= 400:
        # AWS: the error has the exception's name.
        name = str(answer.get("__type", "AmazonECSException")).rpartition("#")[2]
        raise stepfunctions._ExecutionError("ECS." + name, answer.get("message", ""))
    if not resource.endswith(".sync"):
        return pascal_case(answer)
    task = ecs._tasks[answer["tasks"][0]["taskArn"]]
    wait_for(task)

    # AWS: the result of `.sync` is the one task. It fails when an essential container did, or did not even start, and
    # the cause is the task. ministack gives a list in camelCase, and never fails.
    shown = pascal_case(ecs._sanitize(copy.deepcopy(task)))
    aborted = (current_execution.get() or {}).get("status") == "ABORTED"
    codes = [
        container.get("exitCode")
        for container, essential in zip(task["containers"], task["_container_essentials"])
        if essential
    ]
    if any(code != 0 for code in codes) and not aborted:
        raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(shown))
    return shown


def wait_for(task):
    execution, deadline = current_execution.get() or {}, current_deadline.get()
    while task["lastStatus"] != "STOPPED":
        # AWS: a task is stopped with the execution that waits for it, and when the state's time is over.
        reason = None
        if deadline and time.monotonic() > deadline:
            reason = "The state's time is over"
        elif execution.get("status", "RUNNING") != "RUNNING":
            reason = "Execution {} was stopped".format(execution.get("executionArn"))
        if reason:
            ecs._stop_task({"cluster": task["clusterArn"], "task": task["taskArn"], "reason": reason})
        else:
            time.sleep(0.1)


real_execute_task, stepfunctions._execute_task = stepfunctions._execute_task, execute_task
real_fail_execution, stepfunctions._fail_execution = stepfunctions._fail_execution, fail_execution
real_invoke_with_timeout = stepfunctions._invoke_resource_with_timeout
stepfunctions._invoke_resource_with_timeout = invoke_with_timeout
stepfunctions._SERVICE_DISPATCH["arn:aws:states:::ecs:runTask"] = run_task


# ── Step Functions: aws-sdk:s3:getObject ─────────────────────────────────────────────────────────────────────────


def dispatch_rest_xml(service, name, action, arguments):
    # AWS: the result has the object's text as `Body`. ministack knows eleven other actions of S3, and not this one.
    if (name, action) != ("s3", "getObject"):
        return real_dispatch_rest_xml(service, name, action, arguments)
    path = stepfunctions._rest_xml_substitute_path("/{Bucket}/{Key+}", arguments, {})
    status, headers, body = app.call_service_handler_sync(
        app.SERVICE_HANDLERS["s3"], "GET", path, {"host": "s3.amazonaws.com"}, b"", {}
    )
    text = body.decode("utf-8", "replace")
    if status >= 400:
        code, message = (re.search("<{0}>(.*?)</{0}>".format(tag), text) for tag in ("Code", "Message"))
        name = code[1] if code else "S3"
        raise stepfunctions._ExecutionError("S3.{}Exception".format(name), message[1] if message else text)
    headers = {key.lower(): value for key, value in headers.items()}
    return {
        "Body": text,
        "ContentLength": len(body),
        "ContentType": headers.get("content-type"),
        "ETag": headers.get("etag"),
    }


real_dispatch_rest_xml = stepfunctions._dispatch_aws_sdk_rest_xml
stepfunctions._dispatch_aws_sdk_rest_xml = dispatch_rest_xml


# ── Lambda ───────────────────────────────────────────────────────────────────────────────────────────────────────


def execute_function(function, event, request):
    # AWS: an exception of a Python handler is reported by the name of its class, with a stack trace. ministack calls
    # each one Runtime.HandlerError; the trace is in the log it gives beside it.
    result = real_execute_function(function, event, request)
    body = result.get("body")
    if result.get("error") and body.get("errorType") == "Runtime.HandlerError":
        _, _, trace = result.get("log", "").rpartition("Traceback (most recent call last):\n")
        frames = re.findall(r'^  File .*\n(?:    .*\n)*', trace, re.MULTILINE)
        raised = re.search(r"^([A-Za-z_][\w.]*)(?::|$)", trace, re.MULTILINE)
        if frames and raised:
            body["errorType"] = raised[1].rpartition(".")[2]
            # The first is ministack's own, which called the handler.
            body["stackTrace"] = frames[1:]
    return result


real_execute_function, lambda_svc._execute_function_warm = lambda_svc._execute_function_warm, execute_function


# ── who may come ─────────────────────────────────────────────────────────────────────────────────────────────────
# Containers reach the server by another address than loopback, so it listens at all. It runs whatever code it is given:
# nobody of another computer is let in.
NETWORKS = [ipaddress.ip_network(network) for network in os.environ.get("LAPTOP_NETWORKS", "").split()]


def welcome(client, server):
    address = ipaddress.ip_address(client[0])
    return address.is_loopback or client[0] == server[0] or any(address in network for network in NETWORKS)


async def guarded(scope, receive, send):
    if scope["type"] == "lifespan" or welcome(scope["client"], scope["server"]):
        await real_app(scope, receive, send)
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 403, "headers": []})
        await send({"type": "http.response.body", "body": b""})
    else:
        await send({"type": "websocket.close", "code": 1008})


real_app, app.app = app.app, guarded

if __name__ == "__main__":
    try:
        # A session of its own: closing the terminal does not end it.
        os.setsid()
    except PermissionError:
        pass
    app.main()
