// What the OAuth client keeps sealed: the purpose, and the place of a row's value, where alone it opens.

export const sealedTokens = {
  purpose: "oauth-tokens",
  place: (server: string, subject: string): string => `tokens ${server} ${subject}`,
};

export const sealedClients = {
  purpose: "oauth-clients",
  place: (issuer: string, redirectUri: string): string => `client ${issuer} ${redirectUri}`,
};

export const sealedFlows = {
  purpose: "oauth-flows",
  place: (stateHash: string): string => stateHash,
};
