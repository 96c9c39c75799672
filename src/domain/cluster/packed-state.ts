/**
 * The state of a cluster as carried through continue-as-new, in a form that stays small for 5,000 nodes.
 *
 * Every text is stored once in a list and referenced by index, because nodes run the same systems and fail for the same
 * reasons. Node names come from the spec, times are milliseconds since the creation of the cluster, and a suspended run
 * refers to the row of a node where both hold the same values. Only texts about nodes are shortened, and only when all
 * of them together exceed the size that Temporal accepts.
 */
import type { ActiveRun, CancelledRequest, ClusterState, PendingRequest } from './state';
import { isSelfManaged } from './state';
import type { MemberSettled, MemberStatus } from './member';
import type { NodeGroupReading, NodeGroupSettled, NodeGroupStatus } from '../eks/status';
import type {
  CommonSettled,
  NodeError,
  NodeLock,
  NodeOutcome,
  NodeReading,
  NodeSettled,
  NodeStatus,
} from '../node/status';
import type { NodeRole } from '../spec/types';
import type { NodeWarning } from '../node/warning';
import type { IneffectiveReboot } from '../node/reboot';
import { plainText } from '../shared/text';
import { defined } from '../shared/defined';

/** A text, by its index in `texts`. */
type TextRef = number;
/** Milliseconds since the cluster was created. */
type Moment = number;
/** A node, by its index in the list of all nodes; a node no longer in the spec, by its name. */
type NodeRef = number | string;
type PackedError = [type: TextRef, message: TextRef, remedy: TextRef | null];

type PackedNode = [
  state: TextRef,
  lastOutcome: TextRef | null,
  bootPatch: TextRef,
  rebootRequired: 0 | 1 | null,
  restartRequired: 0 | 1,
  lastAppliedPatchTime: Moment | null,
  patchedVersion: TextRef | null,
  kernel: TextRef | null,
  pendingUpdates: number | null,
  packageSetDigest: TextRef | null,
  machineId: TextRef | null,
  lastCheckedTime: Moment | null,
  lastError: PackedError | null,
  warnings: PackedError[],
  /** 0: none. 1: same as the last error. */
  quarantine: 0 | 1 | PackedError,
  ineffectiveReboot: [bootId: TextRef, reasons: TextRef[], stamp: TextRef | null] | null,
  lock: NodeLock | 0,
  recentPatchSeconds: number[] | 0,
  /** Stored only when the spec does not have them. */
  named: [name: string, role: NodeRole] | 0,
  /** Missing, or null: there is none. */
  stateSince?: Moment | null,
  machineUnconfirmed?: 0 | 1,
  hostKeyAlarm?: TextRef | null,
  forMetrics?: PackedForMetrics,
];

/** Trailing values that are null are left out. */
type PackedForMetrics = [
  securityUpdates?: number | null,
  outdatedCount?: number | null,
  rebootSince?: Moment | null,
  restartSince?: Moment | null,
  cordonedAt?: Moment | null,
];

type PackedNodeGroup = [
  name: string,
  state: TextRef,
  lastOutcome: TextRef | null,
  lastAppliedPatchTime: Moment | null,
  patchedVersion: TextRef | null,
  kubernetesVersion: TextRef | null,
  releaseBefore: TextRef | null,
  health: TextRef[] | null,
  lastCheckedTime: Moment | null,
  lastError: PackedError | null,
  warnings: PackedError[],
  recentPatchSeconds: number[] | 0,
  stateSince?: Moment,
];

type PackedSettled = [
  node: NodeRef,
  outcome: TextRef,
  appliedAt: Moment | 'row' | null,
  packagesChanged: number,
  reboots: number,
  pendingUpdates: number | null,
  /** Without hyphens. */
  workflowRunId: string | null,
  /** 1: same as the row. 0: none, or older than the row. */
  reading: 0 | 1,
  /** 0: none. 1: same as the row. */
  error: 0 | 1 | PackedError,
  ineffectiveReboot: 0 | 1,
];

type PackedGroupSettled = [
  node: NodeRef,
  outcome: TextRef,
  appliedAt: PackedSettled[2],
  workflowRunId: PackedSettled[6],
  reading: PackedSettled[7],
  error: PackedSettled[8],
];

/** The members of a cluster are all nodes or all node groups. */
interface ByKind<N, G> {
  nodes: N[];
  groups: G[];
}

/** Members in order; those that follow each other in the order of the cluster as [place of the first, number]. */
type PackedMembers = (NodeRef | [first: number, count: number])[];

/** Shorter ones take less room one by one. */
const MIN_RANGE = 3;

type Packed<R extends PendingRequest> = Omit<R, 'nodes'> & { nodes: PackedMembers | null };

interface PackedRun extends Omit<ActiveRun, 'nodes' | 'done' | 'suspended' | 'cancelledWith'> {
  nodes: PackedMembers;
  cancelledWith?: Packed<CancelledRequest>[];
  /** In the order of `nodes`; null: not settled. */
  done: (TextRef | null)[];
  suspended:
    | (Omit<NonNullable<ActiveRun['suspended']>, 'settled'> & { settled: ByKind<PackedSettled, PackedGroupSettled> })
    | null;
}

export interface PackedState extends Omit<ClusterState, 'nodes' | 'run' | 'aside' | 'request' | 'queue'> {
  texts: string[];
  nodes: PackedNode[];
  groups: PackedNodeGroup[];
  run: PackedRun | null;
  aside?: PackedRun;
  request: Packed<PendingRequest> | null;
  queue?: Packed<PendingRequest>[];
}

/** Characters kept for texts about nodes, whatever the number of nodes. */
const MIN_TEXT_CHARS = 64 * 1024;
/** Characters kept per node in a large cluster. */
export const TEXT_CHARS_PER_NODE = 130;

/** Limits on the texts about one node. */
interface Limits {
  message: number;
  remedy: number;
  /** Distinct remedies. */
  remedies: number;
  warnings: number;
  warning: number;
  reasons: number;
  /** In a suspended run, an error that differs from the row's error is replaced by the row's. */
  rowErrors: boolean;
}

/** Tried in this order until all texts fit. */
const LIMITS: readonly Limits[] = [
  { message: 500, remedy: 200, remedies: Infinity, warnings: 5, warning: 400, reasons: 20, rowErrors: false },
  { message: 500, remedy: 200, remedies: Infinity, warnings: 5, warning: 120, reasons: 20, rowErrors: false },
  { message: 240, remedy: 160, remedies: Infinity, warnings: 3, warning: 80, reasons: 5, rowErrors: false },
  { message: 120, remedy: 120, remedies: 500, warnings: 1, warning: 80, reasons: 2, rowErrors: true },
];
const SHORTEST: Limits = {
  ...{ message: 120, remedy: 120, remedies: 200, warnings: 0, warning: 0, reasons: 0 },
  rowErrors: true,
};

/** Placeholder for the node name, so that nodes that fail for the same reason share one text. */
const OWN_NAME = '\u2400';
/** A shorter name may be part of any word. */
const MIN_NAME = 3;

export function packState(state: ClusterState): PackedState {
  const room = Math.max(MIN_TEXT_CHARS, TEXT_CHARS_PER_NODE * state.nodes.length);
  for (const limits of LIMITS) {
    const packed = new Packer(state, limits, room).pack();
    if (packed !== null) return packed;
  }
  return new Packer(state, SHORTEST, Infinity).pack() as PackedState;
}

/** Restores a packed state. Throws a plain error when `packed` is malformed. */
export function unpackState(packed: PackedState): ClusterState {
  return new Unpacker(packed).unpack();
}

class Packer {
  private readonly texts: string[] = [];
  private readonly refs = new Map<string, TextRef>();
  private readonly created: number;
  private readonly places: ReadonlyMap<string, number>;
  /** Total characters of distinct messages, remedies, warnings and reasons. */
  private charsAboutNodes = 0;
  private remedies = 0;

  constructor(
    private readonly state: ClusterState,
    private readonly limits: Limits,
    private readonly room: number,
  ) {
    this.created = Date.parse(state.createdAt);
    this.places = new Map(state.nodes.map(({ name }, at) => [name, at]));
  }

  /** Null when the texts do not fit. */
  pack(): PackedState | null {
    const { nodes, run, aside, request, queue, ...rest } = this.state;
    const packedNodes: PackedNode[] = [];
    const groups: PackedNodeGroup[] = [];
    for (const [at, member] of nodes.entries()) {
      if (member.kind === 'node') packedNodes.push(this.node(member, at));
      else groups.push(this.group(member));
      if (this.charsAboutNodes > this.room) return null;
    }
    const packed: PackedState = {
      ...rest,
      nodes: packedNodes,
      groups,
      run: run === null ? null : this.run(run),
      ...defined({ aside: aside === undefined ? undefined : this.run(aside) }),
      request: request === null ? null : this.request(request),
      ...defined({ queue: queue?.map((one) => this.request(one)) }),
      texts: this.texts,
    };
    return this.charsAboutNodes > this.room ? null : packed;
  }

  private node({ kind: _, ...node }: NodeStatus, at: number): PackedNode {
    const { name, role, state, lastOutcome, bootPatch, lastAppliedPatchTime, lastCheckedTime, ...more } = node;
    const { rebootRequired, restartRequired, pendingUpdates, ...most } = more;
    const { patchedVersion, kernel, packageSetDigest, machineId, machineUnconfirmed, ...rest } = most;
    const { lastError, warnings, quarantine, ineffectiveReboot, lock, recentPatchSeconds, ...last } = rest;
    const { stateSince, hostKeyAlarm, securityUpdates, outdatedCount, rebootSince, restartSince, ...others_ } = last;
    const { cordonedAt, ...others } = others_;
    others satisfies Record<string, never>;
    const { spec } = this.state;
    const inSpec = isSelfManaged(spec) ? spec.nodes[at] : undefined;
    const isNamed = inSpec?.name === name && inSpec.role === role;
    return [
      this.text(state),
      this.textOrNull(lastOutcome),
      this.text(bootPatch),
      rebootRequired === null ? null : rebootRequired ? 1 : 0,
      restartRequired === true ? 1 : 0,
      this.moment(lastAppliedPatchTime),
      this.textOrNull(patchedVersion),
      this.textOrNull(kernel),
      pendingUpdates,
      this.textOrNull(packageSetDigest),
      this.textOrNull(machineId ?? null),
      this.moment(lastCheckedTime),
      lastError === null ? null : this.error(name, lastError),
      warnings.slice(0, this.limits.warnings).map((warning) => this.warning(name, warning)),
      quarantine === undefined ? 0 : isSame(quarantine, lastError) ? 1 : this.error(name, quarantine),
      this.ineffective(ineffectiveReboot),
      lock ?? 0,
      recentPatchSeconds ?? 0,
      isNamed ? 0 : [name, role],
      ...this.lastFields(
        this.moment(stateSince ?? null),
        machineUnconfirmed,
        this.textOrNull(hostKeyAlarm ?? null),
        withoutTail([
          securityUpdates ?? null,
          outdatedCount ?? null,
          this.moment(rebootSince ?? null),
          this.moment(restartSince ?? null),
          this.moment(cordonedAt ?? null),
        ]),
      ),
    ];
  }

  /** Without those at the end that are missing. */
  private lastFields(
    since: Moment | null,
    unconfirmed: true | undefined,
    alarm: TextRef | null,
    forMetrics: PackedForMetrics,
  ): [stateSince?: Moment | null, machineUnconfirmed?: 0 | 1, hostKeyAlarm?: TextRef | null, PackedForMetrics?] {
    const isUnconfirmed = unconfirmed === true ? 1 : 0;
    if (forMetrics.length > 0) return [since, isUnconfirmed, alarm, forMetrics];
    if (alarm !== null) return [since, isUnconfirmed, alarm];
    if (isUnconfirmed === 1) return [since, 1];
    return since === null ? [] : [since];
  }

  private group({ kind: _, ...group }: NodeGroupStatus): PackedNodeGroup {
    const { name, state, lastOutcome, lastAppliedPatchTime, patchedVersion, ...more } = group;
    const {
      kubernetesVersion,
      releaseBefore,
      health,
      lastCheckedTime,
      lastError,
      warnings,
      recentPatchSeconds,
      stateSince,
      ...others
    } = more;
    others satisfies Record<string, never>;
    return [
      name,
      this.text(state),
      this.textOrNull(lastOutcome),
      this.moment(lastAppliedPatchTime),
      this.textOrNull(patchedVersion),
      this.textOrNull(kubernetesVersion),
      this.textOrNull(releaseBefore),
      health === null ? null : health.map((issue) => this.text(issue)),
      this.moment(lastCheckedTime),
      lastError === null ? null : this.error(name, lastError),
      warnings.slice(0, this.limits.warnings).map((warning) => this.warning(name, warning)),
      recentPatchSeconds ?? 0,
      ...this.momentIfAny(stateSince),
    ];
  }

  private momentIfAny(time: string | undefined): [Moment] | [] {
    const moment = this.moment(time ?? null);
    return moment === null ? [] : [moment];
  }

  private error(node: string, { type, message, remedy }: NodeError): PackedError {
    return [
      this.text(type),
      this.aboutNode(node, message, this.limits.message),
      remedy === undefined ? null : this.remedy(node, remedy),
    ];
  }

  private warning(node: string, { kind, message, remedy }: NodeWarning): PackedError {
    return [
      this.text(kind),
      this.aboutNode(node, message, this.limits.warning),
      remedy === null ? null : this.remedy(node, remedy),
    ];
  }

  private remedy(node: string, remedy: string): TextRef | null {
    const shared = shareable(node, remedy, this.limits.remedy);
    if (!this.refs.has(shared) && this.remedies >= this.limits.remedies) return null;
    if (!this.refs.has(shared)) this.remedies += 1;
    this.count(shared);
    return this.text(shared);
  }

  private ineffective(reboot: IneffectiveReboot | undefined): PackedNode[15] {
    if (reboot === undefined || this.limits.reasons === 0) return null;
    const reasons = reboot.reasons.slice(0, this.limits.reasons);
    for (const reason of reasons) this.count(reason);
    return [
      this.text(reboot.bootId),
      reasons.map((reason) => this.text(reason)),
      reboot.stamp === null ? null : this.text(reboot.stamp),
    ];
  }

  private request<R extends PendingRequest>({ nodes, ...rest }: R): Packed<R> {
    return { ...rest, nodes: nodes === null ? null : this.members(nodes) };
  }

  private members(names: readonly string[]): PackedMembers {
    const refs = names.map((name) => this.nodeRef(name));
    const packed: PackedMembers = [];
    for (let at = 0; at < refs.length;) {
      const first = refs[at] as NodeRef;
      let end = at + 1;
      while (typeof first === 'number' && refs[end] === first + end - at) end += 1;
      if (typeof first === 'number' && end - at >= MIN_RANGE) packed.push([first, end - at]);
      else packed.push(...refs.slice(at, end));
      at = end;
    }
    return packed;
  }

  private run({ nodes, done, suspended, cancelledWith, ...rest }: ActiveRun): PackedRun {
    return {
      ...rest,
      nodes: this.members(nodes),
      ...defined({ cancelledWith: cancelledWith?.map((one) => this.request(one)) }),
      done: nodes.map((name) => this.textOrNull(done[name] ?? null)),
      suspended: suspended === null ? null : { ...suspended, settled: this.allSettled(suspended.settled) },
    };
  }

  private allSettled(settled: readonly MemberSettled[]): ByKind<PackedSettled, PackedGroupSettled> {
    const byKind: ByKind<PackedSettled, PackedGroupSettled> = { nodes: [], groups: [] };
    for (const one of settled) {
      if (one.kind === 'node') byKind.nodes.push(this.settled(one));
      else byKind.groups.push(this.groupSettled(one));
    }
    return byKind;
  }

  private settled(settled: NodeSettled): PackedSettled {
    const { packagesChanged, reboots, pendingUpdates, ineffectiveReboot } = settled;
    const [node, outcome, appliedAt, workflowRunId, reading, error] = this.groupSettled(settled);
    return [
      node,
      outcome,
      appliedAt,
      packagesChanged,
      reboots,
      pendingUpdates ?? null,
      workflowRunId,
      reading,
      error,
      ineffectiveReboot === undefined ? 0 : 1,
    ];
  }

  /** The fields common to settled nodes and node groups, which are all fields of a node group. */
  private groupSettled({ node, outcome, appliedAt, workflowRunId, reading, error }: MemberSettled): PackedGroupSettled {
    const row = this.state.nodes[this.places.get(node) ?? -1];
    return [
      this.nodeRef(node),
      this.text(outcome),
      appliedAt !== null && appliedAt === row?.lastAppliedPatchTime ? 'row' : this.moment(appliedAt),
      workflowRunId === null ? null : withoutHyphens(workflowRunId),
      reading !== null && reading.at === row?.lastCheckedTime ? 1 : 0,
      this.settledError(node, error, row?.lastError ?? null),
    ];
  }

  private settledError(node: string, error: NodeError | null, ofRow: NodeError | null): PackedSettled[8] {
    if (error === null) return 0;
    const isRowEnough = isSame(error, ofRow) || (this.limits.rowErrors && error.type === ofRow?.type);
    return isRowEnough ? 1 : this.error(node, error);
  }

  private nodeRef(name: string): NodeRef {
    return this.places.get(name) ?? name;
  }

  private moment(time: string | null): Moment | null {
    return time === null ? null : Date.parse(time) - this.created;
  }

  private textOrNull(text: string | null): TextRef | null {
    return text === null ? null : this.text(text);
  }

  private text(text: string): TextRef {
    const known = this.refs.get(text);
    if (known !== undefined) return known;
    const ref = this.texts.push(text) - 1;
    this.refs.set(text, ref);
    return ref;
  }

  private aboutNode(node: string, text: string, max: number): TextRef {
    const shared = shareable(node, text, max);
    this.count(shared);
    return this.text(shared);
  }

  private count(text: string): void {
    if (!this.refs.has(text)) this.charsAboutNodes += text.length;
  }
}

class Unpacker {
  private readonly created: number;
  private readonly nodes: MemberStatus[];

  constructor(private readonly packed: PackedState) {
    this.created = Date.parse(packed.createdAt);
    const groups = packed.groups.map((group) => this.group(group));
    this.nodes = [...packed.nodes.map((node, at) => this.node(node, at)), ...groups];
  }

  unpack(): ClusterState {
    const { run, aside, request, queue, ...rest } = withoutLists(this.packed);
    return {
      ...rest,
      nodes: this.nodes,
      run: run === null ? null : this.run(run),
      ...defined({ aside: aside === undefined ? undefined : this.run(aside) }),
      request: request === null ? null : this.request(request),
      ...defined({ queue: queue?.map((one) => this.request(one)) }),
    };
  }

  private node(packed: PackedNode, at: number): NodeStatus {
    const [state, lastOutcome, bootPatch, rebootRequired, restartRequired, lastAppliedPatchTime] = packed;
    const [, , , , , , patchedVersion, kernel, pendingUpdates, packageSetDigest, machineId, lastCheckedTime] = packed;
    const [
      ,
      ,
      ,
      ,
      ,
      ,
      ,
      ,
      ,
      ,
      ,
      ,
      lastError,
      warnings,
      quarantine,
      ineffectiveReboot,
      lock,
      recent,
      named,
      since,
      moved,
      alarm,
      forMetrics = [],
    ] = packed;
    const [securityUpdates, outdatedCount, rebootSince, restartSince, cordonedAt] = forMetrics;
    const { spec } = this.packed;
    const inSpec = isSelfManaged(spec) ? spec.nodes[at] : undefined;
    const [name, role] = named === 0 ? [inSpec?.name, inSpec?.role] : named;
    if (name === undefined || role === undefined) throw new Error(`node ${at} of the carried state has no name`);
    const error = lastError === null ? null : this.error(name, lastError);
    return {
      kind: 'node',
      name,
      role,
      state: this.text(state),
      lastOutcome: this.textOrNull(lastOutcome),
      bootPatch: this.text(bootPatch),
      lastAppliedPatchTime: this.time(lastAppliedPatchTime),
      patchedVersion: this.textOrNull(patchedVersion),
      kernel: this.textOrNull(kernel),
      pendingUpdates,
      rebootRequired: rebootRequired === null ? null : rebootRequired === 1,
      ...defined({ restartRequired: restartRequired === 1 ? (true as const) : undefined }),
      packageSetDigest: this.textOrNull(packageSetDigest),
      ...defined({
        machineId: machineId === null ? undefined : this.text(machineId),
        machineUnconfirmed: moved === 1 ? (true as const) : undefined,
      }),
      lastCheckedTime: this.time(lastCheckedTime),
      lastError: error,
      warnings: warnings.map((warning) => this.warning(name, warning)),
      ...defined({
        quarantine:
          quarantine === 0 ? undefined : quarantine === 1 ? (error ?? undefined) : this.error(name, quarantine),
      }),
      ...defined({
        ineffectiveReboot: ineffectiveReboot === null ? undefined : this.ineffective(ineffectiveReboot),
        lock: lock === 0 ? undefined : lock,
        recentPatchSeconds: recent === 0 ? undefined : recent,
        stateSince: this.time(since ?? null) ?? undefined,
        hostKeyAlarm: typeof alarm === 'number' ? this.text(alarm) : undefined,
        securityUpdates: securityUpdates ?? undefined,
        outdatedCount: outdatedCount ?? undefined,
        rebootSince: this.time(rebootSince ?? null) ?? undefined,
        restartSince: this.time(restartSince ?? null) ?? undefined,
        cordonedAt: this.time(cordonedAt ?? null) ?? undefined,
      }),
    };
  }

  private group(packed: PackedNodeGroup): NodeGroupStatus {
    const [name, state, lastOutcome, lastAppliedPatchTime, patchedVersion, kubernetesVersion, ...more] = packed;
    const [releaseBefore, health, lastCheckedTime, lastError, warnings, recent, since] = more;
    return {
      kind: 'node-group',
      name,
      state: this.text(state),
      lastOutcome: this.textOrNull(lastOutcome),
      lastAppliedPatchTime: this.time(lastAppliedPatchTime),
      patchedVersion: this.textOrNull(patchedVersion),
      kubernetesVersion: this.textOrNull(kubernetesVersion),
      releaseBefore: this.textOrNull(releaseBefore),
      health: health === null ? null : health.map((issue) => this.text(issue)),
      lastCheckedTime: this.time(lastCheckedTime),
      lastError: lastError === null ? null : this.error(name, lastError),
      warnings: warnings.map((warning) => this.warning(name, warning)),
      ...defined({
        recentPatchSeconds: recent === 0 ? undefined : recent,
        stateSince: this.time(since ?? null) ?? undefined,
      }),
    };
  }

  private error(node: string, [type, message, remedy]: PackedError): NodeError {
    return {
      type: this.text(type),
      message: this.aboutNode(node, message),
      ...defined({ remedy: remedy === null ? undefined : this.aboutNode(node, remedy) }),
    };
  }

  private warning(node: string, [kind, message, remedy]: PackedError): NodeWarning {
    return {
      kind: this.text(kind),
      message: this.aboutNode(node, message),
      remedy: remedy === null ? null : this.aboutNode(node, remedy),
    };
  }

  private ineffective([bootId, reasons, stamp]: NonNullable<PackedNode[15]>): IneffectiveReboot {
    return {
      bootId: this.text(bootId),
      reasons: reasons.map((reason) => this.text(reason)),
      stamp: this.textOrNull(stamp),
    };
  }

  private request<R extends PendingRequest>({ nodes, ...rest }: Packed<R>): R {
    return { ...rest, nodes: nodes === null ? null : this.members(nodes) } as unknown as R;
  }

  private members(packed: PackedMembers): string[] {
    return packed.flatMap((one) =>
      Array.isArray(one) ? Array.from({ length: one[1] }, (_, at) => this.nameOf(one[0] + at)) : this.nameOf(one),
    );
  }

  private run({ nodes, done, suspended, cancelledWith, ...rest }: PackedRun): ActiveRun {
    const names = this.members(nodes);
    return {
      ...rest,
      nodes: names,
      ...defined({ cancelledWith: cancelledWith?.map((one) => this.request<CancelledRequest>(one)) }),
      done: Object.fromEntries(
        names.flatMap((name, at) => {
          const outcome = done[at] ?? null;
          return outcome === null ? [] : [[name, this.text<NodeOutcome>(outcome)]];
        }),
      ),
      suspended: suspended === null ? null : { ...suspended, settled: this.allSettled(suspended.settled) },
    };
  }

  private allSettled({ nodes, groups }: ByKind<PackedSettled, PackedGroupSettled>): MemberSettled[] {
    return [...nodes.map((one) => this.settled(one)), ...groups.map((one) => this.groupSettled(one))];
  }

  private settled(packed: PackedSettled): NodeSettled {
    const [node, outcome, appliedAt, packagesChanged, reboots, pendingUpdates, workflowRunId, reading, error] = packed;
    const row = this.rowOf(node);
    const ineffectiveReboot = packed[9] === 1 && row?.kind === 'node' ? row.ineffectiveReboot : undefined;
    return {
      kind: 'node',
      ...this.commonSettled([node, outcome, appliedAt, workflowRunId, reading, error]),
      packagesChanged,
      reboots,
      reading: reading === 1 && row?.kind === 'node' ? readingOf(row) : null,
      ...defined({ pendingUpdates: pendingUpdates ?? undefined, ineffectiveReboot }),
    };
  }

  private groupSettled(packed: PackedGroupSettled): NodeGroupSettled {
    const row = this.rowOf(packed[0]);
    return {
      kind: 'node-group',
      ...this.commonSettled(packed),
      reading: packed[4] === 1 && row?.kind === 'node-group' ? groupReadingOf(row) : null,
    };
  }

  private commonSettled([node, outcome, appliedAt, workflowRunId, , error]: PackedGroupSettled): CommonSettled {
    const row = this.rowOf(node);
    const name = this.nameOf(node);
    return {
      node: name,
      outcome: this.text(outcome),
      appliedAt: appliedAt === 'row' ? (row?.lastAppliedPatchTime ?? null) : this.time(appliedAt),
      error: error === 0 ? null : error === 1 ? (row?.lastError ?? null) : this.error(name, error),
      workflowRunId: workflowRunId === null ? null : withHyphens(workflowRunId),
    };
  }

  private rowOf(node: NodeRef): MemberStatus | undefined {
    return typeof node === 'number' ? this.nodes[node] : undefined;
  }

  private nameOf(ref: NodeRef): string {
    if (typeof ref === 'string') return ref;
    const node = this.nodes[ref];
    if (node === undefined) throw new Error(`the carried state has no node ${ref}`);
    return node.name;
  }

  private time(moment: Moment | null): string | null {
    return moment === null ? null : new Date(this.created + moment).toISOString();
  }

  private aboutNode(node: string, ref: TextRef): string {
    return this.text(ref).replaceAll(OWN_NAME, node);
  }

  private textOrNull<T extends string>(ref: TextRef | null): T | null {
    return ref === null ? null : this.text<T>(ref);
  }

  /** The packed value of a `T` is unpacked as a `T`. */
  private text<T extends string>(ref: TextRef): T {
    const text = this.packed.texts[ref];
    if (text === undefined) throw new Error(`the carried state has no text ${ref}`);
    return text as T;
  }
}

/** The text with a placeholder for the node name, cut to `max` characters. */
function shareable(node: string, text: string, max: number): string {
  // All texts of a state went through `plainText` on input.
  const kept = text.length <= max ? text : plainText(text, max);
  const shown = kept.includes(OWN_NAME) ? kept.replaceAll(OWN_NAME, '') : kept;
  return node.length < MIN_NAME ? shown : shown.replaceAll(node, OWN_NAME);
}

function withoutLists({
  texts: _texts,
  groups: _groups,
  ...packed
}: PackedState): Omit<PackedState, 'texts' | 'groups'> {
  return packed;
}

/** The last reading of the node, restored from its row. */
function readingOf(row: NodeStatus): NodeReading | null {
  const { lastCheckedTime, patchedVersion, kernel, pendingUpdates, rebootRequired, restartRequired } = row;
  const { packageSetDigest, machineId, warnings, securityUpdates, outdatedCount } = row;
  if (lastCheckedTime === null || patchedVersion === null || kernel === null || packageSetDigest === null) return null;
  return {
    at: lastCheckedTime,
    osVersion: patchedVersion,
    kernel,
    pendingUpdates,
    rebootRequired: rebootRequired === true,
    ...defined({
      restartRequired: restartRequired === true ? restartRequired : undefined,
      securityUpdates,
      outdatedCount,
    }),
    packageSetDigest,
    ...defined({ machineId }),
    warnings,
  };
}

function groupReadingOf(row: NodeGroupStatus): NodeGroupReading | null {
  const { lastCheckedTime, patchedVersion, kubernetesVersion, releaseBefore, health, warnings } = row;
  if (lastCheckedTime === null || patchedVersion === null || kubernetesVersion === null || health === null) return null;
  return { at: lastCheckedTime, release: patchedVersion, kubernetesVersion, releaseBefore, health, warnings };
}

function withoutTail(values: (number | null)[]): PackedForMetrics {
  while (values.length > 0 && values.at(-1) === null) values.pop();
  return values as PackedForMetrics;
}

function isSame(one: NodeError, other: NodeError | null | undefined): boolean {
  return one.type === other?.type && one.message === other.message && one.remedy === other.remedy;
}

const UUID = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/;
const PLAIN_UUID = /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/;

function withoutHyphens(uuid: string): string {
  return uuid.replace(UUID, '$1$2$3$4$5');
}

function withHyphens(uuid: string): string {
  return uuid.replace(PLAIN_UUID, '$1-$2-$3-$4-$5');
}
