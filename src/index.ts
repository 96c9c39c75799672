/** What other programs may use: the client, the spec and everything they answer with. */
export { ClusterClient } from './client/cluster-client';
export type { ClusterListItem, NodeLog, RunReport } from './client/cluster-client';
export type { ConnectOptions } from './client/connection';
export type { ClusterDiagnosis, InstallationDiagnosis } from './client/doctor';
export { isTransient } from './client/errors';
export type { LiveNode, LiveStatus } from './client/live-status';
export { loadSpecs } from './client/load/spec';
export type { LoadedCluster, LoadedSpecs, LoadSpecsOptions, SpecProblem } from './client/load/spec';
export { renderSpecYaml } from './client/load/yaml';
export type { DrainCheck } from './domain/inspection/drain';
export type { InspectionSummary, NodeInspection } from './domain/inspection/node';
export type { EksInspection } from './domain/eks/node-groups';
export type { Check, Finding, Severity } from './domain/inspection/finding';
export { ERROR_TYPES, OspatchError, isOspatchError } from './domain/shared/errors';
export type { ErrorInfo, ErrorType } from './domain/shared/errors';
export type {
  ApplySpecAnswer,
  CancelRunAnswer,
  ClusterHistory,
  ClusterPhase,
  ClusterStatus,
  Message,
  PatchNowAnswer,
  PatchNowMessage,
  Pause,
  PauseAnswer,
  ReleaseAnswer,
  Rejection,
  RemoveAnswer,
  RunStatus,
  RunSummary,
  WindowRecord,
} from './domain/cluster/messages';
export type { NodePatchResult, NodeSnapshot, StepRecord } from './domain/node/patch';
export type { NodeFacts, NodeProgress, NodeStep, PackageChange, PatchPlan } from './domain/node/report';
export type {
  BootPatch,
  NodeError,
  NodeOutcome,
  NodeReading,
  NodeSettled,
  NodeState,
  NodeStatus,
} from './domain/node/status';
export type { RunOutcome, RunTrigger } from './domain/run/run';
export type { SpecChange } from './domain/spec/diff';
export { API_VERSION, MAX_NODES } from './domain/spec/types';
export type {
  ClusterSpec,
  ClusterType,
  CustomDate,
  NodeRole,
  NodeSpec,
  NotPatchableSpec,
  Patching,
  Preset,
  Rollout,
  Schedule,
  SelfManagedSpec,
  SshAccess,
} from './domain/spec/types';
