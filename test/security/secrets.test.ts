import { readFileSync, rmSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { reportError } from '../../src/cli/io/errors';
import { ApplicationFailure } from '@temporalio/common';
import { OspatchError } from '../../src/domain/shared/errors';
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

describe('an error that is not like others', () => {
  const logged = (fields: object): Record<string, unknown> => {
    const lines: string[] = [];
    redactedLog('info', { write: (line) => void lines.push(line) }).info(fields, 'a step failed');
    return JSON.parse(lines.join('')) as Record<string, unknown>;
  };

  it('is logged when its class is one of Temporal', () => {
    const cause = ApplicationFailure.nonRetryable('password=planted-1', 'Aws', [{ at: new Date(0) }]);
    const err = new OspatchError({ type: 'Aws', message: 'AWS does not answer' }, { cause });
    const line = logged({ err, failures: [cause], at: new Date(0) });
    expect(line).toMatchObject({ msg: 'a step failed', at: '1970-01-01T00:00:00.000Z' });
    expect(JSON.stringify(line)).toContain('AWS does not answer');
    expect(JSON.stringify(line)).not.toContain('planted');
  });

  it('has no secret when the error is its own JSON', () => {
    const err = Object.assign(new Error('x'), { toJSON: () => ({ header: 'Authorization: Bearer planted-1' }) });
    expect(JSON.stringify(logged({ err, sent: { toJSON: () => 'password=planted-2' } }))).not.toContain('planted');
  });

  it('does not end the worker, whatever the error contains', () => {
    const round: Record<string, unknown> = {};
    round['self'] = round;
    const trap = {
      get password(): string {
        throw new Error('no');
      },
    };
    expect(logged({ round })).toMatchObject({ msg: 'a step failed' });
    expect(logged({ trap })).toMatchObject({ msg: 'a step failed', unlogged: 'Error' });
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
