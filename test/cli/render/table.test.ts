import pc from 'picocolors';
import stringWidth from 'string-width';
import type { Colors } from '../../../src/cli/io/output';
import { colors } from '../../../src/cli/io/output';
import { renderFields, renderTable } from '../../../src/cli/render/table';
import { renderStatus } from '../../../src/cli/render/status';
import { NOW, PLAIN, fakeTerminal, node, status } from '../support';

const HEAD = ['Cluster', 'Type', 'State', 'Note'];
const ROWS = [
  ['prod-eu', 'self-managed', 'idle', ''],
  ['名前', 'eks', 'failed', 'the node did not come back after its reboot, see /var/log/syslog'],
];

function narrow(columns: number, isColoured = false): Colors {
  return { ...pc.createColors(isColoured), columns };
}

function widest(text: string): number {
  return Math.max(...text.split('\n').map((line) => stringWidth(line)));
}

describe('src/cli/render/table', () => {
  test('aligns columns also behind wide characters, and truncates nothing without a terminal', () => {
    expect(renderTable(HEAD, ROWS, PLAIN).split('\n')).toEqual([
      'Cluster  Type          State   Note',
      'prod-eu  self-managed  idle',
      '名前     eks           failed  the node did not come back after its reboot, see /var/log/syslog',
    ]);
  });

  test('wraps cells between words where the terminal is too narrow, the widest first', () => {
    expect(renderTable(HEAD, ROWS, narrow(60)).split('\n')).toEqual([
      'Cluster  Type          State   Note',
      'prod-eu  self-managed  idle',
      '名前     eks           failed  the node did not come back',
      '                               after its reboot, see',
      '                               /var/log/syslog',
    ]);
  });

  test('prints one block with a title per row where wrapping is not enough', () => {
    expect(renderTable(HEAD, ROWS, narrow(30)).split('\n')).toEqual([
      'Cluster  prod-eu',
      'Type     self-managed',
      'State    idle',
      '',
      'Cluster  名前',
      'Type     eks',
      'State    failed',
      'Note     the node did not come',
      '         back after its',
      '         reboot, see',
      '         /var/log/syslog',
    ]);
  });

  test('drops an empty column before wrapping', () => {
    expect(renderTable(HEAD, [['prod-eu', 'self-managed', 'idle', '']], narrow(30)).split('\n')).toEqual([
      'Cluster  Type          State',
      'prod-eu  self-managed  idle',
    ]);
  });

  test.each([20, 33, 40, 60, 80, 200])('a table is never wider than %d columns, colours included', (columns) => {
    const color = narrow(columns, true);
    const rows = ROWS.map((row) => row.map((cell) => color.red(cell)));
    const text = renderTable(HEAD, rows, color);
    expect(widest(text)).toBeLessThanOrEqual(Math.max(columns, 'Note     /var/log/syslog'.length));
    // Colours begin and end within each line.
    for (const line of text.split('\n')) {
      expect(line.split('\u001b[31m')).toHaveLength(line.split('\u001b[39m').length);
    }
  });

  test('a field that is too long continues on the next line', () => {
    const fields = [['Next window', 'Sun 2026-11-29 01:00 Europe/Berlin = Sun 2026-11-29 00:00 UTC']] as const;
    expect(renderFields(fields, narrow(60)).split('\n')).toEqual([
      'Next window  Sun 2026-11-29 01:00 Europe/Berlin = Sun',
      '             2026-11-29 00:00 UTC',
    ]);
    expect(renderFields(fields, PLAIN)).not.toContain('\n');
  });

  test('the node status stays a table in 80 columns, and names the dropped columns', () => {
    const nodes = ['prod-control-plane-1', 'w-2'].map((name) => node(name, { kernel: '6.1.0-25-cloud-amd64' }));
    const text = renderStatus(status(nodes), null, { now: NOW, zone: 'UTC', color: narrow(80) });
    expect(widest(text)).toBeLessThanOrEqual(80);
    const [head = ''] = text.split('\n').filter((line) => line.startsWith('Node '));
    for (const title of ['Node', 'State', 'Last', 'Patched']) expect(head).toContain(title);
    expect(text).toContain('\nprod-control-plane-1  ');
    expect(text).toContain('left out in 80 columns: Kernel');
    expect(renderStatus(status(nodes), null, { now: NOW, zone: 'UTC', color: narrow(200) })).not.toContain('left out');
  });

  test('the width is that of the terminal, with COLUMNS as override, and unlimited without a terminal', () => {
    const stdout = Object.assign(fakeTerminal().context.stdout, { columns: 100 });
    const columns = (isTTY: boolean, env: Record<string, string> = {}): number | undefined =>
      colors({ ...fakeTerminal().context, stdout, isTTY, env }).columns;
    expect(columns(true)).toBe(100);
    expect(columns(true, { COLUMNS: '60' })).toBe(60);
    expect(columns(true, { COLUMNS: 'wide' })).toBe(100);
    expect(columns(false, { COLUMNS: '60' })).toBeUndefined();
  });

  test('the status of 5,000 nodes takes less than a second of processor time to lay out', () => {
    const nodes = Array.from({ length: 5_000 }, (_, index) =>
      node(`worker-${index}`, { patchedVersion: 'Ubuntu 24.04.3 LTS', kernel: '6.8.0-31-generic' }),
    );
    const view = { now: NOW, zone: 'UTC', color: narrow(120) };
    const began = process.cpuUsage();
    const text = renderStatus(status(nodes), null, { ...view, all: true });
    const { user, system } = process.cpuUsage(began);
    expect(text).toContain('worker-4999');
    expect((user + system) / 1_000).toBeLessThan(1_000);
  });
});
