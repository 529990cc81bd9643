type Given<Fields extends object> = {
  [Name in keyof Fields]?: NonNullable<Fields[Name]>;
};

/** The fields that have a value: neither undefined nor null. */
export function given<Fields extends object>(fields: Fields): Given<Fields>;
export function given(fields: object): object {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== null),
  );
}
