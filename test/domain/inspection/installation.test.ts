import {
  diagnoseCluster,
  diagnosePlainStarts,
  diagnoseSchedule,
  diagnoseSearchAttributes,
  diagnoseServer,
  diagnoseWorkers,
} from '../../../src/domain/inspection/installation';
import { SEARCH_ATTRIBUTES } from '../../../src/contract/search-attributes';
import { clusterSpec } from '../../support/builders';
import { SEARCH_ATTRIBUTE_TYPES } from '../../../src/domain/shared/search-attributes';

const WHERE = { address: 't.example:7233', namespace: 'prod' };

describe('src/domain/inspection/installation', () => {
  it('accepts the search attributes that the workflows write', () => {
    const written = Object.values(SEARCH_ATTRIBUTES).map(({ name, type }) => [name, type.toUpperCase()]);
    const known = Object.entries(SEARCH_ATTRIBUTE_TYPES).map(([name, type]) => [name, type.toUpperCase()]);
    expect(known).toEqual(written);
  });

  it('gives the command that creates exactly the missing search attributes', () => {
    expect(diagnoseSearchAttributes({ ...SEARCH_ATTRIBUTE_TYPES, Other: 'Int' }, WHERE).severity).toBe('ok');
    const missing = ['PatchCluster', 'PatchNextWindow'];
    const registered = Object.entries(SEARCH_ATTRIBUTE_TYPES).filter(([name]) => !missing.includes(name));
    const finding = diagnoseSearchAttributes(Object.fromEntries(registered), WHERE);
    expect(finding).toMatchObject({ severity: 'warning', check: 'search-attributes' });
    expect(finding.message).toContain('PatchCluster is not registered, PatchNextWindow is not registered');
    expect(finding.remedy).toBe(
      'temporal operator search-attribute create --name PatchCluster --type Keyword --name PatchNextWindow --type Datetime --namespace prod --address t.example:7233',
    );
  });

  it('removes a search attribute of another type before creating the right one', () => {
    const finding = diagnoseSearchAttributes({ ...SEARCH_ATTRIBUTE_TYPES, PatchState: 'Text' }, WHERE);
    expect(finding.message).toContain('PatchState is of type Text instead of Keyword');
    expect(finding.remedy).toMatch(/^temporal operator search-attribute remove --name PatchState .*--yes && temporal/);
    expect(finding.remedy).toContain('create --name PatchState --type Keyword ');
  });

  it('does not warn when the server denies the query', () => {
    expect(diagnoseSearchAttributes(null, WHERE).severity).toBe('ok');
  });

  it('reports address, namespace and version of the server', () => {
    expect(diagnoseServer({ ...WHERE, version: '1.29.1' }).message).toBe(
      'Temporal answers at t.example:7233 (server version 1.29.1), namespace prod',
    );
    expect(diagnoseServer({ ...WHERE, version: '' }).message).toBe(
      'Temporal answers at t.example:7233, namespace prod',
    );
  });

  it('counts workers, and reports an error without one', () => {
    expect(diagnoseWorkers(2, 'ospatch')).toMatchObject({
      severity: 'ok',
      message: '2 workers poll the task queue ospatch',
    });
    expect(diagnoseWorkers(0, 'q')).toMatchObject({
      severity: 'error',
      remedy: expect.stringContaining('ospatch worker'),
    });
  });

  it('reports the next window, a missing schedule, or a schedule without further starts', () => {
    const weekly = clusterSpec(['w-1'], { schedule: [{ preset: 'weekly', startWithin: '1h' }] });
    expect(diagnoseSchedule(weekly, 'Sun')).toMatchObject([{ severity: 'ok', message: 'the next window is Sun' }]);
    expect(diagnoseSchedule(weekly, null)).toMatchObject([{ severity: 'warning', check: 'schedule' }]);
    expect(diagnoseSchedule(clusterSpec(), null)).toMatchObject([
      { severity: 'ok', message: expect.stringContaining('on demand only') },
    ]);
    const imported = { apiVersion: 'ospatch/v1', name: 'x', type: 'imported' } as const;
    expect(diagnoseSchedule(imported, null)).toMatchObject([
      { severity: 'ok', message: expect.stringContaining('not available') },
    ]);
  });

  it('reports that no window begins, and the remedy', () => {
    const scheduleError = 'the calendar x.ics cannot be read; fix: place the file';
    expect(diagnoseCluster('a', { applied: true, changes: 0, paused: null, scheduleError }, null)).toEqual([
      {
        ...{ severity: 'error', check: 'schedule', remedy: 'place the file' },
        message: 'no window begins: the calendar x.ics cannot be read',
      },
    ]);
  });

  it('reports whether the cluster is applied, unchanged, different or paused', () => {
    expect(diagnoseCluster('a', { applied: false }, 'a.yaml')).toMatchObject([
      { severity: 'ok', message: expect.stringContaining('ospatch apply -f a.yaml') },
    ]);
    expect(
      diagnoseCluster('a', { applied: true, changes: 0, paused: null, scheduleError: null }, 'a.yaml'),
    ).toMatchObject([{ severity: 'ok' }]);
    const paused = { at: '2027-01-01T00:00:00Z', by: 'me', reason: 'freeze' };
    expect(diagnoseCluster('a', { applied: true, changes: 2, paused, scheduleError: null }, 'a.yaml')).toMatchObject([
      {
        severity: 'warning',
        message: expect.stringMatching(/paused by me at .*\(freeze\)/),
        remedy: 'ospatch resume a',
      },
      {
        severity: 'warning',
        message: expect.stringContaining('2 fields'),
        remedy: expect.stringContaining('diff -f a.yaml'),
      },
    ]);
  });

  test('names what still has to continue as new before encryption can be required', () => {
    expect(diagnosePlainStarts({ plain: [], read: 0, open: 0 })).toEqual([]);
    expect(diagnosePlainStarts({ plain: [], read: 1_000, open: 1_200 })).toMatchObject([
      { severity: 'ok', message: expect.stringContaining('of 1200 open workflows, 1000 were looked at') as string },
    ]);
    const plain = Array.from({ length: 7 }, (_, at) => `cluster/c-${at}`);
    expect(diagnosePlainStarts({ plain, read: 9, open: 9 })).toMatchObject([
      {
        severity: 'warning',
        message: expect.stringMatching(/^cluster\/c-0, .*c-4 and 2 more were started without encryption/) as string,
        remedy: expect.stringContaining('OSPATCH_ENCRYPTION_REQUIRED for workers later') as string,
      },
    ]);
  });
});
