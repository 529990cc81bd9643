import { expect, test } from "vitest";
import { upstream } from "./fake-call.ts";
import { factsOf } from "./server-facts.ts";

test("an endpoint's address is shown without what may be a key in it", () => {
  const server = upstream({
    endpoints: [
      { url: "https://a.example/mcp?key=1234" },
      { url: "https://b.example/sk-Zq7mXw2KfLp9RtVb4NcY/mcp" },
    ],
  });
  const [a, b] = factsOf(server).endpoints;
  expect(a?.url).toBe("https://a.example/mcp");
  expect(b?.url).toMatch(/^https:\/\/b\.example\//);
  expect(b?.url).not.toContain("Zq7mXw2KfLp9RtVb4NcY");
});
