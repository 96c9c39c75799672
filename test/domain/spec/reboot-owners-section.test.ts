import { issuesOf, specDocument, specOf } from './spec-document';

const withOwners = (rebootOwners: unknown) => specDocument({ patching: { rebootOwners } });
const KURED = { name: 'kured', reason: 'its window is Monday' };

describe('src/domain/spec/reboot-owners-section', () => {
  it('keeps what is ignored and why, and nothing when nothing is', () => {
    const spec = specOf(withOwners({ ignore: [KURED] }));
    expect(spec).toMatchObject({ patching: { rebootOwners: { ignore: [KURED] } } });
    expect(specOf(spec)).toEqual(spec);
    expect(specOf(withOwners({ ignore: [] }))).toEqual(specOf(specDocument({ patching: {} })));
  });

  it.each([
    [{ ignore: [{ name: 'kured' }] }, /^patching.rebootOwners.ignore\[0\].reason: missing; allowed: text of 1 to 100/],
    [
      { ignore: [{ ...KURED, reason: ' ' }] },
      /^patching.rebootOwners.ignore\[0\].reason: found " "; allowed: text of 1/,
    ],
    [{ ignore: [{ ...KURED, name: 'kured2' }] }, /did you mean "kured"\? allowed: kured, system-upgrade-controller/],
    [{ ignore: [KURED, KURED] }, /^patching.rebootOwners.ignore: .*each once/],
    [{ ignored: [KURED] }, /unknown key; did you mean "ignore"\?/],
    [['kured'], /^patching.rebootOwners: found .*allowed: a mapping with ignore/],
  ])('refuses %j', (given, message) => {
    expect(issuesOf(withOwners(given)).join('\n')).toMatch(message);
  });
});
