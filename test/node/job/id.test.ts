import { checkBootId, checkToken, formatJobId } from '../../../src/node/job/id';

const token = '0123456789abcdef';

describe('src/node/job/id', () => {
  it('formats ids in the form the helper expects', () => {
    expect(formatJobId({ token, phase: 'apply', number: 2 })).toBe('0123456789abcdef-apply-2');
  });

  it.each([
    { token: `${token}0`, phase: 'apply', number: 1 },
    { token: '0123456789ABCDEF', phase: 'apply', number: 1 },
    { token: '$(reboot)abcdefg', phase: 'apply', number: 1 },
    { token, phase: 'apply; id', number: 1 },
    { token, phase: 'apply', number: -1 },
    { token, phase: 'apply', number: 1.5 },
    { token, phase: 'apply', number: 1e6 },
  ] as const)('lets nothing else reach a shell: %j', (job) => {
    expect(() => formatJobId(job as never)).toThrow('not a valid job');
  });

  it('accepts only hex and dashes as a boot id, and only hex as a token', () => {
    expect(checkBootId('d7e780dc-7ccd-4487-9a78-cdc147b94a12')).toBe('d7e780dc-7ccd-4487-9a78-cdc147b94a12');
    expect(() => checkBootId('x; reboot -f')).toThrow('not a valid boot id');
    expect(() => checkToken(`${token}\n`)).toThrow('not a valid token');
  });
});
