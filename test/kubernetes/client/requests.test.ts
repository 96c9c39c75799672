import { apiStatus, toApiError } from '../../../src/kubernetes/client/errors';
import { toEvictionAnswer } from '../../../src/kubernetes/client/requests';

function thrown(code: number, body: object, headers: object = {}) {
  return { code, body: JSON.stringify(body), headers };
}
function answer(code: number, body: object, headers: object = {}) {
  const status = apiStatus(thrown(code, body, headers));
  return status === null ? 'no status' : toEvictionAnswer(status);
}
const call = { what: 'read node w-1', where: 'kubeconfig config', wasSent: true };

describe('src/kubernetes/client/requests', () => {
  it.each([
    [404, { reason: 'NotFound' }, { state: 'gone' }],
    [409, { reason: 'Conflict' }, { state: 'gone' }],
    [429, { message: 'm', details: { causes: [{ reason: 'DisruptionBudget' }] } }, { state: 'budget', message: 'm' }],
    [
      429,
      { details: { causes: [{ reason: 'DisruptionBudget' }], retryAfterSeconds: 10 } },
      { state: 'not-observed', retryAfterMs: 10_000 },
    ],
    [429, { reason: 'TooManyRequests' }, { state: 'busy', retryAfterMs: 5_000 }],
    [
      500,
      { message: 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support' },
      { state: 'two-budgets' },
    ],
    [500, { message: 'etcdserver: request timed out' }, null],
    [403, { details: { causes: [{ reason: 'NamespaceTerminating' }] } }, { state: 'namespace-terminating' }],
    [403, { message: 'pods "a" is forbidden: User "x" cannot create resource "pods/eviction"' }, null],
    [
      403,
      { message: 'admission webhook "w" denied the request: no' },
      { state: 'denied', message: 'admission webhook "w" denied the request: no' },
    ],
    [
      429,
      { message: 'admission webhook "vm" denied the request: it is moving' },
      { state: 'denied', message: 'admission webhook "vm" denied the request: it is moving' },
    ],
    [
      500,
      { message: 'Internal error occurred: failed calling webhook "w": connection refused' },
      { state: 'denied', message: 'Internal error occurred: failed calling webhook "w": connection refused' },
    ],
    [401, { message: 'Unauthorized' }, null],
    [503, {}, null],
  ])('classifies %i %j as %j', (code, body, expected) => {
    expect(answer(code, body)).toEqual(expected);
  });

  it('reads the retry delay from the header when the body has none', () => {
    expect(answer(429, {}, { 'retry-after': '7' })).toEqual({ state: 'busy', retryAfterMs: 7_000 });
  });

  it.each([
    [
      { name: 'FetchError', code: 'ECONNREFUSED', message: 'connect' },
      true,
      'unavailable',
      'is unreachable (ECONNREFUSED)',
    ],
    [{ name: 'FetchError', code: 'ERR_STREAM_PREMATURE_CLOSE', message: '' }, true, 'unavailable', 'is unreachable'],
    [{ name: 'TimeoutError', code: 23, message: 'aborted' }, false, 'unavailable', 'did not answer in time'],
    [{ name: 'FetchError', code: 'DEPTH_ZERO_SELF_SIGNED_CERT', message: '' }, true, 'credentials', 'are not trusted'],
    [{ name: 'Error', message: 'aws: token=abcdefgh failed' }, false, 'credentials', 'token=[redacted] failed'],
    [thrown(503, { message: 'apiserver not ready' }), true, 'unavailable', '503: apiserver not ready'],
    [thrown(401, {}), true, 'credentials', '(401)'],
    [thrown(403, { message: 'nodes is forbidden' }), true, 'forbidden', 'nodes is forbidden'],
    [thrown(400, { message: 'odd' }), true, 'rejected', '400: odd'],
    [
      { code: 502, body: '<html>\u001b[31mBad Gateway</html>', headers: {} },
      true,
      'unavailable',
      'is a web page (HTTP 502), most',
    ],
    [
      { code: 403, body: '<html><title>Blocked</title></html>', headers: {} },
      true,
      'unavailable',
      'what answers in place of the API server of kubeconfig config is a web page (HTTP 403, "Blocked")',
    ],
    [
      { name: 'SyntaxError', message: 'Unexpected token <' },
      true,
      'unavailable',
      'is something that is not an API response',
    ],
  ])('classifies %j as a server that is %3$s', (error, wasSent, kind, text) => {
    const failure = toApiError(error, { ...call, wasSent });
    expect(failure).toMatchObject({ type: 'KubernetesApi', kind });
    expect(failure.message).toContain(text);
  });
});
