import { registeredSearchAttributes } from '../../src/contract/registered-attributes';

const OURS = { PatchCluster: 'Keyword', PatchNextWindow: 'Datetime' };
const WANTED = Object.keys(OURS);

interface Answers {
  /** The answer of DescribeNamespace; null: permission denied. */
  aliases: Record<string, string> | null;
  /** The answer of the operator service, with Temporal's numbers of the types; null: permission denied. */
  listed: Record<string, number> | null;
}

function ask({ aliases, listed }: Answers) {
  const requests: string[] = [];
  const services = {
    workflowService: {
      describeNamespace: () => {
        requests.push('namespace');
        if (aliases === null) throw new Error('not allowed to describe');
        return { config: { customSearchAttributeAliases: aliases } };
      },
    },
    operatorService: {
      listSearchAttributes: () => {
        requests.push('operator');
        if (listed === null) throw new Error('unauthorized');
        return { customAttributes: listed };
      },
    },
  };
  return { requests, answer: registeredSearchAttributes(services as never, 'default', WANTED) };
}

describe('src/contract/registered-attributes', () => {
  it('reads the attributes of the namespace, as on Temporal Cloud, without the operator service', async () => {
    const aliases = { Keyword07: 'PatchCluster', Datetime01: 'PatchNextWindow', KeywordList02: 'theirs', Odd1: 'odd' };
    const { requests, answer } = ask({ aliases, listed: null });
    expect(await answer).toEqual({ ...OURS, theirs: 'KeywordList', odd: '?' });
    expect(requests).toEqual(['namespace']);
  });

  it('reads the attributes of the server where the namespace has none, as with Elasticsearch', async () => {
    const listed = { PatchCluster: 2, PatchNextWindow: 6, New: 99 };
    expect(await ask({ aliases: {}, listed }).answer).toEqual({ ...OURS, New: '?' });
    expect(await ask({ aliases: null, listed }).answer).toMatchObject(OURS);
  });

  it('works without access to the operator service, and fails only when both calls are denied', async () => {
    expect(await ask({ aliases: { Keyword01: 'PatchCluster' }, listed: null }).answer).toEqual({
      PatchCluster: 'Keyword',
    });
    await expect(ask({ aliases: null, listed: null }).answer).rejects.toThrow('not allowed to describe');
  });
});
