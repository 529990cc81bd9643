// `npm run check`: everything that can be said about the code without starting the product; under a minute on two cores.
import { checkSteps } from "./check-steps.ts";
import { close, runSteps } from "./steps.ts";

close(await runSteps(checkSteps()));
