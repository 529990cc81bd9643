import {
  completable,
  inputRequired,
  inputResponse,
  type McpServer,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { pngBase64 } from "./media.ts";

/** Prompts of every kind of content, one with completed arguments, one that asks the client first. */
export function registerPrompts(server: McpServer): void {
  registerPlain(server);
  registerArguments(server);
  registerEmbedded(server);
  registerAsking(server);
}

function registerPlain(server: McpServer): void {
  server.registerPrompt("test_simple_prompt", { description: "Without arguments" }, () => ({
    messages: [
      { role: "user", content: { type: "text", text: "This is a simple prompt for testing." } },
    ],
  }));
  server.registerPrompt("test_prompt_with_image", { description: "With an image" }, () => ({
    messages: [
      { role: "user", content: { type: "image", data: pngBase64, mimeType: "image/png" } },
      { role: "user", content: { type: "text", text: "Please analyze the image above." } },
    ],
  }));
}

function registerArguments(server: McpServer): void {
  server.registerPrompt(
    "test_prompt_with_arguments",
    {
      description: "With two arguments",
      argsSchema: z.object({ arg1: completed(["paris", "park", "party"]), arg2: z.string() }),
    },
    ({ arg1, arg2 }) => ({
      messages: [
        {
          role: "user",
          content: { type: "text", text: `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'` },
        },
      ],
    }),
  );
}

function completed(values: string[]): z.ZodString {
  return completable(z.string(), (typed) => values.filter((value) => value.startsWith(typed)));
}

function registerEmbedded(server: McpServer): void {
  server.registerPrompt(
    "test_prompt_with_embedded_resource",
    { description: "Embeds a resource", argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri }) => ({
      messages: [
        {
          role: "user",
          content: {
            type: "resource",
            resource: {
              uri: resourceUri,
              mimeType: "text/plain",
              text: "Embedded resource content for testing.",
            },
          },
        },
        {
          role: "user",
          content: { type: "text", text: "Please process the embedded resource above." },
        },
      ],
    }),
  );
}

function registerAsking(server: McpServer): void {
  server.registerPrompt(
    "test_input_required_result_prompt",
    { description: "Asks for a context first" },
    (context) => {
      const answer = inputResponse(context.mcpReq.inputResponses, "user_context");
      if (answer.kind === "missing")
        return inputRequired({
          inputRequests: {
            user_context: inputRequired.elicit({
              message: "What context should the prompt use?",
              requestedSchema: {
                type: "object",
                properties: { context: { type: "string" } },
                required: ["context"],
              },
            }),
          },
        });
      return {
        messages: [{ role: "user", content: { type: "text", text: JSON.stringify(answer) } }],
      };
    },
  );
}
