/** Signing and verifying requests with real keys, without a server. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { signedMessage, signerWith } from '../../src/client/signed-message';
import { forgetSigned, reasonAgainstSigned, rememberSigned } from '../../src/domain/cluster/admissions';
import type { AdmittingCluster } from '../../src/domain/cluster/admissions';
import type { Message } from '../../src/domain/cluster/messages';
import { SIGNATURE_NAMESPACE } from '../../src/domain/cluster/signature';
import { signedText } from '../../src/domain/cluster/signed-text';
import { withoutMark } from '../../src/domain/shared/verification';
import { signText, signingKeyAt } from '../../src/signatures/sign';
import { verifySignature } from '../../src/signatures/verify';
import { SigningKeys } from '../support/signing-keys';

const keys = new SigningKeys();
let alice = '';

beforeAll(() => {
  alice = keys.add('alice');
  keys.list('alice@example.com', alice);
});

afterAll(() => keys.remove());

const PLACE = { namespace: 'default', cluster: 'prod-eu', verb: 'patch' };

async function verdictOf(text: string, signature: string, at?: Date): Promise<string> {
  const verdict = await verifySignature({ text, signature, signers: keys.signers, ...(at && { at }) });
  return verdict.kind === 'good' ? verdict.principal : `${verdict.kind}: ${verdict.why}`;
}

describe('src/signatures', () => {
  it('signs this text, without what JSON leaves out', () => {
    const message = { by: 'a', nodes: ['w-1'], reason: undefined, requestId: 'r', signature: { time: '', value: '' } };
    expect(signedText({ ...PLACE, time: 't' }, message)).toBe(
      '{"arguments":{"by":"a","nodes":["w-1"]},"cluster":"prod-eu","namespace":"default","requestId":"r","time":"t","verb":"patch","version":1}',
    );
  });

  it('knows whose a signature is, and when it counts for nobody', async () => {
    const value = await signText(alice, 'text');
    expect(await verdictOf('text', value)).toBe('alice@example.com');
    expect(await verdictOf('texT', value)).toBe('bad: it was made for another request, or the request was changed');
    const foreign = keys.add('foreign', 'ecdsa');
    expect(await verdictOf('text', await signText(foreign, 'text'))).toBe(
      'unknown: its key is not in the list of signers',
    );
    const other = execFileSync('ssh-keygen', ['-Y', 'sign', '-n', 'git', '-f', alice], {
      input: 'text',
      stdio: 'pipe',
    });
    expect(await verdictOf('text', other.toString())).toBe(`bad: it was not made with \`-n ${SIGNATURE_NAMESPACE}\``);
    keys.list('foreign@example.com', foreign, 'valid-before="20270101"');
    const signed = await signText(foreign, 'text');
    expect(await verdictOf('text', signed, new Date('2026-12-31T23:00:00Z'))).toBe('foreign@example.com');
    expect(await verdictOf('text', signed, new Date('2027-01-01T01:00:00Z'))).toMatch(/^unknown: key has expired/);
    await expect(verifySignature({ text: 'text', signature: value, signers: '/nowhere' })).rejects.toThrow(
      'cannot be read',
    );
  });

  it('says why nothing was signed, and never asks in vain', async () => {
    expect(() => signingKeyAt('/nowhere/key')).toThrow('the signing key: found "/nowhere/key"; there is no such file');
    const locked = path.join(keys.directory, 'locked');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'secret', '-f', locked]);
    writeFileSync(`${keys.directory}/only.pub`, readFileSync(`${keys.add('gone')}.pub`));
    const { SSH_AUTH_SOCK, PATH } = process.env;
    try {
      delete process.env['SSH_AUTH_SOCK'];
      await expect(signText(`${keys.directory}/only.pub`, 'text')).rejects.toMatchObject({
        type: 'Usage',
        message: expect.stringMatching(/so nothing was sent: No private key found/),
        remedy: expect.stringContaining('ssh-add'),
      });
      process.env['PATH'] = '/nowhere';
      await expect(signText(alice, 'text')).rejects.toMatchObject({
        message: expect.stringContaining('there is no ssh-keygen here'),
        remedy: expect.stringContaining('openssh-client'),
      });
    } finally {
      process.env['PATH'] = PATH;
      if (SSH_AUTH_SOCK !== undefined) process.env['SSH_AUTH_SOCK'] = SSH_AUTH_SOCK;
    }
  });

  it('gives the signed text of other programs the same form', async () => {
    const message = { by: 'älice "x"', reason: '\u2028 \\ /', nodes: ['w-1'], ignoreWindow: true };
    const sent: Message & typeof message = await signedMessage(PLACE, message, signerWith(alice));
    const [, program] = /```py\n(import datetime[^]*?)```/.exec(
      readFileSync(path.join(__dirname, '../../docs/messages.md'), 'utf8'),
    ) as unknown as [string, string];
    const script = `${program}\nimport sys\nprint(json.dumps(signed(json.loads(sys.argv[1]), "patch", "prod-eu", sys.argv[2])))`;
    const printed = execFileSync('python3', ['-c', script, JSON.stringify(message), alice], { stdio: 'pipe' });
    for (const one of [sent, JSON.parse(printed.toString()) as typeof sent]) {
      const { time = '', value = '' } = one.signature ?? {};
      expect(await verdictOf(signedText({ ...PLACE, time }, one), value)).toBe('alice@example.com');
    }
    expect(existsSync(alice)).toBe(true);
  });
});

describe('src/domain/cluster/admissions', () => {
  const at = (minutes: number): string => new Date(Date.parse('2027-03-01T12:00:00Z') + minutes * 60_000).toISOString();
  const request = (requestId: string, minutes: number): Message => ({
    requestId,
    signature: { time: at(minutes), value: '' },
  });
  const fresh = (): AdmittingCluster => ({ createdAt: at(0), answered: [] });
  const take = (state: AdmittingCluster, one: Message, minutes: number): string | null => {
    const why = reasonAgainstSigned(state, 'patchNow', one, false);
    rememberSigned(state, 'patchNow', one, at(minutes));
    return why;
  };

  it('takes each request once, also after it has been forgotten one by one', () => {
    const state = fresh();
    const first = request('a', 1);
    expect(take(state, first, 1)).toBeNull();
    expect(take(state, first, 2)).toContain('was received before');
    for (let more = 0; more < 300; more += 1) expect(take(state, request(`b-${more}`, 2 + more / 100), 5)).toBeNull();
    expect(state.admissions?.used).toHaveLength(100);
    expect(take(state, first, 6)).toContain('may have been carried out before');
    expect(take(state, request('late', 70), 70)).toBeNull();
    expect(state.admissions?.used).toHaveLength(1);
    expect(take(state, request('b-299', 4.99), 71)).toContain('may have been carried out before');
  });

  it('answers who asks again with a new signature, and takes nothing of before the creation or a recovery', () => {
    const state = fresh();
    expect(take(state, request('a', -1), 1)).toContain('is older than this cluster');
    expect(take(state, request('b', 1), 1)).toBeNull();
    expect(take(state, request('b', 2), 2)).toContain('was received before');
    state.answered = [{ id: 'patchNow/b' }];
    expect(take(state, request('b', 3), 3)).toBeNull();
    expect(take(state, request('b', 1), 3)).toContain('was received before');
    forgetSigned(state, at(5));
    expect(take(state, request('c', 4), 6)).toContain('may have been carried out before');
    expect(reasonAgainstSigned(state, 'pause', request('c', 4), true)).toBeNull();
    expect(take(state, request('d', 6), 6)).toBeNull();
  });

  it('lets nobody call himself verified', () => {
    expect(['ann (verified)', 'ann (VERIFIED )(verified)', 'ann'].map(withoutMark)).toEqual(['ann', 'ann', 'ann']);
  });
});
