// Speaks the Lambda Runtime API for a Node function: _HANDLER is "file.mjs:function".
import http from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function ask(method, place, body, headers = {}) {
  return new Promise((resolve, reject) => {
    if (body !== undefined) headers["Content-Length"] = Buffer.byteLength(body);
    const request = http.request(
      { agent, hostname, port, method, path: "/2018-06-01/runtime" + place, headers },
      (response) => {
        const pieces = [];
        response.on("data", (piece) => pieces.push(piece));
        response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(pieces).toString() }));
        response.on("error", reject);
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

function describe(error, kind) {
  const isError = error instanceof Error;
  const stack = isError && typeof error.stack === "string" ? error.stack.split("\n") : [];
  return {
    errorMessage: isError ? error.message : typeof error === "string" ? error : JSON.stringify(error) ?? String(error),
    errorType: kind ?? (isError ? error.name : typeof error),
    stackTrace: stack.map((line) => line.trim()).filter((line) => line.startsWith("at ") && !isOwn(line)),
  };
}

function isOwn(line) {
  return /\[eval1?\]|node:internal|evalmachine/.test(line);
}

function fail(place, body) {
  return ask("POST", place, JSON.stringify(body), {
    "Content-Type": "application/json",
    "Lambda-Runtime-Function-Error-Type": encodeURIComponent(body.errorType),
  });
}

async function load(handler) {
  const colon = handler.lastIndexOf(":");
  const file = path.resolve(process.env.LAMBDA_TASK_ROOT, handler.slice(0, colon));
  const name = handler.slice(colon + 1);
  let module;
  try {
    module = await import(pathToFileURL(file));
  } catch (error) {
    if (error instanceof SyntaxError) throw describe(error, "Runtime.UserCodeSyntaxError");
    if (error?.code === "ERR_MODULE_NOT_FOUND" || error?.code === "MODULE_NOT_FOUND") {
      throw describe(error, "Runtime.ImportModuleError");
    }
    throw describe(error);
  }
  const find = (root) => name.split(".").reduce((value, part) => value?.[part], root);
  const found = find(module) ?? find(module.default);
  if (typeof found !== "function") {
    throw describe(`${file} has no exported function ${name}`, "Runtime.HandlerNotFound");
  }
  return found;
}

function contextOf(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  return {
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

function invoke(handler, event, context) {
  if (handler.length < 3) return handler(event, context);
  return new Promise((resolve, reject) => {
    const done = (error, result) => (error ? reject(error) : resolve(result));
    const result = handler(event, context, done);
    if (typeof result?.then === "function") result.then(resolve, reject);
  });
}

let current;

async function die(error, kind) {
  const body = { ...describe(error, kind), requestId: current };
  if (current) await fail(`/invocation/${current}/error`, body).catch(() => {});
  process.exit(1);
}
process.on("unhandledRejection", (error) => die(error, "Runtime.UnhandledPromiseRejection"));
process.on("uncaughtException", (error) => die(error));

let handler;
try {
  handler = await load(process.env._HANDLER);
} catch (body) {
  await fail("/init/error", body);
  process.exit(1);
}
for (;;) {
  const next = await ask("GET", "/invocation/next");
  const context = contextOf(next.headers);
  current = context.awsRequestId;
  process.env._X_AMZN_TRACE_ID = next.headers["lambda-runtime-trace-id"] ?? "";
  let result;
  try {
    result = await invoke(handler, JSON.parse(next.body), context);
  } catch (error) {
    await fail(`/invocation/${current}/error`, { ...describe(error), requestId: current });
    current = undefined;
    continue;
  }
  let text;
  try {
    text = JSON.stringify(result) ?? "null";
  } catch (error) {
    await fail(`/invocation/${current}/error`, { ...describe(error, "Runtime.MarshalError"), requestId: current });
    current = undefined;
    continue;
  }
  await ask("POST", `/invocation/${current}/response`, text);
  current = undefined;
}
