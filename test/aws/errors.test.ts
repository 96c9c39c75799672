/** The real AWS SDK behind a proxy that answers for AWS. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EksApi } from '../../src/aws/eks-api';
import { simulateCredentials } from '../support/eks-server';

const PAGE = '<!DOCTYPE html><html><head><title>Access denied by policy</title></head><body>Ask IT.</body></html>';

let server: Server;
let answer: { status: number; type: string; body: string };
let api: EksApi;
let restore: () => void;

beforeEach(async () => {
  restore = simulateCredentials();
  server = createServer((_, response) => {
    response.writeHead(answer.status, { 'Content-Type': answer.type });
    response.end(answer.body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  api = new EksApi({ region: 'eu-central-1', cluster: 'Prod_1', endpoint });
});

afterEach(() => {
  api.close();
  server.closeAllConnections();
  server.close();
  restore();
});

const signal = new AbortController().signal;
const asked = () => api.listNodegroups(signal);

describe('src/aws/errors', () => {
  it.each([200, 403, 404, 407])(
    'recognises the error page of a proxy with status %d, and reports no missing permission',
    async (status) => {
      answer = { status, type: 'text/html', body: PAGE };
      await expect(asked()).rejects.toMatchObject({
        kind: 'intermediary',
        message: `what answers eks:ListNodegroups for EKS cluster Prod_1 in eu-central-1 is not AWS but a web page (HTTP ${status}), most likely a proxy or firewall in between`,
        remedy: expect.stringContaining('HTTPS_PROXY') as string,
      });
    },
  );

  it('retries while a load balancer has no backend', async () => {
    answer = { status: 503, type: 'text/html', body: '<html><title>503 Service Unavailable</title></html>' };
    await expect(asked()).rejects.toMatchObject({
      kind: 'transient',
      message: 'AWS does not answer eks:ListNodegroups for EKS cluster Prod_1 in eu-central-1 (a web page (HTTP 503))',
    });
  });

  it('exposes no SDK internals for a cut or unexpected answer', async () => {
    for (const body of ['{"nodegroups": [', 'Bad Gateway']) {
      answer = { status: 200, type: 'application/json', body };
      const error: unknown = await asked().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ kind: 'intermediary' });
      expect(String(error)).not.toMatch(/Deserialization|\$response|SyntaxError|Unexpected token/);
    }
  });

  it('reports a resource that AWS does not find as not found', async () => {
    answer = {
      status: 404,
      type: 'application/json',
      body: JSON.stringify({ __type: 'ResourceNotFoundException', message: 'No cluster found for name: Prod_1' }),
    };
    await expect(asked()).rejects.toMatchObject({
      kind: 'not-found',
      message:
        'AWS does not find what eks:ListNodegroups asks for in EKS cluster Prod_1 in eu-central-1 (ResourceNotFoundException: No cluster found for name: Prod_1)',
    });
  });

  it.each([
    [{ __type: 'ParameterNotFound' }, 400, 'not-published'],
    [{ __type: 'AccessDeniedException', message: 'not authorized to perform: ssm:GetParameter' }, 400, 'denied'],
    [{ __type: 'InternalServerError' }, 500, 'silent'],
  ])('explains why the newest release is unknown: %j', async (body, status, why) => {
    answer = { status, type: 'application/x-amz-json-1.1', body: JSON.stringify(body) };
    const image = { amiType: 'AL2023_x86_64_STANDARD', version: '1.34' };
    expect(await api.newestRelease(image, signal)).toEqual({ release: null, why });
  });

  it('does not take the page of a proxy for a missing permission on the newest release', async () => {
    answer = { status: 403, type: 'text/html', body: PAGE };
    const image = { amiType: 'AL2023_x86_64_STANDARD', version: '1.34' };
    expect(await api.newestRelease(image, signal)).toEqual({ release: null, why: 'silent' });
  });
});
