import {
  acceptedContent,
  type CallToolResult,
  inputRequired,
  inputResponse,
  type InputRequest,
  type InputRequiredResult,
  type McpServer,
  type RequestStateCodec,
  type ServerContext,
} from "@modelcontextprotocol/server";

/** What a tool of several rounds remembers between them, sealed into the request state. */
export interface RoundState {
  round: number;
}

/** Tools of the multi-round-trip scenarios: one answer, several, several rounds, and state that must not be forged. */
export function registerRoundTripTools(
  server: McpServer,
  codec: RequestStateCodec<RoundState>,
): void {
  ask(server, "test_input_required_result_elicitation", { user_name: nameRequest });
  ask(server, "test_input_required_result_sampling", { capital_question: capitalRequest });
  ask(server, "test_input_required_result_list_roots", { client_roots: rootsRequest });
  // A client that does not sample is refused before it is asked.
  ask(server, "test_missing_capability", { capital_question: capitalRequest });
  askSealed(server, codec, "test_input_required_result_request_state", { confirm: confirmRequest });
  askSealed(server, codec, "test_input_required_result_tampered_state", {
    confirm: confirmRequest,
  });
  askSealed(server, codec, "test_input_required_result_multiple_inputs", {
    user_name: nameRequest,
    greeting: greetingRequest,
    client_roots: rootsRequest,
  });
  registerRounds(server, codec);
  registerCapabilities(server);
}

function ask(server: McpServer, name: string, inputRequests: Record<string, InputRequest>): void {
  register(
    server,
    name,
    (context) => answered(context, Object.keys(inputRequests)) ?? inputRequired({ inputRequests }),
  );
}

function askSealed(
  server: McpServer,
  codec: RequestStateCodec<RoundState>,
  name: string,
  inputRequests: Record<string, InputRequest>,
): void {
  register(server, name, async (context) => {
    const state = context.mcpReq.requestState<RoundState>();
    const done = state && answered(context, Object.keys(inputRequests));
    if (done) return done;
    return inputRequired({ inputRequests, requestState: await codec.mint({ round: 1 }, context) });
  });
}

function registerRounds(server: McpServer, codec: RequestStateCodec<RoundState>): void {
  register(server, "test_input_required_result_multi_round", async (context) => {
    const { inputResponses } = context.mcpReq;
    const round = context.mcpReq.requestState<RoundState>()?.round ?? 0;
    if (round === 1 && acceptedContent(inputResponses, "step1") !== undefined)
      return inputRequired({
        inputRequests: { step2: form("Step 2: What is your favorite color?", "color") },
        requestState: await codec.mint({ round: 2 }, context),
      });
    if (round === 2 && acceptedContent(inputResponses, "step2") !== undefined)
      return said("Both steps are done.");
    return inputRequired({
      inputRequests: { step1: form("Step 1: What is your name?", "name") },
      requestState: await codec.mint({ round: 1 }, context),
    });
  });
}

function registerCapabilities(server: McpServer): void {
  register(server, "test_input_required_result_capabilities", (context) => {
    const capabilities = server.server.getClientCapabilities() ?? {};
    const inputRequests: Record<string, InputRequest> = {};
    if (capabilities.elicitation) inputRequests["user_name"] = nameRequest;
    if (capabilities.sampling) inputRequests["greeting"] = greetingRequest;
    const keys = Object.keys(inputRequests);
    if (keys.length === 0) return said("Nothing to ask.");
    return answered(context, keys) ?? inputRequired({ inputRequests });
  });
}

function register(
  server: McpServer,
  name: string,
  handle: (
    context: ServerContext,
  ) => CallToolResult | InputRequiredResult | Promise<CallToolResult | InputRequiredResult>,
): void {
  server.registerTool(name, { description: "Answers after the client has" }, handle);
}

function answered(context: ServerContext, keys: readonly string[]): CallToolResult | undefined {
  const { inputResponses } = context.mcpReq;
  const views = keys.map((key) => inputResponse(inputResponses, key));
  if (views.some((view) => view.kind === "missing")) return undefined;
  return said(`state-ok: ${JSON.stringify(views)}`);
}

function said(text: string): CallToolResult {
  return { content: [{ type: "text", text }] };
}

function form(message: string, field: string): InputRequest {
  return inputRequired.elicit({
    message,
    requestedSchema: {
      type: "object",
      properties: { [field]: { type: "string" } },
      required: [field],
    },
  });
}

function sample(text: string, maxTokens: number): InputRequest {
  return inputRequired.createMessage({
    messages: [{ role: "user", content: { type: "text", text } }],
    maxTokens,
  });
}

const nameRequest = form("What is your name?", "name");
const capitalRequest = sample("What is the capital of France?", 100);
const greetingRequest = sample("Generate a greeting", 50);
const rootsRequest = inputRequired.listRoots();
const confirmRequest = inputRequired.elicit({
  message: "Please confirm",
  requestedSchema: { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] },
});
