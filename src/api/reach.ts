/**
 * What of the gateway a principal may see and change over the API. What is of another project, or beyond its rules, is
 * answered like something that is not there.
 */
import { allowsOverApi, defaultProject, projectOf, type Principal } from "../access/index.ts";
import { SignalboxError, type ErrorCode } from "../foundation/index.ts";
import type { BundleOptions, BundleView, ServerOptions, ServerView } from "../registry/index.ts";
import type { ApiDeps } from "./ports.ts";
import type { RouteRequest } from "./route.ts";

export type Asking = Pick<RouteRequest<unknown, unknown>, "params" | "principal" | "hid">;

/** Whether a principal may know of a server. */
export function seesServer({ permissions }: Principal, server: ServerView): boolean {
  return permissions.sees({ name: server.name, project: projectOf(server) });
}

/** The names of the servers that a principal may know of. */
export function serverNamesSeen(
  principal: Principal,
  registry: ApiDeps["registry"],
): ReadonlySet<string> {
  const seen = registry.servers().filter((one) => seesServer(principal, one));
  return new Set(seen.map(({ name }) => name));
}

/** The name of the server in the path of what belongs to one. Throws SERVER_NOT_FOUND as `serverNamed` does. */
export function ownerSeen(asking: Asking, registry: ApiDeps["registry"]): string {
  return serverNamed(asking.params["server"] ?? "", asking, registry).name;
}

/** The server that the path names. Throws SERVER_NOT_FOUND. */
export function serverSeen(asking: Asking, { registry }: ApiDeps): ServerView {
  return serverNamed(asking.params["name"] ?? "", asking, registry);
}

/** A server by name. Throws SERVER_NOT_FOUND where there is none, or it is none of the asker's. */
export function serverNamed(
  name: string,
  { principal, hid }: Asking,
  registry: ApiDeps["registry"],
): ServerView {
  const server = registry.server(name);
  if (seesServer(principal, server)) return server;
  throw hidden(
    hid,
    "server",
    name,
    "SERVER_NOT_FOUND",
    `There is no server "${name.slice(0, 64)}".`,
  );
}

/** The server that the path names, to be changed. Throws SERVER_NOT_FOUND, FORBIDDEN. */
export function serverManaged(asking: Asking, deps: ApiDeps): ServerView {
  const server = serverSeen(asking, deps);
  requireManage(asking.principal, server.name, projectOf(server));
  return server;
}

/** The options of a server to be added or changed, in its project. Throws PROJECT_NOT_FOUND, FORBIDDEN. */
export function serverWanted(
  principal: Principal,
  name: string,
  options: ServerOptions,
  before?: ServerView,
): ServerOptions {
  const placed = inProject(principal, options, before?.options.project);
  requireManage(principal, name, placed.project ?? defaultProject);
  // A program runs with the rights of the gateway itself, so it is more than a change within one project.
  const runs = options.command !== undefined;
  if (runs && !(allowsOverApi(principal, "admin") && principal.permissions.gatewayWide)) {
    throw new SignalboxError(
      "FORBIDDEN",
      "Only an administrator of the whole gateway may have it run a program.",
      { details: { option: "command" } },
    );
  }
  return placed;
}

/** The bundle that the path names. Throws BUNDLE_NOT_FOUND. */
export function bundleSeen({ params, principal, hid }: Asking, { registry }: ApiDeps): BundleView {
  const name = params["name"] ?? "";
  const bundle = registry.bundle(name);
  if (principal.permissions.owns(projectOf(bundle))) return bundle;
  throw hidden(
    hid,
    "bundle",
    name,
    "BUNDLE_NOT_FOUND",
    `There is no bundle "${name.slice(0, 64)}".`,
  );
}

/** The options of a bundle to be added or changed, in its project. Throws PROJECT_NOT_FOUND, FORBIDDEN. */
export function bundleWanted(
  principal: Principal,
  options: BundleOptions,
  before?: BundleView,
): BundleOptions {
  const placed = inProject(principal, options, before?.options.project);
  // Whoever describes a tool anew, annotations among it, changes what rules make of it.
  for (const tool of Object.keys(options.tools)) {
    const [server = ""] = tool.split("__", 1);
    requireManage(principal, server, placed.project ?? defaultProject);
  }
  return placed;
}

/** The project something new belongs to: the one that is named, else the asker's own. Throws PROJECT_NOT_FOUND. */
export function projectWanted({ permissions }: Principal, named: string | undefined): string {
  const project = named ?? (permissions.gatewayWide ? defaultProject : permissions.project);
  if (permissions.owns(project)) return project;
  throw new SignalboxError("PROJECT_NOT_FOUND", `There is no project "${project.slice(0, 64)}".`);
}

// Left out, it stays where it is; of the default project it is not said.
function inProject<T extends { project?: string | undefined }>(
  principal: Principal,
  options: T,
  before: string | undefined,
): T {
  const project = projectWanted(principal, options.project ?? before);
  return options.project === undefined && project === defaultProject
    ? options
    : { ...options, project };
}

/** Throws FORBIDDEN where no rule lets the principal manage a server of that name and project. */
export function requireManage(
  { permissions, role }: Principal,
  name: string,
  project: string,
): void {
  if (permissions.reaches({ name, project }, "manage")) return;
  throw new SignalboxError(
    "FORBIDDEN",
    `No rule of the role "${role}", or of this key, lets it manage the server "${name.slice(0, 64)}".`,
    { details: { server: name.slice(0, 64), action: "manage" } },
  );
}

function hidden(
  hid: Asking["hid"],
  kind: string,
  name: string,
  code: ErrorCode,
  message: string,
): SignalboxError {
  hid(`${kind}:${name.slice(0, 64)}`, code);
  return new SignalboxError(code, message);
}
