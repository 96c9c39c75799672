/** Workflow time as ISO 8601. */
export function timestamp(): string {
  return new Date(Date.now()).toISOString();
}
