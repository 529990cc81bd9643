// Uploads of files by tus, whatever their size. Where an upload was is remembered while the gateway runs, so that a call that
// ended early can be made again. Only files in the folders of the settings are read, links followed.
import { constants } from "node:fs";
import { open, realpath, type FileHandle } from "node:fs/promises";
import { basename, sep } from "node:path";
import { ServiceError, ToolError, path, type Clock, type RestClient } from "@signalbox/kit";
import type { CloudflareApi } from "./cloudflare-api.ts";
import { tusMetadata, tusOffset, tusSend, tusVersion } from "./tus.ts";

export interface VideoUploadsOptions {
  readonly api: CloudflareApi;
  readonly clock: Clock;
  readonly dirs: readonly string[];
  readonly chunkBytes: number;
  readonly baseUrl: string;
  /** A client for the origin that takes an upload; with credentials where it is `trusted`. */
  place(origin: string, trusted: boolean): RestClient;
}

export interface VideoFile {
  readonly path: string;
  readonly name?: string | undefined;
  readonly maxDurationSeconds?: number | undefined;
  readonly creator?: string | undefined;
  readonly requireSignedUrls?: boolean | undefined;
  readonly allowedOrigins?: readonly string[] | undefined;
}

/** Who waits for an upload, and is told how far it is. */
export interface UploadCall {
  readonly signal: AbortSignal;
  progress(done: number, total?: number, message?: string): void;
}

export interface Uploaded {
  readonly id: string;
  readonly bytes: number;
  /** How many bytes an earlier call had sent. */
  readonly resumedAt?: number;
}

interface Begun {
  readonly id: string;
  readonly location: string;
}

export class VideoUploads {
  readonly #options: VideoUploadsOptions;
  readonly #begun = new Map<string, Begun>();
  readonly #underWay = new Set<string>();

  constructor(options: VideoUploadsOptions) {
    this.#options = options;
  }

  /** Uploads a file, or the rest of it. Throws ToolError for a file that may not or cannot be read. */
  async upload(video: VideoFile, call: UploadCall): Promise<Uploaded> {
    const real = await this.#allowed(video.path);
    if (this.#underWay.size >= underWayMax || this.#underWay.has(real))
      throw new ToolError(
        "This file, or as many others as may be at once, is being uploaded. Try again when that is done.",
        { code: "CLOUDFLARE_UPLOAD_UNDER_WAY" },
      );
    this.#underWay.add(real);
    try {
      await using file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW);
      const { size, mtimeMs } = await sizeOf(file, video.path);
      return await this.#send(file, `${real}\n${size}\n${mtimeMs}`, size, video, call);
    } finally {
      this.#underWay.delete(real);
    }
  }

  async #allowed(name: string): Promise<string> {
    const { dirs } = this.#options;
    if (dirs.length === 0)
      throw new ToolError(
        "No file of this machine may be uploaded: set CLOUDFLARE_UPLOAD_DIRS, or use stream_copy_from_url or stream_direct_upload.",
        { code: "CLOUDFLARE_UPLOAD_NOT_ALLOWED" },
      );
    const [real, ...roots] = await Promise.all([name, ...dirs].map((one) => resolved(one)));
    // A file that is not there, and one that may not be read, are answered alike: nobody learns what there is elsewhere.
    const root = roots.find((one) => one !== undefined && real?.startsWith(one + sep) === true);
    if (real !== undefined && root !== undefined) return real;
    throw new ToolError(
      `There is no file "${name}" in the folders that CLOUDFLARE_UPLOAD_DIRS names. Give its whole path.`,
      { code: "CLOUDFLARE_UPLOAD_NOT_ALLOWED" },
    );
  }

  async #send(
    file: FileHandle,
    key: string,
    bytes: number,
    video: VideoFile,
    call: UploadCall,
  ): Promise<Uploaded> {
    const { signal } = call;
    const { chunkBytes, clock } = this.#options;
    const sendingTo = (location: string) => ({
      rest: this.#restFor(location),
      location,
      bytes,
      chunkBytes,
      clock,
      signal,
      read: (offset: number, length: number) => readChunk(file, offset, length),
      onOffset: (offset: number) => call.progress(offset, bytes, `${offset} of ${bytes} bytes`),
    });
    const earlier = this.#begun.get(key);
    const resumedAt =
      earlier === undefined ? undefined : await offsetOrGone(sendingTo(earlier.location));
    const begun =
      earlier !== undefined && resumedAt !== undefined
        ? earlier
        : await this.#begin(bytes, video, signal);
    this.#remember(key, begun);
    try {
      await tusSend(sendingTo(begun.location), resumedAt ?? 0);
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      throw new ToolError(
        `${error.message} Call stream_upload again with the same file: it goes on where it stopped.`,
        { code: "CLOUDFLARE_UPLOAD_STOPPED", details: { video: begun.id }, cause: error },
      );
    }
    this.#begun.delete(key);
    return { id: begun.id, bytes, ...(resumedAt !== undefined && { resumedAt }) };
  }

  async #begin(bytes: number, video: VideoFile, signal: AbortSignal): Promise<Begun> {
    const { api } = this.#options;
    const account = await api.accountId(signal);
    const { headers } = await api.rest.request({
      method: "POST",
      path: path`/accounts/${account}/stream`,
      headers: {
        ...tusVersion,
        "upload-length": String(bytes),
        "upload-metadata": tusMetadata({
          name: video.name ?? basename(video.path),
          maxDurationSeconds: video.maxDurationSeconds?.toString(),
          requiresignedurls: video.requireSignedUrls === true ? true : undefined,
          allowedorigins: video.allowedOrigins?.join(","),
        }),
        ...(video.creator !== undefined && { "upload-creator": video.creator }),
      },
      signal,
    });
    const location = headers.get("location") ?? "";
    const id = headers.get("stream-media-id");
    const url = URL.parse(location, this.#options.baseUrl);
    if (location !== "" && url !== null && id !== null) return { id, location: url.href };
    throw new ServiceError("Cloudflare took the upload, but did not say where to send it.", {
      kind: "non_retryable",
      code: "VENDOR_ANSWER",
    });
  }

  // The API sends uploads to itself, to a gateway of its own, or to a host that needs no credentials.
  #restFor(location: string): RestClient {
    const { origin, protocol, hostname } = new URL(location);
    const base = new URL(this.#options.baseUrl);
    const own = origin === base.origin;
    const sibling =
      base.hostname === "api.cloudflare.com" &&
      protocol === "https:" &&
      hostname.endsWith(".cloudflare.com");
    const anybodys =
      protocol === "https:" && /(^|\.)(cloudflarestream\.com|videodelivery\.net)$/.test(hostname);
    if (!own && !sibling && !anybodys)
      throw new ServiceError(`Cloudflare sent the upload to ${hostname}, which is not its own.`, {
        kind: "non_retryable",
        delivered: "no",
      });
    return this.#options.place(origin, own || sibling);
  }

  #remember(key: string, begun: Begun): void {
    this.#begun.delete(key);
    const [oldest] = this.#begun.keys();
    if (this.#begun.size >= begunMax && oldest !== undefined) this.#begun.delete(oldest);
    this.#begun.set(key, begun);
  }
}

async function resolved(name: string): Promise<string | undefined> {
  try {
    return await realpath(name);
  } catch {
    return undefined;
  }
}

async function sizeOf(file: FileHandle, name: string): Promise<{ size: number; mtimeMs: number }> {
  const facts = await file.stat();
  if (!facts.isFile() || facts.size === 0 || facts.size > bytesMax)
    throw new ToolError(`"${name}" is not a file of 1 byte to 30 GB.`, {
      code: "CLOUDFLARE_NOT_A_VIDEO",
    });
  return facts;
}

async function offsetOrGone(sending: Parameters<typeof tusOffset>[0]): Promise<number | undefined> {
  try {
    return await tusOffset(sending);
  } catch (error) {
    if (error instanceof ServiceError && (error.status === 404 || error.status === 410))
      return undefined;
    throw error;
  }
}

async function readChunk(file: FileHandle, offset: number, bytes: number): Promise<Uint8Array> {
  const chunk = Buffer.allocUnsafe(bytes);
  for (let filled = 0; filled < bytes;) {
    const { bytesRead } = await file.read(chunk, filled, bytes - filled, offset + filled);
    if (bytesRead === 0)
      throw new ToolError("The file became shorter while it was being uploaded.", {
        code: "CLOUDFLARE_UPLOAD_CHANGED",
      });
    filled += bytesRead;
  }
  return chunk;
}

const bytesMax = 30_000_000_000;
const underWayMax = 2;
const begunMax = 100;
