export { callTool, testContext, textOf } from "./testing/call-tool.ts";
export { fakeClock } from "./testing/fake-clock.ts";
export type { FakeClock } from "./testing/fake-clock.ts";
export { fakeFetch, jsonResponse } from "./testing/fake-fetch.ts";
export type { FakeFetch, SeenRequest } from "./testing/fake-fetch.ts";
export { hostService } from "./testing/host-service.ts";
export type { HostedService } from "./testing/host-service.ts";
