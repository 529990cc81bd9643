import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AccessItem, AccessRequest } from "./policy.ts";
import { RuleEngine } from "./rule-engine.ts";
import type { Rule } from "./rule.ts";

const tool = (name: string, more: Partial<AccessItem> = {}): AccessItem => ({
  kind: "tool",
  original: name,
  publicNames: [`files__${name}`],
  readOnly: false,
  destructive: true,
  ...more,
});
const reading = { readOnly: true, destructive: false };

/** Whether a role with these rules may use an item of the server `files`. */
function uses(rules: Rule[], item: AccessItem, of: "role" | "key" = "role"): boolean | undefined {
  const action = item.readOnly ? "read" : "write";
  return new RuleEngine(rules, of).decide({ server: "files", action, item })?.allowed;
}

describe("the rules of a role", () => {
  test("refuse what none of them allows", () => {
    expect(uses([], tool("read"))).toBe(false);
    expect(uses([{ effect: "allow", servers: ["other"] }], tool("read"))).toBe(false);
    expect(uses([{ effect: "allow", servers: ["fil*"] }], tool("read"))).toBe(true);
  });

  test("name tools as clients see them or as the server writes them", () => {
    for (const name of ["files__read", "read", "re*", "files__*", "*__read", "*"]) {
      expect([name, uses([{ effect: "allow", tools: [name] }], tool("read"))]).toEqual([
        name,
        true,
      ]);
    }
    for (const name of ["rea", "files__", "other__read", "READ", "files*"]) {
      expect([name, uses([{ effect: "allow", tools: [name] }], tool("read"))]).toEqual([
        name,
        false,
      ]);
    }
  });

  test("that name a public name mean no other server's tool of that very name", () => {
    const impostor: AccessItem = {
      ...tool("files__read"),
      publicNames: ["evil__files__read"],
    };
    expect(uses([{ effect: "allow", tools: ["files__read"] }], impostor)).toBe(false);
    expect(uses([{ effect: "allow", tools: ["files__*"] }], impostor)).toBe(false);
  });

  test("that name one kind of things say nothing of another", () => {
    const prompt: AccessItem = { ...tool("read", reading), kind: "prompt" };
    expect(uses([{ effect: "allow", tools: ["*"] }], prompt)).toBe(false);
    expect(uses([{ effect: "allow", prompts: ["read"] }], prompt)).toBe(true);
    const denied: Rule[] = [{ effect: "allow" }, { effect: "deny", tools: ["*"] }];
    expect(uses(denied, prompt)).toBe(true);
    expect(uses(denied, tool("read"))).toBe(false);
  });

  test("tell reading from writing, and call is both", () => {
    const [reads, writes] = [tool("read", reading), tool("write")];
    expect(uses([{ effect: "allow", actions: ["read"] }], reads)).toBe(true);
    expect(uses([{ effect: "allow", actions: ["read"] }], writes)).toBe(false);
    expect(uses([{ effect: "allow", actions: ["write"] }], reads)).toBe(false);
    for (const item of [reads, writes]) {
      expect(uses([{ effect: "allow", actions: ["call"] }], item)).toBe(true);
      expect(uses([{ effect: "allow", actions: ["manage"] }], item)).toBe(false);
    }
  });

  test("look at the hints", () => {
    const rules: Rule[] = [{ effect: "allow" }, { effect: "deny", destructive: true }];
    expect(uses(rules, tool("delete"))).toBe(false);
    expect(uses(rules, tool("append", { destructive: false }))).toBe(true);
    expect(uses([{ effect: "allow", read_only: true }], tool("read", reading))).toBe(true);
    expect(uses([{ effect: "allow", read_only: true }], tool("write"))).toBe(false);
  });

  test("deny a URI in every usual spelling and allow none that climbs", () => {
    const resource = (uri: string): AccessItem => ({ ...tool(uri, reading), kind: "resource" });
    const denied: Rule[] = [
      { effect: "allow" },
      { effect: "deny", resources: ["files__file:///secret/*"] },
    ];
    for (const uri of [
      "file:///secret/a",
      "file:///public/../secret/a",
      "file:///%73ecret/a",
      "file:///public/%2e%2e/secret/a",
    ]) {
      expect([uri, uses(denied, resource(uri))]).toEqual([uri, false]);
    }
    expect(uses(denied, resource("file:///public/a"))).toBe(true);
    const allowed: Rule[] = [{ effect: "allow", resources: ["file:///public/*"] }];
    expect(uses(allowed, resource("file:///public/a"))).toBe(true);
    expect(uses(allowed, resource("file:///public/../secret/a"))).toBe(false);
    expect(uses(allowed, resource("file:///public/%2e%2e/secret/a"))).toBe(false);
  });
});

describe("of a server as a whole", () => {
  const asked = (rules: Rule[], action: AccessRequest["action"]): boolean | undefined =>
    new RuleEngine(rules, "role").decide({ server: "files", action })?.allowed;

  test("what speaks of some of its things allows something and denies nothing", () => {
    const some: Rule[] = [{ effect: "allow", tools: ["files__read"] }];
    expect(asked(some, "read")).toBe(true);
    expect(asked(some, "manage")).toBe(false);
    const but: Rule[] = [{ effect: "allow" }, { effect: "deny", tools: ["files__read"] }];
    expect([asked(but, "read"), asked(but, "manage")]).toEqual([true, true]);
  });

  test("patterns of another server's names allow nothing of it", () => {
    for (const [tools, some] of [
      [["other__*"], false],
      [["other__read", "files__read"], true],
      [["read"], true],
      [["*__read"], true],
    ] as const) {
      expect([tools, asked([{ effect: "allow", tools: [...tools] }], "read")]).toEqual([
        tools,
        some,
      ]);
    }
    expect(asked([{ effect: "allow", resources: ["file:///a__b"] }], "read")).toBe(true);
  });

  test("hints that contradict the action speak of nothing", () => {
    expect(asked([{ effect: "allow", read_only: true }], "write")).toBe(false);
    expect(asked([{ effect: "allow", read_only: true }], "read")).toBe(true);
    expect(asked([{ effect: "allow", read_only: false }], "read")).toBe(false);
    expect(asked([{ effect: "allow", destructive: true }], "read")).toBe(false);
    expect(asked([{ effect: "allow", destructive: true }], "write")).toBe(true);
  });
});

describe("the rules of a key", () => {
  test("have no opinion of what they leave, and refuse the rest", () => {
    const only: Rule[] = [{ effect: "allow", tools: ["read"] }];
    expect(uses(only, tool("read"), "key")).toBeUndefined();
    expect(uses(only, tool("write"), "key")).toBe(false);
    const but: Rule[] = [{ effect: "deny", tools: ["write"] }];
    expect(uses(but, tool("read"), "key")).toBeUndefined();
    expect(uses(but, tool("write"), "key")).toBe(false);
  });
});

const anyRule: fc.Arbitrary<Rule> = fc.record(
  {
    effect: fc.constantFrom("allow" as const, "deny" as const),
    servers: fc.subarray(["files", "f*", "other", "*"], { minLength: 1 }),
    tools: fc.subarray(["read", "files__*", "*_all", "nope"], { minLength: 1 }),
    actions: fc.subarray(["read", "write", "call", "manage"] as const, { minLength: 1 }),
    read_only: fc.boolean(),
    destructive: fc.boolean(),
  },
  { requiredKeys: ["effect"] },
);
const anyItem: fc.Arbitrary<AccessItem> = fc
  .record({
    name: fc.constantFrom("read", "write", "delete_all"),
    readOnly: fc.boolean(),
    destructive: fc.boolean(),
  })
  .map(({ name, readOnly, destructive }) =>
    tool(name, { readOnly, destructive: !readOnly && destructive }),
  );

test("the order of rules does not matter, and one more denial never allows more", () => {
  const rules = fc.array(anyRule, { maxLength: 6 });
  fc.assert(
    fc.property(rules, anyItem, anyRule, (some, item, other) => {
      expect(uses(some.toReversed(), item)).toBe(uses(some, item));
      const denial: Rule = { ...other, effect: "deny" };
      expect([uses([...some, denial], item), uses(some, item)]).not.toEqual([true, false]);
    }),
  );
});

test("who is said to be refused nothing is refused nothing", () => {
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 4 }), anyItem, (rules, item) => {
      for (const whose of ["role", "key"] as const) {
        const { allowsEveryUse } = new RuleEngine(rules, whose);
        expect([allowsEveryUse, uses(rules, item, whose)]).not.toEqual([true, false]);
      }
    }),
    { numRuns: 1_000 },
  );
});
