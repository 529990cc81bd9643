export { settingsThatWait } from "./config/changed-settings.ts";
export { loadConfigAside } from "./config/load-aside.ts";
export { loadConfig } from "./config/load.ts";
export type { Config } from "./config/load.ts";
export { printConfig } from "./config/print.ts";
export { problemTextsOf } from "./config/problem.ts";
export type { ConfigValues } from "./config/schema.ts";
export { watchConfigFile } from "./config/watch.ts";
