/**
 * Reads the registered search attributes of a namespace from one of two services:
 *
 * - `DescribeNamespace`, where attributes belong to the namespace: Temporal Cloud, and SQL visibility including the
 *   development server. Needs only read permission.
 * - the operator service, where attributes belong to the server: Elasticsearch. Temporal Cloud rejects it.
 */
/** Temporal's type numbers, as named by the `temporal` CLI. */
const TYPE_WORDS: Readonly<Record<number, string>> = {
  1: 'Text',
  2: 'Keyword',
  3: 'Int',
  4: 'Double',
  5: 'Bool',
  6: 'Datetime',
  7: 'KeywordList',
};

/** The used part of Temporal's services. */
interface Services {
  workflowService: {
    describeNamespace(request: { namespace: string }): Promise<{
      config?: { customSearchAttributeAliases?: Record<string, string> | null } | null;
    }>;
  };
  operatorService: {
    listSearchAttributes(request: { namespace: string }): Promise<{ customAttributes: Record<string, number> }>;
  };
}

/**
 * Names and types, the latter as named by the `temporal` CLI, `?` for an unknown type. The operator service is queried
 * only when one of `wanted` is missing.
 *
 * @throws the error of DescribeNamespace when neither service answers
 */
export async function registeredSearchAttributes(
  services: Services,
  namespace: string,
  wanted: readonly string[],
): Promise<Record<string, string>> {
  let refused: { error: unknown } | null = null;
  let found: Record<string, string> = {};
  try {
    const { config } = await services.workflowService.describeNamespace({ namespace });
    found = fromAliases(config?.customSearchAttributeAliases ?? {});
  } catch (error) {
    refused = { error };
  }
  if (wanted.every((name) => found[name] !== undefined)) return found;
  try {
    const { customAttributes } = await services.operatorService.listSearchAttributes({ namespace });
    const listed = Object.entries(customAttributes).map(([name, type]) => [name, TYPE_WORDS[type] ?? '?']);
    return { ...(Object.fromEntries(listed) as Record<string, string>), ...found };
  } catch {
    if (refused !== null) throw refused.error;
    return found;
  }
}

/** `Keyword01` is the column behind an alias and contains the type. */
function fromAliases(aliases: Record<string, string>): Record<string, string> {
  const words = Object.values(TYPE_WORDS);
  return Object.fromEntries(
    Object.entries(aliases).map(([field, name]) => {
      const kind = field.replace(/\d+$/, '').toLowerCase();
      return [name, words.find((word) => word.toLowerCase() === kind) ?? '?'];
    }),
  );
}
