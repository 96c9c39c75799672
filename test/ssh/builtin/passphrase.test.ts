import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { resolveIdentity } from '../../../src/ssh/builtin/identity';
import { findPassphrase, parsePassphraseCommand } from '../../../src/ssh/builtin/passphrase';
import { keyDirectory } from '../support';

const keys = keyDirectory({ 'id.passphrase': { content: 'from a file\n', mode: 0o644 }, id: { content: '' } });
const nothing = () => Promise.resolve(undefined);
const node = (script: string): readonly string[] => [process.execPath, '-e', script];

describe('src/ssh/builtin/passphrase', () => {
  afterAll(() => keys.remove());

  it('prints the passphrase of the requested identity, without a shell', async () => {
    const command = node('process.stdout.write(process.argv.at(-1) + "\\r\\n")');
    const found = await findPassphrase('a b; $(id)', { passphraseCommand: command }, nothing);
    expect(found.toString()).toBe('a b; $(id)');
  });

  it('removes only the last line end of a passphrase', async () => {
    expect((await findPassphrase('id', {}, () => Promise.resolve(Buffer.from(' x \n\n')))).toString()).toBe(' x \n');
  });

  it.each([
    ['cannot be run', ['/nowhere/at/all']],
    ['exited with code 3', node('console.log("s3cret"); process.exit(3)')],
    ['prints nothing', node('')],
    ['prints more than 4096 bytes', node('process.stdout.write("s3cret".repeat(2000)); setInterval(() => 1, 1000)')],
  ])('reports that the command %s, and never its output', async (why, passphraseCommand) => {
    const error: unknown = await findPassphrase('id', { passphraseCommand }, nothing).catch(
      (caught: unknown) => caught,
    );
    expect(error).toMatchObject({ type: 'IdentityUnavailable', message: expect.stringContaining(why) });
    expect(`${(error as Error).stack}${JSON.stringify(error)}`).not.toContain('s3cret');
  });

  it('names the remedy when there is no passphrase, and when others can read the file', async () => {
    await expect(findPassphrase('id', {}, nothing)).rejects.toMatchObject({
      remedy: expect.stringContaining('id.passphrase'),
    });
    const locked = path.join(keys.dir, 'id');
    const { execFileSync } = await import('node:child_process');
    execFileSync('sh', ['-c', 'rm "$1"; ssh-keygen -q -t ed25519 -N "from a file" -f "$1"', 'sh', locked]);
    const resolve = () => resolveIdentity('id', 'ospatch', { keyDir: keys.dir });
    await expect(resolve()).rejects.toMatchObject({
      message: expect.stringContaining('id.passphrase can be read by everybody (mode 0644)'),
    });
    chmodSync(`${locked}.passphrase`, 0o600);
    expect(await resolve()).toMatchObject({ type: 'publickey' });
    writeFileSync(`${locked}.passphrase`, 'wrong');
    await expect(resolve()).rejects.toMatchObject({ message: expect.stringContaining('does not open it') });
    expect(readFileSync(`${locked}.passphrase`, 'utf8')).toBe('wrong');
  });

  it('reads the setting, and does not repeat an invalid one in its error', () => {
    expect(parsePassphraseCommand(undefined)).toBeUndefined();
    expect(parsePassphraseCommand('["pass", "show"]')).toEqual(['pass', 'show']);
    for (const wrong of ['pass show', '[]', '[""]', '["a", 1]', '{"a": 1}', '"s3cret"']) {
      expect(() => parsePassphraseCommand(wrong)).toThrow(/^OSPATCH_PASSPHRASE_COMMAND is not a JSON array of strings/);
      expect(() => parsePassphraseCommand(wrong)).not.toThrow(/s3cret/);
    }
  });

  it('kills a command that hangs, also when a child keeps the output open', async () => {
    const options = { passphraseCommand: ['sh', '-c', 'sleep 30; exit 0'], timeoutMs: 100 };
    const began = Date.now();
    await expect(findPassphrase('id', options, nothing)).rejects.toMatchObject({
      message: expect.stringContaining('has not ended within 0.1 s'),
    });
    expect(Date.now() - began).toBeLessThan(15_000);
  });
});
