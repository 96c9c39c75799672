/** The real AWS SDK against a simulated EKS API. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { AwsRetryPolicy } from '../../src/aws/eks-caller';
import { EksCaller, BEFORE_UPDATE, DURING_UPDATE, EksApis } from '../../src/aws/eks-caller';
import { beginUpdate, followUpdate, requestToken } from '../../src/aws/node-group-update';
import type { EksAccess } from '../../src/domain/eks/node-groups';
import { EksServer, FAULTS, simulateCredentials } from '../support/eks-server';
import { waitFor } from '../support/wait-for';

let eks: EksServer;
let apis: EksApis;
let restore: () => void;
const shown: (string | undefined)[] = [];

beforeEach(async () => {
  restore = simulateCredentials();
  eks = await EksServer.start();
  apis = new EksApis();
  shown.length = 0;
});

afterEach(async () => {
  apis.close();
  await eks.stop();
  restore();
});

function callerOf(policy: AwsRetryPolicy, more: Partial<EksAccess> = {}): EksCaller {
  return new EksCaller({
    apis,
    access: { region: 'eu-central-1', cluster: eks.cluster, endpoint: eks.endpoint, ...more },
    policy,
    signal: new AbortController().signal,
    show: (waitingFor) => shown.push(waitingFor),
  });
}

const REQUEST = { nodeGroup: 'blue', version: '1.31', force: false, identity: ['prod', '7', '2027-01-01T00:00:00Z'] };

const KNOWN = { ...REQUEST, found: '1.31.3-20250103' };

describe('src/aws/node-group-update', () => {
  it('requests the version the group runs, names no release, and repeats a request under the same token', async () => {
    eks.addGroup('blue');
    eks.hold = true;
    const first = await beginUpdate(callerOf(BEFORE_UPDATE), REQUEST);
    expect(await beginUpdate(callerOf(BEFORE_UPDATE), REQUEST)).toEqual(first);
    expect(eks.updates).toHaveLength(1);
    expect(eks.calls.map(({ body }) => body)).toEqual([
      { version: '1.31', clientRequestToken: requestToken([...REQUEST.identity, 'blue']) },
      { version: '1.31', clientRequestToken: requestToken([...REQUEST.identity, 'blue']) },
    ]);
  });

  it('follows the update that the first attempt began when the repetition conflicts with that update', async () => {
    eks.addGroup('blue');
    Object.assign(eks, { hold: true, knowsTokens: false });
    const first = await beginUpdate(callerOf(BEFORE_UPDATE), KNOWN);
    const { updateId } = first as { updateId: string };
    expect(await beginUpdate(callerOf(BEFORE_UPDATE), KNOWN)).toMatchObject({ state: 'in-progress', updateId });
    expect(eks.updates).toHaveLength(1);
  });

  it('forces an update only when the spec says so', async () => {
    eks.addGroup('blue');
    await beginUpdate(callerOf(BEFORE_UPDATE), { ...REQUEST, force: true });
    expect(eks.calls[0]?.body).toMatchObject({ force: true });
  });

  it('reports up-to-date when AWS has no newer release, and for no other rejection by AWS', async () => {
    eks.addGroup('blue', { releaseVersion: eks.latest });
    expect(await beginUpdate(callerOf(BEFORE_UPDATE), REQUEST)).toEqual({ state: 'up-to-date' });
    const message = "Nodegroup can't be upgraded because maxSize (2) is equal to desiredSize (2)";
    eks.failNext('UpdateNodegroupVersion', { status: 400, type: 'InvalidParameterException', message });
    await expect(beginUpdate(callerOf(BEFORE_UPDATE), REQUEST)).rejects.toMatchObject({
      type: 'Aws',
      message: expect.stringContaining('maxSize (2) is equal to desiredSize (2)'),
    });
  });

  it('requests no update to the release that already runs, which would make AWS replace every node', async () => {
    eks.replacesForNothing = true;
    eks.published = eks.latest;
    eks.addGroup('blue', { releaseVersion: eks.latest });
    expect(await beginUpdate(callerOf(BEFORE_UPDATE), KNOWN)).toEqual({ state: 'up-to-date' });
    expect(eks.updates).toEqual([]);
    eks.addGroup('green');
    expect(await beginUpdate(callerOf(BEFORE_UPDATE), { ...KNOWN, nodeGroup: 'green' })).toMatchObject({
      state: 'started',
    });
    expect(eks.calls.find(({ action }) => action === 'GetParameter')?.body).toEqual({
      Name: '/aws/service/eks/optimized-ami/1.31/amazon-linux-2023/x86_64/standard/recommended/release_version',
    });
  });

  it('requests the latest release from AWS when the parameter store denies access', async () => {
    eks.addGroup('blue');
    eks.failNext('GetParameter', FAULTS.denied);
    expect(await beginUpdate(callerOf(BEFORE_UPDATE), KNOWN)).toMatchObject({ state: 'started' });
  });

  it('retries the newest release when the parameter store throttles', async () => {
    eks.published = eks.latest;
    eks.addGroup('blue', { releaseVersion: eks.latest });
    eks.failNext('GetParameter', { ...FAULTS.throttled, status: 400 }, FAULTS.unavailable);
    expect(await beginUpdate(callerOf(BEFORE_UPDATE), KNOWN)).toEqual({ state: 'up-to-date' });
  });

  it('requests the version the group runs now, also after an adopted update has changed that version', async () => {
    eks.addGroup('blue', { version: '1.32' });
    eks.published = eks.latest;
    await beginUpdate(callerOf(BEFORE_UPDATE), { ...KNOWN, adopted: true });
    expect(eks.calls.at(-1)).toMatchObject({ action: 'UpdateNodegroupVersion', body: { version: '1.32' } });
  });

  it('ends with the adopted update when the remaining updates cannot be known', async () => {
    eks.addGroup('blue', { status: 'UPDATING' });
    const begun = beginUpdate(callerOf(BEFORE_UPDATE), { ...KNOWN, adopted: true });
    await waitFor(() => eks.count('ListUpdates') > 0, {
      what: 'a poll of the group that is UPDATING after its update',
    });
    eks.addGroup('blue');
    expect(await begun).toEqual({ state: 'up-to-date' });
    expect(eks.count('UpdateNodegroupVersion')).toBe(0);
  });

  it('requests nothing when the update of another caller ended before adoption', async () => {
    eks.replacesForNothing = true;
    eks.addGroup('blue');
    // The update has ended by the first poll.
    const foreign = eks.beginForeign('blue', 'VersionUpdate', eks.latest);
    expect(await beginUpdate(callerOf(BEFORE_UPDATE), KNOWN)).toEqual({ state: 'up-to-date' });
    expect(eks.updates).toEqual([foreign]);
  });

  it('does not wait for a group that AWS refuses to update because the group is degraded', async () => {
    eks.addGroup('blue', { status: 'DEGRADED' });
    await expect(beginUpdate(callerOf(BEFORE_UPDATE), KNOWN)).rejects.toMatchObject({
      type: 'Aws',
      message: expect.stringContaining('currently not in Active State'),
    });
  });

  it('adopts the version update of another caller among all updates of the group', async () => {
    eks.addGroup('blue');
    for (let past = 0; past < 5; past += 1) eks.end(eks.beginForeign('blue'));
    const foreign = eks.beginForeign('blue');
    eks.hold = true;
    expect(await beginUpdate(callerOf(BEFORE_UPDATE), REQUEST)).toEqual({
      ...{ state: 'in-progress', updateId: foreign.id, type: 'VersionUpdate', adopted: true },
    });
  });

  it('distinguishes an update of another type from a version update', async () => {
    eks.addGroup('blue');
    eks.beginForeign('blue', 'ConfigUpdate');
    eks.hold = true;
    expect(await beginUpdate(callerOf(BEFORE_UPDATE), REQUEST)).toMatchObject({ type: 'ConfigUpdate', adopted: false });
  });

  it.each(['throttled', 'unavailable', 'internal'] as const)('retries until AWS is no longer %s', async (fault) => {
    eks.addGroup('blue');
    // More failures than the retries of the SDK.
    eks.failNext('UpdateNodegroupVersion', ...Array.from({ length: 4 }, () => FAULTS[fault]));
    expect(await beginUpdate(callerOf(BEFORE_UPDATE), REQUEST)).toMatchObject({ state: 'started' });
    expect(shown[0]).toContain(FAULTS[fault].message);
    expect(shown.at(-1)).toBeUndefined();
    expect(eks.updates).toHaveLength(1);
  });

  it('retries over a cut connection', async () => {
    eks.addGroup('blue');
    eks.fault = 'cut';
    const begun = beginUpdate(callerOf(BEFORE_UPDATE), REQUEST);
    await waitFor(() => shown.length > 0, { what: 'the outage in the heartbeat' });
    eks.fault = null;
    expect(await begun).toMatchObject({ state: 'started' });
  });

  it('fails at once on expired credentials before an update, with a remedy and without the key', async () => {
    eks.addGroup('blue');
    eks.fault = FAULTS.expired;
    const error = await beginUpdate(callerOf(BEFORE_UPDATE), REQUEST).catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      type: 'Aws',
      message:
        'AWS does not accept the credentials of the worker for EKS cluster Prod_1 in eu-central-1 (ExpiredTokenException)',
      remedy: expect.stringContaining('renew the AWS credentials'),
    });
  });

  it('keeps following an update while credentials are expired, and reports the wait', async () => {
    eks.addGroup('blue');
    eks.hold = true;
    const begun = await beginUpdate(callerOf(BEFORE_UPDATE), REQUEST);
    const updateId = 'updateId' in begun ? begun.updateId : '';
    eks.fault = FAULTS.expired;
    const ended = followUpdate(callerOf(DURING_UPDATE), { nodeGroup: 'blue', updateId, what: 'the update' });
    await waitFor(() => shown.some((one) => one?.includes('ExpiredTokenException')), {
      what: 'the credentials in the heartbeat',
    });
    eks.fault = null;
    eks.hold = false;
    expect(await ended).toMatchObject({ status: 'Successful' });
  });

  it('reads a credentials file again after its renewal', async () => {
    eks.addGroup('blue');
    const dir = mkdtempSync(path.join(tmpdir(), 'ospatch-aws-'));
    const file = path.join(dir, 'credentials');
    const write = (key: string): void =>
      writeFileSync(file, `[patching]\naws_access_key_id = ${key}\naws_secret_access_key = simulated\n`, {
        mode: 0o600,
      });
    delete process.env['AWS_ACCESS_KEY_ID'];
    process.env['AWS_SHARED_CREDENTIALS_FILE'] = file;
    write('AKIAOLD');
    const seen: string[] = [];
    eks.onAuthorization = (header) => {
      seen.push(header);
      return header.includes('AKIAOLD') ? FAULTS.expired : null;
    };
    const described = callerOf(DURING_UPDATE, { profile: 'patching' }).call('describeNodegroup', (api, signal) =>
      api.describeNodegroup('blue', signal),
    );
    await waitFor(() => shown.length > 0, { what: 'the credentials in the heartbeat' });
    write('AKIANEW');
    expect(await described).toMatchObject({ name: 'blue' });
    expect(seen.at(-1)).toContain('AKIANEW');
    rmSync(dir, { recursive: true });
  });

  it('reports missing credentials with the ways to provide them', async () => {
    delete process.env['AWS_ACCESS_KEY_ID'];
    const access = { profile: 'nowhere' };
    await expect(
      callerOf(BEFORE_UPDATE, access).call('listNodegroups', (api, signal) => api.listNodegroups(signal)),
    ).rejects.toMatchObject({
      message:
        'the worker has no AWS credentials (profile nowhere), so it cannot ask for EKS cluster Prod_1 in eu-central-1',
      remedy: expect.stringContaining('eks.profile'),
    });
  });

  it('names the missing permission', async () => {
    eks.addGroup('blue');
    eks.fault = FAULTS.denied;
    await expect(
      callerOf(BEFORE_UPDATE).call('describeNodegroup', (api, signal) => api.describeNodegroup('blue', signal)),
    ).rejects.toMatchObject({
      message: expect.stringMatching(/^AWS does not allow the worker eks:DescribeNodegroup on EKS cluster Prod_1 /),
      remedy: expect.stringContaining('allow eks:DescribeNodegroup'),
    });
  });

  it('fails when the retry policy ends and reports for how long AWS was unavailable', async () => {
    eks.fault = FAULTS.unavailable;
    await expect(
      callerOf({ transient: 500 }).call('listNodegroups', (api, signal) => api.listNodegroups(signal)),
    ).rejects.toMatchObject({
      message: expect.stringMatching(/for \d+m?s already$/),
    });
  });
});
