# Speaks the Lambda Runtime API for a Python function: _HANDLER is "file.py:function".
import http.client, importlib.util, json, os, sys, time, traceback
from decimal import Decimal


class Context:
    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))


class Fault(Exception):
    def __init__(self, kind, message, trace=()):
        super().__init__(message)
        self.body = {"errorMessage": message, "errorType": kind, "stackTrace": list(trace)}


def frames(error):
    inside = [frame for frame in traceback.extract_tb(error.__traceback__)
              if frame.filename != "<string>" and not frame.filename.startswith("<frozen importlib")]
    return traceback.format_list(inside)


def load(handler):
    file, _, path = handler.rpartition(":")
    file = os.path.join(os.environ["LAMBDA_TASK_ROOT"], file)
    sys.path[0:1] = [os.path.dirname(file), os.environ["LAMBDA_TASK_ROOT"]]
    name = os.path.splitext(os.path.basename(file))[0]
    try:
        spec = importlib.util.spec_from_file_location(name, file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    except SyntaxError as error:
        where = f'  File "{error.filename}", line {error.lineno}\n    {(error.text or "").strip()}\n'
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in `{handler}`: {error.msg}", [where])
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import `{handler}`: {error}", frames(error))
    except Exception as error:
        raise Fault(type(error).__name__, str(error), frames(error))
    function = module
    for part in path.split("."):
        function = getattr(function, part, None)
    if not callable(function):
        raise Fault("Runtime.HandlerNotFound", f"`{file}` has no function `{path}`")
    return function


def plain(value):
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def invoke(function, event, context):
    try:
        result = function(event, context)
    except Exception as error:
        raise Fault(type(error).__name__, str(error), frames(error))
    try:
        return json.dumps(result, default=plain, ensure_ascii=False, allow_nan=False).encode()
    except Exception as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}")


class Api:
    def __init__(self):
        self.connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

    def ask(self, method, path, body=None, headers=None):
        self.connection.request(method, "/2018-06-01/runtime" + path, body, headers or {})
        response = self.connection.getresponse()
        return response, response.read()

    def fail(self, path, fault):
        body = json.dumps(fault.body, ensure_ascii=False).encode("utf-8", "replace")
        headers = {"Lambda-Runtime-Function-Error-Type": fault.body["errorType"], "Content-Type": "application/json"}
        self.ask("POST", path, body, headers)


def main():
    # By lines, also where the environment asks for no buffer at all: a line is one write.
    sys.stdout.reconfigure(line_buffering=True, write_through=False)
    api = Api()
    try:
        function = load(os.environ["_HANDLER"])
    except Fault as fault:
        api.fail("/init/error", fault)
        sys.exit(1)
    while True:
        response, event = api.ask("GET", "/invocation/next")
        context = Context(response.headers)
        os.environ["_X_AMZN_TRACE_ID"] = response.headers.get("Lambda-Runtime-Trace-Id", "")
        place = f"/invocation/{context.aws_request_id}"
        try:
            result = invoke(function, json.loads(event), context)
        except Fault as fault:
            fault.body["requestId"] = context.aws_request_id
            sys.stdout.flush()
            sys.stderr.flush()
            api.fail(place + "/error", fault)
        else:
            sys.stdout.flush()
            sys.stderr.flush()
            api.ask("POST", place + "/response", result)


main()
