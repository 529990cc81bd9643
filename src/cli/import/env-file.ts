/** The variables of a dotenv file: NAME=value lines, comments, quotes; anything else is passed over. */
export function parseEnvFile(text: string): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$/.exec(line);
    const [, name, value] = match ?? [];
    if (name !== undefined && value !== undefined) variables[name] = unquoted(value);
  }
  return variables;
}

function unquoted(value: string): string {
  const quoted = /^(["'])(.*)\1$/s.exec(value);
  if (quoted === null) return value.replace(/\s+#.*$/, "");
  const inner = quoted[2] ?? "";
  return quoted[1] === '"' ? inner.replaceAll("\\n", "\n").replaceAll('\\"', '"') : inner;
}
