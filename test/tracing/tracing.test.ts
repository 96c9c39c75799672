/** Spans as they reach a receiver of OTLP over HTTP, which is one in process. */
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defaultPayloadConverter } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import type { CallHttp } from '../../src/http/call';
import { HttpFailure } from '../../src/http/failure';
import { SpanExporter } from '../../src/tracing/exporter';
import { nodeSpanId, runSpanId, traceIdOf } from '../../src/tracing/ids';
import { exportRequest } from '../../src/tracing/otlp';
import { traceSettingsFromEnv } from '../../src/tracing/settings';
import type { TraceSettings } from '../../src/tracing/settings';
import type { TraceSpan } from '../../src/tracing/spans';
import { attemptSpan, nodeSpans, runSpan } from '../../src/tracing/spans';
import { TRACE_HEADER, readTraceHeader } from '../../src/contract/trace';
import { redactedLog } from '../../src/redacted-log';
import { tracingInterceptor } from '../../src/tracing/tracing';
import type { AuditRecord } from '../../src/contract/activities/cluster';

const RUN = 'cluster/prod-eu/run/7-mabc';
const PLACE = { namespace: 'default', run: RUN, workflowId: 'cluster/prod-eu/node/w-1', workflowRunId: 'r-1' };

/** A node patch that has failed in its second step, with output of the node wherever a record has any. */
function failedRecord(): AuditRecord {
  const secret = 'OUTPUT-OF-THE-NODE';
  const result = {
    ...{ kind: 'node', node: 'w-1', run: 7, outcome: 'failed', token: 'abc', appliedAt: null, reboots: 1 },
    ...{ startedAt: '2027-03-07T02:00:00.000Z', endedAt: '2027-03-07T02:10:00.000Z' },
    ...{ changes: [{ name: secret, from: '1', to: '2' }], warnings: [{ kind: 'x', message: secret }] },
    steps: [
      { step: 'preflight', startedAt: '2027-03-07T02:00:00.000Z', durationMs: 5_000 },
      { step: 'apply', startedAt: '2027-03-07T02:01:00.000Z', durationMs: 60_000 },
    ],
    error: { type: 'PackagesBroken', message: secret },
  };
  return { cluster: 'prod-eu', trigger: 'schedule', result } as unknown as AuditRecord;
}

describe('the spans of a run', () => {
  it('form one trace of run, nodes, steps and attempts, whichever worker makes them', () => {
    const end = {
      ...{ cluster: 'prod-eu', run: 7, trigger: 'schedule', outcome: 'failed' },
      ...{ startedAt: '2027-03-07T02:00:00.000Z', endedAt: '2027-03-07T03:00:00.000Z' },
    };
    const root = runSpan(end, 'default', RUN);
    const [node, ...steps] = nodeSpans(failedRecord(), PLACE);
    const attempt = attemptSpan(
      ...([
        { activityType: 'apply', activityId: '3', attempt: 2, taskQueue: 'q', startMs: 1, endMs: 2, errorType: null },
        PLACE,
      ] as const),
    );
    expect(root).toMatchObject({ traceId: traceIdOf('default', RUN), spanId: runSpanId(root.traceId), failed: true });
    expect(root).not.toHaveProperty('parentSpanId');
    expect(node).toMatchObject({ traceId: root.traceId, parentSpanId: root.spanId, name: 'node', failed: true });
    expect(node?.spanId).toBe(nodeSpanId(root.traceId, 'r-1'));
    expect(steps.map(({ name, parentSpanId, failed }) => ({ name, parentSpanId, failed }))).toEqual([
      { name: 'preflight', parentSpanId: node?.spanId, failed: false },
      { name: 'apply', parentSpanId: node?.spanId, failed: true },
    ]);
    expect(attempt).toMatchObject({ traceId: root.traceId, parentSpanId: node?.spanId, failed: false });
    const ids = [root, ...(node ? [node] : []), ...steps, attempt].map(({ spanId }) => spanId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{16}$/);
  });

  it('have a trace of their own for each run, namespace and life of a cluster', () => {
    const others = [traceIdOf('default', RUN), traceIdOf('other', RUN), traceIdOf('default', `${RUN}x`)];
    expect(new Set(others).size).toBe(3);
    for (const id of others) expect(id).toMatch(/^[0-9a-f]{32}$/);
  });

  it('say nothing that a node has printed', () => {
    const text = exportRequest(nodeSpans(failedRecord(), PLACE), {}, '1.0.0');
    expect(text).not.toContain('OUTPUT-OF-THE-NODE');
    expect(text).toContain('PackagesBroken');
  });

  it('belong to no run when the header is of somebody else', () => {
    expect(readTraceHeader({ run: RUN })).toEqual({ run: RUN });
    for (const run of [7, '', 'cluster/a/node/b', `cluster/${'a'.repeat(300)}/run/1`, 'cluster/a\n/run/1-x\n']) {
      expect(readTraceHeader({ run })).toBeNull();
    }
  });
});

describe('traceSettingsFromEnv', () => {
  const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318/' };

  it('is null unless an endpoint is set, or where OpenTelemetry is turned off', () => {
    expect(traceSettingsFromEnv({})).toBeNull();
    expect(traceSettingsFromEnv({ OTEL_EXPORTER_OTLP_ENDPOINT: '' })).toBeNull();
    expect(traceSettingsFromEnv({ ...ENDPOINT, OTEL_SDK_DISABLED: 'true' })).toBeNull();
    expect(traceSettingsFromEnv({ ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' })).toBeNull();
  });

  it('takes the variables of OpenTelemetry, those of traces first', () => {
    expect(traceSettingsFromEnv(ENDPOINT)).toEqual({
      ...{ url: 'http://localhost:4318/v1/traces', headers: {}, timeoutMs: 10_000, ca: null },
      resource: { 'service.name': 'ospatch-worker' },
    });
    const more = {
      ...{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://c.example/x', OTEL_EXPORTER_OTLP_HEADERS: 'a=1,b=x%20y' },
      ...{ OTEL_RESOURCE_ATTRIBUTES: 'service.name=s,zone=a', OTEL_EXPORTER_OTLP_TIMEOUT: '500' },
    };
    expect(traceSettingsFromEnv({ ...ENDPOINT, ...more })).toEqual({
      ...{ url: 'https://c.example/x', headers: { a: '1', b: 'x y' }, timeoutMs: 500, ca: null },
      resource: { 'service.name': 's', zone: 'a' },
    });
  });

  it.each([
    [{ OTEL_SERVICE_NAME: 'a', OTEL_RESOURCE_ATTRIBUTES: 'service.name=b' }, 'a'],
    [{ OTEL_SERVICE_NAME: '', OTEL_RESOURCE_ATTRIBUTES: 'service.name=b' }, 'b'],
    [{ OTEL_SERVICE_NAME: '' }, 'ospatch-worker'],
  ])('names the service, by the first variable that is not empty: %j', (env, name) => {
    expect(traceSettingsFromEnv({ ...ENDPOINT, ...env })?.resource).toEqual({ 'service.name': name });
  });

  it.each([
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' }, /OTEL_EXPORTER_OTLP_ENDPOINT is no URL/],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://u:s3cr3t@h:1' }, /without user and password/],
    [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, /OTEL_EXPORTER_OTLP_PROTOCOL is grpc/],
    [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS: 's3cr3t' }, /entry 1 of OTEL_EXPORTER_OTLP_HEADERS/],
    [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_TIMEOUT: 'soon' }, /OTEL_EXPORTER_OTLP_TIMEOUT is not a whole number/],
    [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_CERTIFICATE: '/nowhere' }, /\/nowhere, which cannot be read: ENOENT/],
  ])('refuses %j without showing a secret', (env, message) => {
    expect(() => traceSettingsFromEnv(env)).toThrow(
      expect.objectContaining({ type: 'Usage', message: expect.stringMatching(message) }),
    );
    expect(() => traceSettingsFromEnv(env)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('s3cr3t') }),
    );
  });
});

describe('SpanExporter', () => {
  let server: Server;
  let received: { headers: NodeJS.Dict<string | string[]>; body: string }[] = [];
  let answers: number[] = [];
  let settings: TraceSettings;
  const warnings: object[] = [];
  const log = { warn: (fields: object) => warnings.push(fields) };

  beforeEach(async () => {
    received = [];
    answers = [];
    warnings.length = 0;
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        received.push({ headers: request.headers, body });
        response.writeHead(answers.shift() ?? 200, { 'content-type': 'application/json' }).end('{}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/v1/traces`;
    settings = { url, headers: { 'x-token': 't' }, timeoutMs: 1_000, ca: null, resource: { 'service.name': 's' } };
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  function span(name: string): TraceSpan {
    return { ...{ traceId: 'a', spanId: 'b', name, startMs: 1_500, endMs: 1_400 }, attributes: { n: 1 }, failed: true };
  }

  it('sends spans as OTLP in JSON, with the headers of the settings', async () => {
    const exporter = new SpanExporter(settings, log);
    exporter.add(span('one'), span('two'));
    await exporter.close();
    expect(received).toHaveLength(1);
    expect(received[0]?.headers).toMatchObject({ 'content-type': 'application/json', 'x-token': 't' });
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({
      resourceSpans: [
        {
          resource: { attributes: [{ key: 'service.name', value: { stringValue: 's' } }] },
          scopeSpans: [
            {
              scope: { name: 'ospatch' },
              spans: [
                {
                  ...{ name: 'one', kind: 1, startTimeUnixNano: '1500000000', endTimeUnixNano: '1500000000' },
                  ...{ attributes: [{ key: 'n', value: { intValue: '1' } }], status: { code: 2 } },
                },
                { name: 'two' },
              ],
            },
          ],
        },
      ],
    });
  });

  it.each([
    ['an activity', false],
    ['a local activity', true],
  ])('sends spans with the ids that the log lines of %s have', async (_, isLocal) => {
    const lines: string[] = [];
    const workerLog = redactedLog('info', { write: (line) => void lines.push(line) });
    const exporter = new SpanExporter(settings, log);
    const sent = defaultPayloadConverter.toPayload({ run: RUN });
    const withHeader: ActivityInterceptorsFactory = () => ({
      inbound: { execute: (input, next) => next({ ...input, headers: { [TRACE_HEADER]: sent } }) },
    });
    const environment = new MockActivityEnvironment(
      { activityType: 'recordAudit', isLocal, workflowExecution: { workflowId: PLACE.workflowId, runId: 'r-1' } },
      { interceptors: [withHeader, tracingInterceptor(exporter)] },
    );
    await environment.run(async (record: AuditRecord) => {
      await Promise.resolve();
      workerLog.info({ node: 'w-1' }, 'node patch ended');
      return record;
    }, failedRecord());
    workerLog.info('of no run');
    await exporter.close();
    const { resourceSpans } = JSON.parse(received[0]?.body ?? '') as {
      resourceSpans: { scopeSpans: { spans: { name: string; traceId: string; spanId: string }[] }[] }[];
    };
    const spans = resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
    const [line, other] = lines.map((one) => JSON.parse(one) as Record<string, unknown>);
    const named = spans.find(({ spanId }) => spanId === line?.['span_id']);
    expect(named).toMatchObject({ name: isLocal ? 'node' : 'activity recordAudit', traceId: line?.['trace_id'] });
    expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([line?.['trace_id']]));
    expect(other).not.toHaveProperty('trace_id');
  });

  it('sends again what a collector could not take, and warns once', async () => {
    answers = [503, 429];
    const exporter = new SpanExporter(settings, log);
    exporter.add(span('one'));
    await exporter.flush();
    await exporter.flush();
    await exporter.flush();
    expect(received.map(({ body }) => body)).toEqual([received[0]?.body, received[0]?.body, received[0]?.body]);
    await exporter.close();
    expect(received).toHaveLength(3);
    expect(warnings).toEqual([{ why: expect.stringMatching(/has answered 503$/), dropped: 0, waiting: 0 }]);
  });

  it('drops what a collector refuses, and says how many', async () => {
    answers = [400];
    const exporter = new SpanExporter(settings, log);
    exporter.add(span('one'), span('two'));
    await exporter.close();
    expect(received).toHaveLength(1);
    expect(warnings).toEqual([{ why: expect.stringMatching(/has answered 400$/), dropped: 2, waiting: 0 }]);
  });

  it('keeps a bounded number of spans while the collector is away', async () => {
    const exporter = new SpanExporter({ ...settings, url: 'http://127.0.0.1:9/v1/traces' }, log);
    for (let at = 0; at < 9_000; at += 1) exporter.add(span('one'));
    await exporter.close();
    expect(warnings).toEqual([expect.objectContaining({ dropped: 1, waiting: 8_192 }), { dropped: 808 }]);
  });

  it('warns once of a collector that stays away for hours, and says what was dropped when the collector is back', async () => {
    let isAway = true;
    const call = (): Promise<{ status: number }> =>
      isAway ? Promise.reject(new HttpFailure('connection', 'nobody answers')) : Promise.resolve({ status: 200 });
    const exporter = new SpanExporter(settings, log, call as unknown as CallHttp);
    const now = jest.spyOn(Date, 'now');
    for (let hour = 0; hour < 5; hour += 1) {
      now.mockReturnValue(hour * 3_600_000);
      for (let at = 0; at < 3_000; at += 1) exporter.add(span('one'));
      await exporter.flush();
    }
    expect(warnings).toHaveLength(1);
    isAway = false;
    await exporter.flush();
    await exporter.flush();
    now.mockRestore();
    await exporter.close();
    expect(warnings.slice(1)).toEqual([{ dropped: 15_000 - 8_192 }]);
  });
});
