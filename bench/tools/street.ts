/** The contestants that several questions share, all running at once: the gateway, the yardsticks, the upstream. */
import { startGateway, type RunningGateway } from "./gateway.ts";
import type { Endpoint, Era } from "./mcp-client.ts";
import { startUpstream, type UpstreamProgram } from "./upstream.ts";
import {
  startBareAnswer,
  startBareRelay,
  startBareStdioRelay,
  type Yardstick,
} from "./yardsticks.ts";

export interface Street {
  readonly gateway: RunningGateway;
  readonly relay: Yardstick;
  readonly stdioRelay: Yardstick;
  readonly answer: Yardstick;
  /** The upstream itself, without anything between. */
  readonly direct: (era: Era) => Endpoint;
  stop(): Promise<void>;
}

/**
 * The gateway's servers, by what carries them and the era they are spoken to: `http` and `http-old` are the one upstream,
 * `stdio` and `stdio-old` children of the gateway.
 */
export async function openStreet(program: UpstreamProgram): Promise<Street> {
  const upstream = await startUpstream(program);
  const child = { command: program.command, args: [...program.args, "--stdio"] };
  const [gateway, relay, stdioRelay, answer] = await Promise.all([
    startGateway({
      servers: {
        http: { url: upstream.url, protocol_era: "modern" },
        "http-old": { url: upstream.url, protocol_era: "legacy" },
        stdio: { ...child, protocol_era: "modern" },
        "stdio-old": { ...child, protocol_era: "legacy" },
      },
    }),
    startBareRelay(upstream.port),
    startBareStdioRelay(program),
    startBareAnswer(),
  ]);
  return {
    gateway,
    relay,
    stdioRelay,
    answer,
    direct: (era) => ({ url: upstream.url, era }),
    async stop() {
      await Promise.all([gateway, relay, stdioRelay, answer, upstream].map((one) => one.stop()));
    },
  };
}
