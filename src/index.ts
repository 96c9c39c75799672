/** The public API: the client, the spec, and all types of their results. */
export { ClusterClient } from './client/cluster-client';
export type { ClusterListItem, ClusterOverview, LogNews, NodeLog, RunReport } from './client/cluster-client';
export type { AuditReport, AuditVerdict, AuditedRequest } from './client/audit';
export type { ClusterHealth } from './client/cluster-health';
export type { ServerVersions } from './client/versions';
export type { Poller, WorkerVersion } from './domain/inspection/workers';
export type { Cleared } from './client/delete-ended';
export type { ConnectOptions, TemporalSession } from './client/connection';
export type { ClusterDiagnosis, ClusterDiagnosisOptions, InstallationDiagnosis } from './client/doctor';
export { isTransient } from './client/errors';
export type { WorkflowHistory } from './client/histories';
export type { LiveStatus } from './client/live-status';
export type { PlanOptions } from './client/run-plan';
export { loadSpecs } from './client/load/spec';
export type { LoadSpecsOptions, LoadedCluster, LoadedSpecs, SpecProblem } from './client/load/spec';
export { renderSpecYaml } from './client/load/yaml';
export type { ClusterBackup, RecoverOptions, Recovered, RecoveryPlan } from './client/recovery';
export type {
  AcceptedRequest,
  ApplySpecAnswer,
  CancelRunAnswer,
  Canceller,
  ClusterHistory,
  ClusterPhase,
  ClusterStatus,
  ClusterSummary,
  Message,
  PatchNowAnswer,
  PatchNowMessage,
  Pause,
  PauseAnswer,
  QueuedRun,
  Rejection,
  ReleaseAnswer,
  RemoveAnswer,
  RunStatus,
  RunSummary,
  WindowRecord,
} from './domain/cluster/messages';
export type { Sign } from './client/signed-message';
export type { Admissions } from './domain/cluster/admissions';
export type { RequestSignature } from './domain/cluster/signature';
export type { Verification } from './domain/shared/verification';
export type { ClusterEvent, EventsPage, EventsRequest } from './domain/cluster/event-pages';
export type { EventClass, EventFact, EventKind, EventLog, SomeMembers } from './domain/cluster/events';
export type { PackedState } from './domain/cluster/packed-state';
export type { SteeringAnswer, SteeringMessage, SteeringName } from './domain/cluster/steering';
export type { WorkflowReset } from './domain/cluster/state';
export type { OpenWindow, ScheduleState } from './domain/cluster/schedule-state';
export type { PastMessage, RunInProgress } from './domain/cluster/recovery';
export type { ActiveRun, CancelledRequest, ClusterState, FormerNode, PendingRequest } from './domain/cluster/state';
export type { MemberKind, MemberSettled, MemberStatus, PatchRecord } from './domain/cluster/member';
export type { EksAccess, EksInspection, EksPolicy, NodegroupCheck, NodegroupFacts } from './domain/eks/node-groups';
export type { NodeGroupRecord, NodeGroupSnapshot } from './domain/eks/record';
export type { NodeGroupReading, NodeGroupSettled, NodeGroupStatus } from './domain/eks/status';
export type { DrainCheck } from './domain/inspection/drain';
export type { Explanation, ExplanationKind, StatusLine } from './domain/explain/explanation';
export type { Check, Finding } from './domain/inspection/finding';
export type { LineSeverity, Severity } from './domain/shared/severity';
export type { InspectionSummary, NodeInspection } from './domain/inspection/node';
export type { StuckCluster, StuckKind } from './domain/inspection/stuck';
export type { DrainRecord } from './domain/kubernetes/drain-record';
export type {
  BlockedPod,
  CordonOwner,
  DrainPolicy,
  DrainPreview,
  DrainReport,
  DrainRule,
  DrainRuleAction,
  EvictedWorkload,
  KubernetesAccess,
  KubernetesHealthPolicy,
  KubernetesPolicy,
  OnDrainTimeout,
  OwnWorker,
  OwnWorkerFate,
  PodName,
  WorkloadName,
} from './domain/kubernetes/types';
export type { BootFacts, BootFile } from './domain/node/boot';
export type { FailedUnit } from './domain/node/failed-units';
export type { OutdatedCode, RestartBlocker } from './domain/node/outdated-code';
export type { CommonRecord, NodePatchResult, NodeSnapshot, StepRecord } from './domain/node/patch';
export type { IneffectiveReboot } from './domain/node/reboot';
export type {
  LockKind,
  NodeFacts,
  NodeProgress,
  NodeStep,
  PackageChange,
  PatchPlan,
  RestartReport,
} from './domain/node/report';
export type {
  BootPatch,
  CommonSettled,
  CommonStatus,
  NodeError,
  NodeLock,
  NodeOutcome,
  NodeReading,
  NodeSettled,
  NodeState,
  NodeStatus,
} from './domain/node/status';
export type { NodeWarning, WarningKind } from './domain/node/warning';
export type { RunLimits } from './domain/run/limits';
export type { MemberPlace, PlacedMember, RunHold, WindowLimit } from './domain/run/next-step';
export type {
  HandedOverPatch,
  PatchLimits,
  NodeInWork,
  NodeGroupRunPolicy,
  NodePatchPolicy,
  NodeRunPolicy,
  RunCursor,
  RunOutcome,
  RunDetail,
  RunPolicy,
  RunTrigger,
} from './domain/run/run';
export type { RunWindow } from './domain/run/window-end';
export type { LiveNode } from './domain/explain/explanation';
export type { Forecast } from './domain/run/forecast';
export type { EksPlan, PlannedNodeGroup } from './domain/eks/plan';
export type { PlannedNode, RunPlan } from './domain/run/plan';
export type { RebootForecast } from './domain/run/predict';
export type { RunEndForecast } from './domain/run/run-end';
export type { RunStage, Stage } from './domain/run/stages';
export type { BlackoutPeriod, MaintenanceWindow, RemovedWindow } from './domain/schedule/window';
export { ERROR_TYPES, OspatchError, isOspatchError } from './domain/shared/errors';
export type { ErrorInfo, ErrorType } from './domain/shared/errors';
export type { SpecChange } from './domain/spec/diff';
export type { OnHidden, PackagePolicy, PhasedUpdates } from './domain/spec/package-policy';
export type { IgnoredRebootOwner, RebootOwnerName, RebootOwnerPolicy } from './domain/node/reboot-owners';
export type { RestartMode, RestartPolicy } from './domain/spec/restart-policy';
export { API_VERSION, MAX_NODES } from './domain/spec/types';
export type {
  Amount,
  Blackout,
  ClusterSpec,
  ClusterType,
  CustomDate,
  EksPatching,
  EksSpec,
  FailureBudget,
  HelperMode,
  NodeRole,
  NodeSpec,
  NotPatchableSpec,
  OnExceeded,
  OnWindowEnd,
  PatchableSpec,
  Patching,
  PowerCycleHook,
  Prefetch,
  Preset,
  Rollout,
  RolloutOrder,
  RolloutStage,
  ScheduleEntry,
  SelfManagedSpec,
  SshAccess,
  SshHop,
  ZoneRule,
} from './domain/spec/types';
export type { EncryptionKey, KeyRing } from './encryption/key-ring';
export type { WorkerLimits } from './worker-limits';
export type { AlertHold } from './domain/alerts/gate';
export type {
  AlertmanagerAccess,
  AlertmanagerSpec,
  AlertsSpec,
  OnSilenceFailure,
  SilencePolicy,
  SilenceSpec,
} from './domain/alerts/types';
export type {
  EmailTarget,
  EventFilter,
  NotificationEvent,
  NotificationTarget,
  PlainEvent,
  ProgramTarget,
  SlackTarget,
  TargetFilter,
  TargetTest,
  TeamsTarget,
  WebhookTarget,
  WorkerTarget,
} from './domain/notifications/types';
export type {
  NamedMembers,
  PausedBy,
  RebootReport,
  Report,
  RunNotice,
  RunWait,
  StuckReport,
  TestReport,
  TroubledNode,
  WindowReport,
} from './domain/notifications/report';
export type { Notices } from './domain/cluster/run-report';
export type { PatchWork } from './domain/node/work';
export type { StepTotal, TotalLabels, TotalName, Totals } from './domain/cluster/totals';
