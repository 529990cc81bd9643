// `npm test`: everything. `npm test -- name` runs only the test files whose path contains `name`.
import { checkSteps } from "./check-steps.ts";
import { add, close, commandStep, runSteps, vitestStep } from "./steps.ts";
import { testPackagesStep } from "./test-packages.ts";

const filters = process.argv.slice(2);
const stages =
  filters.length > 0
    ? [
        [testPackagesStep()],
        [vitestStep("unit", "unit", filters)],
        [vitestStep("system", "system", filters)],
      ]
    : [
        [testPackagesStep()],
        [
          ...checkSteps(),
          commandStep("rules", ["sh", "scripts/prove-rules.sh"]),
          commandStep("generated", [process.execPath, "scripts/docs.ts", "--check"]),
        ],
        // Alone, since it starts gateways, databases and clients and watches how long they take.
        [vitestStep("system", "system")],
      ];

const total = { passed: 0, failed: 0, skipped: 0 };
for (const steps of stages) add(total, await runSteps(steps));
close(total);
