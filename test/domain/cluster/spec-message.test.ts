import { NO_SPEC, parseSpecMessage } from '../../../src/domain/cluster/spec-message';
import { unreadable } from '../../../src/domain/shared/unreadable';

const SPEC = { apiVersion: 'ospatch/v1', name: 'prod-eu', nodes: [] };

function why(value: unknown): string {
  const parsed = parseSpecMessage(value);
  if (parsed.ok) throw new Error('the input was accepted');
  return parsed.why;
}

describe('src/domain/cluster/spec-message', () => {
  it.each([
    ['bare', SPEC, { spec: SPEC }],
    ['as {spec}', { spec: SPEC }, { spec: SPEC }],
    [
      'with a sender and an id',
      { spec: SPEC, by: 'ann', reason: 'PR\n7', requestId: 'r', applyId: 'a' },
      { spec: SPEC, by: 'ann', reason: 'PR 7', requestId: 'r', applyId: 'a' },
    ],
    ['with an empty sender', { spec: SPEC, by: null }, { spec: SPEC }],
    ['a bare spec that lacks its name', { nodes: [] }, { spec: { nodes: [] } }],
    [
      'a bare spec whose field has the name of one of a message',
      { ...SPEC, reason: 5 },
      { spec: { ...SPEC, reason: 5 } },
    ],
  ])('reads a spec: %s', (_, value, message) => {
    expect(parseSpecMessage(value)).toEqual({ ok: true, message });
  });

  it.each([[undefined], [null], [{}], [{ spec: null }], [{ applyId: undefined }]])('finds no spec in %j', (value) => {
    expect(parseSpecMessage(value)).toEqual({ ok: true, message: {} });
  });

  it('says how a spec is sent when the input is something else', () => {
    const asJson = 'send the spec as a JSON object, bare or as {"spec": {...}}';
    const asText = `is text; ${asJson}; \`yq -o json FILE\` prints YAML as JSON`;
    expect(why('apiVersion: ospatch/v1\nname: prod-eu\n')).toBe(`the input ${asText}`);
    expect(why({ spec: JSON.stringify(SPEC) })).toBe(`the spec ${asText}`);
    expect(why([SPEC])).toBe(`the input is a list; ${asJson}`);
    expect(why(5)).toBe(`the input is 5; ${asJson}`);
    expect(NO_SPEC).toContain(asJson);
  });

  it('refuses a spec with fields beside, of which one would be lost', () => {
    expect(why({ spec: SPEC, nodes: [] })).toBe(
      'unknown field nodes beside spec; allowed: applyId, requestId, by, reason, signature',
    );
    expect(why({ apiVersion: 'v1', kind: 'Cluster', metadata: {}, spec: SPEC })).toContain('unknown field apiVersion');
    expect(why({ spec: SPEC, by: 5 })).toBe('by is 5; it must be text');
    expect(why(unreadable('no key'))).toBe('the input cannot be read: no key');
  });
});
