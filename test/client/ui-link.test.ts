import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { devUiFile, temporalUiLink } from '../../src/client/ui-link';

describe('src/client/ui-link', () => {
  let cache: string;
  beforeEach(() => {
    cache = mkdtempSync(path.join(tmpdir(), 'ospatch-ui-'));
  });
  afterEach(() => rmSync(cache, { recursive: true }));

  function link(address: string, namespace = 'default', env: Record<string, string> = {}): string | null {
    return temporalUiLink({ address, namespace }, 'prod-eu', { OSPATCH_CACHE: cache, ...env });
  }

  test.each([
    ['https://ui.example.com/', 'https://ui.example.com/namespaces/default/workflows/cluster%2Fprod-eu'],
    ['http://10.0.0.1:8080/temporal', 'http://10.0.0.1:8080/temporal/namespaces/default/workflows/cluster%2Fprod-eu'],
    ['https://ann:secret@ui.example.com', 'https://ui.example.com/namespaces/default/workflows/cluster%2Fprod-eu'],
  ])('uses TEMPORAL_UI_URL=%s without its credentials', (url, expected) => {
    expect(link('temporal:7233', 'default', { TEMPORAL_UI_URL: url })).toBe(expected);
  });

  test('refuses a TEMPORAL_UI_URL that is no address, and shows no password of it', () => {
    const refused = (url: string) => () => link('temporal:7233', 'default', { TEMPORAL_UI_URL: url });
    expect(refused('ui.example.com')).toThrow('TEMPORAL_UI_URL: found "ui.example.com"; allowed: ');
    expect(refused('ftp://ann:secret@ui')).toThrow('found "ftp://ui"');
  });

  test.each([
    ['prod.a1b2c.tmprl.cloud:7233', 'prod.a1b2c'],
    ['us-east-1.aws.api.temporal.io:7233', 'prod.a1b2c'],
  ])('derives Temporal Cloud at %s from the namespace', (address, namespace) => {
    expect(link(address, namespace)).toBe(
      'https://cloud.temporal.io/namespaces/prod.a1b2c/workflows/cluster%2Fprod-eu',
    );
    expect(link(address, 'prod')).toBeNull();
  });

  test('guesses nothing', () => {
    expect(['temporal.example.com:7233', 'localhost:7233', '10.0.0.1:7233'].map((address) => link(address))).toEqual([
      ...[null, null, null],
    ]);
  });

  test('finds the UI of an `ospatch dev` that runs here', () => {
    mkdirSync(path.join(cache, 'dev'));
    writeFileSync(devUiFile(7333, { OSPATCH_CACHE: cache }), `${process.pid} http://127.0.0.1:8333\n`);
    const expected = 'http://127.0.0.1:8333/namespaces/default/workflows/cluster%2Fprod-eu';
    expect([link('localhost:7333'), link('127.0.0.1:7333')]).toEqual([expected, expected]);
    expect([link('localhost:7233'), link('other:7333')]).toEqual([null, null]);
    // It was killed, and could not take its note away.
    writeFileSync(devUiFile(7333, { OSPATCH_CACHE: cache }), '99999999 http://127.0.0.1:8333\n');
    expect(link('localhost:7333')).toBeNull();
  });
});
