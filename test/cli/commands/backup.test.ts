import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { prepareDirectory, writePrivateFile } from '../../../src/cli/io/private-file';
import { parseBackup } from '../../../src/client/backup';
import { packState } from '../../../src/domain/cluster/packed-state';
import { newClusterState } from '../../../src/domain/cluster/state';
import { clusterSpec } from '../../support/builders';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-backup-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

const BACKUP = {
  ...{ apiVersion: 'ospatch/v1', kind: 'ClusterBackup', cluster: 'demo', namespace: 'default', taskQueue: 'ospatch' },
  takenAt: '2027-01-01T00:00:00.000Z',
  state: packState(newClusterState(clusterSpec(), null, '2027-01-01T00:00:00.000Z')),
};

describe('src/cli/commands/backup', () => {
  test('writes private files, replaces existing ones, and never follows a symlink', async () => {
    const target = path.join(dir, 'deep', 'down');
    await prepareDirectory(target);
    expect(statSync(target).mode & 0o777).toBe(0o700);
    writeFileSync(path.join(dir, 'victim'), 'precious');
    symlinkSync(path.join(dir, 'victim'), path.join(target, 'demo.json'));
    const file = await writePrivateFile(target, 'demo.json', 'new');
    expect(readFileSync(file, 'utf8')).toBe('new');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(path.join(dir, 'victim'), 'utf8')).toBe('precious');
    expect(readdirSync(target)).toEqual(['demo.json']);
  });

  test('fails at once where the directory cannot be created', async () => {
    writeFileSync(path.join(dir, 'file'), '');
    await prepareDirectory(dir);
    for (const target of ['/proc/ospatch/backups', path.join(dir, 'file'), path.join(dir, 'file', 'in')]) {
      await expect(prepareDirectory(target)).rejects.toMatchObject({ type: 'Usage' });
    }
  });

  test.each(['../demo.json', '/etc/demo.json', '.demo.json', '-rf.json', 'a b.json', ''])(
    'does not let a cluster name leave the directory: %j',
    async (name) => {
      await expect(writePrivateFile(dir, name, 'x')).rejects.toMatchObject({ type: 'Usage' });
      expect(readdirSync(dir)).toEqual([]);
    },
  );

  test('restores a backup for its own cluster only, and only a complete one', () => {
    expect(parseBackup(JSON.stringify(BACKUP), 'demo', 'f')).toEqual(BACKUP);
    const broken: [unknown, RegExp][] = [
      ['{', /is no backup/],
      [{ ...BACKUP, kind: 'Cluster' }, /is no backup/],
      [{ ...BACKUP, takenAt: 'noon' }, /when it was taken/],
      [{ ...BACKUP, state: undefined }, /not the state of a cluster/],
      [{ ...BACKUP, state: { ...BACKUP.state, version: 9 } }, /version 9/],
    ];
    for (const [value, why] of broken) {
      const text = typeof value === 'string' ? value : JSON.stringify(value);
      expect(() => parseBackup(text, 'demo', 'f')).toThrow(why);
    }
    expect(() => parseBackup(JSON.stringify(BACKUP), 'other', 'f')).toThrow(/to cluster demo/);
  });
});
