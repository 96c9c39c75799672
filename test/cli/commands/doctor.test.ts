import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterClient } from '../../../src/client/cluster-client';
import { clusterDiagnosis } from '../../../src/client/doctor';
import type { DoctorReport } from '../../../src/cli/commands/doctor/diagnose';
import { runCli } from '../../../src/cli/main';
import { renderDoctor } from '../../../src/cli/render/doctor';
import type { InspectionSummary } from '../../../src/domain/inspection/node';
import { OspatchError } from '../../../src/domain/shared/errors';
import type { Finding } from '../../../src/domain/inspection/finding';
import { ok, problem, warning } from '../../../src/domain/inspection/finding';
import { worstOf } from '../../../src/domain/shared/severity';
import { clusterSpec } from '../../support/builders';
import { specText } from '../offline-context';
import { PLAIN, fakeClient, fakeTerminal } from '../support';

type Answers = Parameters<typeof fakeClient>[0];

let cwd: string;

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'ospatch-doctor-'));
  writeFileSync(join(cwd, 'a.yaml'), specText('{schedule: weekly}'));
  writeFileSync(join(cwd, 'bad.yaml'), specText('{schedule: hourly}'));
});
afterAll(() => rmSync(cwd, { recursive: true }));
afterEach(() => jest.restoreAllMocks());

function node(name: string, ...findings: Finding[]): InspectionSummary {
  return { node: name, verdict: worstOf(findings), os: null, pending: null, findings };
}

const WELL = { findings: [ok('worker', '1 worker polls')], hasWorker: true };

async function run(args: string[], answers: Answers = {}) {
  jest.spyOn(ClusterClient, 'connect').mockResolvedValue(fakeClient(answers));
  const terminal = fakeTerminal({ cwd });
  await runCli(['doctor', ...args], terminal.context);
  return { out: terminal.out(), err: terminal.err(), code: terminal.exitCode() };
}

function seeing(...nodes: InspectionSummary[]): Answers {
  return {
    diagnoseInstallation: () => Promise.resolve(WELL),
    diagnoseCluster: () => Promise.resolve(clusterDiagnosis('prod-eu', [ok('cluster', 'the spec is applied')], nodes)),
  };
}

describe('src/cli/commands/doctor/index', () => {
  describe('with many clusters', () => {
    const names = Array.from({ length: 9 }, (_, at) => `c-${at}`);

    async function inspectAll(terminal: ReturnType<typeof fakeTerminal>): Promise<number> {
      let [atOnce, most] = [0, 0];
      const diagnoseCluster = async ({ name }: { name: string }) => {
        most = Math.max(most, (atOnce += 1));
        // The first ones take longest.
        await new Promise((resolve) => setTimeout(resolve, name === 'c-0' ? 20 : 2));
        atOnce -= 1;
        return clusterDiagnosis(name, [], []);
      };
      const client = fakeClient({ diagnoseInstallation: () => Promise.resolve(WELL), diagnoseCluster });
      jest.spyOn(ClusterClient, 'connect').mockResolvedValue(client);
      writeFileSync(join(cwd, 'many.yaml'), names.map((name) => specText('{}', name)).join('---\n'));
      await runCli(['doctor', '-f', 'many.yaml', '-o', 'json'], terminal.context);
      return most;
    }

    it('inspects several at the same time, within a limit, and reports them in their order', async () => {
      const terminal = fakeTerminal({ cwd });
      expect(await inspectAll(terminal)).toBe(4);
      const { clusters } = JSON.parse(terminal.out()) as DoctorReport;
      expect(clusters.map(({ cluster }) => cluster)).toEqual(names);
      expect(terminal.err()).toBe('');
    });

    it('counts them on a terminal, and leaves no trace of that', async () => {
      const terminal = fakeTerminal({ cwd, isErrorTTY: true });
      await inspectAll(terminal);
      expect(terminal.err()).toContain(
        '\r\u001b[Kinspecting clusters: 0 of 9 ...\r\u001b[Kinspecting clusters: 1 of 9 ...',
      );
      expect(terminal.err().endsWith('inspecting clusters: 9 of 9 ...\r\u001b[K')).toBe(true);
    });
  });

  it.each([
    ['error', [problem('sudo', 'sudo refuses', 'allow it')], 1],
    ['warning', [warning('units', '1 unit has failed', 'look')], 0],
    ['ok', [ok('ready', 'can be patched')], 0],
  ] as const)('ends with the exit code of the worst finding: %s', async (verdict, findings, code) => {
    const answer = await run(['-f', 'a.yaml', '-o', 'json'], seeing(node('w-1', ...findings)));
    expect(answer.code).toBe(code);
    const report = JSON.parse(answer.out) as DoctorReport;
    expect(report).toMatchObject({ verdict, clusters: [{ cluster: 'prod-eu', verdict, nodes: [{ node: 'w-1' }] }] });
    expect(report.clusters[0]?.findings.map(({ check }) => check)).toEqual(['spec', 'schedule', 'cluster']);
    expect(report.clusters[0]?.findings[1]?.message).toBe(
      'the next window is Sun 2026-11-29 00:00, every Sunday at 00:00 (UTC)',
    );
  });

  it('reports the checks that need no server when none answers, with exit code 1', async () => {
    const error = new OspatchError({ type: 'NoServer', message: 'no server', remedy: 'start one' });
    jest.spyOn(ClusterClient, 'connect').mockRejectedValue(error);
    const terminal = fakeTerminal({ cwd });
    await runCli(['doctor', '-f', 'a.yaml', '-o', 'json'], terminal.context);
    expect(terminal.exitCode()).toBe(1);
    const report = JSON.parse(terminal.out()) as DoctorReport;
    expect(report.installation).toEqual([problem('temporal', 'no server', 'start one')]);
    expect(report.clusters[0]?.findings.map(({ severity, check }) => `${severity} ${check}`)).toEqual([
      'warning nodes',
      'ok spec',
      'ok schedule',
    ]);
  });

  it('keeps the rest of the report when the inspection of one cluster fails', async () => {
    const diagnoseCluster = () => Promise.reject(new OspatchError({ type: 'Internal', message: 'broken.' }));
    const { out, code } = await run(['-f', 'a.yaml', '-o', 'json'], { ...seeing(), diagnoseCluster });
    expect(code).toBe(1);
    expect((JSON.parse(out) as DoctorReport).clusters[0]?.findings[0]).toEqual(problem('nodes', 'broken.', null));
  });

  it('inspects the spec in force when given the name of an applied cluster', async () => {
    const diagnoseCluster = jest.fn().mockResolvedValue(clusterDiagnosis('demo', [], [node('w-1', ok('ready', 'x'))]));
    const spec = clusterSpec();
    const answer = await run(['demo'], { ...seeing(), spec: () => Promise.resolve(spec), diagnoseCluster });
    expect(answer.code).toBe(0);
    expect(diagnoseCluster).toHaveBeenCalledWith(spec, { hasWorker: true, file: null });
  });

  it.each([
    [['demo', '-f', 'a.yaml'], /found both "demo" and -f "a\.yaml"/],
    [['-f', 'missing.yaml'], /missing\.yaml.*does not exist/],
    [['-f', 'bad.yaml'], /bad\.yaml is not valid: 1 error/],
    [['-f', 'a.yaml', '-f', 'b.yaml'], /b.yaml: does not exist/],
    [['-f', 'a.yaml', '--fast'], /unknown option '--fast'/],
    [['Prod_EU'], /cluster name "Prod_EU" is not valid/],
    [['-f', 'a.yaml', '-o', 'xml'], /json/],
  ])('rejects %j with exit code 2 and contacts no server', async (args, message) => {
    const answer = await run(args);
    expect(answer).toMatchObject({ code: 2, out: '', err: expect.stringMatching(message) });
    expect(ClusterClient.connect).not.toHaveBeenCalled();
  });
});

describe('src/cli/render/doctor', () => {
  it('shows errors first, a line for every finding with its fix below, and one for a healthy node', () => {
    const nodes = [
      node('w-1', ok('ready', 'can be patched'), ok('helper', 'the helper was placed')),
      node('w-2', warning('units', '1 unit has failed', 'look')),
      node(
        'w-3',
        problem('sudo', 'sudo \u001b[31mrefuses', 'allow it'),
        warning('clock', 'the clock is off', 'set it'),
      ),
    ];
    const clusters = [clusterDiagnosis('demo', [ok('spec', 'the spec is valid')], nodes)];
    expect(renderDoctor({ verdict: 'error', installation: WELL.findings, clusters }, PLAIN).split('\n')).toEqual([
      'Severity  Where         Check   Finding',
      'error     w-3           sudo    sudo  [31mrefuses.',
      '                                fix: allow it',
      'warning   w-2           units   1 unit has failed.',
      '                                fix: look',
      'warning   w-3           clock   the clock is off.',
      '                                fix: set it',
      'ok        installation  worker  1 worker polls.',
      'ok        demo          spec    the spec is valid.',
      'ok        w-1           ready   can be patched; the helper was placed.',
      '',
      'cluster demo: 3 nodes, 1 cannot be patched, 1 with warnings, 1 ok',
    ]);
  });

  it('names the cluster of a node when there are several', () => {
    const clusters = ['a', 'b'].map((name) => clusterDiagnosis(name, [], [node('w-1', ok('ready', 'fine.'))]));
    const text = renderDoctor({ verdict: 'ok', installation: [], clusters }, PLAIN);
    expect(text).toMatch(/^ok +a\/w-1 /m);
    expect(text).toMatch(/^ok +b\/w-1 /m);
  });
});
