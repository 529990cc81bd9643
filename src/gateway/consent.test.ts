import { expect, test } from "vitest";
import { SignalboxError } from "../foundation/index.ts";
import { consentAnswer, takeConsentAnswer, type Asking, type ConsentPort } from "./consent.ts";
import { principalNamed } from "./running-gateway.ts";

const error = new SignalboxError("CONSENT_NEEDED", "Consent is needed.", {
  details: { wish: { server: "calendar", scopes: ["read"] } },
});
const consent: ConsentPort = {
  linkFor: () => ({ url: "https://gateway.example/connect?ticket=t" }),
  connectedWithin: () => Promise.resolve(false),
};

function start(method: string, capabilities: object): Asking {
  return {
    era: "modern",
    principal: principalNamed("p"),
    message: { id: 1, method },
    session: undefined,
    envelope: { capabilities: { ...capabilities } },
    requestId: "r1",
  };
}

function answer(method: string, capabilities: object, mayAsk = true): unknown {
  return JSON.parse(consentAnswer(start(method, capabilities), error, consent, mayAsk) ?? "null");
}

test("a client that shows links is asked to open one", () => {
  const takesUrls = { elicitation: { url: {} } };
  for (const method of ["tools/call", "prompts/get", "resources/read"])
    expect(answer(method, takesUrls)).toMatchObject({ result: { resultType: "input_required" } });
});

test("others get the link as text: in the tool's result, or in the error", () => {
  for (const capabilities of [{}, { elicitation: {} }, { elicitation: { form: {} } }])
    expect(answer("tools/call", capabilities)).toMatchObject({
      result: { isError: true, content: [{ text: expect.stringContaining("/connect?ticket=t") }] },
    });
  expect(answer("resources/read", {})).toMatchObject({
    error: { data: { code: "CONSENT_NEEDED", url: expect.stringContaining("/connect?ticket=t") } },
  });
  expect(answer("completion/complete", { elicitation: { url: {} } })).toHaveProperty("error");
});

test("who has declined is not asked again", () => {
  expect(answer("tools/call", { elicitation: { url: {} } }, false)).toMatchObject({
    result: { resultType: "complete", isError: true },
  });
});

test("nothing is said where there is no link to give", () => {
  const none: ConsentPort = { ...consent, linkFor: () => undefined };
  expect(consentAnswer(start("tools/call", {}), error, none, true)).toBeUndefined();
  const other = new SignalboxError("CONSENT_NEEDED", "no wish in it");
  expect(consentAnswer(start("tools/call", {}), other, consent, true)).toBeUndefined();
});

test("the client's answer is taken out of the request, and only that", () => {
  const mine = { "signalbox-connect": { action: "accept" } };
  const alone = { name: "a", inputResponses: { ...mine } };
  expect(takeConsentAnswer(alone)).toBe("accept");
  expect(alone).toEqual({ name: "a" });
  const beside = { inputResponses: { ...mine, theirs: { action: "cancel" } } };
  expect(takeConsentAnswer(beside)).toBe("accept");
  expect(beside).toEqual({ inputResponses: { theirs: { action: "cancel" } } });
  expect(takeConsentAnswer({ inputResponses: { "signalbox-connect": { action: "cancel" } } })).toBe(
    "decline",
  );
  for (const params of [undefined, {}, { inputResponses: 1 }, { inputResponses: { other: {} } }])
    expect(takeConsentAnswer(params)).toBeUndefined();
});
