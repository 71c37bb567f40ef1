// Checks definitions in the Amazon States Language with npm's asl-validator.
//
// Arguments: files; without any, one definition on standard input. A file may also hold the output of
// `bunsui compile`: an object of definitions, one a job.
// Standard output: {"isValid", "problems": [{"definition", "code", "path", "message"}]}. Exit code 1 if any problem.
import { readFileSync } from "node:fs";
import validator from "asl-validator";

const paths = process.argv.slice(2);
const texts = paths.length ? paths.map((path) => [path, readFileSync(path, "utf8")]) : [["<stdin>", readFileSync(0, "utf8")]];

function definitions(name, json) {
  if (json.States) return [[name, json]];
  return Object.entries(json).map(([job, definition]) => [`${name}: ${job}`, definition]);
}

const problems = texts
  .flatMap(([name, text]) => definitions(name, JSON.parse(text)))
  .flatMap(([definition, json]) =>
    validator(json, { checkPaths: true, checkArn: true }).errors.map((error) => ({
      definition,
      code: error["Error code"],
      path: error.path ?? error.schemaError?.instancePath ?? null,
      message: error.Message ?? error.schemaError?.message ?? null,
    })),
  );
process.stdout.write(`${JSON.stringify({ isValid: problems.length === 0, problems })}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
