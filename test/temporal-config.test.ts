import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readTemporalConfig } from '../src/temporal-config';

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'temporal-config-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

function read(text: string, profile?: string) {
  const file = path.join(dir, 'temporal.toml');
  writeFileSync(file, text);
  return readTemporalConfig({ TEMPORAL_CONFIG_FILE: file }, profile);
}

describe('src/temporal-config', () => {
  it('reads the address of a profile, and lets the environment win', () => {
    const text = '[profile.default]\naddress = "a:1"\n[profile.eu]\naddress = "b:2"\nnamespace = "eu"\n';
    expect(read(text).connectionOptions.address).toBe('a:1');
    expect(read(text, 'eu')).toMatchObject({ namespace: 'eu', connectionOptions: { address: 'b:2' } });
    const env = { TEMPORAL_CONFIG_FILE: path.join(dir, 'temporal.toml'), TEMPORAL_ADDRESS: 'c:3' };
    expect(readTemporalConfig(env, undefined).connectionOptions.address).toBe('c:3');
  });

  it.each([
    ['[profile.default]\nadress = "x"', /unknown key adress in profile\.default; allowed: address, namespace/],
    ['[profile.default.tls]\nservername = "x"', /unknown key servername in profile\.default\.tls; allowed: disabled/],
    ['address = "x"', /unknown key address; allowed: \[profile\.NAME\]/],
    ['[profile]\ndefault = 3', /profile\.default must be a table/],
    ['a = \n', /Invalid TOML document: .*line 1/],
  ])('refuses %j', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  it('does not fall back to the default address when the file or the profile is missing', () => {
    expect(() => readTemporalConfig({ TEMPORAL_CONFIG_FILE: '/nonexistent.toml' }, undefined)).toThrow(
      'TEMPORAL_CONFIG_FILE: found "/nonexistent.toml"; there is no such file',
    );
    expect(() => read('[profile.default]\n', 'eu')).toThrow('profile "eu" is not in the file');
    expect(() => read('', 'eu')).toThrow('profile "eu" is not in the file, which has no profiles');
    expect(read('')).toEqual({ connectionOptions: {} });
  });

  it('does not quote the lines around a fault, which may hold a secret', () => {
    expect(() => read('api_key = "planted-secret"\n[profile.default\napi_key = "planted-secret"\n')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('planted-secret') }),
    );
  });
});
