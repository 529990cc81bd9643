// One `COPY … FROM STDIN` as node-postgres runs it: a query of its own kind, which the client hands the server's
// messages to (node-postgres, "Submittable"). COPY costs the database about half of what an INSERT of the same rows does.
import type { Connection, Submittable } from "pg";

/** The part of a connection that carries COPY data; the published types leave it out. */
interface CopyConnection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

export class CopyIn implements Submittable {
  /** Set and wrapped by the client, which ends its timer there. */
  callback: (error: Error | undefined) => void = () => undefined;
  readonly #statement: string;
  readonly #data: Buffer;
  #error: Error | undefined;

  constructor(statement: string, data: Buffer) {
    this.#statement = statement;
    this.#data = data;
  }

  submit(connection: Connection): void {
    connection.query(this.#statement);
  }

  handleCopyInResponse(connection: CopyConnection): void {
    connection.sendCopyFromChunk(this.#data);
    connection.endCopyFrom();
  }

  handleError(error: Error): void {
    this.#error ??= error;
    this.callback(error);
    this.callback = () => undefined;
  }

  handleReadyForQuery(): void {
    this.callback(this.#error);
  }

  handleCommandComplete(): void {}
}
