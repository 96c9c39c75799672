/** How kwok plays the kubelets: what happens to nodes and pods, and the annotations by which a test changes it. */

/** Annotation of a node: its kubelet does nothing, and a state that was written stays. */
export const NODE_DOWN = 'lab/down';
/** Annotation of a pod: it runs, but never becomes ready. */
export const NEVER_READY = 'lab/never-ready';
/** Annotation of a pod: it is bound to a node and never started. */
export const STAYS_PENDING = 'lab/stays-pending';
/** Annotation of a pod: it ends with success after this time, e.g. `2s`. */
export const COMPLETES_AFTER = 'lab/completes-after';
/** Annotation of a pod: how long it takes to end once it is deleted, e.g. `2s`; default 100 ms. */
export const TERMINATES_IN = 'lab/terminates-in';

const isDeleted = (operator: string) => `    - { key: '.metadata.deletionTimestamp', operator: '${operator}' }`;
const annotation = (name: string, operator: string) =>
  `    - { key: '.metadata.annotations["${name}"]', operator: '${operator}' }`;
const phase = (operator: string, value: string) =>
  `    - { key: '.status.phase', operator: '${operator}', values: ['${value}'] }`;

function stage(name: string, kind: string, selector: string[], rest: string): string {
  const head = `apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: ${name}
spec:
  resourceRef: { apiGroup: v1, kind: ${kind} }
  selector:
    matchExpressions:`;
  return `${head}\n${selector.join('\n')}\n${rest}`;
}

const NODE_READY = stage(
  'node-ready',
  'Node',
  [
    annotation(NODE_DOWN, 'DoesNotExist'),
    `    - { key: '.status.conditions.[] | select( .type == "Ready" ) | .status', operator: NotIn, values: ['True'] }`,
  ],
  `  next:
    statusTemplate: |
      {{ $now := Now }}
      conditions:
      {{ range NodeConditions }}
      - lastHeartbeatTime: {{ $now | Quote }}
        lastTransitionTime: {{ $now | Quote }}
        message: {{ .message | Quote }}
        reason: {{ .reason | Quote }}
        status: {{ .status | Quote }}
        type: {{ .type | Quote }}
      {{ end }}
      phase: Running
`,
);

const podStatus = (ready: string, ending: string) => `  next:
    statusTemplate: |
      {{ $now := Now }}
      conditions:
      - { lastTransitionTime: {{ $now | Quote }}, status: "True", type: Initialized }
      - { lastTransitionTime: {{ $now | Quote }}, status: "${ready}", type: Ready }
      - { lastTransitionTime: {{ $now | Quote }}, status: "${ready}", type: ContainersReady }
      containerStatuses:
      {{ range .spec.containers }}
      - image: {{ .image | Quote }}
        name: {{ .name | Quote }}
        ready: ${ready.toLowerCase()}
        restartCount: 0
${ending}
      {{ end }}
`;

const running = `        state:
          running: { startedAt: {{ $now | Quote }} }`;
const completed = `        state:
          terminated: { exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }} }`;

const place = `      hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
      podIP: {{ PodIPWith .spec.nodeName ( or .spec.hostNetwork false ) ( or .metadata.uid "" ) ( or .metadata.name "" ) ( or .metadata.namespace "" ) | Quote }}
      phase: Running
      startTime: {{ $now | Quote }}
`;

const PENDING = [isDeleted('DoesNotExist'), phase('In', 'Pending'), annotation(STAYS_PENDING, 'DoesNotExist')];

const POD_STAGES = [
  stage('pod-ready', 'Pod', [...PENDING, annotation(NEVER_READY, 'DoesNotExist')], podStatus('True', running) + place),
  stage('pod-not-ready', 'Pod', [...PENDING, annotation(NEVER_READY, 'Exists')], podStatus('False', running) + place),
  stage(
    'pod-complete',
    'Pod',
    [isDeleted('DoesNotExist'), phase('In', 'Running'), annotation(COMPLETES_AFTER, 'Exists')],
    `  delay:
    durationMilliseconds: 100
    durationFrom: { expressionFrom: '.metadata.annotations["${COMPLETES_AFTER}"]' }
${podStatus('False', completed)}      phase: Succeeded
`,
  ),
  stage(
    'pod-delete',
    'Pod',
    [isDeleted('Exists')],
    `  delay:
    durationMilliseconds: 100
    durationFrom: { expressionFrom: '.metadata.annotations["${TERMINATES_IN}"]' }
  next:
    delete: true
`,
  ),
];

/** The configuration file of kwok. */
export const STAGES = [NODE_READY, ...POD_STAGES].join('---\n');
