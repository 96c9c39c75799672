import { spawnSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostKeysFor } from '../../../src/domain/trust/known-hosts';
import type { HmacSha1 } from '../../../src/domain/trust/known-hosts';
import { KEY, OTHER_KEY } from '../spec/spec-document';

const hmacSha1: HmacSha1 = (key, message) =>
  createHmac('sha1', Buffer.from(key, 'base64')).update(message).digest('base64');

function keysOf(text: string, host: string, port = 22): string[] {
  return hostKeysFor(text, host, port, hmacSha1).keys;
}

function hashed(name: string): string {
  const salt = Buffer.alloc(20, 7).toString('base64');
  return `|1|${salt}|${hmacSha1(salt, name)}`;
}

describe('src/domain/trust/known-hosts', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1', 22],
    ['a.example.com,10.0.0.1', '10.0.0.1', 22],
    ['A.Example.com', 'a.EXAMPLE.com', 22],
    ['*.example.com', 'a.example.com', 22],
    ['node-?', 'node-1', 22],
    ['*', 'anything', 22],
    ['[10.0.0.1]:2222', '10.0.0.1', 2222],
    ['[*.example.com]:2222', 'a.example.com', 2222],
    ['fe80::1', 'fe80::1', 22],
    ['[fe80::1]:2222', 'fe80::1', 2222],
    [hashed('10.0.0.1'), '10.0.0.1', 22],
    [hashed('[10.0.0.1]:2222'), '10.0.0.1', 2222],
  ])('%s matches %s port %d', (pattern, host, port) => {
    expect(keysOf(`${pattern} ${KEY} comment\n`, host, port)).toEqual([KEY]);
  });

  it.each([
    ['10.0.0.1', '10.0.0.1', 2222],
    ['[10.0.0.1]:2222', '10.0.0.1', 22],
    ['10.0.0.1', '10.0.0.11', 22],
    ['10x0.0.1', '10.0.0.1', 22],
    ['*.example.com', 'example.com', 22],
    ['*.example.com,!a.example.com', 'a.example.com', 22],
    ['!a.example.com,*.example.com', 'a.example.com', 22],
    ['!b.example.com', 'a.example.com', 22],
    [hashed('10.0.0.1'), '10.0.0.1', 2222],
    [hashed('10.0.0.1').replace('|1|', '|2|'), '10.0.0.1', 22],
  ])('%s does not match %s port %d', (pattern, host, port) => {
    expect(keysOf(`${pattern} ${KEY}\n`, host, port)).toEqual([]);
  });

  it('returns every key once, in the order of the file', () => {
    expect(keysOf(`h ${OTHER_KEY}\r\n\n# h ${KEY}\nh ${KEY}\nh ${OTHER_KEY}`, 'h')).toEqual([OTHER_KEY, KEY]);
  });

  it('keeps the order of the file over exact names, patterns and hashes', () => {
    const lines = [`* ${OTHER_KEY}`, `h ${KEY}`];
    expect([keysOf(lines.join('\n'), 'h'), keysOf(lines.reverse().join('\n'), 'h')]).toEqual([
      [OTHER_KEY, KEY],
      [KEY, OTHER_KEY],
    ]);
    expect(keysOf(`h ${KEY}\n${hashed('h')} ${OTHER_KEY}`, 'h')).toEqual([KEY, OTHER_KEY]);
  });

  it('skips lines of unknown syntax', () => {
    expect(keysOf(`h\nh ssh-ed25519\nh ssh-ed25519 !!!\nh ssh-dss AAAA\n@new h ${KEY}\nh ${KEY}`, 'h')).toEqual([KEY]);
  });

  it('never returns a key that is revoked for the host, wherever the line is', () => {
    expect(hostKeysFor(`h ${KEY}\n@revoked * ${KEY}\nh ${OTHER_KEY}`, 'h', 22, hmacSha1)).toEqual({
      keys: [OTHER_KEY],
      revoked: [KEY],
      authorities: [],
    });
    expect(hostKeysFor(`h ${KEY}\n@revoked other ${KEY}`, 'h', 22, hmacSha1)).toMatchObject({
      keys: [KEY],
      revoked: [],
    });
  });

  it('distinguishes the key of a certificate authority from host keys', () => {
    expect(hostKeysFor(`@cert-authority *.x ${KEY}`, 'a.x', 22, hmacSha1)).toEqual({
      keys: [],
      revoked: [],
      authorities: [KEY],
    });
  });

  it('finds the same keys as ssh-keygen -F, in plain and in hashed files', () => {
    const dir = mkdtempSync(join(tmpdir(), 'ospatch-known-'));
    const file = join(dir, 'known_hosts');
    const names = ['a.example.com', '10.0.0.1', '[10.0.0.1]:2222', '[a.example.com]:2222', 'fe80::1', '[fe80::1]:2222'];
    const lines = [
      ...names.map((name) => `${name} ${KEY}`),
      `a.example.com,10.0.0.1 ${OTHER_KEY}`,
      `*.example.com,!b.example.com ${OTHER_KEY}`,
      `[*.example.com]:2222 ${OTHER_KEY}`,
      `@revoked 10.0.0.9 ${KEY}`,
      `@cert-authority *.authority ${KEY}`,
      `10.0.0.9 ${OTHER_KEY}`,
    ];
    const hosts = ['a.example.com', 'b.example.com', '10.0.0.1', '10.0.0.9', 'fe80::1', 'x.authority', 'nowhere'];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const compare = (): void => {
      const text = readFileSync(file, 'utf8');
      for (const host of hosts) {
        for (const port of [22, 2222]) {
          const query = port === 22 ? host : `[${host}]:${port}`;
          const found = spawnSync('ssh-keygen', ['-F', query, '-f', file], { encoding: 'utf8' }).stdout;
          const theirs = found.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
          const plain = theirs
            .filter((line) => !line.startsWith('@'))
            .map((line) => line.split(' ').slice(1, 3).join(' '));
          const { keys, revoked, authorities } = hostKeysFor(text, host, port, hmacSha1);
          expect([query, keys]).toEqual([query, [...new Set(plain)]]);
          const marked = [...revoked.map(() => '@revoked'), ...authorities.map(() => '@cert-authority')];
          expect([query, marked]).toEqual([query, theirs.flatMap((line) => /^@\S+/.exec(line)?.[0] ?? [])]);
        }
      }
    };
    compare();
    spawnSync('ssh-keygen', ['-H', '-f', file]);
    expect(readFileSync(file, 'utf8')).toContain('|1|');
    compare();
    rmSync(dir, { recursive: true });
  });

  it('matches a pattern of many stars in linear time', () => {
    const began = Date.now();
    expect(keysOf(`${'*a'.repeat(200)}b ${KEY}`, 'a'.repeat(250))).toEqual([]);
    expect(Date.now() - began).toBeLessThan(5_000);
  });
});
