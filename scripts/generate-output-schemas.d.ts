/** JSON Schemas of `-o json`, by name. */
export function outputSchemas(): Promise<Map<string, object>>;

/** Name of the schema of a command: that of another command when they print the same. */
export function schemaNameOf(command: string): string;
