// The service against the double, for tests.
import { generateKeyPairSync } from "node:crypto";
import {
  fakeClock,
  fakeFetch,
  hostService,
  type FakeClock,
  type HostedService,
  type SeenRequest,
} from "@signalbox/kit/testing";
import { describe, onTestFinished } from "vitest";
import { ServiceError } from "@signalbox/kit";
import type { z } from "zod";
import {
  openapiContract,
  withVendor,
  type OpenapiContract,
} from "../../../test/support/vendor-contracts.ts";
import { FakeGithub } from "./fake-github.ts";
import { github } from "./index.ts";
import type { GitHub } from "./runtime.ts";
import type { githubSettings } from "./settings.ts";

export const keys = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs1", format: "pem" },
});

export const appSettings = {
  app_id: "1234",
  installation_id: "77",
  private_key: keys.privateKey,
  repository: "acme/site",
};

export interface HostedGithub {
  readonly host: HostedService<GitHub>;
  readonly vendor: FakeGithub;
  readonly clock: FakeClock;
  readonly seen: readonly SeenRequest[];
}

/** GitHub's own schema; undefined, with a line that says so, where it is not at hand. */
export async function githubContract(): Promise<OpenapiContract | undefined> {
  return withVendor(schema) === describe ? await openapiContract(schema) : undefined;
}

const schema = "openapi/github.slice.json";

/**
 * GitHub with the repository acme/site and, unless other settings are given, an App installed on it. With a
 * contract, every request and every JSON answer must fit it.
 */
export function hostedGithub(
  settings: z.input<typeof githubSettings.options> = appSettings,
  more: { vendor?: FakeGithub; clock?: FakeClock; contract?: OpenapiContract | undefined } = {},
): HostedGithub {
  const { clock = fakeClock(), contract } = more;
  const vendor = more.vendor ?? newGithub(clock);
  const { fetch, seen } = fakeFetch(async (request) => {
    if (contract === undefined || notInSlice.test(request.url.pathname))
      return vendor.answer(request);
    held(() => contract.checkRequest(request));
    const answer = vendor.answer(request);
    const json = answer.headers.get("content-type")?.includes("json") === true;
    if (!json || vendor.isMadeUp(answer) || common.has(answer.status)) return answer;
    const body: unknown = await answer.clone().json();
    held(() => contract.checkResponse(request, { status: answer.status, body }));
    return answer;
  });
  const host = hostService(github, settings, { fetch, clock });
  onTestFinished(() => host.service.close());
  return { host, vendor, clock, seen };
}

export function newGithub(clock: FakeClock, approvalsNeeded = 0): FakeGithub {
  const vendor = new FakeGithub({
    clock,
    app: { id: "1234", installation: "77", publicKey: keys.publicKey },
    people: { ghp_mona: "mona", ghp_hubot: "hubot" },
  });
  vendor.addRepository("acme/site", { approvalsNeeded });
  return vendor;
}

/** Places that the slice of GitHub's document does not have. */
const notInSlice = /\/check-runs$|\/releases$/;
/** Answers that any operation may give and the document does not list. */
const common: ReadonlySet<number> = new Set([401, 403, 404, 422, 429]);

// As a failure that is not repeated, so that the test ends with it.
function held(check: () => void): void {
  try {
    check();
  } catch (error) {
    throw new ServiceError(String(error), { kind: "non_retryable" });
  }
}
