/**
 * Which search attributes a namespace has. Two services know, each on some servers only:
 *
 * - `DescribeNamespace` where they belong to the namespace: on Temporal Cloud, and with SQL visibility, which is also what
 *   the development server has. It needs no more than the right to read.
 * - the operator service where they belong to the whole server: with Elasticsearch. Temporal Cloud refuses it.
 */
/** Temporal's numbers of the types, in the words of the `temporal` CLI. */
const TYPE_WORDS: Readonly<Record<number, string>> = {
  1: 'Text',
  2: 'Keyword',
  3: 'Int',
  4: 'Double',
  5: 'Bool',
  6: 'Datetime',
  7: 'KeywordList',
};

/** As much of Temporal's services as is needed. */
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
 * Names and types, the latter in the words of the `temporal` CLI, `?` for one that is not known. The operator service is
 * asked only when one of `wanted` is missing.
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

/** `Keyword01` stands for the attribute that people call by the alias, and says its type. */
function fromAliases(aliases: Record<string, string>): Record<string, string> {
  const words = Object.values(TYPE_WORDS);
  return Object.fromEntries(
    Object.entries(aliases).map(([field, name]) => {
      const kind = field.replace(/\d+$/, '').toLowerCase();
      return [name, words.find((word) => word.toLowerCase() === kind) ?? '?'];
    }),
  );
}
