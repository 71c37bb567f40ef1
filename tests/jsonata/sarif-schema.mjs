// Prints the JSON Schema of SARIF 2.1.0 that @microsoft/jest-sarif carries.
import { readFileSync } from "node:fs";
process.stdout.write(readFileSync(new URL("node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json", import.meta.url)));
