import {
  type ElicitInputParams,
  fromJsonSchema,
  inputRequired,
  inputResponse,
  type InputRequest,
  type McpServer,
} from "@modelcontextprotocol/server";

/**
 * Tools that ask the client something. Each is written once, as an input-required answer; on the older revisions the
 * SDK turns that into a request of the server, so both wires carry what the suites look for.
 */
export function registerAskingTools(server: McpServer): void {
  registerSampling(server);
  registerElicitation(server);
  registerForm(server, "test_elicitation_sep1034_defaults", defaultsForm);
  registerForm(server, "test_elicitation_sep1330_enums", enumsForm);
  registerForm(server, "test_streaming_elicitation", nameForm);
}

function registerSampling(server: McpServer): void {
  server.registerTool(
    "test_sampling",
    { description: "Asks the client's model", inputSchema: textInput("prompt") },
    (args, context) => {
      const answer = inputResponse(context.mcpReq.inputResponses, "answer");
      if (answer.kind === "missing")
        return inputRequired({ inputRequests: { answer: question(args["prompt"] ?? "") } });
      return said(`LLM response: ${JSON.stringify(answer)}`);
    },
  );
}

function question(text: string): InputRequest {
  return inputRequired.createMessage({
    messages: [{ role: "user", content: { type: "text", text } }],
    maxTokens: 100,
  });
}

function registerElicitation(server: McpServer): void {
  server.registerTool(
    "test_elicitation",
    { description: "Asks the user", inputSchema: textInput("message") },
    (args, context) => {
      const answer = inputResponse(context.mcpReq.inputResponses, "answer");
      if (answer.kind === "missing")
        return inputRequired({
          inputRequests: {
            answer: inputRequired.elicit({
              message: args["message"] ?? "",
              requestedSchema: contactForm,
            }),
          },
        });
      return said(`User response: ${JSON.stringify(answer)}`);
    },
  );
}

function registerForm(
  server: McpServer,
  name: string,
  requestedSchema: ElicitInputParams["requestedSchema"],
): void {
  server.registerTool(name, { description: "Asks the user to fill a form" }, (context) => {
    const answer = inputResponse(context.mcpReq.inputResponses, "form");
    if (answer.kind === "missing")
      return inputRequired({
        inputRequests: {
          form: inputRequired.elicit({ message: "Please review the form", requestedSchema }),
        },
      });
    return said(`Elicitation completed: ${JSON.stringify(answer)}`);
  });
}

function said(text: string): { content: { type: "text"; text: string }[] } {
  return { content: [{ type: "text", text }] };
}

function textInput(name: string): ReturnType<typeof fromJsonSchema<Record<string, string>>> {
  return fromJsonSchema<Record<string, string>>({
    type: "object",
    properties: { [name]: { type: "string" } },
    required: [name],
  });
}

const nameForm: ElicitInputParams["requestedSchema"] = {
  type: "object",
  properties: { name: { type: "string" } },
  required: ["name"],
};

const contactForm: ElicitInputParams["requestedSchema"] = {
  type: "object",
  properties: {
    username: { type: "string", description: "User's response" },
    email: { type: "string", description: "User's email address" },
  },
  required: ["username", "email"],
};

const defaultsForm: ElicitInputParams["requestedSchema"] = {
  type: "object",
  properties: {
    name: { type: "string", description: "User name", default: "John Doe" },
    age: { type: "integer", description: "User age", default: 30 },
    score: { type: "number", description: "User score", default: 95.5 },
    status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
    verified: { type: "boolean", description: "Verified?", default: true },
  },
  required: [],
};

const titled = [
  { const: "value1", title: "First" },
  { const: "value2", title: "Second" },
  { const: "value3", title: "Third" },
];
const untitled = ["option1", "option2", "option3"];

const enumsForm: ElicitInputParams["requestedSchema"] = {
  type: "object",
  properties: {
    untitledSingle: { type: "string", enum: untitled },
    titledSingle: { type: "string", oneOf: titled },
    legacyEnum: {
      type: "string",
      enum: ["opt1", "opt2", "opt3"],
      enumNames: ["Option One", "Option Two", "Option Three"],
    },
    untitledMulti: { type: "array", items: { type: "string", enum: untitled } },
    titledMulti: { type: "array", items: { anyOf: titled } },
  },
  required: [],
};
