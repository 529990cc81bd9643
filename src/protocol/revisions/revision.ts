/** Which side of the change to a stateless protocol a peer stands on. */
export type Era = "modern" | "legacy";

/** What one revision of the protocol has. A method that is absent here does not exist on that wire. */
export interface Revision {
  readonly id: string;
  readonly era: Era;
  /** Requests a client may send. */
  readonly requests: ReadonlySet<string>;
  /** Notifications a client may send. */
  readonly notifications: ReadonlySet<string>;
  /** Requests a server may send; none where it must answer `input_required` instead. */
  readonly serverRequests: ReadonlySet<string>;
  /** Whether a POST may carry an array of messages. */
  readonly batches: boolean;
  /** Whether an event stream opens with an empty event that only carries an id (SEP-1699). */
  readonly primesStreams: boolean;
}
