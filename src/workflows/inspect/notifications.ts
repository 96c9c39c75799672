/** A short-lived workflow that sends a test message to each target, and says what it has answered. */
import type { AnyTarget, TargetTest } from '../../domain/notifications/types';
import { local, notificationTest } from '../shared/activity-options';
import { toInspectionError } from '../shared/failures';
import { failOnBadInput } from '../shared/short-lived';
import { timestamp } from '../shared/timestamp';

export interface NotificationTestInput {
  cluster: string;
  createdAt: string;
  /** Of the spec. Null: it has none, and the targets of the worker's file are tested. */
  targets: AnyTarget[] | null;
  /** The name of the only target to test. */
  only?: string;
  by: string;
}

export async function testNotifications(input: NotificationTestInput): Promise<TargetTest[]> {
  return failOnBadInput(async () => {
    const { cluster, createdAt, only, by } = input;
    const all = input.targets ?? (await local.notificationDefaults({ cluster }));
    const targets = all.filter(({ name }) => only === undefined || name === only);
    return Promise.all(
      targets.map(async (target): Promise<TargetTest> => {
        const place = { target: target.name, fromWorker: 'fromWorker' in target };
        const report = { kind: 'test' as const, by };
        try {
          const { answer } = await notificationTest.notify.executeWithOptions({ summary: `${target.name}: a test` }, [
            { cluster, createdAt, target, report, at: timestamp(), news: [], thread: null },
          ]);
          return { ...place, answer };
        } catch (failure) {
          return { ...place, error: toInspectionError(failure, `the test of ${target.name}`) };
        }
      }),
    );
  });
}
