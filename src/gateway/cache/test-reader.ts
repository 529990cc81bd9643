/** A reader for tests that remembers what it was told. */
import type { SignalboxError } from "../../foundation/index.ts";
import type { JsonRpcError } from "../../protocol/index.ts";
import type { CacheHit, CacheReader, Flight } from "./flight.ts";

export class TestReader implements CacheReader {
  readonly told: string[] = [];
  readonly hits: CacheHit[] = [];
  readonly failures: string[] = [];
  #flight: Flight | undefined;

  /** The flight this one leads. */
  flight(): Flight {
    if (this.#flight === undefined) throw new TypeError(`leads nothing: ${this.told.join()}`);
    return this.#flight;
  }

  get leads(): boolean {
    return this.#flight !== undefined;
  }

  hit(hit: CacheHit): void {
    this.told.push("hit");
    this.hits.push(hit);
  }

  fetch(flight: Flight): void {
    this.told.push("fetch");
    this.#flight = flight;
  }

  refresh(flight: Flight): void {
    this.told.push("refresh");
    this.#flight = flight;
  }

  refused({ message }: JsonRpcError): void {
    this.told.push("refused");
    this.failures.push(message);
  }

  failed({ code }: SignalboxError): void {
    this.told.push("failed");
    this.failures.push(code);
  }
}
