/**
 * What several gateways have admitted, counted in Redis or Valkey by its clock: for each limit a hash with a field for each
 * slice of its window, which is gone when the window is over. Nothing waits for it; it may be down, and rejects then.
 */
import type { RateLedger, RateTold } from "../../access/index.ts";
import { messageOf, type Log } from "../../foundation/index.ts";
import { redisClient } from "./redis-client.ts";

export class RedisRates implements RateLedger {
  readonly #prefix: string;
  readonly #gateway: string;
  readonly #client: ReturnType<typeof redisClient>;

  /** `gateway` is a name that no other gateway has. */
  constructor(options: { url: string; prefix: string }, deps: { log: Log; gateway: string }) {
    this.#prefix = options.prefix;
    this.#gateway = deps.gateway;
    this.#client = redisClient(options.url);
    this.#client.on("error", (error: unknown) => {
      deps.log.debug(
        { error: messageOf(error) },
        "The connection of the rate limits to Redis failed",
      );
    });
  }

  /** Connects, and connects again whenever the connection is lost; nothing waits for that. */
  start(): void {
    this.#client.connect().catch(() => {
      // Told by the event above, and by the counts that cannot be told.
    });
  }

  async settle(told: readonly RateTold[]): Promise<number[][]> {
    const answers = await Promise.all(told.map((one) => this.#settle(one)));
    return answers.map((answer) => byAge(answer));
  }

  async beat(): Promise<number> {
    const key = `${this.#prefix}limits:gateways`;
    return Number(await this.#client.sendCommand(["EVAL", BEAT, "1", key, this.#gateway, GONE_MS]));
  }

  async close(): Promise<void> {
    if (this.#client.isOpen) this.#client.destroy();
    await Promise.resolve();
  }

  #settle({ name, sliceMs, slices, admitted }: RateTold): Promise<unknown> {
    const key = `${this.#prefix}limits:rate:${name}`;
    const values = [sliceMs, slices, admitted].map(String);
    return this.#client.sendCommand(["EVAL", SETTLE, "1", key, ...values]);
  }
}

/** Ages and counts in turn. */
function byAge(answer: unknown): number[] {
  const counts: number[] = [];
  if (!Array.isArray(answer)) return counts;
  for (let place = 0; place + 1 < answer.length; place += 2) {
    counts[Number(answer[place])] = Number(answer[place + 1]);
  }
  return counts;
}

/** A gateway that has not been heard of for three of its beats is gone. */
const GONE_MS = "15000";

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`;

const SETTLE = `${NOW}
local slice = math.floor(now / ARGV[1])
local slices = tonumber(ARGV[2])
redis.call('HINCRBY', KEYS[1], string.format('%.0f', slice), ARGV[3])
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[1] * (slices + 1)))
local counts = redis.call('HGETALL', KEYS[1])
local answer = {}
for place = 1, #counts, 2 do
  local age = slice - tonumber(counts[place])
  if age >= slices then
    redis.call('HDEL', KEYS[1], counts[place])
  elseif age >= 0 then
    answer[#answer + 1] = age
    answer[#answer + 1] = tonumber(counts[place + 1])
  end
end
return answer`;

const BEAT = `${NOW}
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('PEXPIRE', KEYS[1], 3600000)
return redis.call('ZCARD', KEYS[1])`;
