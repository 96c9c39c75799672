/** Guards of a run, each with the change that takes it away and the tests that have to notice. */

export interface Mutation {
  name: string;
  file: string;
  /** Found exactly once in the file. */
  from: string;
  to: string;
  project: 'unit' | 'workflows';
  tests: readonly string[];
}

const DECISIONS = { project: 'unit', tests: ['test/domain/run'] } as const;

export const MUTATIONS: readonly Mutation[] = [
  {
    ...DECISIONS,
    name: 'one node more than the concurrency',
    file: 'src/domain/run/next-step.ts',
    from: 'if (this.busy.length >= this.concurrency)',
    to: 'if (this.busy.length > this.concurrency)',
  },
  {
    ...DECISIONS,
    name: 'nodes in flight do not count as unavailable',
    file: 'src/domain/run/next-step.ts',
    from: 'new Set([...(view.unavailable ?? []), ...namesOf(inFlight), ...namesOf(lost)])',
    to: 'new Set([...(view.unavailable ?? []), ...namesOf(lost)])',
  },
  {
    ...DECISIONS,
    name: 'a node is started before anybody has looked which are unavailable',
    file: 'src/domain/run/next-step.ts',
    from: "if (this.view.unavailable === null) return { kind: 'unobserved' };",
    to: '',
  },
  {
    ...DECISIONS,
    name: 'two control planes at the same time',
    file: 'src/domain/run/next-step.ts',
    from: 'if (controlPlane !== undefined)',
    to: 'if (controlPlane !== undefined && this.busy.length === 0)',
  },
  {
    ...DECISIONS,
    name: 'two zones at the same time',
    file: 'src/domain/run/next-step.ts',
    from: 'hasOther(this.openZones, member.zone)',
    to: 'this.open.length > 1 && hasOther(this.openZones, member.zone)',
  },
  {
    ...DECISIONS,
    name: 'one failure more than may be',
    file: 'src/domain/run/next-step.ts',
    from: "if (failures > limit) return { kind: 'budget', failures, limit };",
    to: "if (failures > limit + 1) return { kind: 'budget', failures, limit };",
  },
  {
    ...DECISIONS,
    name: 'lost nodes do not hold the run up',
    file: 'src/domain/run/next-step.ts',
    from: 'return failures + lost.length > limit ?',
    to: 'return failures > limit ?',
  },
  {
    ...DECISIONS,
    name: 'no soak after a stage',
    file: 'src/domain/run/next-step.ts',
    from: 'return untilMs > nowMs ?',
    to: 'return untilMs > Infinity ?',
  },
  {
    ...DECISIONS,
    name: 'a node is started whose forecast ends after the window',
    file: 'src/domain/run/next-step.ts',
    from: 'return nowMs + forecast.ms <= window.endMs ?',
    to: 'return nowMs <= window.endMs ?',
  },
  {
    ...DECISIONS,
    name: 'shares are rounded up',
    file: 'src/domain/run/limits.ts',
    from: 'Math.floor((total * percent) / 100)',
    to: 'Math.ceil((total * percent) / 100)',
  },
  {
    ...DECISIONS,
    name: 'a node goes out of service whoever else is out by then',
    file: 'src/domain/run/outages.ts',
    from: 'outOfService.has(name) || outOfService.size < limit',
    to: 'outOfService.has(name) || outOfService.size >= 0',
  },
  {
    name: 'a control plane without quorum is spared',
    file: 'src/domain/kubernetes/quorum.ts',
    from: 'return member.ready && !member.inWork;',
    to: 'return member.ready;',
    project: 'unit',
    tests: ['test/domain/kubernetes'],
  },
  {
    name: 'a paused cluster starts runs',
    file: 'src/domain/cluster/decide.ts',
    from: 'if (state.paused !== null) return sleep(state, now, context, `paused by',
    to: 'if (state.paused === undefined) return sleep(state, now, context, `paused by',
    project: 'unit',
    tests: ['test/domain/cluster'],
  },
  {
    name: 'a node that was patched is retried',
    file: 'src/domain/cluster/steering.ts',
    from: "['failed', 'skipped', 'cancelled', 'not-tried'].includes(outcome)",
    to: "['failed', 'skipped', 'cancelled', 'not-tried', 'patched'].includes(outcome)",
    project: 'unit',
    tests: ['test/domain/cluster'],
  },
  {
    name: 'a node patch does not ask before the outage',
    file: 'src/workflows/node/outage.ts',
    from: 'this.granted = input.policy.limitedOutages !== true ||',
    to: 'this.granted = input.policy.limitedOutages !== undefined ||',
    project: 'workflows',
    tests: ['test/workflows/run/outages.test.ts'],
  },
  {
    name: 'a lost node is forgotten at a hand-over',
    file: 'src/workflows/run/loop.ts',
    from: "      this.places.move(one.node, one.lost === true ? 'lost' : 'in-flight');\n",
    to: '',
    project: 'workflows',
    tests: ['test/workflows/run/in-flight.test.ts', 'test/workflows/run/unreachable-node.test.ts'],
  },
  {
    name: 'a lock holds nobody off',
    file: 'src/workflows/run/loop.ts',
    from: 'lock.untilMs > Date.now()',
    to: 'lock.untilMs < Date.now()',
    project: 'workflows',
    tests: ['test/workflows/run/rollout.test.ts'],
  },
  {
    name: 'a node keeps its cordon after a failure',
    file: 'src/workflows/node/patch-node.ts',
    from: 'if (this.kubernetes !== null) await this.returnToService(this.kubernetes);',
    to: 'if (this.kubernetes !== null && this.succeededSoFar()) await this.returnToService(this.kubernetes);',
    project: 'workflows',
    tests: ['test/workflows/node/drain.test.ts'],
  },
  {
    name: 'the watch over the window is cancelled with its patch',
    file: 'src/workflows/node/window.ts',
    from: 'void CancellationScope.nonCancellable(() => this.whenOver(watch))',
    to: 'void this.whenOver(watch)',
    project: 'workflows',
    tests: ['test/workflows/run/outages.test.ts'],
  },
  {
    name: 'one node more than the concurrency, in the workflow',
    file: 'src/workflows/run/loop.ts',
    from: 'limits: this.limits,\n      rolesApart',
    to: 'limits: { ...this.limits, concurrency: this.limits.concurrency + 1 },\n      rolesApart',
    project: 'workflows',
    tests: ['test/workflows/run/random-fleets.test.ts'],
  },
];
