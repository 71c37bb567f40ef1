// Evaluates expressions with npm's jsonata 2.0.6, the version that Step Functions has.
//
// Standard input: a JSON array of {"expression", "bindings"}. Standard output: a JSON array, in the same order, of
// {"value"}, {"undefined": true}, {"function": true} or {"error": {"code", "message"}}.
import { readFileSync } from "node:fs";
import jsonata from "jsonata";

const cases = JSON.parse(readFileSync(0, "utf8"));

async function judge({ expression, bindings }) {
  try {
    const value = await jsonata(expression).evaluate(undefined, bindings);
    if (value === undefined) return { undefined: true };
    if (typeof value === "function" || value?._jsonata_lambda || value?._jsonata_function) return { function: true };
    return { value };
  } catch (error) {
    return { error: { code: error.code ?? null, message: String(error.message ?? error) } };
  }
}

const answers = [];
for (const one of cases) answers.push(await judge(one));
process.stdout.write(JSON.stringify(answers));
