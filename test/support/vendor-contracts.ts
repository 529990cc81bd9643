/**
 * What vendors publish of their APIs, for holding services to it: every request a service sends, and every answer a double
 * gives it, must fit. The schemas are not part of this repository: they are looked for in the folder that VENDOR_SCHEMAS names,
 * else in `../shared/vendor` beside the repository, and tests that need one are skipped, with a line that says so, where it is
 * not there.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { fakeFetch, type FakeFetch, type SeenRequest } from "@signalbox/kit/testing";
import addFormats from "ajv-formats";
import { buildSchema, parse, validate, type GraphQLSchema } from "graphql";
import { OpenAPIBackend, type Document } from "openapi-backend";
import { describe, expect, test } from "vitest";
import { root } from "./root.ts";

const folder = process.env["VENDOR_SCHEMAS"] ?? join(root, "../shared/vendor");

/** `describe`, or where one of the files is absent a skipped test, after a line that names it: `withVendor("openapi/github.slice.json")("...", ...)`. */
export function withVendor(...files: readonly string[]): (name: string, tests: () => void) => void {
  const absent = files.filter((file) => !existsSync(join(folder, file)));
  if (absent.length === 0) return describe;
  process.stderr.write(
    `Skipped, since ${folder} has no ${absent.join(", ")}: set VENDOR_SCHEMAS\n`,
  );
  // Not `describe.skip`, which runs its function all the same, and that reads the files.
  return () =>
    test.skipIf(absent.length > 0)("what its vendor publishes is here to be held to", () => {
      expect(absent).toEqual([]);
    });
}

/** A file of the vendors' folder as text; `.gz` is unpacked. */
export function vendorText(file: string): string {
  const bytes = readFileSync(join(folder, file));
  return (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
}

/** A vendor's OpenAPI document. */
export interface OpenapiContract {
  /** Throws where a request does not fit its operation, or there is none for it. */
  checkRequest(request: SeenRequest): void;
  /** Throws where an answer's status or body is none that the operation gives. */
  checkResponse(request: SeenRequest, response: { status: number; body: unknown }): void;
}

export interface OpenapiContractOptions {
  /** What stands before the document's paths in the addresses that are asked: "/client/v4". */
  readonly prefix?: string;
  /** The vendor wants a slash at the end that the document does not have. */
  readonly slashAtEnd?: boolean;
}

/** Reads an OpenAPI 3 document in JSON: `openapi/*.json`, `amazon/*.oas3.json`. */
export async function openapiContract(
  file: string,
  { prefix = "", slashAtEnd = false }: OpenapiContractOptions = {},
): Promise<OpenapiContract> {
  const definition: Document = JSON.parse(vendorText(file));
  const backend = new OpenAPIBackend({
    definition,
    quick: true,
    // A vendor's document is as it is: unknown formats and keywords are not for us to refuse.
    ajvOpts: { strict: false, allErrors: true, code: { optimize: false } },
    customizeAjv: (ajv) => {
      addFormats.default(ajv);
      return ajv;
    },
  });
  await backend.init();
  const asAsked = ({ method, url, headers, json, text }: SeenRequest) => {
    const bare = url.pathname.startsWith(prefix) ? url.pathname.slice(prefix.length) : url.pathname;
    const path = slashAtEnd ? bare.replace(/(?<=.)\/$/, "") : bare;
    return { method, path: path + url.search, headers, body: json ?? text };
  };
  const operationOf = (request: SeenRequest) => {
    const operation = backend.matchOperation(asAsked(request));
    if (operation?.operationId !== undefined) return operation;
    throw new Error(`${file} has no ${request.method} ${request.path}`);
  };
  return {
    checkRequest: (request) => {
      const { errors } = backend.validateRequest(asAsked(request), operationOf(request));
      refuse(`${request.method} ${request.path}`, errors, request.json);
    },
    checkResponse: (request, { status, body }) => {
      const { errors } = backend.validateResponse(body, operationOf(request), status);
      refuse(`the answer ${status} to ${request.method} ${request.path}`, errors, body);
    },
  };
}

/** A `fetch` like `fakeFetch`, whose requests and answers must both fit a contract; others than JSON answers pass. */
export function contractFetch(
  contract: OpenapiContract,
  answer: (request: SeenRequest, index: number) => Response | Promise<Response>,
): FakeFetch {
  return fakeFetch(async (request, index) => {
    contract.checkRequest(request);
    const response = await answer(request, index);
    const text = await response.clone().text();
    if (response.headers.get("content-type")?.includes("json") === true)
      contract.checkResponse(request, { status: response.status, body: JSON.parse(text) });
    return response;
  });
}

/** A vendor's GraphQL schema. */
export interface GraphqlContract {
  readonly schema: GraphQLSchema;
  /** Throws where a document does not fit the schema. */
  check(document: string): void;
}

/** Reads a schema in SDL: `graphql/*.graphql` or `.graphql.gz`. */
export function graphqlContract(file: string): GraphqlContract {
  const schema = buildSchema(vendorText(file), { assumeValidSDL: true });
  return {
    schema,
    check: (document) => {
      const errors = validate(schema, parse(document)).map(({ message }) => message);
      refuse("the document", errors, document);
    },
  };
}

function refuse(what: string, errors: readonly unknown[] | null | undefined, given: unknown): void {
  if (errors === undefined || errors === null || errors.length === 0) return;
  const list = errors.slice(0, 10).map((error) => JSON.stringify(error));
  throw new Error(
    `${what} does not fit:\n${list.join("\n")}\n${JSON.stringify(given)?.slice(0, 500)}`,
  );
}
