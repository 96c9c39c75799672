/** What is said of calendar files where they cannot be read. */
export function filesMissing(cluster: string, files: readonly string[]): string {
  return `cluster ${cluster}: blackouts of ${files.join(', ')} are left out, because calendar files are on the worker; \`ospatch calendar ${cluster}\` shows them once the spec is applied`;
}
