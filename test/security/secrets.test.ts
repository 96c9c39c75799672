import { readFileSync, rmSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { reportError } from '../../src/cli/io/errors';
import { redactedLog } from '../../src/redacted-log';

/** What libraries quote in their errors: addresses, headers, keys, fields. */
const QUOTES = [
  'cannot reach https://robot:planted-1@repo.example/x',
  'request failed, Authorization: Bearer planted-22222',
  'invalid config: {"password": "planted-3", "token": "planted-4"}',
  'cannot parse -----BEGIN OPENSSH PRIVATE KEY-----\nplanted5\n-----END OPENSSH PRIVATE KEY-----',
];

describe('the log of the worker', () => {
  it.each(QUOTES)('has no secret in messages, fields, errors and their causes: %s', (quote) => {
    const lines: string[] = [];
    const log = redactedLog('trace', { write: (line) => void lines.push(line) });
    const error = Object.assign(new Error(quote, { cause: new Error(quote) }), { details: { log: [quote] } });
    log.trace(quote);
    log.warn({ cluster: 'prod', failure: quote, nested: { error } }, 'a step failed');
    log.error(error, 'a step failed');
    log.error(error);
    expect(lines).toHaveLength(4);
    expect(lines.join('')).not.toContain('planted');
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ level: expect.any(Number) });
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ cluster: 'prod', msg: 'a step failed' });
    expect(JSON.parse(lines[2] ?? '')).toMatchObject({
      err: { type: 'Error', stack: expect.stringContaining('secrets') },
    });
  });
});

describe('the report of a bug', () => {
  it.each(QUOTES)('has no secret on the terminal and in its file: %s', (quote) => {
    const stderr = new PassThrough();
    const code = jest.fn();
    const context = { stderr, env: { NO_COLOR: '1' }, now: () => Date.now(), setExitCode: code };
    reportError(context as never, new TypeError(quote));
    const shown = String(stderr.read());
    expect(code).toHaveBeenCalledWith(1);
    expect(shown).toContain('this is a bug in ospatch');
    const [, file = ''] = /together with the file (\S+\.log)/.exec(shown) ?? [];
    const trace = readFileSync(file, 'utf8');
    rmSync(file);
    expect(trace).toContain('secrets.test.ts');
    expect(shown + trace).not.toContain('planted');
  });
});
